//! Events, pushed over a WebSocket: blocks, transactions, and what happens to addresses.
//!
//! ```text
//! the node's events → Hub (one task: written once) → sessions (one for each client: filters, bounds) → clients
//! ```
//!
//! Invariant: a client costs a place among a fixed number, a bounded list of subscriptions and a bounded queue, whatever it sends or fails
//! to read. Who does not keep up is told so and let go, so that nobody takes a gap for silence; it reconnects and asks REST for what it
//! has missed. Only public data is pushed.

mod hub;
mod message;
mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};

use super::rate::{Cost, RateLimiter};
use super::rest::Problem;
use crate::metrics::{Interface, Rejection};
use crate::node::Node;
use crate::slots::{self, Slots};
use hub::Hub;
use session::Session;

/// What subscribers may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriberLimits {
    /// The most clients at once.
    pub clients_max: usize,
    /// The most clients of one IPv4 address or IPv6 network of 64 bits, other than of the machine itself.
    pub clients_per_network_max: usize,
    /// The most addresses that a client subscribes to.
    pub addresses_max: usize,
    /// How many events may wait for a client that does not keep up.
    pub queue: usize,
    /// How long a client may take to accept a message.
    pub send: Duration,
    /// How often a client is asked whether it is still there; it is let go when it has not answered by the next time.
    pub ping: Duration,
}

impl Default for SubscriberLimits {
    fn default() -> Self {
        Self {
            clients_max: 128,
            clients_per_network_max: 8,
            addresses_max: 1_000,
            // More than the blocks of one move of the tip (`DriverOptions::batch_blocks_max`), each of which is an event.
            queue: 8_192,
            send: Duration::from_secs(10),
            ping: Duration::from_secs(30),
        }
    }
}

impl SubscriberLimits {
    /// With so many clients, of which a sixteenth may come from one network.
    #[must_use]
    pub fn with_clients(self, clients: u32) -> Self {
        let clients_max = usize::try_from(clients).unwrap_or(usize::MAX);
        Self { clients_max, clients_per_network_max: clients_max.div_ceil(16), ..self }
    }
}

/// The longest message of a client, in bytes: the most addresses with room to spare.
const MESSAGE_BYTES_MAX: usize = 128 * 1_024;
/// The most bytes that wait to be written to a client.
const WRITE_BYTES_MAX: usize = 512 * 1_024;

/// What all sessions share.
#[derive(Debug)]
struct Shared {
    node: Node,
    hub: Hub,
    slots: Arc<Slots>,
    limits: SubscriberLimits,
}

/// The route. Must be called in a runtime, on which it follows the node's events until the node stops.
pub(super) fn router(node: Node, limits: SubscriberLimits, rate: &Arc<RateLimiter>) -> Router {
    let hub = Hub::start(&node, limits.queue);
    let slots = Slots::new(limits.clients_max, limits.clients_per_network_max);
    let shared = Arc::new(Shared { node, hub, slots, limits });
    Router::new().route("/ws", get(upgrade)).route_layer(rate.layer(Cost::READING)).with_state(shared)
}

async fn upgrade(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    asked: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let asked = asked.map_err(|rejection| {
        Problem::bad_request(rejection.body_text()).with_mend("connect with a WebSocket client; /api/docs says how")
    })?;
    let peer = peer.and_then(|Extension(ConnectInfo(peer))| slots::remote(peer.ip()));
    let slot = shared.slots.take(peer).map_err(|no_slot| {
        shared.node.metrics().request_rejected(Interface::Http, Rejection::Subscribers);
        Problem::busy(format!("no slot is left for another subscriber ({no_slot}): try again later"))
    })?;
    let response = asked
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .max_write_buffer_size(WRITE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            let _counted = shared.node.metrics().connection(Interface::WebSocket);
            let _slot = slot;
            Session::new(&shared, socket).run().await;
        });
    Ok(response.into_response())
}
