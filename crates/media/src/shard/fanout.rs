//! From one packet of a track to everybody who gets it, and what keeps subscriptions in step with their track.

use std::time::Instant;

use tutti_forward::{LayerIndex, LayerMask, PacketAt};

use super::ids::{SubscriptionIndex, TrackIndex};
use super::subscription::Stage;
use super::track::{Origin, Track};
use super::{ShardCore, TimerKey, arm};
use crate::command::MediaEvent;

impl ShardCore {
    /// Gives a packet that is new in its ring to the subscribers of its layer, and a copy to every following shard.
    pub(super) fn fan_out(&mut self, now: Instant, index: TrackIndex, at: PacketAt) {
        if self.tracks.get(index.slot()).is_some_and(|track| track.version != track.layers().version()) {
            self.refresh_track(now, index);
        }
        let mut key_frames = LayerMask::NONE;
        let mut interest_changed = false;
        let Some(track) = self.tracks.get_mut(index.slot()) else { return };
        let Track { key, origin, subscribers, .. } = track;
        let layers = origin.layers();
        let Some(slot) = layers.slot(at) else { return };
        for subscriber in subscribers.iter_mut().filter(|subscriber| subscriber.interest.contains(at.layer)) {
            let Some(subscription) = self.subscriptions.get_mut(subscriber.subscription.slot()) else { continue };
            let Stage::Attached { send, .. } = &mut subscription.stage else { continue };
            self.blame = Some(subscription.peer);
            if let Some(packet) = send.forward(now, layers, at.layer, slot) {
                let Some(peer) = self.peers.get_mut(subscription.peer.slot()) else { continue };
                if !self.outbox.push(subscription.peer, &mut peer.pending, index, packet) {
                    self.metrics.dropped_unsent += 1;
                }
            } else if send.has_catch_up() {
                let Some(peer) = self.peers.get_mut(subscription.peer.slot()) else { continue };
                let (outbox, metrics) = (&mut self.outbox, &mut self.metrics);
                send.catch_up(now, layers, |packet| {
                    if !outbox.push(subscription.peer, &mut peer.pending, index, packet) {
                        metrics.dropped_unsent += 1;
                    }
                });
            }
            let interest = send.interest();
            interest_changed |= interest != subscriber.interest;
            subscriber.interest = interest;
            if let Some(layer) = send.take_key_frame_request() {
                key_frames = key_frames.with(layer);
            }
            while let Some(event) = send.poll_event() {
                self.events.push_back(MediaEvent::Forward(event));
            }
            if send.has_catch_up() || !subscription.timer.is_armed() {
                let owner = TimerKey::Subscription(subscriber.subscription);
                arm(&mut self.wheel, &mut subscription.timer, owner, now, send.poll_timeout());
            }
        }
        self.blame = None;
        if let Origin::Home { receive, followers, .. } = origin
            && followers.iter().any(|follower| follower.wants.contains(at.layer))
            && let Some((copy, bytes)) = receive.layers().copy_of(at)
        {
            for follower in followers.iter().filter(|follower| follower.wants.contains(at.layer)) {
                let Some(link) = self.links_to.get_mut(&follower.shard) else { continue };
                if link.send_packet(*key, &copy, bytes) {
                    self.metrics.relayed_out += 1;
                    if !self.wakes.contains(&follower.shard) {
                        self.wakes.push(follower.shard);
                    }
                } else {
                    self.metrics.relay_full += 1;
                }
            }
        }
        self.ask_key_frames(now, index, key_frames);
        if interest_changed {
            self.tell_home(now, index);
        }
    }

