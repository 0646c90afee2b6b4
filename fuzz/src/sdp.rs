//! Targets for `tutti-sdp`.

use tutti_sdp::SessionDescription;

/// A description that can be read is written so that the same is read again.
pub fn sdp(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(mut first) = SessionDescription::parse(&text) else { return };
    // A source of which nothing is known cannot be written: a line names an attribute of it.
    for section in &mut first.media {
        section.sources.retain(|source| source.cname.is_some() || source.msid.is_some());
    }
    let written = first.to_string();
    let again = SessionDescription::parse(&written).unwrap_or_else(|error| panic!("{error} in\n{written}"));
    assert_eq!(first, again);
    assert_eq!(written, again.to_string());
}
