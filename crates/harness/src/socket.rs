//! A signalling socket from the client's side, that says and hears whatever a test wants.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::{Answer, PATIENCE};

/// A signalling socket, binary.
#[derive(Debug)]
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn connect(address: SocketAddr, target: &str) -> Result<Self, Answer> {
        let url = format!("ws://{address}{target}");
        match timeout(PATIENCE, connect_async(url)).await.expect("the server answers") {
            Ok((socket, _)) => Ok(Self(socket)),
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

    /// Says one signalling message.
    pub async fn send(&mut self, message: Request) {
        let request = proto::SignalRequest { message: Some(message) };
        self.send_frame(Message::binary(request.encode_to_vec())).await;
    }

    /// Sends any frame. That the server has closed already is no failure.
    pub async fn send_frame(&mut self, frame: Message) {
        let _ = timeout(PATIENCE, self.0.send(frame)).await.expect("the server reads");
    }

    /// The next signalling message.
    pub async fn next(&mut self) -> Response {
        match self.next_frame().await {
            Message::Binary(bytes) => {
                let response = proto::SignalResponse::decode(bytes).expect("the server sends protobuf");
                response.message.expect("the server sends messages")
            }
            other => panic!("not a message: {other:?}"),
        }
    }

    /// Reads until a message is as wanted.
    pub async fn find<T>(&mut self, mut wanted: impl FnMut(&Response) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(&self.next().await) {
                return found;
            }
        }
    }

    /// The next frame that is not a ping or pong.
    pub async fn next_frame(&mut self) -> Message {
        let frame = async {
            loop {
                match self.0.next().await.expect("the socket is open").expect("the socket holds") {
                    Message::Ping(_) | Message::Pong(_) => {}
                    frame => return frame,
                }
            }
        };
        timeout(PATIENCE, frame).await.expect("the server sends something")
    }

    /// Reads until the server closes, and tells how: code and reason.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.next_frame().await {
                let CloseFrame { code, reason } = frame.expect("the server says why");
                return (code.into(), reason.as_str().to_owned());
            }
        }
    }
}
