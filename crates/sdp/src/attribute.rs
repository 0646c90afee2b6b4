//! Values of single attributes: text in, value or fault out.

use crate::error::Fault;
use crate::media::{Direction, ExtensionMapping};
use crate::simulcast::{Rid, RidDirection, Simulcast};
use crate::source::{GroupSemantics, Msid, SourceGroup};
use crate::transport::Fingerprint;

/// Splits at the first `byte`, which is ASCII. Lines are short: a plain loop beats the searchers of `str`.
pub(crate) fn cut(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|found| found == byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
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
    let (head, rest) = cut(value.trim_ascii_start(), b' ').ok_or(Fault::Missing("value after the payload type"))?;
    if head == "*" {
        return Ok((None, rest.trim_ascii()));
    }
    let number = head.parse().ok().filter(|number| *number < 128).ok_or(Fault::Invalid("payload type"))?;
    Ok((Some(number), rest.trim_ascii()))
}

/// `<name>/<clock rate>[/<channels>]`.
pub(crate) fn encoding(value: &str) -> Result<(&str, u32, u8), Fault> {
    let mut parts = value.split('/');
    let name = word(parts.next().unwrap_or_default(), "encoding name")?;
    let clock_rate = number(parts.next().ok_or(Fault::Missing("clock rate"))?, "clock rate")?;
    let channels: u8 = parts.next().map_or(Ok(1), |text| number(text, "channel count"))?;
    // None at all is said by leaving the number out, which means one.
    Ok((name, clock_rate, channels.max(1)))
}

/// `<hash> <hex>:<hex>…`.
pub(crate) fn fingerprint(value: &str) -> Result<Fingerprint, Fault> {
    let (hash, digest) = cut(value.trim_ascii(), b' ').ok_or(Fault::Missing("digest"))?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return Ok(Fingerprint::Unsupported(hash.to_owned()));
    }
    let mut bytes = [0; 32];
    let mut parts = digest.trim_ascii().split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2).ok_or(Fault::Invalid("digest"))?;
        *byte = u8::from_str_radix(part, 16).map_err(|_| Fault::Invalid("digest"))?;
    }
    if parts.next().is_some() { Err(Fault::Invalid("digest")) } else { Ok(Fingerprint::Sha256(bytes)) }
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
    let (ssrc, rest) = cut(value.trim_ascii(), b' ').unwrap_or((value.trim_ascii(), ""));
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
    let (id, rest) = cut(value.trim_ascii(), b' ').ok_or(Fault::Missing("direction"))?;
    let (direction, restrictions) = cut(rest.trim_ascii(), b' ').unwrap_or((rest.trim_ascii(), ""));
    let direction = match direction {
        "send" => RidDirection::Send,
        "recv" => RidDirection::Recv,
        _ => return Err(Fault::Invalid("direction")),
    };
    Ok(Rid { id: word(id, "id")?.to_owned(), direction, restrictions: restrictions.trim_ascii().to_owned() })
}

/// `send <streams> [recv <streams>]` in any order; `rid=` before a list is an older spelling.
pub(crate) fn simulcast(value: &str, limit: usize) -> Result<Simulcast, Fault> {
    let mut simulcast = Simulcast::default();
    let mut words = value.split_ascii_whitespace();
    while let Some(direction) = words.next() {
        let list = words.next().ok_or(Fault::Missing("streams"))?;
        let list = list.strip_prefix("rid=").unwrap_or(list);
        let streams = match direction {
            "send" => &mut simulcast.send,
            "recv" => &mut simulcast.recv,
            _ => return Err(Fault::Invalid("direction")),
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
