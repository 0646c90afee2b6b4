//! Target for access tokens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tutti_token::{Claims, Keys, Secret, TTL_DEFAULT, TokenError};

const SECRET: &str = "secret of the fuzz targets";

/// The bytes as a whole token, and as header and claims of one whose signature is right: two lines of JSON.
pub fn token(data: &[u8]) {
    let keys = Keys::one("devkey", Secret::new(SECRET));
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let text = String::from_utf8_lossy(data);
    if keys.verify(&text, now).is_ok() {
        let (signed, _) = text.rsplit_once('.').expect("a token has parts");
        assert_eq!(keys.verify(&sign(signed), now), keys.verify(&text, now), "a token that nobody signed");
    }
    let (header, claims) = text.split_once('\n').unwrap_or((r#"{"alg":"HS256"}"#, &text));
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let token = sign(&signed);
    match keys.verify(&token, now) {
        Ok(claims) => good(&keys, &token, &claims, now),
        Err(error) => assert_ne!(error, TokenError::Signature),
    }
}

/// The token with a signature that is right.
fn sign(signed: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
}

/// What was read says the same when it is signed again; a token of a stranger or of another day says nothing.
fn good(keys: &Keys, token: &str, claims: &Claims, now: SystemTime) {
    assert_eq!(claims.iss, "devkey");
    let again = keys.sign("devkey", claims, now, TTL_DEFAULT).expect("the key is known");
    let again = keys.verify(&again, now).expect("a token that was just signed");
    // The configuration of a room is passed on as it is; a number may lose its last digit on its way through JSON.
    assert_eq!(again.room_config.is_some(), claims.room_config.is_some());
    let Claims { exp, nbf, iat, room_config, .. } = again.clone();
    assert_eq!(again, Claims { exp, nbf, iat, room_config, ..claims.clone() });
    assert_eq!(again.video.permission(), claims.video.permission());
    let stranger = Keys::one("devkey", Secret::new("another secret"));
    assert_eq!(stranger.verify(token, now), Err(TokenError::Signature));
    let exp = u64::try_from(claims.exp.expect("a token without end is refused")).unwrap_or_default();
    if let Some(late) =
        UNIX_EPOCH.checked_add(Duration::from_secs(exp)).and_then(|end| end.checked_add(tutti_token::LEEWAY))
    {
        assert_eq!(keys.verify(token, late), Err(TokenError::Expired));
    }
}
