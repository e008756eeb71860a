//! Blocks from many peers at once, in a window that moves along the best header's chain.
//!
//! A question names as many blocks as one answer can probably hold, and counts with the longest answer, so that the bytes that are waited
//! for are bounded whatever the size of blocks. One answer's worth is kept free for the first missing block: else blocks that wait for it
//! could keep it out.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::peers::{Purpose, Request};
use super::window::{Handed, State, Window};
use super::{BlockOutcome, ChainSync, Moment, Output, PeerKey, RequestId, Surroundings, announced};
use crate::chain::HeaderNode;
use crate::hash::BlockHash;
use crate::header::Header;
use crate::net::{BLOCKS_MAX, BlockBytes, Fault, SyncAnswer, SyncQuestion};
use crate::units::Height;
use crate::verify::CheckedBlock;

/// How many questions for blocks one peer may have at a time: the next one travels while it answers the last.
const QUESTIONS_PER_PEER_MAX: usize = 2;
/// How many blocks may be on their way into the chain at a time, and how many answers' worth of bytes.
const HANDED_BLOCKS_MAX: usize = 128;
const HANDED_ANSWERS_MAX: usize = 4;
/// A question is for no fewer blocks than this because others could answer it too.
const SHARED_BLOCKS_MIN: usize = 16;
/// How long the first missing block may keep everybody waiting. It doubles each time that this passes, and shrinks with each block.
const STALL_MS_MIN: u64 = 2_000;
const STALL_MS_MAX: u64 = 64_000;

/// What is known of the blocks that are missing.
#[derive(Debug)]
pub(super) struct Bodies {
    window: Window,
    /// What blocks of this part of the chain take, as it seems.
    block_bytes: usize,
    stall_ms: u64,
    /// When to look whether the first missing block keeps everybody waiting.
    stall: Option<Moment>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { window: Window::default(), block_bytes: 1_024, stall_ms: STALL_MS_MIN, stall: None }
    }
}

/// Somebody who can be asked for blocks.
struct Giver {
    peer: PeerKey,
    questions: usize,
    is_outbound: bool,
    /// How often it was asked in vain since it last gave a block.
    failures: u32,
    /// The lowest and the highest that it has.
    gives: (Height, Height),
}

impl Giver {
    const fn is_free(&self) -> bool {
        self.questions < QUESTIONS_PER_PEER_MAX
    }

    /// Who is asked first has the least.
    const fn rank(&self) -> (u32, usize, bool) {
        (self.failures, self.questions, !self.is_outbound)
    }

    fn has(&self, height: Height) -> bool {
        (self.gives.0..=self.gives.1).contains(&height)
    }
}

impl Bodies {
    pub(super) const fn held_bytes(&self) -> usize {
        self.window.held_bytes()
    }

    pub(super) fn release(&mut self, request: RequestId) {
        self.window.release(request);
    }

    pub(super) fn missing(&self) -> usize {
        self.window.missing()
    }

    pub(super) fn block_at_hand(&self, id: &BlockHash) -> Option<&Arc<CheckedBlock>> {
        self.window.handed(id)?.block.as_ref()
    }

    /// Whether a block is on its way into the chain.
    pub(super) fn is_on_its_way(&self, id: &BlockHash) -> bool {
        self.window.handed(id).is_some()
    }

    pub(super) const fn window(&mut self) -> &mut Window {
        &mut self.window
    }

    /// Waits longer before somebody else is asked.
    fn be_patient(&mut self) {
        self.stall_ms = (self.stall_ms * 2).min(STALL_MS_MAX);
    }

    /// Learns from an answer how long blocks are here.
    fn learn(&mut self, asked: usize, sizes: &[usize]) {
        let Some(average) = sizes.iter().sum::<usize>().checked_div(sizes.len()) else { return };
        let is_cut = sizes.len() < asked;
        self.block_bytes = if is_cut { average } else { (3 * self.block_bytes + average) / 4 }.max(1);
    }
}

impl ChainSync {
    /// Hands out what has arrived, and asks for what is missing.
    pub(super) fn seek_bodies(&mut self, at: &Surroundings<'_>) {
        self.bodies.window.follow(at.tree);
        let bytes_max = HANDED_ANSWERS_MAX * SyncAnswer::bytes_max(at.spec);
        for (id, body) in self.bodies.window.hand_out(HANDED_BLOCKS_MAX, bytes_max) {
            self.outputs.push_back(Output::TakeBlock { id, body });
        }
        self.assign(at);
        self.look_for_stall(at);
    }

    /// When a peer that keeps everybody waiting is given up.
    pub(super) const fn stall_deadline(&self) -> Option<Moment> {
        self.bodies.stall
    }

