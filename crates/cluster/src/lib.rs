//! The node: which rooms it owns and the task that runs each of them.
//!
//! | module | owns | pure |
//! |---|---|---|
//! | [`join`] | what it takes to join, and why a join is refused | yes |
//! | [`input`] | what passes between a room and those around it | yes |
//! | [`flow`] | who may go on sending reliable data | yes |
//! | [`room_core`] | one room and the dialogues of its members as one machine | yes |
//! | [`room_round`] | one round of a room's inputs, with a fence around its faults | yes |
//! | [`lanes`] | the two ways to a room | |
//! | [`shared`] | what the rooms of a node share: tables, media plane, counters | |
//! | [`journal`] | what the log says of rooms | |
//! | [`attached`] | a joined client's end of its session | |
//! | [`agents`] | the agent workers of a node: their ends of the wire, their clock | |
//! | [`room_task`] | the task that runs one room | |
//! | [`node`] | the node as gateway and server API see it | |
//!
//! Each imports only those above it.

mod agents;
mod attached;
mod flow;
mod input;
mod join;
mod journal;
mod lanes;
mod node;
#[cfg(test)]
mod promises;
mod room_core;
mod room_round;
mod room_task;
mod shared;

pub use agents::{AttachedWorker, ToWorker, WorkerSender};
pub use attached::{Attached, RequestSender, RoomOver};
pub use input::{
    Answer, Failure, Note, Outgoing, Question, Refusal, RoomInput, RoomOutput, Seat, SocketAddress, SocketNumber,
    Ticket,
};
pub use join::{AdminRefusal, DispatchRefusal, JoinError, JoinRequest, Resume};
pub use node::{Node, NodeConfig, NodeCounts};
pub use room_core::{RoomCore, RoomStart};
pub use room_round::{INPUTS_PER_ROUND, RoomRound};
pub use shared::EventSink;
pub use tutti_agent::DispatchError;
