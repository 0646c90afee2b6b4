//! The certificate of the process, and the configuration that all its transports share.

use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

use crate::command::Fingerprint;
use crate::data::DataConfig;
use crate::error::TransportError;

/// A self-signed ECDSA P-256 certificate (RFC 8827, section 6.5). One per process; clones share it.
#[derive(Clone)]
pub struct Certificate {
    identity: Arc<Identity>,
    fingerprint: Fingerprint,
}

struct Identity {
    key: EcdsaKeyPair,
    der: Vec<u8>,
}

impl Certificate {
    /// Generates a certificate from the operating system's randomness. For the start of the process.
    pub fn generate() -> Result<Self, TransportError> {
        let generate = || {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).ok()?;
            let der = self_signed(&key)?;
            Some(Identity { key, der })
        };
        let identity = generate().ok_or(TransportError::GenerateCertificate)?;
        let fingerprint = Fingerprint::of(&identity.der);
        Ok(Self { identity: Arc::new(identity), fingerprint })
    }

    /// SHA-256 of the certificate, for `a=fingerprint`.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.identity.der
    }

    /// An ECDSA signature with SHA-256 over `message`. `None` when the library refuses.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature = self.identity.key.sign(&SystemRandom::new(), message).ok()?;
        Some(signature.as_ref().to_vec())
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

/// Largest datagram we build, bytes: 1280, the least MTU of IPv6, without 48 of IPv6 and UDP headers, rounded down.
pub(crate) const DATAGRAM_MAX: usize = 1200;

/// What all transports of a process share. Keep it in an `Arc`.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    pub(crate) certificate: Certificate,
    pub(crate) data: DataConfig,
}

impl TransportConfig {
    /// A configuration around the process's certificate.
    pub fn new(certificate: Certificate) -> Self {
        Self { certificate, data: DataConfig::new(DATAGRAM_MAX) }
    }

    /// SHA-256 of our certificate, for `a=fingerprint`.
    pub fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint()
    }
}

/// The certificate of `key`, signed by itself (RFC 5280, section 4.1), DER. The peer knows it by its fingerprint, so its
/// name says nothing and it holds for all time.
fn self_signed(key: &EcdsaKeyPair) -> Option<Vec<u8>> {
    const NAME: &[u8] = b"Tutti";
    let sequence = |parts: &[&[u8]]| element(0x30, &parts.concat());
    // ecdsa-with-SHA256, 1.2.840.10045.4.3.2; id-ecPublicKey and secp256r1; commonName, 2.5.4.3.
    let algorithm = sequence(&[&element(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2])]);
    let key_algorithm = sequence(&[
        &element(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]),
        &element(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]),
    ]);
    let name = sequence(&[&element(0x31, &sequence(&[&element(6, &[0x55, 4, 3]), &element(12, NAME)]))]);
    let validity = sequence(&[&element(23, b"200101000000Z"), &element(24, b"99991231235959Z")]);
    // An unused-bits count of zero goes before what a BIT STRING holds.
    let bits = |bytes: &[u8]| element(3, &[&[0], bytes].concat());
    let mut serial = [0; 16];
    rand::fill(&mut serial).ok()?;
    // Positive, and of this length whatever was drawn.
    serial[0] = serial[0] & 0x3f | 0x40;
    let to_be_signed = sequence(&[
        &element(0xa0, &element(2, &[2])), // version 3
        &element(2, &serial),
        &algorithm,
        &name,
        &validity,
        &name,
        &sequence(&[&key_algorithm, &bits(key.public_key().as_ref())]),
    ]);
    let signature = key.sign(&SystemRandom::new(), &to_be_signed).ok()?;
    Some(sequence(&[&to_be_signed, &algorithm, &bits(signature.as_ref())]))
}

/// One DER element. What we write is shorter than 64 KiB.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let [high, low] = (contents.len() as u16).to_be_bytes();
    let head: &[u8] = match (high, low) {
        (0, 0..=0x7f) => &[tag, low],
        (0, _) => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [head, contents].concat()
}

#[cfg(test)]
impl Certificate {
    /// This certificate in the hands of someone who holds only the other's key.
    pub(crate) fn with_key_of(&self, other: &Self) -> Self {
        let key = other.identity.key.to_pkcs8v1().unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref()).unwrap();
        let identity = Identity { key, der: self.identity.der.clone() };
        Self { identity: Arc::new(identity), fingerprint: self.fingerprint }
    }
}