    fn assign(&mut self, at: &Surroundings<'_>) {
        let mut givers = self.givers(at);
        // Looking for the first one that is wanted takes time, which would be in vain if nobody can be asked.
        while self.bodies.window.wanted() > 0 && givers.iter().any(Giver::is_free) {
            let wanted = || self.bodies.window.slots().filter(|slot| matches!(slot.state, State::Wanted));
            let Some(first) = wanted().next() else { break };
            let is_head = self.bodies.window.is_next(first.height);
            if !self.has_room(is_head, at) {
                break;
            }
            let free: usize = givers.iter().map(|giver| QUESTIONS_PER_PEER_MAX - giver.questions).sum();
            let fair = self.bodies.window.wanted().div_ceil(free.max(1)).max(SHARED_BLOCKS_MIN);
            let fits = SyncAnswer::bytes_max(at.spec) / self.bodies.block_bytes;
            let blocks_max = fair.min(fits).clamp(1, BLOCKS_MAX);
            givers.sort_by_key(Giver::rank);
            let question = givers.iter_mut().filter(|giver| giver.is_free()).find_map(|giver| {
                let (low, high) = giver.gives;
                let blocks: Vec<(BlockHash, Height)> = wanted()
                    .filter(|slot| (low..=high).contains(&slot.height))
                    .take(blocks_max)
                    .map(|slot| (slot.id, slot.height))
                    .collect();
                (!blocks.is_empty()).then(|| {
                    giver.questions += 1;
                    (giver.peer, blocks)
                })
            });
            let Some((peer, blocks)) = question else { break };
            let ids = blocks.iter().map(|(id, _)| *id).collect();
            let request = self.ask(peer, Purpose::Blocks, SyncQuestion::Blocks { ids }, at);
            for (id, height) in blocks {
                self.bodies.window.change(&id, height, State::Asked { request, peer, since: at.now });
            }
        }
    }

    /// Who can be asked for blocks.
    fn givers(&self, at: &Surroundings<'_>) -> Vec<Giver> {
        let unpaused = self.peers.iter().filter(|(_, peer)| peer.paused_until.is_none());
        let givers = unpaused.filter_map(|(key, peer)| {
            let is_theirs = |request: &&Request| request.peer == key && request.purpose == Purpose::Blocks;
            let questions = self.requests.values().filter(is_theirs).count();
            let (is_outbound, failures) = (peer.is_outbound, peer.failures);
            Some(Giver { peer: key, questions, is_outbound, failures, gives: peer.gives(at.tree)? })
        });
        givers.collect()
    }

    /// Whether one more answer can be borne.
    pub(super) fn has_room(&self, is_head: bool, at: &Surroundings<'_>) -> bool {
        let answer = SyncAnswer::bytes_max(at.spec);
        let asked = self.requests.values().filter(|request| request.is_for_blocks()).count();
        let kept_free = announced::ANSWERS_MAX + if is_head { 0 } else { 1 };
        let used = self.bodies.held_bytes().saturating_add((asked + 1 + kept_free).saturating_mul(answer));
        used <= self.limits.held_bytes
    }

    pub(super) fn blocks_answered(
        &mut self,
        id: RequestId,
        request: Request,
        blocks: Vec<BlockBytes>,
        at: &Surroundings<'_>,
    ) {
        if request.is_close_behind(at.now) {
            self.bodies.be_patient();
        }
        let (peer, SyncQuestion::Blocks { ids }) = (request.peer, request.question) else { return };
        let asked = ids.len();
        let mut fault = blocks.is_empty().then_some(Fault::Withheld);
        let mut sizes = Vec::with_capacity(blocks.len());
        for (wanted, bytes) in ids.iter().zip(blocks) {
            if !is_block(&bytes, wanted) {
                fault = Some(Fault::OtherBlock);
                break;
            }
            sizes.push(bytes.0.len());
            let Some(height) = at.tree.node(wanted).map(HeaderNode::height) else { continue };
            let slot = self.bodies.window.slot(wanted, height);
            // Another one may have been asked for it since.
            if slot.is_some_and(|slot| slot.state.is_awaited()) {
                self.bodies.window.change(wanted, height, State::Arrived { peer, bytes });
                self.overtake(wanted, at.now);
            }
        }
        self.bodies.learn(asked, &sizes);
        if sizes.len() < asked {
            self.bodies.release(id);
        }
        match fault {
            None => self.peers.gave_blocks(peer),
            Some(fault) => {
                self.peers.gave_no_block(peer, at.now);
                self.fault(peer, fault);
            }
        }
    }

