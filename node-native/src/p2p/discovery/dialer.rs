//! Who is dialled, when, and what for. Pure: it is told what happens and what time it is, and says what is to be done.
//!
//! - Eight peers for everything, and two anchors, with whom no addresses are exchanged. Those two are dialled first after a restart, so that
//!   whoever fills the address book cannot cut a restarted node off.
//! - No two of them are of one group (a /16 of IPv4, a /32 of IPv6): to surround a node takes many networks. Addresses within a private
//!   network, where they are taken at all, have no groups.
//! - Every two minutes or so a *feeler* looks whether an address is true, so that the tried table holds what works.
//! - Every two hours or so one peer makes room for another; while the tip is stale, there is one more.
//! - DNS seeds and bootstrap peers are asked only while too little is known: they are few, and see who asks.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use qbtc_core::net::Services;
use qbtc_core::net::addresses::{AddressBook, AddressNews, Draws, Group, PeerAddress, Reach};
use qbtc_core::sync::PeerKey;
use qbtc_core::units::BlockTime;

/// How many peers there shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// For blocks, transactions and addresses.
    pub full: usize,
    /// Anchors.
    pub block_relay: usize,
}

impl Default for Slots {
    fn default() -> Self {
        Self { full: 8, block_relay: 2 }
    }
}

/// What a peer is dialled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Everything.
    Full,
    /// As an anchor: no addresses are told or asked, which would show who is connected with whom.
    BlockRelay,
    /// To see whether it is there.
    Feeler,
}

/// The number of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u64);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Dial an address.
    Dial(DialId, PeerAddress),
    /// Ask the next DNS seed.
    AskSeed,
    /// Ask a peer for addresses.
    AskAddresses(PeerKey),
    /// Part with a peer, in good form.
    Part(PeerKey),
}

/// A peer that has said hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// Its number.
    pub key: PeerKey,
    /// Its peer id.
    pub id: String,
    /// Where it is, unless a name stands between.
    pub socket: Option<SocketAddr>,
    /// The dial by which it was met, if it was one of this dialler's.
    pub dial: Option<DialId>,
    /// Whether this node made the connection.
    pub is_outbound: bool,
    /// What it does for others.
    pub services: Services,
}

/// How long a dial may take.
const DIAL_TIME_MAX: Duration = Duration::from_secs(30);
/// The most dials at once.
const DIALS_MAX: usize = 8;
/// The most addresses that are drawn for one dial.
const DRAWS_MAX: usize = 60;
/// From so many draws on, an address is dialled again after the short pause.
const DRAWS_WITH_LONG_PAUSE: usize = 30;
/// How long the pauses after a dial in vain are, in seconds.
const PAUSE_LONG_S: i64 = 600;
const PAUSE_SHORT_S: i64 = 15;
/// Fewer addresses than these are too few, and seeds are asked.
const BOOK_THIN: usize = 32;
/// After how long without peers seeds are asked though many addresses are known.
const LONELY_AFTER: Duration = Duration::from_secs(60);
/// How often seeds are asked while no peer is there, and while some are.
const SEED_INTERVAL: Duration = Duration::from_secs(30);
const SEED_INTERVAL_WITH_PEERS: Duration = Duration::from_secs(600);
/// When bootstrap peers are dialled, if no peer is there: seeds come first.
const BOOTSTRAP_AFTER: Duration = Duration::from_secs(10);
/// About how often there is a feeler, one peer makes room, and a peer is asked for addresses. From half of it to one and a half.
const FEELER_INTERVAL: Duration = Duration::from_secs(120);
const ROTATION_INTERVAL: Duration = Duration::from_secs(2 * 3_600);
const QUESTION_INTERVAL: Duration = Duration::from_secs(600);
/// How often a peer is asked while peers are lacking.
const QUESTION_INTERVAL_LACKING: Duration = Duration::from_secs(15);
/// The most addresses of this node's own that are remembered.
const OWN_MAX: usize = 64;
/// The most addresses beside the one that was dialled that are known to lead to one peer.
const OTHERS_MAX: usize = 16;

struct Dial {
    address: PeerAddress,
    purpose: Purpose,
    since: Instant,
}

struct Peer {
    id: String,
    socket: Option<SocketAddr>,
    address: Option<PeerAddress>,
    /// Others that lead to it, too.
    others: Vec<PeerAddress>,
    /// None: somebody else wanted it, here or there.
    purpose: Option<Purpose>,
    since: Instant,
    asked: Option<Instant>,
}

