//! `livekit.AgentDispatchService`, presets and calls of participants, as far as nobody is in the room.

use axum::http::StatusCode;
use serde_json::json;

use crate::server::{admin, api, call, creator, json};

const CREATE: &str = "AgentDispatchService/CreateDispatch";
const LIST: &str = "AgentDispatchService/ListDispatch";
const DELETE: &str = "AgentDispatchService/DeleteDispatch";

#[tokio::test]
async fn dispatches_are_made_listed_and_deleted() {
    let api = api();
    let (status, error) = json(&api, LIST, &admin("hall"), json!({"room": "hall"})).await;
    assert_eq!((status, &error["code"]), (404, &json!("not_found")), "{error}");
    let asked = json!({"room": "hall", "agentName": "echo", "metadata": "m", "attributes": {"a": "b"}});
    let (status, made) = json(&api, CREATE, &admin("hall"), asked).await;
    assert_eq!((status, &made["agentName"], &made["room"]), (200, &json!("echo"), &json!("hall")), "{made}");
    assert_eq!((&made["metadata"], &made["attributes"]["a"]), (&json!("m"), &json!("b")));
    let (_, rooms) = json(&api, "ListRooms", &creator(), json!({})).await;
    assert_eq!(rooms["rooms"][0]["name"], "hall", "the room is made");
    let id = made["id"].as_str().unwrap_or_default().to_owned();
    assert!(id.starts_with("AD_"));
    let (_, listed) = json(&api, LIST, &admin("hall"), json!({"room": "hall", "dispatch_id": id})).await;
    assert_eq!(listed["agentDispatches"][0]["id"], json!(id));
    let (status, deleted) = json(&api, DELETE, &admin("hall"), json!({"room": "hall", "dispatchId": id})).await;
    assert_eq!((status, &deleted["id"]), (200, &json!(id)));
    let (status, error) = json(&api, DELETE, &admin("hall"), json!({"room": "hall", "dispatchId": id})).await;
    assert_eq!((status, &error["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn what_cannot_be_dispatched_is_named() {
    let api = api();
    json(&api, "CreateRoom", &creator(), json!({"name": "hall"})).await;
    let cases = [
        (json!({"room": "hall", "agentName": "a".repeat(257)}), "agent name exceeds 256 bytes"),
        (json!({"room": "hall", "agentName": "a\nb"}), "agent name contains '\\n'"),
        (json!({"room": "hall", "deployment": "blue_green"}), "deployment contains '_'"),
        (json!({"room": "hall", "metadata": "m".repeat(512 * 1024 + 1)}), "metadata exceeds 524288 bytes"),
        (json!({"room": "hall", "attributes": {"a": "b".repeat(64 * 1024)}}), "attributes exceeds 65536 bytes"),
    ];
    for (body, sentence) in cases {
        let (status, error) = json(&api, CREATE, &admin("hall"), body).await;
        assert_eq!((status, &error["code"]), (400, &json!("invalid_argument")), "{sentence}");
        assert_eq!(error["msg"], sentence);
    }
    for _ in 0..99 {
        assert_eq!(json(&api, CREATE, &admin("hall"), json!({"room": "hall", "agentName": "echo"})).await.0, 200);
    }
    let (status, error) = json(&api, CREATE, &admin("hall"), json!({"room": "hall", "agentName": "echo"})).await;
    assert_eq!((status, &error["code"]), (429, &json!("resource_exhausted")), "the room's own counts too: {error}");
    let (status, error) = json(
        &api,
        CREATE,
        &admin("a name that is far too long for it".repeat(9).as_str()),
        json!({"room": "a name that is far too long for it".repeat(9)}),
    )
    .await;
    assert_eq!((status, &error["code"]), (400, &json!("invalid_argument")), "{error}");
    let agents = json!({"name": "attic", "agents": [{"deployment": "a b"}]});
    let (status, error) = json(&api, "CreateRoom", &creator(), agents).await;
    assert_eq!((status, &error["code"]), (400, &json!("invalid_argument")), "{error}");
    let (_, rooms) = json(&api, "ListRooms", &creator(), json!({})).await;
    assert_eq!(rooms["rooms"].as_array().map(Vec::len), Some(1), "nothing else was made");
}

#[tokio::test]
async fn a_room_is_made_with_its_agents() {
    let api = api();
    let agents = json!([{"agentName": "one"}, {"agentName": "two", "metadata": "m"}]);
    json(&api, "CreateRoom", &creator(), json!({"name": "hall", "agents": agents})).await;
    let (_, listed) = json(&api, LIST, &admin("hall"), json!({"room": "hall"})).await;
    let names: Vec<_> = listed["agentDispatches"].as_array().into_iter().flatten().map(|it| &it["agentName"]).collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&&json!("one")) && names.contains(&&json!("two")), "{listed}");
    json(&api, "DeleteRoom", &creator(), json!({"room": "hall"})).await;
}

#[tokio::test]
async fn a_preset_fills_in_what_is_not_asked() {
    let api = api();
    let (status, room) = json(&api, "CreateRoom", &creator(), json!({"name": "hall", "roomPreset": "class"})).await;
    assert_eq!((status, &room["maxParticipants"], &room["metadata"]), (200, &json!(30), &json!("class")));
    let asked = json!({"name": "attic", "room_preset": "class", "metadata": "mine"});
    assert_eq!(json(&api, "CreateRoom", &creator(), asked).await.1["metadata"], "mine");
    let (status, error) = json(&api, "CreateRoom", &creator(), json!({"name": "x", "roomPreset": "gold"})).await;
    assert_eq!((status, &error["code"]), (400, &json!("invalid_argument")));
    assert_eq!(error["msg"], "room preset does not exist");
}

#[tokio::test]
async fn calls_of_nobody_are_refused() {
    let api = api();
    let body = json!({"room": "hall", "destinationIdentity": "ada", "method": "greet"});
    for made in [false, true] {
        if made {
            json(&api, "CreateRoom", &creator(), json!({"name": "hall"})).await;
        }
        let (status, error) = json(&api, "PerformRpc", &admin("hall"), body.clone()).await;
        assert_eq!((status, &error["code"]), (404, &json!("not_found")), "{error}");
    }
    let (status, error) = json(&api, "PerformRpc", &admin("hall"), json!({"room": "hall", "method": "m"})).await;
    assert_eq!((status, &error["code"]), (400, &json!("invalid_argument")), "{error}");
}

#[tokio::test]
async fn large_bodies_are_refused_by_name() {
    let api = api();
    for kind in ["application/json", "application/protobuf"] {
        let body = vec![b' '; 10 * 1024 * 1024];
        let (status, body) = call(&api, "SendData", Some(&admin("hall")), kind, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let error: serde_json::Value = serde_json::from_slice(&body).expect("errors are JSON");
        assert_eq!(error["code"], "malformed", "{error}");
    }
}
