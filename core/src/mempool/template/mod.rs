//! Block templates: all of a block but the work.
//!
//! A template is made in two steps, so that a pool of miners with an address each chooses transactions once: the transactions and what
//! they commit to, then the coinbase and the branch to it. What a miner varies (version, time, nonce, extranonce) touches neither:
//! a header costs the hash of the coinbase and of one branch.
//!
//! Invariant: with work found for it, a template's block is valid on its parent. Nothing here checks again what the pool's entries
//! are known to be.

mod coinbase;

pub use coinbase::{CoinbaseParts, EXTRANONCE_BYTES, Extranonce, Payout};

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Mempool;
use super::select::{Fees, select};
use crate::block::{Block, Coinbase, Commitments};
use crate::codec;
use crate::commit::merkle;
use crate::hash::{BlockHash, HistoryRoot, MerkleRoot, Txid, UtxoRoot, WitnessRoot, sha256d};
use crate::header::Header;
use crate::spec::ChainSpec;
use crate::units::{Amount, BlockTime, CompactBits, Height};
use crate::verify::{
    BlockError, CheckedBlock, CheckedTx, ResolvedTx, TxError, assemble_block, block_filter, check_outputs,
};

/// What a template must know of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateContext {
    /// The tip's id.
    pub parent: BlockHash,
    /// The height of the block to be made, the one above the tip's.
    pub height: Height,
    /// The version to start from; miners may roll its bits 13 to 28.
    pub version: u32,
    /// The bits that the difficulty rule demands.
    pub bits: CompactBits,
    /// The median time of the last eleven blocks.
    pub median_time_past: BlockTime,
    /// The root of the history over all blocks up to the tip.
    pub history_root: HistoryRoot,
}

/// All of a block but the work.
#[derive(Clone, Debug)]
pub struct BlockTemplate {
    selection: Arc<Selection>,
    coinbase: Coinbase,
    parts: CoinbaseParts,
    commitments: Commitments,
    branch: Vec<[u8; 32]>,
    size_bytes: u32,
}

/// The transactions of a template, with all that does not depend on who is paid.
#[derive(Clone, Debug)]
struct Selection {
    context: TemplateContext,
    transactions: Vec<TemplateTx>,
    size_bytes: u64,
    fees: Amount,
    subsidy: Amount,
    witness_root: WitnessRoot,
}

/// A transaction of a template.
#[derive(Clone, Debug)]
pub struct TemplateTx {
    resolved: ResolvedTx,
    depends: Vec<u32>,
}

/// What a miner found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solution {
    /// The header's version.
    pub version: u32,
    /// The header's time.
    pub time: BlockTime,
    /// The header's nonce.
    pub nonce: u32,
    /// The coinbase's extranonce.
    pub extranonce: Extranonce,
}

/// Why there is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The pool follows another tip.
    #[error("template for height {found}: the pool holds transactions for height {expected}")]
    Height {
        /// The height asked for.
        found: Height,
        /// The height of the pool.
        expected: Height,
    },
    /// A message that does not fit beside the extranonce.
    #[error("message of {found} bytes: at most {} fit beside the extranonce", Payout::MESSAGE_BYTES_MAX)]
    Message {
        /// Bytes found.
        found: usize,
    },
    /// More is to be paid than there is.
    #[error("outputs of {found} QBTC exceed the block's {limit} QBTC")]
    Payout {
        /// Sum of the fixed outputs.
        found: Amount,
        /// Subsidy and fees.
        limit: Amount,
    },
    /// Outputs that no coinbase may have.
    #[error("outputs of the coinbase: {0}")]
    Outputs(TxError),
    /// So many outputs that the block exceeds its limit.
    #[error("block of {found} bytes exceeds the limit of {limit}: the coinbase is too large")]
    Size {
        /// Bytes found.
        found: u64,
        /// Bytes allowed.
        limit: u32,
    },
}

/// The bytes of a block beside coinbase and transactions: header, number of leaves at its longest, commitments.
const ENVELOPE_BYTES: u64 = (Header::BYTES + 5 + Commitments::BYTES) as u64;
/// What is kept free for the coinbase at least, so that a template can be given to others with a few outputs more.
const COINBASE_BYTES_KEPT: u64 = 1_000;
/// What a block with an ordinary coinbase does not leave to transactions.
pub(super) const TEMPLATE_BYTES_KEPT: u64 = ENVELOPE_BYTES + COINBASE_BYTES_KEPT;

