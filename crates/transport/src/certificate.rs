//! The certificate of the process, and the configuration that all its transports share.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;

use crate::command::Fingerprint;
use crate::data::DataConfig;
use crate::error::TransportError;

/// A self-signed ECDSA P-256 certificate. One per process; clones share it.
#[derive(Clone)]
pub struct Certificate {
    inner: Arc<dimpl::DtlsCertificate>,
    fingerprint: Fingerprint,
}

impl Certificate {
    /// Generates a certificate from the operating system's randomness. For the start of the process.
    pub fn generate() -> Result<Self, TransportError> {
        let inner =
            dimpl::certificate::generate_self_signed_certificate().map_err(|_| TransportError::GenerateCertificate)?;
        let fingerprint = Fingerprint::of(&inner.certificate);
        Ok(Self { inner: Arc::new(inner), fingerprint })
    }

    /// SHA-256 of the certificate, for `a=fingerprint`.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// A copy for one DTLS association, which owns its certificate.
    pub(crate) fn for_dtls(&self) -> dimpl::DtlsCertificate {
        dimpl::DtlsCertificate::clone(&self.inner)
    }

    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.inner.certificate
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Fingerprint {
    /// The fingerprint of a certificate given in DER.
    pub fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        Self(bytes)
    }
}

/// First retransmission of a DTLS flight. Round trips to a node are mostly below it; RFC 6347's one second would be
/// the whole time to the first frame after a single loss.
const DTLS_FIRST_RTO: Duration = Duration::from_millis(200);

/// Retransmissions of one flight: more than fit into the time that a transport gives a handshake, which is the bound
/// that counts. The library takes answers to the peer's own retransmissions from the same budget.
const DTLS_RETRIES: usize = 40;

/// Time for the whole handshake by the library's clock, which runs ahead of ours: as good as none.
const DTLS_HANDSHAKE_WITHIN: Duration = Duration::from_secs(3650 * 86_400);

/// Largest datagram we build, bytes: 1280, the least MTU of IPv6, without 48 of IPv6 and UDP headers, rounded down.
pub(crate) const DATAGRAM_MAX: usize = 1200;

/// What all transports of a process share. Keep it in an `Arc`.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    pub(crate) certificate: Certificate,
    pub(crate) dtls: Arc<dimpl::Config>,
    pub(crate) data: DataConfig,
}

impl TransportConfig {
    /// A configuration around the process's certificate.
    pub fn new(certificate: Certificate) -> Result<Self, TransportError> {
        Self::build(certificate, None)
    }

    /// As [`new`](Self::new), with the pauses between retransmissions, and the public random numbers, of every DTLS
    /// association drawn from `seed`. For simulations that must repeat, never for peers on a network.
    pub fn repeatable(certificate: Certificate, seed: u64) -> Result<Self, TransportError> {
        Self::build(certificate, Some(seed))
    }

    fn build(certificate: Certificate, seed: Option<u64>) -> Result<Self, TransportError> {
        let mut dtls = dimpl::Config::builder()
            .mtu(DATAGRAM_MAX)
            // An address is proved by ICE before its first DTLS datagram is read: the cookie would cost a round trip.
            .use_server_cookie(false)
            .require_client_certificate(true)
            .flight_start_rto(DTLS_FIRST_RTO)
            .flight_retries(DTLS_RETRIES)
            .handshake_timeout(DTLS_HANDSHAKE_WITHIN);
        if let Some(seed) = seed {
            dtls = dtls.dangerously_set_rng_seed(seed);
        }
        let dtls = dtls.build().map_err(TransportError::ConfigureDtls)?;
        Ok(Self { certificate, dtls: Arc::new(dtls), data: DataConfig::new(DATAGRAM_MAX) })
    }

    /// SHA-256 of our certificate, for `a=fingerprint`.
    pub fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint()
    }
}
