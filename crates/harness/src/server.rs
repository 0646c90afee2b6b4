//! A whole server in this process, on loopback ports that the system chooses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use livekit_protocol as proto;
use proto::signal_response::Message as Response;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tutti_client::{JoinOptions, ServerUrl};
use tutti_cluster::{Node, NodeConfig};
use tutti_gateway::{Gateway, Settings, listen, serve};
use tutti_token::Claims;

use crate::fixtures::{keys, node, token};
use crate::{Answer, PATIENCE, Socket};

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Rooms and media.
    pub node: NodeConfig,
    /// The front door. The default serves the demo and metrics, issues no tokens and believes proxies on loopback.
    pub gateway: Settings,
}

impl Default for ServerConfig {
    fn default() -> Self {
        let gateway = Settings {
            keys: keys(),
            dev_key: None,
            demo: true,
            metrics: true,
            trusted_proxies: vec!["127.0.0.1".parse().expect("a network")],
            connections_max: 1000,
            api: axum::Router::new(),
            limits: tutti_room::Limits::default(),
            room_name_bytes: 256,
            presets: Default::default(),
            facts: None,
        };
        Self { node: node(), gateway }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Where it listens for HTTP.
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

impl Server {
    /// Starts a server; it listens when this returns.
    pub fn start(config: ServerConfig) -> Self {
        let node = Node::start(config.node).expect("loopback has free media ports");
        let gateway = Gateway::new(node, config.gateway);
        let listeners = listen(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 0).expect("loopback has free ports");
        let address = listeners.first().expect("one address was asked for").local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(serve(gateway, listeners, async {
            let _ = stopped.await;
        }));
        Self { address, stop, done }
    }

    /// How a headless client that calls itself `identity` joins `room`.
    pub fn options(&self, room: &str, identity: &str) -> JoinOptions {
        let url = ServerUrl::parse(&format!("ws://{}", self.address)).expect("an address");
        JoinOptions::new(url, token(&Claims::join(room, identity)))
    }

    /// Opens a signalling socket; a refusal is an answer.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn connect(&self, target: &str) -> Result<Socket, Answer> {
        Socket::connect(self.address, target).await
    }

    /// Joins a room with two peer connections, and reads the first message.
    pub async fn join(&self, room: &str, identity: &str) -> (Socket, proto::JoinResponse) {
        let target = format!("/rtc?protocol=15&sdk=js&access_token={}", token(&Claims::join(room, identity)));
        let mut socket = self.connect(&target).await.expect("the join is let in");
        match socket.next().await {
            Response::Join(join) => (socket, join),
            other => panic!("not a join: {other:?}"),
        }
    }

    /// Stops the server as a signal would, and waits for the end.
    pub async fn stop(self) {
        self.stop.send(()).expect("the server runs");
        timeout(PATIENCE, self.done).await.expect("the server stops").expect("the server does not panic");
    }
}
