//! What operators watch: counters and histograms that the node's parts count up, and gauges that are read when somebody looks.
//!
//! Everything here is atomic and cheap, so that a part counts where things happen and never waits. There is no global registry: whoever
//! counts holds the [`Metrics`] that the node was started with, so that two nodes in one process do not mix. Numbers that somebody else
//! keeps already (height, mempool, peers …) are not kept twice; they come in a [`Reading`] with each scrape.
//!
//! Labels hold nothing that comes from outside: a client could otherwise make a new series with every request. Methods are names that
//! the program knows, routes are patterns, outcomes are enums.

mod labels;
mod network;
mod reading;
mod text;

pub use labels::{BlockSource, CallOutcome, Direction, Interface, Rejection, ShareOutcome, removal_label};
pub use network::{NetworkCounters, Reached, WebRtcReading};
pub use reading::Reading;
pub use text::Format;

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use qbtc_core::mempool::RemovalReason;

use labels::{
    BlockLabels, CallLabels, InterfaceLabels, KindLabels, MethodLabels, OutcomeLabels, PeerLabels, ReasonLabels,
    RejectionLabels, RequestLabels, ShareLabels,
};
use reading::Gauges;

/// Upper bounds of the buckets of what takes from a fraction of a millisecond to a minute, in seconds.
const SECONDS_BUCKETS: [f64; 16] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// Upper bounds of the buckets of the sizes of commits, in bytes.
const BYTES_BUCKETS: [f64; 10] = [1e3, 4e3, 16e3, 64e3, 256e3, 1_024e3, 4_096e3, 16_384e3, 65_536e3, 262_144e3];
/// Upper bounds of the buckets of the depth of reorgs, in blocks.
const DEPTH_BUCKETS: [f64; 8] = [1.0, 2.0, 3.0, 6.0, 10.0, 25.0, 100.0, 1_000.0];

/// A gauge of a whole number that only grows or is set; counts of things.
type Count = Gauge<u64, AtomicU64>;
/// A gauge of a number with a fraction.
type Float = Gauge<f64, AtomicU64>;
/// Histograms by label.
type HistogramFamily<L> = Family<L, Histogram, fn() -> Histogram>;

/// The counters of one node. Share it in an `Arc`.
pub struct Metrics {
    registry: Registry,
    gauges: Gauges,
    network: NetworkCounters,
    peers: Peers,
    peer_connections: Family<PeerLabels, Gauge>,
    refused_peers: Family<ReasonLabels, Counter>,
    dropped_messages: Family<KindLabels, Counter>,
    failed_dials: Counter,
    new_nodes: Count,
    tried_nodes: Count,
    refused_addresses: Counter,
    blocks: Family<OutcomeLabels, Counter>,
    block_validation_seconds: Histogram,
    reorgs: Counter,
    reorg_depth_blocks: Histogram,
    transactions: Family<OutcomeLabels, Counter>,
    transaction_admission_seconds: Histogram,
    removals: Family<ReasonLabels, Counter>,
    template_seconds: Histogram,
    store_commit_seconds: Histogram,
    store_commit_bytes: Histogram,
    store_bytes: Count,
    rpc_requests: Family<CallLabels, Counter>,
    rpc_seconds: HistogramFamily<MethodLabels>,
    http_requests: Family<RequestLabels, Counter>,
    http_seconds: Histogram,
    rejected_requests: Family<RejectionLabels, Counter>,
    connections: Family<InterfaceLabels, Gauge>,
    rejected_connections: Family<InterfaceLabels, Counter>,
    subscribers_dropped: Counter,
    shares: Family<ShareLabels, Counter>,
    blocks_found: Family<BlockLabels, Counter>,
    stratum_hashes_per_second: Float,
    miner_hashes: Counter,
    miner_hashes_per_second: Float,
}

