//! A block by height and id: what remains of it once it has been dealt with.

use serde::{Deserialize, Serialize};

use crate::hash::BlockHash;
use crate::units::Height;

/// A block, by height and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockMark {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub id: BlockHash,
}
