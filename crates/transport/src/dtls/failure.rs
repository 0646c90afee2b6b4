//! Why an association ended, and what the peer is told of it.

/// Why an association ended. All are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DtlsFailure {
    /// A handshake message could not be read, or said what it must not.
    #[error("malformed DTLS handshake message")]
    Malformed,
    /// A handshake message came where the protocol has no place for it.
    #[error("DTLS handshake message out of place")]
    Unexpected,
    /// The peer speaks no DTLS 1.2.
    #[error("the peer does not speak DTLS 1.2")]
    Version,
    /// No cipher suite, group or signature scheme in common, or no extended master secret.
    #[error("no DTLS cipher suite, group or signature in common")]
    NothingInCommon,
    /// The peer answered what was not asked.
    #[error("the peer answered a DTLS extension that was not offered")]
    Unasked,
    /// The peer showed no certificate.
    #[error("the peer showed no certificate")]
    NoCertificate,
    /// The peer's certificate is not the one its description promised.
    #[error("certificate does not match the fingerprint in the description")]
    Fingerprint,
    /// The key in the peer's certificate is of a kind or size that we do not take.
    #[error("the peer's certificate has a key of an unsupported kind")]
    Key,
    /// The peer could not prove that it holds its certificate's key, or that it saw the handshake as we did.
    #[error("the peer's DTLS signature or Finished is wrong")]
    Proof,
    /// The peer negotiated an SRTP profile whose keys we could not use.
    #[error("SRTP keys do not fit the negotiated profile")]
    Profile,
    /// The peer ended the association with a fatal alert.
    #[error("the peer ended DTLS with an alert")]
    Alert,
    /// The peer closed the association in order.
    #[error("closed by the peer")]
    Closed,
    /// The cryptography library refused, or the record numbers ran out.
    #[error("the cryptography library refused")]
    Library,
}

impl DtlsFailure {
    /// Every one of them.
    pub(crate) const ALL: [Self; 13] = [
        Self::Malformed,
        Self::Unexpected,
        Self::Version,
        Self::NothingInCommon,
        Self::Unasked,
        Self::NoCertificate,
        Self::Fingerprint,
        Self::Key,
        Self::Proof,
        Self::Profile,
        Self::Alert,
        Self::Closed,
        Self::Library,
    ];

    /// A word for metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "dtls_malformed",
            Self::Unexpected => "dtls_unexpected",
            Self::Version => "dtls_version",
            Self::NothingInCommon => "dtls_nothing_in_common",
            Self::Unasked => "dtls_unasked",
            Self::NoCertificate => "dtls_no_certificate",
            Self::Fingerprint => "dtls_fingerprint",
            Self::Key => "dtls_key",
            Self::Proof => "dtls_proof",
            Self::Profile => "dtls_profile",
            Self::Alert => "dtls_alert",
            Self::Closed => "dtls_closed",
            Self::Library => "dtls_library",
        }
    }

    /// The fatal alert for the peer (RFC 5246, section 7.2.2), where it has not ended the association itself.
    pub(super) const fn alert(self) -> Option<u8> {
        match self {
            Self::Malformed => Some(50),                       // decode_error
            Self::Unexpected => Some(10),                      // unexpected_message
            Self::Version => Some(70),                         // protocol_version
            Self::NothingInCommon | Self::Profile => Some(40), // handshake_failure
            Self::NoCertificate => Some(40),                   // handshake_failure
            Self::Unasked => Some(110),                        // unsupported_extension
            Self::Fingerprint => Some(42),                     // bad_certificate
            Self::Key => Some(43),                             // unsupported_certificate
            Self::Proof => Some(51),                           // decrypt_error
            Self::Library => Some(80),                         // internal_error
            Self::Alert | Self::Closed => None,
        }
    }
}
