//! Putting a block together from a compact block and what is at hand.
//!
//! [`Reconstruction::begin`] → [`Reconstruction::missing`] is asked for → [`Reconstruction::finish`]. Short ids can collide by chance: then
//! the block is fetched whole, and nobody is at fault.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::compact::{CompactBlock, Namer, Names, Prefilled, ShortId};
use crate::block::{Coinbase, Commitments};
use crate::header::Header;
use crate::pow::WorkError;
use crate::spec::ChainSpec;
use crate::tx::Transaction;
use crate::verify::{BlockError, CheckedBlock, CheckedTx, TxError, assemble_block, check_transaction};

/// A block that is being put together.
#[derive(Clone, Debug)]
pub struct Reconstruction {
    header: Header,
    coinbase: Coinbase,
    commitments: Commitments,
    salt: u64,
    slots: Vec<Slot>,
}

#[derive(Clone, Debug)]
enum Slot {
    Filled(Arc<CheckedTx>),
    Missing(ShortId),
}

/// Why a compact block does not become a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompactBlockError {
    /// Two of its transactions have one short id. It happens by chance: the block has to be fetched whole.
    #[error("two transactions of the block have the short id {}", hex::encode(id.0))]
    Collision {
        /// The short id.
        id: ShortId,
    },
    /// The header shows no work.
    #[error(transparent)]
    Work(WorkError),
    /// A transaction that was sent breaks a rule.
    #[error("transaction {index}: {error}")]
    Transaction {
        /// Its place among the transactions.
        index: u32,
        /// What is wrong.
        error: TxError,
    },
    /// Not as many transactions were sent as were missing.
    #[error("{found} transactions sent: expected the {expected} that are missing")]
    Count {
        /// Transactions found.
        found: usize,
        /// Transactions asked for.
        expected: usize,
    },
    /// A transaction that was sent is not the one that was missing.
    #[error("transaction {index} has the short id {}: expected {}", hex::encode(found.0), hex::encode(expected.0))]
    Other {
        /// Its place among the transactions.
        index: u32,
        /// The short id of what was sent.
        found: ShortId,
        /// The short id that was asked for.
        expected: ShortId,
    },
    /// What was put together is no valid block. If the roots do not fit, a transaction that was at hand may have had the short id of
    /// another one by chance: [`Self::may_be_chance`].
    #[error(transparent)]
    Block(#[from] BlockError),
}

impl CompactBlockError {
    /// Whether nobody need be at fault, so that the block should be fetched whole.
    #[must_use]
    pub const fn may_be_chance(&self) -> bool {
        match self {
            Self::Collision { .. } => true,
            Self::Block(error) => {
                matches!(
                    error,
                    BlockError::MerkleRoot { .. }
                        | BlockError::WitnessRoot { .. }
                        | BlockError::DuplicateLeaves
                        | BlockError::Size { .. }
                )
            }
            _ => false,
        }
    }
}

impl Reconstruction {
    /// Fills in what is at hand, such as the transactions of a mempool.
    ///
    /// # Errors
    /// [`CompactBlockError`]. A header without work is refused before anything else is looked at.
    pub fn begin<'a>(
        compact: CompactBlock,
        at_hand: impl IntoIterator<Item = &'a Arc<CheckedTx>>,
        spec: &ChainSpec,
    ) -> Result<Self, CompactBlockError> {
        let CompactBlock { header, coinbase, commitments, names } = compact;
        spec.consensus().pow.check_work(&header).map_err(CompactBlockError::Work)?;
        let (salt, mut slots) = (names.salt, names.into_slots(spec)?);
        // The sender chooses the keys: a tree cannot be made slow by them.
        let mut wanted = BTreeMap::new();
        for (index, slot) in slots.iter().enumerate() {
            if let Slot::Missing(id) = slot
                && wanted.insert(*id, index).is_some()
            {
                return Err(CompactBlockError::Collision { id: *id });
            }
        }
        let namer = Namer::new(&header, salt);
        let named = at_hand.into_iter().map(|tx| (namer.name(&tx.wtxid()), tx));
        fill(&mut slots, wanted, named);
        Ok(Self { header, coinbase, commitments, salt, slots })
    }

    /// The places of the transactions that are not at hand, in rising order.
    #[must_use]
    pub fn missing(&self) -> Vec<u32> {
        let missing = (0..).zip(&self.slots).filter(|(_, slot)| matches!(slot, Slot::Missing(_)));
        missing.map(|(index, _)| index).collect()
    }

    /// The block, with the transactions of [`Self::missing`] in their order.
    ///
    /// # Errors
    /// [`CompactBlockError`].
    pub fn finish(self, missing: Vec<Transaction>, spec: &ChainSpec) -> Result<CheckedBlock, CompactBlockError> {
        let (found, expected) = (missing.len(), self.missing().len());
        if found != expected {
            return Err(CompactBlockError::Count { found, expected });
        }
        let namer = Namer::new(&self.header, self.salt);
        let mut missing = missing.into_iter();
        let mut transactions = Vec::with_capacity(self.slots.len());
        for (index, slot) in (0..).zip(self.slots) {
            transactions.push(match slot {
                Slot::Filled(tx) => tx,
                Slot::Missing(expected) => {
                    let transaction = missing.next().expect("they were counted");
                    let tx = check(index, transaction, spec)?;
                    let found = namer.name(&tx.wtxid());
                    if found != expected {
                        return Err(CompactBlockError::Other { index, found, expected });
                    }
                    tx
                }
            });
        }
        Ok(assemble_block(self.header, self.coinbase, self.commitments, transactions, spec)?)
    }
}

