//! The rules of a block that need no chain: size, work, roots, coinbase, and each transaction in isolation.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::header::HeaderError;
use super::resolve::SpendError;
use super::transaction::{CheckedTx, TxError, check_outputs, check_transaction};
use crate::block::{Block, Coinbase, CoinbaseError, Commitments, write_compact_size};
use crate::commit::CommitmentsProof;
use crate::commit::merkle::{self, DuplicateNodes};
use crate::crypto::CryptoError;
use crate::hash::{BlockHash, FilterHash, HistoryRoot, MerkleRoot, Txid, UtxoRoot, WitnessRoot};
use crate::header::Header;
use crate::spec::ChainSpec;
use crate::tx::Transaction;
use crate::units::{Amount, Height};

/// A block that keeps the rules in isolation, with all its ids. Its transactions are shared with whoever held them before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedBlock {
    header: Header,
    id: BlockHash,
    coinbase: Coinbase,
    coinbase_id: Txid,
    commitments: Commitments,
    transactions: Vec<Arc<CheckedTx>>,
    size_bytes: u32,
}

/// Why a block is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Its header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Too large.
    #[error("block of {found} bytes exceeds the limit of {limit}")]
    Size {
        /// Bytes found.
        found: u64,
        /// Bytes allowed.
        limit: u32,
    },
    /// The merkle root is not that of the leaves. Says nothing about the header: the leaves may have been tampered with.
    #[error("merkle root {found} does not match the block's leaves, which give {expected}")]
    MerkleRoot {
        /// The header's root.
        found: MerkleRoot,
        /// The root of the leaves.
        expected: MerkleRoot,
    },
    /// The tree holds equal siblings (CVE-2012-2459). Says nothing about the header: the leaves may have been tampered with.
    #[error("merkle tree with equal siblings")]
    DuplicateLeaves,
    /// The witness root is not that of the transactions. Says nothing about the header.
    #[error("witness root {found} does not match the block's transactions, which give {expected}")]
    WitnessRoot {
        /// The root in the commitments.
        found: WitnessRoot,
        /// The root over the wtxids.
        expected: WitnessRoot,
    },
    /// The UTXO root is not zero, though the accumulator is not active.
    #[error("UTXO root {found}: expected zero, since the accumulator is not active")]
    UtxoRoot {
        /// The root in the commitments.
        found: UtxoRoot,
    },
    /// A coinbase of another chain.
    #[error("coinbase with the chain tag {found:02x?}: expected {expected:02x?}")]
    CoinbaseChain {
        /// The tag found.
        found: [u8; 4],
        /// This chain's.
        expected: [u8; 4],
    },
    /// A coinbase that names another parent than the header.
    #[error("coinbase names the parent {found}: expected {expected}, the header's")]
    CoinbaseParent {
        /// The parent found.
        found: BlockHash,
        /// The header's.
        expected: BlockHash,
    },
    /// A coinbase that cannot be one. Says nothing about the header.
    #[error(transparent)]
    Coinbase(#[from] CoinbaseError),
    /// The coinbase's outputs.
    #[error("coinbase: {0}")]
    CoinbaseOutputs(TxError),
    /// A transaction in isolation. Says nothing about the header: the roots, which tie a transaction to it, are checked later.
    #[error("transaction {index}: {error}")]
    Transaction {
        /// Its place among the transactions.
        index: usize,
        /// What is wrong.
        error: TxError,
    },
    /// The coinbase states another height.
    #[error("coinbase states height {found}: expected {expected}")]
    CoinbaseHeight {
        /// The height found.
        found: Height,
        /// The block's.
        expected: Height,
    },
    /// The history root is not that of the chain below.
    #[error("history root {found}: expected {expected}")]
    HistoryRoot {
        /// The root in the commitments.
        found: HistoryRoot,
        /// The root over all blocks up to the parent.
        expected: HistoryRoot,
    },
    /// A transaction in context.
    #[error("transaction {index}: {error}")]
    Spend {
        /// Its place among the transactions.
        index: usize,
        /// What is wrong.
        error: SpendError,
    },
    /// The fees exceed all the money there can be: only a broken store can cause this.
    #[error("fees exceed the money that can exist")]
    FeeSum,
    /// The coinbase pays out too much.
    #[error("coinbase pays {found} QBTC: subsidy and fees allow {limit}")]
    CoinbaseAmount {
        /// What it pays.
        found: Amount,
        /// Subsidy and fees.
        limit: Amount,
    },
    /// The filter hash is not that of the block's filter.
    #[error("filter hash {found}: expected {expected}")]
    FilterHash {
        /// The hash in the commitments.
        found: FilterHash,
        /// The hash of the filter.
        expected: FilterHash,
    },
    /// A signature.
    #[error("transaction {index}: {error}")]
    Signature {
        /// The transaction's place.
        index: usize,
        /// What is wrong.
        error: CryptoError,
    },
}

