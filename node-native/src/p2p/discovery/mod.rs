//! How nodes find each other: the address book, who asks DNS seeds for more of it, and who is dialled.
//!
//! [`dialer`] decides and [`dns`] asks seeds (and Kademlia asks peers); here both are put together with what is kept in the store. What is told by others goes through
//! `Discovery::admits`: a public IP address (or any, on a private network) that is not this node's own.

pub mod dialer;
pub mod dns;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::stream::FuturesUnordered;
use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use qbtc_core::net::addresses::{AddressBook, AddressNews, Draws, Group, OWN_ADDRESSES_MAX, PeerAddress, Reach};
use qbtc_core::net::{BanList, Services};
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::BlockTime;

use crate::p2p::address::NodeAddress;
use crate::p2p::place::is_circuit_text;
use crate::store::{Store, StoredNetwork};
use dialer::{DialId, Dialer, Slots};
use dns::{Found, Seeds};

/// With what nodes are looked for.
#[derive(Clone, Debug)]
pub struct DiscoveryOptions {
    /// Names of DNS seeds.
    pub seeds: Vec<String>,
    /// Whom to ask for those names; nobody: the system's servers.
    pub dns_servers: Vec<SocketAddr>,
    /// Nodes that are always there.
    pub bootstrap: Vec<PeerAddress>,
    /// The port of nodes that a seed tells without one.
    pub port: u16,
    /// Whether addresses of private networks are taken.
    pub takes_private: bool,
    /// How many nodes are dialled.
    pub slots: Slots,
    /// Where all this is kept.
    pub store: Store,
    /// What was kept there.
    pub stored: StoredNetwork,
}

/// Which DNS seeds are asked.
pub struct SeedNames {
    /// Their names.
    pub names: Vec<String>,
    /// Whether addresses of private networks are taken from them.
    pub takes_private: bool,
}

impl SeedNames {
    /// Those of the chain, unless others are named.
    #[must_use]
    pub fn of(spec: &ChainSpec, named: &[impl AsRef<str>], takes_private: Option<bool>) -> Self {
        let network = spec.network();
        let names = if named.is_empty() {
            // A name that leads to nodes is asked as seeds are.
            let leading = network.bootstrap_peers.iter().filter_map(|peer| peer.strip_prefix("/dnsaddr/"));
            network.dns_seeds.iter().map(String::as_str).chain(leading).map(str::to_owned).collect()
        } else {
            named.iter().map(|name| name.as_ref().to_owned()).collect()
        };
        Self { names, takes_private: takes_private.unwrap_or(is_of_one_machine(spec)) }
    }
}

/// Whether a chain is made for one machine.
#[must_use]
pub fn is_of_one_machine(spec: &ChainSpec) -> bool {
    matches!(spec.name(), "local" | "dev")
}

/// Draws that nobody can guess.
#[must_use]
pub fn own_draws() -> Draws {
    Draws::new(random())
}

/// How often the address book and the bans are kept.
const SAVE_INTERVAL: Duration = Duration::from_secs(300);
/// How often addresses that are not worth it are forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(3_600);
/// How often a peer is told addresses.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// A seed that is being asked.
pub(super) type Asking = Pin<Box<dyn Future<Output = (String, Found)> + Send>>;

/// What finds nodes.
pub(super) struct Discovery {
    pub(super) book: AddressBook,
    pub(super) dialer: Dialer,
    pub(super) draws: Draws,
    /// Dials that are under way.
    pub(super) dials: HashMap<ConnectionId, DialId>,
    /// Seeds that are being asked: one at a time.
    pub(super) asking: FuturesUnordered<Asking>,
    /// When peers were told addresses.
    pub(super) told: HashMap<PeerId, Instant>,
    own_id: String,
    /// Where this node listens.
    listening: HashSet<(IpAddr, u16)>,
    takes_private: bool,
    seeds: Option<Seeds>,
    seed_names: Vec<String>,
    next_seed: usize,
    store: Store,
    next_save: Instant,
    next_forget: Instant,
}

impl Discovery {
    /// Begins with what was kept.
    pub(super) fn new(options: DiscoveryOptions, own_id: &PeerId, now: Instant) -> Self {
        let DiscoveryOptions { seeds: seed_names, dns_servers, bootstrap, port, takes_private, slots, store, stored } =
            options;
        let seeds = if seed_names.is_empty() { None } else { Some(Seeds::new(&dns_servers, port, takes_private)) };
        let seeds =
            seeds.and_then(|seeds| seeds.inspect_err(|error| tracing::warn!("DNS seeds are not asked: {error}")).ok());
        let book = AddressBook::restore(stored.key.unwrap_or_else(random), stored.entries);
        let mut draws = own_draws();
        let next_seed = draws.below(seed_names.len());
        tracing::info!(known = book.len(), tried = book.tried_len(), "address book");
        Self {
            dialer: Dialer::new(slots, random(), stored.anchors, bootstrap, now),
            book,
            draws,
            dials: HashMap::new(),
            asking: FuturesUnordered::new(),
            told: HashMap::new(),
            own_id: own_id.to_string(),
            listening: HashSet::new(),
            takes_private,
            seeds,
            seed_names,
            next_seed,
            store,
            next_save: now + SAVE_INTERVAL,
            next_forget: now + FORGET_INTERVAL,
        }
    }

