//! What one shard decides: whose datagram it is, which packets go to whom, when something is due.
//!
//! Free of I/O and of clocks: datagrams, commands and `now` go in; sealed datagrams, events and a deadline come out.
//! The shard's thread drives it with sockets, a simulator drives many of them on one virtual clock:
//!
//! 1. [`ShardCore::handle_datagram`], [`ShardCore::handle_command`], [`ShardCore::handle_links`],
//!    [`ShardCore::handle_tcp_closed`], [`ShardCore::handle_timeout`] change the state;
//! 2. [`ShardCore::flush`] seals what that made, into a [`SendBatch`], until it says [`Flushed::All`];
//! 3. [`ShardCore::poll_event`], [`ShardCore::poll_closed_connection`] and [`ShardCore::poll_wake`] are drained;
//! 4. [`ShardCore::poll_timeout`] says when to come back at the latest.
//!
//! Invariants: the work for a packet does not depend on how many tracks, members or rooms there are besides its own
//! track's subscribers; after warm-up a forwarded packet allocates nothing; a panic while one peer is served is
//! caught, counted, and ends that peer only.

mod batch;
mod command;
mod control;
mod demux;
mod egress;
mod fanout;
mod following;
mod ids;
mod ingress;
mod limits;
mod memory;
mod observer;
mod outbox;
mod peer;
mod relay;
mod reports;
mod sources;
mod subscription;
#[cfg(test)]
mod tests;
mod track;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use batch::{RUN_BYTES_MAX, RUN_DATAGRAMS_MAX, Run, SendBatch};
pub use command::ShardCommand;
pub use egress::Flushed;
use rand::SeedableRng;
use rand::rngs::StdRng;
pub use relay::{LinkReceiver, LinkSender, link};
use slab::Slab;
use tutti_forward::{LayerIndex, SubscriptionKey, TrackKey};
use tutti_id::ShardNumber;
use tutti_rtp::Ssrc;
use tutti_transport::{LocalAddresses, Path, Proto, TcpConnection, TransportConfig, TransportId};

use crate::command::MediaEvent;
use crate::metrics::ShardMetrics;
use crate::wheel::{Timer, Wheel};
use demux::Demux;
use ids::{PeerIndex, SubscriptionIndex, TrackIndex};
use memory::DataMemory;
use outbox::Outbox;
use peer::Peer;
use relay::Wish;
use subscription::Subscription;
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
    peers: Slab<Box<Peer>>,
    peers_by_id: HashMap<TransportId, PeerIndex>,
    /// Peers whose handshake is not done.
    half_open: usize,
    data_memory: DataMemory,
    /// Peers whose data channels have packets to make, each once.
    data_due: Vec<PeerIndex>,
    /// What the transports of peers that are gone counted.
    gone: tutti_transport::Counters,
    tracks: Slab<Track>,
    tracks_by_key: HashMap<TrackKey, TrackIndex>,
    subscriptions: Slab<Subscription>,
    subscriptions_by_key: HashMap<SubscriptionKey, SubscriptionIndex>,
    /// Subscriptions whose track is not here yet.
    waiting: HashMap<TrackKey, Vec<SubscriptionIndex>>,
    /// Shards that follow tracks of this one.
    links_to: BTreeMap<ShardNumber, LinkSender>,
    /// Shards that this one follows tracks of.
    links_from: BTreeMap<ShardNumber, LinkReceiver>,
    link_retry: bool,
    /// Room for wishes while they are granted.
    wishes: Vec<(ShardNumber, TrackKey, Wish)>,
    /// Key frames asked of other shards since the last flush.
    asked: Vec<(TrackIndex, LayerIndex)>,
    wakes: Vec<ShardNumber>,
    /// Tracks with packets that came since the last flush.
    fresh: VecDeque<TrackIndex>,
    /// Copies of those packets that their subscribers may get.
    fresh_copies: usize,
    wheel: Wheel<TimerKey>,
    outbox: Outbox,
    scratch: Box<[u8]>,
    events: VecDeque<MediaEvent>,
    closed_connections: VecDeque<TcpConnection>,
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
            peers: Slab::new(),
            peers_by_id: HashMap::new(),
            half_open: 0,
            data_memory: DataMemory::default(),
            data_due: Vec::new(),
            gone: tutti_transport::Counters::default(),
            tracks: Slab::new(),
            tracks_by_key: HashMap::new(),
            subscriptions: Slab::new(),
            subscriptions_by_key: HashMap::new(),
            waiting: HashMap::new(),
            links_to: BTreeMap::new(),
            links_from: BTreeMap::new(),
            link_retry: false,
            wishes: Vec::new(),
            asked: Vec::new(),
            wakes: Vec::new(),
            fresh: VecDeque::new(),
            fresh_copies: 0,
            wheel: Wheel::new(now),
            outbox: Outbox::default(),
            scratch: vec![0; egress::SCRATCH_BYTES].into_boxed_slice(),
            events: VecDeque::new(),
            closed_connections: VecDeque::new(),
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
            let Some(peer) = core.peers.get_mut(index.slot()) else { return };
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
        self.outbox.len() >= FLUSH_ABOVE || self.fresh_copies >= FRESH_COPIES_MAX
    }

    /// The next event for the control plane.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    /// The next ICE-TCP connection to close.
    pub fn poll_closed_connection(&mut self) -> Option<TcpConnection> {
        self.closed_connections.pop_front()
    }

    /// The next shard that has something to take with [`handle_links`](Self::handle_links).
    pub fn poll_wake(&mut self) -> Option<ShardNumber> {
        self.wakes.pop()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and
    /// [`handle_links`](Self::handle_links), at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let retry = self.link_retry.then(|| self.last_now + LINK_RETRY);
        [self.wheel.next_deadline(), retry].into_iter().flatten().min()
    }

    /// What was counted, and what is held now. `send`, `tcp_connections`, `tcp_dropped` and `receive_errors` are the
    /// owner's to fill.
    pub fn metrics(&self) -> ShardMetrics {
        let homes = self.tracks.iter().filter(|(_, track)| track.is_home()).count();
        let mut counted = self.gone;
        self.peers.iter().for_each(|(_, peer)| counted += peer.transport.counters());
        ShardMetrics {
            transports: self.peers.len() as u64,
            half_open: self.half_open as u64,
            data_held: self.data_memory.held(),
            dropped_unauthentic_checks: counted.stun_rejected,
            dropped_early_dtls: counted.dtls_rejected,
            dropped_replayed: counted.srtp_replayed + counted.srtcp_replayed,
            dropped_unopened: counted.srtp_rejected + counted.srtcp_rejected,
            dropped_candidates: counted.candidates_ignored + counted.candidates_mdns,
            dropped_sctp: counted.data_rejected,
            messages_in: counted.messages_received,
            messages_out: counted.messages_sent,
            dropped_messages_out: counted.messages_dropped_reliable + counted.messages_dropped_lossy,
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
                let Some(peer) = self.peers.get_mut(index.slot()) else { return };
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

    /// Another shard has something to take.
    fn wake(&mut self, shard: ShardNumber) {
        if !self.wakes.contains(&shard) {
            self.wakes.push(shard);
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
