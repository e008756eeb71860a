//! The move of a chain from one tip to another: blocks are taken back and verified anew, as one change set.

use alloc::vec::Vec;

use super::state::leaf;
use super::{ChainState, ChangeSet, Path};
use crate::commit::mmr::{HistoryError, Node, Peaks};
use crate::crypto::{CryptoError, SignatureJob};
use crate::hash::{BlockHash, HistoryRoot};
use crate::spec::ChainSpec;
use crate::tx::TxBody;
use crate::units::Height;
use crate::utxo::{CoinDiff, CoinView, DiffError, Overlay, Undo, UndoError};
use crate::verify::{
    BlockContext, BlockError, CheckedBlock, ResolveError, VerifiedBlock, VerifiedCache, resolve_block,
};

/// What a stored chain answers. All answers are of one and the same state: a snapshot.
pub trait ChainStore: CoinView {
    /// The block of this id, of which the header tree knows that it is stored.
    ///
    /// # Errors
    /// A fault of the store.
    fn block(&self, id: &BlockHash) -> Result<CheckedBlock, Self::Error>;

    /// What it takes to take back this block of the chain.
    ///
    /// # Errors
    /// A fault of the store.
    fn undo(&self, id: &BlockHash) -> Result<Undo, Self::Error>;

    /// The history over the first `blocks` blocks of the chain.
    ///
    /// # Errors
    /// A fault of the store.
    fn history(&self, blocks: u32) -> Result<Peaks, Self::Error>;
}

/// Why a chain cannot move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReorgError<E> {
    /// A block is not valid. The header tree must be told ([`super::HeaderTree::mark_invalid`]) if the error
    /// [condemns the header](BlockError::condemns_header); then another path may be tried.
    #[error("block {id}: {error}")]
    Invalid {
        /// The block.
        id: BlockHash,
        /// The rule that it breaks.
        error: BlockError,
    },
    /// The store failed: our own fault, which says nothing about validity.
    #[error("the store failed")]
    Store(E),
    /// What is stored does not fit together: our own fault. To go on would do harm; the chain must be rebuilt.
    #[error("the stored chain does not fit together: {0}")]
    Inconsistent(#[from] Inconsistency),
}

/// How stored data does not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistency {
    /// The path, or a step of it, does not start where the chain ends.
    #[error("step from {found}, but the tip is {tip}")]
    Start {
        /// Where the step starts.
        found: BlockHash,
        /// Where the chain ends.
        tip: BlockHash,
    },
    /// Another block than was asked for.
    #[error("block {found} is stored in the place of {expected}")]
    Block {
        /// The block found.
        found: BlockHash,
        /// The block asked for.
        expected: BlockHash,
    },
    /// A block's undo data.
    #[error("undo data of block {id}: {error}")]
    Undo {
        /// The block.
        id: BlockHash,
        /// What is wrong.
        error: UndoError,
    },
    /// Coins of a block against those of the blocks before.
    #[error("coins of block {id}: {error}")]
    Coins {
        /// The block.
        id: BlockHash,
        /// What is wrong.
        error: DiffError,
    },
    /// The history at the fork is not the one to which the block above it committed.
    #[error("history over {blocks} blocks has the root {found}: expected {expected}")]
    History {
        /// Number of blocks.
        blocks: u32,
        /// The stored history's root.
        found: HistoryRoot,
        /// The root in the commitments of the block above the fork.
        expected: HistoryRoot,
    },
    /// The history cannot take another block.
    #[error(transparent)]
    Append(#[from] HistoryError),
}

/// A move under way: changes collected so far, on top of what is stored.
struct Move<'a, S> {
    store: &'a S,
    spec: &'a ChainSpec,
    coins: CoinDiff,
    history: Peaks,
    tip: BlockHash,
}

