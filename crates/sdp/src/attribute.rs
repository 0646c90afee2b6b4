//! Values of single attributes: text in, value or fault out.

use crate::error::Fault;
use crate::media::{Direction, ExtensionMapping};
use crate::simulcast::{Rid, RidDirection, Simulcast};
use crate::source::{GroupSemantics, Msid, SourceGroup};
use crate::transport::{Fingerprint, Hash};

/// The application that SCTP carries in WebRTC (RFC 8832).
pub(crate) const DATA_CHANNELS: &str = "webrtc-datachannel";
/// The longest digest of any function in use, bytes.
const DIGEST_LEN_MAX: usize = 64;

/// Splits at the first `byte`, which is ASCII. Lines are short: a plain loop beats the searchers of `str`.
pub(crate) fn cut(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|found| found == byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Splits at the first white space; what follows it is trimmed, and empty if there is none.
fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim_ascii();
    match text.bytes().position(|byte| byte.is_ascii_whitespace()) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at..).unwrap_or_default().trim_ascii_start()),
        None => (text, ""),
    }
}

/// A word without white space, not empty. Control characters never get here, the walker refuses their line.
pub(crate) fn word<'a>(text: &'a str, what: &'static str) -> Result<&'a str, Fault> {
    let text = text.trim_ascii();
    if text.is_empty() || text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        Err(Fault::Invalid(what))
    } else {
        Ok(text)
    }
}

/// A decimal number.
pub(crate) fn number<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, Fault> {
    text.trim_ascii().parse().map_err(|_| Fault::Invalid(what))
}

/// Splits `<payload type> <rest>`; the payload type is `None` for `*`.
pub(crate) fn payload_type(value: &str) -> Result<(Option<u8>, &str), Fault> {
    let (head, rest) = first_word(value);
    if rest.is_empty() {
        return Err(Fault::Missing("value after the payload type"));
    }
    if head == "*" {
        return Ok((None, rest));
    }
    let number = head.parse().ok().filter(|number| *number < 128).ok_or(Fault::Invalid("payload type"))?;
    Ok((Some(number), rest))
}

/// `<name>/<clock rate>[/<parameters>]`. The parameters are a channel count where there are any in use.
pub(crate) fn encoding(value: &str) -> Result<(&str, u32, u8), Fault> {
    let mut parts = value.split('/');
    let name = word(parts.next().unwrap_or_default(), "encoding name")?;
    let clock_rate = number(parts.next().ok_or(Fault::Missing("clock rate"))?, "clock rate")?;
    let channels = parts.next().and_then(|text| text.trim_ascii().parse().ok()).unwrap_or(1);
    // None at all is said by leaving the number out, which means one.
    Ok((name, clock_rate, u8::max(channels, 1)))
}

/// `<hash> <hex>:<hex>…`.
pub(crate) fn fingerprint(value: &str) -> Result<Fingerprint, Fault> {
    let (hash, text) = first_word(value);
    let hash = Hash::from_text(hash);
    if text.is_empty() {
        return Err(Fault::Missing("digest"));
    }
    let len_max = hash.digest_len().unwrap_or(DIGEST_LEN_MAX);
    let mut digest = Vec::with_capacity(len_max);
    for part in text.split(':') {
        let hex = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()) && digest.len() < len_max;
        digest.push(u8::from_str_radix(part, 16).ok().filter(|_| hex).ok_or(Fault::Invalid("digest"))?);
    }
    if hash.digest_len().is_some_and(|len| len != digest.len()) {
        return Err(Fault::Invalid("digest"));
    }
    Ok(Fingerprint { hash, digest })
}

/// `<port> <application> [<streams>]`: the port, if the application is data channels.
pub(crate) fn sctp_map(value: &str) -> Result<Option<u16>, Fault> {
    let mut words = value.split_ascii_whitespace();
    let port = number(words.next().ok_or(Fault::Missing("port"))?, "port")?;
    let application = words.next().ok_or(Fault::Missing("application"))?;
    Ok((application == DATA_CHANNELS).then_some(port))
}

