//! Commands, and the life of peers, tracks and subscriptions in the tables.

use std::collections::VecDeque;
use std::time::Instant;

use rand::Rng;
use tutti_forward::{
    ForwardCommand, Layers, PublishTrack, ReceiveConfig, ReceiveTrack, SendTrack, SubscribeTrack, SubscriptionKey,
    TrackKey,
};
use tutti_id::ShardNumber;
use tutti_rtp::Ssrc;
use tutti_transport::{
    OpenTransport, Output, Proto, Reliability, TcpConnection, Transmit, Transport, TransportCommand, TransportEvent,
    TransportFailure, TransportId,
};

use super::command::ShardCommand;
use super::demux::Source;
use super::ids::{PeerIndex, SubscriptionIndex, TrackIndex};
use super::limits::{HALF_OPEN_MAX, MESSAGES};
use super::peer::{Incoming, Peer};
use super::relay::Wish;
use super::subscription::{Stage, Subscription};
use super::track::{Origin, Subscriber, Track};
use super::{REPORTER, ShardCore, TimerKey, arm};
use crate::command::MediaEvent;
use crate::wheel::Timer;

/// A STUN binding request's first two bytes (RFC 8489, section 5).
const BINDING_REQUEST: [u8; 2] = [0, 1];

impl ShardCore {
    pub(super) fn take_command(&mut self, now: Instant, command: ShardCommand) {
        match command {
            ShardCommand::Transport { id, command } => self.command_transport(now, id, command),
            ShardCommand::Forward { transport, command } => self.command_forward(now, transport, command),
            ShardCommand::Import { home, section } => self.import(now, home, &section),
            ShardCommand::DropImport(key) => self.drop_import(key),
            ShardCommand::LinkTo { shard, end } => {
                self.links_to.insert(shard, end);
            }
            ShardCommand::LinkFrom { shard, end } => {
                self.links_from.insert(shard, end);
            }
        }
    }

    fn command_transport(&mut self, now: Instant, id: TransportId, command: TransportCommand) {
        if let TransportCommand::Open(open) = command {
            self.open(now, id, *open);
            return;
        }
        let Some(&index) = self.peers_by_id.get(&id) else {
            self.metrics.commands_ignored += 1;
            return;
        };
        self.blame = Some(index);
        let close = matches!(command, TransportCommand::Close);
        if let Some(peer) = self.peers.get_mut(index.slot()) {
            peer.transport.handle_command(now, command);
        }
        self.settle(now, index);
        if close {
            self.remove_peer(index);
        }
    }

    fn open(&mut self, now: Instant, id: TransportId, open: OpenTransport) {
        if self.peers_by_id.contains_key(&id) {
            self.metrics.commands_ignored += 1;
            return;
        }
        if self.half_open >= HALF_OPEN_MAX {
            return self.failed(id, TransportFailure::TooManyHandshakes);
        }
        self.half_open += 1;
        let mut transport = Transport::new(open, &self.config.local, &self.config.transport, self.random.random(), now);
        transport.govern_data();
        let index = PeerIndex::at(self.peers.insert(Box::new(Peer::new(id, transport))));
        self.peers_by_id.insert(id, index);
        self.blame = Some(index);
        self.settle(now, index);
    }

    fn command_forward(&mut self, now: Instant, id: TransportId, command: ForwardCommand) {
        let Some(&index) = self.peers_by_id.get(&id) else {
            self.metrics.commands_ignored += 1;
            return;
        };
        self.blame = Some(index);
        match command {
            ForwardCommand::Publish(section) => self.publish(now, index, &section),
            ForwardCommand::Unpublish(key) => match self.track_of(index, key) {
                Some(track) => self.remove_track(track),
                None => self.metrics.commands_ignored += 1,
            },
            ForwardCommand::SetMuted(key, muted) => {
                let track = self.track_of(index, key).and_then(|track| self.tracks.get_mut(track.slot()));
                match track.map(|track| &mut track.origin) {
                    Some(Origin::Home { receive, .. }) => receive.set_muted(now, muted),
                    _ => self.metrics.commands_ignored += 1,
                }
            }
            ForwardCommand::Subscribe(subscribe) => self.subscribe(now, index, subscribe),
            ForwardCommand::Unsubscribe(key) => match self.subscription_of(index, key) {
                Some(subscription) => self.remove_subscription(now, subscription),
                None => self.metrics.commands_ignored += 1,
            },
            ForwardCommand::SetTarget(key, target) => {
                let Some(subscription) = self.subscription_of(index, key) else {
                    self.metrics.commands_ignored += 1;
                    return;
                };
                match self.subscriptions.get_mut(subscription.slot()).map(|subscription| &mut subscription.stage) {
                    Some(Stage::Waiting(subscribe)) => subscribe.target = target,
                    Some(Stage::Attached { track, send, .. }) => {
                        if let Some(track) = self.tracks.get(track.slot()) {
                            send.set_target(now, track.layers(), target);
                        }
                        self.after_change(now, subscription);
                    }
                    _ => {}
                }
            }
        }
    }

