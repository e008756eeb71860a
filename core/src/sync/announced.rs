//! New blocks, as they are announced: put together from the mempool, and passed on once they are whole.
//!
//! A block is passed on when its header is in the tree and its transactions are at hand, before they are verified: work has been spent for it,
//! and whoever gets it can ask for what it misses.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::headers::Ticketed;
use super::peers::{Purpose, Request};
use super::window::{Handed, State};
use super::{Announcement, Body, ChainSync, Output, PeerKey, Surroundings, Ticket, Verdict};
use crate::chain::{HeaderNode, InsertError, Status};
use crate::hash::BlockHash;
use crate::net::{
    BLOCK_TRANSACTIONS_MAX, CompactBlock, CompactBlockError, Fault, Reconstruction, SyncAnswer, SyncQuestion,
};
use crate::tx::Transaction;
use crate::units::Work;
use crate::verify::{CheckedBlock, HeaderError};

/// The most announced blocks that are worked on at a time. Each of them has shown the work of a block.
const PENDING_MAX: usize = 3;
/// The most bytes that they take, in longest answers: the announcement, and what is asked for.
pub(super) const ANSWERS_MAX: usize = 2 * PENDING_MAX;

/// The most peers that are asked at a time for what is missing of one block: whoever is first with a block and silent must not keep others out. As
/// in Bitcoin Core, all but the first are peers that this node has chosen.
const ASKED_MAX: usize = 2;

/// The announcements that are worked on.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    /// By their block, and who has made them.
    pending: BTreeMap<(BlockHash, PeerKey), Pending>,
    /// The longest answer, and so the longest announcement.
    answer_bytes: usize,
}

/// An announced block.
#[derive(Debug)]
struct Pending {
    announcement: Announcement,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Its header is on its way into the tree.
    Header(CompactBlock),
    /// Some of its transactions are on their way.
    Missing(Reconstruction),
}

impl Announcements {
    pub(super) fn held_bytes(&self) -> usize {
        let answers = self.pending.values().map(|pending| match pending.stage {
            Stage::Header(_) => 1,
            Stage::Missing(_) => 2,
        });
        answers.sum::<usize>() * self.answer_bytes
    }

    /// How many of a block are worked on.
    fn count(&self, id: &BlockHash) -> usize {
        self.pending.keys().filter(|(block, _)| block == id).count()
    }

    fn is_full(&self, id: &BlockHash) -> bool {
        self.pending.len() >= PENDING_MAX || self.count(id) >= ASKED_MAX
    }
}

impl ChainSync {
    pub(super) fn announced(
        &mut self,
        peer: PeerKey,
        block: CompactBlock,
        announcement: Announcement,
        at: &Surroundings<'_>,
    ) {
        match self.judge(peer, &block, at) {
            Err(verdict) => self.outputs.push_back(Output::Verdict { announcement, verdict }),
            Ok(()) => {
                let (id, header) = (block.id(), block.header);
                self.announcements.answer_bytes = SyncAnswer::bytes_max(at.spec);
                if at.tree.node(&id).is_some() {
                    self.put_together(peer, block, announcement, at);
                } else {
                    let pending = Pending { announcement, stage: Stage::Header(block) };
                    self.announcements.pending.insert((id, peer), pending);
                    let ticket = Ticket(self.number());
                    self.tickets.insert(ticket, Ticketed::Announced { id, peer });
                    self.outputs.push_back(Output::TakeHeaders { ticket, headers: vec![header] });
                }
            }
        }
    }

    /// What can be said about an announced block before its header is in the tree; `Ok`, if it is worth the trouble.
    fn judge(&mut self, peer: PeerKey, block: &CompactBlock, at: &Surroundings<'_>) -> Result<(), Verdict> {
        let id = block.id();
        let Ok(target) = at.spec.consensus().pow.check_work(&block.header) else {
            self.fault(peer, Fault::NoWork);
            return Err(Verdict::Reject);
        };
        if let Some(node) = at.tree.node(&id) {
            // Blocks are passed on before they are verified: whoever passed this one on may not have known better.
            if node.status() == Status::Invalid {
                return Err(Verdict::Ignore);
            }
            self.peers.has_shown(peer, &id, at.tree);
            if node.has_body() || self.announcements.pending.contains_key(&(id, peer)) {
                return Err(Verdict::Ignore);
            }
            return Ok(());
        }
        let Some(parent) = at.tree.node(&block.header.parent) else {
            self.wants_headers_of(peer);
            return Err(Verdict::Ignore);
        };
        let work = parent.work().checked_add(target.work()).unwrap_or(Work::ZERO);
        if parent.status() == Status::Invalid || work < self.work_needed(at) {
            return Err(Verdict::Ignore);
        }
        if self.announcements.pending.contains_key(&(id, peer)) {
            return Err(Verdict::Ignore);
        }
        if self.announcements.is_full(&id) {
            self.wants_headers_of(peer);
            return Err(Verdict::Ignore);
        }
        Ok(())
    }

