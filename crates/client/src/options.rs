//! How a client joins.

use crate::outgoing::TrackPlan;
use crate::signalling::ServerUrl;

/// Free sections of each kind in a first offer, as browsers have them.
const RECEIVE_SECTIONS: u32 = 3;

/// How many peer connections a client has (docs/protocol.md#peer-connections).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// One, whose offers are the client's: `/rtc/v1`.
    #[default]
    Single,
    /// One for each direction: `/rtc`.
    Dual,
}

/// How a client joins.
#[derive(Debug, Clone)]
pub struct JoinOptions {
    /// The server.
    pub url: ServerUrl,
    /// Access token; it names room and identity.
    pub token: String,
    /// Peer connections.
    pub mode: Mode,
    /// What it publishes from the start.
    pub publish: Vec<TrackPlan>,
    /// Whether it gets every track of the others.
    pub auto_subscribe: bool,
    /// Free sections of each kind in the first offer of single mode.
    pub receive_sections: u32,
}

impl JoinOptions {
    /// Subscribes to everything, publishes nothing, in single mode.
    pub fn new(url: ServerUrl, token: String) -> Self {
        Self {
            url,
            token,
            mode: Mode::Single,
            publish: Vec::new(),
            auto_subscribe: true,
            receive_sections: RECEIVE_SECTIONS,
        }
    }
}