/// Counts one connection for as long as it lives.
#[derive(Debug)]
#[must_use = "the connection is counted for as long as this lives"]
pub struct ConnectionGuard(Gauge<i64, AtomicI64>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// All counters at zero, for a node on the chain of this name.
    #[must_use]
    pub fn new(chain: &str) -> Self {
        let mut registry = Registry::with_prefix("qbtc");
        let build = [("version", env!("CARGO_PKG_VERSION").to_owned()), ("chain", chain.to_owned())];
        registry.register("build", "The program's version and the chain's name", Info::new(build.to_vec()));
        let gauges = Gauges::register(&mut registry);
        let to = &mut registry;
        let network = NetworkCounters::register(to);
        let peers = Peers::default();
        to.register("connected_peers_total", "Connected peers", peers.clone());
        Self {
            gauges,
            network,
            peers,
            peer_connections: family(to, "peer_connections", "Connections with peers, by direction and transport"),
            refused_peers: family(to, "refused_peers", "Peers that were parted with, by reason"),
            dropped_messages: family(to, "dropped_messages", "Messages of peers that sent too many, by kind"),
            failed_dials: counter(to, "failed_dials", "Peers that were dialled and not reached"),
            new_nodes: count(to, "new_nodes", "Nodes in the address book that were only told"),
            tried_nodes: count(to, "tried_nodes", "Nodes in the address book that were connected to"),
            refused_addresses: counter(
                to,
                "refused_addresses",
                "Addresses of nodes that were told and are none, or private",
            ),
            blocks: family(to, "blocks", "Blocks that were offered, by what became of them"),
            block_validation_seconds: seconds(to, "block_validation", "Time to verify and apply a block"),
            reorgs: counter(to, "reorgs", "Changes of the best chain that took blocks back"),
            reorg_depth_blocks: histogram(to, "reorg_depth_blocks", "Blocks that a reorg took back", &DEPTH_BUCKETS),
            transactions: family(to, "transactions", "Transactions that were offered, by what became of them"),
            transaction_admission_seconds: seconds(to, "transaction_admission", "Time to verify a transaction offered"),
            removals: family(to, "mempool_removals", "Transactions that left the mempool, by reason"),
            template_seconds: seconds(to, "template", "Time to make a block template"),
            store_commit_seconds: seconds(to, "store_commit", "Time to commit to the database"),
            store_commit_bytes: histogram(to, "store_commit_bytes", "Bytes written in a commit", &BYTES_BUCKETS),
            store_bytes: count(to, "store_bytes", "Size of the database's file"),
            rpc_requests: family(to, "rpc_requests", "JSON-RPC calls, by method and outcome"),
            rpc_seconds: seconds_by(to, "rpc_request", "Time to answer a JSON-RPC call, by method"),
            http_requests: family(to, "http_requests", "HTTP requests, by route and status"),
            http_seconds: seconds(to, "http_request", "Time to answer an HTTP request other than JSON-RPC"),
            rejected_requests: family(to, "rejected_requests", "Requests turned away unread, by interface and reason"),
            connections: family(to, "connections", "Open connections of clients, by interface"),
            rejected_connections: family(to, "rejected_connections", "Connections turned away, by interface"),
            subscribers_dropped: counter(to, "ws_dropped", "WebSocket clients dropped because they were too slow"),
            shares: family(to, "stratum_shares", "Shares of Stratum miners, by what became of them"),
            blocks_found: family(to, "blocks_found", "Blocks mined through this node, by who found them"),
            stratum_hashes_per_second: gauge(to, "stratum_hashes_per_second", "Hash rate of Stratum miners, estimated"),
            miner_hashes: counter(to, "miner_hashes", "Hashes of the built-in miner"),
            miner_hashes_per_second: gauge(to, "miner_hashes_per_second", "Hash rate of the built-in miner"),
            registry,
        }
    }

    /// How nodes are found and reached.
    #[must_use]
    pub const fn network(&self) -> &NetworkCounters {
        &self.network
    }

    /// So many blocks were verified and applied, which took so long altogether.
    pub fn blocks_applied(&self, blocks: usize, took: Duration) {
        for _ in 0..blocks {
            self.blocks.get_or_create(&OutcomeLabels::ACCEPTED).inc();
            self.block_validation_seconds.observe(took.as_secs_f64() / blocks as f64);
        }
    }

    /// A block was refused.
    pub fn block_refused(&self) {
        self.blocks.get_or_create(&OutcomeLabels::REFUSED).inc();
    }

    /// The best chain changed and took so many blocks back.
    pub fn reorg(&self, depth: u32) {
        self.reorgs.inc();
        self.reorg_depth_blocks.observe(depth.into());
    }

    /// A transaction was taken into the mempool.
    pub fn transaction_accepted(&self, took: Duration) {
        self.transactions.get_or_create(&OutcomeLabels::ACCEPTED).inc();
        self.transaction_admission_seconds.observe(took.as_secs_f64());
    }

    /// A transaction was refused.
    pub fn transaction_refused(&self, took: Duration) {
        self.transactions.get_or_create(&OutcomeLabels::REFUSED).inc();
        self.transaction_admission_seconds.observe(took.as_secs_f64());
    }

    /// A transaction left the mempool.
    pub fn mempool_removal(&self, reason: &RemovalReason) {
        self.removals.get_or_create(&ReasonLabels { reason: removal_label(reason) }).inc();
    }

    /// A block template was made.
    pub fn template_made(&self, took: Duration) {
        self.template_seconds.observe(took.as_secs_f64());
    }

    /// A commit of about so many bytes reached the disk.
    pub fn store_committed(&self, took: Duration, bytes: u64) {
        self.store_commit_seconds.observe(took.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a bucket's bound, not money")]
        self.store_commit_bytes.observe(bytes as f64);
    }

    /// The database's file is so large now.
    pub fn set_store_bytes(&self, bytes: u64) {
        self.store_bytes.set(bytes);
    }

    /// A JSON-RPC call was answered. The method is one that the program knows, or a word for all that it does not.
    pub fn rpc_call(&self, method: &'static str, outcome: CallOutcome, took: Duration) {
        self.rpc_requests.get_or_create(&CallLabels { method, outcome }).inc();
        self.rpc_seconds.get_or_create(&MethodLabels { method }).observe(took.as_secs_f64());
    }

    /// An HTTP request was answered. The route is the pattern that matched, never the path.
    pub fn http_request(&self, route: &str, status: u16, took: Duration) {
        self.http_requests.get_or_create(&RequestLabels { route: route.to_owned(), status }).inc();
        self.http_seconds.observe(took.as_secs_f64());
    }

    /// A request was turned away before anybody looked into it.
    pub fn request_rejected(&self, interface: Interface, reason: Rejection) {
        self.rejected_requests.get_or_create(&RejectionLabels { interface, reason }).inc();
    }

    /// Counts a connection until the guard is dropped.
    pub fn connection(&self, interface: Interface) -> ConnectionGuard {
        let gauge = self.connections.get_or_create_owned(&InterfaceLabels { interface });
        gauge.inc();
        ConnectionGuard(gauge)
    }

    /// A connection was turned away, because its network had its share of them.
    pub fn connection_rejected(&self, interface: Interface) {
        self.rejected_connections.get_or_create(&InterfaceLabels { interface }).inc();
    }

    /// A WebSocket client was dropped because it did not keep up.
    pub fn subscriber_dropped(&self) {
        self.subscribers_dropped.inc();
    }

    /// So many peers are connected now.
    pub fn set_peers(&self, peers: u64) {
        self.peers.0.set(peers);
    }

    /// How many peers are connected, as last told.
    #[must_use]
    pub fn peers(&self) -> u64 {
        self.peers.0.get()
    }

    /// A connection with a peer was made, over this transport.
    pub fn peer_connected(&self, direction: Direction, transport: Option<&'static str>) {
        self.peer_connections.get_or_create(&PeerLabels::new(direction, transport)).inc();
    }

    /// A connection with a peer ended, over this transport.
    pub fn peer_disconnected(&self, direction: Direction, transport: Option<&'static str>) {
        self.peer_connections.get_or_create(&PeerLabels::new(direction, transport)).dec();
    }

    /// A peer was dialled and not reached, or another one was there.
    pub fn dial_failed(&self) {
        self.failed_dials.inc();
    }

    /// So many nodes are in the two tables of the address book.
    pub fn set_known_nodes(&self, new: u64, tried: u64) {
        self.new_nodes.set(new);
        self.tried_nodes.set(tried);
    }

    /// So many addresses that somebody told were not taken.
    pub fn addresses_refused(&self, count: u64) {
        self.refused_addresses.inc_by(count);
    }

    /// A peer was parted with, for a reason that is one word of the program.
    pub fn peer_refused(&self, reason: &'static str) {
        self.refused_peers.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// A message of a peer that sends too much was not looked at; its kind is one word of the program.
    pub fn message_dropped(&self, kind: &'static str) {
        self.dropped_messages.get_or_create(&KindLabels { kind }).inc();
    }

    /// A share came from a Stratum miner.
    pub fn share(&self, outcome: ShareOutcome) {
        self.shares.get_or_create(&ShareLabels { outcome }).inc();
    }

    /// How fast all Stratum miners are together, as their shares tell.
    pub fn stratum_hash_rate(&self, hashes_per_second: f64) {
        self.stratum_hashes_per_second.set(hashes_per_second);
    }

    /// A block that was mined through this node became part of the chain.
    pub fn block_found(&self, source: BlockSource) {
        self.blocks_found.get_or_create(&BlockLabels { source }).inc();
    }

    /// The built-in miner has done so many more hashes.
    pub fn miner_hashed(&self, hashes: u64) {
        self.miner_hashes.inc_by(hashes);
    }

    /// The built-in miner's rate now.
    pub fn miner_hash_rate(&self, hashes_per_second: f64) {
        self.miner_hashes_per_second.set(hashes_per_second);
    }

    /// The built-in miner's rate, as last told.
    #[cfg(test)]
    fn last_miner_hash_rate(&self) -> f64 {
        self.miner_hashes_per_second.get()
    }

    /// Everything as text, with the gauges of this reading.
    #[must_use]
    pub fn render(&self, reading: &Reading, format: Format) -> String {
        self.gauges.set(reading);
        text::render(&self.registry, format)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// The number of peers goes up and down, so it is no counter; but its name, which dashboards know, ends like a counter's, which a gauge's
/// must not. A metric of no stated type may have it.
#[derive(Clone, Debug, Default)]
struct Peers(Count);

impl EncodeMetric for Peers {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Unknown
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Float {
    let gauge = Float::default();
    registry.register(name, help, gauge.clone());
    gauge
}

fn count(registry: &mut Registry, name: &str, help: &str) -> Count {
    let count = Count::default();
    registry.register(name, help, count.clone());
    count
}

fn histogram(registry: &mut Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let histogram = Histogram::new(buckets.iter().copied());
    registry.register(name, help, histogram.clone());
    histogram
}

fn seconds(registry: &mut Registry, name: &str, help: &str) -> Histogram {
    histogram(registry, &format!("{name}_seconds"), help, &SECONDS_BUCKETS)
}

fn seconds_by<L>(registry: &mut Registry, name: &str, help: &str) -> HistogramFamily<L>
where
    L: labels::Label,
{
    let family: HistogramFamily<L> = Family::new_with_constructor(|| Histogram::new(SECONDS_BUCKETS));
    registry.register(format!("{name}_seconds"), help, family.clone());
    family
}

fn family<L, M>(registry: &mut Registry, name: &str, help: &str) -> Family<L, M>
where
    L: labels::Label,
    M: prometheus_client::registry::Metric + prometheus_client::metrics::TypedMetric + Default + Clone,
{
    let family = Family::default();
    registry.register(name, help, Family::clone(&family));
    family
}

#[cfg(test)]
mod tests;
