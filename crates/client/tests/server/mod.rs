//! A whole server on loopback, on ports that the system chooses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::SystemTime;

use livekit_protocol as proto;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tutti_client::{JoinOptions, ServerUrl};
use tutti_cluster::{Node, NodeConfig};
use tutti_gateway::{Gateway, Settings, listen, serve};
use tutti_media::MediaConfig;
use tutti_room::Limits;
use tutti_signal::Facts;
use tutti_token::{Claims, Keys, Secret, TTL_DEFAULT};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

fn keys() -> Keys {
    Keys::one("devkey", Secret::new("secret"))
}

impl Server {
    /// Two shards, so that media crosses between them.
    pub(crate) async fn start() -> Self {
        let node = Node::start(NodeConfig {
            media: MediaConfig {
                bind: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
                udp_port_base: 0,
                tcp_port: None,
                shards: 2,
                loopback: true,
                pin: false,
                ..MediaConfig::default()
            },
            facts: Facts {
                server_info: proto::ServerInfo { version: "1.9.0".into(), protocol: 17, ..Default::default() },
                codecs: tutti_room::Settings::default().codecs,
                ping_interval_s: 5,
                ping_timeout_s: 15,
            },
            ice_servers: Vec::new(),
            room: tutti_room::Settings::default(),
            auto_create: true,
            rooms_max: 0,
        })
        .expect("media plane starts");
        let settings = Settings {
            keys: keys(),
            dev_key: None,
            demo: false,
            trusted_proxies: Vec::new(),
            metrics: false,
            api: axum::Router::new(),
            connections_max: 1000,
            limits: Limits::default(),
            room_name_bytes: 256,
        };
        let gateway = Gateway::new(node, settings);
        let listeners = listen(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 0).expect("loopback has free ports");
        let address = listeners.first().expect("one address was asked for").local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(serve(gateway, listeners, async {
            let _ = stopped.await;
        }));
        Self { address, stop, done }
    }

    /// How `identity` joins `room`.
    pub(crate) fn options(&self, room: &str, identity: &str) -> JoinOptions {
        let token = keys().sign("devkey", &Claims::join(room, identity), SystemTime::now(), TTL_DEFAULT);
        let url = ServerUrl::parse(&format!("ws://{}", self.address)).expect("an address");
        JoinOptions::new(url, token.expect("key is known"))
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("server runs");
        self.done.await.expect("server does not panic");
    }
}