    /// Whether an address that somebody told is taken.
    pub(super) fn admits(&self, address: &PeerAddress) -> bool {
        let is_own = address.as_str().rsplit_once("/p2p/").is_some_and(|(_, id)| id == self.own_id);
        let is_own = is_own || address.ip().is_some_and(|ip| self.listening.contains(&(ip, address.port())));
        address.ip().is_some()
            && (self.takes_private || address.reach() == Reach::Public)
            && !is_own
            && !is_circuit(address)
            && !self.dialer.has_own(address)
            && address.as_str().parse::<NodeAddress>().is_ok()
    }

    /// This node listens there.
    pub(super) fn listens(&mut self, addresses: &[String]) {
        let parsed = addresses.iter().filter_map(|text| text.parse::<PeerAddress>().ok());
        let parsed = parsed.filter(|address| !is_circuit(address));
        self.listening = parsed.filter_map(|address| Some((address.ip()?, address.port()))).collect();
    }

    /// Takes what somebody of this group told. How many addresses were refused.
    pub(super) fn learn(&mut self, told: impl IntoIterator<Item = AddressNews>, source: Group, now: BlockTime) -> u64 {
        let mut refused = 0;
        for news in told {
            if self.admits(&news.address) {
                self.book.add(news, source, now);
            } else {
                refused += 1;
            }
        }
        refused
    }

    /// Those of the addresses on which this node listens that others may be told.
    pub(super) fn own(&self, listening: &[String]) -> Vec<PeerAddress> {
        let all = listening.iter().filter_map(|text| text.parse::<PeerAddress>().ok());
        let may_be_told = |address: &PeerAddress| self.takes_private || address.reach() == Reach::Public;
        all.filter(|address| address.ip().is_some_and(|ip| !ip.is_unspecified()) && !is_circuit(address))
            .filter(may_be_told)
            .take(OWN_ADDRESSES_MAX)
            .collect()
    }

    /// Asks the next seed, unless one is being asked.
    pub(super) fn ask_seed(&mut self) {
        let Some(seeds) = self.seeds.clone().filter(|_| self.asking.is_empty()) else { return };
        let Some(name) = self.seed_names.get(self.next_seed % self.seed_names.len().max(1)).cloned() else { return };
        self.next_seed = self.next_seed.wrapping_add(1);
        self.asking.push(Box::pin(async move {
            let found = seeds.ask(&name).await;
            (name, found)
        }));
    }

    /// Takes what a seed told; if that is nothing, the next one is asked.
    pub(super) fn seed_told(&mut self, name: &str, found: Found, failures: &mut usize, now: BlockTime) -> u64 {
        tracing::info!(
            seed = name,
            addresses = found.addresses.len(),
            refused = found.refused,
            silent = found.is_silent,
            "a DNS seed was asked"
        );
        let refused = found.refused as u64;
        if found.addresses.is_empty() {
            *failures += 1;
            if *failures < self.seed_names.len() {
                self.ask_seed();
            }
            return refused;
        }
        *failures = 0;
        let services = Services::NODE;
        let news = found.addresses.into_iter().map(|address| AddressNews { address, services, last_seen: now });
        refused + self.learn(news, Group::Name, now)
    }

    /// Whether this peer may be told addresses now.
    pub(super) fn may_tell(&mut self, peer: PeerId, now: Instant) -> bool {
        let may = self.told.get(&peer).is_none_or(|last| now.duration_since(*last) >= TELL_INTERVAL);
        if may {
            self.told.insert(peer, now);
        }
        may
    }

    /// What is kept: the book, the anchors and these bans.
    pub(super) fn to_keep(&self, bans: &BanList) -> (Store, StoredNetwork) {
        let network = StoredNetwork {
            key: Some(*self.book.key()),
            entries: self.book.entries().cloned().collect(),
            bans: bans.all().map(|(subnet, ban)| (*subnet, ban.clone())).collect(),
            anchors: self.dialer.anchors(),
        };
        (self.store.clone(), network)
    }

    /// Whether it is time to keep it.
    pub(super) fn is_save_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.next_save;
        if is_due {
            self.next_save = now + SAVE_INTERVAL;
        }
        is_due
    }

    /// Soon keeps what has changed, for example a ban.
    pub(super) fn save_soon(&mut self, now: Instant) {
        self.next_save = self.next_save.min(now);
    }

    /// Forgets addresses that are not worth it, now and then.
    pub(super) fn forget(&mut self, now: Instant, clock: BlockTime) {
        if now >= self.next_forget {
            self.next_forget = now + FORGET_INTERVAL;
            self.book.forget_terrible(clock);
        }
    }
}

/// Whether an address begins with a relay's. None are told or taken: a relay is asked only by who was told so by its operator.
fn is_circuit(address: &PeerAddress) -> bool {
    is_circuit_text(address.as_str())
}

/// A key or a seed that nobody can guess.
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has randomness, or no node could make keys");
    bytes
}
