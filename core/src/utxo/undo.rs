//! What it takes to take a block back.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Coin, CoinDiff, DiffError};
use crate::codec;
use crate::hash::Txid;
use crate::tx::{OutPoint, TxBody, TxOut};
use crate::units::Height;

/// The coins that a block spent, one for each input of its transactions in order. With the block itself this is all it takes
/// to go back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Undo(#[serde(deserialize_with = "codec::bounded::<_, _, { TxBody::INPUTS_MAX }>")] pub Vec<Coin>);

/// Why a block's changes cannot be told: a fault of the store or of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UndoError {
    /// The undo data belongs to another block.
    #[error("undo data with {found} coins for a block with {expected} inputs")]
    Count {
        /// Coins found.
        found: usize,
        /// Inputs of the block.
        expected: usize,
    },
    /// The coins do not fit together.
    #[error(transparent)]
    Diff(#[from] DiffError),
}

/// Collects how a block changes the coins, in the order of its transactions. Connecting a block and taking it back go through
/// this one builder (forward, or reversed), so that each is the other's inverse by construction.
#[derive(Clone, Debug)]
pub struct BlockDiff {
    height: Height,
    diff: CoinDiff,
}

impl BlockDiff {
    /// The changes of a block with only a coinbase.
    ///
    /// # Errors
    /// None for a coinbase with a new id, which height and parent make certain.
    pub fn new(height: Height, coinbase: Txid, outputs: &[TxOut]) -> Result<Self, DiffError> {
        let mut block = Self { height, diff: CoinDiff::default() };
        block.create(coinbase, outputs, true)?;
        Ok(block)
    }

    /// Adds a transaction, whose inputs spend these coins.
    ///
    /// # Errors
    /// [`DiffError`], if a coin was spent before or is another than the one created in this block.
    pub fn add(&mut self, txid: Txid, body: &TxBody, spent: &[Coin]) -> Result<(), DiffError> {
        for (outpoint, coin) in body.inputs.iter().zip(spent) {
            self.diff.spend(*outpoint, *coin)?;
        }
        self.create(txid, &body.outputs, false)
    }

    /// The changes so far.
    #[must_use]
    pub const fn diff(&self) -> &CoinDiff {
        &self.diff
    }

    /// The changes.
    #[must_use]
    pub fn into_diff(self) -> CoinDiff {
        self.diff
    }

    fn create(&mut self, txid: Txid, outputs: &[TxOut], is_coinbase: bool) -> Result<(), DiffError> {
        for (output, index) in outputs.iter().zip(0..) {
            if let Some(coin) = Coin::of_output(output, self.height, is_coinbase) {
                self.diff.create(OutPoint { txid, index }, coin)?;
            }
        }
        Ok(())
    }
}

impl Undo {
    /// How the block changed the coins; reversed, what takes it back.
    ///
    /// # Errors
    /// [`UndoError`], if this undo data does not belong to the block.
    pub fn diff<'a>(
        &self,
        height: Height,
        coinbase: (Txid, &[TxOut]),
        transactions: impl Iterator<Item = (Txid, &'a TxBody)>,
    ) -> Result<CoinDiff, UndoError> {
        let mut block = BlockDiff::new(height, coinbase.0, coinbase.1)?;
        let mut rest = &self.0[..];
        let mut inputs = 0;
        for (txid, body) in transactions {
            inputs += body.inputs.len();
            let (spent, after) = rest.split_at_checked(body.inputs.len()).unwrap_or_default();
            block.add(txid, body, spent)?;
            rest = after;
        }
        if self.0.len() != inputs {
            return Err(UndoError::Count { found: self.0.len(), expected: inputs });
        }
        Ok(block.into_diff())
    }
}
