//! What it takes to join a room of this node, and why a join or a back end's request is refused. Values only.

use livekit_protocol as proto;
use tutti_id::RoomName;
use tutti_room::Joiner;
use tutti_signal::Mode;

/// A client that takes up a session it had (docs/protocol.md#resume).
#[derive(Debug, Clone)]
pub struct Resume {
    /// Participant sid that the client believes it has; empty if it does not say.
    pub sid: String,
}

/// Everything that decides a join. Rights and limits were checked from the token before.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    /// The room: its name from the token, its app from the key that signed it.
    pub room: RoomName,
    /// Make the room if there is none.
    pub create: bool,
    /// Settings for a room that this join makes.
    pub room_config: Option<proto::RoomConfiguration>,
    /// Who joins.
    pub joiner: Joiner,
    /// Dual or single peer connection.
    pub mode: Mode,
    /// The client's `protocol` number.
    pub protocol: u32,
    /// Set for a resume.
    pub resume: Option<Resume>,
    /// The client asked for a full ICE agent.
    pub disable_ice_lite: bool,
    /// The client lets the server pause its video when bandwidth is short; `None` = server default. Nothing acts on it
    /// yet: the server pauses no video by itself.
    pub subscriber_allow_pause: Option<bool>,
    /// Tracks that it announces with the join itself.
    pub add_tracks: Vec<proto::AddTrackRequest>,
    /// Its first offer, sent with the join itself.
    pub publisher_offer: Option<proto::SessionDescription>,
    /// What it believes after a resume, sent with the join itself.
    pub sync_state: Option<proto::SyncState>,
}

impl JoinRequest {
    /// A first join to a room that is there, which asks for nothing besides.
    pub fn new(room: RoomName, joiner: Joiner, mode: Mode) -> Self {
        Self {
            room,
            create: false,
            room_config: None,
            mode,
            protocol: u32::try_from(joiner.client.protocol).unwrap_or_default(),
            joiner,
            resume: None,
            disable_ice_lite: false,
            subscriber_allow_pause: None,
            add_tracks: Vec::new(),
            publisher_offer: None,
            sync_state: None,
        }
    }
}

/// Why a join was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The room is absent and may not be made.
    #[error("requested room does not exist")]
    RoomNotFound,
    /// The node takes no more rooms.
    #[error("the server is full: max rooms {max}")]
    NodeFull {
        /// The limit.
        max: usize,
    },
    /// The node is shutting down.
    #[error("the server is shutting down")]
    Stopping,
    /// The room's task is gone; a bug.
    #[error("the room failed")]
    RoomFailed,
    /// What the room was to be made with cannot be.
    #[error(transparent)]
    Settings(#[from] tutti_room::SettingsError),
    /// The agents that the room was to be made with cannot be dispatched.
    #[error(transparent)]
    Agents(#[from] tutti_agent::DispatchError),
    /// The room refused it.
    #[error(transparent)]
    Refused(tutti_room::JoinError),
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
    /// The call of a participant has no result.
    #[error(transparent)]
    Call(#[from] tutti_room::CallError),
}

/// Why no dispatch of agents was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DispatchRefusal {
    /// There is no room for it, and none could be made.
    #[error(transparent)]
    Room(#[from] JoinError),
    /// It cannot be made.
    #[error(transparent)]
    Dispatch(#[from] tutti_agent::DispatchError),
}
