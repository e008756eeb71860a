//! Blocks and their headers.

use qbtc_core::block::{Block, Coinbase, Commitments};
use qbtc_core::chain::HeaderNode;
use qbtc_core::hash::BlockHash;
use qbtc_core::spec::ChainSpec;
use serde::Serialize;
use utoipa::ToSchema;

use super::Money;
use super::transaction::Output;
use crate::json::difficulty;

/// A header, and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct BlockHeader {
    /// The block's id.
    pub(crate) id: String,
    /// Its height.
    pub(crate) height: u32,
    /// How many blocks of the chain confirm it, itself included; null for a block beside the chain.
    pub(crate) confirmations: Option<u32>,
    /// The id of the next block of the chain; null for the tip, and for a block beside the chain.
    pub(crate) next: Option<String>,
    /// The version, of which miners may vary some bits.
    pub(crate) version: u32,
    /// The parent's id.
    pub(crate) parent: String,
    /// The root of the tree over coinbase, commitments and transactions.
    pub(crate) merkle_root: String,
    /// When its miner says that it was made.
    pub(crate) time: u32,
    /// The target that it meets, in compact form.
    pub(crate) bits: String,
    /// What the miner has varied.
    pub(crate) nonce: u32,
    /// How many times more work it took than a block of difficulty 1.
    pub(crate) difficulty: f64,
    /// The work of all blocks up to it: an expected number of hashes, in hex.
    pub(crate) work: String,
    /// The 80 bytes, in hex.
    pub(crate) hex: String,
}

/// Where a block stands in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How many blocks confirm it; `None` beside the chain.
    pub(crate) confirmations: Option<u32>,
    /// The next block of the chain.
    pub(crate) next: Option<BlockHash>,
}

/// A block without its transactions.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BlockDetails {
    /// The header.
    pub(crate) header: BlockHeader,
    /// The size with witnesses, in bytes.
    pub(crate) size_bytes: usize,
    /// How many transactions there are beside the coinbase.
    pub(crate) transactions: usize,
    /// The transaction that pays the miner.
    pub(crate) coinbase: CoinbaseDetails,
    /// What the block commits to beside its transactions.
    pub(crate) commitments: CommitmentsDetails,
}

/// The transaction that pays the miner.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CoinbaseDetails {
    /// Its id, under which its outputs are spent.
    pub(crate) txid: String,
    /// The bytes that the miner has chosen freely, in hex.
    pub(crate) extra: String,
    /// Who gets the subsidy and the fees.
    pub(crate) outputs: Vec<Output>,
}

/// What a block commits to beside its transactions.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CommitmentsDetails {
    /// The merkle root over the transactions' ids with witnesses; zero where there are none.
    pub(crate) witness_root: String,
    /// The hash of the block's compact filter.
    pub(crate) filter_hash: String,
    /// The root of the history over all blocks up to the parent.
    pub(crate) history_root: String,
    /// The accumulator of unspent coins; zero until the chain activates it.
    pub(crate) utxo_root: String,
}

/// A block in a list.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct BlockLine {
    /// Its id.
    pub(crate) id: String,
    /// Its height.
    pub(crate) height: u32,
    /// When its miner says that it was made.
    pub(crate) time: u32,
    /// How many times more work it took than a block of difficulty 1.
    pub(crate) difficulty: f64,
    /// The size with witnesses, in bytes; null if the block is pruned.
    pub(crate) size_bytes: Option<usize>,
    /// How many transactions there are beside the coinbase; null if the block is pruned.
    pub(crate) transactions: Option<usize>,
    /// The fees that its miner took: what the coinbase pays beside the subsidy; null if the block is pruned, or too many transactions stand
    /// before that.
    pub(crate) fees: Option<Money>,
}

/// Blocks of the chain, the highest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BlockPage {
    /// The blocks.
    pub(crate) blocks: Vec<BlockLine>,
    /// What to ask for as `before` to get the blocks below these; null where there are none.
    pub(crate) next: Option<u32>,
}

impl BlockHeader {
    pub(crate) fn new(node: &HeaderNode, standing: Standing) -> Self {
        let header = node.header();
        Self {
            id: node.id().to_string(),
            height: node.height().0,
            confirmations: standing.confirmations,
            next: standing.next.map(|id| id.to_string()),
            version: header.version,
            parent: header.parent.to_string(),
            merkle_root: header.merkle_root.to_string(),
            time: header.time.0,
            bits: header.bits.to_string(),
            nonce: header.nonce,
            difficulty: difficulty(header.bits),
            work: node.work().to_string(),
            hex: hex::encode(header.to_bytes()),
        }
    }
}

impl BlockDetails {
    pub(crate) fn new(header: BlockHeader, block: &Block, size_bytes: usize, spec: &ChainSpec) -> Self {
        Self {
            header,
            size_bytes,
            transactions: block.transactions.len(),
            coinbase: CoinbaseDetails::new(&block.coinbase, spec),
            commitments: (&block.commitments).into(),
        }
    }
}

impl CoinbaseDetails {
    pub(crate) fn new(coinbase: &Coinbase, spec: &ChainSpec) -> Self {
        Self {
            txid: coinbase.id().to_string(),
            extra: hex::encode(&coinbase.extra),
            outputs: Output::list(&coinbase.outputs, spec),
        }
    }
}

impl From<&Commitments> for CommitmentsDetails {
    fn from(commitments: &Commitments) -> Self {
        Self {
            witness_root: commitments.witness_root.to_string(),
            filter_hash: commitments.filter_hash.to_string(),
            history_root: commitments.history_root.to_string(),
            utxo_root: commitments.utxo_root.to_string(),
        }
    }
}
