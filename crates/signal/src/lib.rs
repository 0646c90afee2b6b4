//! One client's LiveKit dialogue: join, negotiate, subscribe, resume, leave.
//!
//! [`Session`] is the dialogue, [`negotiation`] the session descriptions of one of its peer connections. Both are
//! state machines without I/O: requests, notices of the room and events of the media plane go in, [`Output`]s come out.

mod frame;
mod named;
pub mod negotiation;
mod session;

pub use frame::Frame;
pub use session::{Facts, Mode, Output, Placement, Session, Start, member_of, transports_of};