impl Mempool {
    /// A template on top of the tip, with the transactions that pay most.
    ///
    /// # Errors
    /// [`TemplateError`], if the pool follows another tip or the payout is not possible.
    pub fn template(
        &self,
        context: &TemplateContext,
        payout: &Payout,
        spec: &ChainSpec,
    ) -> Result<BlockTemplate, TemplateError> {
        if context.height != self.height() {
            return Err(TemplateError::Height { found: context.height, expected: self.height() });
        }
        // With all the money there can be, so that no amount is longer in the end; and with room for a miner to append to the free
        // bytes as many as they may have.
        let longest = coinbase(context, payout, spec.consensus().supply_max, spec)?;
        let unused = Coinbase::EXTRA_BYTES_MAX - longest.extra.len();
        let reserved = ((longest.to_bytes().len() + unused) as u64).max(COINBASE_BYTES_KEPT);
        let limit = u64::from(spec.consensus().limits.block_bytes);
        let space_bytes = limit.saturating_sub(ENVELOPE_BYTES + reserved);
        BlockTemplate::new(Arc::new(self.choose(context, space_bytes, spec)), payout, spec)
    }

    fn choose(&self, context: &TemplateContext, space_bytes: u64, spec: &ChainSpec) -> Selection {
        let sequences = self.entries().map(super::MempoolEntry::sequence).collect();
        let selected = select(&self.graph, sequences, Fees::Modified, space_bytes);
        let mut places = hashbrown::HashMap::with_capacity(selected.len());
        let mut transactions = Vec::with_capacity(selected.len());
        for (chosen, place) in selected.iter().zip(0..) {
            let parents = self.graph.parents(chosen.sequence).iter();
            let depends = parents.map(|parent| places[parent]).collect();
            transactions.push(TemplateTx { resolved: self.graph.entry(chosen.sequence).resolved().clone(), depends });
            places.insert(chosen.sequence, place);
        }
        let wtxids = transactions.iter().map(|tx| tx.tx().wtxid().to_bytes()).collect();
        let fees = Amount::checked_sum(transactions.iter().map(TemplateTx::fee));
        Selection {
            context: *context,
            size_bytes: transactions.iter().map(|tx| u64::from(tx.tx().size_bytes())).sum(),
            fees: fees.expect("fees are different money, all of which exists"),
            subsidy: spec.consensus().subsidy(context.height),
            witness_root: WitnessRoot::from_bytes(merkle::root(wtxids).expect(IDS_DIFFER)),
            transactions,
        }
    }
}

/// Why a merkle tree over what a pool holds has no equal siblings.
const IDS_DIFFER: &str = "the pool holds each transaction once, and nodes are hashes of different bytes";

/// The coinbase that pays an amount, with an extranonce of zeros.
fn coinbase(
    context: &TemplateContext,
    payout: &Payout,
    total: Amount,
    spec: &ChainSpec,
) -> Result<Coinbase, TemplateError> {
    let outputs = payout.outputs(total)?;
    check_outputs(&outputs, spec.consensus()).map_err(TemplateError::Outputs)?;
    Ok(Coinbase {
        chain_tag: Coinbase::chain_tag(&spec.chain_id()),
        height: context.height,
        parent: context.parent,
        extra: payout.extra([0; EXTRANONCE_BYTES])?,
        outputs,
    })
}

impl BlockTemplate {
    fn new(selection: Arc<Selection>, payout: &Payout, spec: &ChainSpec) -> Result<Self, TemplateError> {
        let Selection { context, transactions, .. } = &*selection;
        let coinbase = coinbase(context, payout, selection.total(), spec)?;
        let outputs = transactions.iter().flat_map(|tx| &tx.tx().body().outputs);
        let spent = transactions.iter().flat_map(|tx| tx.resolved.spent());
        let commitments = Commitments {
            witness_root: selection.witness_root,
            filter_hash: block_filter(&context.parent, coinbase.outputs.iter().chain(outputs), spent).hash(),
            history_root: context.history_root,
            utxo_root: UtxoRoot::ZERO,
        };
        let txids = transactions.iter().map(|tx| tx.tx().txid().to_bytes());
        let others: Vec<_> = [commitments.id().to_bytes()].into_iter().chain(txids).collect();
        let branch = merkle::first_leaf_branch(&others).expect(IDS_DIFFER);
        let parts = CoinbaseParts::of(&coinbase);
        let coinbase_bytes = parts.prefix.len() + EXTRANONCE_BYTES + parts.suffix.len();
        let found = ENVELOPE_BYTES + coinbase_bytes as u64 + selection.size_bytes;
        let limit = spec.consensus().limits.block_bytes;
        let size_bytes =
            u32::try_from(found).ok().filter(|size| *size <= limit).ok_or(TemplateError::Size { found, limit })?;
        Ok(Self { coinbase, parts, commitments, branch, size_bytes, selection })
    }

