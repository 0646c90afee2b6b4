//! Shards and real str0m clients on one virtual clock, with a network between them that a test may harm.
#![allow(dead_code, unused_imports, unreachable_pub, missing_docs, reason = "every test binary uses its own part")]

mod check;
mod client;
mod media;
mod stun;

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

pub use check::*;
pub use client::{Arrived, Client, Way};
pub use media::*;
use str0m::net::Protocol;
pub use stun::stun_request;
use tutti_forward::{ForwardCommand, ForwardEvent, LayerTarget, SubscriptionKey, TrackKey};
use tutti_id::{RoomKey, ShardNumber};
use tutti_media::batch::SendBatch;
use tutti_media::plane::{Routing, ufrag_prefix};
use tutti_media::shard::{Flushed, ShardConfig, ShardCore};
use tutti_media::{MediaCommand, MediaEvent};
use tutti_transport::{
    Certificate, Channel, DtlsRole, Fingerprint, IceCredentials, LocalAddresses, OpenTransport, Path, Proto,
    RemoteParameters, SCTP_PORT, TransportCommand, TransportConfig, TransportEvent, TransportId,
};

pub const ROOM: RoomKey = RoomKey(3);
const DELAY: Duration = Duration::from_millis(10);

static CONFIG: LazyLock<Arc<TransportConfig>> =
    LazyLock::new(|| Arc::new(TransportConfig::new(Certificate::generate().expect("certificate"))));

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// Whether the thread is inside a shard, so that an allocator knows whose allocation it is.
pub fn is_watched() -> bool {
    WATCHED.with(Cell::get)
}

/// Runs something of a shard.
fn watched<R>(work: impl FnOnce() -> R) -> R {
    WATCHED.with(|watched| watched.set(true));
    let result = work();
    WATCHED.with(|watched| watched.set(false));
    result
}

/// A datagram on its way.
pub struct Flight {
    pub arrival: Instant,
    /// How long it lies in the socket before it is taken.
    pub waits: Duration,
    pub from_client: bool,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub bytes: Vec<u8>,
}

impl Flight {
    /// Payload type, sequence number and SSRC, if it is RTP: these stay in the clear.
    pub fn rtp(&self) -> Option<(u8, u16, u32)> {
        if tutti_transport::classify(&self.bytes) != tutti_transport::DatagramKind::Rtp {
            return None;
        }
        let word = |at: usize| u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]);
        Some((self.bytes[1] & 0x7f, word(2), u32::from(word(8)) << 16 | u32::from(word(10))))
    }
}

/// Everything.
pub struct World {
    pub now: Instant,
    pub start: Instant,
    pub shards: Vec<ShardCore>,
    pub clients: Vec<Client>,
    pub events: Vec<MediaEvent>,
    /// Whether a datagram is lost. Every datagram is asked about once, when it is sent.
    pub loses: Box<dyn FnMut(&Flight) -> bool>,
    /// How long a datagram from a client lies in the shard's socket, and all that come behind it.
    pub waits: Box<dyn FnMut(&Flight) -> Duration>,
    routing: Routing,
    batch: SendBatch,
    flights: VecDeque<Flight>,
    next_ssrc: u32,
    next_key: u32,
}

/// Of the certificate of all shards.
pub fn fingerprint() -> Fingerprint {
    CONFIG.fingerprint()
}

pub fn shard_address(shard: u16) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, 1), 7882 + shard).into()
}