    pub(super) fn block_taken(&mut self, id: &BlockHash, outcome: BlockOutcome, at: &Surroundings<'_>) {
        let Some(height) = at.tree.node(id).map(HeaderNode::height) else { return };
        let state = match outcome {
            BlockOutcome::Stored => State::Stored,
            BlockOutcome::WrongBody | BlockOutcome::Invalid => State::Wanted,
        };
        let Some(Handed { peer, block, .. }) = self.bodies.window.taken(id, height, state) else { return };
        // A new block is passed on before its transactions are verified, and given whole to whoever asks for it.
        let fault = match outcome {
            BlockOutcome::Stored => {
                self.bodies.stall_ms = (self.bodies.stall_ms * 7 / 8).max(STALL_MS_MIN);
                return;
            }
            BlockOutcome::WrongBody => Fault::Body,
            BlockOutcome::Invalid if block.is_some() || !self.peers.vouches_for(peer, id, at.tree) => return,
            BlockOutcome::Invalid => Fault::InvalidBlock,
        };
        self.peers.pause(peer, at.now);
        self.fault(peer, fault);
    }

    /// Looks after a block that everybody waits for, once it takes too long and there is another one to ask.
    fn look_for_stall(&mut self, at: &Surroundings<'_>) {
        self.bodies.stall = None;
        let is_waiting = |state: &State| !matches!(state, State::Handed | State::Stored);
        let Some(head) = self.bodies.window.slots().find(|slot| is_waiting(&slot.state)) else { return };
        let (id, height) = (head.id, head.height);
        let (giving, since) = match head.state {
            State::Asked { peer, since, .. } => (Some(peer), since),
            State::Compact { since } => (None, since),
            State::Wanted | State::Arrived { .. } | State::Handed | State::Stored => return,
        };
        // As long as there is something else to ask for, nobody waits.
        if self.bodies.window.wanted() > 0 && self.has_room(false, at) {
            return;
        }
        let asked = || self.requests.values().filter(|request| asks_for(&request.question, &id));
        let is_asked = |peer: PeerKey| asked().any(|request| request.peer == peer);
        let can_give = |giver: &&Giver| giver.is_free() && giver.has(height) && !is_asked(giver.peer);
        let givers = self.givers(at);
        let Some(next) = givers.iter().filter(can_give).min_by_key(|giver| giver.rank()) else {
            return;
        };
        // Each one more is asked after twice as long.
        let doublings = u32::try_from(asked().count().saturating_sub(1)).unwrap_or(u32::MAX);
        let patience_ms = self.bodies.stall_ms.saturating_mul(2_u64.saturating_pow(doublings)).min(STALL_MS_MAX);
        let patience = since.plus(patience_ms);
        if patience > at.now {
            self.bodies.stall = Some(patience);
            return;
        }
        match giving {
            // Others were faster.
            Some(peer) if self.bodies.window.has_arrived() => self.end_stall(peer, at),
            _ => self.ask_beside((id, height), next.peer, at),
        }
    }

    /// Asks one more peer for a block, and blames nobody: nothing tells yet whether the first one is slow or silent.
    fn ask_beside(&mut self, (id, height): (BlockHash, Height), peer: PeerKey, at: &Surroundings<'_>) {
        if !self.has_room(true, at) {
            return;
        }
        let request = self.ask(peer, Purpose::Blocks, SyncQuestion::Blocks { ids: vec![id] }, at);
        self.bodies.window.change(&id, height, State::Asked { request, peer, since: at.now });
        self.look_for_stall(at);
    }

    /// Notes that a block is here, for those who were asked for it as well. If it was this node's line that was slow, they come close behind, and
    /// nobody else is asked so soon again; who is silent makes nobody patient.
    pub(super) fn overtake(&mut self, id: &BlockHash, now: Moment) {
        for request in self.requests.values_mut().filter(|request| asks_for(&request.question, id)) {
            request.overtaken.get_or_insert(now);
        }
    }

    /// Asks others for all that a peer was asked for, which keeps everybody waiting.
    fn end_stall(&mut self, peer: PeerKey, at: &Surroundings<'_>) {
        self.bodies.be_patient();
        let is_theirs = |request: &Request| request.peer == peer && request.purpose == Purpose::Blocks;
        let theirs: Vec<RequestId> =
            self.requests.iter().filter(|(_, request)| is_theirs(request)).map(|(id, _)| *id).collect();
        for id in theirs {
            self.requests.remove(&id);
            self.bodies.release(id);
        }
        self.peers.gave_no_block(peer, at.now);
        self.fault(peer, Fault::Stalled);
        self.assign(at);
    }
}

/// Whether the answer is this block, or a part of it.
fn asks_for(question: &SyncQuestion, id: &BlockHash) -> bool {
    match question {
        SyncQuestion::Blocks { ids } => ids.contains(id),
        SyncQuestion::BlockTransactions { block, .. } => block == id,
        SyncQuestion::Headers { .. } | SyncQuestion::Transactions { .. } => false,
    }
}

/// Whether a block's bytes begin with the header of this id.
pub(super) fn is_block(bytes: &BlockBytes, id: &BlockHash) -> bool {
    bytes.0.first_chunk().is_some_and(|header: &[u8; Header::BYTES]| Header::from_bytes(header).id() == *id)
}