/// What decides.
pub struct Dialer {
    slots: Slots,
    draws: Draws,
    dials: BTreeMap<DialId, Dial>,
    last_dial: u64,
    peers: BTreeMap<PeerKey, Peer>,
    anchors: VecDeque<PeerAddress>,
    bootstrap: Vec<PeerAddress>,
    bootstrap_waiting: VecDeque<PeerAddress>,
    own: HashSet<PeerAddress>,
    is_tip_stale: bool,
    lonely_since: Instant,
    next_seed: Instant,
    next_bootstrap: Instant,
    next_feeler: Instant,
    next_rotation: Instant,
}

impl Dialer {
    /// One that knows nobody yet.
    #[must_use]
    pub fn new(
        slots: Slots,
        seed: [u8; 16],
        anchors: Vec<PeerAddress>,
        bootstrap: Vec<PeerAddress>,
        now: Instant,
    ) -> Self {
        let mut draws = Draws::new(seed);
        let (feeler, rotation) = (about(FEELER_INTERVAL, &mut draws), about(ROTATION_INTERVAL, &mut draws));
        Self {
            slots,
            dials: BTreeMap::new(),
            last_dial: 0,
            peers: BTreeMap::new(),
            anchors: anchors.into(),
            bootstrap,
            bootstrap_waiting: VecDeque::new(),
            own: HashSet::new(),
            is_tip_stale: false,
            lonely_since: now,
            next_seed: now,
            next_bootstrap: now + BOOTSTRAP_AFTER,
            next_feeler: now + feeler,
            next_rotation: now + rotation,
            draws,
        }
    }

    /// The tip is older than it should be, or is not any more.
    pub fn tip_is_stale(&mut self, is_stale: bool) {
        self.is_tip_stale = is_stale;
    }

    /// This address leads to this node itself.
    pub fn is_own(&mut self, address: PeerAddress, book: &mut AddressBook) {
        book.forget(&address);
        if self.own.len() < OWN_MAX {
            self.own.insert(address);
        }
    }

    /// Whether an address was found to lead to this node itself.
    #[must_use]
    pub fn has_own(&self, address: &PeerAddress) -> bool {
        self.own.contains(address)
    }

    /// The address of a dial that is under way.
    #[must_use]
    pub fn dialling(&self, dial: DialId) -> Option<&PeerAddress> {
        self.dials.get(&dial).map(|dial| &dial.address)
    }

    /// Whether a dial that is under way only looks whether somebody is there.
    #[must_use]
    pub fn is_feeler(&self, dial: DialId) -> bool {
        self.dials.get(&dial).is_some_and(|dial| dial.purpose == Purpose::Feeler)
    }

    /// The peers that are dialled first after a restart.
    #[must_use]
    pub fn anchors(&self) -> Vec<PeerAddress> {
        let is_anchor = |peer: &&Peer| peer.purpose == Some(Purpose::BlockRelay);
        let now: Vec<PeerAddress> =
            self.peers.values().filter(is_anchor).filter_map(|peer| peer.address.clone()).collect();
        // Those of the last run that it has not come to are kept.
        now.into_iter().chain(self.anchors.iter().cloned()).take(self.slots.block_relay).collect()
    }

    /// What a peer is for, if this dialler wanted it.
    #[must_use]
    pub fn purpose(&self, peer: PeerKey) -> Option<Purpose> {
        self.peers.get(&peer)?.purpose
    }

    /// A dial came to nothing.
    pub fn failed(&mut self, dial: DialId) {
        self.dials.remove(&dial);
    }

    /// A peer has said hello.
    pub fn met(&mut self, met: Met, book: &mut AddressBook, now: Instant, clock: BlockTime) -> Vec<Step> {
        let dial = met.dial.and_then(|dial| self.dials.remove(&dial));
        let (address, purpose) = dial.map_or((None, None), |dial| (Some(dial.address), Some(dial.purpose)));
        if let Some(address) = &address {
            is_true(address, met.services, book, clock);
        }
        let mut steps = Vec::new();
        match purpose {
            Some(Purpose::Feeler) => steps.push(Step::Part(met.key)),
            Some(Purpose::BlockRelay) => {}
            _ if met.is_outbound && self.slots.full > 0 => steps.push(Step::AskAddresses(met.key)),
            _ => {}
        }
        let asked = steps.contains(&Step::AskAddresses(met.key)).then_some(now);
        let Met { key, id, socket, .. } = met;
        self.peers.insert(key, Peer { id, socket, address, others: Vec::new(), purpose, since: now, asked });
        steps
    }

    /// A dial led to a peer that was there already: its address is not dialled again while the peer is there, and another may be in its place.
    pub fn led_to(
        &mut self,
        dial: DialId,
        peer: PeerKey,
        services: Services,
        book: &mut AddressBook,
        clock: BlockTime,
    ) {
        let Some(Dial { address, .. }) = self.dials.remove(&dial) else { return };
        let Some(peer) = self.peers.get_mut(&peer) else { return };
        // Whoever has more waits for as long as whoever does not answer.
        if peer.others.len() < OTHERS_MAX {
            is_true(&address, services, book, clock);
            peer.others.push(address);
        }
    }