    fn wants_headers_of(&mut self, peer: PeerKey) {
        if let Some(peer) = self.peers.peer(peer) {
            peer.wants_asking = true;
        }
    }

    pub(super) fn announced_header_taken(
        &mut self,
        id: &BlockHash,
        peer: PeerKey,
        outcome: Result<(), InsertError>,
        at: &Surroundings<'_>,
    ) {
        let pending = self.announcements.pending.remove(&(*id, peer));
        let Some(Pending { announcement, stage: Stage::Header(block) }) = pending else { return };
        if let Err(error) = outcome {
            // The parent was found invalid in the meantime: whoever passed this one on may not have known better.
            if matches!(error, InsertError::Invalid { .. }) {
                self.outputs.push_back(Output::Verdict { announcement, verdict: Verdict::Ignore });
                return;
            }
            // One of the two clocks is wrong: others may judge for themselves.
            let is_early = matches!(error, InsertError::Header { error: HeaderError::TimeTooNew { .. }, .. });
            let verdict = if is_early { Verdict::Ignore } else { Verdict::Reject };
            self.fault(peer, Fault::Header(error));
            self.outputs.push_back(Output::Verdict { announcement, verdict });
            return;
        }
        self.put_together(peer, block, announcement, at);
    }

    /// Puts a block together whose header is in the tree, or asks for what is missing.
    fn put_together(&mut self, peer: PeerKey, block: CompactBlock, announcement: Announcement, at: &Surroundings<'_>) {
        let id = &block.id();
        self.peers.has_shown(peer, id, at.tree);
        self.bodies.window().follow(at.tree);
        if !self.is_wanted_next(id, at) && !self.is_wanted_beside(id, at) {
            self.outputs.push_back(Output::Verdict { announcement, verdict: Verdict::Ignore });
            return;
        }
        let at_hand = at.pool.entries().map(crate::mempool::MempoolEntry::tx);
        match Reconstruction::begin(block, at_hand, at.spec) {
            Err(error) => self.compact_block_failed(peer, announcement, error, at),
            Ok(reconstruction) => {
                let places = reconstruction.missing();
                // Whoever was asked in vain lately would keep others' announcements out meanwhile.
                let is_first = self.announcements.count(id) == 0;
                let is_of_help =
                    self.peers.peer(peer).is_some_and(|peer| peer.failures == 0 && (is_first || peer.is_outbound));
                let can_be_asked = is_of_help && !self.announcements.is_full(id);
                if places.is_empty() {
                    self.finish_compact(id, peer, announcement, reconstruction, Vec::new(), at);
                } else if places.len() > BLOCK_TRANSACTIONS_MAX || !can_be_asked {
                    self.outputs.push_back(Output::Verdict { announcement, verdict: Verdict::Ignore });
                } else {
                    self.compact_begins(id, at);
                    let question = SyncQuestion::BlockTransactions { block: *id, places };
                    self.ask(peer, Purpose::BlockTransactions(*id), question, at);
                    let pending = Pending { announcement, stage: Stage::Missing(reconstruction) };
                    self.announcements.pending.insert((*id, peer), pending);
                }
            }
        }
    }

    pub(super) fn block_transactions_answered(
        &mut self,
        request: &Request,
        found: Vec<Transaction>,
        at: &Surroundings<'_>,
    ) {
        let Purpose::BlockTransactions(id) = request.purpose else { return };
        let peer = request.peer;
        let Some(pending) = self.announcements.pending.remove(&(id, peer)) else { return };
        let Pending { announcement, stage: Stage::Missing(reconstruction) } = pending else { return };
        self.compact_ends(&id, at);
        if found.is_empty() {
            // Whoever passes a block on has it.
            self.fault(peer, Fault::Withheld);
            self.outputs.push_back(Output::Verdict { announcement, verdict: Verdict::Ignore });
        } else {
            self.finish_compact(&id, peer, announcement, reconstruction, found, at);
        }
    }

    /// Has a block fetched whole that cannot be put together.
    pub(super) fn give_up_compact(&mut self, id: &BlockHash, peer: PeerKey, verdict: Verdict, at: &Surroundings<'_>) {
        let Some(pending) = self.announcements.pending.remove(&(*id, peer)) else { return };
        self.compact_ends(id, at);
        self.outputs.push_back(Output::Verdict { announcement: pending.announcement, verdict });
    }

