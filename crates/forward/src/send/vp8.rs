//! The running numbers of VP8 (RFC 7741, section 4.2): without them in order a decoder waits or loses its references.
//!
//! Owns the offsets from the current stream's numbers to the subscriber's. A frame that is not forwarded must not be
//! missed in the picture ids, and a switch of streams must not be seen in any of them.

use tutti_rtp::payload::PictureId;
use tutti_rtp::payload::vp8::Descriptor;

/// Bits of a long picture id.
const PICTURE_ID_MASK: u16 = 0x7FFF;

/// Bits of KEYIDX.
const KEY_INDEX_MASK: u8 = 0x1F;

/// What to add to the numbers of the current stream, modulo their widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Offsets {
    pub picture_id: u16,
    pub tl0_pic_idx: u8,
    pub key_index: u8,
}

impl Offsets {
    /// The descriptor as the subscriber gets it: the same form, so of the same length.
    pub(super) fn apply(&self, descriptor: &Descriptor) -> Descriptor {
        Descriptor {
            picture_id: descriptor.picture_id.map(|id| self.picture_id(id)),
            tl0_pic_idx: descriptor.tl0_pic_idx.map(|index| index.wrapping_add(self.tl0_pic_idx)),
            key_index: descriptor.key_index.map(|index| index.wrapping_add(self.key_index) & KEY_INDEX_MASK),
            ..*descriptor
        }
    }

    /// Whether the descriptor stays as it is.
    pub(super) const fn is_none(&self) -> bool {
        self.picture_id & PICTURE_ID_MASK == 0 && self.tl0_pic_idx == 0 && self.key_index & KEY_INDEX_MASK == 0
    }

    const fn picture_id(&self, id: PictureId) -> PictureId {
        id.with_value(id.value().wrapping_add(self.picture_id))
    }
}

/// The subscriber's numbers.
#[derive(Debug, Default)]
pub(super) struct Vp8Numbers {
    offsets: Offsets,
    /// The highest numbers given away: to the newest frame, or to a missing one before it that may still come.
    last: Option<Descriptor>,
    /// Packets missing since then, each of which may be a frame that still comes.
    missing: u8,
    /// Picture id, as the publisher numbers it, of the newest frame that was not forwarded.
    dropped: Option<u16>,
}

impl Vp8Numbers {
    /// What is added now.
    pub(super) const fn offsets(&self) -> Offsets {
        self.offsets
    }

    /// The next frame is `first`, the key frame of another stream.
    pub(super) fn switch(&mut self, first: &Descriptor) {
        self.dropped = None;
        let Some(last) = self.last else { return };
        let ahead = 1 + std::mem::take(&mut self.missing);
        if let (Some(last), Some(first)) = (last.picture_id, first.picture_id) {
            self.offsets.picture_id = last.value().wrapping_add(ahead.into()).wrapping_sub(first.value());
        }
        if let (Some(last), Some(first)) = (last.tl0_pic_idx, first.tl0_pic_idx) {
            self.offsets.tl0_pic_idx = last.wrapping_add(ahead).wrapping_sub(first);
        }
        if let (Some(last), Some(first)) = (last.key_index, first.key_index) {
            self.offsets.key_index = last.wrapping_add(1).wrapping_sub(first) & KEY_INDEX_MASK;
        }
    }

    /// The next packet in order was forwarded.
    pub(super) fn forwarded(&mut self, descriptor: &Descriptor) {
        self.last = Some(self.offsets.apply(descriptor));
        self.missing = 0;
    }

    /// Packets are missing before one that belongs to no frame.
    pub(super) fn missing(&mut self, count: u64) {
        self.missing = self.missing.saturating_add(count.min(100) as u8).min(100);
    }

    /// The next packet in order was not forwarded: its frame takes no picture id.
    pub(super) fn dropped(&mut self, descriptor: &Descriptor) {
        let id = descriptor.picture_id.map(PictureId::value);
        if id.is_some() && id != self.dropped {
            self.dropped = id;
            self.offsets.picture_id = self.offsets.picture_id.wrapping_sub(1);
        }
        // The frame before it, be it missing, has the number that this one has now.
        self.last = Some(self.offsets.apply(descriptor));
        self.missing = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(picture_id: PictureId, tl0_pic_idx: u8, key_index: u8) -> Descriptor {
        Descriptor {
            picture_id: Some(picture_id),
            tl0_pic_idx: Some(tl0_pic_idx),
            key_index: Some(key_index),
            ..Descriptor::default()
        }
    }

    #[test]
    fn a_switch_continues_every_number() {
        // (last sent, first of the next stream, as it is sent)
        let cases = [
            ((PictureId::Long(10), 5, 3), (PictureId::Long(900), 250, 30), (PictureId::Long(11), 6, 4)),
            ((PictureId::Long(0x7FFF), 255, 31), (PictureId::Long(7), 7, 7), (PictureId::Long(0), 0, 0)),
            ((PictureId::Short(127), 0, 0), (PictureId::Short(64), 9, 9), (PictureId::Short(0), 1, 1)),
        ];
        for (last, first, expected) in cases {
            let mut numbers = Vp8Numbers::default();
            numbers.forwarded(&descriptor(last.0, last.1, last.2));
            let first = descriptor(first.0, first.1, first.2);
            numbers.switch(&first);
            assert_eq!(numbers.offsets().apply(&first), descriptor(expected.0, expected.1, expected.2));
        }
    }

    #[test]
    fn frames_that_are_not_forwarded_leave_no_hole() {
        let mut numbers = Vp8Numbers::default();
        let mut sent = Vec::new();
        for id in [32_766u16, 32_767, 0, 1, 2, 3, 4] {
            let packet = descriptor(PictureId::Long(id), 0, 0);
            // Each frame has two packets; odd frames are dropped.
            for _ in 0..2 {
                if id % 2 == 1 {
                    numbers.dropped(&packet);
                } else {
                    sent.push(numbers.offsets().apply(&packet).picture_id.map(PictureId::value));
                    numbers.forwarded(&packet);
                }
            }
        }
        let expected = [32_766, 32_767, 0, 1].map(Some);
        assert_eq!(sent, expected.into_iter().flat_map(|id| [id, id]).collect::<Vec<_>>());
    }

    #[test]
    fn a_stream_without_numbers_stays_without() {
        let mut numbers = Vp8Numbers::default();
        let bare = Descriptor { partition_start: true, ..Descriptor::default() };
        numbers.forwarded(&bare);
        numbers.switch(&bare);
        numbers.dropped(&bare);
        assert!(numbers.offsets().is_none());
        assert_eq!(numbers.offsets().apply(&bare), bare);
    }
}