    /// A peer is gone.
    pub fn gone(&mut self, peer: PeerKey, book: &mut AddressBook, now: Instant, clock: BlockTime) {
        let Some(peer) = self.peers.remove(&peer) else { return };
        for address in peer.address.iter().chain(&peer.others) {
            book.still_there(address, clock);
        }
        if self.peers.is_empty() {
            self.lonely_since = now;
        }
    }

    /// Says what is to be done now.
    pub fn tick(&mut self, book: &mut AddressBook, now: Instant, clock: BlockTime) -> Vec<Step> {
        let mut steps = Vec::new();
        self.dials.retain(|_, dial| now.duration_since(dial.since) < DIAL_TIME_MAX);
        book.settle_collisions(clock);
        self.seek_addresses(book, now, &mut steps);
        while let Some(purpose) = self.lacking().filter(|_| self.dials.len() < DIALS_MAX) {
            let Some(address) = self.choose(purpose, book, clock) else { break };
            steps.push(self.dial(address, purpose, book, now, clock));
        }
        self.feel(book, now, clock, &mut steps);
        self.make_room(now, &mut steps);
        self.ask_again(now, &mut steps);
        steps
    }

    /// How many peers there are for a purpose, or are being dialled.
    fn count(&self, purpose: Purpose) -> usize {
        let peers = self.peers.values().filter(|peer| peer.purpose == Some(purpose)).count();
        peers + self.dials.values().filter(|dial| dial.purpose == purpose).count()
    }

    fn full_wanted(&self) -> usize {
        self.slots.full + usize::from(self.is_tip_stale)
    }

    /// For what a peer is lacking. Anchors come first.
    fn lacking(&self) -> Option<Purpose> {
        let lacks_block_relay = self.count(Purpose::BlockRelay) < self.slots.block_relay;
        if lacks_block_relay && !self.anchors.is_empty() {
            return Some(Purpose::BlockRelay);
        }
        if self.count(Purpose::Full) < self.full_wanted() {
            return Some(Purpose::Full);
        }
        lacks_block_relay.then_some(Purpose::BlockRelay)
    }

    fn seek_addresses(&mut self, book: &AddressBook, now: Instant, steps: &mut Vec<Step>) {
        let is_lonely = self.peers.is_empty() && now.duration_since(self.lonely_since) >= LONELY_AFTER;
        let is_lacking = self.count(Purpose::Full) < self.slots.full;
        if !is_lacking || book.len() >= BOOK_THIN && !is_lonely {
            return;
        }
        if now >= self.next_seed {
            let interval = if self.peers.is_empty() { SEED_INTERVAL } else { SEED_INTERVAL_WITH_PEERS };
            self.next_seed = now + interval;
            steps.push(Step::AskSeed);
        }
        if self.peers.is_empty()
            && now >= self.next_bootstrap
            && now.duration_since(self.lonely_since) >= BOOTSTRAP_AFTER
        {
            self.next_bootstrap = now + SEED_INTERVAL;
            self.bootstrap_waiting = self.bootstrap.iter().cloned().collect();
        }
    }

    /// An address for this purpose that is not connected, nor of a group that is.
    fn choose(&mut self, purpose: Purpose, book: &AddressBook, clock: BlockTime) -> Option<PeerAddress> {
        if purpose == Purpose::BlockRelay
            && let Some(anchor) = self.anchors.pop_front()
        {
            return Some(anchor).filter(|anchor| !self.is_taken(anchor));
        }
        if purpose == Purpose::Full {
            while let Some(address) = self.bootstrap_waiting.pop_front() {
                if !self.is_taken(&address) {
                    return Some(address);
                }
            }
        }
        let groups = self.groups();
        for draw in 0..DRAWS_MAX {
            let entry = book.select(purpose == Purpose::Feeler, &mut self.draws, clock)?;
            let pause = if draw < DRAWS_WITH_LONG_PAUSE { PAUSE_LONG_S } else { PAUSE_SHORT_S };
            let has_paused =
                entry.last_try <= entry.last_success || !(0..pause).contains(&clock.seconds_since(entry.last_try));
            let address = entry.address.clone();
            let has_group = purpose != Purpose::Feeler && group(&address).is_some_and(|group| groups.contains(&group));
            if has_paused && !has_group && !self.is_taken(&address) {
                return Some(address);
            }
        }
        None
    }

    /// The groups of all that this node dialled.
    fn groups(&self) -> Vec<Group> {
        let dialled = self.dials.values().filter(|dial| dial.purpose != Purpose::Feeler).map(|dial| &dial.address);
        let connected = self.peers.values().filter(|peer| peer.purpose != Some(Purpose::Feeler));
        connected.filter_map(|peer| peer.address.as_ref()).chain(dialled).filter_map(group).collect()
    }

