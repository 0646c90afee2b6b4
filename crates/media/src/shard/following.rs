//! Tracks that cross shards: what a home tells its followers, and what a follower asks of a home.

use std::time::{Duration, Instant};

use super::ids::TrackIndex;
use super::relay::{Arrival, Wish};
use super::track::Origin;
use super::{LINK_RETRY, ShardCore, TimerKey, arm};
use tutti_forward::{PacketAt, TrackKey};
use tutti_id::ShardNumber;

/// Things taken from one link before the others get their turn.
const TURN: usize = 256;
/// How long a follower waits for the first state before it asks again.
const CONFIRM_WAIT: Duration = Duration::from_millis(50);

impl ShardCore {
    pub(super) fn take_links(&mut self, now: Instant) -> bool {
        let mut more = self.take_wishes(now);
        let mut next = self.links.next_home(None);
        while let Some(home) = next {
            more |= self.take_arrivals(now, home);
            next = self.links.next_home(Some(home));
        }
        self.links.flush_wishes();
        more
    }

    /// What the home shard is to know of a replica here: which layers are wanted. Nothing for a track of this shard.
    pub(super) fn tell_home(&mut self, now: Instant, index: TrackIndex) {
        let Some(track) = self.tracks.get_mut(index) else { return };
        let wanted = track.wanted();
        let Origin::Replica { home, told, confirmed, .. } = &mut track.origin else { return };
        if *told == Some(wanted) && *confirmed {
            return;
        }
        if *told != Some(wanted) {
            *told = Some(wanted);
            self.links.wish(*home, track.key, Wish::Follow(wanted));
        }
        if !*confirmed {
            arm(&mut self.wheel, &mut track.timer, TimerKey::Track(index), now, Some(now + CONFIRM_WAIT));
        }
    }

    /// A replica's timer: home has not answered.
    pub(super) fn ask_home_again(&mut self, now: Instant, index: TrackIndex) {
        if let Some(Origin::Replica { told, confirmed: false, .. }) =
            self.tracks.get_mut(index).map(|track| &mut track.origin)
        {
            *told = None;
            self.tell_home(now, index);
        }
    }

    /// Sends a track's state to the shards that do not have it; what finds no room is tried again.
    pub(super) fn tell_followers(&mut self, now: Instant, index: TrackIndex) {
        let Some(track) = self.tracks.get_mut(index) else { return };
        let Origin::Home { receive, followers, .. } = &mut track.origin else { return };
        if !followers.tell(now, track.key, receive.layers(), &mut self.links) {
            arm(&mut self.wheel, &mut track.timer, TimerKey::Track(index), now, Some(now + LINK_RETRY));
        }
    }

    fn take_wishes(&mut self, now: Instant) -> bool {
        let mut more = false;
        let mut wishes = Vec::new();
        for (shard, link) in self.links.followers() {
            let before = wishes.len();
            while wishes.len() < before + TURN {
                let Some((track, wish)) = link.next_wish() else { break };
                wishes.push((shard, track, wish));
            }
            more |= wishes.len() == before + TURN;
        }
        for (shard, track, wish) in wishes {
            self.grant(now, shard, track, wish);
        }
        more
    }

    fn grant(&mut self, now: Instant, shard: ShardNumber, key: TrackKey, wish: Wish) {
        // Not here yet: the follower asks again until it is. Not here any more: it is being told.
        let Some(index) = self.tracks.find(key) else { return };
        let Some(track) = self.tracks.get_mut(index) else { return };
        let Origin::Home { followers, .. } = &mut track.origin else { return };
        match wish {
            Wish::Follow(wants) => {
                followers.follow(shard, wants);
                self.tell_followers(now, index);
            }
            Wish::Leave => followers.leave(shard),
            Wish::KeyFrame(layer) => self.ask_key_frame(now, index, layer),
        }
    }

    fn take_arrivals(&mut self, now: Instant, home: ShardNumber) -> bool {
        for _ in 0..TURN {
            if self.wants_flush() {
                return true;
            }
            // What came down is applied inside the ring's slot; what follows from it happens after.
            let mut follow_up = FollowUp::Nothing;
            let Some(link) = self.links.from(home) else { return false };
            let (tracks, metrics) = (&mut self.tracks, &mut self.metrics);
            let arrived = link.next(|key, arrival| {
                let Some(index) = tracks.find(key) else { return };
                let Some(track) = tracks.get_mut(index) else { return };
                let Origin::Replica { layers, confirmed, .. } = &mut track.origin else { return };
                match arrival {
                    Arrival::Packet(copy, bytes) => {
                        metrics.relayed_in += 1;
                        if let Some(at) = layers.insert_copy(now, copy, bytes) {
                            follow_up = FollowUp::FanOut(index, at);
                        }
                    }
                    Arrival::State(state) => {
                        layers.apply_state(now, state);
                        *confirmed = true;
                        follow_up = FollowUp::Refresh(index);
                    }
                }
            });
            match follow_up {
                FollowUp::FanOut(index, at) => self.take_fresh(now, index, at),
                FollowUp::Refresh(index) => {
                    if self.tracks.get(index).is_some_and(|track| track.version != track.layers().version()) {
                        self.refresh_track(now, index);
                    }
                }
                FollowUp::Nothing if !arrived => return false,
                FollowUp::Nothing => {}
            }
        }
        true
    }
}

enum FollowUp {
    Nothing,
    FanOut(TrackIndex, PacketAt),
    Refresh(TrackIndex),
}
