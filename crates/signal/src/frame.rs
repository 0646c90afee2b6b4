//! One signalling message on its way to a socket, encoded at most once however many clients get it.

use std::sync::OnceLock;

use bytes::Bytes;
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_response::Message;

use crate::named::named_only;

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

    /// The protobuf encoding.
    pub fn binary(&self) -> Bytes {
        self.binary.get_or_init(|| self.response.encode_to_vec().into()).clone()
    }

    /// The proto3 JSON form, without the values of newer clients that have no name in it.
    pub fn json(&self) -> String {
        let written = serde_json::to_string(&self.response).or_else(|_| {
            let mut response = self.response.clone();
            response.message.iter_mut().for_each(named_only);
            serde_json::to_string(&response)
        });
        // Every message has a JSON form now; an empty object would be an empty message.
        written.unwrap_or_else(|_| "{}".to_owned())
    }
}