    fn finish_compact(
        &mut self,
        id: &BlockHash,
        peer: PeerKey,
        announcement: Announcement,
        reconstruction: Reconstruction,
        missing: Vec<Transaction>,
        at: &Surroundings<'_>,
    ) {
        match reconstruction.finish(missing, at.spec) {
            Err(error) => self.compact_block_failed(peer, announcement, error, at),
            Ok(block) => {
                self.outputs.push_back(Output::Verdict { announcement, verdict: Verdict::Accept });
                self.peers.gave_blocks(peer);
                self.hand_block(id, peer, Arc::new(block), at);
            }
        }
    }

    fn hand_block(&mut self, id: &BlockHash, peer: PeerKey, block: Arc<CheckedBlock>, at: &Surroundings<'_>) {
        let Some(node) = at.tree.node(id) else { return };
        // Somebody else may have given it whole meanwhile.
        if node.has_body() || self.bodies.is_on_its_way(id) {
            return;
        }
        let height = node.height();
        let bytes = usize::try_from(block.size_bytes()).unwrap_or(usize::MAX);
        let handed = Handed { peer, bytes, block: Some(Arc::clone(&block)) };
        self.bodies.window().hand(id, height, handed);
        self.overtake(id, at.now);
        self.outputs.push_back(Output::TakeBlock { id: *id, body: Body::Checked(block) });
        self.end_others(id);
    }

    /// Has nobody else help to put a block together that is here.
    fn end_others(&mut self, id: &BlockHash) {
        let others: Vec<(BlockHash, PeerKey)> =
            self.announcements.pending.keys().filter(|(block, _)| block == id).copied().collect();
        for Pending { announcement, .. } in others.iter().filter_map(|key| self.announcements.pending.remove(key)) {
            self.outputs.push_back(Output::Verdict { announcement, verdict: Verdict::Ignore });
        }
    }

    fn compact_block_failed(
        &mut self,
        peer: PeerKey,
        announcement: Announcement,
        error: CompactBlockError,
        at: &Surroundings<'_>,
    ) {
        let verdict = if error.may_be_chance() {
            Verdict::Ignore
        } else {
            self.peers.pause(peer, at.now);
            self.fault(peer, Fault::CompactBlock(error));
            Verdict::Reject
        };
        self.outputs.push_back(Output::Verdict { announcement, verdict });
    }

    /// Whether a block is the next one of the chain, and is not here. Somebody may have been asked for it: if it could keep others' copies out by
    /// silence, whoever is first with a block could hold it back from the whole network.
    fn is_wanted_next(&mut self, id: &BlockHash, at: &Surroundings<'_>) -> bool {
        let Some(height) = at.tree.node(id).map(HeaderNode::height) else { return false };
        let window = self.bodies.window();
        let is_wanted = window.slot(id, height).is_some_and(|slot| slot.state.is_awaited());
        is_wanted && window.is_next(height)
    }

    /// Whether a block makes a longer chain at once, though not that of the best header: else one block that is withheld would stop all
    /// others of its height.
    fn is_wanted_beside(&self, id: &BlockHash, at: &Surroundings<'_>) -> bool {
        let Some(node) = at.tree.node(id) else { return false };
        let parent = &node.header().parent;
        let is_ready = at.tree.node(parent).is_some_and(|parent| parent.status() == Status::Complete);
        let is_longer = node.work() > at.tree.best_complete().work();
        let is_new = !node.has_body() && self.block_at_hand(id).is_none();
        let is_beside = !at.tree.is_in_chain(id, &at.tree.best().id());
        is_new && is_beside && is_longer && (is_ready || self.block_at_hand(parent).is_some())
    }

    /// A block is being put together. If somebody was asked for it before, that goes on.
    fn compact_begins(&mut self, id: &BlockHash, at: &Surroundings<'_>) {
        let Some(height) = at.tree.node(id).map(HeaderNode::height) else { return };
        let window = self.bodies.window();
        if window.slot(id, height).is_some_and(|slot| matches!(slot.state, State::Wanted)) {
            window.change(id, height, State::Compact { since: at.now });
        }
    }

    /// A block is not being put together any more. It may be here by now, or asked for.
    fn compact_ends(&mut self, id: &BlockHash, at: &Surroundings<'_>) {
        if self.announcements.count(id) > 0 {
            return;
        }
        let Some(height) = at.tree.node(id).map(HeaderNode::height) else { return };
        let window = self.bodies.window();
        if window.slot(id, height).is_some_and(|slot| matches!(slot.state, State::Compact { .. })) {
            window.change(id, height, State::Wanted);
        }
    }
}
