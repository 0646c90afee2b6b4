//! One job: what it is for, and how far it is. Decides nothing.

use std::collections::BTreeSet;

use livekit_protocol as proto;
use tutti_id::RoomName;

use crate::worker::{Pool, WorkerNumber};

/// What a dispatch has one job for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    pub(crate) job_type: i32,
    pub(crate) namespace: String,
    /// Sid of the participant; empty: the room.
    pub(crate) participant: String,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nobody can take it now.
    Waiting,
    /// A worker is asked.
    Asked(WorkerNumber),
    /// A worker does it.
    Running(WorkerNumber),
    /// Its worker is gone. It may come again, and the agent may be there still.
    Orphaned,
    /// Its agent left the room, and the worker has not said why.
    Leaving(WorkerNumber),
    /// Its worker was told to end it, and the agent is in the room still.
    Ending,
}

/// One job that is not over.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) info: proto::Job,
    pub(crate) room: RoomName,
    /// Sid of the room: another one of the same name is another room.
    pub(crate) room_sid: String,
    pub(crate) pool: Pool,
    pub(crate) slot: Slot,
    /// It never comes to another worker.
    pub(crate) once: bool,
    pub(crate) phase: Phase,
    /// Workers that did not take it.
    pub(crate) tried: BTreeSet<WorkerNumber>,
    /// Some worker had it before.
    pub(crate) resuming: bool,
    /// Sid of its agent in the room.
    pub(crate) agent_sid: String,
}

impl Job {
    pub(crate) fn state(&mut self) -> &mut proto::JobState {
        self.info.state.get_or_insert_default()
    }

    /// Who its agent is in the room; empty as long as no worker has it.
    pub(crate) fn identity(&self) -> &str {
        self.info.state.as_ref().map_or("", |state| &state.participant_identity)
    }
}
