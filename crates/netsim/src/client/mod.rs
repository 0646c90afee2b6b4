//! A simulated client: what its user wants, and the session that it has for it, over any number of joins.
//!
//! Behaves as the published SDKs do: resumes when its socket or its media is gone, joins anew when that fails, and then
//! publishes and subscribes again what the user still wants.

mod call;
mod ledger;
mod media;
mod messages;
mod peer;
mod publishing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tutti_signal::Mode;

use call::Call;
pub(crate) use ledger::Ledger;
pub(crate) use messages::Note;
use peer::Peer;
pub(crate) use peer::RIDS;

use crate::stamp::Kind;

/// An attempt to connect that was not answered for this long is given up.
const CONNECT_WITHIN: Duration = Duration::from_secs(8);
/// Attempts to resume before the client joins anew.
const RESUMES_MAX: u32 = 3;
/// Media that is not up this long after a join or a resume is given up.
const MEDIA_WITHIN: Duration = Duration::from_secs(15);

/// A track that the user wants to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedTrack {
    pub(crate) number: u16,
    pub(crate) kind: Kind,
    /// Three layers.
    pub(crate) layered: bool,
    pub(crate) muted: bool,
}

/// How much of a track the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preference {
    /// Nothing for now; the subscription stays.
    Off,
    /// This layer, 0 = smallest, if there are several.
    Layer(u8),
}

/// What the user wants, whatever happens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// By client id, which is the track's name as well.
    pub(crate) tracks: BTreeMap<String, WantedTrack>,
    /// Tracks that it does not want to get.
    pub(crate) unwanted: BTreeSet<String>,
    /// How much of the others it wants, where it said so.
    pub(crate) preferences: BTreeMap<String, Preference>,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Identities that may not get its tracks.
    pub(crate) denied: BTreeSet<String>,
}

/// What a client asks of the world.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Open a socket: to join, or to resume the session with this sid.
    Connect { attempt: u32, resume: Option<String>, offer: Option<proto::SessionDescription> },
    /// Send this on the socket.
    Say(Box<Request>),
    /// Close the socket.
    Hang,
    /// Send a datagram.
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
}

enum State {
    /// Not in the room and not about to be.
    Out,
    /// Waits before the next attempt to join.
    Waiting(Instant),
    /// An attempt to join is under way. In single mode the connection that made the embedded offer is there already.
    Joining {
        until: Instant,
        peer: Option<Box<Peer>>,
    },
    In(Box<Call>),
}

pub(crate) struct Client {
    pub(crate) number: u16,
    pub(crate) identity: String,
    pub(crate) room: String,
    pub(crate) mode: Mode,
    pub(crate) wanted: Wanted,
    pub(crate) ledger: Ledger,
    /// Told nothing any more, says nothing any more.
    pub(crate) crashed: bool,
    /// How long it was in a session that had to be given up for a new one; for the report.
    pub(crate) joins: u32,
    start: Instant,
    state: State,
    attempt: u32,
    ports: u16,
    rng: StdRng,
    asks: VecDeque<Ask>,
}

impl Client {
    pub(crate) fn new(now: Instant, number: u16, room: String, mode: Mode, ledger: Ledger, seed: u64) -> Self {
        Self {
            number,
            identity: identity(number),
            room,
            mode,
            wanted: Wanted::default(),
            ledger,
            crashed: false,
            joins: 0,
            start: now,
            state: State::Out,
            attempt: 0,
            ports: 0,
            rng: StdRng::seed_from_u64(seed),
            asks: VecDeque::new(),
        }
    }

    pub(crate) fn poll_ask(&mut self) -> Option<Ask> {
        self.asks.pop_front()
    }

    pub(crate) fn call(&self) -> Option<&Call> {
        match &self.state {
            State::In(call) => Some(call),
            _ => None,
        }
    }

    fn call_mut(&mut self) -> Option<&mut Call> {
        match &mut self.state {
            State::In(call) => Some(call),
            _ => None,
        }
    }

    /// It wants to be in the room and is not crashed.
    pub(crate) fn is_present(&self) -> bool {
        !self.crashed && !matches!(self.state, State::Out)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.crashed {
            return None;
        }
        match &self.state {
            State::Out => None,
            State::Waiting(until) => Some(*until),
            State::Joining { until, peer } => Some(peer.as_ref().map_or(*until, |peer| peer.deadline.min(*until))),
            State::In(call) => Some(call.poll_timeout()),
        }
    }

