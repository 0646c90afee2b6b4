//! Why a token was refused or could not be made.

/// Why a token was refused or could not be made. The texts go to clients: they name no secret and quote no claim but
/// the API key and the algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three base64url parts with JSON in the first two (RFC 7515, section 7.1).
    #[error("token is malformed: {0}")]
    Malformed(&'static str),
    /// Signed with anything else than HS256, or not signed.
    #[error("signing method {0:?} is not HS256")]
    Algorithm(String),
    /// The header marks an extension as critical (RFC 7515, section 4.1.11); none is known here.
    #[error("token has a critical extension")]
    CriticalExtension,
    /// No key of this name (`iss`).
    #[error("unknown API key")]
    UnknownKey,
    /// The signature is not that of this key's secret.
    #[error("signature is invalid")]
    Signature,
    /// A claim has the wrong type.
    #[error("token claims are invalid: {0}")]
    Claims(String),
    /// No `exp`: such a token would never end.
    #[error("token has no expiry")]
    NoExpiry,
    /// `exp` is past.
    #[error("token is expired")]
    Expired,
    /// `nbf` or `iat` is to come.
    #[error("token is not valid yet")]
    NotYetValid,
}
