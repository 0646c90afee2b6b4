//! Tracks, subscriptions and peers as they come and go in the tables, and how they find each other.

use std::time::Instant;

use rand::Rng;
use tutti_forward::{
    LayerMask, Layers, PublishTrack, ReceiveConfig, ReceiveTrack, SendTrack, SubscribeTrack, TrackKey,
};
use tutti_id::ShardNumber;
use tutti_rtp::Ssrc;

use super::followers::Followers;
use super::ids::{PeerIndex, SubscriptionIndex, TrackIndex};
use super::peer::Incoming;
use super::relay::Wish;
use super::subscription::{Stage, Subscription};
use super::track::{Origin, Subscriber, Track};
use super::{REPORTER, ShardCore, TimerKey, arm};
use crate::wheel::Timer;

impl ShardCore {
    pub(super) fn publish(&mut self, now: Instant, peer_index: PeerIndex, section: &PublishTrack) {
        let known = self.tracks.find(section.track);
        let index = match known.and_then(|index| Some((index, self.tracks.get_mut(index)?))) {
            Some((index, track)) => {
                let added = match &mut track.origin {
                    Origin::Home { peer, receive, .. } if *peer == peer_index => receive.add_section(now, section),
                    _ => {
                        self.metrics.commands_ignored += 1;
                        return;
                    }
                };
                if added.is_err() {
                    self.metrics.commands_ignored += 1;
                    return;
                }
                index
            }
            None => {
                let Ok(receive) = ReceiveTrack::new(now, section, ReceiveConfig::default()) else {
                    self.metrics.commands_ignored += 1;
                    return;
                };
                let origin =
                    Origin::Home { peer: peer_index, receive: Box::new(receive), followers: Followers::default() };
                let index = self.insert_track(section, origin);
                if let Some(peer) = self.peers.get_mut(peer_index) {
                    peer.tracks.push(index);
                }
                index
            }
        };
        let (Some(peer), Some(track)) = (self.peers.get_mut(peer_index), self.tracks.get_mut(index)) else {
            return;
        };
        peer.learn_extensions(&section.extensions, section.transport_cc, REPORTER, now);
        if let Origin::Home { receive, .. } = &track.origin {
            for (ssrc, stream) in receive.known_ssrcs() {
                peer.incoming.insert(ssrc, Incoming { track: index, stream });
            }
            arm(&mut self.wheel, &mut track.timer, TimerKey::Track(index), now, receive.poll_timeout());
        }
        self.attach_waiting(now, section.track, index);
        self.refresh_track(now, index);
    }

    fn insert_track(&mut self, section: &PublishTrack, origin: Origin) -> TrackIndex {
        self.tracks.insert(Track {
            key: section.track,
            kind: section.kind,
            encrypted: section.encrypted,
            origin,
            subscribers: Vec::new(),
            fresh: Vec::new(),
            fresh_served: 0,
            version: 0,
            timer: Timer::IDLE,
        })
    }

    pub(super) fn import(&mut self, now: Instant, home: ShardNumber, section: &PublishTrack) {
        let index = match self.tracks.find(section.track) {
            Some(index) => {
                if let Some(Origin::Replica { layers, confirmed, .. }) =
                    self.tracks.get_mut(index).map(|track| &mut track.origin)
                {
                    // The description grew: what home says about it is to be heard again.
                    *confirmed = false;
                    if layers.add_section(section).is_err() {
                        self.metrics.commands_ignored += 1;
                    }
                }
                index
            }
            None => {
                let Ok(layers) = Layers::replica(section) else {
                    self.metrics.commands_ignored += 1;
                    return;
                };
                let origin = Origin::Replica { home, layers: Box::new(layers), told: None, confirmed: false };
                self.insert_track(section, origin)
            }
        };
        self.attach_waiting(now, section.track, index);
        self.refresh_track(now, index);
        self.tell_home(now, index);
    }

    pub(super) fn drop_import(&mut self, key: TrackKey) {
        let Some(index) = self.tracks.find(key) else { return };
        if let Some(Origin::Replica { home, .. }) = self.tracks.get(index).map(|track| &track.origin) {
            self.links.wish(*home, key, Wish::Leave);
            self.remove_track(index);
        }
    }

    fn attach_waiting(&mut self, now: Instant, key: TrackKey, track: TrackIndex) {
        for subscription in self.waiting.remove(&key).unwrap_or_default() {
            self.attach(now, subscription, track);
        }
    }

