//! What one shard decides: whose datagram it is, which packets go to whom, when something is due.
//!
//! Free of I/O and of clocks: datagrams, commands and `now` go in; sealed datagrams, events and a deadline come out.
//! The shard's thread drives it with sockets, a simulator drives many of them on one virtual clock:
//!
//! 1. [`ShardCore::handle_datagram`], [`ShardCore::handle_command`], [`ShardCore::handle_links`],
//!    [`ShardCore::handle_tcp_closed`], [`ShardCore::handle_timeout`] change the state;
//! 2. [`ShardCore::flush`] gives it to subscribers and seals it into a [`SendBatch`], until it says [`Flushed::All`];
//! 3. [`ShardCore::poll_event`], [`ShardCore::poll_closed_connection`] and [`ShardCore::poll_wake`] are drained;
//! 4. [`ShardCore::poll_timeout`] says when to come back at the latest.
//!
//! A packet's way, in the order of the files: `ingress` (whose, which track, into its ring), then [`ShardCore::flush`]:
//! `fanout` (to each subscriber), `outbox` (waits beside the others for its peer), `egress` (sealed).
//!
//! Invariants: the work for a packet does not depend on how many tracks, members or rooms there are besides its own
//! track's subscribers; after warm-up a forwarded packet allocates nothing; a panic while one peer is served is
//! caught, counted, and ends that peer only.

mod command;
mod control;
mod demux;
mod egress;
mod events;
mod fanout;
mod followers;
mod following;
mod ids;
mod ingress;
mod limits;
mod links;
mod membership;
mod memory;
mod observer;
mod outbox;
mod peer;
mod relay;
mod reports;
mod settle;
mod sources;
mod subscription;
mod table;
#[cfg(test)]
mod tests;
mod track;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use command::ShardCommand;
use rand::SeedableRng;
use rand::rngs::StdRng;
pub use relay::{LinkReceiver, LinkSender, link};
use tutti_forward::TrackKey;
use tutti_id::ShardNumber;
use tutti_rtp::Ssrc;
use tutti_transport::{LocalAddresses, Path, Proto, TcpConnection, TransportConfig};

use crate::batch::SendBatch;
use crate::command::MediaEvent;
use crate::metrics::ShardMetrics;
use crate::wheel::{Timer, Wheel};
use demux::Demux;
use events::Events;
use fanout::Fresh;
use ids::{PeerIndex, SubscriptionIndex, TrackIndex};
use links::Links;
use outbox::Outbox;
use peer::{Peer, PeerTotals};
use subscription::Subscription;
use table::Table;
use track::Track;

/// The SSRC of our receiver's reports and feedback. Receivers go by the media SSRC inside; it never carries media.
const REPORTER: Ssrc = Ssrc(1);
/// Packets waiting to be sealed above which the owner should flush.
const FLUSH_ABOVE: usize = 1024;
/// Copies of fresh packets that subscribers may be waiting for, above which the owner should flush: a whole frame for
/// thousands of subscribers, so that frames leave as runs.
const FRESH_COPIES_MAX: usize = 1 << 15;
/// Nothing is due again before this has passed, so that a deadline in the past cannot hold the shard.
const TIMER_STEP: Duration = Duration::from_millis(1);
/// When to look again at what found a ring to another shard full.
const LINK_RETRY: Duration = Duration::from_millis(2);

/// How far [`ShardCore::flush`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing waits any more.
    All,
    /// The batch is full: send it, clear it, and call again.
    Part,
}

/// What a shard starts from.
#[derive(Debug, Clone)]
pub struct ShardConfig {
    /// The shard's number.
    pub shard: ShardNumber,
    /// Certificate and settings of all transports.
    pub transport: Arc<TransportConfig>,
    /// Where this shard's sockets receive.
    pub local: LocalAddresses,
    /// Seed of the shard's randomness: unpredictable in production, fixed in a simulation.
    pub seed: [u8; 32],
}

/// Owners of timers.
#[derive(Debug, Clone, Copy)]
enum TimerKey {
    Transport(PeerIndex),
    Arrivals(PeerIndex),
    Reports(PeerIndex),
    Track(TrackIndex),
    Subscription(SubscriptionIndex),
}

