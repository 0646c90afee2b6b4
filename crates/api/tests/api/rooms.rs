//! `livekit.RoomService`.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use livekit_protocol as proto;
use prost::Message as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::server::{admin, api, call, creator, json};

#[tokio::test]
async fn rooms_are_made_listed_changed_and_ended() {
    let api = api();
    let (status, room) =
        json(&api, "CreateRoom", &creator(), json!({"name": "hall", "emptyTimeout": 60, "metadata": "m"})).await;
    assert_eq!((status, &room["name"], &room["metadata"]), (200, &json!("hall"), &json!("m")), "{room}");
    assert_eq!(room["emptyTimeout"], 60);
    let (_, again) = json(&api, "CreateRoom", &creator(), json!({"name": "hall", "metadata": "other"})).await;
    assert_eq!((&again["sid"], &again["metadata"]), (&room["sid"], &json!("m")), "it is found as it is");
    json(&api, "CreateRoom", &creator(), json!({"name": "attic"})).await;

    let names = |rooms: &Value| -> Vec<String> {
        let rooms = rooms["rooms"].as_array().cloned().unwrap_or_default();
        rooms.iter().filter_map(|room| room["name"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(names(&json(&api, "ListRooms", &creator(), json!({})).await.1), ["attic", "hall"]);
    assert_eq!(names(&json(&api, "ListRooms", &creator(), json!({"names": ["hall", "none"]})).await.1), ["hall"]);

    let (status, room) =
        json(&api, "UpdateRoomMetadata", &admin("hall"), json!({"room": "hall", "metadata": "new"})).await;
    assert_eq!((status, &room["metadata"]), (200, &json!("new")));
    let request = proto::ListParticipantsRequest { room: "hall".into() }.encode_to_vec();
    let (status, body) = call(&api, "ListParticipants", Some(&admin("hall")), "application/protobuf", request).await;
    assert_eq!(status, StatusCode::OK);
    assert!(proto::ListParticipantsResponse::decode(&*body).expect("protobuf").participants.is_empty());

    assert_eq!(json(&api, "DeleteRoom", &creator(), json!({"room": "hall"})).await, (200, json!({})));
    let (status, error) = json(&api, "DeleteRoom", &creator(), json!({"room": "nowhere"})).await;
    assert_eq!((status, &error["code"]), (404, &json!("not_found")));
}

/// What back ends write for what is not set, in the languages that they are written in.
#[tokio::test]
async fn json_is_read_as_the_mapping_has_it() {
    let api = api();
    json(&api, "CreateRoom", &creator(), json!({"name": "hall"})).await;
    let cases = [
        (
            "CreateRoom",
            json!({"name": "attic", "metadata": null, "emptyTimeout": null, "egress": null, "agents": null}),
        ),
        ("CreateRoom", json!({"name": "attic", "tags": null, "room_preset": null, "maxParticipants": "7"})),
        ("ListRooms", json!({"names": null})),
        ("UpdateRoomMetadata", json!({"room": "hall", "metadata": null})),
        ("SendData", json!({"room": "hall", "data": "aGk=", "destinationIdentities": null, "topic": null})),
        ("SendData", json!({"room": "hall", "data": "-_-_", "kind": "LOSSY", "destination_sids": null})),
    ];
    for (method, body) in cases {
        let token = if method.ends_with("Rooms") || method.starts_with("Create") { creator() } else { admin("hall") };
        assert_eq!(json(&api, method, &token, body.clone()).await.0, 200, "{method} {body}");
    }
    json(&api, "DeleteRoom", &creator(), json!({"room": "attic"})).await;
    let (_, room) = json(&api, "CreateRoom", &creator(), json!({"name": "attic", "emptyTimeout": 10.0})).await;
    assert_eq!(room["emptyTimeout"], 10);
}

#[tokio::test]
async fn content_types_in_any_case() {
    let api = api();
    for (kind, answered) in [
        ("Application/JSON; charset=UTF-8", "application/json"),
        ("application/json;charset=utf-8", "application/json"),
        ("APPLICATION/PROTOBUF", "application/protobuf"),
    ] {
        let body = if answered.ends_with("json") { "{}" } else { "" };
        let request = Request::post("/twirp/livekit.RoomService/ListRooms")
            .header(header::CONTENT_TYPE, kind)
            .header(header::AUTHORIZATION, format!("Bearer {}", creator()));
        let response =
            api.clone().oneshot(request.body(Body::from(body)).expect("a request")).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{kind}");
        assert_eq!(response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()), Some(answered));
    }
}

/// What the protocol has and this server has not is told in words.
#[tokio::test]
async fn what_is_not_there_says_so() {
    let api = api();
    let post = |target: &str, verb: &str| {
        let request = Request::builder().method(verb).uri(format!("/twirp/{target}"));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from("{}"));
        let answer = api.clone().oneshot(request.expect("a request"));
        async move {
            let answer = answer.await.expect("an answer");
            assert_eq!(
                answer.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes()),
                Some(&b"application/json"[..])
            );
            let status = answer.status().as_u16();
            let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
            (status, serde_json::from_slice::<Value>(&body).expect("errors are JSON"))
        }
    };
    for method in [
        "livekit.Egress/StartRoomCompositeEgress",
        "livekit.Egress/ListEgress",
        "livekit.Ingress/CreateIngress",
        "livekit.SIP/CreateSIPParticipant",
        "livekit.Connector/DialWhatsAppCall",
        "livekit.PhoneNumberService/SearchPhoneNumbers",
    ] {
        let (status, error) = post(method, "POST").await;
        assert_eq!((status, &error["code"]), (501, &json!("unimplemented")), "{method}");
        let sentence = error["msg"].as_str().unwrap_or_default();
        assert!(sentence.contains("not there yet"), "{method}: {sentence}");
    }
    for (method, verb) in [
        ("livekit.Nothing/Do", "POST"),
        ("other.RoomService/ListRooms", "POST"),
        ("livekit.RoomService/ListRooms", "GET"),
        ("livekit.RoomService/ListRooms", "OPTIONS"),
    ] {
        let (status, error) = post(method, verb).await;
        assert_eq!((status, &error["code"]), (404, &json!("bad_route")), "{verb} {method}");
    }
    for body in [
        json!({"name": "hall", "egress": {"room": {"roomName": "hall"}}}),
        json!({"name": "hall", "replayEnabled": true}),
    ] {
        let (status, error) = json(&api, "CreateRoom", &creator(), body.clone()).await;
        assert_eq!((status, &error["code"]), (501, &json!("unimplemented")), "{body}");
    }
    let (status, error) = json(&api, "CreateRoom", &creator(), json!({"name": "a\nb"})).await;
    assert_eq!((status, &error["code"]), (400, &json!("invalid_argument")));
    let (_, rooms) = json(&api, "ListRooms", &creator(), json!({})).await;
    assert_eq!(rooms, json!({}), "none was made");
}

