//! Which chain has the most work: what peers claim, and what becomes of it when they are heard.
//!
//! ```text
//! tips that peers name → the heaviest is heard: by headers, if few are missing; else by a proof of its work → followed, if it has more
//! ```
//!
//! Nothing here counts blocks: a claim is heard if it names more work than the chain that is followed, and followed if it shows more.

use alloc::vec::Vec;

use super::super::{Moment, PeerKey};
use super::chain::{LightChain, Link, mark};
use super::input::{At, Event, Output};
use super::peers::{PEERS_MAX, Purpose};
use super::status::{PEERS_WANTED, TipInfo};
use super::{Ending, LightClient};
use crate::chain::InsertError;
use crate::commit::flyclient::{ProvenChain, Sampling, verify};
use crate::hash::{BlockHash, tagged};
use crate::header::Header;
use crate::net::{Fault, LIGHT_HEADERS_MAX, LightAnswer, LightQuestion, LightTip, Unavailable};
use crate::units::{Height, Work};
use crate::verify::HeaderError;

/// The most blocks between the tip that is followed and one that is heard by its headers alone: 80 kB at most, where a proof of work takes
/// several times as many.
pub const HEADERS_GAP_MAX: u32 = 1_000;
/// How many headers below the tip are asked for, when what follows the tip does not build on it.
const STEP_BACK: u32 = 16;
/// The most claims that are heard at once.
pub(super) const HEARINGS_MAX: usize = 3;
/// After so long without an answer the next claim is heard beside.
const HEDGE_MS: u64 = 2_000;
/// How long the client waits for more peers to name their tips, once the first has.
const GATHER_MS: u64 = 300;
/// How long it takes at least from one question for a peer's tip to the next: after another tip, and after the same one.
const NEWS_PACE_MS: u64 = 200;
const SAME_PACE_MS: u64 = 2_000;

/// A claim that is being heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hearing {
    number: u64,
    peer: PeerKey,
    claim: LightTip,
    since: Moment,
    pub(super) stage: Stage,
}

/// How a claim is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// By the headers from a height on.
    Headers {
        start: Height,
        /// How often the first of them was not known.
        steps: u8,
    },
    /// By a proof of the work of the whole chain.
    Work { seed: [u8; 32] },
}

/// Which chain is followed, and how that is decided.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) hearings: Vec<Hearing>,
    /// When the first peer named its tip.
    first_named: Option<Moment>,
    /// Whether the heaviest claim has been heard once, so that the chain is one that a peer has.
    pub(super) is_settled: bool,
}

/// How a hearing went.
enum Verdict {
    /// It has shown what it claims.
    Shown,
    /// It goes on with another question.
    GoOn(Stage),
    /// It came to nothing, and the peer is at fault.
    Fault(Fault),
    /// It came to nothing, by bad luck.
    Nothing,
}

impl Head {
    /// When the client should look again, whether anything has happened or not.
    pub(super) fn moments(&self) -> impl Iterator<Item = Moment> {
        let hedge = self.hearings.iter().map(|hearing| hearing.since.plus(HEDGE_MS));
        let gathered = self.first_named.filter(|_| !self.is_settled).map(|since| since.plus(GATHER_MS));
        hedge.chain(gathered)
    }
}

impl LightClient {
    /// Asks peers for their tips.
    pub(super) fn poll_tips(&mut self, at: At) {
        let due = |(key, peer): (PeerKey, &super::peers::Peer)| {
            (!peer.is_polled && peer.next_poll <= at.now).then_some((key, peer.claim))
        };
        let due: Vec<_> = self.peers.iter().filter_map(due).take(PEERS_MAX).collect();
        for (peer, claim) in due {
            let question =
                claim.map_or(LightQuestion::Tip, |claim| LightQuestion::NextTip { known: claim.header.id() });
            self.ask(peer, Purpose::Tip, question, at);
        }
    }

