//! Why an association ended, and what the peer is told of it.

/// Why an association ended. All are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DtlsFailure {
    /// A handshake message could not be read, or said what it must not.
    Malformed,
    /// A handshake message came where the protocol has no place for it.
    Unexpected,
    /// The peer speaks no DTLS 1.2.
    Version,
    /// No cipher suite, group or signature scheme in common, or no extended master secret.
    NothingInCommon,
    /// The peer showed no certificate.
    NoCertificate,
    /// The peer's certificate is not the one its description promised.
    Fingerprint,
    /// The key in the peer's certificate is of a kind or size that we do not take.
    Key,
    /// The peer could not prove that it holds its certificate's key, or that it saw the handshake as we did.
    Proof,
    /// The peer negotiated an SRTP profile whose keys we could not use.
    Profile,
    /// The peer ended the association with a fatal alert.
    Alert,
    /// The peer closed the association in order.
    Closed,
    /// The cryptography library refused, or the record numbers ran out.
    Library,
}

impl DtlsFailure {
    /// For logs and operators.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "malformed DTLS handshake message",
            Self::Unexpected => "DTLS handshake message out of place",
            Self::Version => "the peer does not speak DTLS 1.2",
            Self::NothingInCommon => "no DTLS cipher suite, group or signature in common",
            Self::NoCertificate => "the peer showed no certificate",
            Self::Fingerprint => "certificate does not match the fingerprint in the description",
            Self::Key => "the peer's certificate has a key of an unsupported kind",
            Self::Proof => "the peer's DTLS signature or Finished is wrong",
            Self::Profile => "SRTP keys do not fit the negotiated profile",
            Self::Alert => "the peer ended DTLS with an alert",
            Self::Closed => "closed by the peer",
            Self::Library => "the cryptography library refused",
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
            Self::Fingerprint => Some(42),                     // bad_certificate
            Self::Key => Some(43),                             // unsupported_certificate
            Self::Proof => Some(51),                           // decrypt_error
            Self::Library => Some(80),                         // internal_error
            Self::Alert | Self::Closed => None,
        }
    }
}
