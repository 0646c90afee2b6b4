//! Which service a call is for. Those that the protocol has and this server has not are named, so that nobody takes them
//! for a wrong address.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};

use crate::rights::Caller;
use crate::twirp::{Call, Code, Error};
use crate::{Api, rooms};

/// Services of the protocol that are not there yet, and what for.
const NOT_THERE: [(&str, &str); 10] = [
    ("Egress", "recording and streaming out"),
    ("Ingress", "streams from outside"),
    ("SIP", "telephony"),
    ("AgentDispatchService", "agents"),
    ("Connector", "connectors to other services"),
    ("PhoneNumberService", "phone numbers"),
    ("CloudAgent", "hosted agents"),
    ("AgentSimulation", "simulated agents"),
    ("AgentDBService", "databases of agents"),
    ("Replay", "replays"),
];

/// Answers `/twirp/<service>/<method>`.
pub(crate) async fn call(
    State(api): State<Arc<Api>>,
    Path((service, method)): Path<(String, String)>,
    verb: Method,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answer = match find(&service, &verb) {
        Ok(()) => room_service(&api, &method, &headers, body).await,
        Err(error) => Err(error),
    };
    answer.unwrap_or_else(|error| {
        tracing::debug!(service, method, code = error.code(), reason = error.message(), "server API call refused");
        error.into_response()
    })
}

/// Whether a call is for the service that is there.
fn find(service: &str, verb: &Method) -> Result<(), Error> {
    let name = service.strip_prefix("livekit.").unwrap_or_default();
    if let Some((_, what)) = NOT_THERE.iter().find(|(absent, _)| *absent == name) {
        return Err(Error::new(Code::Unimplemented, format!("{service} is not there yet: this server has no {what}")));
    }
    if name != "RoomService" {
        return Err(Error::new(Code::BadRoute, format!("no such service: {service}")));
    }
    if verb == Method::POST { Ok(()) } else { Err(Error::new(Code::BadRoute, "a method is called by POST")) }
}

async fn room_service(
    api: &Api,
    method: &str,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let body = body.map_err(|error| Error::new(Code::Malformed, error.body_text()))?;
    let call = Call::new(headers, body)?;
    let caller = Caller::of(&api.settings.keys, headers)?;
    tracing::debug!(key = caller.key(), method, "server API call");
    rooms::dispatch(api, &caller, method, &call).await
}
