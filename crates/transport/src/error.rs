//! What can go wrong while a transport is being made. Once made, it reports by events and counters.

/// Errors of certificates and configuration.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No key pair or certificate could be made.
    #[error("cannot generate a DTLS certificate")]
    GenerateCertificate,
}
