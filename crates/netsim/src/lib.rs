//! Whole calls on a virtual clock: rooms, dialogues, shards and clients of another implementation, over networks that
//! lose, hold back and repeat, with faults at named points. Everything follows from a seed.
//!
//! | module | owns |
//! |---|---|
//! | `scenario` | what happens: drawn from the seed, nothing else |
//! | `world` | the clock, datagrams and sockets on their way |
//! | `network` | what happens to a datagram |
//! | `server` | rooms and shards, driven as a node's shells drive them |
//! | `client` | a client: what its user wants, its sessions, str0m under it |
//! | `oracle` | what must hold |
//! | `run` | one simulation from its seed to its verdict |
//!
//! Tests and tools only: nothing imports it.

mod client;
mod crypto;
mod network;
mod oracle;
mod run;
mod scenario;
mod server;
mod stamp;
mod story;
mod world;

pub use oracle::{MemberOutcome, Outcome};
pub use run::{Failure, Report, check, fault_points, repeats_exactly, run};
