//! What is refused, with which status and sentence, and what a join request is made of.

use std::net::Ipv4Addr;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use prost::Message;
use serde_json::{Value, json};
use tutti_room::Limits;
use tutti_signal::Mode;
use tutti_token::{Secret, TTL_DEFAULT};

use super::*;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn settings() -> Settings {
    Settings {
        keys: Keys::default(),
        dev_key: None,
        demo: true,
        metrics: true,
        trusted_proxies: Vec::new(),
        api: axum::Router::new(),
        connections_max: 10,
        limits: Limits::default(),
        room_name_bytes: 256,
        presets: [("class".to_owned(), class())].into_iter().collect(),
        facts: None,
    }
}

fn class() -> proto::RoomConfiguration {
    proto::RoomConfiguration { max_participants: 30, metadata: "class".into(), ..Default::default() }
}

fn keys() -> Arc<Keys> {
    Arc::new(Keys::one("devkey", Secret::new("secret")))
}

fn sign(claims: &Value) -> String {
    let claims: Claims = Claims::from_json(claims.to_string().as_bytes()).expect("claims are well formed");
    keys().sign("devkey", &claims, now(), TTL_DEFAULT).expect("key is known")
}

/// Claims that let `ada` into `stage`, and more.
fn claims(more: Value) -> Value {
    let mut claims = json!({"sub": "ada", "video": {"roomJoin": true, "room": "stage"}});
    for (name, value) in more.as_object().into_iter().flatten() {
        match (name.as_str(), value.as_object()) {
            ("video", Some(grants)) => {
                for (name, value) in grants {
                    claims["video"][name] = value.clone();
                }
            }
            _ => claims[name] = value.clone(),
        }
    }
    claims
}

fn call<'a>(query: &str, authorization: Option<&'a str>) -> Call<'a> {
    Call {
        version: Version::V0,
        strict: false,
        query: Query::parse(query),
        authorization,
        user_agent: "",
        address: Ipv4Addr::LOCALHOST.into(),
    }
}

fn enter(call: &Call<'_>) -> Result<JoinRequest, (u16, String)> {
    let admitted = admit(call, &keys(), &settings(), now());
    admitted.map(|admission| admission.request).map_err(|refusal| (refusal.status().as_u16(), refusal.to_string()))
}

fn enter_with(token_claims: Value, query: &str) -> Result<JoinRequest, (u16, String)> {
    enter(&call(&format!("access_token={}&{query}", sign(&token_claims)), None))
}

fn packed(join: &proto::JoinRequest) -> String {
    let wrapper = proto::WrappedJoinRequest { compression: 0, join_request: join.encode_to_vec() };
    format!("join_request={}", URL_SAFE.encode(wrapper.encode_to_vec()))
}

#[test]
fn tokens_come_in_the_header_or_the_query() {
    let token = sign(&claims(json!({})));
    let bearer = format!("Bearer {token}");
    let bad = "Bearer x".to_owned();
    let bare = format!("Basic {token}");
    let in_query = format!("access_token={token}");
    let sentence = "no permissions to access the room";
    let malformed = "invalid authorization token: token is malformed: not three parts";
    let cases = [
        (String::new(), None, Err((401, sentence.to_owned()))),
        (String::new(), Some(&bearer), Ok(())),
        (in_query.clone(), None, Ok(())),
        // The header wins, for better or worse.
        ("access_token=x".to_owned(), Some(&bearer), Ok(())),
        (in_query.clone(), Some(&bad), Err((401, malformed.to_owned()))),
        (in_query, Some(&bare), Err((401, "invalid authorization header. Must start with Bearer ".to_owned()))),
        ("access_token=".to_owned(), None, Err((401, sentence.to_owned()))),
    ];
    for (query, header, expected) in cases {
        let found = enter(&call(&query, header.map(String::as_str))).map(|_| ());
        assert_eq!(found, expected, "{header:?}");
    }
}

