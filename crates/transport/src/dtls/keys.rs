//! The key schedule: the extended master secret (RFC 7627), record keys and Finished (RFC 5246, sections 6.3 and 7.4.9),
//! and what SRTP is keyed with (RFC 5764, section 4.2).

use aws_lc_rs::digest;
use aws_lc_rs::tls_prf::Secret;

use super::failure::DtlsFailure;
use super::record::{Opener, SALT_LEN, Sealer};
use super::suite::Suite;
use crate::command::DtlsRole;
use crate::srtp::SrtpProfile;

/// Length of the master secret, bytes.
const MASTER_LEN: usize = 48;

/// Length of what Finished proves the handshake with, bytes.
pub(super) const FINISHED_LEN: usize = 12;

/// Length of each side's random number in its hello, bytes.
pub(super) const RANDOM_LEN: usize = 32;

/// The secrets of an association. Wiped when dropped.
pub(super) struct Secrets {
    suite: &'static Suite,
    master: Secret,
    client_random: [u8; RANDOM_LEN],
    server_random: [u8; RANDOM_LEN],
}

impl Secrets {
    /// From the shared secret of the key exchange and the messages up to ClientKeyExchange.
    pub(super) fn new(
        suite: &'static Suite,
        shared: &[u8],
        transcript: &[u8],
        client_random: [u8; RANDOM_LEN],
        server_random: [u8; RANDOM_LEN],
    ) -> Result<Self, DtlsFailure> {
        let session = digest::digest(suite.digest, transcript);
        let master = Secret::new(suite.prf, shared)
            .and_then(|shared| shared.derive(b"extended master secret", session.as_ref(), MASTER_LEN))
            .map_err(|_| DtlsFailure::Library)?;
        Ok(Self { suite, master, client_random, server_random })
    }

    fn expand(&self, label: &[u8], first: &[u8], second: &[u8], len: usize) -> Result<Secret, DtlsFailure> {
        Secret::new(self.suite.prf, self.master.as_ref())
            .and_then(|master| master.derive_with_seed_concatination(label, first, second, len))
            .map_err(|_| DtlsFailure::Library)
    }

    /// What our side seals with and what it opens with.
    pub(super) fn protection(&self, role: DtlsRole) -> Result<(Sealer, Opener), DtlsFailure> {
        let aead = self.suite.aead;
        let len = 2 * (aead.key_len() + SALT_LEN);
        let block = self.expand(b"key expansion", &self.server_random, &self.client_random, len)?;
        let split = || {
            let (client_key, rest) = block.as_ref().split_at_checked(aead.key_len())?;
            let (server_key, rest) = rest.split_at_checked(aead.key_len())?;
            let (client_salt, server_salt) = rest.split_first_chunk::<SALT_LEN>()?;
            let client = (client_key, *client_salt);
            let server = (server_key, *server_salt.first_chunk::<SALT_LEN>()?);
            let (ours, theirs) = match role {
                DtlsRole::Client => (client, server),
                DtlsRole::Server => (server, client),
            };
            Some((Sealer::new(aead, ours.0, ours.1)?, Opener::new(aead, theirs.0, theirs.1)?))
        };
        split().ok_or(DtlsFailure::Library)
    }

    /// What the side in `role` writes in its Finished after the messages in `transcript`.
    pub(super) fn finished(&self, role: DtlsRole, transcript: &[u8]) -> Result<Secret, DtlsFailure> {
        let label: &[u8] = match role {
            DtlsRole::Client => b"client finished",
            DtlsRole::Server => b"server finished",
        };
        let hash = digest::digest(self.suite.digest, transcript);
        self.expand(label, hash.as_ref(), &[], FINISHED_LEN)
    }

    /// The master keys and salts of SRTP.
    pub(super) fn srtp(&self, profile: SrtpProfile) -> Result<Secret, DtlsFailure> {
        let len = 2 * (profile.key_len() + profile.salt_len());
        self.expand(b"EXTRACTOR-dtls_srtp", &self.client_random, &self.server_random, len)
    }
}
