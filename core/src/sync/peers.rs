//! What the machine remembers of each peer, and of each question that is under way.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::survey::Survey;
use super::{Moment, PeerKey, Ticket};
use crate::chain::{HeaderTree, Status};
use crate::hash::BlockHash;
use crate::net::{Hello, Services, SyncQuestion};
use crate::units::{Height, Work};

/// How long an answer may take.
const HEADERS_TIMEOUT_MS: u64 = 20_000;
const BLOCKS_TIMEOUT_MS: u64 = 60_000;
const BLOCK_TRANSACTIONS_TIMEOUT_MS: u64 = 5_000;
/// For how long a peer that failed is not asked again: twice as long each time.
const PAUSE_MS: u64 = 10_000;
const PAUSE_DOUBLINGS_MAX: u32 = 6;

/// A question that is under way.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) peer: PeerKey,
    pub(super) purpose: Purpose,
    pub(super) question: SyncQuestion,
    pub(super) asked: Moment,
    /// When somebody else had given a block that it asks for.
    pub(super) overtaken: Option<Moment>,
}

/// What a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Headers,
    Blocks,
    /// Those that a compact block of this id did not bring.
    BlockTransactions(BlockHash),
    /// This block, which is not of the best header's chain.
    Rival(BlockHash),
}

impl Request {
    /// Whether it came about as soon as the block that somebody else gave meanwhile: its peer is as quick as others, and was asked for nothing.
    pub(super) fn is_close_behind(&self, now: Moment) -> bool {
        self.overtaken.is_some_and(|other| now.since(self.asked) <= 2 * other.since(self.asked))
    }

    /// Whether whole blocks come of it.
    pub(super) const fn is_for_blocks(&self) -> bool {
        matches!(self.purpose, Purpose::Blocks | Purpose::Rival(_))
    }

    /// When the peer has failed to answer.
    pub(super) const fn deadline(&self) -> Moment {
        self.asked.plus(match self.purpose {
            Purpose::Headers => HEADERS_TIMEOUT_MS,
            Purpose::Blocks | Purpose::Rival(_) => BLOCKS_TIMEOUT_MS,
            Purpose::BlockTransactions(_) => BLOCK_TRANSACTIONS_TIMEOUT_MS,
        })
    }
}

/// A peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) is_outbound: bool,
    pub(super) services: Services,
    /// The work that it says its chain has.
    pub(super) claimed: Work,
    /// The tip that it named when it came.
    tip: BlockHash,
    /// The block with the most work that it has shown to be in its chain, with all below it.
    best: Option<BlockHash>,
    /// The last block of which it gave the header as part of its chain.
    given: Option<BlockHash>,
    /// Whether there is a reason to ask it for headers.
    pub(super) wants_asking: bool,
    /// The headers that it is giving.
    pub(super) giving: Option<Box<Giving>>,
    /// Until then it is not asked.
    pub(super) paused_until: Option<Moment>,
    pauses: u32,
    /// How often it was asked in vain for blocks, or parts of them, since it last gave one. Headers make up for nothing.
    pub(super) failures: u32,
}

/// A peer that is giving its headers.
#[derive(Debug)]
pub(super) struct Giving {
    /// The work that it said its chain has before it was asked. What it says meanwhile may be of a longer chain than its answers.
    pub(super) claimed: Work,
    /// Since when.
    pub(super) since: Moment,
    /// How many answers it gave.
    pub(super) answers: u64,
    /// The work of what it gave.
    pub(super) shown: Work,
    /// Its chain shows too little work yet to be taken into the tree.
    pub(super) survey: Option<Survey>,
    /// Headers of it that are on their way into the tree.
    pub(super) ticket: Option<Ticket>,
}

impl Peer {
    /// The blocks that it should be able to give with all below them: the tip that it named, and what it has shown since.
    pub(super) fn tips(&self) -> impl Iterator<Item = &BlockHash> {
        [Some(&self.tip), self.best.as_ref()].into_iter().flatten()
    }

    /// From which height on, and up to which, it should be able to give blocks of the best header's chain: that of the tip that it named,
    /// once its header is known, and what it has shown since.
    pub(super) fn gives(&self, tree: &HeaderTree) -> Option<(Height, Height)> {
        let known = self.tips().filter_map(|id| tree.node(id));
        let shown = known.filter(|node| node.status() != Status::Invalid).max_by_key(|node| node.work())?;
        let fork = tree.fork(&shown.id(), &tree.best().id())?;
        let kept = if self.services.has(Services::ALL_BODIES.and(Services::ALL_WITNESSES)) {
            Height::GENESIS
        } else {
            Height(shown.height().0.saturating_sub(PRUNED_KEEPS))
        };
        Some((kept, fork.height()))
    }
}

/// Whether a peer has a tip that the node does not know, or not as a valid one.
fn is_news(hello: &Hello, tree: &HeaderTree) -> bool {
    tree.node(&hello.tip).is_none_or(|node| node.status() == Status::Invalid)
}

/// How many blocks below its tip a node that prunes is sure to have, with some left for the time that passes meanwhile.
const PRUNED_KEEPS: u32 = 288 - 16;

/// All peers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    peers: BTreeMap<PeerKey, Peer>,
    /// Who was asked for news last.
    asked_last: Option<PeerKey>,
}

