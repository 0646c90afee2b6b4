//! Which path is answered by what (docs/protocol.md#endpoints); CORS; the tolerance towards odd paths.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Extension;
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection as Rejection;
use axum::extract::{Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::door::Visitor;
use crate::join::{Admission, Call, Refusal, Version, admit};
use crate::query::Query;
use crate::{Gateway, Inner, agent, demo, dev_token, metrics as counted, socket};

/// How long a browser may remember what a preflight said.
const CORS_MAX_AGE: Duration = Duration::from_secs(86_400);

/// All routes of a gateway. Requests carry their [`Visitor`] and go through [`tidy`] first.
pub(crate) fn router(gateway: &Gateway) -> Router {
    let settings = &gateway.0.settings;
    let mut router = Router::new()
        .route("/", get(demo::root))
        .route("/healthz", get(async || "OK"))
        .route("/rtc", any(join_v0))
        .route("/rtc/v1", any(join_v1))
        .route("/rtc/validate", get(validate_v0))
        .route("/rtc/v1/validate", get(validate_v1))
        .route("/agent", any(agent::connect))
        .route("/whip/v1", any(async || not_there("WHIP")))
        .fallback(demo::asset)
        .layer(cors());
    // The routes below send no CORS headers: pages of other origins cannot read them.
    if settings.metrics {
        router = router.route("/metrics", get(scrape));
    }
    if settings.dev_key.is_some() {
        router =
            router.route("/dev/token", post(dev_token::issue).get(dev_token::is_there).layer(dev_token::body_limit()));
    }
    router.with_state(gateway.0.clone()).merge(settings.api.clone())
}

/// Metrics and health, for a listener of their own.
pub(crate) fn metrics(gateway: &Gateway) -> Router {
    let router = Router::new().route("/metrics", get(scrape)).route("/healthz", get(async || "OK"));
    router.with_state(gateway.0.clone())
}

/// What clients ask for, they may ask for from pages of any origin: the token decides (docs/protocol.md#endpoints).
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods([Method::OPTIONS, Method::HEAD, Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(CORS_MAX_AGE)
}

/// An endpoint of the protocol that this server does not have.
fn not_there(what: &str) -> (StatusCode, String) {
    (StatusCode::NOT_IMPLEMENTED, format!("{what}: not there yet on this server"))
}

/// Rewrites the path of a request where a client or a proxy wrote it oddly, before it is routed.
pub(crate) fn tidy<B>(mut request: axum::http::Request<B>) -> axum::http::Request<B> {
    let path = tidy_path(request.uri().path());
    if path != request.uri().path() {
        let path_and_query = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path.into_owned(),
        };
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(path_and_query).ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// What stands before a method of the server API.
const TWIRP: &str = "/twirp/livekit.";

/// Repeated slashes count as one (clients append to a base that ends in one), and whatever stands before a path of
/// signalling or of the server API is a prefix of some proxy.
fn tidy_path(path: &str) -> Cow<'_, str> {
    let mut path = Cow::Borrowed(path);
    while path.contains("//") {
        path = path.replace("//", "/").into();
    }
    let trimmed = path.strip_suffix('/').unwrap_or(&path);
    for endpoint in ["/rtc/v1/validate", "/rtc/validate", "/rtc/v1", "/rtc", "/agent"] {
        if trimmed.ends_with(endpoint) {
            return endpoint.into();
        }
    }
    match path.find(TWIRP) {
        Some(prefix) if prefix > 0 => path.split_at(prefix).1.to_owned().into(),
        _ => path,
    }
}

async fn scrape(State(inner): State<Arc<Inner>>) -> Response {
    match inner.metrics.text(inner.readings()) {
        Ok(text) => ([(header::CONTENT_TYPE, counted::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn validate_v0(
    State(inner): State<Arc<Inner>>,
    Extension(visitor): Extension<Arc<Visitor>>,
    request: Request,
) -> Response {
    validate(&inner, &visitor, Version::V0, request).await
}

async fn validate_v1(
    State(inner): State<Arc<Inner>>,
    Extension(visitor): Extension<Arc<Visitor>>,
    request: Request,
) -> Response {
    validate(&inner, &visitor, Version::V1, request).await
}

async fn validate(inner: &Inner, visitor: &Visitor, version: Version, request: Request) -> Response {
    let answer = match check(inner, visitor, version, true, request.uri(), request.headers()) {
        Ok(join) => inner.node.check(join.request).await.map_err(Refusal::from),
        Err(refusal) => Err(refusal),
    };
    inner.metrics.validation(answer.as_ref().map_or_else(Refusal::result, |()| "ok"));
    match answer {
        Ok(()) => "success".into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn join_v0(
    State(inner): State<Arc<Inner>>,
    Extension(visitor): Extension<Arc<Visitor>>,
    upgrade: Result<WebSocketUpgrade, Rejection>,
    request: Request,
) -> Response {
    join(inner, visitor, Version::V0, upgrade, request).await
}

async fn join_v1(
    State(inner): State<Arc<Inner>>,
    Extension(visitor): Extension<Arc<Visitor>>,
    upgrade: Result<WebSocketUpgrade, Rejection>,
    request: Request,
) -> Response {
    join(inner, visitor, Version::V1, upgrade, request).await
}

/// Joins first and upgrades then, so that a refusal is an HTTP answer.
async fn join(
    inner: Arc<Inner>,
    visitor: Arc<Visitor>,
    version: Version,
    upgrade: Result<WebSocketUpgrade, Rejection>,
    request: Request,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(
            Rejection::MethodNotGet(_) | Rejection::InvalidConnectionHeader(_) | Rejection::InvalidUpgradeHeader(_),
        ) => {
            return StatusCode::NOT_FOUND.into_response();
        }
        Err(rejection) => return rejection.into_response(),
    };
    let checked = check(&inner, &visitor, version, false, request.uri(), request.headers());
    let joined = match checked {
        Ok(join) => match visitor.reserve() {
            Some(place) => {
                let Admission { request, issuer } = join;
                let (room, identity) = (request.room.clone(), request.joiner.identity.clone());
                let attached = inner.node.join(request).await;
                attached
                    .map(|attached| (socket::Client { attached, issuer, room, identity }, place))
                    .map_err(Refusal::from)
            }
            None => Err(Refusal::TooManyClients(inner.settings.connections_max)),
        },
        Err(refusal) => Err(refusal),
    };
    inner.metrics.join(joined.as_ref().map_or_else(Refusal::result, |_| "ok"));
    match joined {
        Ok((client, place)) => {
            visitor.leave();
            let open = inner.sockets.open();
            // Above our own limit, so that our code sees the message and closes with a reason.
            let bytes_max = 2 * socket::MESSAGE_BYTES_MAX;
            upgrade.max_message_size(bytes_max).max_frame_size(bytes_max).on_upgrade(async move |websocket| {
                let _kept = (open, place);
                socket::run(websocket, client, &inner.metrics).await;
            })
        }
        Err(refusal) => {
            inner.metrics.refused(refusal.reason());
            // All are counted; the log gets a limited number, because anybody can have joins refused.
            if inner.may_log(Instant::now()) {
                let reason = refusal.reason();
                tracing::info!(address = %visitor.address(), reason, %refusal, "join refused");
            }
            refusal.into_response()
        }
    }
}

/// All checks but whether the room is there.
fn check(
    inner: &Inner,
    visitor: &Visitor,
    version: Version,
    strict: bool,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Admission, Refusal> {
    let call = Call {
        version,
        strict,
        query: Query::parse(uri.query().unwrap_or_default()),
        authorization: text(headers, &header::AUTHORIZATION)?,
        user_agent: text(headers, &header::USER_AGENT).ok().flatten().unwrap_or_default(),
        address: visitor.address(),
    };
    admit(&call, &inner.keys, &inner.settings, SystemTime::now())
}

/// A header as text; a header that is none cannot hold a token.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    headers.get(name).map(|value| value.to_str().map_err(|_| Refusal::NotBearer)).transpose()
}

#[cfg(test)]
mod tests {
    use super::tidy_path;

    #[test]
    fn odd_paths() {
        let cases = [
            ("/", "/"),
            ("//", "/"),
            ("/rtc", "/rtc"),
            ("//rtc", "/rtc"),
            ("///rtc//v1", "/rtc/v1"),
            ("/rtc/", "/rtc"),
            ("/rtc/v1/", "/rtc/v1"),
            ("/rtc/validate", "/rtc/validate"),
            ("//rtc/v1/validate", "/rtc/v1/validate"),
            ("/live/kit/rtc", "/rtc"),
            ("/live/rtc/v1", "/rtc/v1"),
            ("/live//rtc/v1/validate", "/rtc/v1/validate"),
            ("/live/agent", "/agent"),
            ("//agent/", "/agent"),
            ("/agents", "/agents"),
            ("/rtc/v2", "/rtc/v2"),
            ("/rtcx", "/rtcx"),
            ("/xrtc", "/xrtc"),
            ("/rtc/v1/other", "/rtc/v1/other"),
            ("//assets//a.js", "/assets/a.js"),
            ("", ""),
            ("/twirp/livekit.RoomService/ListRooms", "/twirp/livekit.RoomService/ListRooms"),
            ("//twirp/livekit.RoomService/ListRooms", "/twirp/livekit.RoomService/ListRooms"),
            ("/live//kit/twirp/livekit.Egress/ListEgress", "/twirp/livekit.Egress/ListEgress"),
            ("/twirp/other.Service/Method", "/twirp/other.Service/Method"),
            ("/live/twirp", "/live/twirp"),
        ];
        for (path, tidied) in cases {
            assert_eq!(tidy_path(path), tidied, "{path}");
        }
    }
}
