//! Payloads that look like Opus and VP8 to everything that reads descriptors, and carry a [`Stamp`] where media would be.
//!
//! Owns their layout in both directions. Decides nothing about when and how large.

use tutti_rtp::payload::{PictureId, vp8};

use crate::stamp::{STAMP_LEN, Stamp};

/// Opus, RFC 6716, section 3.1: CELT only, fullband, 20 ms, mono, one frame.
const OPUS_TOC: u8 = 31 << 3;

/// Bytes of a VP8 frame header that is no key frame's (RFC 6386, section 9.1).
const FRAME_TAG_LEN: usize = 3;
/// Of a key frame's: the start code and the size besides.
const KEY_FRAME_HEADER_LEN: usize = 10;

/// The least payload that holds everything, bytes.
pub(crate) const PAYLOAD_LEN_MIN: usize = vp8::DESCRIPTOR_LEN_MAX + KEY_FRAME_HEADER_LEN + STAMP_LEN;

/// What a VP8 descriptor needs to know of its frame.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Picture {
    pub(crate) id: u16,
    /// Number of the last base-layer frame; every frame is one here.
    pub(crate) base: u8,
    pub(crate) width: u16,
    pub(crate) height: u16,
}

/// Writes an Opus-like payload of `len` bytes into `out`.
pub(crate) fn opus(stamp: Stamp, len: usize, out: &mut Vec<u8>) {
    out.clear();
    out.push(OPUS_TOC);
    out.extend(stamp.to_bytes());
    out.resize(len.max(PAYLOAD_LEN_MIN), 0x55);
}

/// Writes a VP8-like payload of `len` bytes into `out`. The stamp says which packet of the frame it is.
pub(crate) fn vp8(picture: Picture, stamp: Stamp, len: usize, out: &mut Vec<u8>) {
    let descriptor = vp8::Descriptor {
        partition_start: stamp.part == 0,
        picture_id: Some(PictureId::Long(picture.id)),
        tl0_pic_idx: Some(picture.base),
        temporal: Some(vp8::TemporalLayer { id: 0, layer_sync: stamp.key }),
        ..vp8::Descriptor::default()
    };
    out.clear();
    out.resize(vp8::DESCRIPTOR_LEN_MAX, 0);
    // There is room for the longest.
    let written = descriptor.write(out).unwrap_or_default();
    out.truncate(written);
    if stamp.part == 0 {
        // Version 0, shown; the lowest bit is 0 for a key frame.
        out.extend([0x10 | u8::from(!stamp.key), 0, 0]);
        if stamp.key {
            let [width_low, width_high] = picture.width.to_le_bytes();
            let [height_low, height_high] = picture.height.to_le_bytes();
            out.extend([0x9d, 0x01, 0x2a, width_low, width_high, height_low, height_high]);
        }
    }
    out.extend(stamp.to_bytes());
    out.resize(len.max(PAYLOAD_LEN_MIN), 0x55);
}

/// The stamp of an Opus-like payload.
pub(crate) fn read_opus(payload: &[u8]) -> Option<Stamp> {
    Stamp::read(payload.get(1..)?)
}

/// The stamp of a VP8-like payload.
pub(crate) fn read_vp8(payload: &[u8]) -> Option<Stamp> {
    let (descriptor, len) = vp8::Descriptor::parse(payload).ok()?;
    let frame = payload.get(len..)?;
    let header = match frame.first()? {
        _ if !descriptor.starts_frame() => 0,
        tag if tag & 1 == 0 => KEY_FRAME_HEADER_LEN,
        _ => FRAME_TAG_LEN,
    };
    Stamp::read(frame.get(header..)?)
}

#[cfg(test)]
mod tests {
    use tutti_rtp::payload::FrameSize;
    use tutti_rtp::{Codec, describe};

    use super::*;

    #[test]
    fn servers_read_what_is_meant() {
        let picture = Picture { id: 300, base: 7, width: 640, height: 360 };
        let mut payload = Vec::new();
        for (part, key) in [(0, true), (1, true), (0, false), (1, false)] {
            let stamp = Stamp { sent_us: 9, frame: 1, part, parts: 2, layer: 1, key };
            vp8(picture, stamp, 500, &mut payload);
            assert_eq!(payload.len(), 500);
            let info = describe(Codec::Vp8, &payload, false, None);
            assert_eq!((info.start_of_frame, info.key_frame), (part == 0, part == 0 && key));
            let size = FrameSize { width: 640, height: 360 };
            assert_eq!(info.size, (part == 0 && key).then_some(size));
            assert_eq!(read_vp8(&payload), Some(stamp));
        }
        let stamp = Stamp { sent_us: 9, frame: 1, part: 0, parts: 1, layer: 0, key: true };
        opus(stamp, 80, &mut payload);
        assert_eq!((payload.len(), read_opus(&payload)), (80, Some(stamp)));
        assert_eq!(read_vp8(&[]), None);
        assert_eq!(read_vp8(&[0x90, 0x80]), None);
    }
}
