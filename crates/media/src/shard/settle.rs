//! After anything was done to a transport: takes what it wants to send and tell, and brings the tables in line with it.

use std::time::Instant;

use tutti_forward::LayerMask;
use tutti_transport::{Output, Reliability, TransportEvent, TransportFailure, TransportId};

use super::ids::PeerIndex;
use super::limits::MESSAGES;
use super::{ShardCore, TimerKey, arm};

/// Datagrams that wait to be sealed above which no further peer makes packets of its data channels.
const DATA_PORTION: usize = 256;

impl ShardCore {
    /// Takes what a transport wants after anything was done to it, and brings the tables in line with it.
    pub(super) fn settle(&mut self, now: Instant, index: PeerIndex) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let mut connected = false;
        while let Some(output) = peer.transport.poll_output() {
            match output {
                Output::Transmit(transmit) => self.outbox.control.push_back(transmit),
                Output::Check(transmit) => {
                    // The answer comes from there.
                    let keep = peer.selected_source();
                    self.demux.expect(&mut peer.known, index, (transmit.proto, transmit.destination), keep);
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
                    self.events.transport(peer.id, event);
                }
            }
        }
        let held = peer.transport.data_held();
        if held != peer.data_held || self.totals.data_memory.is_short() {
            self.totals.data_memory.change(std::mem::replace(&mut peer.data_held, held), held);
            let (window, backlog_max) = self.totals.data_memory.limits();
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
                self.demux.expect(&mut peer.known, index, (path.proto, path.remote), keep);
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
            self.totals.half_open -= 1;
            self.metrics.handshakes += 1;
        }
        let ready = peer.path.is_some() && peer.transport.is_secure();
        if ready != peer.ready || (ready && connected) {
            peer.ready = ready;
            self.switch_subscriptions(now, index, ready);
        }
    }

    /// Lets data channels make their packets, a portion at a time.
    pub(super) fn make_data(&mut self, now: Instant) {
        while self.outbox.control.len() < DATA_PORTION
            && let Some(index) = self.data_due.pop()
        {
            self.blame = Some(index);
            if let Some(peer) = self.peers.get_mut(index)
                && std::mem::take(&mut peer.data_due)
            {
                peer.transport.handle_timeout(now);
                self.settle(now, index);
            }
        }
    }

    /// The peer can, or can no longer, be sent to.
    fn switch_subscriptions(&mut self, now: Instant, index: PeerIndex, ready: bool) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let subscriptions = std::mem::take(&mut peer.subscriptions);
        for &subscription in &subscriptions {
            if ready {
                self.activate(now, subscription);
            } else {
                self.set_interest(now, subscription, LayerMask::NONE);
            }
        }
        if let Some(peer) = self.peers.get_mut(index) {
            peer.subscriptions = subscriptions;
        }
    }

    /// Ends a peer whose handling panicked.
    pub(super) fn fail(&mut self, _now: Instant, index: PeerIndex) {
        let Some(peer) = self.peers.get(index) else { return };
        self.failed(peer.id, TransportFailure::Panic);
        self.remove_peer(index);
    }

    /// A transport failed that cannot say so itself.
    pub(super) fn failed(&mut self, id: TransportId, reason: TransportFailure) {
        self.metrics.failures.count(reason);
        self.events.transport(id, TransportEvent::Failed { reason });
    }
}