    /// Whether an address is connected or dialled already, or is this node's own.
    fn is_taken(&self, address: &PeerAddress) -> bool {
        let socket = |address: &PeerAddress| address.ip().map(|ip| SocketAddr::new(ip, address.port()));
        let (at, id) = (socket(address), peer_id(address));
        let is_there = |other: &PeerAddress| other == address || at.is_some() && socket(other) == at;
        let is_same = |peer: &Peer| {
            peer.address.iter().chain(&peer.others).any(is_there)
                || at.is_some() && peer.socket == at
                || id == Some(peer.id.as_str())
        };
        let is_dialled = |dial: &Dial| is_there(&dial.address) || id.is_some() && peer_id(&dial.address) == id;
        self.own.contains(address) || self.peers.values().any(is_same) || self.dials.values().any(is_dialled)
    }

    fn dial(
        &mut self,
        address: PeerAddress,
        purpose: Purpose,
        book: &mut AddressBook,
        now: Instant,
        clock: BlockTime,
    ) -> Step {
        self.last_dial += 1;
        let id = DialId(self.last_dial);
        book.dialled(&address, true, clock);
        self.dials.insert(id, Dial { address: address.clone(), purpose, since: now });
        Step::Dial(id, address)
    }

    /// Looks whether an address is true, once there are peers enough.
    fn feel(&mut self, book: &mut AddressBook, now: Instant, clock: BlockTime, steps: &mut Vec<Step>) {
        if now < self.next_feeler || self.dials.len() >= DIALS_MAX || self.count(Purpose::Full) == 0 {
            return;
        }
        self.next_feeler = now + about(FEELER_INTERVAL, &mut self.draws);
        let tested = book.to_test(&mut self.draws).map(|entry| entry.address.clone());
        let chosen =
            tested.filter(|address| !self.is_taken(address)).or_else(|| self.choose(Purpose::Feeler, book, clock));
        if let Some(address) = chosen {
            steps.push(self.dial(address, Purpose::Feeler, book, now, clock));
        }
    }

    /// Parts with one peer now and then, and with the newest if there is one too many.
    fn make_room(&mut self, now: Instant, steps: &mut Vec<Step>) {
        let full: Vec<(PeerKey, Instant)> = {
            let is_full = |(_, peer): &(&PeerKey, &Peer)| peer.purpose == Some(Purpose::Full);
            self.peers.iter().filter(is_full).map(|(key, peer)| (*key, peer.since)).collect()
        };
        if full.len() > self.full_wanted() {
            steps.extend(full.iter().max_by_key(|(_, since)| *since).map(|(key, _)| Step::Part(*key)));
        }
        if now < self.next_rotation {
            return;
        }
        self.next_rotation = now + about(ROTATION_INTERVAL, &mut self.draws);
        if full.len() == self.full_wanted() {
            steps.extend(full.get(self.draws.below(full.len())).map(|(key, _)| Step::Part(*key)));
        }
    }

    /// Asks peers for addresses again: often while peers are lacking.
    fn ask_again(&mut self, now: Instant, steps: &mut Vec<Step>) {
        let is_lacking = self.count(Purpose::Full) < self.slots.full;
        let interval = if is_lacking { QUESTION_INTERVAL_LACKING } else { QUESTION_INTERVAL };
        for (key, peer) in &mut self.peers {
            if let Some(asked) = &mut peer.asked
                && now.duration_since(*asked) >= interval
            {
                *asked = now;
                steps.push(Step::AskAddresses(*key));
            }
        }
    }
}

/// A peer was met at an address, which is noted, though it may not have been in the book: bootstrap peers and anchors need not be.
fn is_true(address: &PeerAddress, services: Services, book: &mut AddressBook, clock: BlockTime) {
    let news = AddressNews { address: address.clone(), services, last_seen: clock };
    book.add(news, address.group(), clock);
    book.connected(address, services, clock);
}

/// The group of an address that is reached from everywhere.
fn group(address: &PeerAddress) -> Option<Group> {
    (address.reach() == Reach::Public).then(|| address.group())
}

/// The peer id that an address ends with.
fn peer_id(address: &PeerAddress) -> Option<&str> {
    address.as_str().rsplit_once("/p2p/").map(|(_, id)| id)
}

/// From half of an interval to one and a half, so that nobody can foretell when it is over.
fn about(interval: Duration, draws: &mut Draws) -> Duration {
    let millis = usize::try_from(interval.as_millis()).unwrap_or(usize::MAX / 2);
    interval / 2 + Duration::from_millis(draws.below(millis) as u64)
}

#[cfg(test)]
#[path = "dialer_tests.rs"]
mod tests;
