//! Who the peer is: its certificate against the fingerprint in its description, its signatures, and Finished.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, rand};

use super::failure::DtlsFailure;
use super::keys::{RANDOM_LEN, Secrets};
use super::peer_key::PeerKey;
use super::wire::{Reader, Width, vector};
use crate::certificate::Certificate;
use crate::command::{CertificateHash, DtlsRole, PeerFingerprints};

/// Who the peer must be.
#[derive(Clone)]
pub(super) struct Peer {
    expected: PeerFingerprints,
}

impl Peer {
    /// The holder of a certificate with one of these fingerprints.
    pub(super) fn new(expected: PeerFingerprints) -> Self {
        Self { expected }
    }

    /// The certificates that the peer may show.
    pub(super) fn expected(&self) -> &PeerFingerprints {
        &self.expected
    }

    fn is(&self, certificate: &[u8]) -> bool {
        let (hash, digests) = self.expected.parts();
        let algorithm = match hash {
            CertificateHash::Sha256 => &digest::SHA256,
            CertificateHash::Sha384 => &digest::SHA384,
            CertificateHash::Sha512 => &digest::SHA512,
        };
        let found = digest::digest(algorithm, certificate);
        digests.iter().any(|expected| verify_slices_are_equal(found.as_ref(), expected).is_ok())
    }

    /// The key in the peer's Certificate message, if the first certificate in it is a promised one.
    pub(super) fn read_certificate(&self, body: &[u8]) -> Result<PeerKey, DtlsFailure> {
        let mut reader = Reader::new(body);
        let mut list = reader.vector24().filter(|_| reader.is_empty()).ok_or(DtlsFailure::Malformed)?;
        if list.is_empty() {
            return Err(DtlsFailure::NoCertificate);
        }
        let certificate = list.vector24().ok_or(DtlsFailure::Malformed)?.rest();
        if !self.is(certificate) {
            return Err(DtlsFailure::Fingerprint);
        }
        PeerKey::of(certificate).ok_or(DtlsFailure::Key)
    }
}

/// Writes a Certificate message with one certificate.
pub(super) fn write_certificate(certificate: &Certificate, out: &mut Vec<u8>) {
    vector(out, Width::Three, |out| vector(out, Width::Three, |out| out.extend_from_slice(certificate.der())));
}

/// Checks the signature that `reader` stands before: a scheme and a signature over `signed`.
pub(super) fn check_signature(key: &PeerKey, mut reader: Reader<'_>, signed: &[u8]) -> Result<(), DtlsFailure> {
    let scheme = reader.u16().ok_or(DtlsFailure::Malformed)?;
    let signature = reader.vector16().ok_or(DtlsFailure::Malformed)?.rest();
    if !reader.is_empty() {
        return Err(DtlsFailure::Malformed);
    }
    if key.verifies(scheme, signed, signature) { Ok(()) } else { Err(DtlsFailure::Proof) }
}

/// Checks the Finished of the side in `role`.
pub(super) fn check_finished(
    secrets: &Secrets,
    role: DtlsRole,
    transcript: &[u8],
    theirs: &[u8],
) -> Result<(), DtlsFailure> {
    let expected = secrets.finished(role, transcript)?;
    verify_slices_are_equal(expected.as_ref(), theirs).map_err(|_| DtlsFailure::Proof)
}

/// The random number of a hello, from the library's generator: it must be unpredictable to the peer, and nothing that
/// we decide depends on it.
pub(super) fn random() -> Result<[u8; RANDOM_LEN], DtlsFailure> {
    let mut random = [0; RANDOM_LEN];
    rand::fill(&mut random).map_err(|_| DtlsFailure::Library)?;
    Ok(random)
}