impl Names {
    /// One slot for each transaction. Places were checked when the bytes were read.
    fn into_slots(self, spec: &ChainSpec) -> Result<Vec<Slot>, CompactBlockError> {
        let mut slots = Vec::with_capacity(self.short_ids.len() + self.prefilled.len());
        let mut short_ids = self.short_ids.into_iter().map(Slot::Missing);
        for Prefilled { index, transaction } in self.prefilled {
            let before = (index as usize).saturating_sub(slots.len());
            slots.extend(short_ids.by_ref().take(before));
            slots.push(Slot::Filled(check(index, transaction, spec)?));
        }
        slots.extend(short_ids);
        Ok(slots)
    }
}

/// Fills in what is at hand under its short id.
fn fill<'a>(
    slots: &mut [Slot],
    mut wanted: BTreeMap<ShortId, usize>,
    at_hand: impl Iterator<Item = (ShortId, &'a Arc<CheckedTx>)>,
) {
    for (id, tx) in at_hand {
        let Some(index) = wanted.get(&id).copied() else { continue };
        match &slots[index] {
            Slot::Missing(_) => slots[index] = Slot::Filled(Arc::clone(tx)),
            Slot::Filled(other) if other.wtxid() == tx.wtxid() => {}
            // Two at hand have this short id: the sender has to say which.
            Slot::Filled(_) => {
                slots[index] = Slot::Missing(id);
                wanted.remove(&id);
            }
        }
    }
}

fn check(index: u32, transaction: Transaction, spec: &ChainSpec) -> Result<Arc<CheckedTx>, CompactBlockError> {
    let checked = check_transaction(transaction, spec.consensus());
    checked.map(Arc::new).map_err(|error| CompactBlockError::Transaction { index, error })
}

#[cfg(test)]
mod tests {
    use super::super::compact::SHORT_ID_BYTES;
    use super::*;
    use crate::hash::Txid;
    use crate::lock::{Address, Lock};
    use crate::testing::test;
    use crate::tx::{OutPoint, TxBody, TxOut};
    use crate::units::{Amount, Height};

    fn tx(number: u8) -> Arc<CheckedTx> {
        let address = Address::from_bytes([number; 32]);
        let body = TxBody {
            version: TxBody::VERSION,
            inputs: alloc::vec![OutPoint { txid: Txid::from_bytes([number; 32]), index: 0 }],
            outputs: alloc::vec![TxOut { amount: Amount::from_coins(1), lock: Lock::Address(address) }],
            lock_height: Height(0),
            expiry_height: Height(0),
        };
        let transaction = Transaction { body, witnesses: Vec::new() };
        Arc::new(check_transaction(transaction, ChainSpec::dev().consensus()).unwrap())
    }

    /// 48 bits of chance that no test waits for, so the ids are given.
    #[test]
    fn of_two_at_hand_with_one_short_id_none_is_taken() {
        let id = |number| ShortId([number; SHORT_ID_BYTES]);
        let at_hand = [tx(1), tx(2), tx(3), tx(4)];
        let ids = [id(1), id(1), id(1), id(2)];
        let mut slots = [Slot::Missing(id(1)), Slot::Missing(id(2)), Slot::Missing(id(3))];
        let wanted = BTreeMap::from([(id(1), 0), (id(2), 1), (id(3), 2)]);
        fill(&mut slots, wanted, ids.into_iter().zip(&at_hand));
        assert!(matches!(slots[0], Slot::Missing(found) if found == id(1)));
        assert!(matches!(&slots[1], Slot::Filled(found) if found.wtxid() == at_hand[3].wtxid()));
        assert!(matches!(slots[2], Slot::Missing(_)));
        // The same one twice is no collision.
        let mut slots = [Slot::Missing(id(1))];
        fill(&mut slots, BTreeMap::from([(id(1), 0)]), [(id(1), &at_hand[0]), (id(1), &at_hand[0])].into_iter());
        assert!(matches!(slots[0], Slot::Filled(_)));
    }
}
