//! The HTTP front door: health, metrics, demo, CORS, join checks and the signalling WebSocket.
//!
//! | module | owns |
//! |---|---|
//! | [`routes`] | which path is answered by what; CORS; the tolerance towards odd paths |
//! | [`join`] | from an HTTP request to a checked join: token, parameters, rights, limits, in order |
//! | [`agent`] | the WebSocket of agent workers |
//! | [`socket`] | a joined client's WebSocket: frames in, frames out, limits, keep-alive, close |
//! | [`proxies`] | who a request is from when it comes through a proxy |
//! | [`proxy_protocol`] | the head that a proxy below HTTP puts before a connection |
//! | [`door`] | places for connections: at the door, and inside |
//! | [`demo`] | the embedded demo page |
//! | [`dev_token`] | tokens for the asking, in development mode only |
//! | [`metrics`] | every metric, by name |
//! | [`serve`] | listeners, connections, graceful stop |
//!
//! Must not: decide anything about rooms, participants or media. It decodes, checks and hands over to the node.

mod agent;
mod demo;
mod dev_token;
mod door;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod join;
mod metrics;
#[cfg(test)]
mod promises;
mod proxies;
mod proxy_protocol;
mod query;
mod routes;
mod serve;
mod socket;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tutti_cluster::Node;
use tutti_limit::{Allowance, Rate};
use tutti_room::{Limits, Presets};
use tutti_store::Facts;
use tutti_token::Keys;

pub use proxies::{Network, NotANetwork};
pub use serve::{ServeError, listen, serve, serve_metrics};

/// Refused joins that are logged. Anybody can have any number of them refused.
const REFUSALS_LOGGED: Rate = Rate::new(10, 100);

/// What the front door is opened with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// API keys whose tokens are accepted.
    pub keys: Keys,
    /// API key that signs tokens for whoever asks. Only in development mode.
    pub dev_key: Option<String>,
    /// Answer browsers on `/` with the demo page.
    pub demo: bool,
    /// Answer on `/metrics` at this door as well.
    pub metrics: bool,
    /// Proxies that are believed when they say whom they speak for.
    pub trusted_proxies: Vec<Network>,
    /// Clients that are in at a time; further ones are refused. Connections that have not joined have places of their own.
    pub connections_max: usize,
    /// What else is answered at this door: the server API.
    pub api: axum::Router,
    /// What names and metadata may not exceed.
    pub limits: Limits,
    /// Longest room name, bytes.
    pub room_name_bytes: usize,
    /// What tokens may name as the preset of the room that they make.
    pub presets: Presets,
    /// What happens is written down here; read for metrics.
    pub facts: Option<Facts>,
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
    readings: Readings,
    sockets: socket::OpenSockets,
    door: door::Door,
    refusals_logged: Mutex<Allowance>,
}

/// A number that somebody else counts, for [`Gateway::with_readings`].
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Its name, without `tutti_` and `_total`.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Whether it only goes up.
    pub is_counter: bool,
    /// What it is now.
    pub value: u64,
}

/// Is asked for numbers at each scrape of the metrics.
pub type Readings = Arc<dyn Fn() -> Vec<Reading> + Send + Sync>;

impl Gateway {
    /// A front door for a node.
    pub fn new(node: Node, settings: Settings) -> Self {
        Self::with_readings(node, settings, Arc::new(Vec::new))
    }

    /// As [`Self::new`]; the metrics show what `readings` gives as well.
    pub fn with_readings(node: Node, settings: Settings, readings: Readings) -> Self {
        let keys = Arc::new(settings.keys.clone());
        let sockets = socket::OpenSockets::default();
        let door = door::Door::new(settings.connections_max);
        let metrics = metrics::Metrics::default();
        let refusals_logged = Mutex::default();
        Self(Arc::new(Inner { node, settings, keys, metrics, readings, sockets, door, refusals_logged }))
    }
}

impl Inner {
    /// What is read at each scrape.
    fn readings(&self) -> metrics::Readings {
        let (at_the_door, shown_out) = self.door.counts();
        metrics::Readings {
            node: self.node.counts(),
            media: self.node.media_metrics(),
            store: self.settings.facts.as_ref().map(Facts::counts),
            signal_sockets: self.sockets.count() as u64,
            http_connections: at_the_door as u64,
            http_connections_closed: shown_out,
            more: (self.readings)(),
        }
    }

    /// Whether one more refusal may be logged now.
    fn may_log(&self, now: Instant) -> bool {
        // Nothing that can panic runs under this lock.
        let mut logged = self.refusals_logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.take(now, REFUSALS_LOGGED, 1)
    }
}
