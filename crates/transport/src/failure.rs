//! Why a transport gave up: one enum for events, logs and metrics.

use crate::dtls::DtlsFailure;

/// Why a transport gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportFailure {
    /// The peer's ICE user name fragment is over 256 characters (RFC 8839, section 5.4).
    #[error("the peer's ICE user name fragment is too long")]
    UserFragment,
    /// A later description named another certificate than the first.
    #[error("the peer changed its certificate")]
    CertificateChanged,
    /// No connectivity check came, or none any more.
    #[error("no connectivity check from the peer")]
    NoChecks,
    /// There was a path, and the DTLS handshake did not end in time.
    #[error("DTLS did not finish in time")]
    HandshakeTimeout,
    /// DTLS ended the association, or the peer did.
    #[error(transparent)]
    Dtls(#[from] DtlsFailure),
    /// The peer ended the SCTP association, or did not acknowledge for too long.
    #[error("SCTP association lost")]
    AssociationLost,
    /// More reliable data waits for the peer than may.
    #[error("more reliable data waits than a peer may leave waiting")]
    DataOverrun,
    /// It was not opened: the owner has too many whose handshake is not done.
    #[error("too many handshakes under way")]
    TooManyHandshakes,
    /// A panic while it was served: a bug.
    #[error("internal error")]
    Panic,
}

impl TransportFailure {
    /// Every one of them, in a fixed order.
    pub fn all() -> impl Iterator<Item = Self> {
        let ours = [
            Self::UserFragment,
            Self::CertificateChanged,
            Self::NoChecks,
            Self::HandshakeTimeout,
            Self::AssociationLost,
            Self::DataOverrun,
            Self::TooManyHandshakes,
            Self::Panic,
        ];
        ours.into_iter().chain(DtlsFailure::ALL.map(Self::Dtls))
    }

    /// A word for metrics and logs, such as `no_checks` or `dtls_fingerprint`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserFragment => "ice_user_fragment",
            Self::CertificateChanged => "certificate_changed",
            Self::NoChecks => "no_checks",
            Self::HandshakeTimeout => "dtls_timeout",
            Self::Dtls(failure) => failure.name(),
            Self::AssociationLost => "sctp_lost",
            Self::DataOverrun => "data_overrun",
            Self::TooManyHandshakes => "too_many_handshakes",
            Self::Panic => "panic",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::TransportFailure;

    #[test]
    fn every_failure_has_a_word_of_its_own() {
        let words: BTreeSet<_> = TransportFailure::all().map(TransportFailure::name).collect();
        assert_eq!(words.len(), TransportFailure::all().count());
        assert_eq!(words.len(), 21);
    }
}
