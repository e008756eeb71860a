//! The next blocks of the best header's chain, and what is being done for each.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Body, Moment, PeerKey, RequestId};
use crate::chain::HeaderTree;
use crate::hash::BlockHash;
use crate::net::BlockBytes;
use crate::units::Height;
use crate::verify::CheckedBlock;

/// How many blocks beyond the first missing one are looked after.
pub(super) const WINDOW_BLOCKS: usize = 2_048;

/// Blocks of one chain without gaps, the first missing one first. Empty, if none is missing.
#[derive(Debug, Default)]
pub(super) struct Window {
    slots: VecDeque<Slot>,
    counts: Counts,
    /// The bytes of bodies that wait here.
    arrived_bytes: usize,
    /// Blocks that are on their way into the chain, whether they still belong to it or not.
    handed: BTreeMap<BlockHash, Handed>,
    handed_bytes: usize,
}

/// How many slots are in which state: with thousands of them, nobody can look at each one for each block that comes.
#[derive(Debug, Default)]
struct Counts {
    wanted: usize,
    arrived: usize,
    stored: usize,
}

impl Counts {
    fn of(&mut self, state: &State) -> Option<&mut usize> {
        match state {
            State::Wanted => Some(&mut self.wanted),
            State::Arrived { .. } => Some(&mut self.arrived),
            State::Stored => Some(&mut self.stored),
            State::Asked { .. } | State::Compact { .. } | State::Handed => None,
        }
    }

    fn add(&mut self, state: &State) {
        self.of(state).into_iter().for_each(|count| *count += 1);
    }

    fn remove(&mut self, state: &State) {
        self.of(state).into_iter().for_each(|count| *count -= 1);
    }
}

/// A block that is on its way into the chain.
#[derive(Debug)]
pub(super) struct Handed {
    /// Who gave it.
    pub(super) peer: PeerKey,
    pub(super) bytes: usize,
    /// If it was put together from a compact block.
    pub(super) block: Option<Arc<CheckedBlock>>,
}

/// A block that is wanted.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: BlockHash,
    pub(super) height: Height,
    pub(super) state: State,
}

/// What is being done for a block.
#[derive(Debug)]
pub(super) enum State {
    /// Nothing yet.
    Wanted,
    /// A peer was asked for it.
    Asked { request: RequestId, peer: PeerKey, since: Moment },
    /// It is being put together from a compact block.
    Compact { since: Moment },
    /// It is here, and waits for those before it.
    Arrived { peer: PeerKey, bytes: BlockBytes },
    /// It is on its way into the chain.
    Handed,
    /// It is stored.
    Stored,
}

impl State {
    /// Whether its body is of use to whoever comes with it first.
    pub(super) const fn is_awaited(&self) -> bool {
        matches!(self, Self::Wanted | Self::Asked { .. } | Self::Compact { .. })
    }

    fn arrived_bytes(&self) -> usize {
        match self {
            Self::Arrived { bytes, .. } => bytes.0.len(),
            Self::Wanted | Self::Asked { .. } | Self::Compact { .. } | Self::Handed | Self::Stored => 0,
        }
    }
}

impl Window {
    /// Follows the tree: forgets what is complete or not in the best header's chain any more, and goes on where it ended.
    pub(super) fn follow(&mut self, tree: &HeaderTree) {
        let best = tree.best();
        while let Some(last) = self.slots.back()
            && !tree.is_in_chain(&last.id, &best.id())
        {
            self.arrived_bytes -= last.state.arrived_bytes();
            self.counts.remove(&last.state);
            self.slots.pop_back();
        }
        while let Some(first) = self.slots.front()
            && matches!(first.state, State::Stored)
        {
            self.counts.remove(&first.state);
            self.slots.pop_front();
        }
        let next = match self.slots.back() {
            Some(last) => last.height.next(),
            None => tree.missing_bodies(1, 1).first().and_then(|id| Some(tree.node(id)?.height())),
        };
        let Some(mut height) = next else { return };
        while self.slots.len() < WINDOW_BLOCKS
            && let Some(node) = tree.ancestor(&best.id(), height)
        {
            let state = match (node.has_body(), self.handed.contains_key(&node.id())) {
                (true, _) => State::Stored,
                (false, true) => State::Handed,
                (false, false) => State::Wanted,
            };
            self.counts.add(&state);
            self.slots.push_back(Slot { id: node.id(), height, state });
            let Some(next) = height.next() else { break };
            height = next;
        }
    }

