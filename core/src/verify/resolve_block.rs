//! The rules of a block in context: its place in the chain, the coins it spends, and what it pays out.

use alloc::vec::Vec;

use super::block::{BlockError, CheckedBlock};
use super::cache::VerifiedCache;
use super::resolve::{ResolveError, ResolvedTx, SpendError, resolve_transaction};
use crate::commit::filter::Filter;
use crate::crypto::{CryptoError, SignatureJob};
use crate::hash::{BlockHash, HistoryRoot};
use crate::lock::Address;
use crate::spec::ChainSpec;
use crate::tx::TxOut;
use crate::units::{Amount, Height};
use crate::utxo::{BlockDiff, Coin, CoinDiff, CoinView, Overlay, Undo};

/// What the rules of a block ask about its place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockContext {
    /// The block's height.
    pub height: Height,
    /// The root of the history over all blocks up to the parent.
    pub history_root: HistoryRoot,
}

/// A block that keeps every rule but that its signatures verify, with its effects.
#[derive(Clone, Debug)]
pub struct ResolvedBlock {
    block: CheckedBlock,
    height: Height,
    transactions: Vec<ResolvedTx>,
    diff: CoinDiff,
    filter: Filter,
    fees: Amount,
}

/// A valid block on top of its parent, with its effects.
#[derive(Clone, Debug)]
pub struct VerifiedBlock(ResolvedBlock);

/// Checks a block on top of its parent, whose coins are given.
///
/// # Errors
/// [`ResolveError::Invalid`] with the first rule that it breaks; [`ResolveError::View`], if the coins cannot be read.
pub fn resolve_block<V: CoinView>(
    block: CheckedBlock,
    context: &BlockContext,
    coins: &V,
    cache: &VerifiedCache,
    spec: &ChainSpec,
) -> Result<ResolvedBlock, ResolveError<BlockError, V::Error>> {
    check_place(&block, context).map_err(ResolveError::Invalid)?;
    let (height, coinbase) = (context.height, block.coinbase());
    let mut changes = BlockDiff::new(height, block.coinbase_id(), &coinbase.outputs).expect(IDS_ARE_UNIQUE);
    let mut transactions = Vec::with_capacity(block.transactions().len());
    for (index, tx) in block.transactions().iter().enumerate() {
        // Rule: no double spend within the block. A transaction sees the coins that those before it have left.
        let view = Overlay { base: coins, diff: changes.diff() };
        let resolved = resolve_transaction(tx, height, &view, cache, spec).map_err(|error| at_index(error, index))?;
        changes.add(tx.txid(), tx.body(), resolved.spent()).expect(IDS_ARE_UNIQUE);
        transactions.push(resolved);
    }
    let fees = check_payout(&block, &transactions, height, spec).map_err(ResolveError::Invalid)?;
    let filter = check_filter(&block, &transactions).map_err(ResolveError::Invalid)?;
    Ok(ResolvedBlock { block, height, transactions, diff: changes.into_diff(), filter, fees })
}

/// The genesis block with its effects: valid by definition, of no signatures and no fees.
#[must_use]
pub fn genesis_block(spec: &ChainSpec) -> VerifiedBlock {
    let block = CheckedBlock::genesis(spec);
    let outputs = &block.coinbase().outputs;
    let diff = BlockDiff::new(Height::GENESIS, block.coinbase_id(), outputs).expect(IDS_ARE_UNIQUE).into_diff();
    let filter = block_filter(&block.header().parent, outputs.iter(), core::iter::empty());
    let (height, transactions, fees) = (Height::GENESIS, Vec::new(), Amount::ZERO);
    VerifiedBlock(ResolvedBlock { block, height, transactions, diff, filter, fees })
}

/// Why a [`BlockDiff`] takes every resolved transaction: its coins come from the overlay of that very diff, and two
/// transactions with one id would spend the same coins, the second time in vain.
const IDS_ARE_UNIQUE: &str = "resolved transactions spend coins that are there, and ids are unique";

fn at_index<V>(error: ResolveError<SpendError, V>, index: usize) -> ResolveError<BlockError, V> {
    match error {
        ResolveError::Invalid(error) => ResolveError::Invalid(BlockError::Spend { index, error }),
        ResolveError::View(error) => ResolveError::View(error),
    }
}

