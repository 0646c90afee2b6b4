//! A byte buffer that is written round and round, so that packets of any size share it without gaps.
//!
//! Owns the bytes and knows which of them are still whole. Grows while a round takes less than the time that packets
//! are to be kept; never shrinks, never moves bytes.

use std::time::{Duration, Instant};

/// Where bytes lie in the arena. Stays valid until the arena has been written once round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes written, over all rounds, before these.
    position: u64,
    offset: u32,
    len: u32,
}

impl Place {
    /// Bytes stored.
    pub(super) const fn len(self) -> usize {
        self.len as usize
    }
}

/// A circular byte buffer.
#[derive(Debug)]
pub(super) struct Arena {
    bytes: Vec<u8>,
    /// Bytes written over all rounds, skipped ends of rounds included.
    written: u64,
    /// Where the next bytes go.
    cursor: usize,
    round_started: Option<Instant>,
    len_first: usize,
    len_max: usize,
    keep: Duration,
}

impl Arena {
    /// An arena that allocates nothing yet, then `len_first` bytes, and doubles up to `len_max` as long as it does not
    /// keep packets for the time `keep`.
    pub(super) const fn new(len_first: usize, len_max: usize, keep: Duration) -> Self {
        Self { bytes: Vec::new(), written: 0, cursor: 0, round_started: None, len_first, len_max, keep }
    }

    /// Stores `head` and `tail` behind each other. `None` if they are longer than the arena may become.
    pub(super) fn store(&mut self, now: Instant, head: &[u8], tail: &[u8]) -> Option<Place> {
        let len = head.len() + tail.len();
        if self.cursor + len > self.bytes.len() {
            self.begin_round(now, len);
        }
        let offset = self.cursor;
        let room = self.bytes.get_mut(offset..offset + len)?;
        let (first, second) = room.split_at_mut(head.len());
        first.copy_from_slice(head);
        second.copy_from_slice(tail);
        let place = Place { position: self.written, offset: offset as u32, len: len as u32 };
        self.cursor += len;
        self.written += len as u64;
        Some(place)
    }

    /// The bytes at `place`, unless something was written over them.
    pub(super) fn bytes(&self, place: Place) -> Option<&[u8]> {
        if self.written > place.position + self.bytes.len() as u64 {
            return None;
        }
        self.bytes.get(place.offset as usize..(place.offset + place.len) as usize)
    }

    /// Bytes allocated.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    fn begin_round(&mut self, now: Instant, len: usize) {
        let too_fast = self.round_started.is_none_or(|started| now.saturating_duration_since(started) < self.keep);
        // What is left at the end stays unused: records lie in one piece.
        self.written += (self.bytes.len() - self.cursor) as u64;
        self.cursor = self.bytes.len();
        let wanted = (self.bytes.len() * 2).max(self.len_first);
        if too_fast && wanted <= self.len_max {
            // What the last round wrote stays where it is; the new part comes behind it and belongs to the same round.
            self.bytes.resize(wanted, 0);
            self.round_started.get_or_insert(now);
        }
        if self.cursor + len > self.bytes.len() {
            self.cursor = 0;
            self.round_started = Some(now);
        }
    }
}
