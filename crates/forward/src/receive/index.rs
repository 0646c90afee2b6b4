//! From the publisher's sequence numbers to indexes that never wrap and never run back.
//!
//! Owns the validity rules of RFC 3550, appendix A.1: a jump is believed only when a second packet follows it; then the
//! stream counts as begun afresh.

use tutti_rtp::SequenceNumber;

/// A step ahead by this much or more may be a restart (RFC 3550: MAX_DROPOUT).
const DROPOUT_MAX: i16 = 3_000;

/// A packet further behind than this may be a restart. Retransmissions come later than RFC 3550's MAX_MISORDER allows.
const MISORDER_MAX: i16 = 1_500;

/// What a sequence number meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwrapped {
    /// The packet has this index.
    Index(u64),
    /// The stream began afresh with this index.
    Restarted(u64),
    /// It may have begun afresh; the packet itself is not to be used.
    Suspect,
}

/// Turns the sequence numbers of one stream into indexes.
#[derive(Debug, Default)]
pub(super) struct Indexer {
    highest: Option<u64>,
    /// The number that would confirm a restart.
    expected: Option<SequenceNumber>,
    restarts: u32,
}

impl Indexer {
    /// How often the stream began afresh.
    pub(super) const fn restarts(&self) -> u32 {
        self.restarts
    }

    /// The index of a packet of the stream.
    pub(super) fn unwrap(&mut self, sequence: SequenceNumber) -> Unwrapped {
        let Some(highest) = self.highest else {
            // One cycle ahead, so that packets from before the first have room.
            let index = 1 << 16 | u64::from(sequence.0);
            self.highest = Some(index);
            return Unwrapped::Index(index);
        };
        let distance = sequence.distance_from(SequenceNumber(highest as u16));
        if !(-MISORDER_MAX..DROPOUT_MAX).contains(&distance) {
            if self.expected == Some(sequence) {
                return Unwrapped::Restarted(self.restart(sequence));
            }
            self.expected = Some(sequence.add(1));
            return Unwrapped::Suspect;
        }
        self.expected = None;
        let index = highest.saturating_add_signed(i64::from(distance));
        self.highest = Some(highest.max(index));
        Unwrapped::Index(index)
    }

    /// The index of a packet that is retransmitted; `None` if there is no telling. Moves nothing.
    pub(super) fn peek(&self, sequence: SequenceNumber) -> Option<u64> {
        let highest = self.highest?;
        let distance = sequence.distance_from(SequenceNumber(highest as u16));
        // A retransmission brings what is missing before the highest packet, or at most the loss at its heels.
        (-MISORDER_MAX..100).contains(&distance).then(|| highest.saturating_add_signed(i64::from(distance)))
    }

    /// The stream begins afresh with `sequence`: its indexes lie beyond all that were given before.
    pub(super) fn restart(&mut self, sequence: SequenceNumber) -> u64 {
        let cycle = self.highest.map_or(1, |highest| (highest >> 16) + 2);
        let index = cycle << 16 | u64::from(sequence.0);
        self.highest = Some(index);
        self.expected = None;
        self.restarts += 1;
        index
    }
}
