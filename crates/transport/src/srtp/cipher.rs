//! The ciphers of SRTP over aws-lc: AES-GCM that seals from one buffer into another, and AES-CM with HMAC-SHA1.
//!
//! Knows nonces, keys and tags, no packet layouts.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

/// Length of a GCM tag, bytes (RFC 7714, section 13.2).
pub(super) const GCM_TAG_LEN: usize = 16;

/// Length of the truncated HMAC-SHA1, bytes (RFC 3711, section 5.2).
pub(super) const SHA1_TAG_LEN: usize = 10;

/// Length of the HMAC-SHA1 key, bytes (RFC 3711, section 5.2).
pub(super) const SHA1_KEY_LEN: usize = 20;

/// An AES-GCM key for sealing out of place: copying the payload first costs a sixth of the whole operation.
pub(super) struct GcmSealer {
    key: LessSafeKey,
}

impl GcmSealer {
    /// A key of 16 or 32 bytes; `None` for other lengths.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        gcm(key).map(|key| Self { key })
    }

    /// Writes the ciphertext of `plain` and then the tag to `sealed`, which must be exactly [`GCM_TAG_LEN`] longer.
    /// `false` when it is not, or the library refuses.
    #[must_use]
    pub(super) fn seal(&self, nonce: &[u8; 12], aad: &[u8], plain: &[u8], sealed: &mut [u8]) -> bool {
        let Some((ciphertext, tag)) = sealed.split_at_mut_checked(plain.len()) else { return false };
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.key.seal_out_of_place_scatter(nonce, Aad::from(aad), plain, ciphertext, &[], tag).is_ok()
    }
}

/// An AES-GCM key of 16 or 32 bytes; `None` for other lengths.
fn gcm(key: &[u8]) -> Option<LessSafeKey> {
    let algorithm = if key.len() == 16 { &aead::AES_128_GCM } else { &aead::AES_256_GCM };
    UnboundKey::new(algorithm, key).ok().map(LessSafeKey::new)
}

/// An AES-GCM key for opening in place.
pub(super) struct GcmOpener {
    key: LessSafeKey,
}

impl GcmOpener {
    /// A key of 16 or 32 bytes; `None` for other lengths.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        gcm(key).map(|key| Self { key })
    }

    /// Opens ciphertext and tag in place; the plaintext is [`GCM_TAG_LEN`] shorter. `false` when not authentic.
    #[must_use]
    pub(super) fn open(&self, nonce: &[u8; 12], aad: &[u8], sealed: &mut [u8]) -> bool {
        self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), sealed).is_ok()
    }
}

/// AES in counter mode, with the key schedule kept (RFC 3711, section 4.1.1).
pub(super) struct CounterMode {
    key: EncryptingKey,
}

impl CounterMode {
    /// A key of 16 or 32 bytes; `None` for other lengths.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        let algorithm = if key.len() == 16 { &AES_128 } else { &AES_256 };
        let key = UnboundCipherKey::new(algorithm, key).ok()?;
        Some(Self { key: EncryptingKey::ctr(key).ok()? })
    }

    /// Adds the key stream that begins at block `iv` to `data`. `false` when the library refuses.
    #[must_use]
    pub(super) fn apply(&self, iv: u128, data: &mut [u8]) -> bool {
        let context = EncryptionContext::Iv128(FixedLength::from(iv.to_be_bytes()));
        self.key.less_safe_encrypt(data, context).is_ok()
    }
}

/// HMAC-SHA1 truncated to 80 bits (RFC 3711, section 4.2.1).
pub(super) struct Sha1Tag {
    key: hmac::Key,
}

impl Sha1Tag {
    /// A key of [`SHA1_KEY_LEN`] bytes.
    pub(super) fn new(key: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key) }
    }

    /// The tag over `message` and the four bytes after it: the rollover counter, or nothing for SRTCP.
    pub(super) fn tag(&self, message: &[u8], suffix: &[u8]) -> [u8; SHA1_TAG_LEN] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(message);
        context.update(suffix);
        let whole = context.sign();
        let mut tag = [0; SHA1_TAG_LEN];
        for (to, from) in tag.iter_mut().zip(whole.as_ref()) {
            *to = *from;
        }
        tag
    }

    /// Whether `tag` is the tag of `message` and `suffix`, in constant time.
    pub(super) fn verify(&self, message: &[u8], suffix: &[u8], tag: &[u8]) -> bool {
        verify_slices_are_equal(&self.tag(message, suffix), tag).is_ok()
    }
}
