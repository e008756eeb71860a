//! Looking through the chain for a wallet's addresses, in order, and each block once.
//!
//! Headers and filters come in segments. Where the headers are not at hand, the last one of a segment is shown to be in the chain by its place
//! in the history, and the others by being its ancestors; so any peer can give any part. A part that is not given, or is false, is asked
//! for from another peer. Nothing is passed over: without a filter, or a block that matches, the scan stands still and says so.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::super::{Moment, PeerKey};
use super::chain::{KEPT_HEADERS, Link};
use super::input::{At, Event, Output};
use super::peers::{Purpose, Request, Wanted};
use super::segment::{Next, SEGMENT_BLOCKS, Segment};
use super::{Ending, LightClient};
use crate::chain::BlockMark;
use crate::hash::{BlockHash, HistoryRoot};
use crate::lock::Address;
use crate::net::{Fault, LIGHT_FILTERS_MAX, LightAnswer, LightQuestion};
use crate::units::Height;

/// The most addresses that are looked for.
pub const WATCHED_MAX: usize = 1 << 17;
/// The most blocks that are remembered to go back to.
pub const MARKS_MAX: usize = 64;
/// How many of the last ones stay; from there on ever fewer.
const MARKS_DENSE: usize = 32;
/// How long the scan rests when no peer has given what it needs.
const REST_MS: u64 = 3_000;

/// A part of a segment that peers are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    Headers,
    Place,
    Filters,
    Blocks,
}

/// Where the wallet stands, and what is being looked at.
#[derive(Debug, Default)]
pub(super) struct Scan {
    is_on: bool,
    watched: BTreeSet<Address>,
    /// The first height that matters.
    pub(super) start: Height,
    /// Blocks up to which all was looked through, lowest first.
    pub(super) marks: Vec<BlockMark>,
    /// The last block that the wallet was told of; above the last mark while a block is with the wallet.
    told: Option<BlockMark>,
    segment: Option<Segment>,
    /// Answers to the questions of earlier rounds are about another segment.
    round: u64,
    asked: BTreeSet<Need>,
    /// Against what the place is checked that was asked for.
    root: Option<(HistoryRoot, u32)>,
    /// Who has failed to give a part.
    tried: BTreeMap<Need, BTreeSet<PeerKey>>,
    rests_until: Option<Moment>,
    withheld: Option<Height>,
}

impl Scan {
    /// How many blocks are still to be looked through.
    pub(super) fn left(&self, tip: Height) -> u32 {
        let is_idle = !self.is_on || self.watched.is_empty();
        if is_idle { 0 } else { tip.0.saturating_add(1).saturating_sub(self.next().0) }
    }

    pub(super) const fn withheld(&self) -> Option<Height> {
        self.withheld
    }

    pub(super) fn moments(&self) -> impl Iterator<Item = Moment> {
        self.rests_until.into_iter()
    }

    /// Where a scan of a saved state stands, before addresses are known.
    pub(super) fn resumed(start: Height, marks: Vec<BlockMark>) -> Self {
        Self { start, told: marks.last().copied(), marks, ..Self::default() }
    }

    /// The next height to be looked through.
    fn next(&self) -> Height {
        self.marks.last().map_or(self.start, |mark| mark.height.next().unwrap_or(mark.height))
    }

    /// Notes that the wallet has everything up to a block.
    fn pass(&mut self, mark: BlockMark) {
        if self.marks.last().is_none_or(|last| last.height < mark.height) {
            self.marks.push(mark);
        }
        self.told = Some(mark);
        thin(&mut self.marks);
    }

    /// Ends what is under way: answers to it are ignored.
    fn drop_segment(&mut self) {
        self.segment = None;
        self.round += 1;
        self.asked.clear();
        self.tried.clear();
    }

    /// Goes back so far that no mark is above this height. Returns where the wallet must go back to, if it must.
    fn go_back(&mut self, keep: impl Fn(&BlockMark) -> bool) -> Option<Option<BlockMark>> {
        self.drop_segment();
        while self.marks.last().is_some_and(|mark| !keep(mark)) {
            self.marks.pop();
        }
        let last = self.marks.last().copied();
        let must = self.told != last;
        self.told = last;
        must.then_some(last)
    }
}