/// Takes back and verifies the blocks of a path, and returns all changes as one. Nothing is changed but the cache, to which the
/// witnesses are added that have passed.
///
/// `run` verifies signatures as in [`crate::verify::ResolvedBlock::verify`].
///
/// # Errors
/// [`ReorgError`]; then there are no changes at all.
pub fn reorg<S: ChainStore>(
    state: &ChainState,
    path: &Path,
    store: &S,
    cache: &mut VerifiedCache,
    spec: &ChainSpec,
    mut run: impl FnMut(&[SignatureJob<'_>]) -> Result<(), (usize, CryptoError)>,
) -> Result<ChangeSet, ReorgError<S::Error>> {
    let found = *path.disconnect.first().unwrap_or(&path.fork);
    if found != state.tip() {
        return Err(Inconsistency::Start { found, tip: state.tip() }.into());
    }
    let (coins, history) = (CoinDiff::default(), state.history().clone());
    let mut chain = Move { store, spec, coins, history, tip: state.tip() };
    let mut disconnected = Vec::with_capacity(path.disconnect.len());
    for id in &path.disconnect {
        disconnected.push(chain.disconnect(id)?);
    }
    if let Some(lowest) = disconnected.last() {
        chain.rewind(path, lowest)?;
    }
    let history_keeps = chain.history.blocks();
    let mut connected = Vec::with_capacity(path.connect.len());
    let mut history_nodes = Vec::with_capacity(2 * path.connect.len());
    for id in &path.connect {
        let (block, nodes) = chain.connect(id, cache, &mut run)?;
        connected.push(block);
        history_nodes.extend(nodes);
    }
    let state = ChainState::new(chain.tip, chain.history).expect("the fork stays, so the history has a block");
    Ok(ChangeSet { disconnected, connected, coins: chain.coins, history_keeps, history_nodes, state })
}

impl<S: ChainStore> Move<'_, S> {
    fn load(&self, id: &BlockHash) -> Result<CheckedBlock, ReorgError<S::Error>> {
        let block = self.store.block(id).map_err(ReorgError::Store)?;
        if block.id() != *id {
            return Err(Inconsistency::Block { found: block.id(), expected: *id }.into());
        }
        Ok(block)
    }

    /// Takes back the tip. The history stays behind until [`Move::rewind`].
    fn disconnect(&mut self, id: &BlockHash) -> Result<CheckedBlock, ReorgError<S::Error>> {
        let block = self.load(id)?;
        let undo = self.store.undo(id).map_err(ReorgError::Store)?;
        let coinbase = block.coinbase();
        let bodies = block.transactions().iter().map(|tx| -> (_, &TxBody) { (tx.txid(), tx.body()) });
        let made = undo.diff(coinbase.height, (block.coinbase_id(), &coinbase.outputs), bodies);
        let made = made.map_err(|error| Inconsistency::Undo { id: *id, error })?;
        self.add(id, &made.reversed())?;
        Ok(block)
    }

    /// Takes the history back to the fork, as the lowest block that left had committed to it.
    fn rewind(&mut self, path: &Path, lowest: &CheckedBlock) -> Result<(), ReorgError<S::Error>> {
        let blocks = lowest.coinbase().height.0;
        self.history = self.store.history(blocks).map_err(ReorgError::Store)?;
        let (found, expected) = (self.history.root(), lowest.commitments().history_root);
        if found != expected || self.history.blocks() != blocks {
            return Err(Inconsistency::History { blocks, found, expected }.into());
        }
        self.tip = path.fork;
        Ok(())
    }

    fn connect(
        &mut self,
        id: &BlockHash,
        cache: &mut VerifiedCache,
        run: impl FnOnce(&[SignatureJob<'_>]) -> Result<(), (usize, CryptoError)>,
    ) -> Result<(VerifiedBlock, Vec<Node>), ReorgError<S::Error>> {
        let block = self.load(id)?;
        let found = block.header().parent;
        if found != self.tip {
            return Err(Inconsistency::Start { found, tip: self.tip }.into());
        }
        let context = BlockContext { height: Height(self.history.blocks()), history_root: self.history.root() };
        let view = Overlay { base: self.store, diff: &self.coins };
        let resolved = resolve_block(block, &context, &view, cache, self.spec).map_err(|error| match error {
            ResolveError::Invalid(error) => ReorgError::Invalid { id: *id, error },
            ResolveError::View(error) => ReorgError::Store(error),
        })?;
        let verified = resolved.verify(run).map_err(|error| ReorgError::Invalid { id: *id, error })?;
        verified.remember(cache);
        self.add(id, verified.diff())?;
        let nodes = self.history.append(leaf(verified.block().header())).map_err(Inconsistency::from)?;
        self.tip = *id;
        Ok((verified, nodes))
    }

    fn add(&mut self, id: &BlockHash, diff: &CoinDiff) -> Result<(), Inconsistency> {
        let coins = core::mem::take(&mut self.coins).then(diff);
        self.coins = coins.map_err(|error| Inconsistency::Coins { id: *id, error })?;
        Ok(())
    }
}
