//! The access units of H.264 and H.265: which packets belong together, where one opens, and when it is known to be a key
//! frame.
//!
//! An access unit is the packets of one timestamp (RFC 6184, section 5.1; RFC 7798, section 4.1). Delimiters, SEI and
//! parameter sets may come before its slices in packets of their own, so the packet that opens a key frame need not be
//! the one that shows it to be one. Markers tell nothing here: some senders set them within an access unit.

use super::Incoming;
use crate::ring::{Frame, PacketRing};

/// Packets that are looked at on either side of one. What comes before the first slice is a handful.
const AROUND_MAX: u64 = 64;

/// The packets of an access unit around one that comes in, as far as none between is missing.
struct Around {
    /// The first of them.
    first: u64,
    /// Nothing of the access unit is missing before them.
    opened: bool,
    /// One of them showed a key frame already.
    shown: bool,
    intra: bool,
    parameters: bool,
}

/// What a packet is to its access unit, `frame` being what it tells by itself. `stream_first` is the stream's first
/// packet.
pub(super) fn place(ring: &PacketRing, stream_first: u64, frame: Frame, incoming: &Incoming<'_>) -> Frame {
    let late = ring.newest().is_some_and(|newest| newest > incoming.index);
    if !(frame.intra || frame.start || late) {
        return frame;
    }
    let around = Around::look(ring, stream_first, &frame, incoming);
    Frame {
        // Where its first packets are missing, a picture may lack the parameter sets, unless they are here.
        key: around.intra && !around.shown && (around.opened || around.parameters),
        lead: (incoming.index - around.first) as u8,
        start: frame.start && around.first == incoming.index,
        ..frame
    }
}

impl Around {
    fn look(ring: &PacketRing, stream_first: u64, frame: &Frame, incoming: &Incoming<'_>) -> Self {
        let index = incoming.index;
        let mut around =
            Self { first: index, opened: false, shown: false, intra: frame.intra, parameters: frame.parameters };
        for before in (index.saturating_sub(AROUND_MAX)..index).rev() {
            let Some(slot) = ring.get(before) else {
                around.opened = before < stream_first;
                break;
            };
            // Probes belong to no access unit.
            if slot.is_padding() {
                continue;
            }
            if slot.timestamp != incoming.timestamp {
                around.opened = true;
                break;
            }
            around.first = before;
            around.take(&slot.frame);
        }
        for after in index + 1..index + AROUND_MAX {
            match ring.get(after) {
                Some(slot) if slot.is_padding() => {}
                Some(slot) if slot.timestamp == incoming.timestamp => around.take(&slot.frame),
                _ => break,
            }
        }
        around
    }

    const fn take(&mut self, frame: &Frame) {
        self.shown |= frame.key;
        self.intra |= frame.intra;
        self.parameters |= frame.parameters;
    }
}
