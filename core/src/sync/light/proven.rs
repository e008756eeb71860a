//! What a light client can say, and how much each of it has been shown.

use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::chain::BlockMark;
use crate::codec::{self, CodecError};
use crate::commit::merkle::{MerkleError, MerkleProof};
use crate::commit::mmr::{BlockProof, ProofError};
use crate::hash::{HistoryRoot, Txid};
use crate::header::Header;
use crate::tx::TxBody;

/// How much has been shown of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It stands in a block of the chain with the most work that was shown. That the block keeps all rules was not looked at: its miners
    /// have staked their work on it.
    Header,
    /// Beside that, nothing was left out: every block of the range was held against the filter to which it commits. This holds as far as
    /// miners commit to true filters, which full nodes demand of them.
    Filter,
    /// Every rule was checked, by a full node of one's own.
    Validated,
}

/// A value that was shown to be in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven<T> {
    /// The value.
    pub value: T,
    /// How much was shown.
    pub level: Level,
    /// The block where it stands.
    pub block: BlockMark,
    /// How many blocks its block and those above it are, at the time of the answer.
    pub confirmations: u32,
    /// What shows it to others.
    pub proof: PlaceProof,
}

impl Proven<Block> {
    /// A transaction of the block as a proven value of its own: whoever has the block needs nobody's index to show where a transaction is. `None`, if
    /// the block does not hold it, or it is the coinbase.
    #[must_use]
    pub fn into_transaction(self, txid: &Txid) -> Option<Proven<TxBody>> {
        let Self { value, level, block, confirmations, proof } = self;
        let leaves = value.leaves();
        let index = leaves.iter().position(|leaf| leaf == txid).and_then(|index| u32::try_from(index).ok())?;
        let transaction = value.transactions.into_iter().find(|transaction| transaction.txid() == *txid)?;
        let branch = MerkleProof::new(leaves.iter().map(|leaf| *leaf.as_bytes()).collect(), index).ok()?;
        let proof = PlaceProof { branch: Some(branch), ..proof };
        Some(Proven { value: transaction.body, level, block, confirmations, proof })
    }
}

/// Shows that something stands in the chain up to a tip: a block's place in the history, and a place in that block.
///
/// Whoever checks it knows the tip's history root, for instance from a sampled proof of the tip's work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceProof {
    /// The tip at the time.
    pub tip: BlockMark,
    /// The root of the history up to and with the tip.
    pub root: HistoryRoot,
    /// The block's header, and its place in that history.
    pub place: BlockProof,
    /// The way from a transaction to the header's merkle root, if this is about one.
    pub branch: Option<MerkleProof>,
}

/// Why a proof shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The block's place.
    #[error("place in the history: {0}")]
    Place(#[from] ProofError),
    /// The transaction's place.
    #[error("place in the block: {0}")]
    Branch(#[from] MerkleError),
    /// No branch, though it should be about a transaction.
    #[error("no branch from a transaction to the block")]
    NoBranch,
    /// No history of so many blocks.
    #[error("a tip beyond the highest height")]
    Height,
}

impl PlaceProof {
    /// The most bytes of an encoding.
    pub const BYTES_MAX: usize = 5 + 32 + 32 + BlockProof::BYTES_MAX + 1 + 5 + 1 + 32 * MerkleProof::DEPTH_MAX;

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> alloc::vec::Vec<u8> {
        codec::encode(self)
    }

    /// The proof of exactly these bytes.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }

    /// The header of the block, once its place in the history with this proof's root has been checked. Whether that root is the one of
    /// the best chain is for the caller to know.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn check_block(&self) -> Result<(BlockMark, Header), PlaceError> {
        let blocks = self.tip.height.next().ok_or(PlaceError::Height)?.0;
        let proven = self.place.check(self.root, blocks)?;
        Ok((BlockMark { height: proven.height, id: proven.id }, proven.header))
    }

    /// The block of a transaction, once both places have been checked; as [`Self::check_block`].
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn check_transaction(&self, body: &TxBody) -> Result<BlockMark, PlaceError> {
        let (block, header) = self.check_block()?;
        self.branch.as_ref().ok_or(PlaceError::NoBranch)?.check_transaction(body, header.merkle_root)?;
        Ok(block)
    }
}

/// A block that may concern the wallet: without witnesses, but with every leaf of its merkle tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundBlock {
    /// Height and id.
    pub mark: BlockMark,
    /// The block. Its transactions have no witnesses.
    pub block: Block,
}
