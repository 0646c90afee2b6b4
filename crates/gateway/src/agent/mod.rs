//! `/agent`: the door of agent workers (docs/server-api/agents.md#workers). Who may come in is decided here, by the token;
//! what a worker says and is told is for the node.
//!
//! | module | owns |
//! |---|---|
//! | [`socket`] | a worker's WebSocket |
//! | [`token`] | the tokens that agents join their rooms with |

mod socket;
mod token;

use std::sync::Arc;
use std::time::SystemTime;

use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection as Rejection;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tutti_id::AppId;
use tutti_token::Claims;

use crate::Inner;
use crate::door::Visitor;
use crate::join::Refusal;
use crate::query::Query;

/// Lets a worker in.
pub(crate) async fn connect(
    State(inner): State<Arc<Inner>>,
    Extension(visitor): Extension<Arc<Visitor>>,
    upgrade: Result<WebSocketUpgrade, Rejection>,
    request: Request,
) -> Response {
    // What is no WebSocket finds nothing here, as in the reference server.
    let Ok(upgrade) = upgrade else { return StatusCode::NOT_FOUND.into_response() };
    let checked = admit(&inner, &request).and_then(|claims| {
        let max = inner.settings.connections_max;
        let place = visitor.reserve().ok_or(Refusal::TooManyClients(max))?;
        // The keys of the configuration all belong to one app.
        let worker = inner.node.connect_worker(AppId::default(), claims.iss);
        Ok((worker.map_err(|crowded| Refusal::TooManyClients(crowded.max))?, place))
    });
    match checked {
        Ok((worker, place)) => {
            visitor.leave();
            let open = inner.sockets.open();
            let bytes_max = 2 * crate::socket::MESSAGE_BYTES_MAX;
            upgrade.max_message_size(bytes_max).max_frame_size(bytes_max).on_upgrade(async move |websocket| {
                let _kept = (open, place);
                socket::run(websocket, worker, &inner.keys).await;
            })
        }
        Err(refusal) => {
            inner.metrics.refused(refusal.reason());
            tracing::debug!(address = %visitor.address(), reason = refusal.reason(), "agent worker refused");
            refusal.into_response()
        }
    }
}

/// The claims of a token that lets a worker in.
fn admit(inner: &Inner, request: &Request) -> Result<Claims, Refusal> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let token = match request.headers().get(header::AUTHORIZATION) {
        Some(header) => {
            let header = header.to_str().map_err(|_| Refusal::NotBearer)?;
            header.strip_prefix("Bearer ").ok_or(Refusal::NotBearer)?.trim()
        }
        None => query.get("access_token"),
    };
    if token.is_empty() {
        return Err(Refusal::NoToken);
    }
    let claims = inner.keys.verify(token, SystemTime::now())?;
    if claims.video.agent { Ok(claims) } else { Err(Refusal::PermissionDenied) }
}