    pub(super) fn subscribe(&mut self, now: Instant, peer_index: PeerIndex, subscribe: Box<SubscribeTrack>) {
        if self.subscriptions.contains(subscribe.section.subscription) {
            self.metrics.commands_ignored += 1;
            return;
        }
        let Some(peer) = self.peers.get_mut(peer_index) else { return };
        let key = subscribe.section.subscription;
        let track_key = subscribe.track;
        let ssrcs = (Ssrc(subscribe.section.ssrc), subscribe.section.rtx_ssrc.map(Ssrc));
        let index = self.subscriptions.insert(Subscription {
            key,
            peer: peer_index,
            track_key,
            stage: Stage::Waiting(subscribe),
            timer: Timer::IDLE,
        });
        peer.subscriptions.push(index);
        peer.outgoing.insert(ssrcs.0, index);
        if let Some(repair) = ssrcs.1 {
            peer.outgoing.insert(repair, index);
        }
        match self.tracks.find(track_key) {
            Some(track) => self.attach(now, index, track),
            None => self.waiting.entry(track_key).or_default().push(index),
        }
    }

    fn attach(&mut self, now: Instant, index: SubscriptionIndex, track_index: TrackIndex) {
        let Some(subscription) = self.subscriptions.get_mut(index) else { return };
        let Some(track) = self.tracks.get_mut(track_index) else { return };
        let Stage::Waiting(subscribe) = &subscription.stage else { return };
        let send = SendTrack::new(now, subscribe, track.kind, track.encrypted, self.random.random());
        let position = track.subscribers.len();
        track.subscribers.push(Subscriber { subscription: index, interest: LayerMask::NONE });
        subscription.stage = Stage::Attached { track: track_index, position, send: Box::new(send) };
        self.activate(now, index);
    }

    /// Brings a subscription up to date with its track, when its peer can be sent to.
    pub(super) fn activate(&mut self, now: Instant, index: SubscriptionIndex) {
        let Some(subscription) = self.subscriptions.get_mut(index) else { return };
        let Stage::Attached { track, send, .. } = &mut subscription.stage else { return };
        let ready = self.peers.get(subscription.peer).is_some_and(|peer| peer.ready);
        if !ready {
            return;
        }
        if let Some(track) = self.tracks.get(*track) {
            send.refresh(now, track.layers());
        }
        self.after_change(now, index);
    }

    pub(super) fn remove_subscription(&mut self, now: Instant, index: SubscriptionIndex) {
        let Some(subscription) = self.subscriptions.remove(index) else { return };
        if let Some(peer) = self.peers.get_mut(subscription.peer) {
            peer.subscriptions.retain(|known| *known != index);
            peer.outgoing.retain(|known| *known != index);
        }
        match subscription.stage {
            Stage::Waiting(_) => {
                if let Some(waiting) = self.waiting.get_mut(&subscription.track_key) {
                    waiting.retain(|known| *known != index);
                    if waiting.is_empty() {
                        self.waiting.remove(&subscription.track_key);
                    }
                }
            }
            Stage::Attached { track: track_index, position, .. } => {
                let Some(track) = self.tracks.get_mut(track_index) else { return };
                if position < track.subscribers.len() {
                    track.subscribers.swap_remove(position);
                }
                if let Some(moved) = track.subscribers.get(position)
                    && let Some(moved) = self.subscriptions.get_mut(moved.subscription)
                    && let Stage::Attached { position: place, .. } = &mut moved.stage
                {
                    *place = position;
                }
                self.tell_home(now, track_index);
            }
            Stage::Detached => {}
        }
    }

    /// Takes a track out; its subscriptions stay but carry nothing any more.
    pub(super) fn remove_track(&mut self, index: TrackIndex) {
        let Some(track) = self.tracks.remove(index) else { return };
        self.outbox.discard_track(index);
        for subscriber in &track.subscribers {
            if let Some(subscription) = self.subscriptions.get_mut(subscriber.subscription) {
                subscription.stage = Stage::Detached;
            }
        }
        if let Some(peer) = track.publisher().and_then(|peer| self.peers.get_mut(peer)) {
            peer.tracks.retain(|known| *known != index);
            peer.incoming.retain(|incoming| incoming.track != index);
        }
    }

    pub(super) fn remove_peer(&mut self, index: PeerIndex) {
        // Off the tables first: whatever follows may panic if the peer is broken, and must not find it again.
        let Some(mut peer) = self.peers.remove(index) else { return };
        self.totals.half_open -= usize::from(!peer.secure);
        self.totals.gone += peer.transport.counters();
        self.totals.data_memory.change(peer.data_held, 0);
        self.outbox.discard_peer(index, peer.pending);
        self.demux.remove(std::mem::take(&mut peer.known), index);
        for subscription in std::mem::take(&mut peer.subscriptions) {
            self.remove_subscription(self.last_now, subscription);
        }
        for track in std::mem::take(&mut peer.tracks) {
            self.remove_track(track);
        }
    }
}
