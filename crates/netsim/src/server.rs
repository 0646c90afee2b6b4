//! The server of a simulation: rooms and shards as a node has them, driven by the simulation instead of threads.
//!
//! Owns what the node's shells own: sockets by number, queues between rooms and shards. Decides nothing.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use tutti_cluster::{
    Failure, INPUTS_PER_ROUND, JoinRequest, Note, Outgoing, Refusal, RoomCore, RoomInput, RoomOutput, RoomRound,
    RoomStart, Seat, SocketNumber,
};
use tutti_id::{RoomKey, RoomName, ShardNumber};
use tutti_media::batch::SendBatch;
use tutti_media::plane::Routing;
use tutti_media::shard::{Flushed, ShardConfig, ShardCore};
use tutti_media::{MediaCommand, MediaEvent, ShardMetrics};
use tutti_room::{MemberKey, Room, Settings};
use tutti_signal::{Facts, Frame, Placement};
use tutti_transport::{Certificate, LocalAddresses, Path, Proto, TransportConfig, TransportEvent};

use crate::story::Story;

/// A room spreads from the second subscriber on, so that small rooms use several shards.
const SHARD_SUBSCRIBERS_MAX: usize = 1;

/// The server's part of what is drawn once for all seeds: making a certificate takes longer than a call.
static TRANSPORT: LazyLock<Arc<TransportConfig>> = LazyLock::new(|| {
    let certificate = Certificate::generate().expect("a certificate can be made on this machine");
    Arc::new(TransportConfig::new(certificate))
});

/// What the server tells the world.
pub(crate) enum Said {
    /// The answer to a join.
    Admitted {
        ticket: u64,
        outcome: Result<SocketNumber, Refusal>,
    },
    Frame {
        socket: SocketNumber,
        frame: Arc<Frame>,
    },
    /// Close the socket behind its last frame.
    Close(SocketNumber),
}

struct Held {
    name: RoomName,
    round: RoomRound,
    work: VecDeque<RoomInput>,
    /// Joins that are not answered, with their tickets.
    joining: BTreeMap<SocketNumber, (u64, JoinRequest)>,
    commands: VecDeque<MediaCommand>,
    /// A mailbox is full: the room waits until then.
    stuck_until: Option<Instant>,
    /// A mailbox will be full after so many more commands, for so long.
    fills: Option<(usize, Duration)>,
    /// What the outside was told.
    events: Story,
}

pub(crate) struct Server {
    seed: u64,
    tracing: bool,
    start: Instant,
    start_wall_ms: i64,
    /// How far the wall clock has jumped.
    pub(crate) wall_jump_ms: i64,
    shards: Vec<ShardCore>,
    routing: Routing,
    rooms: BTreeMap<RoomKey, Held>,
    names: BTreeMap<RoomName, RoomKey>,
    sockets: BTreeMap<SocketNumber, (RoomKey, MemberKey)>,
    sockets_made: u64,
    /// Seats given to new members.
    seats: u64,
    rooms_made: u32,
    settings: Settings,
    facts: Arc<Facts>,
    batch: SendBatch,
    /// The kernel refuses so many more datagrams.
    pub(crate) refuses: u32,
    pub(crate) refused: u32,
    pub(crate) said: VecDeque<Said>,
    pub(crate) outgoing: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    faults: Vec<String>,
    /// Identities that were put out because they took no reliable data.
    stalled: Vec<String>,
}

pub(crate) fn shard_address(shard: ShardNumber) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, 1), 7882 + shard.0).into()
}

impl Server {
    pub(crate) fn new(now: Instant, seed: u64, shards: u16, tracing: bool) -> Self {
        let shard = |shard: ShardNumber| {
            let local = LocalAddresses { udp: vec![shard_address(shard)], tcp: Vec::new() };
            let seed = spread(seed, u64::from(shard.0));
            ShardCore::new(ShardConfig { shard, transport: Arc::clone(&TRANSPORT), local, seed }, now)
        };
        let settings = Settings {
            empty_timeout: Duration::from_secs(10),
            departure_timeout: Duration::from_secs(5),
            join_timeout: Duration::from_secs(20),
            ..Settings::default()
        };
        let facts = Facts {
            server_info: proto::ServerInfo { version: "1.8.0".into(), protocol: 16, ..Default::default() },
            codecs: settings.codecs.clone(),
            ping_interval_s: 5,
            ping_timeout_s: 15,
        };
        Self {
            seed,
            tracing,
            start: now,
            start_wall_ms: 1_700_000_000_000,
            wall_jump_ms: 0,
            shards: (0..shards).map(ShardNumber).map(shard).collect(),
            routing: Routing::new(usize::from(shards), SHARD_SUBSCRIBERS_MAX),
            rooms: BTreeMap::new(),
            names: BTreeMap::new(),
            sockets: BTreeMap::new(),
            sockets_made: 0,
            seats: 0,
            rooms_made: 0,
            settings,
            facts: Arc::new(facts),
            batch: SendBatch::new(1 << 18),
            refuses: 0,
            refused: 0,
            said: VecDeque::new(),
            outgoing: Vec::new(),
            faults: Vec::new(),
            stalled: Vec::new(),
        }
    }

    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Identities that were put out because they took no reliable data.
    pub(crate) fn stalled(&self) -> &[String] {
        &self.stalled
    }

