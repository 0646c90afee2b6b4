//! Commands: what the control plane asks of peers, tracks and subscriptions.

use std::time::Instant;

use rand::Rng;
use tutti_forward::{ForwardCommand, SubscriptionKey, TrackKey};
use tutti_transport::{OpenTransport, Transport, TransportCommand, TransportFailure, TransportId};

use super::ShardCore;
use super::command::ShardCommand;
use super::ids::{PeerIndex, SubscriptionIndex, TrackIndex};
use super::limits::HALF_OPEN_MAX;
use super::peer::Peer;
use super::subscription::Stage;
use super::track::Origin;

impl ShardCore {
    pub(super) fn take_command(&mut self, now: Instant, command: ShardCommand) {
        match command {
            ShardCommand::Transport { id, command } => self.command_transport(now, id, command),
            ShardCommand::Forward { transport, command } => self.command_forward(now, transport, command),
            ShardCommand::Import { home, section } => self.import(now, home, &section),
            ShardCommand::DropImport(key) => self.drop_import(key),
            ShardCommand::LinkTo { shard, end } => self.links.add_to(shard, end),
            ShardCommand::LinkFrom { shard, end } => self.links.add_from(shard, end),
        }
    }

    fn command_transport(&mut self, now: Instant, id: TransportId, command: TransportCommand) {
        if let TransportCommand::Open(open) = command {
            self.open(now, id, *open);
            return;
        }
        let Some(index) = self.peers.find(id) else {
            self.metrics.commands_ignored += 1;
            return;
        };
        self.blame = Some(index);
        let close = matches!(command, TransportCommand::Close);
        if let Some(peer) = self.peers.get_mut(index) {
            peer.transport.handle_command(now, command);
        }
        self.settle(now, index);
        if close {
            self.remove_peer(index);
        }
    }

    fn open(&mut self, now: Instant, id: TransportId, open: OpenTransport) {
        if self.peers.contains(id) {
            self.metrics.commands_ignored += 1;
            return;
        }
        if self.totals.half_open >= HALF_OPEN_MAX {
            return self.failed(id, TransportFailure::TooManyHandshakes);
        }
        self.totals.half_open += 1;
        let mut transport = Transport::new(open, &self.config.local, &self.config.transport, self.random.random(), now);
        transport.govern_data();
        let index = self.peers.insert(Box::new(Peer::new(id, transport)));
        self.blame = Some(index);
        self.settle(now, index);
    }

    fn command_forward(&mut self, now: Instant, id: TransportId, command: ForwardCommand) {
        let Some(index) = self.peers.find(id) else {
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
                let track = self.track_of(index, key).and_then(|track| self.tracks.get_mut(track));
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
                match self.subscriptions.get_mut(subscription).map(|subscription| &mut subscription.stage) {
                    Some(Stage::Waiting(subscribe)) => subscribe.target = target,
                    Some(Stage::Attached { track, send, .. }) => {
                        if let Some(track) = self.tracks.get(*track) {
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
        let index = self.tracks.find(key)?;
        self.tracks.get(index)?.publisher().filter(|publisher| *publisher == peer).map(|_| index)
    }

    /// A subscription of this peer.
    fn subscription_of(&self, peer: PeerIndex, key: SubscriptionKey) -> Option<SubscriptionIndex> {
        let index = self.subscriptions.find(key)?;
        self.subscriptions.get(index).filter(|subscription| subscription.peer == peer).map(|_| index)
    }
}
