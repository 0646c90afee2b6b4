//! What passes between a room and those around it: the gateway, the server API, the media plane. Plain values only, so
//! that it could cross a wire: no clock readings, no handles. Who is meant is said by [`SocketAddress`], [`MemberKey`]
//! and [`Ticket`].

use std::sync::Arc;

use livekit_protocol as proto;
use proto::leave_request::Action;
use tutti_id::RoomKey;
use tutti_media::{MediaCommand, MediaEvent};
use tutti_room::{AdminError, AdminReply, AdminRequest, CallError, Joiner, MemberKey, RoomEvent};
use tutti_signal::{Frame, Mode, Placement};
use tutti_transport::TransportFailure;

use crate::join::{JoinError, JoinRequest};

/// Names one socket of a room's clients for as long as the room lives; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketNumber(pub u64);

/// Names one socket on a node, and whom it speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketAddress {
    /// The room.
    pub room: RoomKey,
    /// Who.
    pub member: MemberKey,
    /// Over which of the member's sockets.
    pub socket: SocketNumber,
}

/// Names one question to a room until it is answered; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What reaches a room.
#[derive(Debug)]
pub enum RoomInput {
    /// Somebody joins or resumes over a new socket. Answered by [`RoomOutput::Admitted`].
    Join {
        /// The new socket.
        socket: SocketNumber,
        /// Who, and what it wants.
        request: Box<JoinRequest>,
    },
    /// Somebody asks something. Answered by [`RoomOutput::Answer`].
    Ask {
        /// Name of the question.
        ticket: Ticket,
        /// What.
        question: Question,
    },
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

/// What a room may be asked. Each asks for just what it needs.
#[derive(Debug)]
pub enum Question {
    /// Whether somebody would be let in now.
    MayJoin(Box<Joiner>),
    /// The room itself.
    Room,
    /// Everyone, hidden participants included.
    Participants,
    /// The participant with this identity.
    Participant(String),
    /// A back end wants something done.
    Admin(AdminRequest),
    /// A back end calls a method of a participant; answered when that one answers.
    Call(proto::PerformRpcRequest),
}

/// What a room answers; the same variant as the [`Question`].
#[derive(Debug)]
pub enum Answer {
    /// To [`Question::MayJoin`].
    MayJoin(Result<(), Refusal>),
    /// To [`Question::Room`].
    Room(Box<proto::Room>),
    /// To [`Question::Participants`].
    Participants(Vec<proto::ParticipantInfo>),
    /// To [`Question::Participant`]; `None` = nobody has this identity.
    Participant(Option<Box<proto::ParticipantInfo>>),
    /// To [`Question::Admin`].
    Admin(Result<AdminReply, AdminError>),
    /// To [`Question::Call`].
    Called(Result<String, CallError>),
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
            tutti_room::JoinError::Closed => Self::Over,
            error => Self::Error(JoinError::Refused(error)),
        }
    }
}

/// What a new member is given from outside its room.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Where its media goes.
    pub placement: Placement,
    /// STUN and TURN servers for it.
    pub ice_servers: Vec<proto::IceServer>,
    /// Unpredictable; feeds its ICE credentials and SSRCs.
    pub seed: [u8; 32],
}

/// What goes to a client's socket.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// One signalling message.
    Message(Arc<Frame>),
    /// Sign a fresh access token for the participant as it is now, and send it as `RefreshToken`
    /// (docs/protocol.md#token-refresh).
    RefreshToken(Box<proto::ParticipantInfo>),
    /// Flush and close the socket with code 1000.
    Close,
}

/// What a room puts out, oldest first.
#[derive(Debug)]
pub enum RoomOutput {
    /// Send this on a socket. One that cannot take it is reported with [`RoomInput::SocketGone`].
    Send {
        /// Which.
        socket: SocketNumber,
        /// What.
        outgoing: Outgoing,
    },
    /// The end of a join. Refused sockets were told nothing.
    Admitted {
        /// The socket of [`RoomInput::Join`].
        socket: SocketNumber,
        /// The member that it speaks for now.
        outcome: Result<MemberKey, Refusal>,
    },
    /// The answer to a question.
    Answer {
        /// Which.
        ticket: Ticket,
        /// What.
        answer: Answer,
    },
    /// Give the media plane an order. Orders are carried out one after another.
    Media(MediaCommand),
    /// Something happened that the outside may want to know.
    Event(RoomEvent),
    /// Something for the log.
    Note(Note),
    /// The room is over and everyone was told. Nothing follows; what was not answered is for another room.
    Over,
}

/// What a room has to say to its operator.
#[derive(Debug)]
pub enum Note {
    /// Someone joined.
    Joined {
        /// Participant sid.
        sid: String,
        /// Identity.
        identity: String,
        /// Dual or single.
        mode: Mode,
    },
    /// Someone took up its session.
    Resumed {
        /// Participant sid.
        sid: String,
        /// Identity.
        identity: String,
    },
    /// A client said something that cannot be used.
    Refused {
        /// Identity.
        identity: String,
        /// What it said.
        what: &'static str,
        /// What was wrong with it.
        why: String,
    },
    /// A transport of a client gave up.
    MediaFailed {
        /// Identity.
        identity: String,
        /// Why.
        reason: TransportFailure,
    },
    /// The room cannot go on and was abandoned: its clients are told to join anew.
    Failed(Failure),
}

/// Why a room was abandoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It panicked: a bug.
    Panic,
    /// It did not keep up with what must not be lost.
    Overrun,
}

impl Failure {
    /// A word for metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Overrun => "overrun",
        }
    }
}
