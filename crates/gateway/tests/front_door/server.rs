//! The servers of these tests: they issue development tokens, and differ in what they let in.

use tutti_cluster::NodeConfig;
use tutti_gateway::Settings;
use tutti_harness::{KEY, ServerConfig};
pub(crate) use tutti_harness::{PATIENCE, Server, keys, single_join_query, token};

/// A server that makes rooms for whoever joins, with the development endpoint.
pub(crate) fn start() -> Server {
    start_with(true, Some(KEY))
}

pub(crate) fn start_with(auto_create: bool, dev_key: Option<&str>) -> Server {
    start_for(auto_create, dev_key, 100)
}

/// A server that takes `connections_max` clients.
pub(crate) fn start_for(auto_create: bool, dev_key: Option<&str>, connections_max: usize) -> Server {
    let ServerConfig { node, gateway } = ServerConfig::default();
    Server::start(ServerConfig {
        node: NodeConfig { auto_create, ..node },
        gateway: Settings { dev_key: dev_key.map(str::to_owned), connections_max, ..gateway },
    })
}
