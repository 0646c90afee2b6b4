//! What tests of several crates start from: a server on loopback, somebody who joins, a plain client that asks.
//!
//! | module | owns |
//! |---|---|
//! | [`fixtures`] | values: keys, tokens, who joins, what a node and its media plane are made with |
//! | [`server`] | a whole server in this process, on ports that the system chooses |
//! | [`http`] | requests of any form, and their answers |
//! | [`socket`] | a signalling socket from the client's side |
//!
//! Only tests depend on it. What goes wrong here is a failed test: it panics.

mod fixtures;
mod http;
mod server;
mod socket;

use std::time::Duration;

pub use fixtures::{KEY, SECRET, UNIX_MS, facts, join, joiner, keys, media, node, seat, single_join_query, token};
pub use http::Answer;
pub use server::{Server, ServerConfig};
pub use socket::Socket;

/// Nothing that a test waits for takes this long, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
