//! Everything on one clock: clients, the server, and what is on its way between them.
//!
//! Owns time, datagrams and sockets. Whatever chance there is comes from the seed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use tutti_cluster::{JoinRequest, Refusal, Resume, SocketNumber};
use tutti_id::RoomName;
use tutti_room::Joiner;
use tutti_signal::{Frame, Mode};

use crate::client::{Ask, Client, Ledger};
use crate::network::Way;
use crate::scenario::{Act, Fault, Scenario, Step};
use crate::server::{Said, Server};

/// A client notices that its socket is dead after this long.
const NOTICED: Duration = Duration::from_millis(300);
/// How far the virtual clock is ahead of the machine's.
const AHEAD: Duration = Duration::from_secs(3600);
/// Steps without any time passing: more mean that something runs in circles.
const STEPS_AT_ONCE: u32 = 100_000;

/// What happens at a time.
enum Event {
    ToServer {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    ToClient {
        client: usize,
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    /// A message of a client, or the end of its socket.
    Said {
        socket: SocketNumber,
        request: Option<Box<proto::SignalRequest>>,
    },
    /// A message of the server, or the end of its socket.
    Heard {
        socket: SocketNumber,
        frame: Option<Arc<Frame>>,
    },
    Connect {
        ticket: u64,
        request: Box<JoinRequest>,
    },
    Refused {
        client: usize,
        attempt: u32,
        leave: Option<proto::LeaveRequest>,
    },
    /// The server hears that a socket is dead.
    GoneAtServer(SocketNumber),
    GoneAtClient(SocketNumber),
    Step(usize),
}

struct Socket {
    client: usize,
    /// When the last message of either direction arrives.
    up: Instant,
    down: Instant,
    /// Neither end hears the other any more.
    dead: bool,
    /// Dies with this many messages to come, and what the server hears of it.
    dies: Option<(u32, Duration)>,
}

/// The network of one client.
struct Link {
    up: Way,
    down: Way,
    signal_latency: Duration,
    /// Its socket, while there is one.
    socket: Option<SocketNumber>,
    /// What befalls the next message of this socket or the next one.
    dies: Option<(u32, Duration)>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) clients: Vec<Client>,
    pub(crate) server: Server,
    pub(crate) happened: BTreeMap<&'static str, u32>,
    links: Vec<Link>,
    sockets: BTreeMap<SocketNumber, Socket>,
    /// Joins on their way: whose, and which attempt.
    tickets: BTreeMap<u64, (usize, u32)>,
    tickets_made: u64,
    queue: BTreeMap<(Instant, u64), Event>,
    queued: u64,
    steps: Vec<(Duration, u16, Step)>,
    /// Of everything that arrived anywhere, in order. Timers of clients do not count: str0m has some that depend on the
    /// order in a hash map, and change nothing.
    pub(crate) digest: u64,
    tracing: bool,
}

impl World {
    pub(crate) fn new(seed: u64, shards: u16, scenario: &Scenario, tracing: bool) -> Self {
        fastrand::seed(seed);
        // The SCTP library starts its first timer by the machine's clock: from here that has always run out, whatever
        // the machine's clock says.
        let start = Instant::now() + AHEAD;
        let clients = (0u16..).zip(&scenario.clients).map(|(number, plan)| {
            let seed = seed.wrapping_mul(31).wrapping_add(u64::from(number));
            let mates = (0u16..).zip(&scenario.clients).filter(|(_, other)| other.room == plan.room);
            let ledger = Ledger::new(mates.map(|(number, _)| number).collect());
            Client::new(start, number, room_name(plan.room), plan.mode, ledger, seed)
        });
        let links = (0u64..).zip(&scenario.clients).map(|(number, plan)| Link {
            up: Way::new(start, plan.up, seed ^ (2 * number + 1) << 40),
            down: Way::new(start, plan.down, seed ^ (2 * number + 2) << 40),
            signal_latency: plan.signal_latency,
            socket: None,
            dies: None,
        });
        let mut world = Self {
            now: start,
            start,
            clients: clients.collect(),
            server: Server::new(start, seed, shards, tracing),
            happened: BTreeMap::new(),
            links: links.collect(),
            sockets: BTreeMap::new(),
            tickets: BTreeMap::new(),
            tickets_made: 0,
            queue: BTreeMap::new(),
            queued: 0,
            steps: scenario.steps.clone(),
            digest: seed,
            tracing,
        };
        for (index, (at, ..)) in scenario.steps.iter().enumerate() {
            world.push(start + *at, Event::Step(index));
        }
        world
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    pub(crate) fn run_until(&mut self, end: Instant) {
        let mut at_once = 0;
        loop {
            self.settle();
            let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
            let clients = self.clients.iter().filter_map(Client::poll_timeout);
            let next = clients.chain(queued).chain(self.server.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = self.now.max(end);
                return;
            };
            at_once = if next > self.now { 0 } else { at_once + 1 };
            assert!(at_once < STEPS_AT_ONCE, "time stands still");
            self.now = self.now.max(next);
            while let Some(entry) = self.queue.first_entry()
                && entry.key().0 <= self.now
            {
                let event = entry.remove();
                self.handle(event);
                self.settle();
            }
            for client in 0..self.clients.len() {
                if self.clients[client].poll_timeout().is_some_and(|due| due <= self.now) {
                    self.clients[client].handle_timeout(self.now);
                    self.settle();
                }
            }
            if self.server.poll_timeout().is_some_and(|due| due <= self.now) {
                self.server.handle_timeout(self.now);
            }
        }
    }

    /// From now on nothing is lost and nothing goes wrong.
    pub(crate) fn calm(&mut self) {
        for link in &mut self.links {
            link.up.heal(self.now);
            link.down.heal(self.now);
            link.dies = None;
        }
        for socket in self.sockets.values_mut() {
            socket.dies = None;
        }
        self.server.calm();
    }

    /// The client's machine is gone; the server hears nothing of it.
    pub(crate) fn crash(&mut self, client: usize, heard: Duration) {
        if let Some(socket) = self.links[client].socket {
            self.kill(socket, heard);
        }
        self.clients[client].crashed = true;
    }

    fn push(&mut self, at: Instant, event: Event) {
        self.queued += 1;
        self.queue.insert((at, self.queued), event);
    }

    fn note(&mut self, what: &str, who: usize) {
        let at = self.now.saturating_duration_since(self.start).as_micros() as u64;
        for byte in what.bytes().chain((at ^ (who as u64) << 56).to_le_bytes()) {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn trace(&self, line: impl FnOnce() -> String) {
        if self.tracing {
            let at = self.now.saturating_duration_since(self.start);
            eprintln!("{:>9.3} {}", at.as_secs_f64(), line());
        }
    }

    fn handle(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::ToServer { from, to, bytes } => {
                self.note("to server", usize::from(from.port()));
                self.server.handle_datagram(now, from, to, bytes);
            }
            Event::ToClient { client, from, to, bytes } => {
                self.note("to client", client);
                if !self.clients[client].crashed {
                    self.clients[client].handle_datagram(now, from, to, &bytes);
                }
            }
            Event::Said { socket, request } => self.said(socket, request),
            Event::Heard { socket, frame } => self.heard(socket, frame.as_deref()),
            Event::Connect { ticket, request } => {
                self.note("connect", 0);
                self.server.join(now, ticket, *request);
            }
            Event::Refused { client, attempt, leave } => {
                self.trace(|| format!("client {client} refused: {leave:?}"));
                if self.clients[client].awaits(attempt) {
                    match leave {
                        Some(leave) => {
                            let leave = proto::signal_response::Message::Leave(leave);
                            self.clients[client].handle_message(now, &leave);
                        }
                        None => self.clients[client].handle_refused(now, attempt),
                    }
                }
            }
            Event::GoneAtServer(socket) => {
                self.trace(|| format!("{socket:?} is gone at the server"));
                self.sockets.remove(&socket);
                self.server.handle_socket_gone(now, socket);
            }
            Event::GoneAtClient(socket) => {
                let Some(client) = self.links.iter().position(|link| link.socket == Some(socket)) else { return };
                self.trace(|| format!("{socket:?} is gone at client {client}"));
                self.links[client].socket = None;
                if !self.clients[client].crashed {
                    self.clients[client].handle_closed(now);
                }
            }
            Event::Step(index) => self.step(index),
        }
    }

    fn said(&mut self, number: SocketNumber, request: Option<Box<proto::SignalRequest>>) {
        let Some(socket) = self.sockets.get(&number).filter(|socket| !socket.dead) else { return };
        let client = socket.client;
        self.note("said", client);
        match request {
            Some(request) => {
                self.trace(|| format!("client {client} says {}", short(&request.message)));
                self.server.handle_request(self.now, number, *request);
            }
            None => {
                self.sockets.remove(&number);
                self.server.handle_socket_gone(self.now, number);
            }
        }
    }

    fn heard(&mut self, number: SocketNumber, frame: Option<&Frame>) {
        let Some(socket) = self.sockets.get(&number).filter(|socket| !socket.dead) else { return };
        let client = socket.client;
        // What comes on an old socket is not read.
        let current = self.links[client].socket == Some(number) && !self.clients[client].crashed;
        self.note("heard", client);
        match frame.and_then(Frame::message) {
            Some(message) if current => {
                self.trace(|| format!("client {client} hears {}", short(&Some(message))));
                self.clients[client].handle_message(self.now, message);
            }
            Some(_) => {}
            None => {
                self.trace(|| format!("client {client}: {number:?} closed by the server"));
                self.sockets.remove(&number);
                if current {
                    self.links[client].socket = None;
                    self.clients[client].handle_closed(self.now);
                }
            }
        }
    }

    /// Moves what everybody has to say onto its way, until all are silent.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for client in 0..self.clients.len() {
                while let Some(ask) = self.clients[client].poll_ask() {
                    moved = true;
                    if !self.clients[client].crashed {
                        self.ask(client, ask);
                    }
                }
            }
            while let Some(said) = self.server.said.pop_front() {
                moved = true;
                self.answer(said);
            }
            for (from, to, bytes) in std::mem::take(&mut self.server.outgoing) {
                moved = true;
                let IpAddr::V4(ip) = to.ip() else { continue };
                let client = usize::from(ip.octets()[3]);
                let Some(link) = self.links.get_mut(client) else { continue };
                let arrivals: Vec<_> = link.down.arrivals(self.now).collect();
                for arrival in arrivals {
                    self.push(arrival, Event::ToClient { client, from, to, bytes: bytes.clone() });
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn ask(&mut self, client: usize, ask: Ask) {
        match ask {
            Ask::Datagram { from, to, bytes } => {
                let arrivals: Vec<_> = self.links[client].up.arrivals(self.now).collect();
                for arrival in arrivals {
                    self.push(arrival, Event::ToServer { from, to, bytes: bytes.clone() });
                }
            }
            Ask::Connect { attempt, resume, offer } => {
                self.hang(client);
                self.tickets_made += 1;
                let ticket = self.tickets_made;
                self.tickets.insert(ticket, (client, attempt));
                self.trace(|| format!("client {client} connects, attempt {attempt}, resumes {resume:?}"));
                let request = Box::new(join_request(&self.clients[client], resume, offer));
                // TCP and the request itself.
                self.push(self.now + self.links[client].signal_latency * 3, Event::Connect { ticket, request });
            }
            Ask::Say(message) => {
                let Some(number) = self.links[client].socket else { return };
                if !self.survives(number) {
                    return;
                }
                let latency = self.links[client].signal_latency;
                let Some(socket) = self.sockets.get_mut(&number) else { return };
                socket.up = socket.up.max(self.now + latency);
                let at = socket.up;
                let request = Some(Box::new(proto::SignalRequest { message: Some(*message) }));
                self.push(at, Event::Said { socket: number, request });
            }
            Ask::Hang => self.hang(client),
        }
    }

    /// The client closes its socket: what it said before still arrives.
    fn hang(&mut self, client: usize) {
        let Some(number) = self.links[client].socket.take() else { return };
        let latency = self.links[client].signal_latency;
        if let Some(socket) = self.sockets.get(&number) {
            let at = socket.up.max(self.now + latency);
            self.push(at, Event::Said { socket: number, request: None });
        }
    }

    fn answer(&mut self, said: Said) {
        match said {
            Said::Admitted { ticket, outcome } => {
                let Some((client, attempt)) = self.tickets.remove(&ticket) else { return };
                let at = self.now + self.links[client].signal_latency;
                match outcome {
                    Ok(number) => {
                        let dies = self.links[client].dies.take();
                        let (up, down) = (self.now, at);
                        self.sockets.insert(number, Socket { client, up, down, dead: false, dies });
                        if self.clients[client].awaits(attempt) {
                            self.links[client].socket = Some(number);
                        } else {
                            // Nobody waits for it any more.
                            self.push(at, Event::GoneAtServer(number));
                        }
                    }
                    Err(Refusal::Leave { reason, action }) => {
                        let leave =
                            proto::LeaveRequest { reason: reason.into(), action: action.into(), ..Default::default() };
                        self.push(at, Event::Refused { client, attempt, leave: Some(leave) });
                    }
                    Err(Refusal::Error(_) | Refusal::Over) => {
                        self.push(at, Event::Refused { client, attempt, leave: None });
                    }
                }
            }
            Said::Frame { socket, frame } => {
                if self.survives(socket) {
                    self.send_down(socket, Some(frame));
                }
            }
            Said::Close(socket) => self.send_down(socket, None),
        }
    }

    fn send_down(&mut self, number: SocketNumber, frame: Option<Arc<Frame>>) {
        let Some(socket) = self.sockets.get_mut(&number) else { return };
        socket.down = socket.down.max(self.now + self.links[socket.client].signal_latency);
        let at = socket.down;
        self.push(at, Event::Heard { socket: number, frame });
    }

    /// Counts a message; `false`: the socket dies with it.
    fn survives(&mut self, number: SocketNumber) -> bool {
        let Some(socket) = self.sockets.get_mut(&number) else { return true };
        if socket.dead {
            return false;
        }
        match &mut socket.dies {
            None => true,
            Some((0, heard)) => {
                let heard = *heard;
                self.kill(number, heard);
                false
            }
            Some((left, _)) => {
                *left -= 1;
                true
            }
        }
    }

    /// Whatever is on its way on the socket is lost.
    fn kill(&mut self, number: SocketNumber, heard: Duration) {
        let Some(socket) = self.sockets.get_mut(&number).filter(|socket| !socket.dead) else { return };
        socket.dead = true;
        self.push(self.now + NOTICED, Event::GoneAtClient(number));
        self.push(self.now + heard, Event::GoneAtServer(number));
    }

    fn step(&mut self, index: usize) {
        let (_, client, step) = self.steps[index].clone();
        self.trace(|| format!("step: client {client} {step:?}"));
        self.note("step", index);
        let client = usize::from(client);
        if self.clients[client].crashed {
            return;
        }
        match step {
            Step::Act(act) => self.act(client, act),
            Step::Fault(fault) => self.fault(client, &fault),
        }
    }

    fn act(&mut self, number: usize, act: Act) {
        let now = self.now;
        let client = &mut self.clients[number];
        let wanted = &mut client.wanted;
        match act {
            Act::Join => client.join(now),
            Act::Leave => client.leave(),
            Act::Publish { number, kind, layered, muted } => {
                let name = crate::client::track_name(client.number, number);
                wanted.tracks.insert(name, crate::client::WantedTrack { number, kind, layered, muted });
            }
            Act::Unpublish { name } => drop(wanted.tracks.remove(&name)),
            Act::Mute { name, muted } => {
                if let Some(track) = wanted.tracks.get_mut(&name) {
                    track.muted = muted;
                }
            }
            Act::Want { name, wanted: true } => drop(wanted.unwanted.remove(&name)),
            Act::Want { name, wanted: false } => drop(wanted.unwanted.insert(name)),
            Act::Prefer { name, preference } => drop(wanted.preferences.insert(name, preference)),
            Act::Attribute { key, value } => drop(wanted.attributes.insert(key, value)),
            Act::Deny { client: other, denied: true } => {
                wanted.denied.insert(crate::client::identity(other));
            }
            Act::Deny { client: other, denied: false } => {
                wanted.denied.remove(&crate::client::identity(other));
            }
            Act::Note { reliable, to } => {
                client.send_note(now, reliable, to);
            }
        }
        self.clients[number].changed(now);
    }

    fn fault(&mut self, client: usize, fault: &Fault) {
        let now = self.now;
        *self.happened.entry(fault.name()).or_default() += 1;
        let room = self.clients[client].room.clone();
        let socket = self.links[client].socket;
        match *fault {
            Fault::MailboxFull { commands, span } => self.server.fill_mailbox(&room, commands, span),
            Fault::RoomFails => self.server.fail_room(now, &room),
            Fault::SendRefused { datagrams } => self.server.refuses += datagrams,
            Fault::SocketFull => {
                if let Some(socket) = socket {
                    self.send_down(socket, None);
                    self.server.handle_socket_gone(now, socket);
                }
            }
            Fault::ClockJump { span } => self.now += span,
            Fault::WallClockSet { ms } => self.server.wall_jump_ms += ms,
            Fault::Crash => self.crash(client, Duration::from_secs(3)),
            Fault::SocketDies { heard } => {
                if let Some(socket) = socket {
                    self.kill(socket, heard);
                }
            }
            Fault::SocketDiesAt { message, heard } => match socket.and_then(|socket| self.sockets.get_mut(&socket)) {
                Some(socket) => socket.dies = Some((message, heard)),
                None => self.links[client].dies = Some((message, heard)),
            },
            Fault::FullReconnect => self.clients[client].rejoin(now),
            Fault::Rebind { network } => self.clients[client].rebind(network),
            Fault::Away { span } => {
                self.links[client].up.cut(now + span);
                self.links[client].down.cut(now + span);
                if let Some(socket) = socket.and_then(|socket| self.sockets.get_mut(&socket)) {
                    socket.up = socket.up.max(now + span);
                    socket.down = socket.down.max(now + span);
                }
            }
        }
    }
}

pub(crate) fn room_name(number: usize) -> String {
    format!("room-{number}")
}

fn short(message: &Option<impl std::fmt::Debug>) -> String {
    let text = format!("{message:?}");
    text.chars().take(160).collect()
}

fn join_request(client: &Client, resume: Option<String>, offer: Option<proto::SessionDescription>) -> JoinRequest {
    let info = proto::ClientInfo {
        sdk: proto::client_info::Sdk::Js.into(),
        version: "2.15.0".into(),
        protocol: 16,
        browser: "chrome".into(),
        browser_version: "140.0".into(),
        ..Default::default()
    };
    let joiner = Joiner {
        identity: client.identity.clone(),
        name: String::new(),
        metadata: String::new(),
        attributes: BTreeMap::new(),
        kind: proto::participant_info::Kind::Standard,
        kind_details: Vec::new(),
        permission: proto::ParticipantPermission {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            can_update_metadata: true,
            ..Default::default()
        },
        client: info,
        auto_subscribe: true,
        auto_subscribe_data_track: false,
        adaptive_stream: false,
    };
    let mode = if client.mode == Mode::Single { Mode::Single } else { Mode::Dual };
    JoinRequest {
        create: true,
        resume: resume.map(|sid| Resume { sid }),
        publisher_offer: offer,
        ..JoinRequest::new(RoomName::of_default_app(client.room.clone()), joiner, mode)
    }
}
