//! Web-hooks: endpoints of customers that are called with what happened.
//!
//! Every event reaches every endpoint of its app at least once; events of one session in their order; a slow endpoint
//! holds up no other. What is not taken is tried again for a day ([`schedule`]), then it is a dead letter. Where an
//! endpoint is, is in the store: what a killed process had not said to be delivered is sent again by the next one.

pub mod address;
pub mod body;
mod deliver;
pub mod round;
pub mod schedule;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest;
use reqwest::Url;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tutti_store::Store;
use tutti_token::Secret;

use deliver::Deliverer;

/// A receiver that has not answered in this time is not reached.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A receiver that has not taken the connection in this time is not reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What an endpoint is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The protocol's web-hooks, signed by an access token: the published server SDKs read them.
    Livekit,
    /// Ours, with everything that is known, signed by an HMAC.
    Tutti,
}

impl Format {
    const fn name(self) -> &'static str {
        match self {
            Self::Livekit => "livekit",
            Self::Tutti => "tutti",
        }
    }
}

/// Where events of an app go.
#[derive(Clone)]
pub struct Endpoint {
    id: String,
    app: String,
    url: Url,
    format: Format,
    api_key: String,
    secret: Secret,
}

/// Why an address cannot be an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is no URL.
    #[error("not a URL")]
    Url,
    /// It is neither http nor https.
    #[error("not an http or https URL")]
    Scheme,
    /// It holds a user or a password.
    #[error("a URL with a user or password: signatures say who calls")]
    Credentials,
    /// It points inside.
    #[error("on loopback or in a private range: allow it by webhook.private_addresses")]
    Private,
}

impl Endpoint {
    /// An endpoint for the events of `app`; what is sent is signed by `api_key` with `secret`. `private`: whether it may be
    /// on loopback or in a private range.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn new(
        app: &str,
        url: &str,
        format: Format,
        (api_key, secret): (&str, &Secret),
        private: bool,
    ) -> Result<Self, EndpointError> {
        let url = Url::parse(url).map_err(|_| EndpointError::Url)?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(EndpointError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        let host = url.host_str().ok_or(EndpointError::Url)?;
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let local_name = host == "localhost" || host.ends_with(".localhost");
        if !private && (local_name || literal.is_some_and(|ip| !address::is_public(ip))) {
            return Err(EndpointError::Private);
        }
        let named = [app, url.as_str(), format.name()].join("\n");
        let digest = digest::digest(&digest::SHA256, named.as_bytes());
        let hex: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let (app, api_key, secret) = (app.to_owned(), api_key.to_owned(), secret.clone());
        Ok(Self { id: format!("WH_{hex}"), app, url, format, api_key, secret })
    }

    /// `WH_…`: the same for the same app, URL and format.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn row(&self) -> tutti_store::Endpoint {
        let (id, app, url) = (self.id.clone(), self.app.clone(), self.url.to_string());
        tutti_store::Endpoint { id, app, url, format: self.format.name().to_owned() }
    }
}

/// Shows where it is, but not path and query: those of others hold secrets now and then.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id, self.url.origin().ascii_serialization())
    }
}

/// What was done since the start, over all endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WebhookCounts {
    /// Events that were taken.
    pub delivered: u64,
    /// Attempts that were not.
    pub failed: u64,
    /// Events that were given up.
    pub dead: u64,
    /// Endpoints that take nothing now.
    pub down: u64,
}

#[derive(Debug, Default)]
struct Counts {
    delivered: AtomicU64,
    failed: AtomicU64,
    dead: AtomicU64,
    down: AtomicU64,
}

/// Reads what [`Webhooks`] count.
#[derive(Debug, Clone)]
pub struct WebhookCounter(Arc<Counts>);

impl WebhookCounter {
    /// What was done since the start.
    pub fn read(&self) -> WebhookCounts {
        let Counts { delivered, failed, dead, down } = &*self.0;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WebhookCounts { delivered: read(delivered), failed: read(failed), dead: read(dead), down: read(down) }
    }
}

/// Delivers to endpoints until it is stopped.
pub struct Webhooks {
    counts: Arc<Counts>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Webhooks {
    /// Starts one task for each endpoint. `private`: whether they may be on loopback or in private ranges.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn start(store: &Store, node: &str, endpoints: Vec<Endpoint>, private: bool) -> Result<Self, reqwest::Error> {
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("tutti/", env!("CARGO_PKG_VERSION")))
            // An answer that points elsewhere could point inside.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT);
        if !private {
            http = http.dns_resolver(Arc::new(address::PublicOnly));
        }
        let http = http.build()?;
        let (stop, stopping) = watch::channel(false);
        let counts = Arc::<Counts>::default();
        let mut tasks = JoinSet::new();
        for endpoint in endpoints {
            tracing::info!(?endpoint, format = endpoint.format.name(), "web-hook");
            let deliverer =
                Deliverer::new(store.clone(), node, endpoint, http.clone(), counts.clone(), stopping.clone());
            tasks.spawn(deliverer.run());
        }
        Ok(Self { counts, stop, tasks })
    }

    /// What was done since the start.
    pub fn counts(&self) -> WebhookCounts {
        self.counter().read()
    }

    /// Reads the counts for as long as anybody wants to.
    pub fn counter(&self) -> WebhookCounter {
        WebhookCounter(self.counts.clone())
    }

    /// Lets every endpoint end the batch that it is at, at most for `grace`. What is left is sent after the next start.
    pub async fn stop(mut self, grace: Duration) {
        self.stop.send_replace(true);
        let ended = timeout(grace, async { while self.tasks.join_next().await.is_some() {} });
        if ended.await.is_err() {
            tracing::warn!("web-hooks do not answer; what they were sent last is sent again after the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_point_outside_unless_allowed() {
        let secret = Secret::new("a secret of some length");
        let made = |url: &str, private| {
            Endpoint::new("default", url, Format::Livekit, ("key", &secret), private).map(|endpoint| endpoint.id)
        };
        for (url, error) in [
            ("", EndpointError::Url),
            ("example.com/hook", EndpointError::Url),
            ("ftp://example.com/", EndpointError::Scheme),
            ("https://user:pass@example.com/", EndpointError::Credentials),
            ("http://localhost:8080/", EndpointError::Private),
            ("http://a.localhost/", EndpointError::Private),
            ("http://127.0.0.1/", EndpointError::Private),
            ("http://2130706433/", EndpointError::Private),
            ("http://0x7f.1/", EndpointError::Private),
            ("http://[::1]:8080/", EndpointError::Private),
            ("http://[::ffff:10.0.0.1]/", EndpointError::Private),
            ("https://169.254.169.254/latest/meta-data", EndpointError::Private),
        ] {
            assert_eq!(made(url, false), Err(error), "{url}");
            assert_eq!(made(url, true).is_ok(), error == EndpointError::Private, "{url}");
        }
        assert!(made("https://example.com/hook", false).is_ok());
        assert_eq!(made("https://example.com/a", false), made("https://example.com/a", true));
        assert_ne!(made("https://example.com/a", false), made("https://example.com/b", false));
    }

    #[test]
    fn paths_and_secrets_are_not_shown() {
        let secret = Secret::new("a secret of some length");
        let url = "https://example.com:8443/hook/path-token?key=query-token";
        let endpoint = Endpoint::new("default", url, Format::Tutti, ("key", &secret), false).expect("public");
        let shown = format!("{endpoint:?}");
        assert!(shown.contains("https://example.com:8443") && !shown.contains("token"), "{shown}");
    }
}
