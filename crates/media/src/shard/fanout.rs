//! From one packet of a track to everybody who gets it, and what keeps subscriptions in step with their track.

use std::time::Instant;

use tutti_forward::{LayerIndex, LayerMask, PacketAt};

use super::ids::{SubscriptionIndex, TrackIndex};
use super::subscription::Stage;
use super::track::{Origin, Track};
use super::{ShardCore, TimerKey, arm};
use crate::command::MediaEvent;
use crate::io::prefetch;

/// Packets made for subscribers before they are sealed: few enough that they are still in the cache then.
const PORTION: usize = 256;
/// Packets of one track that wait for its subscribers at most: far fewer than its ring holds.
const FRESH_MAX: usize = 64;

impl ShardCore {
    /// Takes a packet that is new in its ring: a copy goes to every following shard at once, subscribers get it with
    /// the next flush, together with what else came for them. So each subscriber's state is fetched once for a burst,
    /// and its packets leave as one run.
    pub(super) fn take_fresh(&mut self, now: Instant, index: TrackIndex, at: PacketAt) {
        if self.tracks.get(index.slot()).is_some_and(|track| track.version != track.layers().version()) {
            self.refresh_track(now, index);
        }
        // Half of the subscribers have the packets before it: the others get them first.
        if self.tracks.get(index.slot()).is_some_and(|track| track.fresh_served > 0 || track.fresh.len() >= FRESH_MAX) {
            self.fan_out(now, index, usize::MAX);
        }
        let Some(track) = self.tracks.get_mut(index.slot()) else { return };
        track.relay(at, &mut self.links_to, &mut self.wakes, &mut self.metrics);
        if track.subscribers.is_empty() {
            return;
        }
        if track.fresh.is_empty() {
            self.fresh.push_back(index);
        }
        track.fresh.push(at);
        self.fresh_copies += track.subscribers.len();
    }

    /// Whether packets wait for subscribers.
    pub(super) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Gives fresh packets to subscribers until a portion of them waits to be sealed, or all do.
    pub(super) fn fan_out_fresh(&mut self, now: Instant) {
        while self.outbox.len() < PORTION {
            let Some(&index) = self.fresh.front() else {
                self.fresh_copies = 0;
                return;
            };
            if self.fan_out(now, index, PORTION) {
                self.fresh.pop_front();
            }
        }
    }

    /// Gives the fresh packets of one track to its subscribers, one subscriber after the other, as long as fewer than
    /// `portion` packets wait to be sealed. `true`: to all of them.
    fn fan_out(&mut self, now: Instant, index: TrackIndex, portion: usize) -> bool {
        let mut key_frames = LayerMask::NONE;
        let mut interest_changed = false;
        let Some(track) = self.tracks.get_mut(index.slot()) else { return true };
        let Track { origin, subscribers, fresh, fresh_served, .. } = track;
        let layers = origin.layers();
        while *fresh_served < subscribers.len() && self.outbox.len() < portion {
            let next = subscribers.get(*fresh_served + 1).map(|next| next.subscription);
            let Some(subscriber) = subscribers.get_mut(*fresh_served) else { break };
            // Before anything that may panic, so that it is not tried again.
            *fresh_served += 1;
            if subscriber.interest == LayerMask::NONE {
                continue;
            }
            // With hundreds of subscribers, waiting for their state would be a tenth of the work.
            if let Some(next) = next.and_then(|next| self.subscriptions.get(next.slot())) {
                if let Stage::Attached { send, .. } = &next.stage {
                    prefetch(&**send);
                }
                if let Some(peer) = self.peers.get(next.peer.slot()) {
                    prefetch(&peer.pending);
                }
            }
            let Some(subscription) = self.subscriptions.get_mut(subscriber.subscription.slot()) else { continue };
            let Stage::Attached { send, .. } = &mut subscription.stage else { continue };
            let Some(peer) = self.peers.get_mut(subscription.peer.slot()) else { continue };
            self.blame = Some(subscription.peer);
            let (outbox, metrics) = (&mut self.outbox, &mut self.metrics);
            let mut push = |packet| {
                if !outbox.push(subscription.peer, &mut peer.pending, index, packet) {
                    metrics.dropped_unsent += 1;
                }
            };
            for &at in fresh.iter() {
                let Some(slot) = layers.slot(at).filter(|_| subscriber.interest.contains(at.layer)) else { continue };
                if let Some(packet) = send.forward(now, layers, at.layer, slot) {
                    push(packet);
                } else if send.has_catch_up() {
                    send.catch_up(now, layers, &mut push);
                }
                let interest = send.interest();
                interest_changed |= interest != subscriber.interest;
                subscriber.interest = interest;
            }
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
        let done = *fresh_served >= subscribers.len();
        if done {
            *fresh_served = 0;
            fresh.clear();
        }
        self.ask_key_frames(now, index, key_frames);
        if interest_changed {
            self.tell_home(now, index);
        }
        done
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
