//! From one packet of a track to everybody who gets it, and what keeps subscriptions in step with their track.

use std::collections::VecDeque;
use std::time::Instant;

use tutti_forward::{LayerIndex, LayerMask, Layers, PacketAt, SendPacket, SendTrack};

use super::events::Events;
use super::ids::{SubscriptionIndex, TrackIndex};
use super::peer::Peer;
use super::subscription::{Stage, Subscription};
use super::table::Table;
use super::track::{Origin, Subscriber, Track};
use super::{ShardCore, TimerKey, arm};
use crate::prefetch::prefetch;

/// Packets made for subscribers before they are sealed: few enough that they are still in the cache then.
const PORTION: usize = 256;
/// Packets of one track that wait for its subscribers at most: far fewer than its ring holds.
const FRESH_MAX: usize = 64;

/// Which tracks have packets that came since the last flush; the packets are noted at their tracks.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    tracks: VecDeque<TrackIndex>,
    /// Copies of those packets that subscribers may get.
    copies: usize,
}

impl Fresh {
    /// Whether packets wait for subscribers.
    pub(super) fn waits(&self) -> bool {
        !self.tracks.is_empty()
    }

    pub(super) const fn copies(&self) -> usize {
        self.copies
    }
}

/// What subscriptions of one track want after they were served.
#[derive(Debug, Default)]
struct Wants {
    key_frames: LayerMask,
}

impl Wants {
    /// Takes what one subscription asks for, and passes on what it tells.
    fn take_from(&mut self, send: &mut SendTrack, events: &mut Events) {
        if let Some(layer) = send.take_key_frame_request() {
            self.key_frames = self.key_frames.with(layer);
        }
        events.forward(|| send.poll_event());
    }
}

impl ShardCore {
    /// Takes a packet that is new in its ring: a copy goes to every following shard at once; subscribers get it with
    /// the next flush, in [`fan_out`](Self::fan_out), together with what else came for them. So each subscriber's state
    /// is fetched once for a burst, and its packets leave as one run.
    pub(super) fn take_fresh(&mut self, now: Instant, index: TrackIndex, at: PacketAt) {
        if self.tracks.get(index).is_some_and(|track| track.version != track.layers().version()) {
            self.refresh_track(now, index);
        }
        // Half of the subscribers have the packets before it: the others get them first.
        if self.tracks.get(index).is_some_and(|track| track.fresh_served > 0 || track.fresh.len() >= FRESH_MAX) {
            self.fan_out(now, index, usize::MAX);
        }
        let Some(track) = self.tracks.get_mut(index) else { return };
        if let Origin::Home { receive, followers, .. } = &track.origin {
            followers.relay(now, (track.key, receive.layers()), at, &mut self.links, &mut self.metrics);
        }
        if track.subscribers.is_empty() {
            return;
        }
        if track.fresh.is_empty() {
            self.fresh.tracks.push_back(index);
        }
        track.fresh.push(at);
        self.fresh.copies += track.subscribers.len();
    }

    /// Gives fresh packets to subscribers until a portion of them waits to be sealed, or all do.
    pub(super) fn fan_out_fresh(&mut self, now: Instant) {
        while self.outbox.len() < PORTION {
            let Some(&index) = self.fresh.tracks.front() else {
                self.fresh.copies = 0;
                return;
            };
            if self.fan_out(now, index, PORTION) {
                self.fresh.tracks.pop_front();
            }
        }
    }

    /// Gives the fresh packets of one track to its subscribers, one subscriber after the other, as long as fewer than
    /// `portion` packets wait to be sealed. `true`: to all of them.
    fn fan_out(&mut self, now: Instant, index: TrackIndex, portion: usize) -> bool {
        let mut wants = Wants::default();
        let mut interest_changed = false;
        let Some(track) = self.tracks.get_mut(index) else { return true };
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
            fetch_ahead(&self.subscriptions, &self.peers, next);
            let Some(subscription) = self.subscriptions.get_mut(subscriber.subscription) else { continue };
            let Stage::Attached { send, .. } = &mut subscription.stage else { continue };
            let Some(peer) = self.peers.get_mut(subscription.peer) else { continue };
            self.blame = Some(subscription.peer);
            interest_changed |= serve(now, (layers, fresh), subscriber, send, |packet| {
                self.outbox.push(subscription.peer, &mut peer.pending, index, packet);
            });
            wants.take_from(send, &mut self.events);
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
        self.ask_key_frames(now, index, wants.key_frames);
        if interest_changed {
            self.tell_home(now, index);
        }
        done
    }

