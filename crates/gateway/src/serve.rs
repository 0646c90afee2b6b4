//! Listeners, connections, graceful stop.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use crate::Gateway;
use crate::{proxies, proxy_protocol, routes};

/// A connection that does not finish a request's head within this time is closed; so is an idle one.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections that wait in the system until they are taken.
const BACKLOG: i32 = 1024;
/// Pause after the system had no connection to give (out of descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Sockets get this long to take their last messages when the server stops.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(3);

/// Why the front door does not open.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no address at all.
    #[error("no address to listen on")]
    NoAddress,
}

/// Opens a port on each address. Where the system has no IPv6, the unspecified IPv6 address is left out with a warning.
///
/// # Errors
/// An address cannot be bound, or none is left.
pub fn listen(addresses: &[IpAddr], port: u16) -> Result<Vec<TcpListener>, ServeError> {
    let mut listeners = Vec::new();
    for ip in addresses {
        let address = SocketAddr::new(*ip, port);
        match open(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if ip.is_ipv6() && ip.is_unspecified() && lacks_ipv6(&error) => {
                tracing::warn!(%address, %error, "this system has no IPv6: left out");
            }
            Err(source) => return Err(ServeError::Listen { address, source }),
        }
    }
    if listeners.is_empty() { Err(ServeError::NoAddress) } else { Ok(listeners) }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // The IPv4 address is a listener of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn lacks_ipv6(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, Unsupported};
    // EAFNOSUPPORT has no kind of its own.
    matches!(error.kind(), AddrNotAvailable | Unsupported) || error.raw_os_error() == Some(97)
}

/// Serves until `stop` ends. Then: no new connections, `Leave` to every client, sockets closed, connections ended.
pub async fn serve(gateway: Gateway, listeners: Vec<TcpListener>, stop: impl Future<Output = ()>) {
    let router = routes::router(&gateway);
    let (ending, ended) = watch::channel(false);
    let mut doors = JoinSet::new();
    for listener in listeners {
        doors.spawn(accept(listener, gateway.clone(), router.clone(), ended.clone()));
    }
    drop(ended);
    stop.await;
    doors.shutdown().await;
    gateway.0.node.shutdown().await;
    if timeout(STOP_GRACE, gateway.0.sockets.none_left()).await.is_err() {
        tracing::warn!(left = gateway.0.sockets.count(), "some clients did not take their last messages in time");
    }
    ending.send_replace(true);
    // Every connection holds a receiver until it is over.
    let _ = timeout(STOP_GRACE, ending.closed()).await;
}

/// Serves metrics and health on listeners of their own until the future is dropped.
pub async fn serve_metrics(gateway: Gateway, listeners: Vec<TcpListener>) {
    let router = routes::metrics(&gateway);
    let (_ending, ended) = watch::channel(false);
    let mut doors = JoinSet::new();
    for listener in listeners {
        doors.spawn(accept(listener, gateway.clone(), router.clone(), ended.clone()));
    }
    while doors.join_next().await.is_some() {}
}

async fn accept(listener: TcpListener, gateway: Gateway, router: Router, ended: watch::Receiver<bool>) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                tokio::spawn(converse(stream, address.ip(), gateway.clone(), router.clone(), ended.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection, until it is closed or upgraded.
async fn converse(
    mut stream: TcpStream,
    peer: IpAddr,
    gateway: Gateway,
    router: Router,
    mut ended: watch::Receiver<bool>,
) {
    let peer = peer.to_canonical();
    let (visitor, mut must_go) = gateway.0.door.enter(peer);
    let visitor = Arc::new(visitor);
    // Signalling is small messages that someone waits for.
    let _ = stream.set_nodelay(true);
    let peer = if proxies::is_trusted(&gateway.0.settings.trusted_proxies, peer) {
        let named = tokio::select! {
            named = timeout(HEAD_TIMEOUT, proxy_protocol::take(&mut stream)) => named,
            _ = &mut must_go => return,
            () = async { let _ = ended.wait_for(|ended| *ended).await; } => return,
        };
        match named {
            Ok(Ok(named)) => named.unwrap_or(peer),
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "a proxy's connection broke, or its head cannot be read");
                return;
            }
            Err(_) => return,
        }
    } else {
        peer
    };
    visitor.speaks_for(peer);
    let service = service_fn(move |request: Request<Incoming>| {
        visitor.speaks_for(proxies::client(&gateway.0.settings.trusted_proxies, peer, request.headers()));
        let mut request = routes::tidy(request).map(Body::new);
        request.extensions_mut().insert(visitor.clone());
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut served = pin!(served);
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        Ok(()) = must_go => return,
        () = async { let _ = ended.wait_for(|ended| *ended).await; } => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "connection broke");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promised_values() {
        assert_eq!(HEAD_TIMEOUT, Duration::from_secs(20), "docs/operation.md");
        assert_eq!(STOP_GRACE, Duration::from_secs(3), "docs/operation.md");
    }
}
