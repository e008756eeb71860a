//! A node of the simulation: a chain, the machine that synchronises it, and what a shell does around them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use qbtc_core::net::{Hello, PROTOCOL_VERSION, Services, UserAgent};
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::{Body, ChainSync, Input, Limits, Moment, RequestId, Scores, Surroundings, Ticket};
use qbtc_core::units::{BlockTime, FeeRate};

use super::chain::Chain;
use super::liar::Liar;
use super::link::{End, Gossip};

/// How many messages a node remembers at least, so as not to take them twice.
const SEEN_MAX: usize = 4_096;
/// How long a ban lasts, and how long nothing is to do with a peer that was left for smaller faults.
pub(super) const BAN_MS: u64 = 3_600_000;
pub(super) const LEFT_MS: u64 = 600_000;
/// How often what a node has is written to its disk at most. A crash in between loses it.
const FLUSH_MS: u64 = 10_000;

/// A node.
pub(super) struct Node {
    pub(super) chain: Chain,
    pub(super) sync: ChainSync,
    pub(super) limits: Limits,
    pub(super) liar: Option<Liar>,
    pub(super) is_up: bool,
    /// How often it was started.
    pub(super) life: u32,
    /// By how much its clock is off, in seconds.
    pub(super) skew_s: i64,
    /// Of a thousand blocks, how many it finds.
    pub(super) mining_permille: u64,
    /// Whom it may dial.
    pub(super) known: Vec<usize>,
    /// Its connections, by their numbers.
    pub(super) peers: BTreeMap<u64, Peer>,
    /// Which connection a question went to.
    pub(super) asked: BTreeMap<RequestId, u64>,
    /// What its machine was told of and has not judged yet.
    pub(super) announced: BTreeMap<u64, (Rc<Gossip>, u64)>,
    pub(super) jobs: VecDeque<Job>,
    /// Until when the thread that owns the chain is busy.
    pub(super) busy_until: u64,
    /// When the machine is to be woken; the last wake-up that was asked for counts.
    pub(super) wake_at: Option<u64>,
    pub(super) is_synced: bool,
    pub(super) is_dialling: bool,
    /// How often in a row the machine asked to be woken at once.
    pub(super) restless: u32,
    seen: [BTreeSet<u64>; 2],
    pub(super) scores: Scores,
    banned_until: BTreeMap<usize, u64>,
    last_flush: u64,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) node: usize,
    /// Which end this node is.
    pub(super) end: End,
    /// Whether it has said hello, so that the machine knows of it.
    pub(super) is_known: bool,
}

/// Work for the thread that owns the chain: done in order.
pub(super) enum Job {
    Headers(Ticket, Vec<Header>),
    Block(BlockHash, Body),
}

impl Node {
    pub(super) fn new(chain: Chain, limits: Limits, liar: Option<Liar>) -> Self {
        Self {
            chain,
            sync: ChainSync::new(limits, 0, Moment::default()),
            limits,
            liar,
            is_up: true,
            life: 0,
            skew_s: 0,
            mining_permille: 0,
            known: Vec::new(),
            peers: BTreeMap::new(),
            asked: BTreeMap::new(),
            announced: BTreeMap::new(),
            jobs: VecDeque::new(),
            busy_until: 0,
            wake_at: None,
            is_synced: true,
            is_dialling: false,
            restless: 0,
            seen: Default::default(),
            scores: Scores::default(),
            banned_until: BTreeMap::new(),
            last_flush: 0,
        }
    }

    pub(super) const fn is_honest(&self) -> bool {
        self.liar.is_none()
    }

    /// Whether it passes on what its machine accepts.
    pub(super) fn passes_on(&self) -> bool {
        self.liar.as_ref().is_none_or(Liar::passes_on)
    }

    /// Starts with a machine that knows nothing but the chain.
    pub(super) fn start(&mut self, salt: u64, now_ms: u64) {
        self.sync = ChainSync::new(self.limits, salt, Moment(now_ms));
        self.life += 1;
        self.is_up = true;
        self.is_synced = true;
    }

    /// Forgets all that is not on the disk. Bans are.
    pub(super) fn stop(&mut self) {
        self.is_up = false;
        self.is_dialling = false;
        self.peers.clear();
        self.asked.clear();
        self.announced.clear();
        self.jobs.clear();
        self.busy_until = 0;
        self.wake_at = None;
        self.seen = Default::default();
        self.scores = Scores::default();
    }

    /// What its clock shows.
    pub(super) fn clock(&self, true_time_s: i64) -> BlockTime {
        BlockTime(u32::try_from(true_time_s + self.skew_s).expect("a time of this century"))
    }

    pub(super) fn handle(&mut self, input: Input, now_ms: u64, clock: BlockTime, spec: &ChainSpec) {
        let at = Surroundings { now: Moment(now_ms), clock, tree: &self.chain.tree, pool: &self.chain.pool, spec };
        self.sync.handle(input, &at);
    }

    pub(super) fn hello(&self, clock: BlockTime, spec: &ChainSpec) -> Hello {
        let tip = &self.chain.state;
        Hello {
            version: PROTOCOL_VERSION,
            chain_id: spec.chain_id(),
            tip: tip.tip(),
            height: tip.height(),
            work: tip.work(),
            services: Services::NODE.and(Services::ALL_BODIES).and(Services::ALL_WITNESSES),
            fee_rate_min: FeeRate::from_quanta_per_1000_bytes(1_000),
            time: clock,
            user_agent: UserAgent::new("sim").expect("short and printable"),
        }
    }

    /// Remembers a message; returns whether it is new.
    pub(super) fn sees(&mut self, key: u64) -> bool {
        if self.seen.iter().any(|seen| seen.contains(&key)) {
            return false;
        }
        if self.seen[0].len() >= SEEN_MAX {
            self.seen[1] = std::mem::take(&mut self.seen[0]);
        }
        self.seen[0].insert(key)
    }

    pub(super) fn ban(&mut self, whom: usize, until_ms: u64) {
        self.banned_until.insert(whom, until_ms);
    }

    pub(super) fn has_banned(&self, whom: usize, now_ms: u64) -> bool {
        self.banned_until.get(&whom).is_some_and(|until| *until > now_ms)
    }

    pub(super) fn is_connected_to(&self, other: usize) -> bool {
        self.peers.values().any(|peer| peer.node == other)
    }

    pub(super) fn dialled(&self) -> usize {
        self.peers.values().filter(|peer| peer.end == End::Dialler).count()
    }

    /// Writes what is not written yet, if it is time to.
    pub(super) fn flush_if_due(&mut self, now_ms: u64) {
        if now_ms >= self.last_flush + FLUSH_MS {
            self.last_flush = now_ms;
            self.chain.flush();
        }
    }
}
