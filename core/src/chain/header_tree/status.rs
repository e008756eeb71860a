//! Which blocks are there, which are invalid, and which tip is best.

use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::node::{ChildPlace, Place};
use super::{HeaderNode, HeaderTree};
use crate::hash::BlockHash;
use crate::units::Height;

/// Why the status of a block cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// It is not in the tree.
    #[error("header {id} is not known")]
    Unknown {
        /// The header.
        id: BlockHash,
    },
    /// It is the root, which is valid by definition.
    #[error("header {id} is the root of the tree, which cannot be invalid")]
    Root {
        /// The header.
        id: BlockHash,
    },
}

impl HeaderTree {
    /// The header with the most work that is not known to be invalid. Its bodies may be missing.
    #[must_use]
    pub fn best(&self) -> &HeaderNode {
        &self[self.best]
    }

    /// The block with the most work of which all bodies are there and none is known to be invalid: where the chain should go.
    #[must_use]
    pub fn best_complete(&self) -> &HeaderNode {
        &self[self.best_complete]
    }

    /// Notes that the body of a block is stored. Its roots have been checked ([`crate::verify::check_block`]), its place in the
    /// chain has not.
    ///
    /// # Errors
    /// [`TreeError::Unknown`].
    pub fn add_body(&mut self, id: &BlockHash) -> Result<(), TreeError> {
        let place = self.place(id)?;
        if !self[place].has_body {
            self[place].has_body = true;
            self.complete_from(place);
        }
        Ok(())
    }

    /// Notes that a block is invalid, and with it all that build on it.
    ///
    /// # Errors
    /// [`TreeError`], which leaves the tree as it was.
    pub fn mark_invalid(&mut self, id: &BlockHash) -> Result<(), TreeError> {
        let place = self.place(id)?;
        if place == Place::ROOT {
            return Err(TreeError::Root { id: *id });
        }
        self.for_descendants(place, |node| node.is_invalid = true);
        self.choose_best();
        Ok(())
    }

    /// Forgets that a block is invalid, and with it those below it and all that build on them, so that they are tried again.
    ///
    /// # Errors
    /// [`TreeError::Unknown`].
    pub fn reconsider(&mut self, id: &BlockHash) -> Result<(), TreeError> {
        let place = self.place(id)?;
        // Whatever builds on an invalid block is invalid, so the fault lies with the lowest of them.
        let mut lowest = place;
        while lowest != Place::ROOT && self[self[lowest].parent].is_invalid {
            lowest = self[lowest].parent;
        }
        self.for_descendants(lowest, |node| node.is_invalid = false);
        self.choose_best();
        Ok(())
    }

    /// The blocks of the best header's chain whose bodies are missing, lowest first, at most `blocks_max`, of the `window` blocks
    /// that follow the last complete one.
    #[must_use]
    pub fn missing_bodies(&self, blocks_max: usize, window: u32) -> Vec<BlockHash> {
        let complete = self.complete_height();
        let last = Height(complete.0.saturating_add(window).min(self.best().height.0));
        let Some(last) = self.ancestor_place(self.best, last) else { return Vec::new() };
        let above = self.ancestors(last).take_while(|node| node.height > complete);
        let mut missing: Vec<_> = above.filter(|node| !node.has_body).map(|node| node.id).collect();
        missing.reverse();
        missing.truncate(blocks_max);
        missing
    }

    /// The height up to which the best header's chain is complete. What is below a complete block is complete, so this is a
    /// binary search.
    fn complete_height(&self) -> Height {
        let (mut complete, mut beyond) = (self[Place::ROOT].height.0, self.best().height.0.saturating_add(1));
        while beyond - complete > 1 {
            let middle = complete + (beyond - complete) / 2;
            let is_complete = |place: Place| self[place].completed.is_some();
            if self.ancestor_place(self.best, Height(middle)).is_some_and(is_complete) {
                complete = middle;
            } else {
                beyond = middle;
            }
        }
        Height(complete)
    }

    fn place(&self, id: &BlockHash) -> Result<Place, TreeError> {
        self.place_of(id).ok_or(TreeError::Unknown { id: *id })
    }

    /// Completes a block that has its body, and those above it, if all below it are complete.
    pub(super) fn complete_from(&mut self, place: Place) {
        if self[self[place].parent].completed.is_none() {
            return;
        }
        let mut waiting = vec![place];
        while let Some(place) = waiting.pop() {
            self.completions = self.completions.checked_add(1).expect("at most once for each of 2^32 headers");
            self[place].completed = Some(self.completions);
            if !self[place].is_invalid && self[place].work > self[self.best_complete].work {
                self.best_complete = place;
            }
            waiting.extend(self.children(place).filter(|child| self[*child].has_body));
        }
    }

    fn choose_best(&mut self) {
        let valid = || (0..).map(Place).zip(&self.nodes).filter(|(_, node)| !node.is_invalid);
        let best = valid().max_by_key(|(place, node)| (node.work, Reverse(*place)));
        let complete = valid().filter_map(|(place, node)| Some((place, node, node.completed?)));
        let best_complete = complete.max_by_key(|(_, node, order)| (node.work, Reverse(*order)));
        let (best, best_complete) = (best.map(|(place, _)| place), best_complete.map(|(place, _, _)| place));
        self.best = best.expect(ROOT_IS_VALID);
        self.best_complete = best_complete.expect(ROOT_IS_VALID);
    }

    fn for_descendants(&mut self, place: Place, mut change: impl FnMut(&mut HeaderNode)) {
        let mut waiting = vec![place];
        while let Some(place) = waiting.pop() {
            change(&mut self[place]);
            waiting.extend(self.children(place));
        }
    }

    fn children(&self, place: Place) -> impl Iterator<Item = Place> {
        let next = |child: &ChildPlace| self[Place::from(*child)].next_sibling;
        core::iter::successors(self[place].first_child, next).map(Place::from)
    }
}

/// Why there always is a best header.
const ROOT_IS_VALID: &str = "the root is complete and never invalid";
