//! Shards: one pinned thread per core that runs transports and forwards media.
//!
//! | module | owns |
//! |---|---|
//! | [`plane`] | the handle that the control plane holds: places transports, routes commands, starts and stops the threads |
//! | [`shard`] | what one shard decides: demultiplexing, joining transports with tracks, batching; free of I/O |
//! | [`batch`] | sealed datagrams on their way from a shard to the sockets |
//! | [`io`] | sockets and threads: the only place with system calls |
//! | [`mailbox`] | commands into a shard: bounded, lossless, with back-pressure |
//! | [`ring`] | packets between two shards: bounded, lossy, counted |
//! | [`wheel`] | the timing wheel |
//! | [`metrics`] | counters as values |
//!
//! Must not: know rooms, participants or signalling; take a lock or allocate on the packet path.

pub mod batch;
mod command;
mod config;
pub mod io;
pub mod mailbox;
pub mod metrics;
pub mod plane;
mod prefetch;
pub mod ring;
pub mod shard;
pub mod wheel;

pub use command::{EventSink, MediaCommand, MediaEvent, Placement};
pub use config::{MediaConfig, MediaError};
pub use metrics::{MediaMetrics, ShardMetrics};
pub use plane::MediaPlane;
