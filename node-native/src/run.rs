//! A node from start to stop: what is opened, started and closed, and in which order.
//!
//! Whatever can fail for a reason that the operator can mend (a port in use, a wrong address, a damaged database) fails here, before
//! anything runs, with a sentence that says what to do.

mod begin;
mod network;
mod signals;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use qbtc_core::lock::{Address, AddressTextError};
use qbtc_core::mempool::{Payout, Policy};
use qbtc_core::spec::ChainSpec;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::api::http::{Guard, Limits, Pages, Shell};
use crate::api::public::{self, PublicOptions};
use crate::api::rpc::auth::{Cookie, Credentials, LoginError};
use crate::api::rpc::{self, LogControl, Rpc};
use crate::api::{RateLimits, SubscriberLimits};
use crate::config::{HostName, Listen, NodeConfig, Origin, Whole};
use crate::data_dir::{DataDir, DataDirError};
use crate::driver::{self, DriverOptions, DriverThread, Prune};
use crate::metrics::{Interface, Metrics};
use crate::miner::{self, MinerOptions};
use crate::node::{Fault, Node};
use crate::p2p::address::NodeAddress;
use crate::p2p::identity::IdentityError;
use crate::p2p::transport::webrtc::CertificateError;
use crate::p2p::{LaunchError, P2p, P2pOptions};
use crate::paths::{self, NodeAddresses};
use crate::store::{Indexes, Store, StoreError, StoreOptions};
use crate::stratum;
use begin::begin;
use signals::Signals;

/// What a node runs on.
#[derive(Debug)]
pub struct RunOptions {
    /// The chain.
    pub spec: Arc<ChainSpec>,
    /// The chain's folder.
    pub chain_dir: PathBuf,
    /// Everything else.
    pub config: NodeConfig,
    /// What changes the log while the node runs, where that is possible.
    pub log: Option<LogControl>,
}

/// Why a node does not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A port.
    #[error(
        "cannot listen on {address} for {what}: {error}; choose another address with --{what}, or port 0 for any free one"
    )]
    Bind {
        /// The flag of the interface.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The reward's address.
    #[error("--reward: {0}")]
    Reward(AddressTextError),
    /// Mining for nobody.
    #[error("--mine needs --reward ADDRESS, who is paid for the blocks; `qbtc wallet address` gives you one")]
    NoReward,
    /// The node's key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The certificate of WebRTC.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The network.
    #[error(transparent)]
    P2p(#[from] LaunchError),
    /// Peers without a network.
    #[error("--p2p off leaves the node without peers: --connect and --add-node are for one with them")]
    PeersOff,
    /// A relay without its peer id.
    #[error(
        "--relay-through {0}: expected a multiaddr with /p2p/PEER_ID behind it, as `multiaddrs` of getnetworkinfo tells there"
    )]
    RelayUnnamed(NodeAddress),
    /// A login of JSON-RPC.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Half a login.
    #[error("--rpc-user and --rpc-password belong together: the other one is missing")]
    HalfLogin,
    /// The cookie file.
    #[error("cannot write the cookie file {}: {error}", path.display())]
    Cookie {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The runtime or the signals.
    #[error("the system refuses what a node needs: {0}")]
    System(io::Error),
    /// The node stopped by itself.
    #[error(transparent)]
    Fault(Fault),
}

/// How long tasks may take to end once the node stops.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);

/// Runs a node until it is told to stop.
///
/// # Errors
/// [`RunError`].
pub fn run(options: RunOptions) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(RunError::System)?;
    let outcome = runtime.block_on(async {
        // Before anybody can know that the node runs, and stop it.
        let signals = Signals::new().map_err(RunError::System)?;
        let running = Running::start(options).await?;
        tokio::spawn(signals.stop(running.node.clone()));
        running.finish().await
    });
    // Whatever still computes then answers nobody.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// A node with all its interfaces.
pub struct Running {
    /// The handle.
    pub node: Node,
    /// Where it listens.
    pub addresses: NodeAddresses,
    /// The network, unless it is off.
    pub p2p: Option<P2p>,
    tasks: TaskTracker,
    driver: DriverThread,
    data_dir: DataDir,
    is_mempool_loaded: Arc<AtomicBool>,
    _cookie: Option<Cookie>,
}

