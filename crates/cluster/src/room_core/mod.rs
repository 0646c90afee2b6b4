//! One room as a state machine: the room itself and every member's dialogue. What decides is here, what moves bytes is
//! the owner's.
//!
//! One input is handled at a time and everything that follows from it is done before the next.
//!
//! 1. [`RoomCore::handle`] and [`RoomCore::handle_timeout`] change the state;
//! 2. [`RoomCore::flush`] ends a round of inputs: what they wanted negotiated goes out as one description;
//! 3. [`RoomCore::poll_output`] is drained;
//! 4. [`RoomCore::poll_timeout`] says when to come back at the latest.
//!
//! Two verbs bring things into line:
//!
//! | verb | where | does |
//! |---|---|---|
//! | settle | [`settle`] | hands on what room and dialogues have said to each other until all are silent |
//! | reconcile | `tutti-room` | makes what a member has (tracks, layers, voices) what its wishes and rights say |
//!
//! Must not: read a clock, draw randomness, wait, or know what a socket is made of.

mod joining;
mod reports;
mod settle;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::signal_response::Message;
use tutti_id::{RoomKey, ShardNumber};
use tutti_media::MediaCommand;
use tutti_room::{
    AdminError, AdminReply, AdminRequest, CallNumber, Chronicle, MemberKey, Room, RoomEventKind, SubscriptionNumber,
    TrackNumber,
};
use tutti_signal::{Facts, Frame, Session};
use tutti_transport::TransportCommand;

use crate::flow::Flow;
use crate::input::{Answer, Note, Outgoing, Question, RoomInput, RoomOutput, Seat, SocketNumber, Ticket};

/// Weight of reliable messages that may wait for a participant before the server API is told to try again later. Far
/// below what ends a transport, so that no back end can have a slow participant put out.
const API_WAITING_MAX: u64 = 4 << 20;

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
    flow: Flow,
    chronicle: Chronicle,
    over: bool,
    outputs: VecDeque<RoomOutput>,
}

impl RoomCore {
    /// A room with nobody in it.
    pub fn new(start: RoomStart) -> Self {
        let RoomStart { key, room, facts, sif_trailer } = start;
        let (chronicle, started) = Chronicle::begin(room.info());
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
            flow: Flow::default(),
            chronicle,
            over: false,
            outputs: VecDeque::from([RoomOutput::Event(started)]),
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

    /// [`RoomOutput::Over`] was or will be put out: whatever else comes in does nothing.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The next thing to do; drain until `None` after every input.
    pub fn poll_output(&mut self) -> Option<RoomOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest, [`flush`](Self::flush) included.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let members = self.deadlines.first().map(|(at, _)| *at);
        [self.room.poll_timeout(), members, self.flow.poll_timeout()].into_iter().flatten().min()
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
        self.flow.handle_timeout(now);
        self.tell_senders();
    }

