//! What a verifier lets through and what it refuses, by table.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tutti_token::{Claims, Keys, Secret, TTL_DEFAULT, TokenError};

const NOW: i64 = 1_800_000_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW as u64)
}

fn keys() -> Keys {
    [("devkey", "secret"), ("other", "another secret")]
        .into_iter()
        .map(|(key, secret)| (key.to_owned(), Secret::new(secret)))
        .collect()
}

/// Signs whatever it is given, as a careless or hostile signer would.
fn forge(header: &Value, claims: &Value, algorithm: hmac::Algorithm, secret: &str) -> String {
    let signed =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn hs256(claims: &Value) -> String {
    forge(&json!({"alg": "HS256", "typ": "JWT"}), claims, hmac::HMAC_SHA256, "secret")
}

fn valid() -> Value {
    json!({"iss": "devkey", "sub": "ada", "exp": NOW + 600, "nbf": NOW, "video": {"roomJoin": true, "room": "r"}})
}

fn with(changes: Value) -> Value {
    let mut claims = valid();
    let (Some(claims_map), Some(changes)) = (claims.as_object_mut(), changes.as_object()) else { return claims };
    for (name, value) in changes {
        claims_map.insert(name.clone(), value.clone());
    }
    claims
}

#[test]
fn own_tokens_are_accepted_and_keep_every_claim() {
    let claims = Claims {
        name: "Ada".into(),
        metadata: "{}".into(),
        attributes: [("seat".to_owned(), "3".to_owned())].into(),
        room_config: Some(json!({"maxParticipants": 3})),
        ..Claims::join("r", "ada")
    };
    let token = keys().sign("devkey", &claims, now(), TTL_DEFAULT).expect("key is known");
    let read = keys().verify(&token, now()).expect("token is good");
    assert_eq!(read.exp, Some(NOW + 6 * 3600));
    assert_eq!(read, Claims { iss: "devkey".into(), exp: read.exp, nbf: Some(NOW), iat: Some(NOW), ..claims });
}

#[test]
fn algorithms() {
    let claims = valid();
    let cases = [
        (json!({"alg": "HS384"}), hmac::HMAC_SHA384, "HS384"),
        (json!({"alg": "HS512"}), hmac::HMAC_SHA512, "HS512"),
        // The right signature under a wrong name is still refused: the name decides.
        (json!({"alg": "none"}), hmac::HMAC_SHA256, "none"),
        (json!({"alg": "None"}), hmac::HMAC_SHA256, "None"),
        (json!({"alg": "hs256"}), hmac::HMAC_SHA256, "hs256"),
        (json!({"alg": "RS256"}), hmac::HMAC_SHA256, "RS256"),
        (json!({"alg": "ES256"}), hmac::HMAC_SHA256, "ES256"),
        (json!({"alg": ""}), hmac::HMAC_SHA256, ""),
        (json!({"alg": "a name without any end"}), hmac::HMAC_SHA256, "a name without a"),
    ];
    for (header, algorithm, name) in cases {
        let token = forge(&header, &claims, algorithm, "secret");
        assert_eq!(keys().verify(&token, now()), Err(TokenError::Algorithm(name.into())), "{header}");
    }
    let unsigned = forge(&json!({"alg": "none"}), &claims, hmac::HMAC_SHA256, "secret");
    let unsigned = format!("{}.", unsigned.rsplit_once('.').expect("three parts").0);
    assert_eq!(keys().verify(&unsigned, now()), Err(TokenError::Algorithm("none".into())));

    let critical = forge(&json!({"alg": "HS256", "crit": ["exp"]}), &claims, hmac::HMAC_SHA256, "secret");
    assert_eq!(keys().verify(&critical, now()), Err(TokenError::CriticalExtension));
}

#[test]
fn keys_and_signatures() {
    let header = json!({"alg": "HS256"});
    let cases = [
        (with(json!({"iss": "nobody"})), "secret", TokenError::UnknownKey),
        (with(json!({"iss": ""})), "secret", TokenError::UnknownKey),
        (with(json!({"iss": null})), "secret", TokenError::UnknownKey),
        (valid(), "wrong", TokenError::Signature),
        // A key's secret opens no token that names another key.
        (with(json!({"iss": "other"})), "secret", TokenError::Signature),
    ];
    for (claims, secret, error) in cases {
        let token = forge(&header, &claims, hmac::HMAC_SHA256, secret);
        assert_eq!(keys().verify(&token, now()), Err(error), "{claims}");
    }
    let other = forge(&header, &with(json!({"iss": "other"})), hmac::HMAC_SHA256, "another secret");
    assert!(keys().verify(&other, now()).is_ok());
}

#[test]
fn a_changed_token_is_refused() {
    let good = hs256(&valid());
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let (header, _) = signed.split_once('.').expect("three parts");
    let other = URL_SAFE_NO_PAD.encode(with(json!({"sub": "eve"})).to_string());
    assert_eq!(keys().verify(&format!("{header}.{other}.{signature}"), now()), Err(TokenError::Signature));
    assert_eq!(keys().verify(&format!("{signed}."), now()), Err(TokenError::Signature));
}

#[test]
fn time() {
    // The number of docs/tokens.md, not the one of the code.
    let leeway = 60;
    let cases = [
        (json!({"exp": NOW + 1}), None),
        (json!({"exp": NOW - leeway + 1}), None),
        (json!({"exp": NOW - leeway}), Some(TokenError::Expired)),
        (json!({"exp": (NOW - leeway) as f64 + 0.9}), Some(TokenError::Expired)),
        (json!({"exp": 0}), Some(TokenError::Expired)),
        (json!({"exp": -1}), Some(TokenError::Expired)),
        (json!({"exp": i64::MIN}), Some(TokenError::Expired)),
        (json!({"exp": i64::MAX}), None),
        (json!({"exp": (NOW + 10) as f64 + 0.5}), None),
        (json!({"exp": null}), Some(TokenError::NoExpiry)),
        (json!({"nbf": NOW + leeway}), None),
        (json!({"nbf": NOW + leeway + 1}), Some(TokenError::NotYetValid)),
        (json!({"nbf": null}), None),
        (json!({"iat": NOW + leeway}), None),
        (json!({"iat": NOW + leeway + 1}), Some(TokenError::NotYetValid)),
        (json!({"exp": NOW + 600, "nbf": i64::MAX}), Some(TokenError::NotYetValid)),
    ];
    for (changes, error) in cases {
        let result = keys().verify(&hs256(&with(changes.clone())), now());
        assert_eq!(result.err(), error, "{changes}");
    }
    assert_eq!(keys().verify(&hs256(&valid()), UNIX_EPOCH), Err(TokenError::NotYetValid));
    // A clock before 1970 counts as 1970.
    let early = json!({"iss": "devkey", "sub": "ada", "exp": 600});
    assert!(keys().verify(&hs256(&early), UNIX_EPOCH - Duration::from_secs(86_400)).is_ok());
}

#[test]
fn a_token_has_three_parts() {
    for text in ["", "a", "a.b", "a.b.c.d", "...."] {
        assert_eq!(keys().verify(text, now()), Err(TokenError::Malformed("not three parts")), "{text}");
    }
}

/// RFC 7519, sections 4 and 5, RFC 7515, section 4.1: what a signer may say, leave out or say in another form.
#[test]
fn what_is_optional_is_optional() {
    let accepted = |header: &Value, claims: &Value| {
        let read = keys().verify(&forge(header, claims, hmac::HMAC_SHA256, "secret"), now());
        read.unwrap_or_else(|error| panic!("{header} {claims}: {error}"))
    };
    let plain = json!({"alg": "HS256"});
    for header in [
        json!({"alg": "HS256", "typ": "JWT"}),
        json!({"alg": "HS256", "typ": "jwt"}),
        json!({"alg": "HS256", "typ": "at+jwt"}),
        json!({"alg": "HS256", "typ": null}),
        json!({"alg": "HS256", "cty": "application/json"}),
        json!({"alg": "HS256", "kid": "devkey"}),
        json!({"alg": "HS256", "kid": "another", "x5t": "x", "jku": "https://example.org", "later": {"x": [1]}}),
        json!({"kid": null, "alg": "HS256", "crit": null}),
    ] {
        accepted(&header, &valid());
    }
    // Only what says who signed and when it ends is demanded.
    let least = json!({"iss": "devkey", "exp": NOW + 600});
    assert_eq!(accepted(&plain, &least), Claims { iss: "devkey".into(), exp: Some(NOW + 600), ..Claims::default() });
    for changes in [
        json!({"nbf": null, "iat": null, "jti": null, "aud": null}),
        json!({"aud": "https://example.org"}),
        json!({"aud": ["one", "two"]}),
        json!({"aud": []}),
        json!({"iat": NOW as f64 - 0.25, "nbf": (NOW as f64) - 1.75}),
        json!({"jti": "4f1g23a12aa"}),
        json!({"sub": null, "jti": "ada"}),
        json!({"scope": "a b", "https://example.org/claim": {"deep": [null, 1.5]}, "": 0}),
        json!({"name": null, "kind": null, "kindDetails": null, "metadata": null, "attributes": null, "sha256": null}),
        json!({"roomConfig": null, "roomPreset": null, "sip": null, "agent": null, "inference": null}),
    ] {
        let claims = accepted(&plain, &with(changes.clone()));
        assert!(claims.identity() == "ada" && claims.video.room_join, "{changes}");
    }
    let written = format!(r#"{{"iss":"devkey","exp":{}.0,"nbf":1.8e9,"sub":"ada"}}"#, NOW + 600);
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(plain.to_string()), URL_SAFE_NO_PAD.encode(written));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"secret"), signed.as_bytes());
    let claims = keys().verify(&format!("{signed}.{}", URL_SAFE.encode(signature)), now()).expect("padded as well");
    assert_eq!((claims.exp, claims.nbf), (Some(NOW + 600), Some(1_800_000_000)));
}