/// Drops marks from between others, so that those far below lie ever further apart.
fn thin(marks: &mut Vec<BlockMark>) {
    while marks.len() > MARKS_MAX {
        // Of the older ones, the first that lies closest to its neighbours in proportion to how far below it is.
        let top = marks.last().map_or(0, |mark| mark.height.0);
        let older = 1..marks.len() - MARKS_DENSE;
        let closeness = |place: &usize| {
            let gap = marks[place + 1].height.0.saturating_sub(marks[place - 1].height.0);
            let below = top.saturating_sub(marks[*place].height.0).max(1);
            u64::from(gap) * u64::from(u32::MAX) / u64::from(below)
        };
        let Some(place) = older.min_by_key(closeness) else { break };
        marks.remove(place);
    }
}

impl LightClient {
    /// Where the scan stands: everything up to this block was looked through, and taken in by the wallet.
    #[must_use]
    pub fn scanned(&self) -> Option<BlockMark> {
        self.scan.marks.last().copied()
    }

    pub(super) fn start_scan(&mut self, start: Height, marks: Vec<BlockMark>, addresses: Vec<Address>) {
        let mut kept: Vec<BlockMark> = Vec::new();
        for mark in marks.into_iter().filter(|mark| mark.height.0.saturating_add(1) >= start.0) {
            if kept.last().is_none_or(|last| last.height < mark.height) {
                kept.push(mark);
                thin(&mut kept);
            }
        }
        let round = self.scan.round + 1;
        let watched = addresses.into_iter().take(WATCHED_MAX).collect();
        self.scan = Scan { is_on: true, watched, round, ..Scan::resumed(start, kept) };
    }

    pub(super) fn watch(&mut self, addresses: Vec<Address>, from: Height) {
        let scan = &mut self.scan;
        if !scan.is_on {
            scan.is_on = true;
            if scan.marks.is_empty() {
                scan.start = from;
            }
        }
        let new = add(&mut scan.watched, addresses);
        if new.is_empty() {
            return;
        }
        let reached = scan.segment.as_ref().map_or_else(|| scan.next(), |segment| segment.passed);
        let is_with_wallet = scan.segment.as_ref().is_some_and(Segment::is_waiting_at_wallet);
        if from > reached || (from == reached && !is_with_wallet) {
            if let Some(segment) = &mut scan.segment {
                segment.look_again(&new);
            }
            return;
        }
        scan.start = scan.start.min(from);
        if let Some(to) = scan.go_back(|mark| mark.height < from) {
            self.outputs.push_back(Output::Event(Event::RolledBack { to }));
        }
    }

    pub(super) fn taken(&mut self, id: &BlockHash, addresses: Vec<Address>) {
        let scan = &mut self.scan;
        let new = add(&mut scan.watched, addresses);
        let Some(segment) = &mut scan.segment else { return };
        let Some(mark) = segment.taken(id) else { return };
        if !new.is_empty() {
            segment.look_again(&new);
        }
        scan.pass(mark);
    }

    /// The tip has moved: what was looked through in another branch does not hold.
    pub(super) fn scan_moved(&mut self, link: Link) {
        let chain = &self.chain;
        let rolled = match link {
            Link::Grew => None,
            Link::Forked(fork) => {
                let is_above = |mark: BlockMark| mark.height > fork.height;
                let is_segment_above = self.scan.segment.as_ref().is_some_and(|segment| segment.end > fork.height);
                if self.scan.told.is_some_and(is_above) {
                    let back = self.scan.go_back(|mark| mark.height <= fork.height);
                    // All between the last mark and the fork was looked through as well.
                    if fork.height >= self.scan.start && back.is_some() {
                        self.scan.pass(fork);
                    }
                    back.map(|_| self.scan.told)
                } else {
                    if is_segment_above {
                        self.scan.drop_segment();
                    }
                    None
                }
            }
            Link::Unknown => self.scan.go_back(|mark| chain.has(*mark) != Some(false)),
        };
        if let Some(to) = rolled {
            self.outputs.push_back(Output::Event(Event::RolledBack { to }));
        }
    }

