//! Why a wallet could not follow the chain: what a node did not answer, or answered and did not prove.

use qbtc_core::block::BlockBytesError;
use qbtc_core::commit::filter::FilterError;
use qbtc_core::commit::merkle::MerkleError;
use qbtc_core::hash::{BlockHash, ChainId, FilterHash};
use qbtc_core::units::Height;
use qbtc_core::verify::{BlockError, HeaderError};
use qbtc_core::wallet::account::AccountError;

use super::TURNS_MAX;
use crate::client::ClientError;

/// Why a wallet could not follow the chain.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The node did not answer, or refused.
    #[error("{0}")]
    Source(#[from] ClientError),
    /// The node is on another chain.
    #[error("the node is on chain {found}, the wallet on {expected}; is --chain the node's?")]
    OtherChain {
        /// The id of the node's first block.
        found: BlockHash,
        /// The wallet's chain.
        expected: ChainId,
    },
    /// The node's chain lacks too many of the blocks that the wallet has seen.
    #[error(
        "the node's chain, of height {node}, has none of the last {lost} blocks that the wallet has seen: let the node catch up. If it \
         has, the chain has turned elsewhere, or the node lies; `qbtc wallet rescan` follows it all the same"
    )]
    DeepTurn {
        /// The node's height.
        node: Height,
        /// How many blocks of the wallet's it lacks.
        lost: u32,
    },
    /// The node has not got as far as the wallet's beginning.
    #[error("the node is at height {node}, below the wallet's birthday at {birthday}: let it catch up first")]
    Behind {
        /// The node's height.
        node: Height,
        /// The wallet's birthday.
        birthday: Height,
    },
    /// The node gives fewer or more answers than were asked for.
    #[error("the node answers with {found} items where {expected} were asked for")]
    Count {
        /// Items found.
        found: usize,
        /// Items asked for.
        expected: usize,
    },
    /// The node changes its branch faster than it can be followed.
    #[error("the node has changed to another branch {TURNS_MAX} times while it was asked; try again")]
    Restless,
    /// Bytes that are no block.
    #[error("block {id}: {error}")]
    BlockBytes {
        /// The block.
        id: BlockHash,
        /// What is wrong.
        error: BlockBytesError,
    },
    /// A block that breaks a rule: the node is broken, or lies.
    #[error("the node gives block {id}, which is not valid: {error}")]
    Block {
        /// The block.
        id: BlockHash,
        /// What is wrong.
        error: Box<BlockError>,
    },
    /// Another block than asked for.
    #[error("the node gives block {found} for {expected}")]
    OtherBlock {
        /// The block given.
        found: BlockHash,
        /// The block asked for.
        expected: BlockHash,
    },
    /// A header that breaks a rule.
    #[error("the node gives a block of height {height} that is not valid: {error}")]
    Header {
        /// The block's height.
        height: Height,
        /// What is wrong.
        error: HeaderError,
    },
    /// A filter without a proof.
    #[error(
        "the node cannot prove the filter of block {height}, as if an early version had pruned the block: ask another node, or \
         give --trust-filters to take its word"
    )]
    Unproven {
        /// The block's height.
        height: Height,
    },
    /// A proof that does not lead to the block's header.
    #[error("the node's proof of what block {id} commits to does not hold: {error}")]
    FalseProof {
        /// The block.
        id: BlockHash,
        /// What is wrong.
        error: MerkleError,
    },
    /// Bytes that are no filter.
    #[error("filter of block {id}: {error}")]
    Filter {
        /// The block.
        id: BlockHash,
        /// What is wrong.
        error: FilterError,
    },
    /// Another filter than the block commits to.
    #[error("the node gives a filter of hash {found} for block {id}, which commits to {expected}")]
    FalseFilter {
        /// The block.
        id: BlockHash,
        /// The filter's hash.
        found: FilterHash,
        /// The hash in the block.
        expected: FilterHash,
    },
    /// What was found does not fit the wallet.
    #[error(transparent)]
    Account(#[from] AccountError),
}
