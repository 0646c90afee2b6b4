//! One signalling message on its way to a socket, encoded at most once however many clients get it.

use std::sync::OnceLock;

use bytes::Bytes;
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_response::Message;

/// A signalling message and, once someone asked, its binary form.
#[derive(Debug)]
pub struct Frame {
    response: proto::SignalResponse,
    binary: OnceLock<Bytes>,
}

impl Frame {
    /// Wraps a message.
    pub fn new(message: Message) -> Self {
        Self { response: proto::SignalResponse { message: Some(message) }, binary: OnceLock::new() }
    }

    /// The message; a frame is never without one.
    pub fn message(&self) -> Option<&Message> {
        self.response.message.as_ref()
    }

    /// The whole response, for a JSON socket.
    pub fn response(&self) -> &proto::SignalResponse {
        &self.response
    }

    /// The protobuf encoding.
    pub fn binary(&self) -> Bytes {
        self.binary.get_or_init(|| self.response.encode_to_vec().into()).clone()
    }
}
