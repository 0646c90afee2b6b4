//! The key that seals secrets at rest: AES-256-GCM, with what the secret belongs to as authenticated data.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tutti_token::Secret;

use crate::folder;

/// Bytes of a master key.
pub const MASTER_KEY_BYTES: usize = 32;

/// Why a master key or something it sealed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or made.
    #[error("cannot use the master key's file {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not 32 bytes in base64.
    #[error("the master key is not 32 bytes in base64: openssl rand -base64 32")]
    Form,
    /// A secret was sealed by a key that is not at hand.
    #[error("a secret is sealed by the master key {0}, which is not at hand")]
    Unknown(String),
    /// A sealed secret is not what was sealed.
    #[error("a sealed secret was changed, or is in another's place")]
    Sealed,
}

/// The master key, and older ones that only open.
pub struct MasterKeys {
    keys: Vec<(String, RandomizedNonceKey)>,
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

impl MasterKeys {
    /// From the text of the key, and of older ones.
    ///
    /// # Errors
    /// [`MasterKeyError::Form`].
    pub fn new(current: &Secret, older: &[Secret]) -> Result<Self, MasterKeyError> {
        let keys = std::iter::once(current).chain(older).map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { keys })
    }

    /// The text of a key in a file.
    ///
    /// # Errors
    /// [`MasterKeyError::File`].
    pub fn read(path: &Path) -> Result<Secret, MasterKeyError> {
        let failed = |source| MasterKeyError::File { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(failed)?;
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(file = %path.display(), "others can read the master key: chmod 600");
        }
        Ok(Secret::new(text.trim()))
    }

    /// The text of the key in a file; if there is no file, a new key is made and put there.
    ///
    /// # Errors
    /// [`MasterKeyError::File`].
    pub fn read_or_make(path: &Path) -> Result<Secret, MasterKeyError> {
        match Self::read(path) {
            Err(MasterKeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let text = STANDARD.encode(rand::random::<[u8; MASTER_KEY_BYTES]>());
                folder::replace(path, format!("{text}\n").as_bytes())
                    .map_err(|source| MasterKeyError::File { path: path.to_owned(), source })?;
                tracing::warn!(file = %path.display(), "made a master key: keep a copy, without it no secret can be read");
                Ok(Secret::new(text))
            }
            outcome => outcome,
        }
    }

    /// Id of the key that seals: part of a digest of it.
    pub fn id(&self) -> &str {
        self.keys.first().map_or("", |(id, _)| id)
    }

    /// Seals a secret that belongs to `owner`.
    ///
    /// # Errors
    /// [`MasterKeyError::Sealed`]: the machine has no randomness.
    pub fn seal(&self, owner: &str, secret: &Secret) -> Result<Vec<u8>, MasterKeyError> {
        let (_, key) = self.keys.first().ok_or(MasterKeyError::Sealed)?;
        let mut sealed = secret.expose().as_bytes().to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(owner), &mut sealed).map_err(|_| MasterKeyError::Sealed)?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut sealed);
        Ok(bytes)
    }

    /// Opens what the key `id` sealed for `owner`.
    ///
    /// # Errors
    /// [`MasterKeyError::Unknown`], [`MasterKeyError::Sealed`].
    pub fn open(&self, id: &str, owner: &str, bytes: &[u8]) -> Result<Secret, MasterKeyError> {
        let found = self.keys.iter().find(|(known, _)| known == id);
        let (_, key) = found.ok_or_else(|| MasterKeyError::Unknown(id.to_owned()))?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(MasterKeyError::Sealed)?;
        let mut sealed = sealed.to_vec();
        let opened =
            key.open_in_place(Nonce::from(nonce), Aad::from(owner), &mut sealed).map_err(|_| MasterKeyError::Sealed)?;
        let text = String::from_utf8(opened.to_vec()).map_err(|_| MasterKeyError::Sealed)?;
        Ok(Secret::new(text))
    }
}

fn parse(text: &Secret) -> Result<(String, RandomizedNonceKey), MasterKeyError> {
    let bytes = STANDARD.decode(text.expose().trim()).map_err(|_| MasterKeyError::Form)?;
    if bytes.len() != MASTER_KEY_BYTES {
        return Err(MasterKeyError::Form);
    }
    let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| MasterKeyError::Form)?;
    let mut named = b"tutti master key ".to_vec();
    named.extend_from_slice(&bytes);
    let id =
        digest::digest(&digest::SHA256, &named).as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Ok((id, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Secret {
        Secret::new(STANDARD.encode([byte; MASTER_KEY_BYTES]))
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let keys = MasterKeys::new(&key(1), &[]).expect("a key");
        let secret = Secret::new("hush, a secret of some length");
        let sealed = keys.seal("key a of app x", &secret).expect("sealed");
        assert_ne!(sealed, keys.seal("key a of app x", &secret).expect("sealed"), "nonces differ");
        assert!(!sealed.windows(4).any(|part| part == b"hush"));
        assert_eq!(keys.open(keys.id(), "key a of app x", &sealed).ok(), Some(secret.clone()));
        assert!(matches!(keys.open(keys.id(), "key b of app x", &sealed), Err(MasterKeyError::Sealed)));
        assert!(matches!(keys.open("0123456789abcdef", "key a of app x", &sealed), Err(MasterKeyError::Unknown(_))));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(matches!(keys.open(keys.id(), "key a of app x", &changed), Err(MasterKeyError::Sealed)), "{at}");
            assert!(keys.open(keys.id(), "key a of app x", &sealed[..at]).is_err(), "{at}");
        }
        let newer = MasterKeys::new(&key(2), &[key(1)]).expect("two keys");
        assert_ne!(newer.id(), keys.id());
        assert_eq!(newer.open(keys.id(), "key a of app x", &sealed).ok(), Some(secret));
        assert!(!format!("{keys:?}").contains("hush"));
    }

    #[test]
    fn wrong_master_keys_are_refused() {
        for text in ["", "hush", "AAAA", "not base64 at all!", &STANDARD.encode([0; 31]), &STANDARD.encode([0; 33])] {
            assert!(matches!(MasterKeys::new(&Secret::new(text), &[]), Err(MasterKeyError::Form)), "{text}");
        }
        assert_eq!(MASTER_KEY_BYTES, 32);
    }
}