    /// What came of a question for a peer's tip.
    pub(super) fn tip_ended(&mut self, key: PeerKey, ending: &Ending, at: At) {
        let Ending::Answer(LightAnswer::Tip(tip)) = *ending else {
            // Whoever cannot say where it is cannot be asked anything else.
            self.peers.pause(key, at.now);
            return;
        };
        if let Err(fault) = self.check_claim(&tip) {
            self.fault(key, fault, at);
            return;
        }
        let Some(peer) = self.peers.peer(key) else { return };
        let is_news = peer.claim.is_none_or(|claim| claim.header.id() != tip.header.id());
        peer.claim = Some(tip);
        if !is_news {
            // A long time has passed: what was bad luck then may be better now.
            peer.heard = None;
        }
        peer.next_poll = at.now.plus(if is_news { NEWS_PACE_MS } else { SAME_PACE_MS });
        self.peers.did_well(key);
        self.head.first_named.get_or_insert(at.now);
    }

    /// What can be seen of a claim without asking further.
    fn check_claim(&self, tip: &LightTip) -> Result<(), Fault> {
        let id = tip.header.id();
        let is_genesis = id == self.spec.genesis().id();
        if !is_genesis && self.spec.consensus().pow.check_work(&tip.header).is_err() {
            return Err(Fault::NoWork);
        }
        match self.chain.node(&id) {
            Some(node) if node.work() != tip.work || node.height() != tip.height => Err(Fault::ClaimNotShown),
            _ => Ok(()),
        }
    }

    /// Hears the heaviest claim above the chain that is followed.
    pub(super) fn seek_work(&mut self, at: At) {
        if !self.is_gathered(at) {
            return;
        }
        loop {
            let is_patient = |hearing: &Hearing| at.now.since(hearing.since) < HEDGE_MS;
            if self.head.hearings.len() >= HEARINGS_MAX || self.head.hearings.iter().any(is_patient) {
                break;
            }
            let Some((peer, claim)) = self.heaviest() else { break };
            let stage = self.first_stage(&claim);
            let number = self.number();
            self.head.hearings.push(Hearing { number, peer, claim, since: at.now, stage });
            self.ask_hearing(number, at);
        }
        let agrees = |claim: LightTip| self.chain.node(&claim.header.id()).is_some();
        let has_enough = self.chain.tip().work() >= self.least_work();
        if !self.head.is_settled && has_enough && self.head.hearings.is_empty() {
            self.head.is_settled = self.peers.named().any(|peer| peer.claim.is_some_and(agrees));
        }
    }

    fn is_gathered(&self, at: At) -> bool {
        let waited = self.head.first_named.is_some_and(|since| at.now.since(since) >= GATHER_MS);
        self.head.is_settled || waited || self.peers.named().count() >= PEERS_WANTED
    }

    /// What every chain that is followed has: a fork that costs less is not worth looking at.
    pub(super) fn least_work(&self) -> Work {
        self.spec.network().minimum_work
    }

    /// The heaviest claim that is worth hearing, and whose it is.
    fn heaviest(&self) -> Option<(PeerKey, LightTip)> {
        let (work, least) = (self.chain.tip().work(), self.least_work());
        let is_heard = |key: PeerKey| self.head.hearings.iter().any(|hearing| hearing.peer == key);
        let claims = self.peers.iter().filter(|(key, peer)| !peer.is_paused() && !is_heard(*key));
        let claims = claims.filter_map(|(key, peer)| {
            let claim = peer.claim.filter(|claim| claim.work > work && claim.work >= least)?;
            if peer.heard == Some(claim.header.id()) {
                return None;
            }
            Some((key, claim))
        });
        claims.max_by_key(|(_, claim)| claim.work)
    }

    /// By headers, if the tip is not far below. They may begin below the tip, where the chain has turned. Headers are taken in one by one: the first
    /// chain that has enough work shows all of it at once.
    fn first_stage(&mut self, claim: &LightTip) -> Stage {
        let tip = self.chain.tip().height();
        let has_enough = self.chain.tip().work() >= self.least_work();
        if has_enough && claim.height.above(tip) <= HEADERS_GAP_MAX && claim.height > self.chain.first() {
            let start = tip.0.saturating_add(1).min(claim.height.0);
            return Stage::Headers { start: Height(start), steps: 0 };
        }
        self.by_work(claim)
    }

