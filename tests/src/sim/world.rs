//! The world: its nodes and their connections, and the loop that lets one event happen after the other.

use std::collections::BTreeMap;

use qbtc_core::hash::BlockHash;
use qbtc_core::sync::Limits;
use qbtc_core::tx::OutPoint;
use qbtc_core::units::{BlockTime, Work};

use super::chain::Chain;
use super::liar::{Liar, Treadmill};
use super::library::Library;
use super::link::Link;
use super::money::{ALLOTMENTS, Purse};
use super::node::Node;
use super::queue::{Event, Queue};
use super::random::Random;
use super::report::{Failure, Report};
use super::scenario::{Scenario, Trouble};
use super::trace::{Note, Trace};

/// How long blocks are found for after the troubles have ended.
pub(super) const CALM_MS: u64 = 15 * 60_000;
/// How long all is left alone before the last block, and after it.
const REST_MS: u64 = 60_000;
/// How many honest nodes mine, and how much of the network's power all liars have together, of a thousand.
const MINERS_MAX: usize = 10;
const LIARS_PERMILLE: u64 = 150;

/// Everything.
pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) random: Random,
    pub(super) library: Library,
    pub(super) purse: Purse,
    /// For each coin that was allotted, where it went: the last place is the newest.
    pub(super) coins: Vec<Vec<OutPoint>>,
    pub(super) nodes: Vec<Node>,
    pub(super) links: Vec<Link>,
    /// In which part of the network each node is.
    pub(super) parts: Vec<bool>,
    pub(super) queue: Queue,
    pub(super) now_ms: u64,
    pub(super) is_calm: bool,
    pub(super) is_mining: bool,
    pub(super) trace: Trace,
    pub(super) report: Report,
    /// When each block of an honest node was found, how many honest nodes have it, and since when the last of them has.
    pub(super) spread: BTreeMap<BlockHash, Spread>,
    pub(super) treadmill: Treadmill,
    pub(super) failure: Option<String>,
    /// Grows with each block, so that no two coinbases are the same.
    pub(super) number: u64,
}

/// How far a block has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    pub(super) found_ms: u64,
    pub(super) nodes: usize,
    pub(super) last_ms: u64,
}

/// Runs a scenario to its end.
///
/// # Errors
/// The first check that did not hold.
pub fn run(scenario: &Scenario) -> Result<Report, Box<Failure>> {
    let mut world = World::new(scenario);
    world.begin();
    world.live();
    world.end()
}

impl World {
    fn new(scenario: &Scenario) -> Self {
        let purse = Purse::new();
        let spec = purse.rules(Scenario::SPACING_S, scenario.block_bytes);
        let genesis = spec.genesis().coinbase.id();
        let coins = (0..).take(ALLOTMENTS).map(|index| vec![OutPoint { txid: genesis, index }]).collect();
        let library = Library::new(spec);
        let nodes = scenario.nodes + scenario.liars.len();
        Self {
            random: Random::new(scenario.seed),
            treadmill: Treadmill::new(library.spec()),
            library,
            purse,
            coins,
            nodes: Vec::new(),
            links: Vec::new(),
            parts: vec![false; nodes],
            queue: Queue::default(),
            now_ms: 0,
            is_calm: false,
            is_mining: true,
            trace: Trace::new(),
            report: Report::default(),
            spread: BTreeMap::new(),
            failure: None,
            number: 0,
            scenario: scenario.clone(),
        }
    }

