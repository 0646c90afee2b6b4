//! What it takes to join a room of this node, and what a joined client holds.

use std::sync::Arc;

use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::signal_response::Message;
use tokio::sync::mpsc;
use tutti_id::RoomName;
use tutti_room::Joiner;
use tutti_signal::{Frame, Mode};

use crate::room_core::SocketNumber;
use crate::room_task::Input;

/// Makes the access tokens that a client reconnects with (wire brief 1.10). Knows the key and the first token's claims.
pub trait TokenIssuer: Send + Sync {
    /// A token for the member as it is now; `None` if none can be made (the key is gone).
    fn refresh(&self, participant: &proto::ParticipantInfo) -> Option<String>;
}

/// A client that takes up a session it had (wire brief 2.10).
#[derive(Debug, Clone)]
pub struct Resume {
    /// Participant sid that the client believes it has; empty if it does not say.
    pub sid: String,
}

/// Everything that decides a join. Rights and limits were checked from the token before.
#[derive(Clone)]
pub struct JoinRequest {
    /// The room: its name from the token, its app from the key that signed it.
    pub room: RoomName,
    /// Make the room if there is none.
    pub create: bool,
    /// Settings for a room that this join makes.
    pub room_config: Option<proto::RoomConfiguration>,
    /// Who joins.
    pub joiner: Joiner,
    /// Where its further tokens come from.
    pub issuer: Arc<dyn TokenIssuer>,
    /// Dual or single peer connection.
    pub mode: Mode,
    /// The client's `protocol` number.
    pub protocol: u32,
    /// Set for a resume.
    pub resume: Option<Resume>,
    /// The client asked for a full ICE agent.
    pub disable_ice_lite: bool,
    /// The client lets the server pause its video when bandwidth is short; `None` = server default.
    pub subscriber_allow_pause: Option<bool>,
    /// Tracks that it announces with the join itself.
    pub add_tracks: Vec<proto::AddTrackRequest>,
    /// Its first offer, sent with the join itself.
    pub publisher_offer: Option<proto::SessionDescription>,
    /// What it believes after a resume, sent with the join itself.
    pub sync_state: Option<proto::SyncState>,
}

/// Why a join was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The room is absent and may not be made.
    #[error("requested room does not exist")]
    RoomNotFound,
    /// As many participants as it may have are in the room.
    #[error("room is full")]
    RoomFull,
    /// The node takes no more rooms or is shutting down.
    #[error("the server is at its limit or shutting down")]
    Unavailable,
    /// The identity joined or resumed too often lately.
    #[error("too many joins of this participant, try again later")]
    TooOften,
    /// A name or value breaks a limit.
    #[error("{0}")]
    Invalid(String),
    /// The room's task is gone; a bug.
    #[error("the room failed")]
    RoomFailed,
}

/// Why a back end's request was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminRefusal {
    /// The room is not there.
    #[error("requested room does not exist")]
    RoomNotFound,
    /// The room refused it.
    #[error(transparent)]
    Room(#[from] tutti_room::AdminError),
}

/// What goes to a client's socket.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// One signalling message.
    Message(Arc<Frame>),
    /// Flush and close the socket with code 1000.
    Close,
}

/// A joined client's end of its session.
pub struct Attached {
    /// Where its requests go. Dropping it tells the room that the socket is gone.
    pub requests: RequestSender,
    /// What to send it; ends when the session ends or another socket takes over. The first message is a
    /// `JoinResponse`, a `ReconnectResponse` or a `LeaveRequest`.
    pub responses: mpsc::Receiver<Outgoing>,
}

impl Attached {
    /// A socket that only ever hears why it was refused.
    pub(crate) fn refused(reason: proto::DisconnectReason, action: Action) -> Self {
        let leave = proto::LeaveRequest {
            can_reconnect: action != Action::Disconnect,
            reason: reason as i32,
            action: action as i32,
            regions: None,
        };
        let (queue, responses) = mpsc::channel(2);
        for outgoing in [Outgoing::Message(Arc::new(Frame::new(Message::Leave(leave)))), Outgoing::Close] {
            let _ = queue.try_send(outgoing);
        }
        let (room, _) = mpsc::channel(1);
        Self {
            requests: RequestSender { room, member: tutti_room::MemberKey(u32::MAX), socket: SocketNumber(0) },
            responses,
        }
    }
}

/// Sends one client's requests to its room.
pub struct RequestSender {
    pub(crate) room: mpsc::Sender<Input>,
    pub(crate) member: tutti_room::MemberKey,
    pub(crate) socket: SocketNumber,
}

/// The room is over; the socket should close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the room is over")]
pub struct RoomOver;

impl RequestSender {
    /// Hands a request over, waiting while the room is busy.
    ///
    /// # Errors
    /// The room is over.
    pub async fn send(&self, request: proto::SignalRequest) -> Result<(), RoomOver> {
        let input = Input::Request { member: self.member, socket: self.socket, request: Box::new(request) };
        self.room.send(input).await.map_err(|_| RoomOver)
    }
}

impl Drop for RequestSender {
    fn drop(&mut self) {
        let input = Input::SocketGone { member: self.member, socket: self.socket };
        if let Err(mpsc::error::TrySendError::Full(input)) = self.room.try_send(input) {
            let room = self.room.clone();
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move {
                    let _ = room.send(input).await;
                });
            }
        }
    }
}
