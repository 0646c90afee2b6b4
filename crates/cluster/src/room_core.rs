//! One room as a state machine: the room itself and every member's dialogue. What decides is here, what moves bytes is
//! the owner's.
//!
//! One input is handled at a time and everything that follows from it is done before the next: the room's outputs go
//! to the dialogues, theirs to the room, the sockets and the media plane, until all are silent.
//!
//! 1. [`RoomCore::join`], [`RoomCore::resume`], [`RoomCore::handle`] and [`RoomCore::handle_timeout`] change the state;
//! 2. [`RoomCore::poll_output`] is drained after each of them;
//! 3. [`RoomCore::flush`] ends a round of inputs: what they wanted negotiated goes out as one description;
//! 4. [`RoomCore::poll_timeout`] says when to come back at the latest.
//!
//! Must not: read a clock, draw randomness, wait, or know what a socket is made of.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::signal_response::Message;
use tutti_forward::{ForwardEvent, LegQuality};
use tutti_id::{RoomKey, ShardNumber};
use tutti_media::{MediaCommand, MediaEvent};
use tutti_room::{
    AdminError, AdminReply, AdminRequest, Joiner, Leg, MemberKey, Notice, Output as Said, Request, Room, RoomEvent,
    SubscriptionNumber, TrackNumber,
};
use tutti_signal::{Facts, Frame, Mode, Output as Spoken, Placement, Session, Start};

use crate::join::{JoinError, JoinRequest};

/// Identities of one room remembered for joining over TCP.
const TCP_ONLY_MAX: usize = 1024;

/// Names one socket of a room's clients for as long as the room lives; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketNumber(pub u64);

/// What reaches a room besides joins and resumes.
#[derive(Debug)]
pub enum RoomInput {
    /// A client asks something over its socket.
    Request {
        /// Who.
        member: MemberKey,
        /// The socket it came over; ignored unless it is the member's current one.
        socket: SocketNumber,
        /// What.
        request: Box<proto::SignalRequest>,
    },
    /// A client's socket is gone.
    SocketGone {
        /// Whose.
        member: MemberKey,
        /// Which; ignored unless it is the member's current one.
        socket: SocketNumber,
    },
    /// A shard reported something.
    Media(MediaEvent),
    /// The node stops: everyone is told to come again.
    Shutdown,
}

/// What a room puts out, oldest first.
#[derive(Debug)]
pub enum RoomOutput {
    /// Send this on a socket. One that cannot take it is reported with [`RoomInput::SocketGone`].
    Send {
        /// Which.
        socket: SocketNumber,
        /// What.
        frame: Arc<Frame>,
    },
    /// Make a fresh access token for a member as it is now and send it on its socket.
    RefreshToken {
        /// Which.
        socket: SocketNumber,
        /// The member.
        participant: Box<proto::ParticipantInfo>,
    },
    /// Send what is on its way, then close the socket.
    Close(SocketNumber),
    /// Give the media plane an order. Orders are carried out one after another.
    Media(MediaCommand),
    /// Someone joined; for the log.
    Joined {
        /// Participant sid.
        sid: String,
        /// Identity.
        identity: String,
        /// Dual or single.
        mode: Mode,
    },
    /// Someone took up its session; for the log.
    Resumed {
        /// Participant sid.
        sid: String,
        /// Identity.
        identity: String,
    },
    /// A client said something that cannot be used; for the log.
    Refused {
        /// Who.
        member: MemberKey,
        /// What it said.
        what: &'static str,
        /// What was wrong with it.
        why: String,
    },
    /// Something happened that the outside may want to know.
    Event(RoomEvent),
    /// The room is over and everyone was told. Nothing follows.
    Over,
}

/// Why nobody joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The client is told this by a `LeaveRequest`, which it understands best.
    Leave {
        /// Why.
        reason: proto::DisconnectReason,
        /// What it shall do.
        action: Action,
    },
    /// The request cannot be served.
    Error(JoinError),
    /// The room is over: another one may be made.
    Over,
}