impl BlockError {
    /// Whether the error condemns the header for ever. Whatever is found before the roots have been compared does not, unless it
    /// lies in the header itself: somebody may have sent a good header with other transactions. Neither does a time in the future.
    #[must_use]
    pub const fn condemns_header(&self) -> bool {
        !matches!(
            self,
            Self::MerkleRoot { .. }
                | Self::DuplicateLeaves
                | Self::WitnessRoot { .. }
                | Self::Size { .. }
                | Self::Coinbase(_)
                | Self::Transaction { .. }
                | Self::Header(HeaderError::TimeTooNew { .. })
        )
    }
}

impl CheckedBlock {
    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The block's id.
    #[must_use]
    pub const fn id(&self) -> BlockHash {
        self.id
    }

    /// The coinbase.
    #[must_use]
    pub const fn coinbase(&self) -> &Coinbase {
        &self.coinbase
    }

    /// The coinbase's id.
    #[must_use]
    pub const fn coinbase_id(&self) -> Txid {
        self.coinbase_id
    }

    /// What the block commits to.
    #[must_use]
    pub const fn commitments(&self) -> &Commitments {
        &self.commitments
    }

    /// What the block commits to, with the proof for whoever has its header.
    #[must_use]
    pub fn commitments_proof(&self) -> CommitmentsProof {
        let txids = self.transactions.iter().map(|tx| tx.txid());
        let leaves: Vec<_> = [self.coinbase_id, self.commitments.id()].into_iter().chain(txids).collect();
        CommitmentsProof::new(self.commitments, &leaves).expect("its merkle root was computed from these")
    }

    /// The transactions.
    #[must_use]
    pub fn transactions(&self) -> &[Arc<CheckedTx>] {
        &self.transactions
    }

    /// The size with witnesses, in bytes.
    #[must_use]
    pub const fn size_bytes(&self) -> u32 {
        self.size_bytes
    }

    /// The genesis block, which is valid by definition.
    pub(super) fn genesis(spec: &ChainSpec) -> Self {
        let Block { header, coinbase, commitments, .. } = spec.genesis().clone();
        let (id, coinbase_id, transactions) = (header.id(), coinbase.id(), Vec::new());
        let size_bytes = check_size(&coinbase, &transactions, u32::MAX).expect("a coinbase is below 4 GiB");
        Self { header, id, coinbase, coinbase_id, commitments, transactions, size_bytes }
    }

    /// The block as plain data.
    #[must_use]
    pub fn to_block(&self) -> Block {
        Block {
            header: self.header,
            coinbase: self.coinbase.clone(),
            commitments: self.commitments,
            transactions: self.transactions.iter().map(|tx| tx.transaction().clone()).collect(),
        }
    }
}

/// Checks a block in isolation.
///
/// # Errors
/// [`BlockError`], the first rule that it breaks. Work comes first, so that an invalid block costs its maker more than us.
pub fn check_block(block: Block, spec: &ChainSpec) -> Result<CheckedBlock, BlockError> {
    let check = |transaction| check_transaction(transaction, spec.consensus()).map(Arc::new);
    check_block_with(block, spec, |transactions| transactions.into_iter().map(check).collect())
}

/// [`check_block`], where the caller runs [`check_transaction`] over all transactions: in parallel where there are threads, since
/// this hashes nearly all bytes of the block. `run` gives one outcome for each transaction, in their order.
///
/// # Errors
/// As [`check_block`].
///
/// # Panics
/// If `run` gives fewer or more outcomes.
pub fn check_block_with(
    block: Block,
    spec: &ChainSpec,
    run: impl FnOnce(Vec<Transaction>) -> Vec<Result<Arc<CheckedTx>, TxError>>,
) -> Result<CheckedBlock, BlockError> {
    check_work(&block.header, spec)?;
    check_unmined(block, spec, run)
}

/// [`check_block_with`] without the rule of the work.
pub(super) fn check_unmined(
    block: Block,
    spec: &ChainSpec,
    run: impl FnOnce(Vec<Transaction>) -> Vec<Result<Arc<CheckedTx>, TxError>>,
) -> Result<CheckedBlock, BlockError> {
    let count = block.transactions.len();
    let outcomes = run(block.transactions);
    assert_eq!(outcomes.len(), count, "one outcome for each transaction");
    let at_index =
        |(index, outcome): (usize, Result<_, _>)| outcome.map_err(|error| BlockError::Transaction { index, error });
    let transactions = outcomes.into_iter().enumerate().map(at_index).collect::<Result<_, _>>()?;
    assemble_unmined(block.header, block.coinbase, block.commitments, transactions, spec)
}