impl Running {
    /// Starts a node. Must be called within a runtime.
    ///
    /// # Errors
    /// [`RunError`]; then nothing runs.
    pub async fn start(options: RunOptions) -> Result<Self, RunError> {
        let RunOptions { spec, chain_dir, config, log } = options;
        let reward = reward(&config, &spec)?;
        let p2p = network::options(&config, &spec)?;
        let data_dir = DataDir::open(&chain_dir)?;
        let listeners = Listeners::bind(&config, &spec).await?;
        let (credentials, cookie) = credentials(&config, &data_dir)?;
        let store = {
            let (path, spec, options) = (data_dir.database(), Arc::clone(&spec), store_options(&config));
            let opening = tokio::task::spawn_blocking(move || Store::open(&path, spec, &options));
            opening.await.map_err(|error| RunError::System(error.into()))??
        };
        let metrics = Arc::new(Metrics::new(spec.name()));
        let (node, driver) = driver::start(store.clone(), metrics, driver_options(&config))?;
        let addresses = listeners.addresses();
        let tasks = TaskTracker::new();
        let is_mempool_loaded = Arc::new(AtomicBool::new(false));
        let mut running =
            Self { node, addresses, p2p: None, tasks, driver, data_dir, is_mempool_loaded, _cookie: cookie };
        if let Err(error) = running.open(p2p, store.clone(), &config).await {
            running.node.stop();
            running.finish().await?;
            return Err(error);
        }
        running.tell();
        let loaded = Arc::clone(&running.is_mempool_loaded);
        running.tasks.spawn(begin(running.node.clone(), store, config.load_blocks.clone(), loaded));
        running.serve(listeners, &config, Calls { credentials, reward, log });
        Ok(running)
    }

    /// Meets the network, and tells others where the node listens.
    async fn open(&mut self, p2p: Option<P2pOptions>, store: Store, config: &NodeConfig) -> Result<(), RunError> {
        if let Some(options) = p2p {
            let p2p = network::start(&self.node, self.data_dir.path(), options, store, config, &self.tasks).await?;
            self.addresses.p2p = p2p.addresses();
            self.p2p = Some(p2p);
        }
        Ok(self.data_dir.announce(&self.addresses)?)
    }

    fn serve(&self, listeners: Listeners, config: &NodeConfig, calls: Calls) {
        let node = &self.node;
        let reward = calls.reward;
        if let Some(listener) = listeners.rpc {
            let router = rpc::router(Arc::new(self.rpc(calls)));
            let serving = rpc_shell(config, node).serve(listener, router, node.stopping().clone());
            self.tasks.spawn(serving);
        }
        if let Some(listener) = listeners.stratum {
            let server = stratum::Server::new(listener, node.clone(), stratum_config(config, node.spec(), reward));
            self.tasks.spawn(server.run());
        }
        if let Some(listener) = listeners.http {
            let database = Some(self.data_dir.database());
            let (rate, subscribers) = (rate_limits(config), subscriber_limits(config));
            let router = public::router(node, PublicOptions { rate, subscribers, database, p2p: self.p2p.clone() });
            let serving = http_shell(config, node).serve(listener, router, node.stopping().clone());
            self.tasks.spawn(serving);
        }
        if let Some(payout) = reward.filter(|_| config.mine == Some(true)).map(Payout::to) {
            let options = MinerOptions {
                threads: NonZeroUsize::new(mining_threads(config)),
                block_interval: config.block_interval.map(|seconds| Duration::from_secs(seconds.into())),
                ..MinerOptions::new(payout)
            };
            self.tasks.spawn(mine(node.clone(), options));
        }
    }

    /// The calls of JSON-RPC.
    fn rpc(&self, Calls { credentials, reward, log }: Calls) -> Rpc<rpc::Context> {
        let node = &self.node;
        let mut context = rpc::Context::new(node.clone(), reward);
        context.database = Some(self.data_dir.database());
        context.log = log;
        context.p2p.clone_from(&self.p2p);
        context.is_mempool_loaded = Arc::clone(&self.is_mempool_loaded);
        Rpc::new(context, rpc::methods(), credentials, rpc_settings(node)).with_metrics(Arc::clone(node.metrics()))
    }