    /// Makes the chain and the nodes that know it, and schedules what happens by itself.
    fn begin(&mut self) {
        let old = self.first_chain();
        let spec = self.library.spec();
        let blocks = u64::from(self.scenario.blocks);
        // A chain of half the work of what is known to be the best is not worth its headers.
        let work_min = Work::from(blocks / 2 * super::money::FIRST_WORK);
        let limits = Limits { work_min, ..Limits::of(spec) };
        self.report.held_bytes_limit = limits.held_bytes;
        for at in 0..self.parts.len() {
            let liar = at.checked_sub(self.scenario.nodes).map(|liar| Liar::new(self.scenario.liars[liar]));
            let mut chain = Chain::new(&self.library);
            if at >= self.scenario.fresh {
                for block in &old {
                    chain.take_block(block, BlockTime(u32::MAX), &mut self.library);
                }
                chain.flush();
            }
            let mut node = Node::new(chain, limits, liar);
            node.mining_permille = self.mining_permille(at);
            node.known = self.addresses(at);
            if self.scenario.troubles.contains(&Trouble::Skew) {
                node.skew_s = i64::try_from(self.random.below(41)).expect("small") - 20;
            }
            node.start(self.random.next(), 0);
            self.nodes.push(node);
        }
        for at in 0..self.nodes.len() {
            self.dial_soon(at);
            self.mine_later(at);
            if !self.nodes[at].is_honest() {
                let soon = self.random.between(5_000, 60_000);
                self.queue.add(soon, Event::Act { node: at });
            }
        }
        self.pay_later();
        self.plan_troubles();
        let calm_ms = self.scenario.minutes * 60_000;
        self.queue.add(calm_ms, Event::Calm);
        self.queue.add(calm_ms + CALM_MS, Event::StopMining);
        self.queue.add(calm_ms + CALM_MS + REST_MS, Event::LastBlock);
    }

    /// Which addresses a node knows.
    fn addresses(&mut self, at: usize) -> Vec<usize> {
        let honest = self.scenario.nodes;
        let mut known: Vec<usize> = (0..self.parts.len()).filter(|other| *other != at).collect();
        if at == 0 && self.scenario.is_surrounded {
            known.retain(|other| *other == 1 || *other >= honest);
        }
        known
    }

    fn mining_permille(&self, at: usize) -> u64 {
        let (liars, honest) = (self.scenario.liars.len(), self.scenario.nodes);
        let for_liars = if liars == 0 { 0 } else { LIARS_PERMILLE };
        let first = self.scenario.fresh.min(honest - 1);
        let miners = (honest - first).min(MINERS_MAX);
        if at >= honest {
            for_liars / liars as u64
        } else if (first..first + miners).contains(&at) {
            (1_000 - for_liars) / miners as u64
        } else {
            0
        }
    }

    fn live(&mut self) {
        let end_ms = self.scenario.minutes * 60_000 + CALM_MS + 2 * REST_MS;
        while self.failure.is_none()
            && let Some((at_ms, event)) = self.queue.next()
            && at_ms <= end_ms
        {
            self.now_ms = at_ms;
            self.happen(event);
        }
        self.now_ms = end_ms;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Open { link } => self.open(link),
            Event::Deliver { link, to, message } => self.deliver(link, to, message),
            Event::Send { node, link, message } => self.send(node, link, message),
            Event::Down { node, life, link } => self.down(node, life, link),
            Event::Wake { node, life } => self.wake(node, life),
            Event::Work { node, life } => self.work(node, life),
            Event::Dial { node, life } => self.dial(node, life),
            Event::Mine { node } => self.mine(node),
            Event::Pay => self.pay(),
            Event::Act { node } => self.act_as_liar(node),
            Event::Break => self.break_one(),
            Event::Silence { link } => self.close(link, "silence"),
            Event::Part => self.part(),
            Event::Heal => self.heal(),
            Event::Crash => self.crash_one(),
            Event::Restart { node } => self.restart(node),
            Event::Calm => self.calm(),
            Event::StopMining => self.is_mining = false,
            Event::LastBlock => self.find_last_block(),
        }
    }

    /// The true time by the clock, which each node's clock shows more or less.
    pub(super) fn true_time_s(&self) -> i64 {
        let begin = self.library.spec().genesis().header.time.0 + self.scenario.blocks * Scenario::SPACING_S;
        i64::from(begin) + i64::try_from(self.now_ms / 1_000).expect("hours, not ages")
    }

    pub(super) fn clock_of(&self, at: usize) -> BlockTime {
        self.nodes[at].clock(self.true_time_s())
    }

    pub(super) fn note(&mut self, note: Note) {
        self.trace.note(self.now_ms, note);
    }

    /// A check that does not hold. The first one counts.
    pub(super) fn fail(&mut self, what: String) {
        self.failure.get_or_insert(what);
    }
}
