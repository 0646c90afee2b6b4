//! `tutti serve`: builds the node and its front door, runs them, stops them.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};

use livekit_protocol as proto;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tutti_cluster::{Node, NodeConfig};
use tutti_gateway::{Gateway, Settings, listen, serve, serve_metrics};
use tutti_room::Limits;
use tutti_signal::Facts;

use crate::config::{Config, ConfigError, DEV_KEY};
use crate::record::Record;
use crate::{discover, log};

/// Version of the protocol's reference server whose behaviour clients may expect. They switch features by it, so it is
/// not the version of this program (docs/protocol.md#join-response: strict semver, at least 1.8.0).
const COMPATIBLE_VERSION: &str = "1.9.0";
/// Number of the signalling protocol (docs/protocol.md#protocol-versions).
const PROTOCOL: i32 = 17;
/// Secrets are better not shorter: as long as what they sign with (RFC 7518, section 3.2).
const SECRET_BYTES_ADVISED: usize = 32;
/// Clients ping this often, seconds.
const PING_INTERVAL_S: i32 = 5;
/// Clients give up after this long without an answer, seconds.
const PING_TIMEOUT_S: i32 = 15;

/// Runs the server until it is told to stop.
pub(crate) fn run(config: &Config) -> Result<(), Box<dyn Error>> {
    log::start(&config.log)?;
    if config.keys.is_empty() {
        return Err(ConfigError::NoKeys.into());
    }
    config.check_reach()?;
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run_until_stopped(config))
}

async fn run_until_stopped(config: &Config) -> Result<(), Box<dyn Error>> {
    // From here on signals are ours: one that comes while starting is not lost.
    let stop = Stop::new()?;
    let listeners = listen(&config.bind, config.port)?;
    let metrics = config.metrics.port.map(|port| listen(&config.metrics.bind, port)).transpose()?.unwrap_or_default();
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    let record = Record::open(config).await?;
    let mut node_config = node_config(config, record.node());
    if node_config.media.advertised.is_empty() && !config.rtc.discover_ip.is_empty() {
        node_config.media.advertised = discover::addresses(&config.rtc.discover_ip).await?;
    }
    let node = Node::start_telling(node_config, record.sink())?;
    let api = tutti_api::Settings {
        keys: config.keys(),
        room_name_bytes: config.limits.room_name_bytes,
        presets: config.presets(),
    };
    let api = tutti_api::router(node.clone(), api);
    let settings = Settings { facts: Some(record.facts()), ..settings(config, api) };
    let gateway = Gateway::with_readings(node, settings, record.readings());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), ?addresses, "started");
    announce(config, &addresses);
    let metrics = tokio::spawn(serve_metrics(gateway.clone(), metrics));
    serve(gateway, listeners, stop.requested()).await;
    metrics.abort();
    record.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Says where the server is: one address.
fn announce(config: &Config, addresses: &[SocketAddr]) {
    let Some(first) = addresses.first() else { return };
    let host = if first.ip().is_loopback() || first.ip().is_unspecified() {
        "localhost".to_owned()
    } else {
        match first.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        }
    };
    println!("Tutti is ready: http://{host}:{}", first.port());
    if config.dev {
        println!("API key {DEV_KEY}, secret {}: for development only", crate::config::DEV_SECRET);
        if config.dev_open {
            tracing::warn!("--dev-open: everybody who reaches this server can make tokens and join any room");
        }
        return;
    }
    for (api_key, secret) in &config.keys {
        if secret.expose().len() < SECRET_BYTES_ADVISED {
            tracing::warn!(api_key, "the secret is shorter than {SECRET_BYTES_ADVISED} bytes");
        }
    }
}

fn settings(config: &Config, api: axum::Router) -> Settings {
    Settings {
        keys: config.keys(),
        dev_key: config.dev.then(|| DEV_KEY.to_owned()),
        demo: config.http.demo,
        metrics: config.http.metrics,
        trusted_proxies: config.http.trusted_proxies.clone(),
        connections_max: config.http.connections_max,
        api,
        limits: limits(config),
        room_name_bytes: config.limits.room_name_bytes,
        presets: config.presets(),
        facts: None,
    }
}

fn limits(config: &Config) -> Limits {
    Limits {
        room_name_bytes: config.limits.room_name_bytes,
        identity_bytes: config.limits.identity_bytes,
        name_bytes: config.limits.name_bytes,
        metadata_bytes: config.limits.metadata_bytes,
        attributes_bytes: config.limits.attributes_bytes,
        tracks: config.limits.tracks,
        data_tracks: config.limits.data_tracks,
        data_blobs_bytes: config.limits.data_blobs_bytes,
        ..Limits::default()
    }
}

fn node_config(config: &Config, node: &str) -> NodeConfig {
    let rooms = &config.rooms;
    let server_info = proto::ServerInfo {
        edition: proto::server_info::Edition::Standard.into(),
        version: COMPATIBLE_VERSION.to_owned(),
        protocol: PROTOCOL,
        region: config.region.clone(),
        node_id: node.to_owned(),
        debug_info: concat!("tutti ", env!("CARGO_PKG_VERSION")).to_owned(),
        agent_protocol: 1,
    };
    let agents = tutti_agent::Settings {
        target_load: config.agents.target_load,
        server_info: server_info.clone(),
        ..Default::default()
    };
    NodeConfig {
        media: config.media(),
        facts: Facts {
            server_info,
            codecs: rooms.codecs.clone(),
            ping_interval_s: PING_INTERVAL_S,
            ping_timeout_s: PING_TIMEOUT_S,
        },
        ice_servers: config.rtc.ice_servers.iter().map(ice_server).collect(),
        room: tutti_room::Settings {
            empty_timeout: std::time::Duration::from_secs(rooms.empty_timeout_s),
            departure_timeout: std::time::Duration::from_secs(rooms.departure_timeout_s),
            max_participants: rooms.max_participants,
            sync_streams: rooms.sync_streams,
            remote_unmute: rooms.remote_unmute,
            codecs: rooms.codecs.clone(),
            limits: limits(config),
            ..tutti_room::Settings::default()
        },
        auto_create: rooms.auto_create,
        rooms_max: rooms.rooms_max,
        agents,
    }
}

fn ice_server(server: &crate::config::IceServer) -> proto::IceServer {
    proto::IceServer {
        urls: server.urls.clone(),
        username: server.username.clone(),
        credential: server.credential.expose().to_owned(),
    }
}

/// Every client is a descriptor; the system's usual limit is made for programs that have few.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
}

/// SIGTERM and SIGINT.
struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Ends at the first signal. The second one ends the process at once.
    async fn requested(mut self) {
        self.next().await;
        tracing::info!("stopping; a second signal stops at once");
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(1);
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