    /// By a proof, with samples that nobody could foresee when the tip was named: the seed is drawn from a secret, now.
    fn by_work(&mut self, claim: &LightTip) -> Stage {
        let number = self.number().to_le_bytes();
        let tip = claim.header.id();
        Stage::Work { seed: tagged("qbtc/light/seed", &[&self.secret, &number, tip.as_bytes()]) }
    }

    fn ask_hearing(&mut self, number: u64, at: At) {
        let Some(hearing) = self.head.hearings.iter().find(|hearing| hearing.number == number).copied() else { return };
        let tip = hearing.claim.header.id();
        let question = match hearing.stage {
            Stage::Headers { start, .. } => {
                let count = hearing.claim.height.above(start).saturating_add(1).min(LIGHT_HEADERS_MAX);
                LightQuestion::Headers { tip, start, count }
            }
            Stage::Work { seed } => LightQuestion::Work { tip, seed },
        };
        self.ask(hearing.peer, Purpose::Hearing(number), question, at);
    }

    /// What came of a question of a hearing.
    pub(super) fn hearing_ended(&mut self, number: u64, ending: Ending, at: At) {
        let Some(place) = self.head.hearings.iter().position(|hearing| hearing.number == number) else { return };
        let hearing = self.head.hearings[place];
        let Hearing { peer, claim, stage, .. } = hearing;
        let verdict = match (stage, ending) {
            (Stage::Headers { start, steps }, Ending::Answer(LightAnswer::Headers(headers))) => {
                self.hear_headers((start, steps), &claim, &headers, at)
            }
            (Stage::Work { seed }, Ending::Answer(LightAnswer::Work(proof))) => {
                let sampling = Sampling::live(seed, claim.header.id());
                match verify(&proof.0, &sampling, &self.spec.header_rules()) {
                    Ok(proven) => self.hear_proven(&claim, &proven, at),
                    Err(_) => Verdict::Fault(Fault::FalseProof),
                }
            }
            // It named the tip a moment ago; but by now it may have a better one.
            (_, Ending::Unavailable(Unavailable::NotHere)) => Verdict::Fault(Fault::Withheld),
            (_, _) => Verdict::Nothing,
        };
        match verdict {
            Verdict::GoOn(stage) => {
                self.head.hearings[place].stage = stage;
                self.ask_hearing(number, at);
                return;
            }
            Verdict::Shown => self.peers.did_well(peer),
            Verdict::Nothing => self.peers.pause(peer, at.now),
            Verdict::Fault(_) => {
                if let Some(peer) = self.peers.peer(peer) {
                    peer.heard = Some(claim.header.id());
                }
                self.peers.pause(peer, at.now);
            }
        }
        self.head.hearings.retain(|hearing| hearing.number != number);
        self.settle();
        if let Verdict::Fault(fault) = verdict {
            self.fault(peer, fault, at);
        }
    }

    /// Takes in headers. They may be known, but the first must build on a header that is.
    fn hear_headers(&mut self, (start, steps): (Height, u8), claim: &LightTip, headers: &[Header], at: At) -> Verdict {
        let Some(first) = headers.first() else { return Verdict::Fault(Fault::Withheld) };
        let builds_on = self.chain.node(&first.parent).map(|node| node.height().next());
        if builds_on.is_some_and(|height| height != Some(start)) {
            // The block at another height than was asked for.
            return Verdict::Fault(Fault::Unlinked);
        }
        if builds_on.is_none() {
            return self.step_back((start, steps), claim);
        }
        let mut parent = first.parent;
        for header in headers {
            if header.parent != parent {
                return Verdict::Fault(Fault::Unlinked);
            }
            parent = header.id();
            match self.chain.insert(*header, at.clock, &self.spec) {
                Ok(()) => {}
                // The rule looks back beyond the headers that are kept.
                Err(InsertError::Bits { .. }) => return Verdict::GoOn(self.by_work(claim)),
                Err(error) => return Verdict::Fault(Fault::Header(error)),
            }
        }
        match self.chain.node(&claim.header.id()) {
            Some(node) if node.work() == claim.work && node.height() == claim.height => Verdict::Shown,
            _ => Verdict::Fault(Fault::ClaimNotShown),
        }
    }

