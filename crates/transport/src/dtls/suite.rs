//! What is negotiated: cipher suites, groups, signature schemes and SRTP profiles, each in our order of preference, and
//! the key exchange.
//!
//! RFC 8827, section 6.5 asks for TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 and P-256; the suites with RSA are for peers
//! that are the DTLS server and hold an RSA key. Forward secrecy and authenticated encryption only.

use aws_lc_rs::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::{aead, digest, tls_prf};

use super::failure::DtlsFailure;
use crate::srtp::SrtpProfile;

/// How a cipher suite's server proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authentication {
    Ecdsa,
    Rsa,
}

/// A cipher suite (RFC 5289).
pub(super) struct Suite {
    pub(super) id: u16,
    pub(super) authentication: Authentication,
    pub(super) aead: &'static aead::Algorithm,
    pub(super) digest: &'static digest::Algorithm,
    pub(super) prf: &'static tls_prf::Algorithm,
}

const fn aes_128(id: u16, authentication: Authentication) -> Suite {
    Suite { id, authentication, aead: &aead::AES_128_GCM, digest: &digest::SHA256, prf: &tls_prf::P_SHA256 }
}

const fn aes_256(id: u16, authentication: Authentication) -> Suite {
    Suite { id, authentication, aead: &aead::AES_256_GCM, digest: &digest::SHA384, prf: &tls_prf::P_SHA384 }
}

/// What we offer and take.
pub(super) static SUITES: [Suite; 4] = [
    aes_128(0xc02b, Authentication::Ecdsa),
    aes_128(0xc02f, Authentication::Rsa),
    aes_256(0xc02c, Authentication::Ecdsa),
    aes_256(0xc030, Authentication::Rsa),
];

/// The suite with this number.
pub(super) fn suite(id: u16) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.id == id)
}

/// Elliptic-curve groups for the key exchange (RFC 8422, section 5.1.1).
pub(super) static GROUPS: [(u16, &agreement::Algorithm); 4] =
    [(29, &agreement::X25519), (23, &agreement::ECDH_P256), (24, &agreement::ECDH_P384), (25, &agreement::ECDH_P521)];

/// P-256: the group of a peer that does not say what it takes.
pub(super) const GROUP_P256: u16 = 23;

/// Signature schemes that we verify (RFC 5246, section 7.4.1.4.1): ECDSA and RSA (PKCS #1) with SHA-256, 384 and 512.
pub(super) const SCHEMES: [u16; 6] = [0x0403, 0x0503, 0x0603, 0x0401, 0x0501, 0x0601];

/// ECDSA with SHA-256: how we sign.
pub(super) const OUR_SCHEME: u16 = 0x0403;

/// SRTP profiles (RFC 5764, section 4.1.2; RFC 7714, section 14.2). AES-128-GCM costs the least for each packet; SHA-1
/// with counter mode five times as much, but every client has it.
pub(super) const PROFILES: [(u16, SrtpProfile); 3] = [
    (0x0007, SrtpProfile::AeadAes128Gcm),
    (0x0008, SrtpProfile::AeadAes256Gcm),
    (0x0001, SrtpProfile::Aes128CmSha1_80),
];

/// The profile with this number.
pub(super) fn profile(id: u16) -> Option<SrtpProfile> {
    PROFILES.iter().find(|(known, _)| *known == id).map(|(_, profile)| *profile)
}

/// The number of a profile.
pub(super) fn profile_id(profile: SrtpProfile) -> u16 {
    PROFILES.iter().find(|(_, known)| *known == profile).map_or(0, |(id, _)| *id)
}

/// Our half of the key exchange.
pub(super) struct KeyExchange {
    algorithm: &'static agreement::Algorithm,
    group: u16,
    private: EphemeralPrivateKey,
    public: agreement::PublicKey,
}

impl KeyExchange {
    /// A new key pair in the group with this number.
    pub(super) fn new(group: u16) -> Result<Self, DtlsFailure> {
        let (_, algorithm) = GROUPS.iter().find(|(known, _)| *known == group).ok_or(DtlsFailure::NothingInCommon)?;
        let private =
            EphemeralPrivateKey::generate(algorithm, &SystemRandom::new()).map_err(|_| DtlsFailure::Library)?;
        let public = private.compute_public_key().map_err(|_| DtlsFailure::Library)?;
        Ok(Self { algorithm, group, private, public })
    }

    /// Number of the group.
    pub(super) fn group(&self) -> u16 {
        self.group
    }

    /// Our public key: an uncompressed point, or the bytes of X25519.
    pub(super) fn public(&self) -> &[u8] {
        self.public.as_ref()
    }

    /// Hands the shared secret to `derive`. Fails on a public key that is not of the group.
    pub(super) fn agree<T>(
        self,
        theirs: &[u8],
        derive: impl FnOnce(&[u8]) -> Result<T, DtlsFailure>,
    ) -> Result<T, DtlsFailure> {
        let theirs = UnparsedPublicKey::new(self.algorithm, theirs);
        agree_ephemeral(self.private, theirs, DtlsFailure::Malformed, derive)
    }
}
