//! A chain with more work that this node cannot follow.

use qbtc_core::hash::BlockHash;
use qbtc_core::units::{Height, Work};

/// Why a chain with more work is not followed: the way there takes back blocks that are pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a chain with more work leaves this one behind height {fork} with block {first}, but blocks below height {below} are pruned and \
     cannot be taken back: the node stays on the chain with less work; to follow the other one, stop the node, move its database away and \
     start it again"
)]
pub struct Unfollowed {
    /// The last block that both chains have.
    pub fork: Height,
    /// The other chain's block after that.
    pub first: BlockHash,
    /// From which height on blocks are whole here.
    pub below: Height,
    /// The other chain's work, as far as it is known. Once this node's chain has as much, the other one is tried again.
    pub work: Work,
}