/// One shard. See the module's head.
pub struct ShardCore {
    config: ShardConfig,
    random: StdRng,
    epoch: Instant,
    demux: Demux,
    peers: Table<Box<Peer>>,
    totals: PeerTotals,
    /// Peers whose data channels have packets to make, each once.
    data_due: Vec<PeerIndex>,
    tracks: Table<Track>,
    subscriptions: Table<Subscription>,
    /// Subscriptions whose track is not here yet.
    waiting: HashMap<TrackKey, Vec<SubscriptionIndex>>,
    links: Links,
    fresh: Fresh,
    wheel: Wheel<TimerKey>,
    outbox: Outbox,
    /// Room to assemble a payload that differs from the one in its ring.
    scratch: Box<[u8]>,
    events: Events,
    metrics: ShardMetrics,
    /// The peer being served: the one to end if that panics.
    blame: Option<PeerIndex>,
    last_now: Instant,
    /// When the datagram being taken reached this machine.
    arrived: Instant,
}

impl ShardCore {
    /// An empty shard. `now` is the earliest time it will ever be given.
    pub fn new(config: ShardConfig, now: Instant) -> Self {
        let random = StdRng::from_seed(config.seed);
        Self {
            config,
            random,
            epoch: now,
            demux: Demux::default(),
            peers: Table::default(),
            totals: PeerTotals::default(),
            data_due: Vec::new(),
            tracks: Table::default(),
            subscriptions: Table::default(),
            waiting: HashMap::new(),
            links: Links::default(),
            fresh: Fresh::default(),
            wheel: Wheel::new(now),
            outbox: Outbox::default(),
            scratch: vec![0; egress::SCRATCH_BYTES].into_boxed_slice(),
            events: Events::default(),
            metrics: ShardMetrics::default(),
            blame: None,
            last_now: now,
            arrived: now,
        }
    }