    /// A track that this peer publishes.
    fn track_of(&self, peer: PeerIndex, key: TrackKey) -> Option<TrackIndex> {
        let index = *self.tracks_by_key.get(&key)?;
        self.tracks.get(index.slot())?.publisher().filter(|publisher| *publisher == peer).map(|_| index)
    }

    /// A subscription of this peer.
    fn subscription_of(&self, peer: PeerIndex, key: SubscriptionKey) -> Option<SubscriptionIndex> {
        let index = *self.subscriptions_by_key.get(&key)?;
        self.subscriptions.get(index.slot()).filter(|subscription| subscription.peer == peer).map(|_| index)
    }

    fn publish(&mut self, now: Instant, peer_index: PeerIndex, section: &PublishTrack) {
        let known = self.tracks_by_key.get(&section.track).copied();
        let index = match known.and_then(|index| Some((index, self.tracks.get_mut(index.slot())?))) {
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
                let origin = Origin::Home { peer: peer_index, receive: Box::new(receive), followers: Vec::new() };
                let index = self.insert_track(section, origin);
                if let Some(peer) = self.peers.get_mut(peer_index.slot()) {
                    peer.tracks.push(index);
                }
                index
            }
        };
        let (Some(peer), Some(track)) = (self.peers.get_mut(peer_index.slot()), self.tracks.get_mut(index.slot()))
        else {
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
        let index = TrackIndex::at(self.tracks.insert(Track {
            key: section.track,
            kind: section.kind,
            encrypted: section.encrypted,
            origin,
            subscribers: Vec::new(),
            fresh: Vec::new(),
            fresh_served: 0,
            version: 0,
            timer: Timer::IDLE,
        }));
        self.tracks_by_key.insert(section.track, index);
        index
    }

