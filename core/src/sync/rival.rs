//! The way around a block that is withheld.
//!
//! Headers say which chain has the most work, but only who has a block can give it. Whoever mines one and keeps it, or half of it, would have nodes
//! wait for it that saw its header first, though another block of the same height is to be had. So once the first missing block has kept this
//! node waiting for a while, the chain of a peer that goes another way, with more work than what is complete, is fetched too: one block at a
//! time, the lowest that is missing.
//!
//! Invariants: one such question is under way at a time, and counts among the bytes that are held; the window goes on following the best header,
//! so that a block that was only late is not given up.

use alloc::vec::Vec;

use super::peers::{Purpose, Request};
use super::window::{Handed, State};
use super::{Body, ChainSync, Moment, Output, PeerKey, Surroundings, bodies};
use crate::chain::{HeaderNode, Status};
use crate::hash::BlockHash;
use crate::net::{BlockBytes, Fault, SyncQuestion};
use crate::units::Height;

/// How long a node waits for the first missing block before it looks for another way.
const PATIENCE_MS: u64 = 15_000;
/// How often it looks then.
const LOOK_MS: u64 = 5_000;
/// The most blocks of another chain that are looked through for one that is missing.
const LOOKED_THROUGH_MAX: u32 = 2_048;

/// What is remembered of it.
#[derive(Debug, Default)]
pub(super) struct Rival {
    /// The first missing block of the best header's chain, and when to look for a way around it.
    head: Option<(BlockHash, Moment)>,
    is_asked: bool,
}

impl Rival {
    /// When to look for another way.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.head.filter(|_| !self.is_asked).map(|(_, look)| look)
    }

    pub(super) const fn end(&mut self) {
        self.is_asked = false;
    }
}

impl ChainSync {
    /// Asks for the next block of another chain, if one of the best keeps this node waiting for too long.
    pub(super) fn seek_rival(&mut self, at: &Surroundings<'_>) {
        let is_waiting = |state: &State| !matches!(state, State::Handed | State::Stored);
        let window = self.bodies.window();
        let first = window.slots().find(|slot| is_waiting(&slot.state)).map(|slot| slot.id);
        let known = self.rival.head.filter(|(id, _)| Some(*id) == first);
        self.rival.head = known.or(first.map(|id| (id, at.now.plus(PATIENCE_MS))));
        let Some((head, look)) = self.rival.head else { return };
        if self.rival.is_asked || at.now < look {
            return;
        }
        self.rival.head = Some((head, at.now.plus(LOOK_MS)));
        let Some((peer, id)) = self.way_around(&head, at).filter(|_| self.has_room(true, at)) else { return };
        self.rival.is_asked = true;
        self.ask(peer, Purpose::Rival(id), SyncQuestion::Blocks { ids: [id].into() }, at);
    }

    /// Who should be asked for which block.
    fn way_around(&self, head: &BlockHash, at: &Surroundings<'_>) -> Option<(PeerKey, BlockHash)> {
        let complete = at.tree.best_complete().work();
        let unpaused = self.peers.iter().filter(|(_, peer)| peer.paused_until.is_none());
        let tips = unpaused.flat_map(|(key, peer)| peer.tips().map(move |tip| (key, peer.is_outbound, *tip)));
        let known = tips.filter_map(|(key, is_outbound, tip)| Some((at.tree.node(&tip)?, is_outbound, key)));
        let mut ways: Vec<(&HeaderNode, bool, PeerKey)> = known
            .filter(|(tip, ..)| tip.status() != Status::Invalid && tip.work() > complete)
            .filter(|(tip, ..)| !at.tree.is_in_chain(head, &tip.id()))
            .collect();
        ways.sort_by_key(|(tip, is_outbound, _)| core::cmp::Reverse((tip.work(), *is_outbound)));
        ways.into_iter().find_map(|(tip, _, peer)| Some((peer, self.lowest_missing(tip, at)?)))
    }

    /// The lowest block below this tip that is neither here nor on its way.
    fn lowest_missing(&self, tip: &HeaderNode, at: &Surroundings<'_>) -> Option<BlockHash> {
        let fork = at.tree.fork(&tip.id(), &at.tree.best_complete().id())?;
        let above = (1..=LOOKED_THROUGH_MAX).map_while(|count| fork.height().0.checked_add(count));
        let mut nodes = above.map_while(|height| at.tree.ancestor(&tip.id(), Height(height)));
        let next = nodes.find(|node| !node.has_body())?;
        // Of one that is on its way the outcome is awaited.
        (!self.bodies.is_on_its_way(&next.id())).then(|| next.id())
    }

    pub(super) fn rival_answered(
        &mut self,
        request: &Request,
        id: &BlockHash,
        blocks: Vec<BlockBytes>,
        at: &Surroundings<'_>,
    ) {
        self.rival.end();
        let peer = request.peer;
        let fault = match blocks.into_iter().next() {
            Some(bytes) if bodies::is_block(&bytes, id) => {
                self.peers.gave_blocks(peer);
                return self.hand_rival(peer, id, bytes, at);
            }
            Some(_) => Fault::OtherBlock,
            None => Fault::Withheld,
        };
        self.peers.gave_no_block(peer, at.now);
        self.fault(peer, fault);
    }

    fn hand_rival(&mut self, peer: PeerKey, id: &BlockHash, bytes: BlockBytes, at: &Surroundings<'_>) {
        // It may have come another way meanwhile.
        let Some(node) = at.tree.node(id).filter(|node| !node.has_body()) else { return };
        if self.bodies.is_on_its_way(id) {
            return;
        }
        let handed = Handed { peer, bytes: bytes.0.len(), block: None };
        self.bodies.window().hand(id, node.height(), handed);
        self.outputs.push_back(Output::TakeBlock { id: *id, body: Body::Bytes(bytes) });
        // The next one is asked for at once.
        if let Some((_, look)) = &mut self.rival.head {
            *look = at.now;
        }
    }
}