    /// Brings all subscriptions of a track, and the shards that follow it, up to date with its layers.
    pub(super) fn refresh_track(&mut self, now: Instant, index: TrackIndex) {
        let mut key_frames = LayerMask::NONE;
        let Some(track) = self.tracks.get_mut(index.slot()) else { return };
        let Track { origin, subscribers, version, .. } = track;
        let layers = origin.layers();
        *version = layers.version();
        for subscriber in subscribers.iter_mut() {
            let Some(subscription) = self.subscriptions.get_mut(subscriber.subscription.slot()) else { continue };
            let Stage::Attached { send, .. } = &mut subscription.stage else { continue };
            let peer = self.peers.get_mut(subscription.peer.slot());
            let Some(peer) = peer.filter(|peer| peer.ready) else { continue };
            self.blame = Some(subscription.peer);
            send.refresh(now, layers);
            if send.has_catch_up() {
                let (outbox, metrics) = (&mut self.outbox, &mut self.metrics);
                send.catch_up(now, layers, |packet| {
                    if !outbox.push(subscription.peer, &mut peer.pending, index, packet) {
                        metrics.dropped_unsent += 1;
                    }
                });
            }
            subscriber.interest = send.interest();
            if let Some(layer) = send.take_key_frame_request() {
                key_frames = key_frames.with(layer);
            }
            while let Some(event) = send.poll_event() {
                self.events.push_back(MediaEvent::Forward(event));
            }
            let owner = TimerKey::Subscription(subscriber.subscription);
            arm(&mut self.wheel, &mut subscription.timer, owner, now, send.poll_timeout());
        }
        self.blame = None;
        self.tell_followers(now, index);
        self.ask_key_frames(now, index, key_frames);
        self.tell_home(now, index);
    }

    /// After anything was done to a subscription: what it wants to see, ask or tell now.
    pub(super) fn after_change(&mut self, now: Instant, index: SubscriptionIndex) {
        let Some(subscription) = self.subscriptions.get_mut(index.slot()) else { return };
        let Stage::Attached { track: track_index, position, send } = &mut subscription.stage else { return };
        let track_index = *track_index;
        while let Some(event) = send.poll_event() {
            self.events.push_back(MediaEvent::Forward(event));
        }
        let peer = self.peers.get_mut(subscription.peer.slot());
        let Some(peer) = peer.filter(|peer| peer.ready) else { return };
        if send.has_catch_up()
            && let Some(track) = self.tracks.get(track_index.slot())
        {
            let (outbox, metrics) = (&mut self.outbox, &mut self.metrics);
            send.catch_up(now, track.layers(), |packet| {
                if !outbox.push(subscription.peer, &mut peer.pending, track_index, packet) {
                    metrics.dropped_unsent += 1;
                }
            });
        }
        let owner = TimerKey::Subscription(index);
        arm(&mut self.wheel, &mut subscription.timer, owner, now, send.poll_timeout());
        let interest = send.interest();
        let wanted = send.take_key_frame_request();
        let Some(track) = self.tracks.get_mut(track_index.slot()) else { return };
        if let Some(subscriber) = track.subscribers.get_mut(*position) {
            subscriber.interest = interest;
        }
        if let Some(layer) = wanted {
            self.ask_key_frame(now, track_index, layer);
        }
        self.tell_home(now, track_index);
    }

    /// Sets which layers a subscription is shown, without asking it.
    pub(super) fn set_interest(&mut self, now: Instant, index: SubscriptionIndex, interest: LayerMask) {
        let Some(subscription) = self.subscriptions.get_mut(index.slot()) else { return };
        let Stage::Attached { track: track_index, position, .. } = subscription.stage else { return };
        let Some(track) = self.tracks.get_mut(track_index.slot()) else { return };
        if let Some(subscriber) = track.subscribers.get_mut(position) {
            subscriber.interest = interest;
        }
        self.tell_home(now, track_index);
    }

    pub(super) fn ask_key_frames(&mut self, now: Instant, index: TrackIndex, layers: LayerMask) {
        for layer in layers.iter() {
            self.ask_key_frame(now, index, layer);
        }
    }

    /// Asks the publisher, or its shard, for a key frame. The publisher's side throttles and repeats.
    pub(super) fn ask_key_frame(&mut self, now: Instant, index: TrackIndex, layer: LayerIndex) {
        let Some(track) = self.tracks.get_mut(index.slot()) else { return };
        match &mut track.origin {
            Origin::Home { receive, .. } => {
                receive.request_key_frame(now, layer);
                self.tell_publisher(now, index);
            }
            Origin::Replica { home, .. } => {
                let (home, key) = (*home, track.key);
                // Many subscribers lose the same packet: home hears of it once for each batch.
                if self.asked.contains(&(index, layer)) {
                    return;
                }
                self.asked.push((index, layer));
                if let Some(link) = self.links_from.get_mut(&home) {
                    link.wish(key, super::relay::Wish::KeyFrame(layer));
                    self.wake(home);
                }
            }
        }
    }
}
