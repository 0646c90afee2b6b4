//! Packets captured from real senders, and the reading of hexadecimal.

use tutti_rtp::{Extension, ExtensionMap};

/// Bytes from hexadecimal text; blanks may stand anywhere.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let value = |digit: u8| (digit as char).to_digit(16).unwrap_or_else(|| panic!("not hexadecimal: {text}")) as u8;
    digits.chunks(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}

/// The packets of a sample file.
pub(crate) fn packets(file: &str) -> Vec<Vec<u8>> {
    file.lines().filter(|line| !line.starts_with('#')).map(hex).collect()
}

pub(crate) const VP8: &str = include_str!("samples/vp8.hex");
pub(crate) const VP9: &str = include_str!("samples/vp9.hex");
pub(crate) const AV1: &str = include_str!("samples/av1.hex");
pub(crate) const H264: &str = include_str!("samples/h264.hex");
pub(crate) const RED: &str = include_str!("samples/red.hex");
pub(crate) const RTX: &str = include_str!("samples/rtx.hex");
pub(crate) const RTCP: &str = include_str!("samples/rtcp.hex");

/// The extension ids that the samples were sent with.
pub(crate) fn ids() -> ExtensionMap {
    let mut ids = ExtensionMap::default();
    for (extension, id) in [
        (Extension::AudioLevel, 1),
        (Extension::AbsSendTime, 2),
        (Extension::TransportCc, 3),
        (Extension::Mid, 4),
        (Extension::PlayoutDelay, 5),
        (Extension::Rid, 10),
        (Extension::RepairedRid, 11),
        (Extension::DependencyDescriptor, 12),
        (Extension::VideoOrientation, 13),
    ] {
        ids.set(extension, id);
    }
    ids
}
