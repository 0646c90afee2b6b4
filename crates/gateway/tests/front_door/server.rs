//! A whole server on loopback for the tests of the front door, and plain clients for it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tutti_cluster::{Node, NodeConfig};
use tutti_gateway::{Gateway, Settings, listen, serve};
use tutti_media::MediaConfig;
use tutti_room::Limits;
use tutti_signal::Facts;
use tutti_token::{Claims, Keys, Secret, TTL_DEFAULT};

/// No answer of the server takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A signalling socket from the client's side.
pub(crate) struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Keys as in development mode.
pub(crate) fn keys() -> Keys {
    Keys::one("devkey", Secret::new("secret"))
}

/// A token for a room.
pub(crate) fn token(claims: &Claims) -> String {
    keys().sign("devkey", claims, SystemTime::now(), TTL_DEFAULT).expect("key is known")
}

/// The query that asks for the single mode, as a client of today would.
pub(crate) fn join_request() -> String {
    let join = proto::JoinRequest {
        client_info: Some(proto::ClientInfo { protocol: 17, ..Default::default() }),
        connection_settings: Some(proto::ConnectionSettings { auto_subscribe: true, ..Default::default() }),
        ..Default::default()
    };
    let wrapper = proto::WrappedJoinRequest { compression: 0, join_request: join.encode_to_vec() };
    format!("join_request={}", URL_SAFE_NO_PAD.encode(wrapper.encode_to_vec()))
}

/// A server that makes rooms for whoever joins, with the development endpoint.
pub(crate) async fn start() -> Server {
    start_with(true, Some("devkey")).await
}

pub(crate) async fn start_with(auto_create: bool, dev_key: Option<&str>) -> Server {
    start_for(auto_create, dev_key, 100).await
}

/// A server that takes `connections_max` clients.
pub(crate) async fn start_for(auto_create: bool, dev_key: Option<&str>, connections_max: usize) -> Server {
    let node = Node::start(NodeConfig {
        media: MediaConfig {
            bind: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            udp_port_base: 0,
            tcp_port: None,
            shards: 1,
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
        auto_create,
        rooms_max: 0,
    })
    .expect("media plane starts");
    let gateway = Gateway::new(
        node,
        Settings {
            keys: keys(),
            dev_key: dev_key.map(str::to_owned),
            demo: true,
            metrics: true,
            trusted_proxies: vec!["127.0.0.1".parse().expect("a network")],
            connections_max,
            api: axum::Router::new(),
            limits: Limits::default(),
            room_name_bytes: 256,
        },
    );
    let listeners = listen(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], 0).expect("loopback has free ports");
    let address = listeners.first().expect("one address was asked for").local_addr().expect("it is bound");
    let (stop, stopped) = oneshot::channel();
    let done = tokio::spawn(serve(gateway, listeners, async {
        let _ = stopped.await;
    }));
    Server { address, stop, done }
}

impl Server {
    /// Sends one request and reads the answer to its end.
    pub(crate) async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: tutti\r\nconnection: close\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("content-length: {}\r\n\r\n{body}", body.len());
        parse(&self.exchange(request.as_bytes()).await)
    }

    /// Sends bytes and reads what comes until the server closes.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> String {
        let answer = async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.write_all(bytes).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = timeout(PATIENCE, answer).await.expect("server answers").unwrap_or_default();
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[], "").await
    }

    /// Opens a signalling socket; a refusal is an answer.
    pub(crate) async fn connect(&self, target: &str) -> Result<Client, Answer> {
        let url = format!("ws://{}{target}", self.address);
        match timeout(PATIENCE, connect_async(url)).await.expect("server answers") {
            Ok((socket, _)) => Ok(Client(socket)),
            Err(Error::Http(response)) => Err(Answer {
                status: response.status().as_u16(),
                headers: response
                    .headers()
                    .iter()
                    .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                    .collect(),
                body: String::from_utf8_lossy(response.body().as_deref().unwrap_or_default()).into_owned(),
            }),
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// Joins a room in the dual mode and reads the first message.
    pub(crate) async fn join(&self, room: &str, identity: &str) -> (Client, proto::JoinResponse) {
        let target = format!("/rtc?protocol=15&sdk=js&access_token={}", token(&Claims::join(room, identity)));
        let mut client = self.connect(&target).await.expect("join is let in");
        match client.next().await {
            Response::Join(join) => (client, join),
            other => panic!("not a join: {other:?}"),
        }
    }

    /// Stops the server as a signal would, and waits for the end.
    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("server runs");
        timeout(PATIENCE, self.done).await.expect("server stops").expect("server does not panic");
    }
}

impl Client {
    pub(crate) async fn send(&mut self, message: Request) {
        let request = proto::SignalRequest { message: Some(message) };
        self.send_frame(Message::binary(request.encode_to_vec())).await;
    }

    /// Sends any frame. That the server has closed already is no failure.
    pub(crate) async fn send_frame(&mut self, frame: Message) {
        let _ = timeout(PATIENCE, self.0.send(frame)).await.expect("server reads");
    }

    /// The next signalling message.
    pub(crate) async fn next(&mut self) -> Response {
        match self.next_frame().await {
            Message::Binary(bytes) => {
                let response = proto::SignalResponse::decode(bytes).expect("server sends protobuf");
                response.message.expect("server sends messages")
            }
            other => panic!("not a message: {other:?}"),
        }
    }

    /// Reads until a message is as wanted.
    pub(crate) async fn find<T>(&mut self, mut wanted: impl FnMut(&Response) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(&self.next().await) {
                return found;
            }
        }
    }

    /// The next frame that is not a ping or pong.
    pub(crate) async fn next_frame(&mut self) -> Message {
        let frame = async {
            loop {
                match self.0.next().await.expect("socket is open").expect("socket holds") {
                    Message::Ping(_) | Message::Pong(_) => {}
                    frame => return frame,
                }
            }
        };
        timeout(PATIENCE, frame).await.expect("server sends something")
    }

    /// Reads until the server closes, and tells how.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.next_frame().await {
                let CloseFrame { code, reason } = frame.expect("server says why");
                return (code.into(), reason.as_str().to_owned());
            }
        }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn parse(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").expect("an HTTP answer");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(": "));
    Answer {
        status: status.expect("an HTTP status"),
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
        body: body.to_owned(),
    }
}
