//! Positions of blocks in a chain.

use core::fmt;

use serde::{Deserialize, Serialize};

/// The number of blocks between a block and the genesis block, which has height 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Height(pub u32);

impl Height {
    /// The genesis block's.
    pub const GENESIS: Self = Self(0);

    /// The height of a child, or `None` at the end of the range.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        self.plus(1)
    }

    /// The height so many blocks above, or `None` at the end of the range.
    #[must_use]
    pub const fn plus(self, blocks: u32) -> Option<Self> {
        match self.0.checked_add(blocks) {
            Some(height) => Some(Self(height)),
            None => None,
        }
    }

    /// The height of the parent, or `None` for the genesis block.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(height) => Some(Self(height)),
            None => None,
        }
    }

    /// The number of blocks by which this height lies above another; zero if it does not.
    #[must_use]
    pub const fn above(self, other: Self) -> u32 {
        self.0.saturating_sub(other.0)
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