#[test]
fn refusals() {
    let long = "x".repeat(257);
    let cases = [
        (json!({"video": {"roomJoin": false}}), "", 401, "permissions denied"),
        (json!({"video": {"roomJoin": false}, "sub": ""}), "", 401, "permissions denied"),
        (json!({"sub": ""}), "", 400, "identity cannot be empty"),
        (json!({"sub": ""}), "publish=screen", 400, "identity cannot be empty"),
        (json!({"sub": long}), "", 400, "participant identity length exceeds limits: max length 256"),
        (json!({"video": {"room": ""}}), "", 400, "no room name"),
        (json!({"video": {"room": long}}), "", 400, "room name length exceeds limits: max length 256"),
        (json!({"name": long}), "", 400, "name length exceeds limits: max length 256"),
        (json!({"metadata": "x".repeat(512 * 1024 + 1)}), "", 400, "metadata size exceeds limits: max size 524288"),
        (json!({"attributes": {"a": "x".repeat(64 * 1024)}}), "", 400, "attribute size exceeds limits: max size 65536"),
        (json!({"roomPreset": "gold"}), "", 400, "room preset does not exist"),
        (json!({"sub": "ada\nERROR"}), "", 400, "identity must not contain control characters"),
        (json!({}), "publish=a%1bb", 400, "identity must not contain control characters"),
        (json!({"video": {"room": "a\u{9b}31m"}}), "", 400, "room name must not contain control characters"),
        (json!({"name": "Ada\u{7f}"}), "", 400, "name must not contain control characters"),
        (json!({"attributes": {"a\n": "1"}}), "", 400, "attribute key must not contain control characters"),
        (
            json!({"roomConfig": {"egress": {"room": {"roomName": "stage"}}}}),
            "",
            400,
            "roomConfig asks for egress: egress is not there yet on this server",
        ),
        (
            json!({"roomConfig": {"maxParticipants": "many"}}),
            "",
            401,
            "invalid authorization token: roomConfig is not a RoomConfiguration",
        ),
        (json!({"video": {"canPublish": false}}), "publish=screen", 401, "permissions denied"),
        (json!({}), "attributes=eyJzZWF0IjoiMyJ9", 401, "permissions denied"),
        (json!({}), "join_request=!", 400, "cannot base64 decode wrapped join request"),
        (json!({}), "join_request=____", 400, "cannot unmarshal wrapped join request"),
    ];
    for (more, query, status, sentence) in cases {
        let found = enter_with(claims(more.clone()), query).err();
        assert_eq!(found, Some((status, sentence.to_owned())), "{query} {:.80}", more.to_string());
    }
    let metadata = proto::JoinRequest { metadata: "m".into(), ..Default::default() };
    let attributes =
        proto::JoinRequest { participant_attributes: [("a".into(), "b".into())].into(), ..Default::default() };
    for join in [metadata, attributes] {
        let found = enter_with(claims(json!({})), &packed(&join)).err();
        assert_eq!(found, Some((401, "permissions denied".to_owned())), "{join:?}");
    }
}

#[test]
fn foreign_and_expired_tokens() {
    let ada: Claims = Claims::from_json(claims(json!({})).to_string().as_bytes()).expect("claims are well formed");
    let foreign = Keys::one("other", Secret::new("secret")).sign("other", &ada, now(), TTL_DEFAULT);
    let wrong = Keys::one("devkey", Secret::new("wrong")).sign("devkey", &ada, now(), TTL_DEFAULT);
    let old = keys().sign("devkey", &ada, now() - 2 * TTL_DEFAULT, TTL_DEFAULT);
    let cases = [
        (foreign, "invalid API key"),
        (wrong, "invalid authorization token: signature is invalid"),
        (old, "invalid authorization token: token is expired"),
    ];
    for (token, sentence) in cases {
        let header = format!("Bearer {}", token.expect("key is known"));
        assert_eq!(enter(&call("", Some(&header))).err(), Some((401, sentence.to_owned())));
    }
}

