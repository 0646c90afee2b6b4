//! Everything that can end a client's call.

use std::time::Duration;

use tutti_transport::TransportFailure;

/// Why a client could not join, or did not stay.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server's address cannot be used.
    #[error("server address {url}: {fault}")]
    Address {
        /// As given.
        url: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The token could not be made.
    #[error("sign the token")]
    Token(#[from] tutti_token::TokenError),
    /// The DTLS certificate could not be made.
    #[error("prepare the transport")]
    Transport(#[from] tutti_transport::TransportError),
    /// The server refused the join with an HTTP status.
    #[error("join refused: {status} {body}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Body of the answer.
        body: String,
    },
    /// The signalling socket could not be opened or broke.
    #[error("signalling socket")]
    Signalling(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    /// The server closed the signalling socket.
    #[error("the server closed the signalling socket")]
    Closed,
    /// The server told the client to leave.
    #[error("told to leave: {reason}")]
    Left {
        /// Name of the protocol's reason.
        reason: &'static str,
    },
    /// A UDP socket could not be opened.
    #[error("media socket")]
    Socket(#[source] std::io::Error),
    /// The server sent what the protocol does not allow at this point.
    #[error("the server broke the protocol: {0}")]
    Protocol(&'static str),
    /// A session description of the server cannot be read.
    #[error("session description")]
    Description(#[from] tutti_sdp::Error),
    /// ICE or DTLS failed.
    #[error("media transport: {reason}")]
    Media {
        /// As the transport says it.
        reason: TransportFailure,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {within:?}")]
    Late {
        /// What was awaited.
        what: &'static str,
        /// For how long.
        within: Duration,
    },
    /// The client's task ended before.
    #[error("the call is over")]
    Over,
}

impl From<tokio_tungstenite::tungstenite::Error> for ClientError {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        use tokio_tungstenite::tungstenite::Error;
        match error {
            Error::Http(response) => Self::Refused {
                status: response.status().as_u16(),
                body: String::from_utf8_lossy(response.body().as_deref().unwrap_or_default()).into_owned(),
            },
            Error::ConnectionClosed | Error::AlreadyClosed => Self::Closed,
            error => Self::Signalling(Box::new(error)),
        }
    }
}
