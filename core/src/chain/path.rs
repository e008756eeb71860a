//! The way from one tip to another.

use alloc::vec::Vec;

use crate::hash::BlockHash;
use crate::units::Height;

/// The blocks to leave and to enter on the way from one tip to another, in the order of doing so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The last block that stays.
    pub fork: BlockHash,
    /// Its height.
    pub fork_height: Height,
    /// The blocks to leave, the tip first.
    pub disconnect: Vec<BlockHash>,
    /// The blocks to enter, the child of the fork first.
    pub connect: Vec<BlockHash>,
}

impl Path {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.disconnect.is_empty() && self.connect.is_empty()
    }
}
