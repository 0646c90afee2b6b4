//! The line walker.

use crate::attribute;
use crate::error::{Error, Fault};
use crate::feedback::{Feedback, FeedbackSet};
use crate::limits;
use crate::media::{Direction, ExtensionMapping, MediaKind, MediaSection, Protocol};
use crate::payload::{Payload, encoding_name};
use crate::session::SessionDescription;
use crate::source::Source;
use crate::transport::{Setup, TransportAttributes};

impl SessionDescription {
    /// Reads a description. Lines may end in CRLF or LF; unknown lines and attributes are left out; of an attribute
    /// that stands twice the last counts.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > limits::DESCRIPTION_BYTES_MAX {
            let fault = Fault::TooLong { limit: limits::DESCRIPTION_BYTES_MAX };
            return Err(Error { line: 1, name: "description", fault });
        }
        let mut walker = Walker::default();
        let mut begun = false;
        for (index, line) in text.split('\n').enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let at = |(name, fault)| Error { line: index + 1, name, fault };
            if line.is_empty() {
                continue;
            }
            if !begun {
                if line.trim_end() != "v=0" {
                    return Err(at(("v", Fault::NotADescription)));
                }
                begun = true;
                continue;
            }
            let (letter, value) = split(line).map_err(|fault| at(("line", fault)))?;
            walker.line(letter, value).map_err(at)?;
        }
        if !begun {
            return Err(Error { line: 1, name: "v", fault: Fault::NotADescription });
        }
        Ok(walker.finish())
    }
}

/// Splits `x=value`.
fn split(line: &str) -> Result<(u8, &str), Fault> {
    if line.len() > limits::LINE_BYTES_MAX {
        return Err(Fault::TooLong { limit: limits::LINE_BYTES_MAX });
    }
    // Without an early way out: the whole line is checked a register at a time.
    let control = line.bytes().fold(false, |found, byte| found | ((byte < 0x20) & (byte != b'\t')) | (byte == 0x7f));
    let (letter, value) = match line.as_bytes() {
        [letter, b'=', ..] if letter.is_ascii_lowercase() => (*letter, line.get(2..).unwrap_or_default()),
        _ => return Err(Fault::NotALine),
    };
    // Free text may hold anything but line ends (RFC 8866, section 9, byte-string), and is not read.
    if control && (matches!(letter, b'a' | b'm' | b'o') || line.bytes().any(|byte| matches!(byte, 0 | b'\r'))) {
        return Err(Fault::NotALine);
    }
    Ok((letter, value.trim_ascii_end()))
}

