//! Whose datagram it is: by the address it came from, or for connectivity checks by the user name in it.
//!
//! Owns both tables. An address gets into the table only by an authentic check or because we sent a check there
//! ourselves, so nobody fills it from outside. The tables are hashed with a key of their own and never walked.

use std::collections::HashMap;
use std::net::SocketAddr;

use tutti_transport::{PATHS_MAX, Proto};

use super::ids::PeerIndex;

/// Addresses that one peer may be known by; the oldest gives way. As many as its transport has paths: with fewer, the
/// addresses of a peer with many paths would take turns here.
const ADDRESSES_MAX: usize = PATHS_MAX;

/// Where a datagram comes from, as far as the table cares.
pub(super) type Source = (Proto, SocketAddr);

/// Both tables.
#[derive(Debug, Default)]
pub(super) struct Demux {
    addresses: HashMap<Source, PeerIndex>,
    ufrags: HashMap<Box<str>, PeerIndex>,
}

/// A peer's own share of the tables, needed to take it out again.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Oldest first.
    addresses: Vec<Source>,
    ufrags: Vec<Box<str>>,
}

impl Known {
    pub(super) fn addresses(&self) -> &[Source] {
        &self.addresses
    }
}

impl Demux {
    pub(super) fn by_address(&self, source: &Source) -> Option<PeerIndex> {
        self.addresses.get(source).copied()
    }

    pub(super) fn by_ufrag(&self, ufrag: &str) -> Option<PeerIndex> {
        self.ufrags.get(ufrag).copied()
    }

    /// Binds an address to a peer, away from whoever had it: the peer proved that it is there. When the peer has too
    /// many, the oldest gives way and comes back; its selected address `keep` does not.
    pub(super) fn bind(
        &mut self,
        known: &mut Known,
        peer: PeerIndex,
        source: Source,
        keep: Option<Source>,
    ) -> Option<Source> {
        if self.addresses.get(&source) == Some(&peer) {
            return None;
        }
        let mut given_up = None;
        if known.addresses.len() >= ADDRESSES_MAX {
            let oldest = usize::from(known.addresses.first().copied() == keep);
            let address = known.addresses.remove(oldest);
            self.unbind(peer, address);
            given_up = Some(address);
        }
        known.addresses.push(source);
        self.addresses.insert(source, peer);
        given_up
    }

    /// As [`bind`](Self::bind), for an address that nobody has: answers to a check of ours will come from there.
    pub(super) fn expect(
        &mut self,
        known: &mut Known,
        peer: PeerIndex,
        source: Source,
        keep: Option<Source>,
    ) -> Option<Source> {
        if self.addresses.contains_key(&source) { None } else { self.bind(known, peer, source, keep) }
    }

    /// The addresses over one protocol are gone, as when a connection closed.
    pub(super) fn forget(&mut self, known: &mut Known, peer: PeerIndex, proto: Proto) {
        let mut kept = Vec::new();
        for source in std::mem::take(&mut known.addresses) {
            if source.0 == proto {
                self.unbind(peer, source);
            } else {
                kept.push(source);
            }
        }
        known.addresses = kept;
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
        for source in known.addresses {
            self.unbind(peer, source);
        }
        for ufrag in known.ufrags {
            if self.ufrags.get(&ufrag) == Some(&peer) {
                self.ufrags.remove(&ufrag);
            }
        }
    }

    fn unbind(&mut self, peer: PeerIndex, source: Source) {
        // It may have gone to another peer meanwhile.
        if self.addresses.get(&source) == Some(&peer) {
            self.addresses.remove(&source);
        }
    }
}
