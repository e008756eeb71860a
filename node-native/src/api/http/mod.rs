//! The shell that every HTTP interface of the node stands in: it accepts connections, bounds them, and ends them.
//!
//! Invariant: whatever a client sends or leaves out, it costs at most one of a fixed number of connections, for a bounded time without
//! progress, with a bounded amount of memory before a handler has agreed to more. The shell knows nothing of what the routes do.

mod guard;
mod paced;

pub use guard::{Guard, Pages, Refusal};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};
use tracing::{debug, warn};

use paced::Paced;

/// What a client may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most connections at once, upgraded ones included; further ones wait until one ends.
    pub connections_max: usize,
    /// How long the head of a request may take, and how long a connection may rest between two requests.
    pub head: Duration,
    /// How long a client may send nothing of a body that it owes, or take nothing of an answer.
    pub stall: Duration,
    /// How long a request may take until its answer begins; `None` where routes bound themselves, as those that wait for a new block.
    pub request: Option<Duration>,
    /// The largest body of a request, in bytes. Routes may ask for less.
    pub body_bytes_max: usize,
    /// How long requests in progress may go on once the node stops.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            head: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            request: Some(Duration::from_secs(30)),
            body_bytes_max: 1 << 20,
            grace: Duration::from_secs(3),
        }
    }
}

/// The largest head of a request, in bytes: cookies of other services on the same host may be in it.
const HEAD_BYTES_MAX: usize = 64 * 1_024;
/// The most header fields of a request.
const HEADERS_MAX: usize = 100;
/// How long to wait when the system has no socket left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Serves a router on a listener until `stopping` is cancelled, then lets requests in progress end within the grace period.
///
/// Each request carries its client's address as [`ConnectInfo<SocketAddr>`].
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stopping: CancellationToken) {
    let router = bounded(router, &limits);
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    let connections = TaskTracker::new();
    while let Some((stream, peer, permit)) = next_connection(&listener, &permits, &stopping).await {
        connections.spawn(connection(stream, peer, permit, router.clone(), limits, stopping.clone()));
    }
    drop(listener);
    connections.close();
    // Each connection keeps to the grace period by itself.
    connections.wait().await;
}

/// The router with the limits that count for every route.
fn bounded(router: Router, limits: &Limits) -> Router {
    let router = router
        .layer(RequestBodyLimitLayer::new(limits.body_bytes_max))
        .layer(RequestBodyTimeoutLayer::new(limits.stall));
    match limits.request {
        Some(request) => router.layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, request)),
        None => router,
    }
}

/// The next connection with its place among those allowed; `None` once the node stops.
async fn next_connection(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    stopping: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = tokio::select! {
        biased;
        () = stopping.cancelled() => return None,
        permit = Arc::clone(permits).acquire_owned() => permit.ok()?,
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopping.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => return Some((stream, peer, permit)),
            // The client gave up before it was accepted, or the process has no file descriptor left: neither ends the server.
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::select! {
                    () = stopping.cancelled() => return None,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
}

/// Serves one connection until it ends, or the node stops.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
    router: Router,
    limits: Limits,
    stopping: CancellationToken,
) {
    // Answers are written whole; waiting for more would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "connection ended at once");
        return;
    }
    let io = TokioIo::new(Paced::new(stream, limits.stall, permit));
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(io, TowerToHyperService::new(service))
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stopping.cancelled() => {
            serving.as_mut().graceful_shutdown();
            match tokio::time::timeout(limits.grace, serving).await {
                Ok(ended) => ended,
                Err(_) => return debug!(%peer, "connection cut off: the node stops"),
            }
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "connection ended");
    }
}

#[cfg(test)]
mod tests;
