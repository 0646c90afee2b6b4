//! Key derivation (RFC 3711, section 4.3; RFC 6188 for 256-bit keys; RFC 7714, section 11) and the split of what DTLS
//! exports into master keys (RFC 5764, section 4.2).

use super::SrtpProfile;
use super::cipher::{CounterMode, SHA1_KEY_LEN};
use crate::command::DtlsRole;

/// Longest master key and session key, bytes.
const KEY_LEN_MAX: usize = 32;

/// Length of the salt that the key derivation works with; shorter ones are padded at their end, bytes.
const SALT_LEN: usize = 14;

/// What a session key is for: the first of three consecutive labels (RFC 3711, section 4.3.2).
#[derive(Clone, Copy)]
pub(super) enum Use {
    /// SRTP: labels 0 to 2.
    Rtp = 0,
    /// SRTCP: labels 3 to 5.
    Rtcp = 3,
}

/// The master key and salt of one direction.
pub(super) struct MasterKey {
    profile: SrtpProfile,
    key: [u8; KEY_LEN_MAX],
    salt: [u8; SALT_LEN],
}

/// The session keys of one direction and use.
pub(super) struct SessionKeys {
    profile: SrtpProfile,
    key: [u8; KEY_LEN_MAX],
    /// HMAC key; unused under GCM.
    pub(super) authentication: [u8; SHA1_KEY_LEN],
    /// Session salt; GCM uses the first 12 bytes.
    pub(super) salt: [u8; SALT_LEN],
}

impl MasterKey {
    /// A master key; `None` when a length is not the profile's.
    pub(super) fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Option<Self> {
        if key.len() != profile.key_len() || salt.len() != profile.salt_len() {
            return None;
        }
        let mut master = Self { profile, key: [0; KEY_LEN_MAX], salt: [0; SALT_LEN] };
        master.key.get_mut(..key.len())?.copy_from_slice(key);
        master.salt.get_mut(..salt.len())?.copy_from_slice(salt);
        Some(master)
    }

    /// Splits exported keying material into (ours, the peer's). `None` when its length is not the profile's.
    pub(super) fn split(profile: SrtpProfile, material: &[u8], role: DtlsRole) -> Option<(Self, Self)> {
        let (client_key, rest) = material.split_at_checked(profile.key_len())?;
        let (server_key, rest) = rest.split_at_checked(profile.key_len())?;
        let (client_salt, server_salt) = rest.split_at_checked(profile.salt_len())?;
        let client = Self::new(profile, client_key, client_salt)?;
        let server = Self::new(profile, server_key, server_salt)?;
        Some(match role {
            DtlsRole::Client => (client, server),
            DtlsRole::Server => (server, client),
        })
    }

    /// Derives the session keys for one use. `None` when the cipher library refuses.
    pub(super) fn derive(&self, purpose: Use) -> Option<SessionKeys> {
        let prf = CounterMode::new(self.key.get(..self.profile.key_len())?)?;
        let label = purpose as u8;
        let mut keys = SessionKeys {
            profile: self.profile,
            key: [0; KEY_LEN_MAX],
            authentication: [0; SHA1_KEY_LEN],
            salt: [0; SALT_LEN],
        };
        let derived = prf.apply(self.block(label), keys.key.get_mut(..self.profile.key_len())?)
            && prf.apply(self.block(label + 1), &mut keys.authentication)
            && prf.apply(self.block(label + 2), keys.salt.get_mut(..self.profile.salt_len())?);
        derived.then_some(keys)
    }

    /// The first counter block of the key stream for `label`, the key derivation rate being zero.
    fn block(&self, label: u8) -> u128 {
        let mut bytes = [0; 16];
        bytes[..SALT_LEN].copy_from_slice(&self.salt);
        // The label stands before a 48-bit index in a value as wide as the salt.
        u128::from_be_bytes(bytes) ^ (u128::from(label) << (48 + 16))
    }
}

impl SessionKeys {
    /// Keys given by hand, below the derivation.
    #[cfg(test)]
    pub(super) fn new(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Option<Self> {
        let MasterKey { profile, key, salt } = MasterKey::new(profile, key, salt)?;
        Some(Self { profile, key, authentication: [0; SHA1_KEY_LEN], salt })
    }

    /// The profile the keys are for.
    pub(super) fn profile(&self) -> SrtpProfile {
        self.profile
    }

    /// The encryption key.
    pub(super) fn key(&self) -> &[u8] {
        self.key.get(..self.profile.key_len()).unwrap_or_default()
    }
}