    pub(crate) fn room(&self, name: &str) -> Option<&RoomCore> {
        self.named(name).and_then(|key| self.rooms.get(&key)).map(|held| held.round.core())
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = &RoomCore> {
        self.rooms.values().map(|held| held.round.core())
    }

    fn named(&self, name: &str) -> Option<RoomKey> {
        self.names.get(&RoomName::of_default_app(name)).copied()
    }

    /// Nothing waits between a room and the shards.
    pub(crate) fn is_idle(&self) -> bool {
        self.rooms.values().all(|held| held.work.is_empty() && held.commands.is_empty())
    }

    /// What the shards hold and counted.
    pub(crate) fn metrics(&self) -> ShardMetrics {
        let mut total = ShardMetrics::default();
        for shard in &self.shards {
            total += shard.metrics();
        }
        total
    }

    pub(crate) fn shards_in_use(&self) -> usize {
        self.shards.iter().filter(|shard| shard.metrics().transports > 0).count()
    }

    pub(crate) fn routing(&self) -> &Routing {
        &self.routing
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let shards = self.shards.iter().filter_map(ShardCore::poll_timeout);
        let rooms = self.rooms.values().filter_map(|held| match held.stuck_until {
            Some(until) => Some(until),
            None => held.round.poll_timeout(),
        });
        shards.chain(rooms).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for shard in &mut self.shards {
            if shard.poll_timeout().is_some_and(|due| due <= now) {
                shard.handle_timeout(now);
                while shard.handle_links(now) {}
            }
        }
        let due: Vec<RoomKey> = self.rooms.iter().filter(|(_, held)| held.is_due(now)).map(|(key, _)| *key).collect();
        for key in due {
            self.run(now, key);
        }
        self.settle(now);
    }

    /// Someone joins, or resumes. The answer comes as [`Said::Admitted`].
    pub(crate) fn join(&mut self, now: Instant, ticket: u64, request: JoinRequest) {
        let key = match self.names.get(&request.room) {
            Some(key) => *key,
            None if request.resume.is_some() => {
                let reason = proto::DisconnectReason::StateMismatch;
                let refusal = Refusal::Leave { reason, action: proto::leave_request::Action::Reconnect };
                self.said.push_back(Said::Admitted { ticket, outcome: Err(refusal) });
                return;
            }
            None => self.open(now, &request.room),
        };
        self.sockets_made += 1;
        let socket = SocketNumber(self.sockets_made);
        if let Some(held) = self.rooms.get_mut(&key) {
            held.joining.insert(socket, (ticket, request.clone()));
        }
        self.work(now, key, RoomInput::Join { socket, request: Box::new(request) });
    }

    pub(crate) fn handle_request(&mut self, now: Instant, socket: SocketNumber, request: proto::SignalRequest) {
        if let Some(&(key, member)) = self.sockets.get(&socket) {
            let request = Box::new(request);
            self.work(now, key, RoomInput::Request { member, socket, request });
        }
    }

    pub(crate) fn handle_socket_gone(&mut self, now: Instant, socket: SocketNumber) {
        if let Some((key, member)) = self.sockets.remove(&socket) {
            self.work(now, key, RoomInput::SocketGone { member, socket });
        }
    }

    pub(crate) fn handle_datagram(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, mut bytes: Vec<u8>) {
        let shard = usize::from(to.port() - shard_address(ShardNumber(0)).port());
        let path = Path { proto: Proto::Udp, remote: from, local: to };
        if let Some(shard) = self.shards.get_mut(shard) {
            shard.handle_datagram(now, path, &mut bytes);
        }
        self.settle(now);
    }

    /// Fault point: after `commands` more commands of a room, the mailbox of a shard is full for a while.
    pub(crate) fn fill_mailbox(&mut self, name: &str, commands: usize, span: Duration) {
        let held = self.named(name).and_then(|key| self.rooms.get_mut(&key));
        if let Some(held) = held {
            held.fills = Some((commands, span));
        }
    }

    /// Fault point: a room cannot go on.
    pub(crate) fn fail_room(&mut self, now: Instant, name: &str) {
        let Some(key) = self.named(name) else { return };
        if let Some(held) = self.rooms.get_mut(&key) {
            held.round.abandon(now, Failure::Overrun);
        }
        self.carry_out(key);
        self.close(now, key);
        self.settle(now);
    }

    /// From now on nothing is full and nothing refused.
    pub(crate) fn calm(&mut self) {
        self.refuses = 0;
        for held in self.rooms.values_mut() {
            held.fills = None;
        }
    }

    fn wall_ms(&self, now: Instant) -> i64 {
        self.start_wall_ms + self.wall_jump_ms + now.saturating_duration_since(self.start).as_millis() as i64
    }

    fn open(&mut self, now: Instant, name: &RoomName) -> RoomKey {
        self.rooms_made += 1;
        let key = RoomKey(self.rooms_made);
        let settings = Settings { name: name.name.clone(), ..self.settings.clone() };
        let room = Room::new(settings, self.seed ^ u64::from(key.0), now, self.wall_ms(now));
        let round = RoomRound::new(RoomStart { key, room, facts: Arc::clone(&self.facts), sif_trailer: vec![7; 16] });
        let held = Held {
            name: name.clone(),
            round,
            work: VecDeque::new(),
            joining: BTreeMap::new(),
            commands: VecDeque::new(),
            stuck_until: None,
            fills: None,
            events: Story::default(),
        };
        self.rooms.insert(key, held);
        self.names.insert(name.clone(), key);
        key
    }

    fn work(&mut self, now: Instant, key: RoomKey, input: RoomInput) {
        // What is for a room that is gone needs no one.
        if let Some(held) = self.rooms.get_mut(&key) {
            held.work.push_back(input);
            self.run(now, key);
            self.settle(now);
        }
    }

    /// A room's task, until it has nothing to do or must wait for a mailbox.
    fn run(&mut self, now: Instant, key: RoomKey) {
        loop {
            let Some(held) = self.rooms.get_mut(&key) else { return };
            if held.stuck_until.is_some_and(|until| now < until) {
                return;
            }
            held.stuck_until = None;
            while let Some(command) = held.next_command(now) {
                // A transport that is gone needs no command.
                for (shard, command) in self.routing.route(command).unwrap_or_default() {
                    self.shards[shard.index()].handle_command(now, command);
                }
            }
            if held.stuck_until.is_some() {
                return;
            }
            if held.work.is_empty() && held.round.poll_timeout().is_none_or(|due| due > now) {
                return;
            }
            if self.round(now, key) {
                self.close(now, key);
                return;
            }
        }
    }

    /// One round; `true`: the room is over.
    fn round(&mut self, now: Instant, key: RoomKey) -> bool {
        let wall_ms = self.wall_ms(now);
        let Some(held) = self.rooms.get_mut(&key) else { return true };
        let inputs: Vec<_> = held.work.drain(..INPUTS_PER_ROUND.min(held.work.len())).collect();
        let (routing, seed, seats) = (&mut self.routing, self.seed, &mut self.seats);
        let mut seat = |members| {
            let shard = routing.place(key, members);
            let address = shard_address(shard);
            let candidate = format!("candidate:1 1 udp 2130706431 {} {} typ host", address.ip(), address.port());
            let placement = Placement { shard, candidates: vec![candidate], fingerprint: TRANSPORT.fingerprint() };
            *seats += 1;
            Seat { placement, ice_servers: Vec::new(), seed: spread(seed, 1000 + *seats) }
        };
        held.round.take(now, wall_ms, inputs, &mut seat);
        self.carry_out(key);
        self.rooms.get(&key).is_none_or(|held| held.round.is_over())
    }

    fn carry_out(&mut self, key: RoomKey) {
        let Some(held) = self.rooms.get_mut(&key) else { return };
        while let Some(output) = held.round.poll_output() {
            match output {
                RoomOutput::Send { socket, outgoing } => match outgoing {
                    Outgoing::Message(frame) => self.said.push_back(Said::Frame { socket, frame }),
                    Outgoing::RefreshToken(_) => {}
                    Outgoing::Close => {
                        self.sockets.remove(&socket);
                        self.said.push_back(Said::Close(socket));
                    }
                },
                RoomOutput::Admitted { socket, outcome } => {
                    let Some((ticket, request)) = held.joining.remove(&socket) else { continue };
                    if outcome == Err(Refusal::Over) {
                        held.joining.insert(socket, (ticket, request));
                        continue;
                    }
                    if let Ok(member) = outcome {
                        self.sockets.insert(socket, (key, member));
                    }
                    self.said.push_back(Said::Admitted { ticket, outcome: outcome.map(|_| socket) });
                }
                RoomOutput::Media(command) => held.commands.push_back(command),
                RoomOutput::Event(event) => held.events.take(event, &mut self.faults),
                RoomOutput::Note(Note::Refused { identity, what: "reliable data", .. }) => self.stalled.push(identity),
                // What was sent before the channels stood waits for 2 s, which a bad network may well take.
                RoomOutput::Note(Note::Refused { what: "early data", .. }) => {}
                RoomOutput::Note(Note::Refused { identity, what, why }) => {
                    self.faults.push(format!("{what} of {identity} refused: {why}"));
                }
                RoomOutput::Note(Note::Failed(Failure::Panic)) => self.faults.push(format!("{} panicked", held.name)),
                RoomOutput::Note(_) | RoomOutput::Answer { .. } | RoomOutput::Over => {}
            }
        }
    }

    fn close(&mut self, now: Instant, key: RoomKey) {
        let Some(held) = self.rooms.remove(&key) else { return };
        self.names.remove(&held.name);
        self.sockets.retain(|_, (room, _)| *room != key);
        for command in held.commands {
            for (shard, command) in self.routing.route(command).unwrap_or_default() {
                self.shards[shard.index()].handle_command(now, command);
            }
        }
        self.faults.extend(held.events.unfinished());
        // Whom it did not answer another one does.
        for (_, (ticket, request)) in held.joining {
            self.join(now, ticket, request);
        }
    }

    /// Moves what the shards have to say, until they are silent.
    fn settle(&mut self, now: Instant) {
        loop {
            let mut events: Vec<MediaEvent> = Vec::new();
            let mut moved = false;
            for shard in 0..self.shards.len() {
                loop {
                    let flushed = self.shards[shard].flush(now, &mut self.batch);
                    for (path, bytes) in self.batch.datagrams() {
                        moved = true;
                        if self.refuses > 0 {
                            self.refuses -= 1;
                            self.refused += 1;
                        } else {
                            self.outgoing.push((path.local, path.remote, bytes.to_vec()));
                        }
                    }
                    self.batch.clear();
                    if flushed == Flushed::All {
                        break;
                    }
                }
                events.extend(std::iter::from_fn(|| self.shards[shard].poll_event()));
                while let Some(other) = self.shards[shard].poll_wake() {
                    moved = true;
                    while self.shards[other.index()].handle_links(now) {}
                }
            }
            if events.is_empty() && !moved {
                return;
            }
            for event in events {
                if self.tracing
                    && let MediaEvent::Transport { id, event } = &event
                    && !matches!(event, TransportEvent::Message { .. })
                {
                    eprintln!("{:>9.3} {id:?} {event:?}", (now - self.start).as_secs_f64());
                }
                let key = event.room();
                if let Some(held) = self.rooms.get_mut(&key) {
                    held.work.push_back(RoomInput::Media(event));
                    self.run(now, key);
                }
            }
        }
    }
}

impl Held {
    fn is_due(&self, now: Instant) -> bool {
        match self.stuck_until {
            Some(until) => until <= now,
            None => self.round.poll_timeout().is_some_and(|due| due <= now),
        }
    }

    /// The next command that a mailbox takes.
    fn next_command(&mut self, now: Instant) -> Option<MediaCommand> {
        if self.commands.is_empty() {
            return None;
        }
        match &mut self.fills {
            Some((0, span)) => {
                self.stuck_until = Some(now + *span);
                self.fills = None;
                return None;
            }
            Some((left, _)) => *left -= 1,
            None => {}
        }
        self.commands.pop_front()
    }
}

/// A seed for one of many.
pub(crate) fn spread(seed: u64, number: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (word, chunk) in (0u64..).zip(bytes.chunks_exact_mut(8)) {
        let mixed = (seed ^ number.rotate_left(32) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        chunk.copy_from_slice(&(mixed ^ mixed >> 29).to_le_bytes());
    }
    bytes
}
