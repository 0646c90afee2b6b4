//! What a RED packet holds of the packets before it (RFC 2198): with that a subscriber without RED is spared what was
//! lost on the publisher's way.
//!
//! Copies are the packets before, the newest last, so the n-th from the end stands for the packet n before. Each is sent
//! once, under the number that was kept for its packet; one that comes late after its copy is not sent any more.

use std::time::Instant;

use tutti_rtp::{Codec, red};

use super::build::Numbers;
use super::history::SentAs;
use super::runs::Rewrite;
use super::{SendKind, SendPacket, SendTrack, Source};

/// Copies of one packet that are used at most. Opus in RED carries two or three.
const COPIES_MAX: u64 = 8;

/// Where a copy lies in a RED payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copied {
    pub payload_type: u8,
    /// How far its frame lies before that of the packet, in ticks.
    pub timestamp_offset: u16,
    /// First byte in the payload, and length.
    pub skip: usize,
    pub len: usize,
}

/// The copy of the packet that is `back` packets before the one with this payload. `None` if it is not there, or if its
/// time does not fit its place.
pub(super) fn find(payload: &[u8], back: u8) -> Option<Copied> {
    let blocks = red::blocks(payload).ok()?;
    let at = blocks.clone().count().checked_sub(1 + usize::from(back))?;
    let from_here = blocks.clone().skip(at);
    let skip = payload.len() - from_here.clone().map(|block| block.data.len()).sum::<usize>();
    let (block, next) = (from_here.clone().next()?, from_here.clone().nth(1)?);
    let fits = !block.data.is_empty() && block.timestamp_offset > next.timestamp_offset;
    fits.then_some(Copied {
        payload_type: block.payload_type,
        timestamp_offset: block.timestamp_offset,
        skip,
        len: block.data.len(),
    })
}

impl SendTrack {
    /// Whether packets are missing before this one of which it may hold copies for a subscriber without RED.
    pub(super) fn may_recover(&self, source: Source<'_>) -> bool {
        let slot = source.slot;
        self.runs.is_newer(slot.index)
            && self.runs.gap_before(slot.index) > 0
            && self.routes.get(slot.format).is_some_and(|route| route.unpack)
    }

    /// Sends what the packet holds of those missing before it, oldest first.
    pub(super) fn recover(&mut self, now: Instant, source: Source<'_>, emit: &mut impl FnMut(SendPacket)) {
        let Source { layer, slot, .. } = source;
        let missing = self.runs.gap_before(slot.index).min(COPIES_MAX) as u8;
        let rewrite = self.rewrite();
        self.runs.keep_gap(layer, slot.index, &rewrite);
        for back in (1..=missing).rev() {
            if let Some(packet) = self.send_copy(now, source, back, &rewrite) {
                emit(packet);
            }
        }
    }

    fn send_copy(&mut self, now: Instant, source: Source<'_>, back: u8, rewrite: &Rewrite) -> Option<SendPacket> {
        let Source { layers, layer, slot } = source;
        let copied = find(layers.payload(layer, slot), back)?;
        if layers.codec_of(slot.format, copied.payload_type) != Some(Codec::Opus) {
            return None;
        }
        // What was sent before the gap is not sent again, whatever the count of copies says.
        let timestamp = slot.timestamp.add(0u32.wrapping_sub(copied.timestamp_offset.into()));
        if self.timeline.incoming().is_some_and(|newest| !timestamp.is_newer_than(newest)) {
            return None;
        }
        let out = self.runs.of_packet(layer, slot.index - u64::from(back))?.out_of(slot.index - u64::from(back));
        let sent_as = SentAs { mid: !self.reported, copy: back, ..SentAs::default() };
        let packet = self.build(source, rewrite, Numbers { out, repair: None, sent_as, kind: SendKind::Media })?;
        self.history.sent(now, out, sent_as);
        self.timers.note_sent(now, 0, &self.counters);
        self.counters.packets += 1;
        self.counters.octets += packet.payload_len() as u64;
        self.counters.recovered += 1;
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use tutti_rtp::red::Block;

    use super::*;

    /// How far back copies lie, and their bytes.
    type Copies<'a> = &'a [(u16, &'a [u8])];

    fn payload(copies: Copies<'_>) -> Vec<u8> {
        let block = |&(timestamp_offset, data)| Block { payload_type: 111, timestamp_offset, data, primary: false };
        let blocks: Vec<_> = copies.iter().map(block).collect();
        let mut bytes = vec![0; red::encoded_len(&blocks, &[9; 5])];
        red::write(&blocks, 111, &[9; 5], &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn copies_are_counted_from_the_newest() {
        let bytes = payload(&[(1_920, &[1; 3]), (960, &[2; 4])]);
        let found = |back| {
            let copied = find(&bytes, back)?;
            Some((copied.timestamp_offset, bytes[copied.skip..copied.skip + copied.len].to_vec()))
        };
        assert_eq!(found(1), Some((960, vec![2; 4])));
        assert_eq!(found(2), Some((1_920, vec![1; 3])));
        assert_eq!(found(3), None);
        assert_eq!(find(&payload(&[]), 1), None);
        assert_eq!(find(&[0xEF, 0, 0], 1), None);
    }

    #[test]
    fn what_makes_no_sense_is_not_used() {
        // (copies, how far back, used)
        let cases: [(Copies<'_>, u8, bool); 5] = [
            (&[(960, &[])], 1, false),
            (&[(0, &[1])], 1, false),
            (&[(960, &[1]), (960, &[2])], 2, false),
            (&[(960, &[1]), (1_920, &[2])], 2, false),
            (&[(1_920, &[1]), (960, &[])], 2, true),
        ];
        for (copies, back, used) in cases {
            assert_eq!(find(&payload(copies), back).is_some(), used, "{copies:?}");
        }
    }
}
