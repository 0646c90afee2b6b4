//! Every refusal of a join with its status and sentence (docs/protocol.md#admission). Clients show the sentence; the
//! browser client compares one of them to the letter.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tutti_cluster::JoinError;
use tutti_token::TokenError;

/// Why a join, or its validation, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no permissions to access the room")]
    NoToken,
    #[error("invalid authorization header. Must start with Bearer ")]
    NotBearer,
    #[error("invalid API key")]
    UnknownKey,
    #[error("invalid authorization token: {0}")]
    Token(TokenError),
    #[error("invalid authorization token: roomConfig is not a RoomConfiguration")]
    RoomConfig,
    #[error("permissions denied")]
    PermissionDenied,
    #[error("identity cannot be empty")]
    IdentityEmpty,
    #[error("participant identity length exceeds limits: max length {0}")]
    IdentityTooLong(usize),
    #[error("no room name")]
    RoomEmpty,
    #[error("room name length exceeds limits: max length {0}")]
    RoomTooLong(usize),
    #[error("name length exceeds limits: max length {0}")]
    NameTooLong(usize),
    #[error("metadata size exceeds limits: max size {0}")]
    MetadataTooLong(usize),
    #[error("attribute size exceeds limits: max size {0}")]
    AttributesTooLong(usize),
    #[error("room preset does not exist")]
    RoomPreset,
    #[error("roomConfig asks for egress: egress is not there yet on this server")]
    Egress,
    #[error("{0} must not contain control characters")]
    ControlCharacter(&'static str),
    #[error("cannot decode attributes")]
    Attributes,
    #[error("join_request is required")]
    JoinRequestMissing,
    #[error("cannot base64 decode wrapped join request")]
    JoinRequestBase64,
    #[error("cannot unmarshal wrapped join request")]
    JoinRequestWrapper,
    #[error("cannot read decompressed join request")]
    JoinRequestGzip,
    #[error("join request too large")]
    JoinRequestTooLarge,
    #[error("cannot unmarshal join request")]
    JoinRequestProto,
    #[error("the server is full: max clients {0}")]
    TooManyClients(usize),
    #[error(transparent)]
    Node(#[from] JoinError),
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::UnknownKey => Self::UnknownKey,
            error => Self::Token(error),
        }
    }
}

impl Refusal {
    /// The status that goes with it.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoToken
            | Self::NotBearer
            | Self::UnknownKey
            | Self::Token(_)
            | Self::RoomConfig
            | Self::PermissionDenied => StatusCode::UNAUTHORIZED,
            // No client tries again by itself on this one, and all show the sentence.
            Self::Node(JoinError::Refused(tutti_room::JoinError::Full { .. })) => StatusCode::FORBIDDEN,
            Self::Node(JoinError::RoomNotFound) => StatusCode::NOT_FOUND,
            Self::TooManyClients(_)
            | Self::Node(
                JoinError::NodeFull { .. } | JoinError::Stopping | JoinError::Refused(tutti_room::JoinError::Closed),
            ) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Node(JoinError::Refused(tutti_room::JoinError::TooOften)) => StatusCode::TOO_MANY_REQUESTS,
            Self::Node(JoinError::RoomFailed) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Node(
                JoinError::Settings(_)
                | JoinError::Agents(_)
                | JoinError::Refused(tutti_room::JoinError::IdentityEmpty | tutti_room::JoinError::Text(_)),
            )
            | Self::IdentityEmpty
            | Self::IdentityTooLong(_)
            | Self::RoomEmpty
            | Self::RoomTooLong(_)
            | Self::NameTooLong(_)
            | Self::MetadataTooLong(_)
            | Self::AttributesTooLong(_)
            | Self::RoomPreset
            | Self::Egress
            | Self::ControlCharacter(_)
            | Self::Attributes
            | Self::JoinRequestMissing
            | Self::JoinRequestBase64
            | Self::JoinRequestWrapper
            | Self::JoinRequestGzip
            | Self::JoinRequestTooLarge
            | Self::JoinRequestProto => StatusCode::BAD_REQUEST,
        }
    }

    /// What exactly was wrong, as a word for logs and metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::NotBearer => "not_bearer",
            Self::UnknownKey => "unknown_key",
            Self::Token(error) => token_reason(error),
            Self::RoomConfig => "room_config",
            Self::PermissionDenied => "permission_denied",
            Self::IdentityEmpty | Self::IdentityTooLong(_) => "identity",
            Self::RoomEmpty | Self::RoomTooLong(_) => "room_name",
            Self::NameTooLong(_) => "name",
            Self::MetadataTooLong(_) => "metadata",
            Self::AttributesTooLong(_) | Self::Attributes => "attributes",
            Self::RoomPreset => "room_preset",
            Self::Egress => "egress",
            Self::ControlCharacter(_) => "control_character",
            Self::JoinRequestMissing => "join_request_missing",
            Self::JoinRequestBase64
            | Self::JoinRequestWrapper
            | Self::JoinRequestGzip
            | Self::JoinRequestTooLarge
            | Self::JoinRequestProto => "join_request",
            Self::Node(JoinError::RoomNotFound) => "room_not_found",
            Self::TooManyClients(_) => "too_many_clients",
            Self::Node(JoinError::NodeFull { .. }) => "too_many_rooms",
            Self::Node(JoinError::Stopping) => "stopping",
            Self::Node(JoinError::RoomFailed) => "room_failed",
            Self::Node(JoinError::Settings(_)) => "room_settings",
            Self::Node(JoinError::Agents(_)) => "agents",
            Self::Node(JoinError::Refused(refused)) => match refused {
                tutti_room::JoinError::Full { .. } => "room_full",
                tutti_room::JoinError::TooOften => "too_often",
                tutti_room::JoinError::Closed => "room_closed",
                tutti_room::JoinError::IdentityEmpty => "identity",
                tutti_room::JoinError::Text(_) => "limits",
            },
        }
    }

    /// The class under which it is counted.
    pub(crate) fn result(&self) -> &'static str {
        match self.status() {
            StatusCode::UNAUTHORIZED => "unauthorized",
            StatusCode::BAD_REQUEST => "invalid",
            StatusCode::FORBIDDEN => "room_full",
            StatusCode::NOT_FOUND => "room_not_found",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            StatusCode::TOO_MANY_REQUESTS => "too_often",
            _ => "failed",
        }
    }
}

fn token_reason(error: &TokenError) -> &'static str {
    match error {
        TokenError::Malformed(_) => "token_malformed",
        TokenError::Algorithm(_) => "token_algorithm",
        TokenError::CriticalExtension => "token_critical_extension",
        TokenError::UnknownKey => "unknown_key",
        TokenError::Signature => "token_signature",
        TokenError::Claims(_) => "token_claims",
        TokenError::NoExpiry => "token_no_expiry",
        TokenError::Expired => "token_expired",
        TokenError::NotYetValid => "token_not_yet_valid",
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status(), self.to_string()).into_response()
    }
}
