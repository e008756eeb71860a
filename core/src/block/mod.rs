//! Blocks: plain data and bytes.
//!
//! A block's bytes are header ‖ CompactSize(leaves) ‖ coinbase ‖ commitments ‖ transactions, each self-delimiting: what an
//! unmodified miner's `submitblock` concatenates. The leaves of its merkle tree are the coinbase's id, the commitments' id, and
//! the txids. By construction a [`Block`] has exactly one coinbase and exactly one set of commitments.
//!
//! Whether a block is valid is decided in [`crate::verify`].

mod coinbase;
mod commitments;
mod compact_size;

pub use coinbase::{Coinbase, CoinbaseError};
pub use commitments::Commitments;
pub use compact_size::{CompactSizeError, read_compact_size, write_compact_size};

use alloc::vec::Vec;

use crate::codec::{self, CodecError};
use crate::hash::{BlockHash, Txid};
use crate::header::Header;
use crate::tx::Transaction;

/// What an inner node of the merkle tree is hashed from, in bytes. Bytes of that length could be a leaf and a node at once
/// (CVE-2017-12842), so no leaf's may have it.
pub const NODE_PREIMAGE_BYTES: usize = 64;
const _: () = assert!(Commitments::BYTES != NODE_PREIMAGE_BYTES, "commitments are a leaf");

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The transaction that pays the miner: leaf 0.
    pub coinbase: Coinbase,
    /// What the block commits to beside its transactions: leaf 1.
    pub commitments: Commitments,
    /// The transactions: leaves 2 and up.
    pub transactions: Vec<Transaction>,
}

/// Why bytes are no block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockBytesError {
    /// More bytes than a block may have.
    #[error("block of {found} bytes exceeds the limit of {limit}")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The bytes end before the header or the number of leaves does.
    #[error("block of {found} bytes ends early")]
    Truncated {
        /// Bytes found.
        found: usize,
    },
    /// The number of leaves is not in its shortest form.
    #[error("number of leaves is not in its canonical encoding")]
    LeafCountNotCanonical,
    /// Fewer leaves than coinbase and commitments, or more than the bytes can hold.
    #[error("block of {found} leaves: expected 2 to {limit}")]
    LeafCount {
        /// Leaves stated.
        found: u64,
        /// The most for this number of bytes.
        limit: u64,
    },
    /// The coinbase.
    #[error(transparent)]
    Coinbase(#[from] CoinbaseError),
    /// A transaction.
    #[error("transaction {index}: {error}")]
    Transaction {
        /// Its place among the transactions, from 0.
        index: u64,
        /// What is wrong.
        error: CodecError,
    },
    /// Bytes follow the last transaction.
    #[error("{trailing} bytes after the last transaction")]
    Trailing {
        /// Bytes left over.
        trailing: usize,
    },
}

impl Block {
    /// The fewest bytes of an encoded transaction: more leaves than fit are refused at once. Version, one input with its
    /// length, one output's length, two heights, witnesses' length.
    pub(crate) const TRANSACTION_BYTES_MIN: usize = 1 + 1 + 33 + 1 + 1 + 1 + 1;

    /// The block's id, which is its header's.
    #[must_use]
    pub fn id(&self) -> BlockHash {
        self.header.id()
    }

    /// The block's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.header.to_bytes().to_vec();
        write_compact_size(&mut bytes, 2 + self.transactions.len() as u64);
        bytes.extend(self.coinbase.to_bytes());
        bytes.extend(self.commitments.to_bytes());
        for transaction in &self.transactions {
            bytes.extend(codec::encode(transaction));
        }
        bytes
    }

    /// The block of exactly these bytes.
    ///
    /// # Errors
    /// [`BlockBytesError`], if there are more than `limit` bytes or they are not the one encoding of a block.
    pub fn from_bytes(bytes: &[u8], limit: usize) -> Result<Self, BlockBytesError> {
        let found = bytes.len();
        if found > limit {
            return Err(BlockBytesError::TooLong { found, limit });
        }
        let (header, rest) = bytes.split_first_chunk().ok_or(BlockBytesError::Truncated { found })?;
        let (leaves, rest) = read_leaf_count(rest, found)?;
        let (coinbase, rest) = Coinbase::from_prefix(rest)?;
        let (commitments, mut rest) = rest.split_first_chunk().ok_or(BlockBytesError::Truncated { found })?;
        let mut transactions = Vec::new();
        for index in 0..leaves - 2 {
            let decoded = codec::decode_prefix(rest);
            let (transaction, after) = decoded.map_err(|error| BlockBytesError::Transaction { index, error })?;
            transactions.push(transaction);
            rest = after;
        }
        if !rest.is_empty() {
            return Err(BlockBytesError::Trailing { trailing: rest.len() });
        }
        Ok(Self {
            header: Header::from_bytes(header),
            coinbase,
            commitments: Commitments::from_bytes(commitments),
            transactions,
        })
    }

    /// The leaves of the merkle tree, in order.
    #[must_use]
    pub fn leaves(&self) -> Vec<Txid> {
        let txids = self.transactions.iter().map(Transaction::txid);
        [self.coinbase.id(), self.commitments.id()].into_iter().chain(txids).collect()
    }

    /// The block without witnesses; its id stays the same.
    #[must_use]
    pub fn strip_witnesses(mut self) -> Self {
        self.transactions.iter_mut().for_each(|transaction| transaction.witnesses.clear());
        self
    }
}

fn read_leaf_count(bytes: &[u8], found: usize) -> Result<(u64, &[u8]), BlockBytesError> {
    let read = read_compact_size(bytes).map_err(|_| BlockBytesError::LeafCountNotCanonical)?;
    let (leaves, rest) = read.ok_or(BlockBytesError::Truncated { found })?;
    let limit = 2 + rest.len() as u64 / Block::TRANSACTION_BYTES_MIN as u64;
    if !(2..=limit).contains(&leaves) {
        return Err(BlockBytesError::LeafCount { found: leaves, limit });
    }
    Ok((leaves, rest))
}