    /// Brings all subscriptions of a track, and the shards that follow it, up to date with its layers.
    pub(super) fn refresh_track(&mut self, now: Instant, index: TrackIndex) {
        let mut wants = Wants::default();
        let Some(track) = self.tracks.get_mut(index) else { return };
        let Track { origin, subscribers, version, .. } = track;
        let layers = origin.layers();
        *version = layers.version();
        for subscriber in subscribers.iter_mut() {
            let Some(subscription) = self.subscriptions.get_mut(subscriber.subscription) else { continue };
            let Stage::Attached { send, .. } = &mut subscription.stage else { continue };
            let peer = self.peers.get_mut(subscription.peer);
            let Some(peer) = peer.filter(|peer| peer.ready) else { continue };
            self.blame = Some(subscription.peer);
            send.refresh(now, layers);
            if send.has_catch_up() {
                send.catch_up(now, layers, |packet| {
                    self.outbox.push(subscription.peer, &mut peer.pending, index, packet);
                });
            }
            subscriber.interest = send.interest();
            wants.take_from(send, &mut self.events);
            let owner = TimerKey::Subscription(subscriber.subscription);
            arm(&mut self.wheel, &mut subscription.timer, owner, now, send.poll_timeout());
        }
        self.blame = None;
        self.tell_followers(now, index);
        self.ask_key_frames(now, index, wants.key_frames);
        self.tell_home(now, index);
    }

    /// After anything was done to a subscription: what it wants to see, ask or tell now.
    pub(super) fn after_change(&mut self, now: Instant, index: SubscriptionIndex) {
        let Some(subscription) = self.subscriptions.get_mut(index) else { return };
        let Stage::Attached { track: track_index, position, send } = &mut subscription.stage else { return };
        let track_index = *track_index;
        self.events.forward(|| send.poll_event());
        let peer = self.peers.get_mut(subscription.peer);
        let Some(peer) = peer.filter(|peer| peer.ready) else { return };
        if send.has_catch_up()
            && let Some(track) = self.tracks.get(track_index)
        {
            send.catch_up(now, track.layers(), |packet| {
                self.outbox.push(subscription.peer, &mut peer.pending, track_index, packet);
            });
        }
        let owner = TimerKey::Subscription(index);
        arm(&mut self.wheel, &mut subscription.timer, owner, now, send.poll_timeout());
        let interest = send.interest();
        let wanted = send.take_key_frame_request();
        let Some(track) = self.tracks.get_mut(track_index) else { return };
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
        let Some(subscription) = self.subscriptions.get_mut(index) else { return };
        let Stage::Attached { track: track_index, position, .. } = subscription.stage else { return };
        let Some(track) = self.tracks.get_mut(track_index) else { return };
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
        let Some(track) = self.tracks.get_mut(index) else { return };
        match &mut track.origin {
            Origin::Home { receive, .. } => {
                receive.request_key_frame(now, layer);
                self.tell_publisher(now, index);
            }
            Origin::Replica { home, .. } => self.links.wish_key_frame(*home, track.key, index, layer),
        }
    }
}

/// Tells the processor which subscriber comes next: with hundreds of them, waiting for their state would be a tenth of
/// the work.
fn fetch_ahead(subscriptions: &Table<Subscription>, peers: &Table<Box<Peer>>, next: Option<SubscriptionIndex>) {
    let Some(next) = next.and_then(|next| subscriptions.get(next)) else { return };
    if let Stage::Attached { send, .. } = &next.stage {
        prefetch(&**send);
    }
    if let Some(peer) = peers.get(next.peer) {
        prefetch(&peer.pending);
    }
}

/// Offers fresh packets to one subscription. Whether it wants to see other layers now.
fn serve(
    now: Instant,
    (layers, fresh): (&Layers, &[PacketAt]),
    subscriber: &mut Subscriber,
    send: &mut SendTrack,
    mut push: impl FnMut(SendPacket),
) -> bool {
    let mut changed = false;
    for &at in fresh {
        let Some(slot) = layers.slot(at).filter(|_| subscriber.interest.contains(at.layer)) else { continue };
        if let Some(packet) = send.forward(now, layers, at.layer, slot) {
            push(packet);
        } else if send.has_catch_up() {
            send.catch_up(now, layers, &mut push);
        }
        let interest = send.interest();
        changed |= interest != subscriber.interest;
        subscriber.interest = interest;
    }
    changed
}
