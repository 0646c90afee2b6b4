//! Every refusal that a client may meet when it joins. Joining and validation, on both paths, say the same.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use livekit_protocol as proto;
use proto::signal_response::Message as Response;
use serde_json::{Value, json};
use tutti_token::{Claims, Keys, Secret, TTL_DEFAULT};

use crate::server::{keys, single_join_query, start, start_with, token};

/// Claims that let `ada` into `stage`, with others in their place.
fn changed(more: Value) -> Claims {
    let mut claims = json!({"sub": "ada", "video": {"roomJoin": true, "room": "stage"}});
    for (name, value) in more.as_object().into_iter().flatten() {
        match value.as_object().filter(|_| name == "video") {
            Some(grants) => grants.iter().for_each(|(name, value)| claims["video"][name] = value.clone()),
            None => claims[name] = value.clone(),
        }
    }
    Claims::from_json(claims.to_string().as_bytes()).expect("claims are well formed")
}

fn signed(more: Value) -> String {
    token(&changed(more))
}

/// A token that says it needs no signature.
fn unsigned() -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims =
        json!({"iss": "devkey", "sub": "ada", "exp": 4_000_000_000_u64, "video": {"roomJoin": true, "room": "stage"}});
    format!("{}.{}.", part(json!({"alg": "none", "typ": "JWT"})), part(claims))
}

fn signed_by(keys: &Keys, at: SystemTime) -> String {
    let name = keys.names().next().expect("it has one").to_owned();
    keys.sign(&name, &changed(json!({})), at, TTL_DEFAULT).expect("key is known")
}

#[tokio::test]
async fn joins_and_validations_are_refused_alike() {
    let server = start_with(false, None);
    let (now, long) = (SystemTime::now(), "x".repeat(257));
    let foreign = Keys::one("other", Secret::new("secret"));
    let wrong = Keys::one("devkey", Secret::new("wrong"));
    let invalid = |why: &str| format!("invalid authorization token: {why}");
    let too_long = |what: &str| format!("{what} exceeds limits: max length 256");
    let (yesterday, tomorrow) = (now - 4 * TTL_DEFAULT, now + Duration::from_secs(86_400));
    let cases = [
        // Who it is.
        (String::new(), "", 401, "no permissions to access the room".to_owned()),
        ("x".to_owned(), "", 401, invalid("token is malformed: not three parts")),
        (unsigned(), "", 401, invalid("signing method \"none\" is not HS256")),
        (signed_by(&foreign, now), "", 401, "invalid API key".to_owned()),
        (signed_by(&wrong, now), "", 401, invalid("signature is invalid")),
        (signed_by(&keys(), yesterday), "", 401, invalid("token is expired")),
        (signed_by(&keys(), tomorrow), "", 401, invalid("token is not valid yet")),
        (signed(json!({"video": {"roomJoin": false}})), "", 401, "permissions denied".to_owned()),
        // What it may do.
        (signed(json!({"video": {"canPublish": false}})), "publish=screen", 401, "permissions denied".to_owned()),
        (signed(json!({})), "attributes=eyJzZWF0IjoiMyJ9", 401, "permissions denied".to_owned()),
        // What it asks for.
        (signed(json!({"sub": ""})), "", 400, "identity cannot be empty".to_owned()),
        (signed(json!({"sub": long})), "", 400, too_long("participant identity length")),
        (signed(json!({"video": {"room": ""}})), "", 400, "no room name".to_owned()),
        (signed(json!({"video": {"room": long}})), "", 400, too_long("room name length")),
        (signed(json!({"name": long})), "", 400, too_long("name length")),
        (signed(json!({"roomPreset": "gold"})), "", 400, "room preset does not exist".to_owned()),
        // The only 404 of a path that is there: with any other text browsers would try the older path.
        (signed(json!({})), "", 404, "requested room does not exist".to_owned()),
    ];
    for (token, query, status, body) in cases {
        for path in ["/rtc", "/rtc/v1"] {
            let form = match (path, query) {
                ("/rtc", query) => query.to_owned(),
                (_, "") => single_join_query(),
                // There the request itself says it, not the query.
                _ => continue,
            };
            let expected = (status, body.as_str());
            let join = server.connect(&format!("{path}?access_token={token}&{form}")).await;
            let validation = server.get(&format!("{path}/validate?access_token={token}&{form}")).await;
            for answer in [join.expect_err("join is refused"), validation] {
                assert_eq!((answer.status, answer.body.as_str()), expected, "{path} {query}");
            }
        }
    }
    let stranger = signed(json!({}));
    for form in ["", "join_request=!", "join_request=____"] {
        let join = server.connect(&format!("/rtc/v1?access_token={stranger}&{form}")).await.err();
        let validation = server.get(&format!("/rtc/v1/validate?access_token={stranger}&{form}")).await;
        let join = join.expect("join is refused");
        assert_eq!((join.status, &join.body), (400, &validation.body), "{form}");
        assert_eq!(validation.status, 400, "{form}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_may_make_rooms_is_let_in_and_others_then_too() {
    let server = start_with(false, None);
    let guest = format!("/rtc?protocol=15&sdk=js&access_token={}", signed(json!({"sub": "guest"})));
    assert_eq!(server.connect(&guest).await.err().map(|answer| answer.status), Some(404));
    let maker = signed(json!({"video": {"roomCreate": true}}));
    let mut maker = server.connect(&format!("/rtc?protocol=15&sdk=js&access_token={maker}")).await.expect("let in");
    assert!(matches!(maker.next().await, Response::Join(_)));
    let mut guest = server.connect(&guest).await.expect("the room is there");
    assert!(matches!(guest.next().await, Response::Join(_)));
    drop((maker, guest));
    server.stop().await;
}

#[tokio::test]
async fn a_full_room_is_said_to_be_full() {
    let server = start();
    for (path, form) in [("/rtc", "protocol=15&sdk=js".to_owned()), ("/rtc/v1", single_join_query())] {
        let target = |endpoint: &str, identity: &str| {
            let more = json!({"sub": identity, "video": {"room": path}, "roomConfig": {"maxParticipants": 1}});
            format!("{endpoint}?access_token={}&{form}", signed(more))
        };
        let validate = format!("{path}/validate");
        assert_eq!(server.get(&target(&validate, "ada")).await.status, 200, "there is no room yet");
        let mut ada = server.connect(&target(path, "ada")).await.expect("join is let in");
        assert!(matches!(ada.next().await, Response::Join(_)));
        // Rust-core SDKs take a `Leave` in place of the `Join` for a broken socket and try again; every SDK asks for the
        // validation after a refusal, and shows what that says with this status.
        let join = server.connect(&target(path, "bea")).await.expect_err("join is refused");
        let validation = server.get(&target(&validate, "bea")).await;
        for answer in [join, validation] {
            assert_eq!((answer.status, answer.body.as_str()), (403, "room is full: max participants 1"), "{path}");
        }
        // Who is in may come again, and a place that is free is given away.
        assert_eq!(server.get(&target(&validate, "ada")).await.status, 200);
        let mut again = server.connect(&target(path, "ada")).await.expect("join is let in");
        assert!(matches!(again.next().await, Response::Join(_)));
        again.send(proto::signal_request::Message::Leave(proto::LeaveRequest::default())).await;
        assert_eq!(again.closed().await.0, 1000);
        let mut bea = server.connect(&target(path, "bea")).await.expect("join is let in");
        assert!(matches!(bea.next().await, Response::Join(_)), "{path}");
        drop((ada, again, bea));
    }
    server.stop().await;
}
