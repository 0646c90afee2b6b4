//! One worker: what it said of itself and what it does. Decides nothing.

use std::collections::BTreeSet;

use livekit_protocol as proto;
use tutti_id::AppId;

/// Names one worker's connection. Whoever accepts it chooses; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerNumber(pub u64);

/// Workers of one pool take the same jobs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pool {
    pub(crate) app: AppId,
    pub(crate) agent_name: String,
    pub(crate) job_type: i32,
    pub(crate) deployment: String,
    /// Each namespace gets a job of its own.
    pub(crate) namespace: String,
}

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) app: AppId,
    pub(crate) api_key: String,
    /// `AW_…`
    pub(crate) id: String,
    /// `None` until it registered.
    pub(crate) registered: Option<Registered>,
    /// Jobs that it was asked about and has not answered.
    pub(crate) asked: BTreeSet<String>,
    /// Jobs that it does.
    pub(crate) jobs: BTreeSet<String>,
}

/// What a worker said of itself.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) pool: Pool,
    pub(crate) permission: proto::ParticipantPermission,
    pub(crate) available: bool,
    pub(crate) load: f32,
}

impl Registered {
    /// How much more it takes; 0 = nothing.
    pub(crate) fn room_left(&self, target_load: f32) -> f32 {
        if self.available { (target_load - self.load).max(0.0) } else { 0.0 }
    }
}