    /// The same transactions for somebody else.
    ///
    /// # Errors
    /// [`TemplateError`], if the payout is not possible.
    pub fn with_payout(&self, payout: &Payout, spec: &ChainSpec) -> Result<Self, TemplateError> {
        Self::new(Arc::clone(&self.selection), payout, spec)
    }

    /// The place in the chain that it was made for.
    #[must_use]
    pub fn context(&self) -> &TemplateContext {
        &self.selection.context
    }

    /// The earliest time that the header may state.
    #[must_use]
    pub fn time_min(&self) -> BlockTime {
        self.selection.context.median_time_past.saturating_add(1)
    }

    /// The transactions in order: each comes after those it depends on.
    #[must_use]
    pub fn transactions(&self) -> &[TemplateTx] {
        &self.selection.transactions
    }

    /// What the transactions leave to the miner.
    #[must_use]
    pub fn fees(&self) -> Amount {
        self.selection.fees
    }

    /// What the coinbase pays: subsidy and fees.
    #[must_use]
    pub fn value(&self) -> Amount {
        self.selection.total()
    }

    /// The size of the block in bytes, at most.
    #[must_use]
    pub const fn size_bytes(&self) -> u32 {
        self.size_bytes
    }

    /// The coinbase, with an extranonce of zeros.
    #[must_use]
    pub const fn coinbase(&self) -> &Coinbase {
        &self.coinbase
    }

    /// The coinbase's bytes around the extranonce.
    #[must_use]
    pub const fn coinbase_parts(&self) -> &CoinbaseParts {
        &self.parts
    }

    /// What the block commits to: leaf 1, which to a miner is one more transaction of 128 bytes.
    #[must_use]
    pub const fn commitments(&self) -> &Commitments {
        &self.commitments
    }

    /// The siblings on the way from the coinbase to the merkle root, lowest first: Stratum's `merkle_branch`.
    #[must_use]
    pub fn branch(&self) -> &[[u8; 32]] {
        &self.branch
    }

    /// The header of a solution. Costs the hashes of the coinbase and of the branch.
    #[must_use]
    pub fn header(&self, solution: &Solution) -> Header {
        let coinbase = sha256d(&self.parts.with(&solution.extranonce));
        Header {
            version: solution.version,
            parent: self.selection.context.parent,
            merkle_root: MerkleRoot::from_bytes(merkle::root_of_first_leaf(coinbase, &self.branch)),
            time: solution.time,
            bits: self.selection.context.bits,
            nonce: solution.nonce,
        }
    }

    /// The block of a solution.
    #[must_use]
    pub fn block(&self, solution: &Solution) -> Block {
        Block {
            header: self.header(solution),
            coinbase: self.coinbase_with(&solution.extranonce),
            commitments: self.commitments,
            transactions: self.transactions().iter().map(|tx| tx.tx().transaction().clone()).collect(),
        }
    }

    /// The checked block of a solution: its transactions are those of the pool, neither copied nor checked again.
    ///
    /// # Errors
    /// [`BlockError`]: above all, if the solution has not the work.
    pub fn checked_block(&self, solution: &Solution, spec: &ChainSpec) -> Result<CheckedBlock, BlockError> {
        let transactions = self.transactions().iter().map(|tx| Arc::clone(tx.tx())).collect();
        let coinbase = self.coinbase_with(&solution.extranonce);
        assemble_block(self.header(solution), coinbase, self.commitments, transactions, spec)
    }

    fn coinbase_with(&self, extranonce: &Extranonce) -> Coinbase {
        let mut coinbase = self.coinbase.clone();
        coinbase.extra[..EXTRANONCE_BYTES].copy_from_slice(extranonce);
        coinbase
    }
}

impl Selection {
    fn total(&self) -> Amount {
        self.subsidy.checked_add(self.fees).expect("subsidy and fees are different money, all of which may exist")
    }
}

impl TemplateTx {
    /// The transaction.
    #[must_use]
    pub const fn tx(&self) -> &Arc<CheckedTx> {
        self.resolved.tx()
    }

    /// The bytes of the transaction, as a miner hands them back.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self.tx().transaction())
    }

    /// The id without witnesses: the leaf of the merkle tree.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.tx().txid()
    }

    /// What it leaves to the miner.
    #[must_use]
    pub const fn fee(&self) -> Amount {
        self.resolved.fee()
    }

    /// The places among the template's transactions, from 0, of those it spends from.
    #[must_use]
    pub fn depends(&self) -> &[u32] {
        &self.depends
    }
}
