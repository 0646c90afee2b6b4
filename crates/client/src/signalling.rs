//! The signalling socket: where it is opened, what the first request says, messages in and out.
//!
//! Knows the wire's form, not what the messages mean.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use futures_util::{SinkExt as _, StreamExt as _};
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::error::ClientError;

/// Version of the signalling protocol that we speak.
const PROTOCOL: i32 = 16;

/// A server's address: `ws://host:port`. Without encryption: the client is for tests of one's own server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    text: String,
    host: String,
    port: u16,
}

impl ServerUrl {
    /// Reads `ws://host[:port][/]` or the same with `http`.
    ///
    /// # Errors
    /// Another scheme, no host, or a port that is none.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let fault = |fault| ClientError::Address { url: text.to_owned(), fault };
        let rest = text.strip_prefix("ws://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or_else(|| fault("only ws:// and http:// are spoken"))?.trim_end_matches('/');
        if rest.contains(['/', '?', '#', '@']) {
            return Err(fault("only host and port are taken"));
        }
        let split = match rest.rfind(':') {
            Some(colon) if !rest.get(colon..).is_some_and(|port| port.contains(']')) => Some(colon),
            _ => None,
        };
        let (host, port) = match split {
            Some(colon) => rest.split_at(colon),
            None => (rest, ":80"),
        };
        let port = port.trim_start_matches(':').parse().map_err(|_| fault("the port is no number"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(fault("no host"));
        }
        Ok(Self { text: format!("ws://{rest}"), host: host.to_owned(), port })
    }

    /// The addresses it stands for, those of IPv4 first.
    ///
    /// # Errors
    /// The name is unknown.
    pub async fn resolve(&self) -> Result<Vec<SocketAddr>, ClientError> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let mut addresses: Vec<SocketAddr> =
            found.map_err(|_| ClientError::Address { url: self.text.clone(), fault: "the host is unknown" })?.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        Ok(addresses)
    }

    /// Whether all its addresses are on this machine.
    ///
    /// # Errors
    /// The name is unknown.
    pub async fn is_loopback(&self) -> Result<bool, ClientError> {
        Ok(self.resolve().await?.iter().all(|address| address.ip().is_loopback()))
    }
}

/// The query of the two-connection mode.
pub(crate) fn dual_target(token: &str, auto_subscribe: bool) -> String {
    let subscribe = u8::from(auto_subscribe);
    format!("/rtc?protocol={PROTOCOL}&sdk=rust&version=0.1.0&auto_subscribe={subscribe}&access_token={token}")
}

/// The query of the single-connection mode.
pub(crate) fn single_target(token: &str, mut join: proto::JoinRequest) -> String {
    join.client_info = Some(proto::ClientInfo {
        sdk: proto::client_info::Sdk::Rust.into(),
        version: "0.1.0".to_owned(),
        protocol: PROTOCOL,
        ..Default::default()
    });
    let join = proto::WrappedJoinRequest { compression: 0, join_request: join.encode_to_vec() };
    format!("/rtc/v1?access_token={token}&join_request={}", URL_SAFE.encode(join.encode_to_vec()).replace('=', "%3D"))
}

/// An open signalling socket.
pub(crate) struct Signalling(WebSocketStream<TcpStream>);

impl Signalling {
    /// Connects and sends the request `target`. Tells the address of ours that the server sees.
    pub(crate) async fn open(url: &ServerUrl, target: &str) -> Result<Self, ClientError> {
        let addresses = url.resolve().await?;
        let stream = TcpStream::connect(addresses.as_slice()).await.map_err(ClientError::Socket)?;
        stream.set_nodelay(true).map_err(ClientError::Socket)?;
        let (socket, _) = client_async(format!("{}{target}", url.text), stream).await?;
        Ok(Self(socket))
    }

    pub(crate) async fn send(&mut self, message: Request) -> Result<(), ClientError> {
        let request = proto::SignalRequest { message: Some(message) };
        Ok(self.0.send(Message::binary(request.encode_to_vec())).await?)
    }

    /// The next message. May be dropped at any time without losing one.
    pub(crate) async fn next(&mut self) -> Result<Response, ClientError> {
        loop {
            let bytes = match self.0.next().await.ok_or(ClientError::Closed)?? {
                Message::Binary(bytes) => bytes,
                Message::Close(_) => return Err(ClientError::Closed),
                _ => continue,
            };
            let response = proto::SignalResponse::decode(bytes);
            let response = response.map_err(|_| ClientError::Protocol("a frame that is no message"))?;
            // A message of a kind that we do not know yet is none.
            if let Some(message) = response.message {
                return Ok(message);
            }
        }
    }

    /// Closes it and waits for the server's end.
    pub(crate) async fn close(mut self) {
        let _ = self.0.close(None).await;
        while let Some(Ok(_)) = self.0.next().await {}
    }
}

/// The address of ours from which the server is reached.
pub(crate) async fn local_ip(url: &ServerUrl) -> Result<IpAddr, ClientError> {
    let addresses = url.resolve().await?;
    let first = addresses.first().ok_or(ClientError::Closed)?;
    let any: SocketAddr = if first.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = tokio::net::UdpSocket::bind(any).await.map_err(ClientError::Socket)?;
    socket.connect(first).await.map_err(ClientError::Socket)?;
    Ok(socket.local_addr().map_err(ClientError::Socket)?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, host, port) in [
            ("ws://127.0.0.1:7880", "127.0.0.1", 7880),
            ("http://localhost:7880/", "localhost", 7880),
            ("ws://example.org", "example.org", 80),
            ("ws://[::1]:7880", "::1", 7880),
            ("ws://[::1]", "::1", 80),
        ] {
            let url = ServerUrl::parse(text).unwrap();
            assert_eq!((url.host.as_str(), url.port), (host, port), "{text}");
        }
        for text in ["", "wss://a", "ws://", "ws://:80", "ws://a:b", "ws://a/b", "ws://a?b", "ws://a:99999"] {
            assert!(ServerUrl::parse(text).is_err(), "{text}");
        }
    }
}