/// `<id>[/<direction>] <uri> [<attributes>]`.
pub(crate) fn extension(value: &str) -> Result<ExtensionMapping, Fault> {
    let mut words = value.split_ascii_whitespace();
    let head = words.next().ok_or(Fault::Missing("id"))?;
    let (id, direction) = match cut(head, b'/') {
        Some((id, direction)) => (id, Some(Direction::from_text(direction).ok_or(Fault::Invalid("direction"))?)),
        None => (head, None),
    };
    // 4096 to 4351 stand for "choose an id", RFC 8285, section 6.
    let id = id.parse().ok().filter(|id| (1..=4351).contains(id)).ok_or(Fault::Invalid("id"))?;
    let uri = words.next().ok_or(Fault::Missing("uri"))?.to_owned();
    Ok(ExtensionMapping { id, direction, uri })
}

/// `<stream> [<track>]`.
pub(crate) fn msid(value: &str) -> Result<Msid, Fault> {
    let mut words = value.split_ascii_whitespace();
    let stream = words.next().ok_or(Fault::Missing("stream id"))?.to_owned();
    Ok(Msid { stream, track: words.next().unwrap_or_default().to_owned() })
}

/// `<ssrc> <attribute>[:<value>]`.
pub(crate) fn source(value: &str) -> Result<(u32, &str, &str), Fault> {
    let (ssrc, rest) = first_word(value);
    let ssrc = number(ssrc, "ssrc")?;
    let (name, value) = cut(rest, b':').unwrap_or((rest, ""));
    Ok((ssrc, name.trim_ascii(), value.trim_ascii()))
}

/// `<semantics> <ssrc> …`, at most `limit` sources.
pub(crate) fn source_group(value: &str, limit: usize) -> Result<SourceGroup, Fault> {
    let mut words = value.split_ascii_whitespace();
    let semantics = GroupSemantics::from_text(words.next().ok_or(Fault::Missing("semantics"))?);
    let mut ssrcs = Vec::new();
    for ssrc in words {
        if ssrcs.len() == limit {
            return Err(Fault::TooMany { limit });
        }
        ssrcs.push(number(ssrc, "ssrc")?);
    }
    Ok(SourceGroup { semantics, ssrcs })
}

/// `<id> send|recv [<restrictions>]`.
pub(crate) fn rid(value: &str) -> Result<Rid, Fault> {
    let (id, rest) = first_word(value);
    if id.is_empty() || rest.is_empty() {
        return Err(Fault::Missing("direction"));
    }
    let (direction, restrictions) = first_word(rest);
    let direction = RidDirection::from_text(direction).ok_or(Fault::Invalid("direction"))?;
    Ok(Rid { id: id.to_owned(), direction, restrictions: restrictions.to_owned() })
}

/// `send <streams> [recv <streams>]` in any order; `rid=` before a list is an older spelling.
pub(crate) fn simulcast(value: &str, limit: usize) -> Result<Simulcast, Fault> {
    let mut simulcast = Simulcast::default();
    let mut words = value.split_ascii_whitespace();
    while let Some(direction) = words.next() {
        let list = words.next().ok_or(Fault::Missing("streams"))?;
        let list = list.strip_prefix("rid=").unwrap_or(list);
        let streams = match RidDirection::from_text(direction).ok_or(Fault::Invalid("direction"))? {
            RidDirection::Send => &mut simulcast.send,
            RidDirection::Recv => &mut simulcast.recv,
        };
        for stream in list.split(';') {
            let first = stream.split(',').next().unwrap_or_default();
            if streams.len() == limit {
                return Err(Fault::TooMany { limit });
            }
            streams.push(word(first.trim_start_matches('~'), "stream")?.to_owned());
        }
    }
    if simulcast == Simulcast::default() {
        return Err(Fault::Missing("direction"));
    }
    Ok(simulcast)
}
