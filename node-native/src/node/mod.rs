//! The handle to a running node: what miners, wallets, RPC, REST and Stratum use, and the only way to it.
//!
//! Reads never wait for writes: [`Node::chain`] is a snapshot, and the two locks ([`Node::live`], [`Node::headers`]) are held by the
//! one writer for as long as it takes to swap a tip, never while a block is verified or written. Writes go to the [`crate::driver`],
//! the one owner of the chain, after all that can be checked without it has been checked on other threads.

mod command;
mod event;
mod fees;
mod handed_in;
mod own;
mod panic;
mod refusal;
mod submit;
mod template;
mod unfollowed;

pub(crate) use command::{Admission, Command, Commit, Pruned, Unverified};
pub use event::{BlockSummary, Event, Tip, TipMoved};
pub(crate) use handed_in::HandedIn;
pub(crate) use own::{OWN_MAX, Own};
pub(crate) use panic::StopOnPanic;
pub use refusal::{BlockRefusal, Fault, HeaderRefusal, PrioritiseError, TxRefusal};
pub(crate) use submit::{Importing, Verified};
pub use submit::{InvalidateError, Submitted, Tested};
pub use template::TemplateRevision;
pub use unfollowed::Unfollowed;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use qbtc_core::chain::HeaderTree;
use qbtc_core::mempool::Mempool;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::BlockTime;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::store::ChainView;
use fees::FeeCache;
use handed_in::Outlet;
use template::TemplateCache;

/// A running node. Clones are the same node.
#[derive(Clone)]
pub struct Node(Arc<Shared>);

/// What the handle and the driver share.
pub(crate) struct Shared {
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) live: RwLock<Live>,
    pub(crate) headers: RwLock<HeaderTree>,
    pub(crate) events: broadcast::Sender<Event>,
    outlet: Outlet,
    own: Own,
    pub(crate) tip: watch::Sender<Tip>,
    pub(crate) stopping: CancellationToken,
    pub(crate) fault: OnceLock<Fault>,
    /// The last chain with more work that cannot be followed.
    pub(crate) unfollowed: Mutex<Option<Unfollowed>>,
    /// Whether the peers have been caught up with.
    is_synced: AtomicBool,
    /// Whether files of blocks are being taken in.
    is_loading: AtomicBool,
    commands: mpsc::Sender<Command>,
    unverified: mpsc::Sender<Unverified>,
    templates: Mutex<TemplateCache>,
    fees: Mutex<FeeCache>,
    extranonces: AtomicU64,
    started: Instant,
}

/// The mempool and the chain at whose tip it stands: always of one and the same moment.
#[derive(Debug)]
pub struct Live {
    /// The mempool.
    pub pool: Mempool,
    /// The chain.
    pub chain: Arc<ChainView>,
}

/// Read access to [`Live`]. Hold it shortly and never across an await: the tip cannot move meanwhile.
pub type LiveGuard<'a> = RwLockReadGuard<'a, Live>;
/// Read access to the header tree. Hold it shortly and never across an await: no header can come in meanwhile.
pub type HeadersGuard<'a> = RwLockReadGuard<'a, HeaderTree>;

/// The most events that wait for a subscriber; a slower one misses some and is told how many.
const EVENTS_WAITING_MAX: usize = 4_096;

impl Node {
    pub(crate) fn new(
        metrics: Arc<Metrics>,
        live: Live,
        headers: HeaderTree,
        commands: mpsc::Sender<Command>,
        unverified: mpsc::Sender<Unverified>,
    ) -> Self {
        let state = live.chain.state();
        let tip = Tip { id: state.tip(), height: state.height() };
        Self(Arc::new(Shared {
            spec: Arc::clone(live.chain.spec()),
            metrics,
            live: RwLock::new(live),
            headers: RwLock::new(headers),
            events: broadcast::Sender::new(EVENTS_WAITING_MAX),
            outlet: Outlet::default(),
            own: Own::default(),
            tip: watch::Sender::new(tip),
            stopping: CancellationToken::new(),
            fault: OnceLock::new(),
            unfollowed: Mutex::default(),
            is_synced: AtomicBool::new(true),
            is_loading: AtomicBool::new(false),
            commands,
            unverified,
            templates: Mutex::default(),
            fees: Mutex::default(),
            // Nodes that pay the same address must not do the same work; without randomness one can only begin somewhere.
            extranonces: AtomicU64::new(getrandom::u64().unwrap_or(0)),
            started: Instant::now(),
        }))
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    /// The chain's rules.
    #[must_use]
    pub fn spec(&self) -> &Arc<ChainSpec> {
        &self.0.spec
    }

    /// What the node counts.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// The time, as headers and the mempool measure it.
    #[must_use]
    pub fn now(&self) -> BlockTime {
        now()
    }

    /// When the node was started.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.0.started
    }

    /// The chain at this moment.
    #[must_use]
    pub fn chain(&self) -> Arc<ChainView> {
        Arc::clone(&self.0.live.read().chain)
    }

    /// The mempool and the chain.
    pub fn live(&self) -> LiveGuard<'_> {
        self.0.live.read()
    }

    /// The header tree.
    pub fn headers(&self) -> HeadersGuard<'_> {
        self.0.headers.read()
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// What is handed in here from now on, for the one who has others hear of it.
    pub(crate) fn handed_in(&self) -> HandedIn {
        self.0.outlet.open()
    }

    /// The transactions that were handed in here and wait.
    pub(crate) fn own(&self) -> &Own {
        &self.0.own
    }

    /// The tip, as it moves.
    #[must_use]
    pub fn tip(&self) -> watch::Receiver<Tip> {
        self.0.tip.subscribe()
    }

    /// Cancelled when the node stops. Every task listens to it.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    /// Asks the node to stop.
    pub fn stop(&self) {
        self.0.stopping.cancel();
    }

    /// Why the node stopped by itself, if it did.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        self.0.fault.get()
    }

    /// The chain with more work that this node cannot follow, if there is one that it knows.
    #[must_use]
    pub fn unfollowed(&self) -> Option<Unfollowed> {
        *self.0.unfollowed.lock()
    }

    /// What the operator should know, in sentences.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.unfollowed().iter().map(ToString::to_string).collect()
    }

    /// Notes whether the node has caught up with its peers.
    pub(crate) fn set_synced(&self, is_synced: bool) {
        self.0.is_synced.store(is_synced, Ordering::Relaxed);
    }

    /// Notes whether the node takes in files of blocks.
    pub(crate) fn set_loading(&self, is_loading: bool) {
        self.0.is_loading.store(is_loading, Ordering::Relaxed);
    }

    /// Whether the node has caught up with its peers, as far as it knows, and with its files of blocks. While it has not, there is nothing to
    /// mine on.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.0.is_synced.load(Ordering::Relaxed) && !self.0.is_loading.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Stops the node for a fault of its own. Only the first one counts.
    pub(crate) fn fail(&self, fault: Fault) {
        let said = fault.to_string();
        if self.fault.set(fault).is_ok() {
            tracing::error!("{said}");
        }
        self.stopping.cancel();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("chain", &self.0.spec.name()).field("tip", &*self.0.tip.borrow()).finish()
    }
}

/// The system's clock. Times beyond 2106 are not told apart.
pub(crate) fn now() -> BlockTime {
    let seconds = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    BlockTime(u32::try_from(seconds).unwrap_or(u32::MAX))
}
