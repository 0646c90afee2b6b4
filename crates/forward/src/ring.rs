//! The packets of one RTP stream, kept for a moment: every subscriber's retransmissions are answered from here.
//!
//! Owns the bytes and the parsed fields of recent packets, keyed by the publisher's extended sequence. Allocates
//! nothing before the first packet and grows with the stream's rate up to its bounds, so that a silent or a small
//! stream costs little. Knows nothing about subscribers.

mod arena;
mod slot;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use arena::Arena;
pub use slot::{Frame, PacketHead, PacketSlot, SlotExtensions};
use tutti_rtp::MediaKind;

/// How much a ring keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingConfig {
    /// Packets at first; a power of two.
    pub slots_first: usize,
    /// Packets at most; a power of two.
    pub slots_max: usize,
    /// Bytes at first; the longest packet must fit.
    pub bytes_first: usize,
    /// Bytes at most.
    pub bytes_max: usize,
    /// The ring grows, within the bounds above, until it keeps packets for this long.
    pub keep: Duration,
}

impl RingConfig {
    /// Bounds for a stream of this kind.
    pub const fn of(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Audio => Self {
                slots_first: 32,
                slots_max: 256,
                bytes_first: 4 * 1024,
                bytes_max: 128 * 1024,
                keep: Duration::from_millis(1_200),
            },
            MediaKind::Video => Self {
                slots_first: 64,
                slots_max: 1024,
                bytes_first: 32 * 1024,
                bytes_max: 1024 * 1024,
                keep: Duration::from_millis(1_200),
            },
        }
    }
}

/// What became of a packet given to a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is in the ring now.
    New,
    /// It was there already.
    Duplicate,
    /// It lies before everything that the ring keeps.
    TooOld,
    /// It is longer than the ring may become.
    TooLong,
}

/// Recent packets of one stream.
#[derive(Debug)]
pub struct PacketRing {
    config: RingConfig,
    slots: Vec<Option<PacketSlot>>,
    arena: Arena,
    newest: Option<u64>,
    /// What lies below this may have been here and was forgotten before the ring grew: it must not come in again, since
    /// it may have been sent already, and a repeat must be what was sent.
    floor: u64,
}

impl PacketRing {
    /// A ring that allocates with its first packet.
    pub const fn new(config: RingConfig) -> Self {
        Self {
            config,
            slots: Vec::new(),
            arena: Arena::new(config.bytes_first, config.bytes_max, config.keep),
            newest: None,
            floor: 0,
        }
    }

    /// The highest index stored.
    pub const fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Keeps a packet: what is known about it, its dependency descriptor (may be empty) and its payload.
    pub fn store(&mut self, head: PacketHead, descriptor: &[u8], payload: &[u8]) -> Stored {
        let passed = self.newest.is_some_and(|newest| head.index + self.slots.len() as u64 <= newest);
        if passed || head.index < self.floor {
            return Stored::TooOld;
        }
        if self.contains(head.index) {
            return Stored::Duplicate;
        }
        self.make_room(&head);
        let Some(place) = self.arena.store(head.arrival, descriptor, payload) else { return Stored::TooLong };
        let at = self.at(head.index);
        if let Some(slot) = self.slots.get_mut(at) {
            self.newest = self.newest.max(Some(head.index));
            *slot = Some(PacketSlot::new(head, place, descriptor.len()));
        }
        Stored::New
    }

    /// Whether the packet with this index is or was in its slot: then another one is a duplicate.
    pub fn contains(&self, index: u64) -> bool {
        self.find(index).is_some()
    }

    /// The packet with this index, while its bytes are whole.
    pub fn get(&self, index: u64) -> Option<&PacketSlot> {
        self.find(index).filter(|slot| self.arena.bytes(slot.place()).is_some())
    }

    /// The payload of a packet of this ring. Empty if it was overwritten meanwhile; padding has an empty one too.
    pub fn payload(&self, slot: &PacketSlot) -> &[u8] {
        self.bytes(slot).get(slot.descriptor_len()..).unwrap_or_default()
    }

    /// The dependency descriptor of a packet of this ring, if it has one.
    pub fn descriptor(&self, slot: &PacketSlot) -> Option<&[u8]> {
        match slot.descriptor_len() {
            0 => None,
            len => self.bytes(slot).get(..len),
        }
    }

    /// Dependency descriptor and payload behind each other.
    pub fn bytes(&self, slot: &PacketSlot) -> &[u8] {
        self.arena.bytes(slot.place()).unwrap_or_default()
    }

    /// Bytes allocated for packets and their fields.
    pub fn memory(&self) -> usize {
        self.arena.capacity() + self.slots.capacity() * size_of::<Option<PacketSlot>>()
    }

    fn at(&self, index: u64) -> usize {
        index as usize & self.slots.len().wrapping_sub(1)
    }

    fn find(&self, index: u64) -> Option<&PacketSlot> {
        self.slots.get(self.at(index))?.as_ref().filter(|slot| slot.index == index)
    }

    /// Doubles the slots if the one to be taken holds a packet that should still be kept.
    fn make_room(&mut self, head: &PacketHead) {
        let len = self.slots.len();
        if len == 0 {
            self.slots.resize(self.config.slots_first, None);
            return;
        }
        let Some(Some(evicted)) = self.slots.get(self.at(head.index)) else { return };
        let young = head.arrival.saturating_duration_since(evicted.arrival) < self.config.keep;
        if !young || len * 2 > self.config.slots_max {
            return;
        }
        // After a jump the ring may grow twice at once: what was forgotten stays so.
        self.floor = self.floor.max(self.newest.map_or(0, |newest| (newest + 1).saturating_sub(len as u64)));
        let old = std::mem::replace(&mut self.slots, vec![None; len * 2]);
        for slot in old.into_iter().flatten() {
            let at = self.at(slot.index);
            if let Some(place) = self.slots.get_mut(at) {
                *place = Some(slot);
            }
        }
    }

    /// When the newest packet arrived.
    pub fn newest_arrival(&self) -> Option<Instant> {
        self.newest.and_then(|index| self.find(index)).map(|slot| slot.arrival)
    }
}