/// Puts a block together from transactions that were checked before, such as those of the mempool that a compact block names.
///
/// # Errors
/// [`BlockError`], the first rule of a block in isolation that it breaks.
pub fn assemble_block(
    header: Header,
    coinbase: Coinbase,
    commitments: Commitments,
    transactions: Vec<Arc<CheckedTx>>,
    spec: &ChainSpec,
) -> Result<CheckedBlock, BlockError> {
    check_work(&header, spec)?;
    assemble_unmined(header, coinbase, commitments, transactions, spec)
}

/// [`assemble_block`] without the rule of the work.
fn assemble_unmined(
    header: Header,
    coinbase: Coinbase,
    commitments: Commitments,
    transactions: Vec<Arc<CheckedTx>>,
    spec: &ChainSpec,
) -> Result<CheckedBlock, BlockError> {
    // Rule: the coinbase is one that can be decoded. Decoding has checked it; this one may have been put together.
    coinbase.check_length()?;
    let size_bytes = check_size(&coinbase, &transactions, spec.consensus().limits.block_bytes)?;
    let coinbase_id = coinbase.id();
    check_merkle_root(&header, coinbase_id, &commitments, &transactions)?;
    check_commitments(&commitments, &transactions)?;
    check_coinbase(&coinbase, &header, spec)?;
    Ok(CheckedBlock { header, id: header.id(), coinbase, coinbase_id, commitments, transactions, size_bytes })
}

/// Rule: the header's hash meets the target that it claims. Whether that is the right target is the header's rule in context.
fn check_work(header: &Header, spec: &ChainSpec) -> Result<(), BlockError> {
    spec.consensus().pow.check_work(header).map_err(HeaderError::Work)?;
    Ok(())
}

fn check_size(coinbase: &Coinbase, transactions: &[Arc<CheckedTx>], limit: u32) -> Result<u32, BlockError> {
    let mut envelope = Vec::with_capacity(9);
    write_compact_size(&mut envelope, 2 + transactions.len() as u64);
    let fixed = Header::BYTES + envelope.len() + coinbase.to_bytes().len() + Commitments::BYTES;
    let found = transactions.iter().map(|tx| u64::from(tx.size_bytes())).sum::<u64>() + fixed as u64;
    // Rule: the block's bytes, witnesses included, are within the limit.
    u32::try_from(found).ok().filter(|size| *size <= limit).ok_or(BlockError::Size { found, limit })
}

fn check_merkle_root(
    header: &Header,
    coinbase_id: Txid,
    commitments: &Commitments,
    transactions: &[Arc<CheckedTx>],
) -> Result<(), BlockError> {
    let txids = transactions.iter().map(|tx| tx.txid().to_bytes());
    let leaves = [coinbase_id.to_bytes(), commitments.id().to_bytes()].into_iter().chain(txids).collect();
    // Rule: no two siblings of the tree are equal (CVE-2012-2459).
    let root = merkle::root(leaves).map_err(|DuplicateNodes| BlockError::DuplicateLeaves)?;
    // Rule: the header's merkle root is that of coinbase, commitments and transactions.
    let expected = MerkleRoot::from_bytes(root);
    if header.merkle_root != expected {
        return Err(BlockError::MerkleRoot { found: header.merkle_root, expected });
    }
    Ok(())
}

fn check_commitments(commitments: &Commitments, transactions: &[Arc<CheckedTx>]) -> Result<(), BlockError> {
    let wtxids = transactions.iter().map(|tx| tx.wtxid().to_bytes()).collect();
    // Rule: the witness root is the merkle root over the wtxids, zero where there are none.
    let root = merkle::root(wtxids).map_err(|DuplicateNodes| BlockError::DuplicateLeaves)?;
    let expected = WitnessRoot::from_bytes(root);
    if commitments.witness_root != expected {
        return Err(BlockError::WitnessRoot { found: commitments.witness_root, expected });
    }
    // Rule: the UTXO root is zero until the accumulator is active.
    if commitments.utxo_root != UtxoRoot::ZERO {
        return Err(BlockError::UtxoRoot { found: commitments.utxo_root });
    }
    Ok(())
}

fn check_coinbase(coinbase: &Coinbase, header: &Header, spec: &ChainSpec) -> Result<(), BlockError> {
    // Rule: the coinbase carries the tag of this chain.
    let expected = Coinbase::chain_tag(&spec.chain_id());
    if coinbase.chain_tag != expected {
        return Err(BlockError::CoinbaseChain { found: coinbase.chain_tag, expected });
    }
    // Rule: the coinbase names the header's parent.
    if coinbase.parent != header.parent {
        return Err(BlockError::CoinbaseParent { found: coinbase.parent, expected: header.parent });
    }
    // Rule: its outputs keep the rules of outputs.
    check_outputs(&coinbase.outputs, spec.consensus()).map_err(BlockError::CoinbaseOutputs)
}
