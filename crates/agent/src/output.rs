//! What a dispatcher puts out; drained until empty after every input.

use std::collections::BTreeMap;

use livekit_protocol as proto;
use tutti_id::RoomName;

use crate::worker::WorkerNumber;

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this to a worker.
    Send {
        /// Which.
        worker: WorkerNumber,
        /// What.
        message: Box<proto::ServerMessage>,
    },
    /// Sign a token for the agent of a job, and send both to the worker as its assignment.
    Assign {
        /// Which.
        worker: WorkerNumber,
        /// The job as the worker is told it.
        job: Box<proto::Job>,
        /// What the token says.
        grant: Box<Grant>,
    },
    /// End a worker's connection.
    Close {
        /// Which.
        worker: WorkerNumber,
        /// What it is told.
        why: Goodbye,
    },
    /// A dispatch wants to know who is in its room: answer with [`crate::Dispatcher::present`].
    Survey {
        /// Where.
        room: RoomName,
        /// Its id.
        dispatch: String,
    },
    /// An agent did not go by itself: take it out of its room.
    Remove {
        /// Where.
        room: RoomName,
        /// Who.
        identity: String,
    },
    /// A worker took a job.
    JobStarted {
        /// Where.
        room: RoomName,
        /// The job.
        job: Box<proto::Job>,
    },
    /// A job is over.
    JobEnded {
        /// Where.
        room: RoomName,
        /// The job with its last state.
        job: Box<proto::Job>,
    },
}

/// What an agent's token says.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// The key that the worker came with; it signs.
    pub api_key: String,
    /// The room.
    pub room: String,
    /// Who the agent is there.
    pub identity: String,
    /// Its name.
    pub name: String,
    /// Its metadata.
    pub metadata: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Its rights.
    pub permission: proto::ParticipantPermission,
}

/// Why a worker's connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Goodbye {
    /// The server stops.
    #[error("the server stops")]
    Stopping,
    /// It said nothing of itself in time.
    #[error("no registration within 10 s")]
    NotRegistered,
    /// It spoke before it registered, or registered twice.
    #[error("registration is the first message, and there is one")]
    OutOfOrder,
    /// Its registration cannot be used.
    #[error("the registration names an unknown type of job, or a name that cannot be taken")]
    BadRegistration,
}
