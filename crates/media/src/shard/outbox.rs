//! What waits to be sealed at the end of a batch.
//!
//! One pool for all peers: each peer has a list in it, so that its packets leave together and form runs, and an idle
//! peer holds nothing. The pool is emptied as a whole when everything was sealed.

use std::collections::VecDeque;

use tutti_forward::SendPacket;
use tutti_transport::Transmit;

use super::ids::{PeerIndex, TrackIndex};

/// End of a list.
const NIL: u32 = u32::MAX;
/// Packets held at most; above, they are dropped and counted. The owner flushes long before.
pub(super) const PACKETS_MAX: usize = 1 << 16;
/// Longest compound RTCP packet, bytes.
const RTCP_BYTES_MAX: usize = 1200;

/// A peer's packets in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    first: u32,
    last: u32,
}

impl Pending {
    pub(super) const NONE: Self = Self { first: NIL, last: NIL };
}

/// A packet for one peer; its payload is still in the ring of `track`.
#[derive(Debug)]
struct Queued {
    /// `None`: the track went away.
    track: Option<TrackIndex>,
    packet: SendPacket,
    next: u32,
}

#[derive(Debug)]
struct Compound {
    peer: PeerIndex,
    start: usize,
    end: usize,
}

/// Everything that waits.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// STUN and DTLS.
    pub(super) control: VecDeque<Transmit>,
    packets: Vec<Queued>,
    /// Peers with packets, each once.
    touched: Vec<PeerIndex>,
    /// Those of `touched` that are done.
    done: usize,
    compounds: VecDeque<Compound>,
    rtcp: Vec<u8>,
    /// Packets that found no room, or could not be sealed.
    dropped: u64,
}

impl Outbox {
    /// Packets that wait.
    pub(super) const fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty() && self.control.is_empty() && self.compounds.is_empty()
    }

    /// Appends to a peer's list. When the pool is full, the packet is dropped and counted.
    pub(super) fn push(&mut self, peer: PeerIndex, list: &mut Pending, track: TrackIndex, packet: SendPacket) {
        if self.packets.len() >= PACKETS_MAX {
            self.dropped += 1;
            return;
        }
        let at = self.packets.len() as u32;
        self.packets.push(Queued { track: Some(track), packet, next: NIL });
        match self.packets.get_mut(list.last as usize) {
            Some(last) => last.next = at,
            None => {
                list.first = at;
                self.touched.push(peer);
            }
        }
        list.last = at;
    }

    /// A packet, or RTCP, that could not be sealed.
    pub(super) const fn note_dropped(&mut self) {
        self.dropped += 1;
    }

    /// Packets dropped so far.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A peer whose packets are not all sealed yet.
    pub(super) fn current(&self) -> Option<PeerIndex> {
        self.touched.get(self.done).copied()
    }

    /// The peer after [`Outbox::current`].
    pub(super) fn next(&self) -> Option<PeerIndex> {
        self.touched.get(self.done + 1).copied()
    }

    /// The first packet of a list.
    pub(super) fn front(&mut self, list: Pending) -> Option<(Option<TrackIndex>, &mut SendPacket)> {
        self.packets.get_mut(list.first as usize).map(|queued| (queued.track, &mut queued.packet))
    }

    /// Takes the first packet off a list.
    pub(super) fn pop(&self, list: &mut Pending) {
        match self.packets.get(list.first as usize) {
            Some(queued) if queued.next != NIL => list.first = queued.next,
            _ => *list = Pending::NONE,
        }
    }

    /// The current peer has no more. The pool starts afresh after the last one.
    pub(super) fn advance(&mut self) {
        self.done += 1;
        if self.done >= self.touched.len() {
            self.done = 0;
            self.touched.clear();
            self.packets.clear();
        }
    }

    /// Packets whose ring is going away are not sent.
    pub(super) fn discard_track(&mut self, track: TrackIndex) {
        for queued in self.packets.iter_mut().filter(|queued| queued.track == Some(track)) {
            queued.track = None;
        }
    }

    /// A peer is going away: what waits for it is not sent to whoever comes to its place.
    pub(super) fn discard_peer(&mut self, peer: PeerIndex, list: Pending) {
        let mut at = list.first;
        while let Some(queued) = self.packets.get_mut(at as usize) {
            queued.track = None;
            at = queued.next;
        }
        self.compounds.retain(|compound| compound.peer != peer);
    }

    /// Appends RTCP for a peer; joins what waits for the same peer while it fits one packet.
    pub(super) fn push_rtcp(&mut self, peer: PeerIndex, packets: &[u8]) {
        if packets.is_empty() {
            return;
        }
        let start = self.rtcp.len();
        self.rtcp.extend_from_slice(packets);
        let end = self.rtcp.len();
        match self.compounds.back_mut() {
            Some(last) if last.peer == peer && last.end == start && end - last.start <= RTCP_BYTES_MAX => {
                last.end = end;
            }
            _ => self.compounds.push_back(Compound { peer, start, end }),
        }
    }

    /// The first compound RTCP packet.
    pub(super) fn front_rtcp(&self) -> Option<(PeerIndex, &[u8])> {
        let compound = self.compounds.front()?;
        Some((compound.peer, self.rtcp.get(compound.start..compound.end).unwrap_or_default()))
    }

    /// Takes it off.
    pub(super) fn pop_rtcp(&mut self) {
        self.compounds.pop_front();
        if self.compounds.is_empty() {
            self.rtcp.clear();
        }
    }
}
