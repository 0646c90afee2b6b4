//! Which incoming packet has which outgoing number.
//!
//! Owns the outgoing sequence of one subscription. Packets that are not forwarded leave no hole; packets that are
//! missing keep a number, so that they can still be sent when they arrive late. All that decides how a packet is
//! rewritten stands in its run, so a retransmission is rewritten exactly as the first transmission was.

use std::collections::VecDeque;

use super::select::Selection;
use super::vp8::Offsets;
use crate::LayerIndex;

/// Runs remembered; with a run for each picture this is about two seconds.
const RUNS_MAX: usize = 64;

/// Numbers kept at most for packets missing in one gap. Beyond that nobody can bring them back.
const GAP_MAX: u64 = 512;

/// How the packets of a run are changed on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rewrite {
    /// Added to the timestamp.
    pub timestamp: u32,
    /// Added to the running numbers of VP8.
    pub vp8: Offsets,
    /// Added to the frame number of a dependency descriptor.
    pub frame_number: u16,
    /// What of the stream is forwarded.
    pub selection: Selection,
}

/// Consecutive packets of one stream that all have a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub layer: LayerIndex,
    /// Incoming index of the first packet.
    pub first: u64,
    /// Incoming index of the last packet.
    pub last: u64,
    /// Outgoing index of the first packet.
    pub out: u64,
    pub rewrite: Rewrite,
}

impl Run {
    /// Outgoing index of the packet with incoming index `index`, which is in the run.
    pub(super) const fn out_of(&self, index: u64) -> u64 {
        self.out + (index - self.first)
    }

    /// Incoming index of the packet with outgoing index `out`, which is in the run.
    pub(super) const fn index_of(&self, out: u64) -> u64 {
        self.first + (out - self.out)
    }

    const fn out_last(&self) -> u64 {
        self.out_of(self.last)
    }
}

/// The outgoing sequence of one subscription.
#[derive(Debug)]
pub(super) struct Runs {
    runs: VecDeque<Run>,
    next: u64,
    /// Highest incoming index seen since the current stream was taken up.
    newest: u64,
    /// The last run takes no more packets.
    closed: bool,
}

impl Runs {
    /// A sequence that begins with the number `first`.
    pub(super) const fn new(first: u64) -> Self {
        Self { runs: VecDeque::new(), next: first, newest: 0, closed: true }
    }

    /// The number that comes next.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// From now on packets come from another stream, or from another place in it; the first one will be `index`.
    pub(super) const fn begin(&mut self, index: u64) {
        self.newest = index - 1;
        self.closed = true;
    }

    /// Whether `index` of the current stream comes after all that was seen of it.
    pub(super) const fn is_newer(&self, index: u64) -> bool {
        index > self.newest
    }

    /// Packets missing between all that was seen and `index`, which is newer.
    pub(super) const fn gap_before(&self, index: u64) -> u64 {
        index - self.newest - 1
    }

    /// Keeps numbers for the packets missing before `index`, which is newer than all that was seen.
    pub(super) fn keep_gap(&mut self, layer: LayerIndex, index: u64, rewrite: &Rewrite) {
        if index > self.newest + 1 {
            self.reserve(layer, index - 1, rewrite);
            self.newest = index - 1;
        }
    }

    /// Numbers the next packet in order, before which nothing is missing.
    pub(super) fn take(&mut self, layer: LayerIndex, index: u64, rewrite: &Rewrite) -> u64 {
        self.reserve(layer, index, rewrite);
        self.newest = index;
        let out = self.next - 1;
        debug_assert!(self.runs.back().is_some_and(|run| run.out_of(index) == out));
        out
    }

    /// The next packet in order, before which nothing is missing, is not forwarded.
    pub(super) const fn skip(&mut self, index: u64) {
        self.newest = index;
        self.closed = true;
    }

    /// Takes a number that belongs to no incoming packet, for padding.
    pub(super) const fn take_padding(&mut self) -> u64 {
        self.closed = true;
        self.next += 1;
        self.next - 1
    }

    /// The run of a packet that comes late.
    pub(super) fn of_packet(&self, layer: LayerIndex, index: u64) -> Option<&Run> {
        self.runs.iter().rev().find(|run| run.layer == layer && run.first <= index && index <= run.last)
    }

    /// The run of a packet that was sent.
    pub(super) fn of_number(&self, out: u64) -> Option<&Run> {
        let after = self.runs.partition_point(|run| run.out <= out);
        self.runs.get(after.checked_sub(1)?).filter(|run| out <= run.out_last())
    }

    /// Gives numbers to all packets up to and including `index`.
    fn reserve(&mut self, layer: LayerIndex, index: u64, rewrite: &Rewrite) {
        let count = index - self.newest;
        if !self.closed
            && count <= GAP_MAX
            && let Some(run) = self.runs.back_mut()
            && run.rewrite == *rewrite
        {
            run.last = index;
            self.next += count;
            return;
        }
        let count = count.min(GAP_MAX);
        if self.runs.len() == RUNS_MAX {
            self.runs.pop_front();
        }
        self.runs.push_back(Run { layer, first: index - count + 1, last: index, out: self.next, rewrite: *rewrite });
        self.next += count;
        self.closed = false;
    }
}