/// A fault and the name of what has it.
type Named = (&'static str, Fault);

/// What has been read so far.
#[derive(Default)]
struct Walker {
    session: SessionDescription,
    /// Direction that holds for sections without one (RFC 8866, section 6.7).
    direction: Option<Direction>,
    open: Option<OpenSection>,
}

/// The section under way.
struct OpenSection {
    section: MediaSection,
    direction: Option<Direction>,
    /// Feedback for every payload type.
    feedback: FeedbackSet,
    /// Place of each payload type in the section; 255 = not there.
    places: [u8; 128],
}

impl OpenSection {
    fn payload(&mut self, number: u8) -> Option<&mut Payload> {
        let place = *self.places.get(usize::from(number))?;
        self.section.payloads.get_mut(usize::from(place))
    }
}

impl Walker {
    fn finish(mut self) -> SessionDescription {
        self.close();
        self.session
    }

    /// Puts the section under way into the session.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let mut section = open.section;
        section.direction = match section.kind {
            // Data channels go both ways, whatever a direction says.
            MediaKind::Application => Direction::SendRecv,
            _ => open.direction.or(self.direction).unwrap_or(Direction::SendRecv),
        };
        if !open.feedback.is_empty() {
            for payload in &mut section.payloads {
                payload.feedback = payload.feedback.union(open.feedback);
            }
        }
        self.session.media.push(section);
    }

    fn line(&mut self, letter: u8, value: &str) -> Result<(), Named> {
        match letter {
            b'o' => {
                let mut words = value.split_ascii_whitespace().skip(1);
                let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
                self.session.session_id = number();
                self.session.session_version = number();
                Ok(())
            }
            b'm' => self.media(value).map_err(|fault| ("m", fault)),
            b'a' => {
                let (name, value) = attribute::cut(value, b':').unwrap_or((value, ""));
                self.attribute(name, value)
            }
            _ => Ok(()),
        }
    }

    /// `m=<kind> <port>[/<count>] <protocol> <format> …`.
    fn media(&mut self, value: &str) -> Result<(), Fault> {
        self.close();
        if self.session.media.len() == limits::SECTIONS_MAX {
            return Err(Fault::TooMany { limit: limits::SECTIONS_MAX });
        }
        let mut words = value.split_ascii_whitespace();
        let kind = MediaKind::from_text(words.next().ok_or(Fault::Missing("kind"))?);
        let port = words.next().ok_or(Fault::Missing("port"))?;
        let port = attribute::number(port.split('/').next().unwrap_or_default(), "port")?;
        let protocol = Protocol::from_text(words.next().ok_or(Fault::Missing("protocol"))?);
        let mut section = MediaSection::new(kind, protocol);
        section.port = port;
        let mut places = [255; 128];
        if section.protocol.is_rtp() {
            for word in words {
                let number: u8 = attribute::number(word, "payload type")?;
                let place = places.get_mut(usize::from(number)).ok_or(Fault::Invalid("payload type"))?;
                if *place == 255 {
                    *place = section.payloads.len() as u8;
                    section.payloads.push(Payload::new(number));
                }
            }
        } else {
            for word in words {
                if !section.format.is_empty() {
                    section.format.push(' ');
                }
                section.format.push_str(word);
            }
        }
        if section.payloads.is_empty() && section.format.is_empty() {
            return Err(Fault::Missing("format"));
        }
        self.open = Some(OpenSection { section, direction: None, feedback: FeedbackSet::default(), places });
        Ok(())
    }

    fn attribute(&mut self, name: &str, value: &str) -> Result<(), Named> {
        if let Some(open) = &mut self.open
            && section_attribute(open, name, value)?
        {
            return Ok(());
        }
        let transport = match &mut self.open {
            Some(open) => &mut open.section.transport,
            None => &mut self.session.transport,
        };
        if transport_attribute(transport, name, value)? {
            return Ok(());
        }
        if let Some(direction) = Direction::from_text(name) {
            match &mut self.open {
                Some(open) => open.direction = Some(direction),
                None => self.direction = Some(direction),
            }
            return Ok(());
        }
        match self.open {
            Some(_) => Ok(()),
            None => self.session_attribute(name, value),
        }
    }

    fn session_attribute(&mut self, name: &str, value: &str) -> Result<(), Named> {
        let session = &mut self.session;
        match name {
            "ice-lite" => session.ice_lite = true,
            "extmap-allow-mixed" => session.extmap_allow_mixed = true,
            "msid-semantic" => session.msid_semantic = Some(value.trim_ascii().to_owned()),
            "extmap" => extension(&mut session.extensions, value)?,
            "group" if session.bundle.is_empty() => {
                let mut words = value.split_ascii_whitespace();
                if words.next() == Some("BUNDLE") {
                    for mid in words {
                        push(&mut session.bundle, mid.to_owned(), limits::SECTIONS_MAX)
                            .map_err(|fault| ("a=group", fault))?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Reads an attribute that a session and a section may have; `false` if it is none of these.
fn transport_attribute(transport: &mut TransportAttributes, name: &str, value: &str) -> Result<bool, Named> {
    match name {
        "ice-ufrag" => {
            let ufrag = attribute::word(value, "user name fragment").map_err(|fault| ("a=ice-ufrag", fault))?;
            transport.ice_ufrag = Some(ufrag.to_owned());
        }
        "ice-pwd" => {
            let pwd = attribute::word(value, "password").map_err(|fault| ("a=ice-pwd", fault))?;
            transport.ice_pwd = Some(pwd.to_owned());
        }
        "ice-options" => transport.trickle = value.split_ascii_whitespace().any(|option| option == "trickle"),
        "fingerprint" => attribute::fingerprint(value)
            .and_then(|fingerprint| push(&mut transport.fingerprints, fingerprint, limits::FINGERPRINTS_MAX))
            .map_err(|fault| ("a=fingerprint", fault))?,
        "setup" => {
            let setup = Setup::from_text(value.trim_ascii()).ok_or(("a=setup", Fault::Invalid("role")))?;
            transport.setup = Some(setup);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Reads an attribute of a section; `false` if it is none of those that only sections have.
fn section_attribute(open: &mut OpenSection, name: &str, value: &str) -> Result<bool, Named> {
    let section = &mut open.section;
    match name {
        "rtcp-fb" => rtcp_fb(open, value).map_err(|fault| ("a=rtcp-fb", fault))?,
        "rtpmap" => rtpmap(open, value).map_err(|fault| ("a=rtpmap", fault))?,
        "fmtp" => fmtp(open, value).map_err(|fault| ("a=fmtp", fault))?,
        "extmap" => extension(&mut section.extensions, value)?,
        "mid" => {
            let mid = attribute::word(value, "mid").map_err(|fault| ("a=mid", fault))?;
            section.mid = Some(mid.to_owned());
        }
        "rtcp-mux" | "rtcp-mux-only" => section.rtcp_mux = true,
        "rtcp-rsize" => section.rtcp_rsize = true,
        "bundle-only" => section.bundle_only = true,
        "extmap-allow-mixed" => section.extmap_allow_mixed = true,
        "end-of-candidates" => section.end_of_candidates = true,
        "msid" => attribute::msid(value)
            .and_then(|msid| push(&mut section.msids, msid, limits::ATTRIBUTES_MAX))
            .map_err(|fault| ("a=msid", fault))?,
        "ssrc" => source(section, value).map_err(|fault| ("a=ssrc", fault))?,
        "ssrc-group" => attribute::source_group(value, limits::ATTRIBUTES_MAX)
            .and_then(|group| push(&mut section.source_groups, group, limits::ATTRIBUTES_MAX))
            .map_err(|fault| ("a=ssrc-group", fault))?,
        "rid" => attribute::rid(value)
            .and_then(|rid| push(&mut section.rids, rid, limits::ATTRIBUTES_MAX))
            .map_err(|fault| ("a=rid", fault))?,
        "simulcast" => {
            let simulcast = attribute::simulcast(value, limits::ATTRIBUTES_MAX);
            section.simulcast = Some(simulcast.map_err(|fault| ("a=simulcast", fault))?);
        }
        "candidate" => {
            push(&mut section.candidates, format!("candidate:{}", value.trim_ascii()), limits::ATTRIBUTES_MAX)
                .map_err(|fault| ("a=candidate", fault))?
        }
        "sctp-port" => {
            let port = attribute::number(value, "port").map_err(|fault| ("a=sctp-port", fault))?;
            section.sctp_port = Some(port);
        }
        "sctpmap" => section.sctp_map = attribute::sctp_map(value).map_err(|fault| ("a=sctpmap", fault))?,
        "max-message-size" => {
            let size = attribute::number(value, "size").map_err(|fault| ("a=max-message-size", fault))?;
            section.max_message_size = Some(size);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn extension(extensions: &mut Vec<ExtensionMapping>, value: &str) -> Result<(), Named> {
    attribute::extension(value)
        .and_then(|extension| push(extensions, extension, limits::ATTRIBUTES_MAX))
        .map_err(|fault| ("a=extmap", fault))
}

fn rtpmap(open: &mut OpenSection, value: &str) -> Result<(), Fault> {
    if !open.section.protocol.is_rtp() {
        return Ok(());
    }
    let (number, rest) = attribute::payload_type(value)?;
    let (name, clock_rate, channels) = attribute::encoding(rest)?;
    if let Some(payload) = number.and_then(|number| open.payload(number)) {
        payload.encoding = encoding_name(name);
        payload.clock_rate = clock_rate;
        payload.channels = channels;
    }
    Ok(())
}

fn fmtp(open: &mut OpenSection, value: &str) -> Result<(), Fault> {
    if !open.section.protocol.is_rtp() {
        return Ok(());
    }
    let (number, rest) = attribute::payload_type(value)?;
    let Some(payload) = number.and_then(|number| open.payload(number)) else { return Ok(()) };
    let limit = limits::PARAMETERS_BYTES_MAX;
    if payload.parameters.len() + rest.len() >= limit {
        return Err(Fault::TooLong { limit });
    }
    if !payload.parameters.is_empty() && !rest.is_empty() {
        payload.parameters.push(';');
    }
    payload.parameters.push_str(rest);
    Ok(())
}

fn rtcp_fb(open: &mut OpenSection, value: &str) -> Result<(), Fault> {
    if !open.section.protocol.is_rtp() {
        return Ok(());
    }
    let (number, rest) = attribute::payload_type(value)?;
    let Some(feedback) = Feedback::from_text(rest) else { return Ok(()) };
    match number {
        None => open.feedback.insert(feedback),
        Some(number) => {
            if let Some(payload) = open.payload(number) {
                payload.feedback.insert(feedback);
            }
        }
    }
    Ok(())
}

fn source(section: &mut MediaSection, value: &str) -> Result<(), Fault> {
    let (ssrc, name, value) = attribute::source(value)?;
    let place = match section.sources.iter().rposition(|source| source.ssrc == ssrc) {
        Some(place) => place,
        None => {
            push(&mut section.sources, Source { ssrc, ..Source::default() }, limits::ATTRIBUTES_MAX)?;
            section.sources.len() - 1
        }
    };
    if let Some(source) = section.sources.get_mut(place) {
        match name {
            "cname" => source.cname = Some(value.to_owned()),
            "msid" => source.msid = Some(attribute::msid(value)?),
            _ => {}
        }
    }
    Ok(())
}

/// Adds `item` unless there are `limit` of them.
fn push<T>(list: &mut Vec<T>, item: T, limit: usize) -> Result<(), Fault> {
    if list.len() >= limit {
        return Err(Fault::TooMany { limit });
    }
    list.push(item);
    Ok(())
}
