//! The server: lets miners in, and owns what their connections share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use super::blocks;
use super::connection::Connection;
use super::hash_rate::HashRate;
use super::lines::Lines;
use super::maker::{Maker, Rounds};
use super::session::{Found, Moment, Settings};
use crate::metrics::Interface;
use crate::node::Node;
use crate::slots::Slots;

/// What an operator can choose.
#[derive(Clone, Debug)]
pub struct Config {
    /// What concerns each miner.
    pub settings: Settings,
    /// The most connections. Default 1,024.
    pub connections_max: usize,
    /// The most connections from one IPv4 address or IPv6 network of 64 bits. Default 256: a hall of machines is often behind one
    /// address.
    pub connections_per_network_max: usize,
}

impl Config {
    /// The defaults, with these settings.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings, connections_max: 1_024, connections_per_network_max: 256 }
    }

    /// With so many connections, of which a quarter may come from one network.
    #[must_use]
    pub fn with_connections(self, connections: u32) -> Self {
        let connections_max = usize::try_from(connections).unwrap_or(usize::MAX);
        Self { connections_max, connections_per_network_max: connections_max.div_ceil(4), ..self }
    }
}

/// A Stratum server that listens, and serves once it is run.
pub struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
    slots: Arc<Slots>,
    found: mpsc::Receiver<Found>,
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) node: Node,
    pub(super) settings: Arc<Settings>,
    pub(super) began: Instant,
    pub(super) found: mpsc::Sender<Found>,
    hash_rate: Mutex<HashRate>,
    makers: Semaphore,
}

/// How long a miner may take to make room for what it is sent.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// How often the hash rate is told, so that it falls when nobody is left.
const TELL: Duration = Duration::from_secs(10);
/// How long to wait when no connection can be taken: most often, because there are no file descriptors left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// How long connections and blocks that were just found may take once the node stops.
const STOP_MAX: Duration = Duration::from_secs(2);

impl Server {
    /// A server on this listener. Nobody is answered before it is run.
    #[must_use]
    pub fn new(listener: TcpListener, node: Node, config: Config) -> Self {
        let (sender, found) = mpsc::channel(blocks::WAITING_MAX);
        let shared = Shared {
            node,
            settings: Arc::new(config.settings),
            began: Instant::now(),
            found: sender,
            hash_rate: Mutex::new(HashRate::new(Duration::ZERO)),
            makers: Semaphore::new(rayon::current_num_threads()),
        };
        let slots = Slots::new(config.connections_max, config.connections_per_network_max);
        Self { listener, shared: Arc::new(shared), slots, found }
    }

    /// Serves miners until the node stops.
    pub async fn run(self) {
        let Self { listener, shared, slots, found } = self;
        let node = shared.node.clone();
        // Tells this server's work from all other work for the same address: of other nodes, of the built-in miner.
        let mut tag = [0; 8];
        getrandom::fill(&mut tag).expect("the system has randomness, or no node could make keys");
        let (maker, rounds) = Maker::new(node.clone(), tag.into());
        let tasks = TaskTracker::new();
        tasks.spawn(maker.run(slots.taken()));
        tasks.spawn(blocks::bring_in(node.clone(), found));
        tokio::select! {
            () = node.stopping().cancelled() => {}
            () = accept(&listener, &shared, &slots, &rounds, &tasks) => {}
            () = tell(&shared) => {}
        }
        drop((listener, shared, rounds));
        tasks.close();
        if tokio::time::timeout(STOP_MAX, tasks.wait()).await.is_err() {
            tracing::warn!("gave up on Stratum connections that did not end");
        }
    }
}

/// Lets miners in, for ever.
async fn accept(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    slots: &Arc<Slots>,
    rounds: &Rounds,
    tasks: &TaskTracker,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => welcome(stream, peer, shared, slots, rounds, tasks),
            Err(error) => {
                tracing::warn!(%error, "cannot take a Stratum connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

fn welcome(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Arc<Shared>,
    slots: &Arc<Slots>,
    rounds: &Rounds,
    tasks: &TaskTracker,
) {
    let slot = match slots.take(Some(peer.ip())) {
        Ok(slot) => slot,
        Err(reason) => {
            shared.node.metrics().connection_rejected(Interface::Stratum);
            return tracing::debug!(%peer, %reason, "a Stratum connection is turned away");
        }
    };
    // Work is worth nothing when it comes late; a connection that cannot be told so works all the same.
    let _ = stream.set_nodelay(true);
    let connection = Connection::new(Arc::clone(shared), Lines::new(stream, WRITE_MAX), rounds.clone(), peer, slot);
    tasks.spawn(connection.run());
}

/// Tells the hash rate, for ever.
async fn tell(shared: &Shared) {
    let mut ticks = tokio::time::interval(TELL);
    loop {
        ticks.tick().await;
        let rate = shared.hash_rate.lock().at(shared.began.elapsed());
        shared.node.metrics().stratum_hash_rate(rate);
    }
}

impl Shared {
    /// This moment.
    pub(super) fn now(&self) -> Moment {
        Moment { elapsed: self.began.elapsed(), time: self.node.now() }
    }

    /// Counts the hashes that a share stands for.
    pub(super) fn count_hashes(&self, hashes: f64) {
        self.hash_rate.lock().add(hashes, self.began.elapsed());
    }

    /// Does what takes milliseconds on another thread; at most so many at once as there are processors.
    pub(super) async fn off_the_loop<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let _permit = self.makers.acquire().await.expect("never closed");
        tokio::task::spawn_blocking(work).await.expect("making work does not panic")
    }
}
