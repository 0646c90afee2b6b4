//! A node with the API in front of it, and ways to call it.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use livekit_protocol as proto;
use serde_json::Value;
use tower::ServiceExt as _;
use tutti_api::Settings;
use tutti_cluster::{Node, NodeConfig};
use tutti_harness::keys;
use tutti_token::{Claims, VideoGrants};

pub(crate) fn api() -> Router {
    let node = Node::start(NodeConfig { rooms_max: 2, ..tutti_harness::node() }).expect("free ports");
    let presets = [("class".to_owned(), class())].into_iter().collect();
    tutti_api::router(node, Settings { keys: keys(), room_name_bytes: 16, presets })
}

/// The preset of that name.
fn class() -> proto::RoomConfiguration {
    proto::RoomConfiguration { max_participants: 30, metadata: "class".into(), ..Default::default() }
}

pub(crate) fn token(video: VideoGrants) -> String {
    tutti_harness::token(&Claims { video, ..Claims::default() })
}

pub(crate) fn creator() -> String {
    token(VideoGrants { room_create: true, room_list: true, ..VideoGrants::default() })
}

pub(crate) fn admin(room: &str) -> String {
    token(VideoGrants { room_admin: true, room: room.to_owned(), ..VideoGrants::default() })
}

/// A method of `RoomService`, or of another service that stands before it with a slash.
pub(crate) async fn call(
    api: &Router,
    method: &str,
    token: Option<&str>,
    kind: &str,
    body: Vec<u8>,
) -> (StatusCode, Vec<u8>) {
    let service = if method.contains('/') { "" } else { "RoomService/" };
    let mut request = Request::post(format!("/twirp/livekit.{service}{method}")).header(header::CONTENT_TYPE, kind);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = api.clone().oneshot(request.body(Body::from(body)).expect("a request")).await.expect("an answer");
    let status = response.status();
    let answered = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    assert_eq!(answered, if status.is_success() { kind } else { "application/json" }, "errors are JSON, to the letter");
    (status, to_bytes(response.into_body(), usize::MAX).await.expect("a body").to_vec())
}

pub(crate) async fn json(api: &Router, method: &str, token: &str, body: Value) -> (u16, Value) {
    let (status, body) = call(api, method, Some(token), "application/json", body.to_string().into_bytes()).await;
    (status.as_u16(), serde_json::from_slice(&body).expect("JSON"))
}
