//! Descriptions as text.

use std::fmt::{self, Display, Formatter, Write};

use crate::attribute::DATA_CHANNELS;
use crate::media::{ExtensionMapping, MediaKind, MediaSection};
use crate::payload::Payload;
use crate::session::SessionDescription;
use crate::transport::TransportAttributes;

/// Streams that `a=sctpmap` states, as all who wrote it did.
const SCTP_STREAMS: u32 = 65_535;

impl Display for SessionDescription {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "v=0\r\no=- {} {} IN IP4 127.0.0.1\r\n", self.session_id, self.session_version)?;
        f.write_str("s=-\r\nt=0 0\r\n")?;
        if !self.bundle.is_empty() {
            f.write_str("a=group:BUNDLE")?;
            for mid in &self.bundle {
                write!(f, " {mid}")?;
            }
            f.write_str("\r\n")?;
        }
        if self.ice_lite {
            f.write_str("a=ice-lite\r\n")?;
        }
        if self.extmap_allow_mixed {
            f.write_str("a=extmap-allow-mixed\r\n")?;
        }
        if let Some(semantic) = &self.msid_semantic {
            write!(f, "a=msid-semantic: {semantic}\r\n")?;
        }
        self.extensions.iter().try_for_each(|item| extension(f, item))?;
        transport(f, &self.transport)?;
        self.media.iter().try_for_each(|media| section(f, media))
    }
}

fn section(f: &mut Formatter<'_>, media: &MediaSection) -> fmt::Result {
    write!(f, "m={} {} {}", media.kind.text(), media.port, media.protocol.text())?;
    if media.protocol.is_rtp() {
        if media.payloads.is_empty() {
            // An m= line needs a format; this one is of a section without any, which is a rejected one.
            f.write_str(" 0")?;
        }
        for payload in &media.payloads {
            write!(f, " {}", payload.number)?;
        }
    } else {
        write!(f, " {}", media.format)?;
    }
    f.write_str("\r\nc=IN IP4 0.0.0.0\r\n")?;
    for candidate in &media.candidates {
        write!(f, "a={candidate}\r\n")?;
    }
    if media.end_of_candidates {
        f.write_str("a=end-of-candidates\r\n")?;
    }
    transport(f, &media.transport)?;
    if let Some(mid) = &media.mid {
        write!(f, "a=mid:{mid}\r\n")?;
    }
    if media.bundle_only {
        f.write_str("a=bundle-only\r\n")?;
    }
    if media.extmap_allow_mixed {
        f.write_str("a=extmap-allow-mixed\r\n")?;
    }
    media.extensions.iter().try_for_each(|item| extension(f, item))?;
    if media.kind != MediaKind::Application {
        write!(f, "a={}\r\n", media.direction.text())?;
    }
    for msid in &media.msids {
        write!(f, "a=msid:{}", msid.stream)?;
        if !msid.track.is_empty() {
            write!(f, " {}", msid.track)?;
        }
        f.write_str("\r\n")?;
    }
    if media.rtcp_mux {
        f.write_str("a=rtcp-mux\r\n")?;
    }
    if media.rtcp_rsize {
        f.write_str("a=rtcp-rsize\r\n")?;
    }
    media.payloads.iter().try_for_each(|item| payload(f, item))?;
    sources(f, media)?;
    simulcast(f, media)?;
    if let Some(port) = media.sctp_port {
        write!(f, "a=sctp-port:{port}\r\n")?;
    }
    if let Some(port) = media.sctp_map {
        write!(f, "a=sctpmap:{port} {DATA_CHANNELS} {SCTP_STREAMS}\r\n")?;
    }
    if let Some(size) = media.max_message_size {
        write!(f, "a=max-message-size:{size}\r\n")?;
    }
    Ok(())
}

fn extension(f: &mut Formatter<'_>, extension: &ExtensionMapping) -> fmt::Result {
    write!(f, "a=extmap:{}", extension.id)?;
    if let Some(direction) = extension.direction {
        write!(f, "/{}", direction.text())?;
    }
    write!(f, " {}\r\n", extension.uri)
}

fn transport(f: &mut Formatter<'_>, transport: &TransportAttributes) -> fmt::Result {
    if let Some(ufrag) = &transport.ice_ufrag {
        write!(f, "a=ice-ufrag:{ufrag}\r\n")?;
    }
    if let Some(pwd) = &transport.ice_pwd {
        write!(f, "a=ice-pwd:{pwd}\r\n")?;
    }
    if transport.trickle {
        f.write_str("a=ice-options:trickle\r\n")?;
    }
    for fingerprint in &transport.fingerprints {
        write!(f, "a=fingerprint:{} ", fingerprint.hash.text())?;
        for (index, byte) in fingerprint.digest.iter().enumerate() {
            if index > 0 {
                f.write_char(':')?;
            }
            write!(f, "{byte:02X}")?;
        }
        f.write_str("\r\n")?;
    }
    if let Some(setup) = transport.setup {
        write!(f, "a=setup:{}\r\n", setup.text())?;
    }
    Ok(())
}

fn payload(f: &mut Formatter<'_>, payload: &Payload) -> fmt::Result {
    let number = payload.number;
    if !payload.encoding.is_empty() {
        write!(f, "a=rtpmap:{number} {}/{}", payload.encoding, payload.clock_rate)?;
        if payload.channels > 1 {
            write!(f, "/{}", payload.channels)?;
        }
        f.write_str("\r\n")?;
    }
    for feedback in payload.feedback.iter() {
        write!(f, "a=rtcp-fb:{number} {}\r\n", feedback.text())?;
    }
    if !payload.parameters.is_empty() {
        write!(f, "a=fmtp:{number} {}\r\n", payload.parameters)?;
    }
    Ok(())
}

fn sources(f: &mut Formatter<'_>, media: &MediaSection) -> fmt::Result {
    for group in &media.source_groups {
        write!(f, "a=ssrc-group:{}", group.semantics.text())?;
        for ssrc in &group.ssrcs {
            write!(f, " {ssrc}")?;
        }
        f.write_str("\r\n")?;
    }
    for source in &media.sources {
        if let Some(cname) = &source.cname {
            write!(f, "a=ssrc:{} cname:{cname}\r\n", source.ssrc)?;
        }
        if let Some(msid) = &source.msid {
            write!(f, "a=ssrc:{} msid:{} {}\r\n", source.ssrc, msid.stream, msid.track)?;
        }
    }
    Ok(())
}

fn simulcast(f: &mut Formatter<'_>, media: &MediaSection) -> fmt::Result {
    for rid in &media.rids {
        write!(f, "a=rid:{} {}", rid.id, rid.direction.text())?;
        if !rid.restrictions.is_empty() {
            write!(f, " {}", rid.restrictions)?;
        }
        f.write_str("\r\n")?;
    }
    let Some(simulcast) = &media.simulcast else { return Ok(()) };
    if simulcast.send.is_empty() && simulcast.recv.is_empty() {
        return Ok(());
    }
    f.write_str("a=simulcast:")?;
    streams(f, "send", &simulcast.send)?;
    if !simulcast.send.is_empty() && !simulcast.recv.is_empty() {
        f.write_char(' ')?;
    }
    streams(f, "recv", &simulcast.recv)?;
    f.write_str("\r\n")
}

fn streams(f: &mut Formatter<'_>, direction: &str, rids: &[String]) -> fmt::Result {
    for (index, rid) in rids.iter().enumerate() {
        if index == 0 {
            write!(f, "{direction} {rid}")?;
        } else {
            write!(f, ";{rid}")?;
        }
    }
    Ok(())
}