    fn import(&mut self, now: Instant, home: ShardNumber, section: &PublishTrack) {
        let index = match self.tracks_by_key.get(&section.track).copied() {
            Some(index) => {
                if let Some(Origin::Replica { layers, confirmed, .. }) =
                    self.tracks.get_mut(index.slot()).map(|track| &mut track.origin)
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

    fn drop_import(&mut self, key: TrackKey) {
        let Some(&index) = self.tracks_by_key.get(&key) else { return };
        if let Some(Origin::Replica { home, .. }) = self.tracks.get(index.slot()).map(|track| &track.origin) {
            let home = *home;
            if let Some(link) = self.links_from.get_mut(&home) {
                link.wish(key, Wish::Leave);
                self.wake(home);
            }
            self.remove_track(index);
        }
    }

    fn attach_waiting(&mut self, now: Instant, key: TrackKey, track: TrackIndex) {
        for subscription in self.waiting.remove(&key).unwrap_or_default() {
            self.attach(now, subscription, track);
        }
    }

    fn subscribe(&mut self, now: Instant, peer_index: PeerIndex, subscribe: Box<SubscribeTrack>) {
        if self.subscriptions_by_key.contains_key(&subscribe.subscription) {
            self.metrics.commands_ignored += 1;
            return;
        }
        let Some(peer) = self.peers.get_mut(peer_index.slot()) else { return };
        let key = subscribe.subscription;
        let track_key = subscribe.track;
        let ssrcs = (Ssrc(subscribe.ssrc), subscribe.rtx_ssrc.map(Ssrc));
        let index = SubscriptionIndex::at(self.subscriptions.insert(Subscription {
            key,
            peer: peer_index,
            track_key,
            stage: Stage::Waiting(subscribe),
            timer: Timer::IDLE,
        }));
        self.subscriptions_by_key.insert(key, index);
        peer.subscriptions.push(index);
        peer.outgoing.insert(ssrcs.0, index);
        if let Some(repair) = ssrcs.1 {
            peer.outgoing.insert(repair, index);
        }
        match self.tracks_by_key.get(&track_key).copied() {
            Some(track) => self.attach(now, index, track),
            None => self.waiting.entry(track_key).or_default().push(index),
        }
    }

    fn attach(&mut self, now: Instant, index: SubscriptionIndex, track_index: TrackIndex) {
        let Some(subscription) = self.subscriptions.get_mut(index.slot()) else { return };
        let Some(track) = self.tracks.get_mut(track_index.slot()) else { return };
        let Stage::Waiting(subscribe) = &subscription.stage else { return };
        let send = SendTrack::new(now, subscribe, track.kind, track.encrypted, self.random.random());
        let position = track.subscribers.len();
        track.subscribers.push(Subscriber { subscription: index, interest: tutti_forward::LayerMask::NONE });
        subscription.stage = Stage::Attached { track: track_index, position, send: Box::new(send) };
        self.activate(now, index);
    }

    /// Brings a subscription up to date with its track, when its peer can be sent to.
    pub(super) fn activate(&mut self, now: Instant, index: SubscriptionIndex) {
        let Some(subscription) = self.subscriptions.get_mut(index.slot()) else { return };
        let Stage::Attached { track, send, .. } = &mut subscription.stage else { return };
        let ready = self.peers.get(subscription.peer.slot()).is_some_and(|peer| peer.ready);
        if !ready {
            return;
        }
        if let Some(track) = self.tracks.get(track.slot()) {
            send.refresh(now, track.layers());
        }
        self.after_change(now, index);
    }

    fn remove_subscription(&mut self, now: Instant, index: SubscriptionIndex) {
        let Some(subscription) = self.subscriptions.try_remove(index.slot()) else { return };
        self.subscriptions_by_key.remove(&subscription.key);
        if let Some(peer) = self.peers.get_mut(subscription.peer.slot()) {
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
                let Some(track) = self.tracks.get_mut(track_index.slot()) else { return };
                if position < track.subscribers.len() {
                    track.subscribers.swap_remove(position);
                }
                if let Some(moved) = track.subscribers.get(position)
                    && let Some(moved) = self.subscriptions.get_mut(moved.subscription.slot())
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
    fn remove_track(&mut self, index: TrackIndex) {
        let Some(track) = self.tracks.try_remove(index.slot()) else { return };
        self.tracks_by_key.remove(&track.key);
        self.outbox.discard_track(index);
        for subscriber in &track.subscribers {
            if let Some(subscription) = self.subscriptions.get_mut(subscriber.subscription.slot()) {
                subscription.stage = Stage::Detached;
            }
        }
        if let Some(peer) = track.publisher().and_then(|peer| self.peers.get_mut(peer.slot())) {
            peer.tracks.retain(|known| *known != index);
            peer.incoming.retain(|incoming| incoming.track != index);
        }
    }

    fn remove_peer(&mut self, index: PeerIndex) {
        // Off the tables first: whatever follows may panic if the peer is broken, and must not find it again.
        let Some(mut peer) = self.peers.try_remove(index.slot()) else { return };
        self.peers_by_id.remove(&peer.id);
        self.half_open -= usize::from(!peer.secure);
        self.gone += peer.transport.counters();
        self.data_memory.change(peer.data_held, 0);
        self.outbox.discard_peer(index, peer.pending);
        for proto in peer.connections() {
            if let Proto::Tcp(connection) = proto
                && !self.closed_connections.contains(&connection)
            {
                self.closed_connections.push_back(connection);
            }
        }
        self.demux.remove(std::mem::take(&mut peer.known), index);
        for subscription in std::mem::take(&mut peer.subscriptions) {
            self.remove_subscription(self.last_now, subscription);
        }
        for track in std::mem::take(&mut peer.tracks) {
            self.remove_track(track);
        }
    }

    /// Ends a peer whose handling panicked.
    pub(super) fn fail(&mut self, _now: Instant, index: PeerIndex) {
        let Some(peer) = self.peers.get(index.slot()) else { return };
        self.failed(peer.id, TransportFailure::Panic);
        self.remove_peer(index);
    }

    /// A transport failed that cannot say so itself.
    fn failed(&mut self, id: TransportId, reason: TransportFailure) {
        self.metrics.failures.count(reason);
        self.events.push_back(MediaEvent::Transport { id, event: TransportEvent::Failed { reason } });
    }

    /// Takes what a transport wants after anything was done to it, and brings the tables in line with it.
    pub(super) fn settle(&mut self, now: Instant, index: PeerIndex) {
        let Some(peer) = self.peers.get_mut(index.slot()) else { return };
        let mut connected = false;
        while let Some(output) = peer.transport.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    if transmit.contents.starts_with(&BINDING_REQUEST) {
                        // A check of ours: the answer comes from there.
                        let Transmit { proto, destination, .. } = transmit;
                        let keep = peer.selected_source();
                        let given_up = self.demux.expect(&mut peer.known, index, (proto, destination), keep);
                        close_given_up(&mut self.closed_connections, given_up);
                    }
                    self.outbox.control.push_back(transmit);
                }
                Output::Event(TransportEvent::Message { channel, .. })
                    if channel.reliability() == Reliability::Lossy && !peer.spent.messages.take(now, MESSAGES, 1) =>
                {
                    self.metrics.dropped_message_rate += 1;
                }
                Output::Event(event) => {
                    self.metrics.data_stalled += u64::from(matches!(event, TransportEvent::DataStalled));
                    connected |= matches!(event, TransportEvent::Connected { .. });
                    if let TransportEvent::Failed { reason } = event {
                        self.metrics.failures.count(reason);
                    }
                    self.events.push_back(MediaEvent::Transport { id: peer.id, event });
                }
            }
        }
        let held = peer.transport.data_held();
        if held != peer.data_held || self.data_memory.is_short() {
            self.data_memory.change(std::mem::replace(&mut peer.data_held, held), held);
            let (window, backlog_max) = self.data_memory.limits();
            peer.transport.limit_data(window, backlog_max);
        }
        let revision = Some(peer.transport.path_revision());
        if revision != peer.path_revision {
            peer.path_revision = revision;
            self.demux.name(&mut peer.known, index, peer.transport.local_ufrags());
            peer.path = peer.transport.selected();
            let keep = peer.selected_source();
            for path in peer.transport.paths() {
                // Those that another peer has by now are its own.
                let given_up = self.demux.expect(&mut peer.known, index, (path.proto, path.remote), keep);
                close_given_up(&mut self.closed_connections, given_up);
            }
        }
        if peer.transport.has_data_due() {
            // Made at the next flush, for all inputs until then at once; the timer is armed after that.
            if !std::mem::replace(&mut peer.data_due, true) {
                self.data_due.push(index);
            }
        } else {
            let deadline = peer.transport.poll_timeout();
            arm(&mut self.wheel, &mut peer.transport_timer, TimerKey::Transport(index), now, deadline);
        }
        if !peer.secure && peer.transport.is_secure() {
            peer.secure = true;
            self.half_open -= 1;
            self.metrics.handshakes += 1;
        }
        let ready = peer.path.is_some() && peer.transport.is_secure();
        if ready != peer.ready || (ready && connected) {
            peer.ready = ready;
            self.switch_subscriptions(now, index, ready);
        }
    }

    /// The peer can, or can no longer, be sent to.
    fn switch_subscriptions(&mut self, now: Instant, index: PeerIndex, ready: bool) {
        let Some(peer) = self.peers.get_mut(index.slot()) else { return };
        let subscriptions = std::mem::take(&mut peer.subscriptions);
        for &subscription in &subscriptions {
            if ready {
                self.activate(now, subscription);
            } else {
                self.set_interest(now, subscription, tutti_forward::LayerMask::NONE);
            }
        }
        if let Some(peer) = self.peers.get_mut(index.slot()) {
            peer.subscriptions = subscriptions;
        }
    }
}

/// A peer has moved on from an address: if that was a TCP connection, it is of no more use.
pub(super) fn close_given_up(closed: &mut VecDeque<TcpConnection>, source: Option<Source>) {
    if let Some((Proto::Tcp(connection), _)) = source {
        closed.push_back(connection);
    }
}
