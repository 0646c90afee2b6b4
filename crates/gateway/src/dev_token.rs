//! Tokens for the asking. Exists in development mode only: the route is not there otherwise.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tutti_token::{Claims, TTL_DEFAULT};

use crate::Inner;

/// Largest request, bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// What is asked for.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    room: String,
    #[serde(default)]
    identity: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Serialize)]
struct Issued {
    /// Where to connect; empty = where this answer came from.
    url: &'static str,
    token: String,
    identity: String,
}

/// Keeps larger requests out.
pub(crate) fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BODY_BYTES_MAX)
}

/// Answers `GET /dev/token`: a page may ask whether there are tokens to be had.
pub(crate) async fn is_there() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Answers `POST /dev/token`.
pub(crate) async fn issue(State(inner): State<Arc<Inner>>, wanted: Result<Json<Wanted>, JsonRejection>) -> Response {
    let Json(wanted) = match wanted {
        Ok(wanted) => wanted,
        Err(rejection) => return rejection.into_response(),
    };
    let Some(api_key) = &inner.settings.dev_key else { return StatusCode::NOT_FOUND.into_response() };
    match claims(wanted, &inner.settings) {
        Ok(claims) => match inner.keys.sign(api_key, &claims, SystemTime::now(), TTL_DEFAULT) {
            Ok(token) => Json(Issued { url: "", token, identity: claims.sub }).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        },
        Err(sentence) => (StatusCode::BAD_REQUEST, sentence).into_response(),
    }
}

fn claims(wanted: Wanted, settings: &crate::Settings) -> Result<Claims, &'static str> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let identity = given(wanted.identity).unwrap_or_else(|| format!("guest-{:08x}", rand::random::<u32>()));
    if wanted.room.is_empty() || wanted.room.len() > settings.room_name_bytes {
        return Err("room is empty or too long");
    }
    if identity.len() > settings.limits.identity_bytes {
        return Err("identity is too long");
    }
    let name = given(wanted.name).unwrap_or_default();
    if name.len() > settings.limits.name_bytes {
        return Err("name is too long");
    }
    if [&wanted.room, &identity, &name].iter().any(|text| text.contains(char::is_control)) {
        return Err("names must not contain control characters");
    }
    let mut claims = Claims { name, ..Claims::join(wanted.room, identity) };
    claims.video.can_update_own_metadata = Some(true);
    Ok(claims)
}