    fn tell(&self) {
        let chain = self.node.chain();
        let (height, tip) = (chain.state().height(), chain.state().tip());
        tracing::info!(chain = self.node.spec().name(), %height, %tip, coins = chain.coin_count(), "node started");
        let NodeAddresses { rpc, http, stratum, .. } = &self.addresses;
        for (what, address) in [("JSON-RPC", rpc), ("HTTP", http), ("Stratum", stratum)] {
            if let Some(address) = address {
                tracing::info!(%address, "listening for {what}");
            }
        }
        for address in &self.addresses.p2p {
            tracing::info!(%address, "listening for peers");
        }
        let is_remote = |address: &String| address.parse().is_ok_and(|address: SocketAddr| !address.ip().is_loopback());
        if rpc.as_ref().is_some_and(is_remote) {
            tracing::warn!("JSON-RPC is open to other machines, and not encrypted: whoever sees a call has its login");
        }
    }

    /// Waits until the node is told to stop, then closes everything.
    ///
    /// # Errors
    /// [`RunError::Fault`], if the node stopped by itself.
    pub async fn finish(self) -> Result<(), RunError> {
        self.node.stopping().cancelled().await;
        tracing::info!("stopping");
        self.tasks.close();
        if tokio::time::timeout(STOP_TIME_MAX, self.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        let driver = self.driver;
        let joined = tokio::task::spawn_blocking(move || driver.join()).await;
        drop(self.data_dir);
        // A panic of the driver is a fault as well, and says more here.
        if let Some(fault) = self.node.fault() {
            return Err(RunError::Fault(fault.clone()));
        }
        joined.map_err(|error| RunError::System(error.into()))?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// What JSON-RPC needs beside the node.
struct Calls {
    credentials: Credentials,
    reward: Option<Address>,
    log: Option<LogControl>,
}

/// The bound sockets.
struct Listeners {
    rpc: Option<TcpListener>,
    http: Option<TcpListener>,
    stratum: Option<TcpListener>,
}

impl Listeners {
    async fn bind(config: &NodeConfig, spec: &ChainSpec) -> Result<Self, RunError> {
        let ports = spec.network().ports;
        let local = |port| Some(Listen::At(SocketAddr::from(([127, 0, 0, 1], port))));
        Ok(Self {
            rpc: bind("rpc", config.rpc.or(local(ports.rpc))).await?,
            http: bind("http", config.http.or(local(ports.http))).await?,
            stratum: bind("stratum", config.stratum).await?,
        })
    }

    fn addresses(&self) -> NodeAddresses {
        let text = |listener: &Option<TcpListener>| Some(listener.as_ref()?.local_addr().ok()?.to_string());
        NodeAddresses {
            pid: std::process::id(),
            rpc: text(&self.rpc),
            http: text(&self.http),
            stratum: text(&self.stratum),
            p2p: Vec::new(),
        }
    }
}

async fn bind(what: &'static str, listen: Option<Listen>) -> Result<Option<TcpListener>, RunError> {
    let Some(Listen::At(address)) = listen else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    bound.map(Some).map_err(|error| RunError::Bind { what, address, error })
}

fn reward(config: &NodeConfig, spec: &ChainSpec) -> Result<Option<Address>, RunError> {
    let address = config.reward.as_deref().map(|text| Address::from_text(text, &spec.network().address_prefix));
    let address = address.transpose().map_err(RunError::Reward)?;
    if config.mine == Some(true) && address.is_none() {
        return Err(RunError::NoReward);
    }
    Ok(address)
}

/// What JSON-RPC stands behind.
fn rpc_shell(config: &NodeConfig, node: &Node) -> Shell {
    // Calls bound their bodies and times themselves: a block is large, and a long poll takes long.
    let limits = Limits { request: None, body_bytes_max: usize::MAX, ..Limits::default() };
    Shell {
        interface: Interface::Rpc,
        guard: guard(Pages::None, config, &config.rpc_allow_origin),
        limits: config.rpc_connections.map_or(limits, |connections| limits.with_connections(connections.get())),
        metrics: Arc::clone(node.metrics()),
    }
}

/// What the HTTP interface stands behind.
fn http_shell(config: &NodeConfig, node: &Node) -> Shell {
    let limits = Limits::default();
    Shell {
        interface: Interface::Http,
        guard: guard(Pages::SameOrigin, config, &config.allow_origin),
        limits: config.http_connections.map_or(limits, |connections| limits.with_connections(connections.get())),
        metrics: Arc::clone(node.metrics()),
    }
}

fn guard(pages: Pages, config: &NodeConfig, origins: &[Origin]) -> Guard {
    let hosts = config.allow_host.iter().map(HostName::as_str);
    Guard::new(pages).with_hosts(hosts).with_origins(origins.iter().map(Origin::as_str))
}

fn rate_limits(config: &NodeConfig) -> RateLimits {
    config.http_rate.map_or_else(RateLimits::default, |rate| RateLimits::default().with_rate(rate.get()))
}

fn subscriber_limits(config: &NodeConfig) -> SubscriberLimits {
    let limits = SubscriberLimits::default();
    config.ws_clients.map_or(limits, |clients| limits.with_clients(clients.get()))
}

fn stratum_config(config: &NodeConfig, spec: &ChainSpec, reward: Option<Address>) -> stratum::Config {
    let mut settings = stratum::session::Settings::new(spec, reward);
    settings.difficulty_start = config.stratum_difficulty.unwrap_or(settings.difficulty_start);
    if let Some(seconds) = config.stratum_share_interval {
        settings.share_interval = Duration::from_secs(seconds.get().into());
    }
    match config.stratum_connections {
        Some(connections) => stratum::Config::new(settings).with_connections(connections.get()),
        None => stratum::Config::new(settings),
    }
}

fn credentials(config: &NodeConfig, data_dir: &DataDir) -> Result<(Credentials, Option<Cookie>), RunError> {
    if config.rpc == Some(Listen::Off) {
        return Ok((Credentials::new(), None));
    }
    let path = paths::cookie_file(data_dir.path());
    let cookie = Cookie::create(&path).map_err(|error| RunError::Cookie { path, error })?;
    let mut credentials = Credentials::new().with_cookie(&cookie);
    match (&config.rpc_user, &config.rpc_password) {
        (Some(user), Some(password)) => credentials = credentials.with_password(user, password.expose())?,
        (None, None) => {}
        _ => return Err(RunError::HalfLogin),
    }
    for line in &config.rpcauth {
        credentials = credentials.with_rpcauth(line)?;
    }
    Ok((credentials, Some(cookie)))
}

fn rpc_settings(node: &Node) -> rpc::Settings {
    let limits = &node.spec().consensus().limits;
    rpc::Settings {
        block_bytes_max: limits.block_bytes as usize,
        tx_bytes_max: limits.tx_bytes as usize,
        stopping: node.stopping().clone(),
    }
}

fn store_options(config: &NodeConfig) -> StoreOptions {
    let indexes = Indexes { txids: config.txindex.unwrap_or(false), addresses: config.addressindex.unwrap_or(false) };
    let default = StoreOptions::default().cache_bytes;
    let cache_bytes = config.db_cache.map_or(default, |cache| mebibytes(cache.get()));
    StoreOptions { indexes, cache_bytes, is_checked: config.check_database == Some(true) }
}

fn driver_options(config: &NodeConfig) -> DriverOptions {
    let mut policy = Policy::default();
    if let Some(mib) = config.mempool {
        policy.pool_bytes_max = mebibytes(mib.get()) as u64;
    }
    let prune = Prune { witnesses: config.prune.map(Whole::get), bodies: config.prune_bodies.map(Whole::get) };
    DriverOptions { policy, prune, ..DriverOptions::default() }
}

fn mebibytes(count: u32) -> usize {
    (count as usize).saturating_mul(1 << 20)
}

/// How many threads mine.
#[must_use]
pub fn mining_threads(config: &NodeConfig) -> usize {
    let all = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    config.threads.unwrap_or(all).clamp(1, all)
}

async fn mine(node: Node, options: MinerOptions) {
    if let Err(error) = miner::mine(node, options).await {
        tracing::error!("the miner does not start: {error}");
    }
}