impl World {
    pub fn new(shards: u16) -> Self {
        str0m::crypto::from_feature_flags().install_process_default();
        let now = Instant::now();
        let shard = |shard: u16| {
            let config = ShardConfig {
                shard: ShardNumber(shard),
                transport: Arc::clone(&CONFIG),
                local: LocalAddresses { udp: vec![shard_address(shard)], tcp: Vec::new() },
                seed: [shard as u8 + 1; 32],
            };
            ShardCore::new(config, now)
        };
        Self {
            now,
            start: now,
            shards: (0..shards).map(shard).collect(),
            clients: Vec::new(),
            events: Vec::new(),
            loses: Box::new(|_| false),
            waits: Box::new(|_| Duration::ZERO),
            routing: Routing::new(usize::from(shards), 500),
            batch: SendBatch::new(1 << 18),
            flights: VecDeque::new(),
            next_ssrc: 0x5000_0000,
            next_key: 0,
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// A new client with a transport on `shard`, not connected yet. With `channels`, it opens the data channels.
    pub fn join(&mut self, shard: u16, channels: bool) -> usize {
        let number = self.clients.len();
        let id = TransportId::new(ROOM, number as u32);
        let ice = IceCredentials {
            ufrag: format!("{}client{number:04}", ufrag_prefix(ShardNumber(shard))),
            pwd: format!("password-of-the-client-{number:04}"),
        };
        let address = SocketAddr::from((Ipv4Addr::new(10, 1, (number >> 8) as u8, number as u8), 5000));
        let way = Way { address, server: shard_address(shard), protocol: Protocol::Udp, channels };
        let mut client = Client::new(self.now, id, way, &ice, CONFIG.fingerprint());
        let open = OpenTransport { ice, ice_lite: true, open_channels: Vec::new() };
        self.command(MediaCommand::Transport {
            shard: ShardNumber(shard),
            id,
            command: TransportCommand::Open(Box::new(open)),
        });
        let remote = RemoteParameters {
            ice: client.credentials(),
            fingerprints: client.fingerprint().into(),
            dtls_role: DtlsRole::Server,
            data_channels: true,
            sctp_port: SCTP_PORT,
            max_message_size: Some(65_536),
        };
        self.transport(id, TransportCommand::SetRemote(Box::new(remote)));
        self.clients.push(client);
        number
    }

    /// New clients on the shards named, connected.
    pub fn connected<const N: usize>(&mut self, shards: [u16; N]) -> [usize; N] {
        let clients = shards.map(|shard| self.join(shard, false));
        self.run_until(Duration::from_secs(5), |world| clients.iter().all(|&client| world.is_connected(client)));
        clients
    }

    pub fn is_connected(&self, client: usize) -> bool {
        let id = self.clients[client].id;
        self.events.iter().any(|event| {
            matches!(event, MediaEvent::Transport { id: of, event: TransportEvent::Connected { .. } } if *of == id)
        })
    }

    pub fn id(&self, client: usize) -> TransportId {
        self.clients[client].id
    }

    pub fn transport(&mut self, id: TransportId, command: TransportCommand) {
        self.command(MediaCommand::Transport { shard: ShardNumber(0), id, command });
    }

    pub fn forward(&mut self, client: usize, command: ForwardCommand) {
        let transport = self.clients[client].id;
        self.command(MediaCommand::Forward { transport, command });
    }

    pub fn command(&mut self, command: MediaCommand) {
        let now = self.now;
        for (shard, command) in self.routing.route(command).expect("routed") {
            watched(|| self.shards[shard.index()].handle_command(now, command));
        }
        self.settle();
    }

    /// A number that no other stream has.
    pub fn new_ssrc(&mut self) -> u32 {
        self.next_ssrc += 1;
        self.next_ssrc
    }

    pub fn new_key(&mut self) -> u32 {
        self.next_key += 1;
        self.next_key
    }

    /// The client sends a track with these sections' worth of layers: one stream for each, `rid`s if there are several.
    pub fn publish(&mut self, client: usize, source: &Source) -> TrackKey {
        let track = TrackKey::new(ROOM, self.new_key());
        let section = source.section(track);
        self.clients[client].declare_source(source);
        self.forward(client, ForwardCommand::Publish(Box::new(section)));
        track
    }

    /// The client gets a track in a new section `mid`.
    pub fn subscribe(&mut self, client: usize, track: TrackKey, sink: &Sink) -> SubscriptionKey {
        let subscription = SubscriptionKey::new(ROOM, self.new_key());
        self.clients[client].declare_sink(sink);
        let subscribe = sink.section(subscription, track);
        self.forward(client, ForwardCommand::Subscribe(Box::new(subscribe)));
        subscription
    }

    /// A sink with numbers of its own.
    pub fn sink(&mut self, mid: &str, kind: Kind) -> Sink {
        let ssrc = self.new_ssrc();
        let rtx_ssrc = (kind == Kind::Video).then(|| self.new_ssrc());
        Sink { mid: mid.into(), kind, ssrc, rtx_ssrc, target: LayerTarget::ALL }
    }

    pub fn forward_events(&self) -> impl Iterator<Item = &ForwardEvent> {
        self.events.iter().filter_map(|event| match event {
            MediaEvent::Forward(event) => Some(event),
            MediaEvent::Transport { .. } => None,
        })
    }

    /// Lets time pass.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        self.run(end, |_| false);
    }

    /// Lets time pass until `done`; fails the test when that does not come about within `limit`.
    #[track_caller]
    pub fn run_until(&mut self, limit: Duration, done: impl FnMut(&mut Self) -> bool) {
        let end = self.now + limit;
        assert!(self.run(end, done), "still waiting after {limit:?}");
    }

    fn run(&mut self, end: Instant, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        loop {
            self.settle();
            if done(self) {
                return true;
            }
            let deadlines = self.clients.iter().map(|client| client.deadline);
            let due = self.shards.iter().filter_map(ShardCore::poll_timeout);
            let arrival = self.flights.front().map(|flight| flight.arrival + flight.waits);
            let next = deadlines.chain(due).chain(arrival).min().unwrap_or(end);
            if next > end {
                self.now = end;
                self.settle();
                return done(self);
            }
            self.now = self.now.max(next);
            self.deliver();
            let now = self.now;
            for shard in &mut self.shards {
                if shard.poll_timeout().is_some_and(|due| due <= now) {
                    watched(|| {
                        shard.handle_timeout(now);
                        shard.handle_links(now);
                    });
                }
            }
            for client in &mut self.clients {
                if client.deadline <= now {
                    client.handle_timeout(now);
                }
            }
        }
    }

    /// Hands everything that has arrived to where it goes.
    fn deliver(&mut self) {
        while self.flights.front().is_some_and(|flight| flight.arrival + flight.waits <= self.now) {
            let Some(mut flight) = self.flights.pop_front() else { return };
            if flight.from_client {
                let shard = usize::from(flight.destination.port() - shard_address(0).port());
                let path = Path { proto: Proto::Udp, remote: flight.source, local: flight.destination };
                watched(|| {
                    self.shards[shard].handle_waiting_datagram(self.now, flight.arrival, path, &mut flight.bytes)
                });
            } else if let Some(client) = self.clients.iter_mut().find(|client| client.outside == flight.destination) {
                client.receive(self.now, flight.source, &flight.bytes);
            }
        }
    }

    /// Moves what everybody has to send onto the network, until nobody has anything.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for shard in 0..self.shards.len() {
                loop {
                    let flushed = watched(|| self.shards[shard].flush(self.now, &mut self.batch));
                    for (path, bytes) in self.batch.datagrams() {
                        moved = true;
                        let flight = Flight {
                            arrival: self.now + DELAY,
                            waits: Duration::ZERO,
                            from_client: false,
                            source: path.local,
                            destination: path.remote,
                            bytes: bytes.to_vec(),
                        };
                        if !(self.loses)(&flight) {
                            self.flights.push_back(flight);
                        }
                    }
                    self.batch.clear();
                    if flushed == Flushed::All {
                        break;
                    }
                }
                while let Some(event) = self.shards[shard].poll_event() {
                    self.events.push(event);
                }
                while let Some(other) = self.shards[shard].poll_wake() {
                    moved = true;
                    while watched(|| self.shards[other.index()].handle_links(self.now)) {}
                }
            }
            for client in &mut self.clients {
                for (destination, bytes) in client.drain() {
                    moved = true;
                    let mut flight = Flight {
                        arrival: self.now + DELAY,
                        waits: Duration::ZERO,
                        from_client: true,
                        source: client.outside,
                        destination,
                        bytes,
                    };
                    flight.waits = (self.waits)(&flight);
                    if !(self.loses)(&flight) {
                        self.flights.push_back(flight);
                    }
                }
            }
            if !moved {
                return;
            }
        }
    }
}
