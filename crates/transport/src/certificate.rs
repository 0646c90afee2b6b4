//! The certificate of the process, and the configuration that all its transports share.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;

use crate::command::Fingerprint;
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

/// What all transports of a process share. Keep it in an `Arc`.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    pub(crate) certificate: Certificate,
    pub(crate) dtls: Arc<dimpl::Config>,
}

impl TransportConfig {
    /// A configuration around the process's certificate.
    pub fn new(certificate: Certificate) -> Result<Self, TransportError> {
        let dtls = dimpl::Config::builder()
            .handshake_timeout(Duration::from_secs(20))
            .build()
            .map_err(TransportError::ConfigureDtls)?;
        Ok(Self { certificate, dtls: Arc::new(dtls) })
    }

    /// SHA-256 of our certificate, for `a=fingerprint`.
    pub fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint()
    }
}