    /// The blocks, the first missing one first.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// How many blocks nobody was asked for yet.
    pub(super) const fn wanted(&self) -> usize {
        self.counts.wanted
    }

    /// Whether some are here and wait for others.
    pub(super) const fn has_arrived(&self) -> bool {
        self.counts.arrived > 0
    }

    /// How many are not stored yet.
    pub(super) fn missing(&self) -> usize {
        self.slots.len() - self.counts.stored
    }

    /// The block at this height and of this id.
    pub(super) fn slot(&self, id: &BlockHash, height: Height) -> Option<&Slot> {
        self.slots.get(self.index(height)?).filter(|slot| slot.id == *id)
    }

    /// Whether nothing stands between this block and the chain but blocks that are on their way.
    pub(super) fn is_next(&self, height: Height) -> bool {
        let Some(index) = self.index(height) else { return false };
        self.slots.iter().take(index).all(|slot| matches!(slot.state, State::Handed | State::Stored))
    }

    /// Changes what is being done for a block, and returns what was before; `None` if it is not looked after.
    pub(super) fn change(&mut self, id: &BlockHash, height: Height, state: State) -> Option<State> {
        let index = self.index(height)?;
        let slot = self.slots.get_mut(index).filter(|slot| slot.id == *id)?;
        self.arrived_bytes += state.arrived_bytes();
        self.counts.add(&state);
        let before = core::mem::replace(&mut slot.state, state);
        self.arrived_bytes -= before.arrived_bytes();
        self.counts.remove(&before);
        Some(before)
    }

    /// Wants from somebody else what was asked for with this request.
    pub(super) fn release(&mut self, released: RequestId) {
        for slot in &mut self.slots {
            if matches!(slot.state, State::Asked { request, .. } if request == released) {
                slot.state = State::Wanted;
                self.counts.wanted += 1;
            }
        }
    }

    /// The next blocks that are here and have all before them on their way, as long as no more are on their way than these.
    pub(super) fn hand_out(&mut self, blocks_max: usize, bytes_max: usize) -> Vec<(BlockHash, Body)> {
        let mut bodies = Vec::new();
        for slot in &mut self.slots {
            match &mut slot.state {
                State::Stored | State::Handed => {}
                State::Arrived { .. } if self.handed.len() >= blocks_max || self.handed_bytes >= bytes_max => break,
                State::Arrived { peer, bytes } => {
                    let (peer, body) = (*peer, core::mem::replace(bytes, BlockBytes([].into())));
                    let bytes = body.0.len();
                    slot.state = State::Handed;
                    self.counts.arrived -= 1;
                    self.arrived_bytes -= bytes;
                    self.handed_bytes += bytes;
                    self.handed.insert(slot.id, Handed { peer, bytes, block: None });
                    bodies.push((slot.id, Body::Bytes(body)));
                }
                State::Wanted | State::Asked { .. } | State::Compact { .. } => break,
            }
        }
        bodies
    }

    /// Notes that a block is on its way into the chain.
    pub(super) fn hand(&mut self, id: &BlockHash, height: Height, handed: Handed) {
        self.change(id, height, State::Handed);
        self.handed_bytes += handed.bytes;
        if let Some(before) = self.handed.insert(*id, handed) {
            self.handed_bytes -= before.bytes;
        }
    }

    /// Notes that a block is not on its way any more; `None` if it was not.
    pub(super) fn taken(&mut self, id: &BlockHash, height: Height, state: State) -> Option<Handed> {
        let handed = self.handed.remove(id)?;
        self.handed_bytes -= handed.bytes;
        self.change(id, height, state);
        Some(handed)
    }

    /// A block that is on its way into the chain.
    pub(super) fn handed(&self, id: &BlockHash) -> Option<&Handed> {
        self.handed.get(id)
    }

    /// The bytes of bodies that wait here, or are on their way into the chain.
    pub(super) const fn held_bytes(&self) -> usize {
        self.arrived_bytes + self.handed_bytes
    }

    fn index(&self, height: Height) -> Option<usize> {
        let first = self.slots.front()?.height;
        usize::try_from(height.0.checked_sub(first.0)?).ok()
    }
}
