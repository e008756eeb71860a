//! Where the header of an id stands. The ids are those of the tree's list and lie nowhere else.

use core::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::node::{HeaderNode, Place};
use crate::hash::BlockHash;

/// The places of all headers in the tree's list, to be found by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    table: HashTable<Place>,
    /// With a secret of its own: whoever makes headers cannot have them meet in one slot.
    hasher: DefaultHashBuilder,
}

impl Places {
    /// The place of the header with this id.
    pub(super) fn find(&self, id: &BlockHash, nodes: &[HeaderNode]) -> Option<Place> {
        self.table.find(self.hasher.hash_one(id), |place| nodes[place.index()].id == *id).copied()
    }

    /// Adds the last header of the list, whose id is in none of the others.
    pub(super) fn add_last(&mut self, nodes: &[HeaderNode]) {
        let Some((last, index)) = nodes.last().zip(u32::try_from(nodes.len() - 1).ok()) else { return };
        let hash_of = |place: &Place| self.hasher.hash_one(nodes[place.index()].id);
        self.table.insert_unique(self.hasher.hash_one(last.id), Place(index), hash_of);
    }
}
