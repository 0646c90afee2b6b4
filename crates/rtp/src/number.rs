//! The wrapping numbers of RTP: sources, sequence numbers, timestamps, and the unwrapped sequence.
//!
//! Owns their arithmetic. Wrapping order is not transitive, so none of the wrapping types implements `Ord`.

use std::fmt;

/// A synchronization source, RFC 3550, section 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An RTP sequence number, which wraps at 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number `count` after this one.
    #[must_use]
    pub const fn add(self, count: u16) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// The number `count` before this one.
    #[must_use]
    pub const fn sub(self, count: u16) -> Self {
        Self(self.0.wrapping_sub(count))
    }

    /// How far this number lies after `other`, by the shorter way round: -32768 to 32767.
    pub const fn distance_from(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0) as i16
    }

    /// Whether this number comes after `other`, by the shorter way round.
    pub const fn is_newer_than(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }
}

/// An RTP timestamp in units of the codec's clock, which wraps at 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RtpTimestamp(pub u32);

impl RtpTimestamp {
    /// The timestamp `ticks` after this one.
    #[must_use]
    pub const fn add(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// The timestamp `ticks` before this one.
    #[must_use]
    pub const fn sub(self, ticks: u32) -> Self {
        Self(self.0.wrapping_sub(ticks))
    }

    /// How far this timestamp lies after `other`, in ticks, by the shorter way round.
    pub const fn distance_from(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }

    /// Whether this timestamp comes after `other`, by the shorter way round.
    pub const fn is_newer_than(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }
}

/// A sequence number that does not wrap: wraps counted in the bits above the lowest 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ExtendedSequence(pub u64);

impl ExtendedSequence {
    /// The number on the wire.
    pub const fn sequence(self) -> SequenceNumber {
        SequenceNumber(self.0 as u16)
    }
}

/// Turns the sequence numbers of one stream into extended ones.
///
/// The first number starts in the second cycle, so that packets from before it, arriving late, still have a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SequenceUnwrapper {
    highest: Option<ExtendedSequence>,
}

impl SequenceUnwrapper {
    /// One that has seen nothing.
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// The highest number so far.
    pub const fn highest(&self) -> Option<ExtendedSequence> {
        self.highest
    }

    /// The extended form of `sequence`: the one nearest to the highest so far. Changes nothing.
    pub const fn peek(&self, sequence: SequenceNumber) -> ExtendedSequence {
        match self.highest {
            None => ExtendedSequence(1 << 16 | sequence.0 as u64),
            Some(highest) => {
                let distance = sequence.distance_from(highest.sequence()) as i64;
                ExtendedSequence(highest.0.saturating_add_signed(distance))
            }
        }
    }

    /// The extended form of `sequence`, which becomes the highest if it is.
    pub fn unwrap(&mut self, sequence: SequenceNumber) -> ExtendedSequence {
        let extended = self.peek(sequence);
        if self.highest.is_none_or(|highest| extended > highest) {
            self.highest = Some(extended);
        }
        extended
    }
}