    /// Looks through what is at hand, and asks for what is missing.
    pub(super) fn seek_scan(&mut self, at: At) {
        self.scan.rests_until = self.scan.rests_until.filter(|until| *until > at.now);
        if !self.scan.is_on || self.scan.watched.is_empty() {
            return;
        }
        while self.scan_step() {}
        if self.scan.rests_until.is_none() {
            self.ask_for_segment(at);
        }
    }

    /// Hands out what can be handed out. Returns whether there may be more.
    fn scan_step(&mut self) -> bool {
        if self.scan.segment.is_none() {
            self.scan.segment = self.next_segment();
        }
        let next = self.scan.marks.last().copied();
        let scan = &mut self.scan;
        let Some(segment) = &mut scan.segment else { return false };
        // The segment is in the chain; so the block on which it builds is, too.
        if let Some(parent) = segment.parent()
            && next.is_some_and(|last| last.id != parent && last.height.next() == Some(segment.start))
        {
            let rolled = self.scan.go_back(|mark| Some(*mark) != next);
            if let Some(to) = rolled {
                self.outputs.push_back(Output::Event(Event::RolledBack { to }));
            }
            return true;
        }
        match segment.next() {
            Next::Wait => false,
            Next::Found(found) => {
                let to = found.mark;
                scan.told = Some(to);
                self.outputs.push_back(Output::Event(Event::Scanned { to, found: Some(found) }));
                false
            }
            Next::Clean(mark) => {
                let is_done = segment.is_done();
                if scan.marks.last() != Some(&mark) {
                    scan.pass(mark);
                    self.outputs.push_back(Output::Event(Event::Scanned { to: mark, found: None }));
                }
                if is_done {
                    scan.drop_segment();
                }
                is_done
            }
        }
    }

    /// The segment from where the wallet stands.
    fn next_segment(&mut self) -> Option<Segment> {
        let chain = &self.chain;
        while self.scan.marks.last().is_some_and(|mark| chain.has(*mark) == Some(false)) {
            let last = self.scan.marks.last().copied();
            if let Some(to) = self.scan.go_back(|mark| Some(*mark) != last) {
                self.outputs.push_back(Output::Event(Event::RolledBack { to }));
            }
        }
        let (start, tip) = (self.scan.next(), chain.tip().height());
        if start > tip {
            return None;
        }
        if start == Height::GENESIS {
            return Segment::genesis(&self.spec, &self.scan.watched);
        }
        let most = Height(start.0.saturating_add(SEGMENT_BLOCKS - 1));
        if start >= chain.first() {
            let end = most.min(tip);
            let headers = (start.0..=end.0).filter_map(|height| chain.at(Height(height)));
            return Segment::linked(start, headers.map(|node| *node.header()).collect());
        }
        let below = chain.below()?;
        let end = most.min(below.height);
        Some(Segment::new(start, end, (end == below.height).then_some(below.id)))
    }

    fn ask_for_segment(&mut self, at: At) {
        let Some(segment) = &self.scan.segment else { return };
        let (tip, start) = (self.chain.mark(), segment.start);
        let mut questions = Vec::new();
        if segment.wants_headers() {
            questions.push((Need::Headers, LightQuestion::Headers { tip: tip.id, start, count: segment.count() }));
        }
        if segment.wants_place() {
            questions.push((Need::Place, LightQuestion::Block { tip: tip.id, height: segment.end }));
        }
        if let Some(start) = segment.wants_filters() {
            let count = (segment.end.above(start) + 1).min(LIGHT_FILTERS_MAX);
            questions.push((Need::Filters, LightQuestion::Filters { tip: tip.id, start, count }));
        }
        let ids = segment.wants_blocks();
        if !ids.is_empty() {
            questions.push((Need::Blocks, LightQuestion::Blocks { ids }));
        }
        for (need, question) in questions {
            if !self.scan.asked.contains(&need) {
                self.ask_for_part(need, question, at);
            }
        }
    }