impl Peers {
    pub(super) fn add(&mut self, key: PeerKey, hello: &Hello, is_outbound: bool, tree: &HeaderTree) {
        let peer = Peer {
            is_outbound,
            services: hello.services,
            claimed: hello.work,
            tip: hello.tip,
            best: None,
            given: None,
            wants_asking: is_news(hello, tree),
            giving: None,
            paused_until: None,
            pauses: 0,
            failures: 0,
        };
        self.peers.insert(key, peer);
    }

    /// Notes what a peer says of its chain now.
    pub(super) fn told(&mut self, key: PeerKey, hello: &Hello, tree: &HeaderTree) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.services = hello.services;
        peer.claimed = hello.work;
        peer.tip = hello.tip;
        peer.wants_asking |= is_news(hello, tree);
    }

    pub(super) fn remove(&mut self, key: PeerKey) {
        self.peers.remove(&key);
    }

    pub(super) fn peer(&mut self, key: PeerKey) -> Option<&mut Peer> {
        self.peers.get_mut(&key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PeerKey, &Peer)> {
        self.peers.iter().map(|(key, peer)| (*key, peer))
    }

    /// Notes that a peer has a block and all below it.
    pub(super) fn has_shown(&mut self, key: PeerKey, id: &BlockHash, tree: &HeaderTree) {
        let (Some(peer), Some(node)) = (self.peers.get_mut(&key), tree.node(id)) else { return };
        let before = peer.best.and_then(|best| tree.node(&best));
        if before.is_none_or(|before| before.work() < node.work()) {
            peer.best = Some(node.id());
        }
    }

    /// Notes that a peer gave this block's header as part of its chain.
    pub(super) fn has_given(&mut self, key: PeerKey, id: &BlockHash, tree: &HeaderTree) {
        self.has_shown(key, id, tree);
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.given = Some(*id);
        }
    }

    /// Whether a peer says that a block is in its chain, so that it has verified it. What it only passed on it may not have.
    pub(super) fn vouches_for(&self, key: PeerKey, id: &BlockHash, tree: &HeaderTree) -> bool {
        let Some(peer) = self.peers.get(&key) else { return false };
        [Some(&peer.tip), peer.given.as_ref()].into_iter().flatten().any(|tip| tree.is_in_chain(id, tip))
    }

    /// Asks a peer nothing for a while.
    pub(super) fn pause(&mut self, key: PeerKey, now: Moment) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.paused_until = Some(now.plus(PAUSE_MS << peer.pauses));
        peer.pauses = (peer.pauses + 1).min(PAUSE_DOUBLINGS_MAX);
    }

    /// Notes that a peer gave headers that were asked for.
    pub(super) fn gave_headers(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(&key).filter(|peer| peer.failures == 0) {
            peer.pauses = 0;
        }
    }

    /// Notes that a peer gave blocks that were asked for.
    pub(super) fn gave_blocks(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(&key) {
            (peer.pauses, peer.failures) = (0, 0);
        }
    }

    /// Notes that a peer was asked in vain for a block, or a part of it.
    pub(super) fn gave_no_block(&mut self, key: PeerKey, now: Moment) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.failures = peer.failures.saturating_add(1);
        }
        self.pause(key, now);
    }

    /// Ends what a peer was giving.
    pub(super) fn end_headers(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.giving = None;
        }
    }

    pub(super) fn giving(&mut self, key: PeerKey) -> Option<&mut Giving> {
        self.peers.get_mut(&key)?.giving.as_deref_mut()
    }

    /// Who should be asked for headers next: those that this node chose first, then those that claim the most work.
    pub(super) fn to_ask(&self) -> Option<PeerKey> {
        let is_idle = |peer: &Peer| peer.giving.is_none() && peer.paused_until.is_none();
        let idle = self.peers.iter().filter(|(_, peer)| peer.wants_asking && is_idle(peer));
        idle.max_by_key(|(_, peer)| (peer.is_outbound, peer.claimed)).map(|(key, _)| *key)
    }

    /// Those that are giving their headers.
    pub(super) fn givers(&self) -> impl Iterator<Item = (PeerKey, &Peer, &Giving)> {
        self.peers.iter().filter_map(|(key, peer)| Some((*key, peer, peer.giving.as_deref()?)))
    }

    /// Has one more peer asked for news: each in its turn, those that this node chose before the others.
    pub(super) fn ask_next_for_news(&mut self) {
        let outbound: Vec<PeerKey> = self.iter().filter(|(_, peer)| peer.is_outbound).map(|(key, _)| key).collect();
        let turn = if outbound.is_empty() { self.peers.keys().copied().collect() } else { outbound };
        let next = turn.iter().find(|key| Some(**key) > self.asked_last).or(turn.first()).copied();
        if let Some(peer) = next.and_then(|key| self.peers.get_mut(&key)) {
            peer.wants_asking = true;
        }
        self.asked_last = next;
    }

    /// Lets those be asked again that have waited for long enough.
    pub(super) fn end_pauses(&mut self, now: Moment) {
        for peer in self.peers.values_mut() {
            peer.paused_until = peer.paused_until.filter(|until| *until > now);
        }
    }

    /// When those that are not asked for a while may be asked again.
    pub(super) fn pauses(&self) -> impl Iterator<Item = Moment> {
        self.peers.values().filter_map(|peer| peer.paused_until)
    }
}
