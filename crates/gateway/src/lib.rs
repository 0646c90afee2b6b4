//! The HTTP front door: health, metrics, demo, CORS, join checks and the signalling WebSocket.
//!
//! | module | owns |
//! |---|---|
//! | [`routes`] | which path is answered by what; CORS; the tolerance towards odd paths |
//! | [`join`] | from an HTTP request to a checked join: token, parameters, rights, limits, in order |
//! | [`socket`] | a joined client's WebSocket: frames in, frames out, limits, keep-alive, close |
//! | [`demo`] | the embedded demo page |
//! | [`dev_token`] | tokens for the asking, in development mode only |
//! | [`metrics`] | every metric, by name |
//! | [`serve`] | listeners, connections, graceful stop |
//!
//! Must not: decide anything about rooms, participants or media. It decodes, checks and hands over to the node.

mod demo;
mod dev_token;
mod join;
mod metrics;
mod query;
mod routes;
mod serve;
mod socket;

use std::sync::Arc;

use tutti_cluster::Node;
use tutti_room::Limits;
use tutti_token::Keys;

pub use serve::{ServeError, listen, serve};

/// What the front door is opened with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// API keys whose tokens are accepted.
    pub keys: Keys,
    /// API key that signs tokens for whoever asks. Only in development mode.
    pub dev_key: Option<String>,
    /// Answer browsers on `/` with the demo page.
    pub demo: bool,
    /// Answer on `/metrics`.
    pub metrics: bool,
    /// TCP connections at a time; further ones wait in the system's queue.
    pub connections_max: usize,
    /// What names and metadata may not exceed.
    pub limits: Limits,
    /// Longest room name, bytes.
    pub room_name_bytes: usize,
}

/// The front door of one node. Clones are handles to the same one.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

/// What every handler sees.
struct Inner {
    node: Node,
    settings: Settings,
    keys: Arc<Keys>,
    metrics: metrics::Metrics,
    sockets: socket::OpenSockets,
}

impl Gateway {
    /// A front door for a node.
    pub fn new(node: Node, settings: Settings) -> Self {
        let keys = Arc::new(settings.keys.clone());
        let sockets = socket::OpenSockets::default();
        let metrics = metrics::Metrics::new(node.clone(), sockets.clone());
        Self(Arc::new(Inner { node, settings, keys, metrics, sockets }))
    }
}
