//! Protobuf or JSON, as the client speaks (docs/protocol.md#framing). Every socket begins in protobuf and follows its
//! client.

use axum::extract::ws::Message;
use livekit_protocol as proto;
use prost::Message as _;
use tutti_signal::Frame;

/// How messages are written to one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    /// Binary frames.
    #[default]
    Protobuf,
    /// Text frames, proto3 JSON.
    Json,
}

/// A frame that holds no signalling message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotSignalling;

impl Encoding {
    /// Reads a frame; answers are written in its encoding from now on. `None` for a control frame.
    pub(crate) fn read(&mut self, frame: &Message) -> Result<Option<proto::SignalRequest>, NotSignalling> {
        match frame {
            Message::Binary(bytes) => {
                *self = Self::Protobuf;
                proto::SignalRequest::decode(bytes.clone()).map(Some).map_err(|_| NotSignalling)
            }
            Message::Text(text) => {
                *self = Self::Json;
                tutti_json::from_slice(text.as_bytes()).map(Some).map_err(|_| NotSignalling)
            }
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(None),
        }
    }

    /// Writes a message.
    pub(crate) fn write(self, frame: &Frame) -> Message {
        match self {
            Self::Protobuf => Message::Binary(frame.binary()),
            Self::Json => Message::text(frame.json()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::signal_request::Message as Request;
    use proto::signal_response::Message as Response;

    use super::*;

    fn ping(at: i64) -> proto::SignalRequest {
        proto::SignalRequest { message: Some(Request::Ping(at)) }
    }

    #[test]
    fn answers_follow_the_client() {
        let mut encoding = Encoding::default();
        let pong = Frame::new(Response::Pong(7));
        assert!(matches!(encoding.write(&pong), Message::Binary(_)));

        let text = Message::text(r#"{"ping":"5"}"#);
        assert_eq!(encoding.read(&text), Ok(Some(ping(5))));
        assert_eq!(encoding.write(&pong), Message::text(r#"{"pong":"7"}"#));
        assert_eq!(encoding.read(&Message::Ping(Default::default())), Ok(None));
        assert_eq!(encoding, Encoding::Json);

        assert_eq!(encoding.read(&Message::Binary(ping(5).encode_to_vec().into())), Ok(Some(ping(5))));
        assert!(matches!(encoding.write(&pong), Message::Binary(_)));
    }

    #[test]
    fn json_takes_both_cases_and_ignores_what_is_new() {
        for text in [
            r#"{"addTrack":{"cid":"c","disableDtx":true}}"#,
            r#"{"add_track":{"cid":"c","disable_dtx":true,"later":[1]}}"#,
        ] {
            let Ok(Some(request)) = Encoding::default().read(&Message::text(text)) else { panic!("not read: {text}") };
            assert!(matches!(request.message, Some(Request::AddTrack(add)) if add.cid == "c"), "{text}");
        }
        let Ok(Some(request)) = Encoding::default().read(&Message::text(r#"{"brandNew":{}}"#)) else {
            panic!("a message from a newer client is not an error")
        };
        assert_eq!(request.message, None);
    }

    #[test]
    fn garbage_is_named() {
        for text in ["", "{", "[]", "7", "\"offer\"", r#"{"ping":"x"}"#, r#"{"offer":7}"#] {
            assert_eq!(Encoding::default().read(&Message::text(text)), Err(NotSignalling), "{text}");
        }
        for bytes in [&[0xff][..], &[0x0a, 0x05, 0x01], &[0x08]] {
            let frame = Message::Binary(bytes.to_vec().into());
            assert_eq!(Encoding::default().read(&frame), Err(NotSignalling), "{bytes:?}");
        }
        // A message of a kind that we do not know, and an empty one.
        for bytes in [&[0xfa, 0x3f, 0x00][..], &[]] {
            let frame = Message::Binary(bytes.to_vec().into());
            let empty = proto::SignalRequest { message: None };
            assert_eq!(Encoding::default().read(&frame), Ok(Some(empty)), "{bytes:?}");
        }
    }
}
