//! What a dispatcher starts with.

use livekit_protocol as proto;

/// What a dispatcher starts with.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// A worker whose load is not below this gets no new jobs, 0.0 to 1.0.
    pub target_load: f32,
    /// What workers are told of the server.
    pub server_info: proto::ServerInfo,
    /// What nobody may exceed.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self { target_load: 0.7, server_info: proto::ServerInfo::default(), limits: Limits::default() }
    }
}

/// Limits of one dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Workers at a time.
    pub workers: usize,
    /// Dispatches of one room.
    pub dispatches: usize,
    /// Jobs at a time, over all rooms.
    pub jobs: usize,
    /// Jobs that ended and are still listed with their dispatch.
    pub ended_jobs: usize,
    /// Names of agents and namespaces, bytes each.
    pub name_bytes: usize,
    /// Metadata of a dispatch, bytes.
    pub metadata_bytes: usize,
    /// Keys and values of a dispatch's attributes together, bytes.
    pub attributes_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: 4096,
            dispatches: 100,
            jobs: 100_000,
            ended_jobs: 100,
            name_bytes: 256,
            metadata_bytes: 512 * 1024,
            attributes_bytes: 64 * 1024,
        }
    }
}
