//! A headless client: the real protocol over WebSocket and UDP, without a browser, for tests and measurements.
//!
//! Publishes synthetic media that looks real to a server ([`TrackPlan`]) and measures what comes through ([`Figures`]).
//! Built on the same wire and core crates as the server, so what both get wrong alike it cannot see: other
//! implementations are tried elsewhere. Nothing that serves users may depend on it.
//!
//! | module | owns |
//! |---|---|
//! | `client`, `options` | a client as its owner sees it, and how it joins |
//! | `call` | the task that runs it: dialogue, connections, tracks |
//! | `signalling` | the WebSocket |
//! | `description` | session descriptions of ours and of the server |
//! | `strict` | what no server may say |
//! | `peer` | a UDP socket and its transport |
//! | `outgoing`, `synthetic`, `stamp` | what is published |
//! | `reception`, `incoming` | what is received |
//! | `figures`, `histogram` | what was measured |
//! | [`load`] | many clients at once, and one report on them |

mod call;
mod client;
mod description;
mod error;
mod figures;
mod histogram;
mod incoming;
pub mod load;
mod options;
mod outgoing;
mod peer;
mod reception;
mod signalling;
mod stamp;
mod strict;
mod synthetic;

pub use client::Client;
pub use error::ClientError;
pub use figures::{Figures, Received, Sent, TrackFigures};
pub use histogram::Histogram;
pub use livekit_protocol::VideoQuality;
pub use options::{JoinOptions, Mode};
pub use outgoing::TrackPlan;
pub use peer::Endpoint;
pub use signalling::ServerUrl;
pub use tutti_transport::Channel;
