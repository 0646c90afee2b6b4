//! Agent workers and their jobs (docs/server-api/agents.md): which workers are there, which room or participant is due an
//! agent, who gets the job, and what becomes of it.
//!
//! [`Dispatcher`] is a state machine without I/O. What workers say, what happens in rooms and what back ends ask goes in,
//! what workers are told comes out ([`Output`]). Time is an argument, chance comes from a seed.
//!
//! | modules | what they are |
//! |---|---|
//! | [`moment`], [`output`], [`error`], [`settings`] | what passes through the doors: plain values |
//! | [`ids`], [`worker`], [`job`], [`room`], [`agenda`] | state; knows nothing of [`Dispatcher`] |
//! | [`dispatcher`] | the books, and what is put out |
//! | [`workers`], [`rooms`], [`dispatches`] | the doors: for workers, for what happens in rooms, for back ends |
//! | [`assign`], [`launch`], [`ending`] | one behaviour each, as methods of [`Dispatcher`] |
//!
//! Must not: know what a room is made of, sign tokens, or know sockets.

mod agenda;
mod assign;
mod dispatcher;
mod dispatches;
mod ending;
mod error;
mod ids;
mod job;
mod launch;
mod moment;
mod output;
mod room;
mod rooms;
mod settings;
mod worker;
mod workers;

pub use dispatcher::{Census, Dispatcher};
pub use error::{Crowded, DispatchError};
pub use moment::Moment;
pub use output::{Goodbye, Grant, Output};
pub use settings::{Limits, Settings};
pub use worker::WorkerNumber;
