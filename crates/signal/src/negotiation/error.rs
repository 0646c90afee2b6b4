//! What can be wrong with a description, or with the order in which descriptions come.

/// Why a description was not taken, or a call made no sense. The connection is as it was before the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// `type` is not what this side of the connection reads.
    #[error("description of type {found:?} where an {expected} belongs")]
    WrongType {
        /// `offer` or `answer`.
        expected: &'static str,
        /// What came, at most 32 characters of it.
        found: String,
    },
    /// The text is no session description.
    #[error("session description: {0}")]
    Malformed(#[from] tutti_sdp::Error),
    /// This role never reads or writes such a description (docs/protocol.md#peer-connections).
    #[error("a connection in role {role:?} has no {what}")]
    WrongRole {
        /// Role of the connection.
        role: super::Role,
        /// What was asked for.
        what: &'static str,
    },
    /// `answer` without an offer read before.
    #[error("no offer waits for an answer")]
    NoOffer,
    /// No section carries `a=ice-ufrag` and `a=ice-pwd`, or they are not ICE characters of a legal length.
    #[error("no usable ICE credentials")]
    NoIceCredentials,
    /// No `a=fingerprint`.
    #[error("no certificate fingerprint")]
    NoFingerprint,
    /// Only fingerprints by functions that are unknown or too weak.
    #[error("certificate fingerprint by {0}; sha-256, sha-384 or sha-512 is needed")]
    UnsupportedFingerprint(String),
    /// Two sections share a mid.
    #[error("mid {0:?} names two media sections")]
    DuplicateMid(String),
    /// Fewer sections than in the descriptions before.
    #[error("{found} media sections where {expected} are agreed")]
    MissingSections {
        /// How many there were before.
        expected: usize,
        /// How many there are now.
        found: usize,
    },
    /// A section changed its kind, or an answer its mid.
    #[error("media section {mid:?} is not what it was")]
    ChangedSection {
        /// The section.
        mid: String,
    },
    /// No section with that mid carries media of the client.
    #[error("no media from the client on section {0:?}")]
    UnknownSection(String),
}
