//! The REST interface under `/api/v1`: the chain, blocks, transactions, addresses and the mempool for wallets and explorers.
//!
//! ```text
//! request → params (strict) → reader (a snapshot, off the event loop) → shapes (plain data) → cache (what may be kept) → answer
//! ```
//!
//! Invariants: each answer is told from one snapshot of the chain; every list has a longest page; what is served is what the OpenAPI
//! document says, for both are made of the same handlers. Nothing here can change the node but a transaction that is handed in, by the
//! door that all transactions use. Only public data is told: nothing of the node's operator or machine, and of
//! its peers only how many there are of each kind.

mod cache;
mod docs;
mod params;
mod problem;
mod reader;
mod routes;
mod shapes;

pub(super) use crate::json::difficulty;
pub(super) use cache::Validity;
pub use problem::Problem;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::rate::{Cost, RateLimiter};
use crate::node::Node;
use crate::p2p::P2p;
use reader::Api;
use routes::{addresses, blocks, broadcast, chain, mempool, network, ranges, transactions};

/// Where the interface stands. Another version will stand beside it.
const PREFIX: &str = "/api/v1";

/// The head of the OpenAPI document. Paths and shapes come from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "qBTC node",
        description = "What a qBTC node tells of its chain.\n\n\
            Amounts are whole quanta (100,000,000 are one QBTC) and, beside them, decimal QBTC as text. Hashes are hex; ids of blocks and \
            transactions are byte-reversed, as in Bitcoin. Times are seconds since 1970. Fee rates are quanta for each 1,000 bytes.\n\n\
            Lists come in pages: `next` is what to ask for to get the following one. What is not answered as asked is answered with a \
            problem (RFC 9457).\n\n\
            Events are pushed over a WebSocket at /ws. Send {\"subscribe\": \"blocks\"}, {\"subscribe\": \"transactions\"} or \
            {\"subscribe\": {\"addresses\": [\"…\"]}}, and \"unsubscribe\" alike; each is answered with what is subscribed to now.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "chain", description = "The chain as a whole"),
        (name = "blocks", description = "Blocks and their headers"),
        (name = "transactions", description = "Transactions, waiting and mined"),
        (name = "addresses", description = "Addresses, on nodes that index them"),
        (name = "mempool", description = "What waits, and what to pay"),
        (name = "network", description = "How the node is connected"),
        (name = "proofs", description = "What shows that something is in the chain"),
        (name = "ranges", description = "Many headers or filters at once"),
    ),
    components(schemas(Problem))
)]
struct Document;

/// The routes, the document that describes them, and the page to read it.
pub(super) fn router(node: Node, p2p: Option<P2p>, rate: &Arc<RateLimiter>) -> Router {
    let (router, document) = documented(rate).split_for_parts();
    router.with_state(Arc::new(Api::new(node, p2p))).merge(docs::router(&document).layer(rate.layer(Cost::LIGHT)))
}

fn documented(rate: &Arc<RateLimiter>) -> OpenApiRouter<Arc<Api>> {
    let light = OpenApiRouter::new()
        .routes(routes!(chain::chain))
        .routes(routes!(blocks::header))
        .routes(routes!(blocks::filter))
        .routes(routes!(blocks::history_proof))
        .routes(routes!(transactions::status))
        .routes(routes!(mempool::summary))
        .routes(routes!(mempool::bands))
        .routes(routes!(mempool::fees))
        .routes(routes!(network::network))
        .route_layer(rate.layer(Cost::LIGHT));
    let reading = OpenApiRouter::new()
        .routes(routes!(blocks::list))
        .routes(routes!(blocks::block))
        .routes(routes!(blocks::raw))
        .routes(routes!(blocks::transactions))
        .routes(routes!(transactions::transaction))
        .routes(routes!(transactions::raw))
        .routes(routes!(transactions::proof))
        .routes(routes!(addresses::coins))
        .routes(routes!(addresses::history))
        .routes(routes!(mempool::transactions))
        .route_layer(rate.layer(Cost::READING));
    let heavy = OpenApiRouter::new()
        .routes(routes!(addresses::balance))
        .routes(routes!(ranges::headers))
        .routes(routes!(ranges::filters))
        .routes(routes!(broadcast::broadcast))
        .routes(routes!(broadcast::test))
        .layer(DefaultBodyLimit::max(broadcast::BODY_BYTES_MAX))
        .route_layer(rate.layer(Cost::HEAVY));
    OpenApiRouter::with_openapi(Document::openapi()).nest(PREFIX, light.merge(reading).merge(heavy))
}
