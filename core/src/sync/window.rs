//! The next blocks of the best header's chain, and what is being done for each.

use alloc::collections::VecDeque;
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
    /// The bytes of bodies that are here, or were handed out and not answered yet.
    held_bytes: usize,
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
    Compact,
    /// It is here, and waits for those before it.
    Arrived { peer: PeerKey, bytes: BlockBytes },
    /// It is on its way into the chain.
    Handed { peer: PeerKey, bytes: usize, block: Option<Arc<CheckedBlock>> },
    /// It is stored.
    Stored,
}

impl State {
    fn held_bytes(&self) -> usize {
        match self {
            Self::Arrived { bytes, .. } => bytes.0.len(),
            Self::Handed { bytes, .. } => *bytes,
            Self::Wanted | Self::Asked { .. } | Self::Compact | Self::Stored => 0,
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
            self.held_bytes -= last.state.held_bytes();
            self.slots.pop_back();
        }
        while let Some(first) = self.slots.front()
            && matches!(first.state, State::Stored)
        {
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
            let state = if node.has_body() { State::Stored } else { State::Wanted };
            self.slots.push_back(Slot { id: node.id(), height, state });
            let Some(next) = height.next() else { break };
            height = next;
        }
    }

    /// The blocks, the first missing one first.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// The block at this height and of this id.
    pub(super) fn slot(&self, id: &BlockHash, height: Height) -> Option<&Slot> {
        self.slots.get(self.index(height)?).filter(|slot| slot.id == *id)
    }

    /// Whether nothing stands between this block and the chain but blocks that are on their way.
    pub(super) fn is_next(&self, height: Height) -> bool {
        let Some(index) = self.index(height) else { return false };
        self.slots.iter().take(index).all(|slot| matches!(slot.state, State::Handed { .. } | State::Stored))
    }

    /// Changes what is being done for a block, and returns what was before; `None` if it is not looked after.
    pub(super) fn change(&mut self, id: &BlockHash, height: Height, state: State) -> Option<State> {
        let index = self.index(height)?;
        let slot = self.slots.get_mut(index).filter(|slot| slot.id == *id)?;
        self.held_bytes += state.held_bytes();
        let before = core::mem::replace(&mut slot.state, state);
        self.held_bytes -= before.held_bytes();
        Some(before)
    }

    /// Wants from somebody else what was asked for with this request.
    pub(super) fn release(&mut self, released: RequestId) {
        for slot in &mut self.slots {
            if matches!(slot.state, State::Asked { request, .. } if request == released) {
                slot.state = State::Wanted;
            }
        }
    }

    /// The next blocks that are here and have all before them on their way, as long as no more are on their way than these.
    pub(super) fn hand_out(&mut self, blocks_max: usize, bytes_max: usize) -> Vec<(BlockHash, Body)> {
        let mut handed = Vec::new();
        let (mut blocks, mut on_the_way) = (0, 0);
        for slot in &mut self.slots {
            match &mut slot.state {
                State::Stored => {}
                State::Handed { bytes, .. } => {
                    blocks += 1;
                    on_the_way += *bytes;
                }
                State::Arrived { peer, bytes } => {
                    if blocks >= blocks_max || on_the_way >= bytes_max {
                        break;
                    }
                    let (peer, bytes) = (*peer, core::mem::replace(bytes, BlockBytes([].into())));
                    blocks += 1;
                    on_the_way += bytes.0.len();
                    slot.state = State::Handed { peer, bytes: bytes.0.len(), block: None };
                    handed.push((slot.id, Body::Bytes(bytes)));
                }
                State::Wanted | State::Asked { .. } | State::Compact => break,
            }
        }
        handed
    }

    /// The bytes of bodies that are here, or were handed out and not answered yet.
    pub(super) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    fn index(&self, height: Height) -> Option<usize> {
        let first = self.slots.front()?.height;
        usize::try_from(height.0.checked_sub(first.0)?).ok()
    }
}