impl From<tutti_room::JoinError> for Refusal {
    fn from(error: tutti_room::JoinError) -> Self {
        match error {
            tutti_room::JoinError::Full { .. } => Self::Error(JoinError::RoomFull),
            tutti_room::JoinError::Closed => Self::Over,
            tutti_room::JoinError::TooOften => Self::Error(JoinError::TooOften),
            error => Self::Error(JoinError::Invalid(error.to_string())),
        }
    }
}

/// What a room starts from.
#[derive(Debug)]
pub struct RoomStart {
    /// The room's key on this node.
    pub key: RoomKey,
    /// The room, nobody in it yet.
    pub room: Room,
    /// What every client is told.
    pub facts: Arc<Facts>,
    /// End of frames that the server makes up itself, for end-to-end encrypted rooms.
    pub sif_trailer: Vec<u8>,
}

struct Member {
    session: Session,
    socket: Option<SocketNumber>,
    shard: ShardNumber,
    deadline: Option<Instant>,
}

/// One room while it lives. See the module's head.
pub struct RoomCore {
    key: RoomKey,
    room: Room,
    facts: Arc<Facts>,
    sif_trailer: Vec<u8>,
    members: BTreeMap<MemberKey, Member>,
    publishers: BTreeMap<TrackNumber, MemberKey>,
    subscribers: BTreeMap<SubscriptionNumber, MemberKey>,
    deadlines: BTreeSet<(Instant, MemberKey)>,
    touched: BTreeSet<MemberKey>,
    /// Identities that asked for TCP in this room, for their next join.
    tcp_only: BTreeSet<String>,
    outputs: VecDeque<RoomOutput>,
}

