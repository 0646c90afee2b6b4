//! How claims are read, defaulted and written; tokens of the published crate among them.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use livekit_token::{AccessToken, TokenVerifier};
use serde_json::json;
use tutti_token::{Claims, Keys, Kind, Permission, Secret, Source, TTL_DEFAULT, VideoGrants};

fn keys() -> Keys {
    Keys::one("devkey", Secret::new("secret"))
}

fn read(claims: serde_json::Value) -> Claims {
    Claims::from_json(claims.to_string().as_bytes()).expect("claims are well formed")
}

#[test]
fn the_published_crates_tokens_are_read() {
    let grants = livekit_token::VideoGrants {
        room_join: true,
        room: "stage".into(),
        can_publish: Some(false),
        can_publish_sources: vec!["camera".into(), "screen_share_audio".into()],
        can_update_own_metadata: Some(true),
        hidden: true,
        ..Default::default()
    };
    let config = livekit_protocol::RoomConfiguration { max_participants: 3, ..Default::default() };
    let token = AccessToken::with_api_key("devkey", "secret")
        .with_identity("ada")
        .with_name("Ada")
        .with_kind("sip")
        .with_metadata("m")
        .with_attributes(&HashMap::from([("seat".to_owned(), "3".to_owned())]))
        .with_room_config(config)
        .with_grants(grants)
        .with_ttl(Duration::from_secs(60))
        .to_jwt()
        .expect("token is signed");
    let claims = keys().verify(&token, SystemTime::now()).expect("token is good");
    assert_eq!((claims.identity(), claims.name.as_str(), claims.metadata.as_str()), ("ada", "Ada", "m"));
    assert_eq!(claims.kind, Kind::Sip);
    assert_eq!(claims.attributes.get("seat").map(String::as_str), Some("3"));
    assert_eq!(claims.room_config.as_ref().and_then(|c| c.get("maxParticipants")), Some(&json!(3)));
    let permission = claims.video.permission();
    assert!(claims.video.room_join && claims.video.room == "stage");
    assert!(!permission.can_publish && !permission.can_publish_data && permission.can_subscribe && permission.hidden);
    assert!(permission.can_update_metadata);
    assert_eq!(permission.can_publish_sources, [Source::Camera, Source::ScreenShareAudio]);
}

#[test]
fn the_published_crate_reads_ours() {
    let claims = Claims { name: "Ada".into(), ..Claims::join("stage", "ada") };
    let token = keys().sign("devkey", &claims, SystemTime::now(), TTL_DEFAULT).expect("key is known");
    let read = TokenVerifier::with_api_key("devkey", "secret").verify(&token).expect("token is good");
    assert_eq!((read.sub.as_str(), read.name.as_str(), read.video.room.as_str()), ("ada", "Ada", "stage"));
    assert!(read.video.room_join && read.video.can_publish());
}

#[test]
fn absent_rights() {
    // canPublish, canSubscribe, canPublishData in the token; then what they come to.
    let cases = [
        (json!({}), (true, true, true)),
        (json!({"canPublish": true}), (true, true, true)),
        (json!({"canPublish": false}), (false, true, false)),
        (json!({"canPublish": false, "canPublishData": true}), (false, true, true)),
        (json!({"canPublishData": false}), (true, true, false)),
        (json!({"canSubscribe": false}), (true, false, true)),
        (json!({"canPublish": null, "canSubscribe": null, "canPublishData": null}), (true, true, true)),
    ];
    for (grants, expected) in cases {
        let permission = read(json!({"video": grants.clone()})).video.permission();
        let found = (permission.can_publish, permission.can_subscribe, permission.can_publish_data);
        assert_eq!(found, expected, "{grants}");
        assert!(!permission.can_update_metadata, "{grants}");
        assert!(!permission.can_subscribe_metrics && !permission.can_manage_agent_session, "{grants}");
    }
}

