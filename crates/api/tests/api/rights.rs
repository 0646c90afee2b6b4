//! Which grant each method needs: that one lets in, no other does.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tutti_token::VideoGrants;

use crate::server::{api, call, json, token};

/// Every method, and the grant that it needs.
const METHODS: [(&str, &str); 16] = [
    ("CreateRoom", "roomCreate"),
    ("ListRooms", "roomList"),
    ("DeleteRoom", "roomCreate"),
    ("ListParticipants", "roomAdmin"),
    ("GetParticipant", "roomAdmin"),
    ("RemoveParticipant", "roomAdmin"),
    ("MutePublishedTrack", "roomAdmin"),
    ("UpdateParticipant", "roomAdmin"),
    ("UpdateSubscriptions", "roomAdmin"),
    ("SendData", "roomAdmin"),
    ("UpdateRoomMetadata", "roomAdmin"),
    ("PerformRpc", "roomAdmin"),
    ("RoomService/ListParticipants", "roomAdmin"),
    ("AgentDispatchService/CreateDispatch", "roomAdmin"),
    ("AgentDispatchService/ListDispatch", "roomAdmin"),
    ("AgentDispatchService/DeleteDispatch", "roomAdmin"),
];

/// Every grant alone, for the room `hall`.
fn grants() -> Vec<(&'static str, VideoGrants)> {
    let hall = || VideoGrants { room: "hall".into(), ..VideoGrants::default() };
    vec![
        ("", hall()),
        ("roomCreate", VideoGrants { room_create: true, ..hall() }),
        ("roomList", VideoGrants { room_list: true, ..hall() }),
        ("roomRecord", VideoGrants { room_record: true, ..hall() }),
        ("roomAdmin", VideoGrants { room_admin: true, ..hall() }),
        ("roomJoin", VideoGrants { room_join: true, ..hall() }),
        ("destinationRoom", VideoGrants { destination_room: "hall".into(), ..hall() }),
        ("ingressAdmin", VideoGrants { ingress_admin: true, ..hall() }),
        ("agent", VideoGrants { agent: true, recorder: true, hidden: true, ..hall() }),
        ("roomAdmin elsewhere", VideoGrants { room_admin: true, room: "cellar".into(), ..VideoGrants::default() }),
        ("roomAdmin nowhere", VideoGrants { room_admin: true, ..VideoGrants::default() }),
    ]
}

fn body(method: &str) -> Value {
    match method {
        "CreateRoom" => json!({"name": "hall"}),
        "ListRooms" => json!({}),
        "PerformRpc" => json!({"room": "hall", "destinationIdentity": "ada", "method": "m"}),
        _ => json!({"room": "hall", "identity": "ada"}),
    }
}

#[tokio::test]
async fn one_grant_lets_in_and_no_other_does() {
    let api = api();
    for (method, needed) in METHODS {
        for (grant, video) in grants() {
            let (status, error) = json(&api, method, &token(video), body(method)).await;
            let refused = (status, &error["code"]) == (401, &json!("unauthenticated"));
            assert_eq!(refused, grant != needed, "{method} with {grant:?}: {status} {error}");
        }
    }
}

#[tokio::test]
async fn without_a_good_token_nobody_is_let_in() {
    let api = api();
    for (method, _) in METHODS {
        let (status, error) = json(&api, method, "nonsense", body(method)).await;
        assert_eq!((status, &error["code"]), (401, &json!("unauthenticated")), "{method}");
        let (status, _) = call(&api, method, None, "application/protobuf", Vec::new()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method}");
    }
}