impl RoomCore {
    /// A room with nobody in it.
    pub fn new(start: RoomStart) -> Self {
        let RoomStart { key, room, facts, sif_trailer } = start;
        Self {
            key,
            room,
            facts,
            sif_trailer,
            members: BTreeMap::new(),
            publishers: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            touched: BTreeSet::new(),
            tcp_only: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The room's books.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// How many dialogues there are.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// The next thing to do; drain until `None` after every input.
    pub fn poll_output(&mut self) -> Option<RoomOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest, [`flush`](Self::flush) included.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let members = self.deadlines.first().map(|(at, _)| *at);
        [self.room.poll_timeout(), members].into_iter().flatten().min()
    }

    /// Does what is due. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(at, key)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.pop_first();
            if let Some(member) = self.members.get_mut(&key) {
                member.deadline = None;
                member.session.handle_timeout(now);
                self.touched.insert(key);
            }
        }
        if self.room.poll_timeout().is_some_and(|at| at <= now) {
            self.room.handle_timeout(now);
        }
        self.settle(now);
    }

    /// Whether somebody would be let in now. Nothing changes.
    ///
    /// # Errors
    /// Those of [`Self::join`].
    pub fn check(&self, joiner: &Joiner) -> Result<(), Refusal> {
        Ok(self.room.check(joiner)?)
    }

    /// Someone joins over a new socket. `placement` is where its media goes, `seed` must be unpredictable, `unix_ms` is
    /// the time in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// See [`Refusal`]; the socket was told nothing then.
    pub fn join(
        &mut self,
        now: Instant,
        unix_ms: i64,
        request: JoinRequest,
        socket: SocketNumber,
        placement: Placement,
        seed: [u8; 32],
    ) -> Result<MemberKey, Refusal> {
        let client = request.joiner.client.clone();
        let permission = request.joiner.permission.clone();
        let identity = request.joiner.identity.clone();
        let key = self.room.join(now, request.joiner)?;
        let info = self.room.member_info(key).ok_or(Refusal::Error(JoinError::RoomFailed))?;
        let shard = placement.shard;
        let session = Session::new(
            self.facts.clone(),
            Start {
                room: self.key,
                member: key,
                mode: request.mode,
                protocol: request.protocol,
                client,
                can_subscribe: permission.can_subscribe,
                can_publish: permission.can_publish,
                disable_ice_lite: request.disable_ice_lite,
                tcp_only: self.tcp_only.contains(&identity),
                placement,
                sif_trailer: self.sif_trailer.clone(),
                seed,
            },
        );
        let mut member = Member { session, socket: Some(socket), shard, deadline: None };
        self.outputs.push_back(RoomOutput::Joined { sid: info.sid.clone(), identity, mode: request.mode });
        member.session.begin(now, self.room.info(), info, self.room.others(key));
        self.members.insert(key, member);
        self.touched.insert(key);
        self.settle(now);
        for add_track in request.add_tracks {
            self.ask(now, unix_ms, key, proto::signal_request::Message::AddTrack(add_track));
        }
        if let Some(offer) = request.publisher_offer {
            self.embedded_offer(now, key, offer);
        }
        Ok(key)
    }

    /// A client takes up its session over a new socket; the one it had is closed.
    ///
    /// # Errors
    /// [`Refusal::Leave`] if there is no such session; the socket was told nothing then.
    pub fn resume(
        &mut self,
        now: Instant,
        unix_ms: i64,
        request: JoinRequest,
        socket: SocketNumber,
    ) -> Result<MemberKey, Refusal> {
        let sid = request.resume.map(|resume| resume.sid).unwrap_or_default();
        let identity = request.joiner.identity;
        let key = self.room.find(&identity).filter(|key| {
            let same = self.room.member_info(*key).is_some_and(|info| sid.is_empty() || info.sid == sid);
            same && self.members.get(key).is_some_and(|member| !member.session.ended())
        });
        let reason = proto::DisconnectReason::StateMismatch;
        let key = key.ok_or(Refusal::Leave { reason, action: Action::Reconnect })?;
        if !self.room.may_come(now, &identity) {
            return Err(Refusal::Error(JoinError::TooOften));
        }
        let last = self.room.last_reliable_sequence(key);
        if let Some(member) = self.members.get_mut(&key) {
            if let Some(old) = member.socket.replace(socket) {
                self.outputs.push_back(RoomOutput::Close(old));
            }
            member.session.resume(now, last);
            self.outputs.push_back(RoomOutput::Resumed { sid, identity });
        }
        self.touched.insert(key);
        self.settle(now);
        if let Some(offer) = request.publisher_offer {
            self.embedded_offer(now, key, offer);
        }
        if let Some(state) = request.sync_state {
            self.ask(now, unix_ms, key, proto::signal_request::Message::SyncState(state));
        }
        Ok(key)
    }

    /// Handles anything else. `unix_ms` as for [`join`](Self::join).
    pub fn handle(&mut self, now: Instant, unix_ms: i64, input: RoomInput) {
        match input {
            RoomInput::Request { member, socket, request } => {
                if let Some(held) = self.current(member, socket) {
                    held.session.handle_request(now, unix_ms, *request);
                    self.touched.insert(member);
                }
            }
            RoomInput::SocketGone { member, socket } => {
                if let Some(held) = self.current(member, socket) {
                    held.socket = None;
                    held.session.handle_socket_gone();
                    self.touched.insert(member);
                }
            }
            RoomInput::Media(event) => self.media(now, event),
            RoomInput::Shutdown => {
                // A room that is over already has told everyone.
                let _ = self.room.admin(now, AdminRequest::Shutdown);
            }
        }
        self.settle(now);
    }

    /// Does what a back end asks.
    ///
    /// # Errors
    /// Those of [`Room::admin`].
    pub fn administer(&mut self, now: Instant, request: AdminRequest) -> Result<AdminReply, AdminError> {
        let answer = self.room.admin(now, request);
        self.settle(now);
        answer
    }

    /// Ends a round of inputs.
    pub fn flush(&mut self, now: Instant) {
        let mut flushed = BTreeSet::new();
        while let Some(key) = self.touched.pop_first() {
            flushed.insert(key);
            if let Some(member) = self.members.get_mut(&key) {
                member.session.flush();
                self.drain_session(now, key);
                self.drain_room(now);
            }
        }
        for key in flushed {
            self.schedule(key);
        }
    }

    /// After a panic the room's state cannot be trusted: everyone is told to join anew, every transport is closed.
    pub fn abandon(&mut self) {
        let leave = proto::LeaveRequest {
            can_reconnect: true,
            reason: proto::DisconnectReason::StateMismatch as i32,
            action: Action::Reconnect as i32,
            regions: None,
        };
        let frame = Arc::new(Frame::new(Message::Leave(leave)));
        self.outputs.clear();
        for (key, member) in std::mem::take(&mut self.members) {
            if let Some(socket) = member.socket {
                self.outputs.push_back(RoomOutput::Send { socket, frame: frame.clone() });
                self.outputs.push_back(RoomOutput::Close(socket));
            }
            for id in tutti_signal::transports_of(self.key, key) {
                let command = tutti_transport::TransportCommand::Close;
                self.outputs.push_back(RoomOutput::Media(MediaCommand::Transport { shard: member.shard, id, command }));
            }
        }
        self.outputs.push_back(RoomOutput::Over);
    }

    fn schedule(&mut self, key: MemberKey) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let deadline = member.session.poll_timeout();
        if member.deadline != deadline {
            if let Some(old) = member.deadline {
                self.deadlines.remove(&(old, key));
            }
            if let Some(new) = deadline {
                self.deadlines.insert((new, key));
            }
            member.deadline = deadline;
        }
    }

    /// The member, if `socket` is the one it speaks over.
    fn current(&mut self, member: MemberKey, socket: SocketNumber) -> Option<&mut Member> {
        self.members.get_mut(&member).filter(|held| held.socket == Some(socket))
    }

    fn embedded_offer(&mut self, now: Instant, key: MemberKey, offer: proto::SessionDescription) {
        if let Some(member) = self.members.get_mut(&key) {
            member.session.handle_embedded_offer(now, offer);
            self.touched.insert(key);
            self.settle(now);
        }
    }

    fn ask(&mut self, now: Instant, unix_ms: i64, key: MemberKey, message: proto::signal_request::Message) {
        if let Some(member) = self.members.get_mut(&key) {
            member.session.handle_request(now, unix_ms, proto::SignalRequest { message: Some(message) });
            self.touched.insert(key);
            self.settle(now);
        }
    }

    fn media(&mut self, now: Instant, event: MediaEvent) {
        match event {
            MediaEvent::Transport { id, event } => {
                let key = tutti_signal::member_of(id);
                if let Some(member) = self.members.get_mut(&key) {
                    member.session.handle_transport(now, id, event);
                    self.touched.insert(key);
                }
            }
            MediaEvent::Forward(event) => self.forwarded(now, event),
        }
    }

    fn forwarded(&mut self, now: Instant, event: ForwardEvent) {
        let request = match event {
            ForwardEvent::Speaker { track, level, active } => {
                let track = TrackNumber(track.index());
                (self.publishers.get(&track), Request::Speaker { track, level, active })
            }
            ForwardEvent::Upstream { track, quality, layers } => {
                let track = TrackNumber(track.index());
                (self.publishers.get(&track), Request::Upstream(track, leg(&quality, layers)))
            }
            ForwardEvent::Downstream { subscription, quality, spatial } => {
                let subscription = SubscriptionNumber(subscription.index());
                let layers = spatial.map_or(0, |layer| 1_u8.checked_shl(layer.into()).unwrap_or(0));
                (self.subscribers.get(&subscription), Request::Downstream(subscription, leg(&quality, layers)))
            }
            ForwardEvent::CodecMismatch { subscription } => {
                let subscription = SubscriptionNumber(subscription.index());
                let why = proto::SubscriptionError::SeCodecUnsupported;
                (self.subscribers.get(&subscription), Request::SubscriptionFailed(subscription, why))
            }
            ForwardEvent::TrackStarted { .. } => return,
        };
        if let (Some(&member), request) = request {
            self.room.handle(now, member, request);
        }
    }

    /// Passes everything on until the room and all touched dialogues are silent.
    fn settle(&mut self, now: Instant) {
        self.drain_room(now);
        for key in self.touched.iter().copied().collect::<Vec<_>>() {
            self.drain_session(now, key);
            self.drain_room(now);
        }
    }

    fn drain_room(&mut self, now: Instant) {
        while let Some(said) = self.room.poll_output() {
            match said {
                Said::Notify { to, notice } => self.notify(now, &to, notice),
                Said::Data { to, delivery, payload } => {
                    for key in to {
                        if let Some(member) = self.members.get_mut(&key) {
                            member.session.send_data(now, delivery, payload.clone());
                            self.drain_session(now, key);
                        }
                    }
                }
                Said::DataTrackPacket { to, payload } => {
                    if let Some(member) = self.members.get_mut(&to) {
                        member.session.send_data_track(payload);
                        self.drain_session(now, to);
                    }
                }
                Said::Event(event) => self.outputs.push_back(RoomOutput::Event(event)),
                Said::Closed => self.outputs.push_back(RoomOutput::Over),
            }
        }
    }

    fn notify(&mut self, now: Instant, to: &[MemberKey], notice: Notice) {
        match notice {
            Notice::Send(message) => {
                let frame = Arc::new(Frame::new(*message));
                for key in to {
                    if let Some(member) = self.members.get_mut(key) {
                        member.session.pass_on(&frame);
                        self.touched.insert(*key);
                        self.drain_session(now, *key);
                    }
                }
            }
            notice => {
                for key in to {
                    match &notice {
                        Notice::TrackAccepted { track, .. } => {
                            self.publishers.insert(*track, *key);
                        }
                        Notice::TrackRemoved { track, .. } => {
                            self.publishers.remove(track);
                        }
                        Notice::Subscribe(subscribe) => {
                            self.subscribers.insert(subscribe.subscription, *key);
                        }
                        Notice::Unsubscribe(subscription) => {
                            self.subscribers.remove(subscription);
                        }
                        _ => {}
                    }
                    if let Some(member) = self.members.get_mut(key) {
                        member.session.handle_notice(now, notice.clone());
                        self.touched.insert(*key);
                        self.drain_session(now, *key);
                    }
                }
            }
        }
    }

    fn drain_session(&mut self, now: Instant, key: MemberKey) {
        loop {
            let Some(member) = self.members.get_mut(&key) else { return };
            let Some(output) = member.session.poll_output() else { return };
            match output {
                Spoken::Respond(frame) => {
                    if let Some(socket) = member.socket {
                        self.outputs.push_back(RoomOutput::Send { socket, frame });
                    }
                }
                Spoken::RefreshToken => {
                    if let (Some(socket), Some(info)) = (member.socket, self.room.member_info(key)) {
                        self.outputs.push_back(RoomOutput::RefreshToken { socket, participant: Box::new(info) });
                    }
                }
                Spoken::Room(request) => {
                    if let Request::Unpublish(track) = &request {
                        self.publishers.remove(track);
                    }
                    self.room.handle(now, key, request);
                }
                Spoken::Transport(id, command) => {
                    let command = MediaCommand::Transport { shard: member.shard, id, command };
                    self.outputs.push_back(RoomOutput::Media(command));
                }
                Spoken::Forward(transport, command) => {
                    self.outputs.push_back(RoomOutput::Media(MediaCommand::Forward { transport, command }));
                }
                Spoken::PreferTcp(tcp) => self.prefer_tcp(key, tcp),
                Spoken::CloseSocket => {
                    if let Some(socket) = member.socket.take() {
                        self.outputs.push_back(RoomOutput::Close(socket));
                    }
                }
                Spoken::Refused { what, why } => {
                    self.outputs.push_back(RoomOutput::Refused { member: key, what, why });
                }
                Spoken::Ended => self.remove(key),
            }
        }
    }

    fn prefer_tcp(&mut self, key: MemberKey, tcp: bool) {
        let Some(info) = self.room.member_info(key) else { return };
        if !tcp {
            self.tcp_only.remove(&info.identity);
        } else if self.tcp_only.len() < TCP_ONLY_MAX {
            self.tcp_only.insert(info.identity);
        }
    }

    fn remove(&mut self, key: MemberKey) {
        let Some(member) = self.members.remove(&key) else { return };
        if let Some(deadline) = member.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        self.publishers.retain(|_, publisher| *publisher != key);
        self.subscribers.retain(|_, subscriber| *subscriber != key);
    }
}

fn leg(quality: &LegQuality, layers: u8) -> Leg {
    let seconds = f64::from(quality.window_ms.max(1)) / 1000.0;
    Leg {
        loss: if quality.packets_expected == 0 {
            0.0
        } else {
            (quality.packets_lost as f32 / quality.packets_expected as f32).clamp(0.0, 1.0)
        },
        jitter_ms: quality.jitter_ms,
        rtt_ms: quality.rtt_ms,
        bitrate: (quality.bytes as f64 * 8.0 / seconds) as u64,
        layers,
    }
}
