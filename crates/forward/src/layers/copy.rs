//! What crosses to a shard that holds a copy of a track: packets one by one, and the state that packets do not carry.

use std::time::Instant;

use tutti_rtp::RtpTimestamp;

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
    arrival: Instant,
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
    clocks: [Option<SourceClock>; LayerIndex::COUNT_MAX],
}

impl Layers {
    /// A packet for another shard: its value, and its bytes (dependency descriptor and payload). `None` if it is no
    /// longer kept.
    pub fn copy_of(&self, at: PacketAt) -> Option<(PacketCopy, &[u8])> {
        let layer = self.layer(at.layer)?;
        let slot = layer.ring.get(at.index)?;
        let bytes = layer.ring.bytes(slot);
        let copy = PacketCopy {
            at,
            generation: layer.generation.number,
            arrival: slot.arrival,
            timestamp: slot.timestamp,
            marker: slot.marker,
            format: slot.format,
            extensions: slot.extensions,
            descriptor_len: (bytes.len() - slot.payload_len()) as u8,
        };
        Some((copy, bytes))
    }

    /// Takes a packet from the publisher's shard. `None` if there is nothing to forward: it is here already or too old.
    pub fn insert_copy(&mut self, copy: &PacketCopy, bytes: &[u8]) -> Option<PacketAt> {
        let (descriptor, payload) = bytes.split_at_checked(usize::from(copy.descriptor_len))?;
        let incoming = Incoming {
            index: copy.at.index,
            generation: copy.generation,
            arrival: copy.arrival,
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
    pub fn state(&self) -> LayersState {
        let mut clocks = [None; LayerIndex::COUNT_MAX];
        for (clock, layer) in clocks.iter_mut().zip(&self.layers) {
            *clock = layer.clock;
        }
        LayersState { live: self.live, clocks }
    }

    /// Takes over the state of the publisher's shard.
    pub fn apply_state(&mut self, state: &LayersState) {
        for (layer, clock) in self.layers.iter_mut().zip(state.clocks) {
            layer.clock = clock;
        }
        if self.live != state.live {
            self.live = state.live;
            self.changed();
        }
    }
}
