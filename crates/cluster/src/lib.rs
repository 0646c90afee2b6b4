//! The node: which rooms it owns and the task that runs each of them.

mod join;
mod node;
mod room_core;
mod room_task;

pub use join::{
    AdminRefusal, Attached, JoinError, JoinRequest, Outgoing, RequestSender, Resume, RoomOver, TokenIssuer,
};
pub use node::{Node, NodeConfig, NodeCounts};
pub use room_core::{Refusal, RoomCore, RoomInput, RoomOutput, RoomStart, SocketNumber};
