//! The shell that every HTTP interface of the node stands in: it accepts connections, bounds them, and ends them.
//!
//! Invariant: whatever a client sends or leaves out, it costs at most one of a fixed number of connections, for a bounded time without
//! progress, with a bounded amount of memory before a handler has agreed to more. The shell knows nothing of what the routes do.

mod cors;
mod guard;
mod paced;

pub(super) use cors::CROSS_ORIGIN_RESOURCE_POLICY;
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
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};
use tracing::{debug, warn};

use crate::metrics::{ConnectionGuard, Interface, Metrics};
use crate::slots::{self, Slot, Slots};
use paced::Paced;

/// What a client may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most connections at once, upgraded ones included; further ones wait until one ends.
    pub connections_max: usize,
    /// The most connections of one IPv4 address or IPv6 network of 64 bits, other than of the machine itself; further ones are closed.
    pub connections_per_network_max: usize,
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
            connections_per_network_max: 64,
            head: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            request: Some(Duration::from_secs(30)),
            body_bytes_max: 1 << 20,
            grace: Duration::from_secs(3),
        }
    }
}

impl Limits {
    /// With so many connections, of which a quarter may come from one network.
    #[must_use]
    pub fn with_connections(self, connections: u32) -> Self {
        let connections_max = usize::try_from(connections).unwrap_or(usize::MAX);
        Self { connections_max, connections_per_network_max: connections_max.div_ceil(4), ..self }
    }
}

/// The largest head of a request, in bytes: cookies of other services on the same host may be in it.
const HEAD_BYTES_MAX: usize = 64 * 1_024;
/// The most header fields of a request.
const HEADERS_MAX: usize = 100;
/// How long to wait when the system has no socket left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// What stands between an interface's routes and the network.
#[derive(Clone, Debug)]
pub struct Shell {
    /// Whose connections and rejections are counted.
    pub interface: Interface,
    /// Who is heard.
    pub guard: Guard,
    /// What a client may cost.
    pub limits: Limits,
    /// What counts.
    pub metrics: Arc<Metrics>,
}

impl Shell {
    /// Serves a router on a listener until `stopping` is cancelled, then lets requests in progress end within the grace period.
    ///
    /// Each request carries its client's address as [`ConnectInfo<SocketAddr>`].
    pub async fn serve(self, listener: TcpListener, router: Router, stopping: CancellationToken) {
        let Self { interface, guard, limits, metrics } = self;
        let router = bounded(guard.protect(router, interface, Arc::clone(&metrics)), &limits);
        let door = Door {
            listener,
            slots: Slots::new(limits.connections_max, limits.connections_per_network_max),
            interface,
            metrics,
            stopping,
        };
        let connections = TaskTracker::new();
        while let Some((stream, peer, slot)) = door.next().await {
            connections.spawn(connection(stream, peer, slot, router.clone(), limits, door.stopping.clone()));
        }
        drop(door);
        connections.close();
        // Each connection keeps to the grace period by itself.
        connections.wait().await;
    }
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

/// Where connections come in.
struct Door {
    listener: TcpListener,
    slots: Arc<Slots>,
    interface: Interface,
    metrics: Arc<Metrics>,
    stopping: CancellationToken,
}

/// What a connection holds for as long as it lives.
type Held = (Slot, ConnectionGuard);

impl Door {
    /// The next connection, with its slot; `None` once the node stops.
    async fn next(&self) -> Option<(TcpStream, SocketAddr, Held)> {
        self.stopping.run_until_cancelled(self.accept()).await
    }

    async fn accept(&self) -> (TcpStream, SocketAddr, Held) {
        loop {
            self.slots.free().await;
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                // The client gave up before it was accepted, or the process has no file descriptor left: neither ends the server.
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            match self.slots.take(slots::remote(peer.ip())) {
                Ok(slot) => return (stream, peer, (slot, self.metrics.connection(self.interface))),
                Err(reason) => {
                    self.metrics.connection_rejected(self.interface);
                    debug!(%peer, %reason, "a connection is turned away");
                }
            }
        }
    }
}

/// Serves one connection until it ends, or the node stops.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    held: Held,
    router: Router,
    limits: Limits,
    stopping: CancellationToken,
) {
    // Answers are written whole; waiting for more would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "connection ended at once");
        return;
    }
    let io = TokioIo::new(Paced::new(stream, limits.stall, held));
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
