//! What crosses to a shard that holds a copy of a track: packets one by one, and the state that packets do not carry.
//!
//! Times cross as ages, so that both sides need not read the same clock.

use std::time::{Duration, Instant};

use tutti_rtp::{NtpTime, RtpTimestamp};

use super::{Incoming, Layers};
use crate::clock::SourceClock;
use crate::ring::{SlotExtensions, Stored};
use crate::{LayerIndex, LayerMask, PacketAt};

/// A packet on its way to another shard; its bytes go beside it.
#[derive(Debug, Clone, Copy)]
pub struct PacketCopy {
    /// Which packet.
    pub at: PacketAt,
    generation: u32,
    /// Time since it arrived.
    age: Duration,
    timestamp: RtpTimestamp,
    marker: bool,
    format: Option<u8>,
    extensions: SlotExtensions,
    /// Bytes of dependency descriptor in front of the payload.
    descriptor_len: u8,
}

/// What a copy cannot learn from packets: which streams live, and their clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayersState {
    live: LayerMask,
    clocks: [Option<ClockCopy>; LayerIndex::COUNT_MAX],
}

/// A [`SourceClock`] on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ClockCopy {
    ntp: NtpTime,
    rtp: RtpTimestamp,
    /// Time since the sender report arrived.
    age: Duration,
}

impl ClockCopy {
    fn of(clock: SourceClock, now: Instant) -> Self {
        let SourceClock { ntp, rtp, at } = clock;
        Self { ntp, rtp, age: now.saturating_duration_since(at) }
    }

    fn at(self, now: Instant) -> SourceClock {
        let Self { ntp, rtp, age } = self;
        SourceClock { ntp, rtp, at: before(now, age) }
    }
}

/// The moment `age` ago.
fn before(now: Instant, age: Duration) -> Instant {
    now.checked_sub(age).unwrap_or(now)
}

impl Layers {
    /// A packet for another shard: its value, and its bytes (dependency descriptor and payload). `None` if it is no
    /// longer kept.
    pub fn copy_of(&self, now: Instant, at: PacketAt) -> Option<(PacketCopy, &[u8])> {
        let layer = self.layer(at.layer)?;
        let slot = layer.ring.get(at.index)?;
        let bytes = layer.ring.bytes(slot);
        let copy = PacketCopy {
            at,
            generation: layer.generation.number,
            age: now.saturating_duration_since(slot.arrival),
            timestamp: slot.timestamp,
            marker: slot.marker,
            format: slot.format,
            extensions: slot.extensions,
            descriptor_len: (bytes.len() - slot.payload_len()) as u8,
        };
        Some((copy, bytes))
    }

    /// Takes a packet from the publisher's shard. `None` if there is nothing to forward: it is here already or too old.
    pub fn insert_copy(&mut self, now: Instant, copy: &PacketCopy, bytes: &[u8]) -> Option<PacketAt> {
        let (descriptor, payload) = bytes.split_at_checked(usize::from(copy.descriptor_len))?;
        let incoming = Incoming {
            index: copy.at.index,
            generation: copy.generation,
            arrival: before(now, copy.age),
            timestamp: copy.timestamp,
            marker: copy.marker,
            format: copy.format,
            extensions: copy.extensions,
            descriptor,
            payload,
        };
        (self.store(copy.at.layer, &incoming) == Stored::New).then_some(copy.at)
    }

    /// What copies need to know besides packets.
    pub fn state(&self, now: Instant) -> LayersState {
        let mut clocks = [None; LayerIndex::COUNT_MAX];
        for (clock, layer) in clocks.iter_mut().zip(&self.layers) {
            *clock = layer.clock.map(|clock| ClockCopy::of(clock, now));
        }
        LayersState { live: self.live, clocks }
    }

    /// Takes over the state of the publisher's shard.
    pub fn apply_state(&mut self, now: Instant, state: &LayersState) {
        for (layer, clock) in self.layers.iter_mut().zip(state.clocks) {
            layer.clock = clock.map(|clock| clock.at(now));
        }
        if self.live != state.live {
            self.live = state.live;
            self.changed();
        }
    }
}
