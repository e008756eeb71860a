//! The tree of alternatives whose root is an address.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Address, Conditions};
use crate::codec;
use crate::hash::tagged;

/// The sibling hashes from an alternative up to the root; none for an address with a single alternative.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Path(#[serde(deserialize_with = "codec::bounded::<_, _, { Path::DEPTH_MAX }>")] Vec<[u8; 32]>);

impl Path {
    /// The deepest tree.
    pub const DEPTH_MAX: usize = 8;

    /// The root that is reached from a leaf along this path.
    #[must_use]
    pub fn root_from(&self, leaf_hash: [u8; 32]) -> Address {
        Address::from_bytes(self.0.iter().fold(leaf_hash, |node, sibling| branch_hash(&node, sibling)))
    }

    /// How many levels lie between leaf and root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.len()
    }
}

/// The children are sorted, so that a path needs no left and right.
fn branch_hash(one: &[u8; 32], other: &[u8; 32]) -> [u8; 32] {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    tagged("qbtc/branch", &[low, high])
}

/// An address whose alternatives are known: what a wallet holds and a [`super::Witness`] shows a part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressTree {
    leaves: Vec<(Conditions, Path)>,
    root: Address,
}

/// Why alternatives make no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// No alternative at all.
    #[error("an address without alternatives: expected 1 to {}", AddressTree::LEAVES_MAX)]
    Empty,
    /// More alternatives than a tree of the greatest depth holds.
    #[error("an address with {found} alternatives: expected 1 to {}", AddressTree::LEAVES_MAX)]
    TooMany {
        /// Alternatives found.
        found: usize,
    },
}

impl AddressTree {
    /// The most alternatives of one address.
    pub const LEAVES_MAX: usize = 1 << Path::DEPTH_MAX;

    /// The address with these alternatives, as a tree of the least depth.
    ///
    /// # Errors
    /// [`TreeError`] for none or too many.
    pub fn new(alternatives: Vec<Conditions>) -> Result<Self, TreeError> {
        match alternatives.len() {
            0 => return Err(TreeError::Empty),
            found if found > Self::LEAVES_MAX => return Err(TreeError::TooMany { found }),
            _ => {}
        }
        let mut leaves: Vec<_> = alternatives.into_iter().map(|leaf| (leaf, Path::default())).collect();
        // Each node carries the range of leaves under it; neighbours are joined until one is left.
        let mut level: Vec<_> =
            leaves.iter().enumerate().map(|(at, (leaf, _))| (leaf.leaf_hash(), at..at + 1)).collect();
        while level.len() > 1 {
            level = level
                .chunks(2)
                .map(|children| match children {
                    [(left, under_left), (right, under_right)] => {
                        leaves[under_left.clone()].iter_mut().for_each(|(_, path)| path.0.push(*right));
                        leaves[under_right.clone()].iter_mut().for_each(|(_, path)| path.0.push(*left));
                        (branch_hash(left, right), under_left.start..under_right.end)
                    }
                    // A node without a neighbour moves up as it is.
                    alone => alone[0].clone(),
                })
                .collect();
        }
        Ok(Self { leaves, root: Address::from_bytes(level[0].0) })
    }

    /// The address of an ordinary wallet: one alternative, in which one key signs.
    #[must_use]
    pub fn single(alternative: Conditions) -> Self {
        let root = Path::default().root_from(alternative.leaf_hash());
        Self { leaves: alloc::vec![(alternative, Path::default())], root }
    }

    /// The address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.root
    }

    /// The alternatives, each with its path to the root.
    #[must_use]
    pub fn alternatives(&self) -> &[(Conditions, Path)] {
        &self.leaves
    }
}