    /// The chains part further down: asks from there, or, if that is below what is kept, for a proof of the work.
    fn step_back(&mut self, (start, steps): (Height, u8), claim: &LightTip) -> Verdict {
        let lowest = self.chain.first().0.saturating_add(1);
        let next = if steps == 0 { start.0.saturating_sub(STEP_BACK).max(lowest) } else { lowest };
        if next >= start.0 {
            return if self.chain.first() == Height::GENESIS {
                // Everything builds on the genesis block.
                Verdict::Fault(Fault::Unlinked)
            } else {
                Verdict::GoOn(self.by_work(claim))
            };
        }
        Verdict::GoOn(Stage::Headers { start: Height(next), steps: steps.saturating_add(1) })
    }

    fn hear_proven(&mut self, claim: &LightTip, proven: &ProvenChain, at: At) -> Verdict {
        // Rule: a tip is at most so far ahead of the clock.
        let limit = at.clock.saturating_add(self.spec.consensus().future_limit_s);
        if proven.tip.time > limit {
            let error = HeaderError::TimeTooNew { found: proven.tip.time, limit };
            return Verdict::Fault(Fault::Header(InsertError::Header { id: proven.id, error }));
        }
        if let Err(error) = self.check_checkpoints(proven) {
            return Verdict::Fault(Fault::Header(error));
        }
        if proven.work > self.chain.tip().work() && proven.work >= self.least_work() {
            let Ok(chain) = LightChain::proven(proven, &self.spec) else { return Verdict::Fault(Fault::FalseProof) };
            let link = chain.link_to(&self.chain);
            self.chain = chain;
            self.moved(link);
        }
        if proven.work == claim.work && proven.height == claim.height {
            Verdict::Shown
        } else {
            Verdict::Fault(Fault::ClaimNotShown)
        }
    }

    /// Holds the headers that came whole against the checkpoints of the chain's spec.
    fn check_checkpoints(&self, proven: &ProvenChain) -> Result<(), InsertError> {
        let first = proven.below.blocks();
        for (height, header) in (first..).map(Height).zip(&proven.tail) {
            let mut checkpoints = self.spec.network().checkpoints.iter();
            let found = header.id();
            // Rule: at the height of a checkpoint stands the checkpoint.
            if let Some(point) = checkpoints.find(|point| point.height == height && point.id != found) {
                return Err(InsertError::Checkpoint { height, found, expected: point.id });
            }
        }
        Ok(())
    }

    /// Goes to the header with the most work, and tells it.
    fn settle(&mut self) {
        if let Some(moved) = self.chain.settle() {
            self.moved(moved.link);
        }
    }

    fn moved(&mut self, link: Link) {
        let fork = match link {
            Link::Forked(fork) => Some(fork),
            Link::Grew | Link::Unknown => None,
        };
        let tip = self.tip();
        self.outputs.push_back(Output::Event(Event::Tip { tip, fork }));
        let work = tip.work;
        self.head.hearings.retain(|hearing| hearing.claim.work > work);
        self.scan_moved(link);
    }

    /// The tip of the chain that is followed.
    #[must_use]
    pub fn tip(&self) -> TipInfo {
        let node = self.chain.tip();
        TipInfo { mark: mark(node), header: *node.header(), work: node.work() }
    }

    /// A header of the chain that is followed, if it is one of the last: those since the last proof of work, and at least
    /// [`KEPT_HEADERS`](super::KEPT_HEADERS) once so many came.
    #[must_use]
    pub fn header_at(&self, height: Height) -> Option<(BlockHash, Header)> {
        self.chain.at(height).map(|node| (node.id(), *node.header()))
    }
}

const _: () =
    assert!(HEADERS_GAP_MAX + 2 * super::KEPT_HEADERS < LIGHT_HEADERS_MAX, "one answer holds all that are asked for");
