//! How one shard follows a track of another: packets and the track's state come down, wishes go up.
//!
//! Down is lossy: a packet that finds the ring full is lost like one on the wire and the publisher's loss repair does
//! not cover it, so it is counted. Up is not: a wish that finds no room waits in a backlog. Following is confirmed by
//! the first state that comes down; until then it is asked for again.

use std::collections::VecDeque;

use tutti_forward::{LayerIndex, LayerMask, LayersState, PacketCopy, TrackKey};

use crate::ring::{Consumer, Producer, ring};

/// Longest descriptor and payload that cross, bytes: what fits a datagram on an Ethernet path.
const PACKET_BYTES_MAX: usize = 1500;
/// Packets on their way between two shards.
pub(super) const PACKETS_MAX: usize = 512;
/// Wishes on their way.
pub(super) const WISHES_MAX: usize = 256;
/// Key-frame wishes in the backlog above which further ones are dropped: they are asked for again.
pub(super) const BACKLOG_MAX: usize = 1024;

/// What comes down.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "it lies in a slot that is larger than either, made once")]
enum Content {
    /// A slot that was never filled.
    Nothing,
    /// A packet; its bytes follow.
    Packet(PacketCopy),
    /// Which layers live, and their clocks.
    State(LayersState),
}

/// One slot of the ring down.
#[derive(Debug)]
struct Slot {
    track: TrackKey,
    content: Content,
    length: usize,
    bytes: [u8; PACKET_BYTES_MAX],
}

impl Default for Slot {
    fn default() -> Self {
        Self { track: TrackKey(0), content: Content::Nothing, length: 0, bytes: [0; PACKET_BYTES_MAX] }
    }
}

/// What a following shard asks of a track's home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Send the packets of these layers, which may be none, and the state with every change.
    Follow(LayerMask),
    /// Send no more.
    Leave,
    /// Get a key frame of this layer.
    KeyFrame(LayerIndex),
}

#[derive(Debug, Clone, Copy)]
struct TrackWish {
    track: TrackKey,
    wish: Wish,
}

impl Default for TrackWish {
    fn default() -> Self {
        Self { track: TrackKey(0), wish: Wish::Leave }
    }
}

/// What came down, as the following shard sees it.
pub(super) enum Arrival<'a> {
    Packet(&'a PacketCopy, &'a [u8]),
    State(&'a LayersState),
}

/// The home's end of a link.
#[derive(Debug)]
pub struct LinkSender {
    packets: Producer<Slot>,
    wishes: Consumer<TrackWish>,
}

/// The following shard's end.
#[derive(Debug)]
pub struct LinkReceiver {
    packets: Consumer<Slot>,
    wishes: Producer<TrackWish>,
    backlog: VecDeque<TrackWish>,
}

/// A link between two shards, one way.
pub fn link() -> (LinkSender, LinkReceiver) {
    let (down, packets) = ring(PACKETS_MAX);
    let (up, wishes) = ring(WISHES_MAX);
    let receiver = LinkReceiver { packets, wishes: up, backlog: VecDeque::new() };
    (LinkSender { packets: down, wishes }, receiver)
}

impl LinkSender {
    /// Copies a packet in; `false`: the ring is full, or the packet too long to cross.
    pub(super) fn send_packet(&mut self, track: TrackKey, copy: &PacketCopy, bytes: &[u8]) -> bool {
        bytes.len() <= PACKET_BYTES_MAX
            && self.packets.push_with(|slot| {
                slot.track = track;
                slot.content = Content::Packet(*copy);
                slot.length = bytes.len();
                if let Some(room) = slot.bytes.get_mut(..bytes.len()) {
                    room.copy_from_slice(bytes);
                }
            })
    }

    /// Sends a track's state; `false`: the ring is full, try later.
    pub(super) fn send_state(&mut self, track: TrackKey, state: &LayersState) -> bool {
        self.packets.push_with(|slot| {
            slot.track = track;
            slot.content = Content::State(*state);
            slot.length = 0;
        })
    }

    /// The next wish.
    pub(super) fn next_wish(&mut self) -> Option<(TrackKey, Wish)> {
        self.wishes.pop_with(|wish| (wish.track, wish.wish))
    }
}

impl LinkReceiver {
    /// Lets `see` have the next thing that came down; `false`: nothing there.
    pub(super) fn next(&mut self, see: impl FnOnce(TrackKey, Arrival<'_>)) -> bool {
        self.packets
            .pop_with(|slot| match &slot.content {
                Content::Nothing => {}
                Content::Packet(copy) => {
                    see(slot.track, Arrival::Packet(copy, slot.bytes.get(..slot.length).unwrap_or_default()));
                }
                Content::State(state) => see(slot.track, Arrival::State(state)),
            })
            .is_some()
    }

    /// Sends a wish, or keeps it until [`flush`](Self::flush) finds room.
    pub(super) fn wish(&mut self, track: TrackKey, wish: Wish) {
        self.flush();
        let wish = TrackWish { track, wish };
        if self.backlog.is_empty() && self.wishes.push_with(|slot| *slot = wish) {
            return;
        }
        if self.backlog.len() < BACKLOG_MAX || !matches!(wish.wish, Wish::KeyFrame(_)) {
            self.backlog.push_back(wish);
        }
    }

    /// Sends what waits, as far as there is room; `true` when nothing is left.
    pub(super) fn flush(&mut self) -> bool {
        while let Some(&wish) = self.backlog.front() {
            if !self.wishes.push_with(|slot| *slot = wish) {
                return false;
            }
            self.backlog.pop_front();
        }
        true
    }
}
