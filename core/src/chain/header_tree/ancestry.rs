//! Questions about ancestors: forks, paths, locators.
//!
//! Each header points, besides to its parent, to one ancestor further down, as in Bitcoin Core's `CBlockIndex::pskip`, so that an
//! ancestor n blocks below is reached in about log2(n) steps and nothing here walks a whole chain.

use alloc::vec::Vec;

use super::node::Place;
use super::{HeaderNode, HeaderTree};
use crate::chain::Path;
use crate::hash::BlockHash;
use crate::units::Height;

impl HeaderTree {
    /// The most ids that [`HeaderTree::locator`] gives: ten, then one for each power of two, and the root.
    pub const LOCATOR_IDS_MAX: usize = 10 + 32 + 1;

    /// The ancestor of this header at a height (itself, at its own); `None` if there is none in the tree.
    #[must_use]
    pub fn ancestor(&self, id: &BlockHash, height: Height) -> Option<&HeaderNode> {
        let place = self.ancestor_place(self.place_of(id)?, height)?;
        Some(&self[place])
    }

    /// Whether a header is in the chain that ends with `tip`.
    #[must_use]
    pub fn is_in_chain(&self, id: &BlockHash, tip: &BlockHash) -> bool {
        let found = self.node(id).and_then(|node| self.ancestor(tip, node.height()));
        found.is_some_and(|node| node.id() == *id)
    }

    /// The last header that two chains share; `None` if one of them is not in the tree.
    #[must_use]
    pub fn fork(&self, a: &BlockHash, b: &BlockHash) -> Option<&HeaderNode> {
        let fork = self.fork_place(self.place_of(a)?, self.place_of(b)?);
        Some(&self[fork])
    }

    /// The way from one tip to another, at most `blocks_max` blocks of it; `None` if one of them is not in the tree. A way that
    /// is cut off is a way to a block in between: it leaves a valid chain, from which the next piece goes on.
    #[must_use]
    pub fn path(&self, from: &BlockHash, to: &BlockHash, blocks_max: usize) -> Option<Path> {
        let (from, to) = (self.place_of(from)?, self.place_of(to)?);
        let down_to = self.fork_place(from, to);
        let leaving = self[from].height.above(self[down_to].height);
        let limit = u32::try_from(blocks_max).unwrap_or(u32::MAX);
        let fork = match leaving.checked_sub(limit) {
            Some(left_over) if left_over > 0 => self.ascend(down_to, from, left_over),
            _ => down_to,
        };
        let disconnect: Vec<_> =
            self.ancestors(from).map(HeaderNode::id).take_while(|id| *id != self[fork].id).collect();
        let entering = self[to].height.above(self[fork].height).min(limit.saturating_sub(leaving));
        let mut connect = Vec::new();
        if entering > 0 {
            let last = self.ascend(fork, to, entering);
            connect = self.ancestors(last).map(HeaderNode::id).take_while(|id| *id != self[fork].id).collect();
            connect.reverse();
        }
        Some(Path { fork: self[fork].id, fork_height: self[fork].height, disconnect, connect })
    }

    /// Ids of the chain that ends with `tip`, highest first: each of the last ten, then ever sparser, down to the root. Whoever
    /// gets them finds a block that both know, close to the fork.
    #[must_use]
    pub fn locator(&self, tip: &BlockHash) -> Vec<BlockHash> {
        let mut ids = Vec::new();
        let Some(mut place) = self.place_of(tip) else { return ids };
        let mut step = 1;
        while place != Place::ROOT {
            ids.push(self[place].id);
            if ids.len() >= 10 {
                step *= 2;
            }
            place = self.descend(place, step);
        }
        ids.push(self[Place::ROOT].id);
        ids
    }

    /// The first header of somebody's locator that is in the chain that ends with `tip`; the root if there is none.
    #[must_use]
    pub fn locate(&self, locator: &[BlockHash], tip: &BlockHash) -> &HeaderNode {
        let known = locator.iter().find(|id| self.is_in_chain(id, tip));
        known.and_then(|id| self.node(id)).unwrap_or(&self[Place::ROOT])
    }

    /// The headers that follow `after` in the chain that ends with `tip`, at most `headers_max`; none if `after` is not in it.
    #[must_use]
    pub fn following(&self, after: &BlockHash, tip: &BlockHash, headers_max: usize) -> Vec<&HeaderNode> {
        match self.path(after, tip, headers_max) {
            Some(path) if path.disconnect.is_empty() => path.connect.iter().filter_map(|id| self.node(id)).collect(),
            _ => Vec::new(),
        }
    }

    /// A header and its ancestors, highest first.
    pub(super) fn ancestors(&self, place: Place) -> impl Iterator<Item = &HeaderNode> {
        let parent = |place: &Place| (*place != Place::ROOT).then(|| self[*place].parent);
        core::iter::successors(Some(place), parent).map(|place| &self[place])
    }

    pub(super) fn ancestor_place(&self, mut place: Place, height: Height) -> Option<Place> {
        if height > self[place].height || height < self[Place::ROOT].height {
            return None;
        }
        while self[place].height > height {
            place = self.step_towards(place, height);
        }
        Some(place)
    }

    /// One step down, not below `height`, which is below the header: along its skip pointer, unless that overshoots or the
    /// parent's skip pointer leads closer.
    pub(super) fn step_towards(&self, place: Place, height: Height) -> Place {
        let HeaderNode { parent, skip, .. } = self[place];
        let (lands, from_parent) = (self[skip].height, self[self[parent].skip].height);
        let parent_is_better = from_parent >= height && from_parent.0.saturating_add(2) < lands.0;
        if lands == height || lands > height && !parent_is_better { skip } else { parent }
    }

    /// Where the skip pointer of a child of this header leads: to the child's height above the root without its lowest one bit
    /// (for an odd one: the parent's without its lowest two, and one more), which makes descents logarithmic.
    pub(super) fn skip_of_child(&self, parent: Place) -> Place {
        let root = self[Place::ROOT].height;
        let above = self[parent].height.above(root) + 1;
        let without_lowest_one = |number: u32| number & number.wrapping_sub(1);
        let target = match above {
            0 | 1 => 0,
            odd if odd % 2 == 1 => without_lowest_one(without_lowest_one(odd - 1)) + 1,
            even => without_lowest_one(even),
        };
        let height = root.plus(target).expect("below the child's height");
        self.ancestor_place(parent, height).unwrap_or(Place::ROOT)
    }

    fn fork_place(&self, a: Place, b: Place) -> Place {
        let height = self[a].height.min(self[b].height);
        let level =
            |place| self.ancestor_place(place, height).expect("at or below its own height, at or above the root");
        let (mut a, mut b) = (level(a), level(b));
        while a != b {
            // Both stand at one height, so their skip pointers do too. If those differ, the fork is below them.
            let (skip_a, skip_b) = (self[a].skip, self[b].skip);
            (a, b) = if skip_a == skip_b { (self[a].parent, self[b].parent) } else { (skip_a, skip_b) };
        }
        a
    }

    /// The ancestor of `to` that stands `blocks` above its ancestor `from`.
    fn ascend(&self, from: Place, to: Place, blocks: u32) -> Place {
        let height = self[from].height.plus(blocks).expect("not above `to`");
        self.ancestor_place(to, height).expect("between two headers of one chain")
    }

    /// The ancestor that stands `blocks` below, or the root.
    fn descend(&self, place: Place, blocks: u32) -> Place {
        let height = Height(self[place].height.0.saturating_sub(blocks));
        self.ancestor_place(place, height).unwrap_or(Place::ROOT)
    }
}