    pub(crate) fn join(&mut self, now: Instant) {
        if matches!(self.state, State::Out) {
            self.try_to_join(now);
        }
    }

    /// Says goodbye.
    pub(crate) fn leave(&mut self) {
        if let State::In(call) = &mut self.state
            && call.attached
        {
            let reason = proto::DisconnectReason::ClientInitiated.into();
            self.asks
                .push_back(Ask::Say(Box::new(Request::Leave(proto::LeaveRequest { reason, ..Default::default() }))));
        }
        self.end();
        self.asks.push_back(Ask::Hang);
        self.state = State::Out;
    }

    /// Gives its session up and joins anew.
    pub(crate) fn rejoin(&mut self, now: Instant) {
        if !matches!(self.state, State::Out) {
            self.end();
            self.asks.push_back(Ask::Hang);
            self.wait(now);
        }
    }

    /// Its addresses look different from now on, as after a change of network behind a NAT.
    pub(crate) fn rebind(&mut self, network: u8) {
        let number = self.number as u8;
        if let Some(call) = self.call_mut() {
            for peer in call.peers_mut() {
                peer.outside = SocketAddr::from((Ipv4Addr::new(10, 2, network, number), peer.outside.port()));
            }
        }
    }

    /// What the user wants has changed.
    pub(crate) fn changed(&mut self, now: Instant) {
        self.drain(now);
    }

    /// Sends media, or sends none for now.
    pub(crate) fn speak(&mut self, speaks: bool) {
        if let Some(call) = self.call_mut() {
            call.silent = !speaks;
        }
    }

    /// The socket of this attempt is still wanted.
    pub(crate) fn awaits(&self, attempt: u32) -> bool {
        let waits = match &self.state {
            State::Joining { .. } => true,
            State::In(call) => !call.attached && call.resume_due.is_none(),
            State::Out | State::Waiting(_) => false,
        };
        waits && attempt == self.attempt && !self.crashed
    }

    /// The number of the message is returned; if there is no session, of the last one.
    pub(crate) fn send_note(&mut self, now: Instant, reliable: bool, to: Option<u16>) -> u32 {
        let number = self.number;
        if let State::In(call) = &mut self.state {
            call.send_note(number, &mut self.ledger, reliable, to);
        }
        self.drain(now);
        self.ledger.next_note
    }

    /// The attempt failed without a word that helps.
    pub(crate) fn handle_refused(&mut self, now: Instant, attempt: u32) {
        if attempt == self.attempt {
            self.disconnected(now);
        }
    }

    pub(crate) fn handle_closed(&mut self, now: Instant) {
        self.disconnected(now);
    }

    pub(crate) fn handle_message(&mut self, now: Instant, message: &Response) {
        match message {
            Response::Leave(leave) => {
                self.handle_leave(now, leave);
            }
            Response::Join(join) => self.handle_join(now, join),
            message => {
                let Self { state: State::In(call), wanted, asks, ledger, .. } = self else { return };
                if let Err(fault) = call.handle_message(now, message, wanted, asks) {
                    ledger.fault(fault);
                }
            }
        }
        self.drain(now);
    }

    pub(crate) fn handle_datagram(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let peer = match &mut self.state {
            State::In(call) => call.peers_mut().find(|peer| peer.outside == to),
            State::Joining { peer, .. } => peer.as_deref_mut().filter(|peer| peer.outside == to),
            _ => None,
        };
        if let Some(peer) = peer {
            peer.handle_datagram(now, from, bytes);
            self.drain(now);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Out => {}
            State::Waiting(until) if *until <= now => self.try_to_join(now),
            State::Waiting(_) => {}
            State::Joining { until, peer } => {
                if let Some(peer) = peer.as_mut().filter(|peer| peer.deadline <= now) {
                    peer.handle_timeout(now);
                }
                if *until <= now {
                    self.disconnected(now);
                }
            }
            State::In(call) => {
                let due = call.handle_timeout(now, &mut self.ledger, self.number, self.start);
                match due {
                    call::Due::Nothing => {}
                    call::Due::Resume => self.resume(now),
                    call::Due::GiveUp => self.disconnected(now),
                }
            }
        }
        self.drain(now);
    }

