//! What a move from one tip to another changes.

use alloc::vec;
use alloc::vec::Vec;

use super::ChainState;
use super::state::leaf;
use crate::commit::mmr::Node;
use crate::spec::ChainSpec;
use crate::utxo::CoinDiff;
use crate::verify::{CheckedBlock, VerifiedBlock, genesis_block};

/// Everything that changes on the way from one tip to another: to be stored in one transaction, so that a crash falls before or
/// after it, never between.
#[derive(Clone, Debug)]
pub struct ChangeSet {
    /// The blocks that left the chain, the old tip first. Their transactions may go back to the mempool.
    pub disconnected: Vec<CheckedBlock>,
    /// The blocks that entered the chain, the lowest first, each with its undo data and filter.
    pub connected: Vec<VerifiedBlock>,
    /// How the coins change, over all these blocks.
    pub coins: CoinDiff,
    /// How many blocks of the history stay. The append-only list of its nodes is cut to
    /// [`nodes_len`](crate::commit::mmr::nodes_len) of this before [`ChangeSet::history_nodes`] are appended.
    pub history_keeps: u32,
    /// The nodes that the connected blocks append to the history.
    pub history_nodes: Vec<Node>,
    /// The chain afterwards.
    pub state: ChainState,
}

impl ChangeSet {
    /// The changes that make the genesis block's chain out of nothing.
    #[must_use]
    pub fn genesis(spec: &ChainSpec) -> Self {
        let block = genesis_block(spec);
        Self {
            disconnected: Vec::new(),
            coins: block.diff().clone(),
            history_keeps: 0,
            history_nodes: vec![leaf(block.block().header())],
            state: ChainState::genesis(spec),
            connected: vec![block],
        }
    }
}
