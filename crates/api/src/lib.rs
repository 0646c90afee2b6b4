//! The server API: rooms and participants for back ends, as LiveKit's server SDKs and `lk` call it.
//!
//! | module | owns |
//! |---|---|
//! | [`twirp`] | one call of a method: decode, answer, errors by name, in protobuf and JSON |
//! | [`services`] | which service a call is for, and those that are not there |
//! | [`rights`] | who calls, and what its token must grant for a method |
//! | [`rooms`] | `livekit.RoomService` |
//! | [`agents`] | `livekit.AgentDispatchService` |
//!
//! Must not: decide anything about rooms or participants. It checks rights and hands over to the node.

mod agents;
mod rights;
mod rooms;
mod services;
mod twirp;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::any;
use tutti_cluster::Node;
use tutti_room::Presets;
use tutti_token::Keys;

/// Largest request: a data message or metadata at its limit fits several times.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What the API is opened with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// API keys whose tokens are accepted.
    pub keys: Keys,
    /// Longest room name, bytes.
    pub room_name_bytes: usize,
    /// What `CreateRoom` may name as a preset.
    pub presets: Presets,
}

/// What every method sees.
struct Api {
    node: Node,
    settings: Settings,
}

/// All routes of the API, to be merged into those of the front door.
pub fn router(node: Node, settings: Settings) -> Router {
    let routes = Router::new().route("/twirp/{service}/{method}", any(services::call));
    routes.layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(Arc::new(Api { node, settings }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_request_may_be_as_long_as_promised() {
        assert_eq!(super::BODY_BYTES_MAX, 1_048_576, "docs/server-api/README.md");
    }
}