/// A right that is denied in another spelling is denied.
#[test]
fn names_in_any_case() {
    let claims = with(json!({"video": {"roomjoin": true, "ROOM": "r", "canpublish": false, "CanSubscribe": null}}));
    let video = keys().verify(&hs256(&claims), now()).expect("it is good").video;
    assert!(video.room_join && video.room == "r" && !video.can_publish() && video.can_subscribe());
    let twice = with(json!({"video": {"roomJoin": true, "canPublish": true, "canpublish": false}}));
    assert!(matches!(keys().verify(&hs256(&twice), now()), Err(TokenError::Claims(_))));
}

/// Values that the documentation promises.
#[test]
fn promised_values() {
    assert_eq!(tutti_token::LEEWAY, Duration::from_secs(60), "docs/tokens.md");
    assert_eq!(TTL_DEFAULT, Duration::from_secs(6 * 3600), "tutti token --help");
}

#[test]
fn wrong_types_are_named() {
    for changes in [
        json!({"exp": "soon"}),
        json!({"video": "all"}),
        json!({"video": {"roomJoin": "yes"}}),
        json!({"attributes": {"a": 1}}),
        json!({"sub": 7}),
    ] {
        let result = keys().verify(&hs256(&with(changes.clone())), now());
        assert!(matches!(result, Err(TokenError::Claims(_))), "{changes}: {result:?}");
    }
}

#[test]
fn malformed_texts() {
    let texts =
        ["", ".", "..", "...", "a.b.c", "e30.e30.e30", "e30=.e30.e30", "\u{1f600}.\u{1f600}.\u{1f600}", "Bearer x"];
    for text in texts {
        assert!(matches!(keys().verify(text, now()), Err(TokenError::Malformed(_))), "{text}");
    }
    let good = hs256(&valid());
    for cut in 0..good.len() {
        assert!(keys().verify(&good[..cut], now()).is_err(), "cut at {cut}");
    }
    assert!(keys().verify(&format!("{good}.e30"), now()).is_err());
}

#[test]
fn secrets_and_room_settings_stay_hidden() {
    let shown = format!("{:?} {} {:?}", keys(), Secret::new("secret"), Secret::new("another secret"));
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.contains("devkey"), "{shown}");
    let claims = Claims { room_config: Some(json!({"egress": "storage password"})), ..Claims::join("r", "ada") };
    assert!(!format!("{claims:?}").contains("password"));
    assert_eq!(serde_json::to_value(Secret::new("secret")).expect("a text"), json!("<hidden>"));
}
