//! What is known of one room, and of its dispatches. Decides nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use livekit_protocol as proto;

use crate::job::Slot;

/// One room that is open.
#[derive(Debug)]
pub(crate) struct Room {
    /// The room as it was opened.
    pub(crate) info: proto::Room,
    pub(crate) dispatches: BTreeMap<String, Dispatch>,
    /// Jobs whose agents are or were in the room, by identity.
    pub(crate) agents: BTreeMap<String, String>,
    /// All jobs for it that are not over.
    pub(crate) jobs: BTreeSet<String>,
}

/// One wish for agents.
#[derive(Debug)]
pub(crate) struct Dispatch {
    /// As back ends see it, without its jobs.
    pub(crate) info: proto::AgentDispatch,
    /// What it has jobs for, or had while whoever they were for is there. The ids may be of jobs that ended.
    pub(crate) slots: BTreeMap<Slot, String>,
    /// The last jobs that ended, oldest first.
    pub(crate) ended: VecDeque<proto::Job>,
}
