//! One call of a method, as Twirp version 7 has it: `POST /twirp/<service>/<method>` with a message as protobuf or JSON,
//! answered in the same form; an error is always JSON with a code and a sentence.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

const PROTOBUF: &str = "application/protobuf";
const JSON: &str = "application/json";

/// Twirp's names for what can go wrong, as far as we use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BadRoute,
    Canceled,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    Malformed,
    NotFound,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
}

impl Code {
    const fn name(self) -> &'static str {
        match self {
            Self::BadRoute => "bad_route",
            Self::Canceled => "canceled",
            Self::FailedPrecondition => "failed_precondition",
            Self::Internal => "internal",
            Self::InvalidArgument => "invalid_argument",
            Self::Malformed => "malformed",
            Self::NotFound => "not_found",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Unauthenticated => "unauthenticated",
            Self::Unavailable => "unavailable",
            Self::Unimplemented => "unimplemented",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::InvalidArgument => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::BadRoute | Self::NotFound => StatusCode::NOT_FOUND,
            Self::Canceled => StatusCode::REQUEST_TIMEOUT,
            Self::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// What a caller is told instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    code: Code,
    msg: String,
}

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, msg: message.into() }
    }

    /// The service is there, the method is not.
    pub(crate) fn no_such_method(method: &str) -> Self {
        Self::new(Code::BadRoute, format!("no such method: {method}"))
    }

    /// The name of its code.
    pub(crate) const fn code(&self) -> &'static str {
        self.code.name()
    }

    /// Its sentence.
    pub(crate) fn message(&self) -> &str {
        &self.msg
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "code": self.code.name(), "msg": self.msg }).to_string();
        (self.code.status(), [(header::CONTENT_TYPE, JSON)], body).into_response()
    }
}

/// A request as it came: its form and its bytes.
pub(crate) struct Call {
    is_json: bool,
    body: Bytes,
}

impl Call {
    pub(crate) fn new(headers: &HeaderMap, body: Bytes) -> Result<Self, Error> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        // Types are compared without regard to case and may have parameters (RFC 9110, section 8.3.1).
        match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            PROTOBUF => Ok(Self { is_json: false, body }),
            JSON => Ok(Self { is_json: true, body }),
            other => Err(Error::new(Code::BadRoute, format!("unexpected Content-Type: {other:?}"))),
        }
    }

    pub(crate) fn read<M: prost::Message + Default + DeserializeOwned>(&self) -> Result<M, Error> {
        let read = if self.is_json {
            tutti_json::from_slice(&self.body).map_err(|error| error.to_string())
        } else {
            M::decode(&*self.body).map_err(|error| error.to_string())
        };
        read.map_err(|error| Error::new(Code::Malformed, format!("the request cannot be decoded: {error}")))
    }

    pub(crate) fn answer<M: prost::Message + Serialize>(&self, message: &M) -> Result<Response, Error> {
        let (kind, body) = if self.is_json {
            let body = serde_json::to_vec(message).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
            (JSON, body)
        } else {
            (PROTOBUF, message.encode_to_vec())
        };
        Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
    }
}