#[tokio::test]
async fn bad_requests_are_named() {
    let api = api();
    let error = |method: &'static str, kind: &'static str, body: &'static str| {
        let api = api.clone();
        async move {
            let (status, body) = call(&api, method, Some(&creator()), kind, body.into()).await;
            let error: Value = serde_json::from_slice(&body).expect("errors are JSON");
            (status.as_u16(), error["code"].as_str().unwrap_or_default().to_owned())
        }
    };
    let expected = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(error("ListRooms", "application/json", "{").await, expected(400, "malformed"));
    assert_eq!(error("ListRooms", "application/protobuf", "\u{7}").await, expected(400, "malformed"));
    assert_eq!(error("ListRooms", "text/plain", "").await, expected(404, "bad_route"));
    assert_eq!(error("Nothing", "application/json", "{}").await, expected(404, "bad_route"));
    assert_eq!(error("MoveParticipant", "application/json", "{}").await, expected(501, "unimplemented"));
    assert_eq!(error("CreateRoom", "application/json", "{}").await, expected(400, "invalid_argument"));
    let long = r#"{"name": "a name that is far too long"}"#;
    assert_eq!(error("CreateRoom", "application/json", long).await, expected(400, "invalid_argument"));
    for name in ["one", "two"] {
        json(&api, "CreateRoom", &creator(), json!({ "name": name })).await;
    }
    let (status, error) = json(&api, "CreateRoom", &creator(), json!({"name": "three"})).await;
    assert_eq!((status, &error["code"]), (429, &json!("resource_exhausted")), "the node is at its limit");
    let (status, error) = json(&api, "GetParticipant", &admin("one"), json!({"room": "one", "identity": "ada"})).await;
    assert_eq!((status, &error["code"]), (404, &json!("not_found")), "{error}");
}
