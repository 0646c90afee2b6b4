//! Whose datagram it is: by the address it came from, or for connectivity checks by the user name in it.
//!
//! Owns both tables, and the TCP connections that nobody needs any more. An address gets into the table only by an authentic check or because we sent a check there
//! ourselves, so nobody fills it from outside. The tables are hashed with a key of their own and never walked.
//!
//! A check proves who sent it, not where it was sent from: source addresses can be forged. So a peer that proved lately
//! to be at an address keeps it ([`Known::holds`]); the shard drops the checks of others from there.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tutti_transport::{PATHS_MAX, Proto, TcpConnection};

use super::ids::PeerIndex;

/// Addresses that one peer may be known by; the oldest gives way. As many as its transport has paths: with fewer, the
/// addresses of a peer with many paths would take turns here.
pub(super) const ADDRESSES_MAX: usize = PATHS_MAX;
/// How long an address is held after the last authentic check from there. Peers check the path they use every 4 to 6 s
/// (RFC 7675, section 5.1), browsers every 2.5 s; whoever moved to another address stops.
pub(super) const HELD_FOR: Duration = Duration::from_secs(15);

/// Where a datagram comes from, as far as the table cares.
pub(super) type Source = (Proto, SocketAddr);

/// Both tables.
#[derive(Debug, Default)]
pub(super) struct Demux {
    addresses: HashMap<Source, PeerIndex>,
    ufrags: HashMap<Box<str>, PeerIndex>,
    /// To be closed.
    given_up: VecDeque<TcpConnection>,
}

/// A peer's own share of the tables, needed to take it out again.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Oldest first.
    addresses: Vec<Address>,
    ufrags: Vec<Box<str>>,
}

#[derive(Debug, Clone, Copy)]
struct Address {
    source: Source,
    /// When the last authentic check came from there; `None` = none yet.
    proved: Option<Instant>,
}

impl Known {
    /// Whether the peer proved so lately to be at `source` that nobody else may have it.
    pub(super) fn holds(&self, now: Instant, source: &Source) -> bool {
        let proved = self.addresses.iter().find(|address| address.source == *source).and_then(|address| address.proved);
        proved.is_some_and(|at| now.saturating_duration_since(at) < HELD_FOR)
    }

    /// An authentic check came from `source`.
    pub(super) fn prove(&mut self, now: Instant, source: &Source) {
        if let Some(address) = self.addresses.iter_mut().find(|address| address.source == *source) {
            address.proved = Some(now);
        }
    }
}

impl Demux {
    pub(super) fn by_address(&self, source: &Source) -> Option<PeerIndex> {
        self.addresses.get(source).copied()
    }

    pub(super) fn by_ufrag(&self, ufrag: &str) -> Option<PeerIndex> {
        self.ufrags.get(ufrag).copied()
    }

    /// Binds an address to a peer, away from whoever had it: the peer proved that it is there, and nobody else
    /// [`holds`](Known::holds) it. When the peer has too many, the oldest gives way; its selected address `keep` does not.
    pub(super) fn bind(&mut self, known: &mut Known, peer: PeerIndex, source: Source, keep: Option<Source>) {
        if self.addresses.get(&source) == Some(&peer) {
            return;
        }
        if known.addresses.len() >= ADDRESSES_MAX {
            let oldest = usize::from(known.addresses.first().map(|address| address.source) == keep);
            let Address { source: oldest, .. } = known.addresses.remove(oldest);
            self.give_up(peer, oldest);
        }
        // It may have lost the address to another peer, and be back.
        known.addresses.retain(|address| address.source != source);
        known.addresses.push(Address { source, proved: None });
        self.addresses.insert(source, peer);
    }

    /// As [`bind`](Self::bind), for an address that nobody has: answers to a check of ours will come from there.
    pub(super) fn expect(&mut self, known: &mut Known, peer: PeerIndex, source: Source, keep: Option<Source>) {
        if !self.addresses.contains_key(&source) {
            self.bind(known, peer, source, keep);
        }
    }

    /// The addresses over one protocol are gone, as when a connection closed.
    pub(super) fn forget(&mut self, known: &mut Known, peer: PeerIndex, proto: Proto) {
        known.addresses.retain(|address| {
            let gone = address.source.0 == proto;
            if gone {
                self.unbind(peer, address.source);
            }
            !gone
        });
    }

    /// Makes `ufrags` the names that lead to the peer.
    pub(super) fn name<'a>(&mut self, known: &mut Known, peer: PeerIndex, ufrags: impl Iterator<Item = &'a str>) {
        let mut count = 0;
        let mut same = true;
        let mut ufrags = ufrags.inspect(|_| count += 1);
        let wanted: Vec<&str> = ufrags.by_ref().collect();
        for (position, ufrag) in wanted.iter().enumerate() {
            same &= known.ufrags.get(position).is_some_and(|known| **known == **ufrag);
        }
        if same && count == known.ufrags.len() {
            return;
        }
        for old in std::mem::take(&mut known.ufrags) {
            if !wanted.contains(&&*old) && self.ufrags.get(&old) == Some(&peer) {
                self.ufrags.remove(&old);
            }
        }
        for ufrag in wanted {
            // A name that is taken stays with its first owner: they are random, so this is a mistake of the caller.
            let owner = *self.ufrags.entry(ufrag.into()).or_insert(peer);
            if owner == peer {
                known.ufrags.push(ufrag.into());
            }
        }
    }

    /// Takes a peer out of both tables.
    pub(super) fn remove(&mut self, known: Known, peer: PeerIndex) {
        for address in known.addresses {
            self.give_up(peer, address.source);
        }
        for ufrag in known.ufrags {
            if self.ufrags.get(&ufrag) == Some(&peer) {
                self.ufrags.remove(&ufrag);
            }
        }
    }

    /// The next TCP connection to close.
    pub(super) fn next_given_up(&mut self) -> Option<TcpConnection> {
        self.given_up.pop_front()
    }

    /// The peer does not need the address any more: if that was a TCP connection, nobody does.
    fn give_up(&mut self, peer: PeerIndex, source: Source) {
        if self.unbind(peer, source)
            && let Proto::Tcp(connection) = source.0
        {
            self.given_up.push_back(connection);
        }
    }

    /// `false`: it had gone to another peer.
    fn unbind(&mut self, peer: PeerIndex, source: Source) -> bool {
        let bound = self.addresses.get(&source) == Some(&peer);
        if bound {
            self.addresses.remove(&source);
        }
        bound
    }
}