    fn ask_for_part(&mut self, need: Need, question: LightQuestion, at: At) {
        let Some(reached) = self.scan.segment.as_ref().map(|segment| segment.passed) else { return };
        let tip = self.chain.tip();
        let is_old = reached.0.saturating_add(KEPT_HEADERS) < tip.height().0;
        let old_bodies = is_old && need == Need::Blocks;
        let wanted = Wanted { work: tip.work(), old_bodies };
        let tried = self.scan.tried.entry(need).or_default();
        let Some(peer) = self.peers.pick(wanted, tried) else {
            let is_anybody_there = self.head.is_settled && self.peers.named().next().is_some();
            if is_anybody_there && !self.peers.has_untried(wanted, tried) {
                // Everybody again, after a while.
                tried.clear();
                self.scan.withheld = Some(reached);
                self.scan.rests_until = Some(at.now.plus(REST_MS));
            }
            return;
        };
        if need == Need::Place {
            self.scan.root = Some(self.chain.root());
        }
        self.scan.asked.insert(need);
        self.ask(peer, Purpose::Scan(need, self.scan.round), question, at);
    }

    /// What came of a question for a part of a segment.
    pub(super) fn scan_ended(&mut self, need: Need, round: u64, request: &Request, ending: Ending, at: At) {
        if round != self.scan.round {
            return;
        }
        self.scan.asked.remove(&need);
        let peer = request.peer;
        let outcome = match ending {
            Ending::Answer(answer) => self.take_part(answer, request),
            // That its chain has moved on, or that it has no time, is no fault; the next one may do better.
            Ending::Unavailable(_) | Ending::Failed => Err((peer, None)),
        };
        match outcome {
            Ok(()) => {
                self.scan.tried.remove(&need);
                self.scan.withheld = None;
                self.peers.did_well(peer);
            }
            Err((giver, fault)) => {
                self.scan.tried.entry(need).or_default().insert(giver);
                if let Some(fault) = fault {
                    self.fault(giver, fault, at);
                }
            }
        }
    }

    /// Takes in a part of the segment, or names the peer whose it is, and its fault.
    fn take_part(&mut self, answer: LightAnswer, request: &Request) -> Result<(), (PeerKey, Option<Fault>)> {
        let peer = request.peer;
        let Some(segment) = &mut self.scan.segment else { return Ok(()) };
        let taken = match (answer, &request.question) {
            (LightAnswer::Headers(headers), _) => segment.take_headers(headers, peer),
            (LightAnswer::Block(proof), LightQuestion::Block { height, .. }) => {
                let proven = self.scan.root.and_then(|(root, blocks)| proof.check(root, blocks).ok());
                match proven.filter(|block| block.height == *height && *height == segment.end) {
                    Some(block) => {
                        segment.take_place(block.id);
                        Ok(())
                    }
                    None => Err(Fault::FalseProof),
                }
            }
            (LightAnswer::Filters(filters), LightQuestion::Filters { start, .. }) => {
                segment.take_filters(*start, &filters, &self.scan.watched, &self.spec)
            }
            (LightAnswer::Blocks(blocks), LightQuestion::Blocks { ids }) => {
                let blocks: Vec<&[u8]> = blocks.iter().map(|block| &*block.0).collect();
                segment.take_blocks(ids, &blocks, &self.spec)
            }
            _ => Err(Fault::OtherAnswer),
        };
        taken.map_err(|fault| (peer, Some(fault)))?;
        segment.link().map_err(|giver| (giver, Some(Fault::Unlinked)))
    }
}

/// Adds addresses, as many as there is room for. Returns those that are new.
fn add(watched: &mut BTreeSet<Address>, addresses: Vec<Address>) -> BTreeSet<Address> {
    let mut new = BTreeSet::new();
    for address in addresses {
        if watched.len() < WATCHED_MAX && watched.insert(address) {
            new.insert(address);
        }
    }
    new
}