    /// Takes one datagram or one TCP frame, decrypting it in place. `false`: it is nobody's; a new TCP connection that
    /// begins so is to be closed.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, bytes: &mut [u8]) -> bool {
        self.handle_waiting_datagram(now, now, path, bytes)
    }

    /// As [`handle_datagram`](Self::handle_datagram), for one that `arrived` before it could be taken: its sender is
    /// told when it arrived.
    pub fn handle_waiting_datagram(&mut self, now: Instant, arrived: Instant, path: Path, bytes: &mut [u8]) -> bool {
        self.arrived = arrived;
        self.metrics.datagrams_in += 1;
        self.metrics.bytes_in += bytes.len() as u64;
        let mut taken = false;
        self.guarded(now, |core| taken = core.take_datagram(now, path, bytes));
        taken
    }

    /// Gives fresh packets to their subscribers, lets data channels make theirs, and seals what waits into `batch`, whose arena should hold at least 64 KB.
    pub fn flush(&mut self, now: Instant, batch: &mut SendBatch) -> Flushed {
        let mut flushed = None;
        self.links.forget_asked();
        // A portion at a time, so that a packet is still in the cache when it is sealed. A panic ends one peer and the rest
        // goes on with the next turn, so the turns come to an end.
        while flushed.is_none() && (!self.outbox.is_empty() || self.fresh.waits() || !self.data_due.is_empty()) {
            self.guarded(now, |core| {
                core.make_data(now);
                if core.seal(now, batch) {
                    core.fan_out_fresh(now);
                } else {
                    flushed = Some(Flushed::Part);
                }
            });
        }
        flushed.unwrap_or(Flushed::All)
    }

    /// Does what the control plane asks. What cannot be done (any more) is counted and ignored.
    pub fn handle_command(&mut self, now: Instant, command: ShardCommand) {
        self.guarded(now, |core| core.take_command(now, command));
    }

    /// Takes what other shards sent; `true`: there is more, flush and call again.
    pub fn handle_links(&mut self, now: Instant) -> bool {
        let mut more = false;
        self.guarded(now, |core| more = core.take_links(now));
        more
    }

    /// An ICE-TCP connection is gone.
    pub fn handle_tcp_closed(&mut self, now: Instant, connection: TcpConnection, remote: SocketAddr) {
        self.guarded(now, |core| {
            let proto = Proto::Tcp(connection);
            let Some(index) = core.demux.by_address(&(proto, remote)) else { return };
            core.blame = Some(index);
            let Some(peer) = core.peers.get_mut(index) else { return };
            core.demux.forget(&mut peer.known, index, proto);
            peer.transport.handle_tcp_closed(now, connection);
            core.settle(now, index);
        });
    }

    /// Does what is due. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.last_now = now;
        while let Some(expired) = self.wheel.pop(now) {
            self.guarded(now, |core| core.expire(now, expired.key, expired.generation));
        }
    }

    /// Packets that wait to be sealed, or for their subscribers, are many: flush before the next input.
    pub const fn wants_flush(&self) -> bool {
        self.outbox.len() >= FLUSH_ABOVE || self.fresh.copies() >= FRESH_COPIES_MAX
    }

    /// The next event for the control plane.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop()
    }

    /// The next ICE-TCP connection to close.
    pub fn poll_closed_connection(&mut self) -> Option<TcpConnection> {
        self.demux.next_given_up()
    }

    /// The next shard that has something to take with [`handle_links`](Self::handle_links).
    pub fn poll_wake(&mut self) -> Option<ShardNumber> {
        self.links.next_wake()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and
    /// [`handle_links`](Self::handle_links), at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let retry = self.links.waits().then(|| self.last_now + LINK_RETRY);
        [self.wheel.next_deadline(), retry].into_iter().flatten().min()
    }

    /// What was counted, and what is held now. `send`, `tcp_connections`, `tcp_dropped` and `receive_errors` are the
    /// owner's to fill.
    pub fn metrics(&self) -> ShardMetrics {
        let homes = self.tracks.iter().filter(|track| track.is_home()).count();
        let mut counted = self.totals.gone;
        self.peers.iter().for_each(|peer| counted += peer.transport.counters());
        ShardMetrics {
            transports: self.peers.len() as u64,
            half_open: self.totals.half_open as u64,
            data_held: self.totals.data_memory.held(),
            dropped_unauthentic_checks: counted.stun_rejected,
            dropped_early_dtls: counted.dtls_rejected,
            dropped_replayed: counted.srtp_replayed + counted.srtcp_replayed,
            dropped_unopened: counted.srtp_rejected + counted.srtcp_rejected,
            dropped_candidates: counted.candidates_ignored + counted.candidates_mdns,
            dropped_sctp: counted.data_rejected,
            messages_in: counted.messages_received,
            messages_out: counted.messages_sent,
            dropped_messages_out: counted.messages_dropped_reliable + counted.messages_dropped_lossy,
            dropped_unsent: self.outbox.dropped(),
            tracks: homes as u64,
            replicas: (self.tracks.len() - homes) as u64,
            subscriptions: self.subscriptions.len() as u64,
            ..self.metrics
        }
    }

    /// Runs `work`; if it panics, the peer that was being served is ended and everything else goes on.
    fn guarded(&mut self, now: Instant, work: impl FnOnce(&mut Self)) {
        self.last_now = now;
        self.blame = None;
        // Whatever half-done state a panic leaves belongs to the peer that is removed below; the tables it shares
        // with others are changed in single steps.
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_ok() {
            return;
        }
        self.metrics.panics += 1;
        if let Some(index) = self.blame.take() {
            // Once more guarded: removing a broken peer may panic as well, and then it is at least off the tables.
            let removed = catch_unwind(AssertUnwindSafe(|| self.fail(now, index)));
            self.metrics.panics += u64::from(removed.is_err());
        }
    }

    fn expire(&mut self, now: Instant, key: TimerKey, generation: u32) {
        match key {
            TimerKey::Transport(index) => {
                self.blame = Some(index);
                let Some(peer) = self.peers.get_mut(index) else { return };
                if peer.transport_timer.fire(generation) {
                    peer.transport.handle_timeout(now);
                    self.settle(now, index);
                }
            }
            TimerKey::Arrivals(index) => self.tell_arrivals(now, index, generation),
            TimerKey::Reports(index) => self.report_reception(now, index, generation),
            TimerKey::Track(index) => self.expire_track(now, index, generation),
            TimerKey::Subscription(index) => self.expire_subscription(now, index, generation),
        }
    }
}

/// Arms a timer for a deadline that is not allowed to be now.
fn arm(wheel: &mut Wheel<TimerKey>, timer: &mut Timer, key: TimerKey, now: Instant, deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        wheel.arm(timer, key, deadline.max(now + TIMER_STEP));
    }
}

impl std::fmt::Debug for ShardCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardCore").field("shard", &self.config.shard).finish_non_exhaustive()
    }
}
