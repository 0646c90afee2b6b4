//! The node: which rooms it owns and the task that runs each of them.

mod join;
mod node;
mod room_task;

pub use join::{Attached, JoinError, JoinRequest, Outgoing, RequestSender, Resume, RoomOver, TokenIssuer};
pub use node::{Node, NodeConfig, NodeCounts};