    /// Handles one input. `unix_ms` is the time in milliseconds since the Unix epoch; `seat` is asked for what a new
    /// member is given, with the number of members that are there.
    pub fn handle(&mut self, now: Instant, unix_ms: i64, input: RoomInput, seat: &mut dyn FnMut(usize) -> Seat) {
        match input {
            RoomInput::Join { socket, request } => {
                let said = self.outputs.len();
                let outcome = if request.resume.is_some() {
                    self.resume(now, unix_ms, *request, socket)
                } else {
                    self.join(now, unix_ms, *request, socket, seat)
                };
                // Before anything is said on the socket.
                self.outputs.insert(said, RoomOutput::Admitted { socket, outcome });
            }
            RoomInput::Ask { ticket, question } => {
                if let Some(answer) = self.answer(now, ticket, question) {
                    self.outputs.push_back(RoomOutput::Answer { ticket, answer });
                }
            }
            RoomInput::Request { member, socket, request } => {
                if let Some(held) = self.current(member, socket) {
                    held.session.handle_request(unix_ms, *request);
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
        self.tell_senders();
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

    /// After a panic the room's state cannot be trusted: every transport is closed, everyone is told to join anew, and
    /// the outside hears that all left and the room is over. What was put out before stands.
    pub fn abandon(&mut self, now: Instant) {
        let leave = proto::LeaveRequest {
            can_reconnect: true,
            reason: proto::DisconnectReason::StateMismatch as i32,
            action: Action::Reconnect as i32,
            regions: None,
        };
        let frame = Arc::new(Frame::new(Message::Leave(leave)));
        for (key, member) in std::mem::take(&mut self.members) {
            for id in tutti_signal::transports_of(self.key, key) {
                let command = TransportCommand::Close;
                self.outputs.push_back(RoomOutput::Media(MediaCommand::Transport { shard: member.shard, id, command }));
            }
            if let Some(socket) = member.socket {
                let outgoing = Outgoing::Message(frame.clone());
                self.outputs.push_back(RoomOutput::Send { socket, outgoing });
                self.outputs.push_back(RoomOutput::Send { socket, outgoing: Outgoing::Close });
            }
        }
        self.end(now, proto::DisconnectReason::StateMismatch);
    }

    /// The room is over, whatever its members were told. Touches nothing but the story of it.
    pub(crate) fn end(&mut self, now: Instant, reason: proto::DisconnectReason) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let events = self.chronicle.finish(self.room.unix_ms(now), reason);
        self.outputs.extend(events.into_iter().map(RoomOutput::Event));
        self.outputs.push_back(RoomOutput::Over);
    }

    /// Something for the log.
    pub(crate) fn note(&mut self, note: Note) {
        self.outputs.push_back(RoomOutput::Note(note));
    }

    /// Something happened that the outside may want to know.
    fn record(&mut self, now: Instant, kind: RoomEventKind) {
        let events = self.chronicle.record(self.room.unix_ms(now), kind);
        self.outputs.extend(events.into_iter().map(RoomOutput::Event));
    }

    /// The answer to a question; `None` if it comes later.
    fn answer(&mut self, now: Instant, ticket: Ticket, question: Question) -> Option<Answer> {
        Some(match question {
            Question::MayJoin(joiner) => Answer::MayJoin(self.room.check(&joiner).map_err(Into::into)),
            Question::Room => Answer::Room(Box::new(self.room.info())),
            Question::Participants => Answer::Participants(self.room.participants()),
            Question::Participant(identity) => {
                let info = self.room.find(&identity).and_then(|key| self.room.member_info(key));
                Answer::Participant(info.map(Box::new))
            }
            Question::Admin(request) => Answer::Admin(self.admin(now, request)),
            Question::Call(request) => {
                self.room.perform_rpc(now, CallNumber(ticket.0), request);
                return None;
            }
        })
    }

    fn admin(&mut self, now: Instant, request: AdminRequest) -> Result<AdminReply, AdminError> {
        if let AdminRequest::SendData(send) = &request
            && let Some(identity) = self.behind(send)
        {
            return Err(AdminError::Behind { identity });
        }
        self.room.admin(now, request)
    }

    /// Somebody whom a reliable message of the server API must not be sent to now. A participant who sends too much is
    /// slowed by its window; a back end has none, and is told instead.
    fn behind(&self, send: &proto::SendDataRequest) -> Option<String> {
        if send.kind() != proto::data_packet::Kind::Reliable {
            return None;
        }
        let waits = |member: &MemberKey| {
            tutti_signal::transports_of(self.key, *member).iter().any(|id| self.flow.waiting(*id) > API_WAITING_MAX)
        };
        let behind = self.room.receivers_of(send).into_iter().find(waits)?;
        self.room.identity_of(behind).map(str::to_owned)
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

    fn remove(&mut self, now: Instant, key: MemberKey) {
        let Some(member) = self.members.remove(&key) else { return };
        for id in tutti_signal::transports_of(self.key, key) {
            self.flow.forget(now, id);
        }
        if let Some(deadline) = member.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        self.publishers.retain(|_, publisher| *publisher != key);
        self.subscribers.retain(|_, subscriber| *subscriber != key);
    }
}
