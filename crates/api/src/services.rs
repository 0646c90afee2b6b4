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
use crate::{Api, agents, rooms};

/// Services of the protocol that are not there yet, and what for.
const NOT_THERE: [(&str, &str); 9] = [
    ("Egress", "recording and streaming out"),
    ("Ingress", "streams from outside"),
    ("SIP", "telephony"),
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
        Ok(service) => serve(&api, service, &method, &headers, body).await,
        Err(error) => Err(error),
    };
    answer.unwrap_or_else(|error| {
        tracing::debug!(service, method, code = error.code(), reason = error.message(), "server API call refused");
        error.into_response()
    })
}

/// The services that are there.
#[derive(Debug, Clone, Copy)]
enum Service {
    Rooms,
    Agents,
}

/// Which service a call is for.
fn find(service: &str, verb: &Method) -> Result<Service, Error> {
    let name = service.strip_prefix("livekit.").unwrap_or_default();
    if let Some((_, what)) = NOT_THERE.iter().find(|(absent, _)| *absent == name) {
        return Err(Error::new(Code::Unimplemented, format!("{service} is not there yet: this server has no {what}")));
    }
    let found = match name {
        "RoomService" => Service::Rooms,
        "AgentDispatchService" => Service::Agents,
        _ => return Err(Error::new(Code::BadRoute, format!("no such service: {service}"))),
    };
    if verb == Method::POST { Ok(found) } else { Err(Error::new(Code::BadRoute, "a method is called by POST")) }
}

async fn serve(
    api: &Api,
    service: Service,
    method: &str,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let body = body.map_err(|error| Error::new(Code::Malformed, error.body_text()))?;
    let call = Call::new(headers, body)?;
    let caller = Caller::of(&api.settings.keys, headers)?;
    tracing::debug!(key = caller.key(), method, "server API call");
    match service {
        Service::Rooms => rooms::dispatch(api, &caller, method, &call).await,
        Service::Agents => agents::dispatch(api, &caller, method, &call).await,
    }
}
