//! What a node's operator makes of a transaction, whatever it pays.

use alloc::collections::BTreeMap;

use super::pool::Mempool;
use crate::hash::Txid;

/// How many transactions can be valued otherwise at once.
pub const PRIORITIES_MAX: usize = 10_000;

/// By how much each transaction is valued above (or below) what it pays, in quanta. It need not be in the pool, and never zero.
#[derive(Clone, Debug, Default)]
pub(super) struct Priorities(BTreeMap<Txid, i64>);

/// Why a transaction cannot be valued otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriorityError {
    /// What is added to its fee would be out of range.
    #[error("{found} quanta on top of {sum} exceed what can be added to a fee")]
    Overflow {
        /// What was to be added, in quanta.
        found: i64,
        /// What was added before, in quanta.
        sum: i64,
    },
    /// Too many others are.
    #[error(
        "{PRIORITIES_MAX} transactions have another priority already: take some back first, by the opposite amount"
    )]
    TooMany,
}

impl Priorities {
    pub(super) fn of(&self, txid: &Txid) -> i64 {
        self.0.get(txid).copied().unwrap_or(0)
    }

    pub(super) fn clear(&mut self, txid: &Txid) {
        self.0.remove(txid);
    }

    /// Adds to what was added before, and returns the sum.
    fn add(&mut self, txid: Txid, found: i64) -> Result<i64, PriorityError> {
        let sum = self.of(&txid);
        let new = sum.checked_add(found).ok_or(PriorityError::Overflow { found, sum })?;
        if new == 0 {
            self.0.remove(&txid);
        } else {
            if self.0.len() >= PRIORITIES_MAX && !self.0.contains_key(&txid) {
                return Err(PriorityError::TooMany);
            }
            self.0.insert(txid, new);
        }
        Ok(new)
    }
}

impl Mempool {
    /// Values a transaction by so many quanta above what it pays, or below, on top of what was said before: it is taken, kept, replaced
    /// and mined as if it paid that. With a negative worth it is not mined, unless for the sake of others. No money changes.
    ///
    /// The transaction may come later. What was said is forgotten when a block holds it.
    ///
    /// # Errors
    /// [`PriorityError`]; then nothing has changed.
    pub fn prioritise(&mut self, txid: Txid, fee_delta: i64) -> Result<(), PriorityError> {
        let sum = self.priorities.add(txid, fee_delta)?;
        if let Some(sequence) = self.graph.by_txid(&txid) {
            self.graph.set_fee_delta(sequence, sum);
            self.changed();
        }
        Ok(())
    }

    /// The transactions that were [valued otherwise](Self::prioritise), in the pool or not, and by how many quanta.
    pub fn priorities(&self) -> impl ExactSizeIterator<Item = (&Txid, i64)> {
        self.priorities.0.iter().map(|(txid, fee_delta)| (txid, *fee_delta))
    }
}