#[test]
fn sources() {
    let cases = [
        (json!([]), vec![]),
        (json!(null), vec![]),
        (json!(["camera", "microphone"]), vec![Source::Camera, Source::Microphone]),
        (json!(["SCREEN_SHARE"]), vec![Source::ScreenShare]),
        // A name that is not known permits nothing; it does not turn the list into "all".
        (json!(["hologram"]), vec![Source::Unknown]),
    ];
    for (names, expected) in cases {
        let claims = read(json!({"video": {"canPublishSources": names.clone()}}));
        assert_eq!(claims.video.permission().can_publish_sources, expected, "{names}");
    }
}

#[test]
fn kinds() {
    for (name, kind) in [
        ("standard", Kind::Standard),
        ("ingress", Kind::Ingress),
        ("egress", Kind::Egress),
        ("sip", Kind::Sip),
        ("agent", Kind::Agent),
        ("connector", Kind::Connector),
        ("bridge", Kind::Bridge),
        ("", Kind::Standard),
        ("martian", Kind::Standard),
    ] {
        assert_eq!(read(json!({"kind": name})).kind, kind, "{name}");
    }
    assert_eq!(read(json!({})).kind, Kind::Standard);
    let written = serde_json::to_value(Claims { kind: Kind::Egress, ..Default::default() }).expect("claims");
    assert_eq!(written, json!({"kind": "egress"}));
}

#[test]
fn identity_falls_back_to_the_token_id() {
    for (claims, identity) in [
        (json!({"sub": "ada", "jti": "x"}), "ada"),
        (json!({"jti": "x"}), "x"),
        (json!({"sub": "", "jti": "x"}), "x"),
        (json!({"sub": null, "jti": null}), ""),
        (json!({}), ""),
    ] {
        assert_eq!(read(claims.clone()).identity(), identity, "{claims}");
    }
}

#[test]
fn every_claim_is_known() {
    let all = json!({
        "iss": "k", "sub": "s", "jti": "j", "exp": 3, "nbf": 1, "iat": 2, "name": "n", "kind": "agent",
        "kindDetails": ["forwarded"], "metadata": "m", "attributes": {"a": "b"}, "sha256": "h",
        "roomConfig": {"name": "c"}, "roomPreset": "p",
        "video": {
            "roomCreate": true, "roomList": true, "roomRecord": true, "roomAdmin": true, "roomJoin": true, "room": "r",
            "destinationRoom": "d", "canPublish": false, "canSubscribe": false, "canPublishData": false,
            "canPublishSources": ["camera"], "canUpdateOwnMetadata": false, "ingressAdmin": true, "hidden": true,
            "recorder": true, "agent": true, "canSubscribeMetrics": false, "canManageAgentSession": false,
        },
        "sip": {"admin": true, "call": true},
        "agent": {"admin": true, "simulationAdmin": true, "databaseAdmin": true},
        "inference": {"perform": true},
        "observability": {"write": true},
    });
    assert_eq!(serde_json::to_value(read(all.clone())).expect("claims"), all);
    assert_eq!(read(json!({"aud": ["x"], "video": {"later": 1}})), Claims::default());
}

#[test]
fn rights_survive_being_stated() {
    let mut grants = VideoGrants { room: "r".into(), room_admin: true, hidden: true, ..Default::default() };
    let permission = grants.permission();
    grants.set_permission(&permission);
    assert_eq!(grants.permission(), permission);
    assert!(grants.room_admin && grants.room == "r");
}

/// A token that a client reconnects with must bring back neither rights that were taken away nor lose those it was given.
#[test]
fn every_right_is_stated() {
    let changes: [fn(&mut Permission); 10] = [
        |it| it.can_subscribe = false,
        |it| it.can_publish = false,
        |it| it.can_publish_data = false,
        |it| it.can_publish_sources = vec![Source::ScreenShare, Source::Unknown],
        |it| it.hidden = true,
        |it| it.recorder = true,
        |it| it.agent = true,
        |it| it.can_update_metadata = true,
        |it| it.can_subscribe_metrics = true,
        |it| it.can_manage_agent_session = true,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let before = VideoGrants::default().permission();
        let mut changed = before.clone();
        change(&mut changed);
        let mut grants = VideoGrants::default();
        grants.set_permission(&changed);
        assert_eq!(grants.permission(), changed, "{number}");
        grants.set_permission(&before);
        assert_eq!(grants.permission(), before, "{number}, and back");
    }
}