fn check_place(block: &CheckedBlock, context: &BlockContext) -> Result<(), BlockError> {
    // Rule: the coinbase states the block's height.
    let (found, expected) = (block.coinbase().height, context.height);
    if found != expected {
        return Err(BlockError::CoinbaseHeight { found, expected });
    }
    // Rule: the history root is that over all blocks up to the parent.
    let (found, expected) = (block.commitments().history_root, context.history_root);
    if found != expected {
        return Err(BlockError::HistoryRoot { found, expected });
    }
    Ok(())
}

fn check_payout(
    block: &CheckedBlock,
    transactions: &[ResolvedTx],
    height: Height,
    spec: &ChainSpec,
) -> Result<Amount, BlockError> {
    let fees = Amount::checked_sum(transactions.iter().map(ResolvedTx::fee)).ok_or(BlockError::FeeSum)?;
    let limit = spec.consensus().subsidy(height).checked_add(fees).ok_or(BlockError::FeeSum)?;
    // The sum was bounded when the outputs were checked in isolation.
    let outputs = block.coinbase().outputs.iter().map(|output| output.amount);
    let found = Amount::checked_sum(outputs).unwrap_or(Amount::MAX);
    // Rule: the coinbase pays at most subsidy + fees.
    if found > limit {
        return Err(BlockError::CoinbaseAmount { found, limit });
    }
    Ok(fees)
}

fn check_filter(block: &CheckedBlock, transactions: &[ResolvedTx]) -> Result<Filter, BlockError> {
    let in_transactions = block.transactions().iter().flat_map(|tx| &tx.body().outputs);
    let outputs = block.coinbase().outputs.iter().chain(in_transactions);
    let spent = transactions.iter().flat_map(ResolvedTx::spent);
    let filter = block_filter(&block.header().parent, outputs, spent);
    // Rule: the filter hash is that of this block's filter.
    let (found, expected) = (block.commitments().filter_hash, filter.hash());
    if found != expected {
        return Err(BlockError::FilterHash { found, expected });
    }
    Ok(filter)
}

impl ResolvedBlock {
    /// The block.
    #[must_use]
    pub const fn block(&self) -> &CheckedBlock {
        &self.block
    }

    /// The fees of its transactions.
    #[must_use]
    pub const fn fees(&self) -> Amount {
        self.fees
    }

    /// Runs the signatures that are not known to be good yet, and gives the verified block.
    ///
    /// `run` verifies all jobs, in whatever order and on however many threads it likes
    /// ([`crate::crypto::verify_serial`] is the plain one), and names one that failed.
    ///
    /// # Errors
    /// [`BlockError::Signature`] for the job that `run` names.
    pub fn verify(
        self,
        run: impl FnOnce(&[SignatureJob<'_>]) -> Result<(), (usize, CryptoError)>,
    ) -> Result<VerifiedBlock, BlockError> {
        let mut jobs = Vec::new();
        let mut ends = Vec::with_capacity(self.transactions.len());
        for tx in &self.transactions {
            jobs.extend(tx.jobs());
            ends.push(jobs.len());
        }
        match run(&jobs) {
            Ok(()) => {}
            Err((job, error)) => {
                let index = ends.partition_point(|end| *end <= job);
                return Err(BlockError::Signature { index, error });
            }
        }
        drop(jobs);
        Ok(VerifiedBlock(self))
    }
}

impl VerifiedBlock {
    /// The block.
    #[must_use]
    pub const fn block(&self) -> &CheckedBlock {
        &self.0.block
    }

    /// The block's height.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.0.height
    }

    /// How it changes the coins.
    #[must_use]
    pub const fn diff(&self) -> &CoinDiff {
        &self.0.diff
    }

    /// Its compact filter.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.0.filter
    }

    /// The fees of its transactions.
    #[must_use]
    pub const fn fees(&self) -> Amount {
        self.0.fees
    }

    /// What it takes to take the block back.
    #[must_use]
    pub fn undo(&self) -> Undo {
        Undo(self.0.transactions.iter().flat_map(ResolvedTx::spent).copied().collect())
    }

    /// Remembers the witnesses that passed, so that the block costs less after a reorg.
    pub fn remember(&self, cache: &mut VerifiedCache) {
        self.0.transactions.iter().for_each(|tx| tx.remember(cache));
    }
}

/// The compact filter of a block: the addresses of every output that it creates and of every coin that it spends.
pub(crate) fn block_filter<'a>(
    parent: &BlockHash,
    outputs: impl Iterator<Item = &'a TxOut>,
    spent: impl Iterator<Item = &'a Coin>,
) -> Filter {
    let created = outputs.filter_map(|output| output.lock.address());
    let elements = created.chain(spent.map(|coin| coin.address)).map(Address::to_bytes);
    Filter::build(parent, elements)
}
