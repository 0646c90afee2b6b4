//! Who follows a track of this shard: the other shards with subscribers of it.
//!
//! Owns what each wants and was told. This is the one place where a track's packets and state are written to whoever is
//! no peer of this shard.

use std::time::Instant;

use tutti_forward::{LayerMask, Layers, PacketAt, TrackKey};
use tutti_id::ShardNumber;

use super::links::Links;
use crate::metrics::ShardMetrics;

/// The followers of one track.
#[derive(Debug, Default)]
pub(super) struct Followers(Vec<Follower>);

#[derive(Debug, Clone, Copy)]
struct Follower {
    shard: ShardNumber,
    wants: LayerMask,
    /// Version of the state it has; `None` = none yet.
    told: Option<u32>,
}

impl Followers {
    /// A shard follows, or wants other layers now. It is told the state anew.
    pub(super) fn follow(&mut self, shard: ShardNumber, wants: LayerMask) {
        let follower = Follower { shard, wants, told: None };
        match self.0.iter_mut().find(|known| known.shard == shard) {
            Some(known) => *known = follower,
            None => self.0.push(follower),
        }
    }

    pub(super) fn leave(&mut self, shard: ShardNumber) {
        self.0.retain(|follower| follower.shard != shard);
    }

    /// Copies a packet to every follower that wants its layer.
    pub(super) fn relay(
        &self,
        now: Instant,
        (track, layers): (TrackKey, &Layers),
        at: PacketAt,
        links: &mut Links,
        metrics: &mut ShardMetrics,
    ) {
        let mut followers = self.0.iter().filter(|follower| follower.wants.contains(at.layer)).peekable();
        if followers.peek().is_none() {
            return;
        }
        let Some((copy, bytes)) = layers.copy_of(now, at) else { return };
        for follower in followers {
            match links.send(follower.shard, |link| link.send_packet(track, &copy, bytes)) {
                Some(true) => metrics.relayed_out += 1,
                Some(false) => metrics.relay_full += 1,
                None => {}
            }
        }
    }

    /// Sends the track's state to those that do not have it; `false`: some found no room, try again.
    pub(super) fn tell(&mut self, now: Instant, track: TrackKey, layers: &Layers, links: &mut Links) -> bool {
        let version = layers.state_version();
        if self.0.iter().all(|follower| follower.told == Some(version)) {
            return true;
        }
        let state = layers.state(now);
        let mut all = true;
        for follower in self.0.iter_mut().filter(|follower| follower.told != Some(version)) {
            match links.send(follower.shard, |link| link.send_state(track, &state)) {
                Some(true) => follower.told = Some(version),
                Some(false) => all = false,
                None => {}
            }
        }
        all
    }
}