#[test]
fn v1_needs_a_join_request() {
    let token = format!("access_token={}", sign(&claims(json!({}))));
    let mut bare = call(&token, None);
    bare.version = Version::V1;
    assert_eq!(enter(&bare).err(), Some((400, "join_request is required".to_owned())));
    // Who may not join at all is told that first.
    let mut stranger = call("", None);
    stranger.version = Version::V1;
    assert_eq!(enter(&stranger).err().map(|(status, _)| status), Some(401));
}

#[test]
fn validation_is_strict_about_attributes() {
    let query = format!("access_token={}&attributes=!", sign(&claims(json!({}))));
    let mut validation = call(&query, None);
    assert!(enter(&validation).is_ok());
    validation.strict = true;
    assert_eq!(enter(&validation).err(), Some((400, "cannot decode attributes".to_owned())));
}

#[test]
fn a_preset_fills_in_what_the_token_leaves_unset() {
    let config =
        |more: Value| enter_with(claims(more), "").expect("join is good").room_config.expect("it says something");
    let class = config(json!({"roomPreset": "class"}));
    assert_eq!((class.max_participants, class.metadata.as_str()), (30, "class"));
    let agents = json!([{"agentName": "helper"}]);
    let own = config(json!({"roomPreset": "class", "roomConfig": {"maxParticipants": 2, "agents": agents}}));
    assert_eq!((own.max_participants, own.metadata.as_str(), own.agents.len()), (2, "class", 1));
}

#[test]
fn what_goes_to_the_node() {
    let token = claims(json!({
        "name": "Ada", "metadata": "token", "kind": "agent", "kindDetails": ["forwarded", "later"],
        "attributes": {"seat": "3", "hand": "up"},
        "roomConfig": {
            "maxParticipants": 7, "emptyTimeout": 9.0, "later": true, "metadata": null, "agents": null, "egress": {},
        },
        "video": {"roomCreate": true, "canUpdateOwnMetadata": true, "canPublishSources": ["microphone"]},
    }));
    let join = enter_with(
        token,
        &packed(&proto::JoinRequest {
            client_info: Some(proto::ClientInfo { protocol: 17, ..Default::default() }),
            metadata: "client".into(),
            participant_attributes: [("seat".into(), "4".into()), ("hand".into(), String::new())].into(),
            ..Default::default()
        }),
    )
    .expect("join is good");
    assert_eq!((join.room.name.as_str(), join.create, join.mode, join.protocol), ("stage", true, Mode::Single, 17));
    assert_eq!(join.room_config.map(|config| (config.max_participants, config.empty_timeout)), Some((7, 9)));
    let joiner = join.joiner;
    assert_eq!((joiner.identity.as_str(), joiner.name.as_str(), joiner.metadata.as_str()), ("ada", "Ada", "client"));
    assert_eq!(joiner.kind, ProtoKind::Agent);
    assert_eq!(joiner.kind_details, [KindDetail::Forwarded]);
    assert_eq!(joiner.attributes.get("seat").map(String::as_str), Some("4"));
    assert_eq!(joiner.attributes.get("hand").map(String::as_str), Some("up"), "an empty value deletes nothing");
    assert!(joiner.permission.can_publish && joiner.permission.can_update_metadata);
    assert_eq!(joiner.permission.can_publish_sources, [i32::from(proto::TrackSource::Microphone)]);
}

#[test]
fn a_publish_only_helper() {
    let join = enter_with(claims(json!({"jti": "spare"})), "publish=screen&protocol=15&sdk=js").expect("join is good");
    assert_eq!(join.joiner.identity, "ada#screen");
    assert!(!join.joiner.permission.can_subscribe && join.joiner.permission.can_publish);
    assert_eq!((join.mode, join.protocol), (Mode::Dual, 15));
    let join = enter_with(claims(json!({"sub": "", "jti": "spare"})), "protocol=-4").expect("join is good");
    assert_eq!((join.joiner.identity.as_str(), join.protocol), ("spare", 0));
}
