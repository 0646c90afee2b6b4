//! Signatures of web-hooks: by which a receiver knows who speaks, and that nothing was changed on the way.
//!
//! * As the protocol has it: `Authorization: <token>`, an access token whose claim `sha256` is the digest of the body in
//!   base64. The published server SDKs check it.
//! * Ours, for receivers without an SDK: `Tutti-Signature: t=<seconds since 1970>,v1=<hex>`, an HMAC-SHA256
//!   (RFC 2104) with the secret over `<t>.<body>`.

use std::time::{Duration, SystemTime};

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::keys::{signing_key, unix_seconds};
use crate::{Claims, Keys, Secret, TokenError};

/// How long a receiver may take for new what was signed.
pub const WEBHOOK_TTL: Duration = Duration::from_secs(5 * 60);

impl Keys {
    /// Signs a body as web-hooks of the protocol are signed: the value of `Authorization`.
    ///
    /// # Errors
    /// The key is unknown.
    pub fn sign_body(&self, api_key: &str, body: &[u8], now: SystemTime) -> Result<String, TokenError> {
        let sha256 = STANDARD.encode(digest::digest(&digest::SHA256, body));
        self.sign(api_key, &Claims { sha256, ..Claims::default() }, now, WEBHOOK_TTL)
    }
}

/// Signs a body with a secret: the value of `Tutti-Signature`.
pub fn body_signature(secret: &Secret, body: &[u8], now: SystemTime) -> String {
    let at = unix_seconds(now);
    let mut context = hmac::Context::with_key(&signing_key(secret));
    context.update(format!("{at}.").as_bytes());
    context.update(body);
    let hex: String = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_760_000_000);

    #[test]
    fn a_body_is_signed_as_the_protocol_has_it() {
        let keys = Keys::one("key", Secret::new("a secret of some length"));
        let now = SystemTime::UNIX_EPOCH + NOW;
        let token = keys.sign_body("key", b"{}", now).expect("the key is known");
        let claims = keys.verify(&token, now).expect("its own token");
        // printf '{}' | openssl dgst -sha256 -binary | base64
        assert_eq!(claims.sha256, "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=");
        assert_eq!((claims.iss.as_str(), claims.exp), ("key", Some(1_760_000_300)));
        assert_eq!(keys.sign_body("other", b"{}", now), Err(TokenError::UnknownKey));
    }

    #[test]
    fn a_body_is_signed_with_a_secret() {
        let now = SystemTime::UNIX_EPOCH + NOW;
        let signature = body_signature(&Secret::new("a secret of some length"), b"{}", now);
        // printf '1760000000.{}' | openssl dgst -sha256 -hmac 'a secret of some length'
        assert_eq!(signature, "t=1760000000,v1=71bb8d05c634dcf14905d924ffdf10779d697f37adeb06cef34eebf5100de49a");
        assert_ne!(signature, body_signature(&Secret::new("another secret"), b"{}", now));
        assert_ne!(signature, body_signature(&Secret::new("a secret of some length"), b"{ }", now));
    }
}
