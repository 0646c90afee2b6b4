//! API keys and their secrets; signing and verifying.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use crate::{Claims, Secret, TokenError};

/// How far the clocks of signer and verifier may be apart.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// Life of a token where none is asked for: what the published SDKs take.
pub const TTL_DEFAULT: Duration = Duration::from_secs(6 * 3600);

/// Parts of a token have no padding (RFC 7515, section 2), but signers that leave it on are met.
const PADDED_OR_NOT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Longest algorithm name that an error quotes, characters.
const QUOTED_MAX: usize = 16;

/// API keys by name. `Debug` shows the names only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(BTreeMap<String, Secret>);

/// The part of a token's header that decides (RFC 7515, section 4.1).
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

impl Keys {
    /// The only key, for one pair of name and secret.
    pub fn one(api_key: impl Into<String>, secret: Secret) -> Self {
        Self(BTreeMap::from([(api_key.into(), secret)]))
    }

    /// Names of the keys, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Signs the claims with a key. `iss`, `nbf`, `iat` and `exp` of the claims are replaced.
    ///
    /// # Errors
    /// The key is unknown.
    pub fn sign(&self, api_key: &str, claims: &Claims, now: SystemTime, ttl: Duration) -> Result<String, TokenError> {
        let secret = self.0.get(api_key).ok_or(TokenError::UnknownKey)?;
        let now = unix_seconds(now);
        let claims = Claims {
            iss: api_key.to_owned(),
            nbf: Some(now),
            iat: Some(now),
            exp: Some(now.saturating_add(whole_seconds(ttl))),
            ..claims.clone()
        };
        let payload = serde_json::to_vec(&claims).map_err(|error| TokenError::Claims(error.to_string()))?;
        let mut token = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = hmac::sign(&signing_key(secret), token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Checks a token and gives its claims: form, algorithm, key, signature, then time.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Claims, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed("not three parts"))?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed("not three parts"))?;
        if payload.contains('.') {
            return Err(TokenError::Malformed("not three parts"));
        }
        let header: Header =
            serde_json::from_slice(&decode(header, "header")?).map_err(|_| TokenError::Malformed("header"))?;
        if header.alg != "HS256" {
            return Err(TokenError::Algorithm(header.alg.chars().take(QUOTED_MAX).collect()));
        }
        if header.crit.is_some() {
            return Err(TokenError::CriticalExtension);
        }
        let payload = decode(payload, "claims")?;
        let secret = self.0.get(&issuer(&payload)?).ok_or(TokenError::UnknownKey)?;
        hmac::verify(&signing_key(secret), signed.as_bytes(), &decode(signature, "signature")?)
            .map_err(|_| TokenError::Signature)?;
        let claims = Claims::from_json(&payload)?;
        check_time(&claims, unix_seconds(now))?;
        Ok(claims)
    }
}

impl FromIterator<(String, Secret)> for Keys {
    fn from_iter<I: IntoIterator<Item = (String, Secret)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// The key that a token says it is signed with. Nothing else of it is believed yet.
fn issuer(payload: &[u8]) -> Result<String, TokenError> {
    #[derive(Deserialize)]
    struct Issuer {
        #[serde(default)]
        iss: Option<String>,
    }
    let issuer: Issuer = tutti_json::claims_from_slice(payload).map_err(|_| TokenError::Malformed("claims"))?;
    issuer.iss.ok_or(TokenError::UnknownKey)
}

fn check_time(claims: &Claims, now: i64) -> Result<(), TokenError> {
    let leeway = whole_seconds(LEEWAY);
    let exp = claims.exp.ok_or(TokenError::NoExpiry)?;
    if now >= exp.saturating_add(leeway) {
        return Err(TokenError::Expired);
    }
    if [claims.nbf, claims.iat].into_iter().flatten().any(|begin| begin > now.saturating_add(leeway)) {
        return Err(TokenError::NotYetValid);
    }
    Ok(())
}

fn decode(part: &str, name: &'static str) -> Result<Vec<u8>, TokenError> {
    PADDED_OR_NOT.decode(part).map_err(|_| TokenError::Malformed(name))
}

pub(crate) fn signing_key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes())
}

/// Seconds since 1970; a clock before that counts as 1970.
pub(crate) fn unix_seconds(now: SystemTime) -> i64 {
    whole_seconds(now.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