    fn handle_join(&mut self, now: Instant, join: &proto::JoinResponse) {
        let State::Joining { peer, .. } = &mut self.state else { return };
        let single = peer.take();
        let fresh = |ports: &mut u16| {
            *ports += 1;
            Peer::new(now, address(self.number, *ports))
        };
        let (publisher, subscriber) = match (self.mode, single) {
            (Mode::Single, Some(peer)) => (*peer, None),
            _ => {
                let publisher = fresh(&mut self.ports);
                (publisher, Some(fresh(&mut self.ports)))
            }
        };
        let mut call = Call::new(now, join, publisher, subscriber);
        call.media_due = Some(now + MEDIA_WITHIN);
        self.ledger.begin_call();
        self.joins += 1;
        call.pursue(&self.wanted, &mut self.asks);
        self.state = State::In(Box::new(call));
    }

    fn handle_leave(&mut self, now: Instant, leave: &proto::LeaveRequest) {
        match leave.action() {
            Action::Resume => self.disconnected(now),
            // A client whose user did not leave comes again, as an app would.
            Action::Reconnect | Action::Disconnect => self.rejoin(now),
        }
    }

    /// The socket is gone, or has to go: the session is taken up again over another one.
    fn disconnected(&mut self, now: Instant) {
        self.asks.push_back(Ask::Hang);
        let pause = Duration::from_millis(self.rng.random_range(50..1500));
        match &mut self.state {
            State::Joining { .. } => self.wait(now),
            State::In(call) => {
                call.attached = false;
                call.media_due = None;
                call.failures += 1;
                if call.failures > RESUMES_MAX {
                    self.end();
                    self.wait(now);
                } else {
                    call.resume_due = Some(now + pause);
                }
            }
            State::Out | State::Waiting(_) => {}
        }
    }

    fn wait(&mut self, now: Instant) {
        self.state = State::Waiting(now + Duration::from_millis(self.rng.random_range(20..800)));
    }

    fn try_to_join(&mut self, now: Instant) {
        self.attempt += 1;
        let mut offer = None;
        let mut peer = None;
        if self.mode == Mode::Single {
            self.ports += 1;
            let mut own = Peer::new(now, address(self.number, self.ports));
            let receive = Some((self.rng.random_range(0..3), self.rng.random_range(0..3)));
            let changes = peer::Changes { channels: true, receive, ..peer::Changes::default() };
            offer = own.offer(1, changes).map(|(sdp, _)| description("offer", sdp, 1));
            peer = Some(Box::new(own));
        }
        self.state = State::Joining { until: now + CONNECT_WITHIN, peer };
        self.asks.push_back(Ask::Connect { attempt: self.attempt, resume: None, offer });
        self.drain(now);
    }

    fn resume(&mut self, now: Instant) {
        self.attempt += 1;
        let attempt = self.attempt;
        let State::In(call) = &mut self.state else { return };
        // Until it is answered; then it is tried again.
        call.resume_due = None;
        call.media_due = Some(now + CONNECT_WITHIN);
        self.asks.push_back(Ask::Connect { attempt, resume: Some(call.sid.clone()), offer: None });
    }

    fn end(&mut self) {
        self.ledger.end_call();
        self.state = State::Out;
    }

    /// Moves what happened on the connections, and what they have to send.
    fn drain(&mut self, now: Instant) {
        if let State::In(call) = &mut self.state {
            call.attend(now, self.number, &mut self.ledger);
            if call.broken {
                return self.rejoin(now);
            }
        }
        let Self { state, asks, wanted, .. } = self;
        match state {
            State::In(call) => {
                call.pursue(wanted, asks);
                for peer in call.peers_mut() {
                    send(peer, asks);
                }
            }
            State::Joining { peer: Some(peer), .. } => send(peer, asks),
            _ => {}
        }
    }
}

fn send(peer: &mut Peer, asks: &mut VecDeque<Ask>) {
    let from = peer.outside;
    asks.extend(peer.outgoing().into_iter().map(|(to, bytes)| Ask::Datagram { from, to, bytes }));
}

pub(crate) fn identity(number: u16) -> String {
    format!("client-{number}")
}

/// The name of a client's track, which is its client id as well.
pub(crate) fn track_name(client: u16, track: u16) -> String {
    format!("c{client}t{track}")
}

fn address(client: u16, port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 1, 0, client as u8), 5000 + port))
}

pub(crate) fn description(kind: &str, sdp: String, id: u32) -> proto::SessionDescription {
    proto::SessionDescription { r#type: kind.to_owned(), sdp, id, ..Default::default() }
}
