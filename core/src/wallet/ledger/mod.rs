//! An account's coins and history, as blocks come and go.
//!
//! The ledger is the list of transactions that touch the account. Each entry holds the coins it spends and makes whole, so that a
//! block is undone by reading the list backwards, to any depth, and the coins are what replaying it gives.
//!
//! Invariants: mined entries stand in the order of the chain, none above the tip; `coins` are the outputs of mined entries that no
//! mined entry spends; pending entries stand parents first, none conflicts with another or with the chain, each spends coins
//! that are there.
//!
//! The ledger must not decide what is valid: it is given blocks that have been checked, by a node or by proofs.

mod entry;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

pub use crate::chain::BlockMark;
pub use entry::{OwnedCoin, TxEffects, TxEntry};

use super::address_book::AddressBook;
use crate::codec;
use crate::hash::Txid;
use crate::tx::OutPoint;
use crate::units::{Amount, Height};
use entry::sum;

/// An account's coins and history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Ledger {
    tip: Option<BlockMark>,
    mined: Vec<TxEntry>,
    pending: Vec<TxEntry>,
    /// Made from `mined`.
    #[serde(skip)]
    coins: BTreeMap<OutPoint, OwnedCoin>,
}

/// How much money there is, told apart by when it can be spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// In blocks, mature, and not spent by a pending transaction: can be spent now.
    pub confirmed: Amount,
    /// Made by pending transactions, and not spent by another: change on its way back, and payments on their way.
    pub pending: Amount,
    /// Made by coinbases that are too young.
    pub immature: Amount,
}

/// Why a block does not fit the ledger, or stored bytes are no ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A block that is not above the tip.
    #[error("block at height {found} is not above the wallet's tip at {tip}: rewind first")]
    NotAbove {
        /// The block's height.
        found: Height,
        /// The tip's.
        tip: Height,
    },
    /// A block above the tip, where one to go back to was expected.
    #[error("block at height {found} is above the wallet's tip at {tip}: nothing to rewind")]
    NotBelow {
        /// The block's height.
        found: Height,
        /// The tip's; 0 for none.
        tip: Height,
    },
    /// Too many pending transactions.
    #[error("more than {} pending transactions", Ledger::PENDING_MAX)]
    TooManyPending,
    /// Too long a history: a longer one could not be read back.
    #[error("more than {} transactions: pay to another account, whose history is its own", Ledger::ENTRIES_MAX)]
    TooManyEntries,
    /// A stored entry that contradicts those before it.
    #[error("stored transaction {txid} does not follow from those before it")]
    Inconsistent {
        /// The transaction.
        txid: Txid,
    },
}

impl Ledger {
    /// The most pending transactions.
    pub const PENDING_MAX: usize = 1_000;
    /// The longest history, in transactions.
    pub const ENTRIES_MAX: usize = 1 << 20;

    /// A ledger that knows nothing yet and begins above this block: the one before the wallet's birthday.
    #[must_use]
    pub fn starting_above(block: BlockMark) -> Self {
        Self { tip: Some(block), ..Self::default() }
    }

    /// The last block taken in.
    #[must_use]
    pub const fn tip(&self) -> Option<BlockMark> {
        self.tip
    }

    /// Every transaction, newest first: pending ones, then mined ones down the chain.
    pub fn history(&self) -> impl Iterator<Item = &TxEntry> {
        self.pending.iter().rev().chain(self.mined.iter().rev())
    }

    /// Transactions in no block, parents first.
    pub fn pending(&self) -> impl DoubleEndedIterator<Item = &TxEntry> {
        self.pending.iter()
    }

    /// Pending transactions that spend what this one makes, or what one of them makes: they go when it goes.
    #[must_use]
    pub fn dependents(&self, txid: &Txid) -> Vec<&TxEntry> {
        let mut family = BTreeSet::from([*txid]);
        let mut depends = |entry: &&TxEntry| {
            let is_child = entry.inputs().any(|input| family.contains(&input.txid));
            is_child && family.insert(entry.txid)
        };
        self.pending.iter().filter(|entry| depends(entry)).collect()
    }

    /// A transaction of the history.
    #[must_use]
    pub fn entry(&self, txid: &Txid) -> Option<&TxEntry> {
        self.history().find(|entry| entry.txid == *txid)
    }

    /// The mined coins that no mined transaction spends, in order.
    pub fn coins(&self) -> impl Iterator<Item = &OwnedCoin> {
        self.coins.values()
    }

    /// The coins that a transaction in a block of this height may spend, but for those that a pending one spends already.
    #[must_use]
    pub fn spendable(&self, height: Height, coinbase_maturity: u32) -> Vec<OwnedCoin> {
        let taken = self.taken();
        let is_free =
            |coin: &&OwnedCoin| coin.is_spendable_at(height, coinbase_maturity) && !taken.contains(&coin.outpoint);
        self.coins().filter(is_free).copied().collect()
    }

    /// The coins made by pending transactions and not spent by another. Spend them only where the money is the account's own, such as
    /// change: a stranger may replace what he sent.
    #[must_use]
    pub fn pending_coins(&self) -> Vec<OwnedCoin> {
        let taken = self.taken();
        let made = self.pending.iter().flat_map(|entry| &entry.received);
        made.filter(|coin| !taken.contains(&coin.outpoint)).copied().collect()
    }

    /// Whether a coin is there, mined or pending, and no pending transaction is known to spend it.
    #[must_use]
    pub fn is_free(&self, outpoint: &OutPoint) -> bool {
        let is_made = |entry: &TxEntry| entry.received.iter().any(|coin| coin.outpoint == *outpoint);
        let is_there = self.coins.contains_key(outpoint) || self.pending.iter().any(is_made);
        is_there && !self.pending.iter().flat_map(|entry| &entry.spent).any(|coin| coin.outpoint == *outpoint)
    }

    /// How much money there is, for a transaction in a block of this height.
    #[must_use]
    pub fn balance(&self, height: Height, coinbase_maturity: u32) -> Balance {
        let immature = self.coins().filter(|coin| !coin.is_spendable_at(height, coinbase_maturity));
        Balance {
            confirmed: sum(self.spendable(height, coinbase_maturity).iter().map(|coin| coin.amount)),
            pending: sum(self.pending_coins().iter().map(|coin| coin.amount)),
            immature: sum(immature.map(|coin| coin.amount)),
        }
    }

    /// Takes in a block, and returns the transactions in it that touch the account.
    ///
    /// Blocks that touch nothing may be left out, as a light client does that matched their filters. Pending transactions that the
    /// block holds become mined ones; those that conflict with it, or can no longer be mined, are dropped.
    ///
    /// # Errors
    /// [`LedgerError::NotAbove`], if the block is not above the tip; [`LedgerError::TooManyEntries`]. Then nothing has changed.
    pub fn apply(
        &mut self,
        book: &AddressBook,
        block: BlockMark,
        transactions: &[TxEffects<'_>],
    ) -> Result<Vec<Txid>, LedgerError> {
        if let Some(tip) = self.tip
            && block.height <= tip.height
        {
            return Err(LedgerError::NotAbove { found: block.height, tip: tip.height });
        }
        // As if each of them touched it: what is a few short of the limit may as well end.
        if self.mined.len() + transactions.len() > Self::ENTRIES_MAX {
            return Err(LedgerError::TooManyEntries);
        }
        let mut touched = Vec::new();
        let mut spent_by_block: BTreeSet<OutPoint> = BTreeSet::new();
        for effects in transactions {
            spent_by_block.extend(effects.inputs);
            let entry = self.entry_of(book, effects, Some(block), |outpoint| self.coins.get(outpoint).copied());
            if let Some(entry) = entry {
                touched.push(entry.txid);
                self.take(&entry);
                self.mined.push(entry);
            }
        }
        let pending = core::mem::take(&mut self.pending).into_iter();
        let is_left = |entry: &TxEntry| {
            !entry.is_expired_after(block.height) && !entry.inputs().any(|input| spent_by_block.contains(&input))
        };
        self.readmit(pending.filter(is_left).collect());
        self.tip = Some(block);
        Ok(touched)
    }

    /// Goes back to a block that was taken in, or lies between ones that were. What is undone becomes pending again, but for
    /// coinbases and what depends on them.
    ///
    /// # Errors
    /// [`LedgerError::NotBelow`], if the block is above the tip.
    pub fn rewind(&mut self, to: BlockMark) -> Result<(), LedgerError> {
        let tip = self.tip.map_or(Height::GENESIS, |tip| tip.height);
        if to.height > tip {
            return Err(LedgerError::NotBelow { found: to.height, tip });
        }
        let kept = self.mined.partition_point(|entry| entry.block.is_some_and(|block| block.height <= to.height));
        let mut undone = self.mined.split_off(kept);
        for entry in undone.iter().rev() {
            for coin in &entry.received {
                self.coins.remove(&coin.outpoint);
            }
            self.coins.extend(entry.spent.iter().map(|coin| (coin.outpoint, *coin)));
        }
        undone.retain(|entry| !entry.is_coinbase);
        undone.append(&mut self.pending);
        self.readmit(undone);
        self.tip = Some(to);
        Ok(())
    }

    /// Takes in a transaction that is in no block yet, and returns whether it touches the account. Pending ones that it conflicts with
    /// are dropped, with what depends on them: it replaces them.
    ///
    /// # Errors
    /// [`LedgerError::TooManyPending`].
    pub fn add_pending(&mut self, book: &AddressBook, effects: &TxEffects<'_>) -> Result<bool, LedgerError> {
        if self.entry(&effects.txid).is_some() {
            return Ok(true);
        }
        // Collected, they would be sorted first, by code that browsers would have to load for each kind of thing.
        let (mut made, mut inputs) = (BTreeMap::new(), BTreeSet::new());
        made.extend(self.pending.iter().flat_map(|entry| &entry.received).map(by_outpoint));
        let find = |outpoint: &OutPoint| self.coins.get(outpoint).or_else(|| made.get(outpoint)).copied();
        let Some(entry) = self.entry_of(book, effects, None, find) else { return Ok(false) };
        inputs.extend(entry.inputs());
        let conflicts = |other: &TxEntry| other.inputs().any(|input| inputs.contains(&input));
        if self.pending.iter().filter(|other| !conflicts(other)).count() >= Self::PENDING_MAX {
            return Err(LedgerError::TooManyPending);
        }
        let mut pending = core::mem::take(&mut self.pending);
        pending.retain(|other| !conflicts(other));
        pending.push(entry);
        self.readmit(pending);
        Ok(true)
    }

    /// Forgets a pending transaction, and what depends on it: it was refused or evicted.
    pub fn drop_pending(&mut self, txid: &Txid) {
        let mut pending = core::mem::take(&mut self.pending);
        pending.retain(|entry| entry.txid != *txid);
        self.readmit(pending);
    }

    /// What pending transactions spend.
    fn taken(&self) -> BTreeSet<OutPoint> {
        self.pending.iter().flat_map(|entry| &entry.spent).map(|coin| coin.outpoint).collect()
    }

    /// A mined entry's effect on the coins.
    fn take(&mut self, entry: &TxEntry) {
        for coin in &entry.spent {
            self.coins.remove(&coin.outpoint);
        }
        self.coins.extend(entry.received.iter().map(by_outpoint));
    }

    /// Makes these the pending entries, parents first: those whose coins are there and not yet taken, with their coins looked up anew,
    /// since blocks may have come or gone under them. Only the first [`Ledger::PENDING_MAX`] stay.
    fn readmit(&mut self, candidates: Vec<TxEntry>) {
        // The coins that there are: the mined ones and these, but for those that are taken.
        let (mut made, mut taken, mut taken_of_others) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        self.pending = Vec::new();
        for mut entry in candidates {
            let free = |outpoint: &OutPoint| {
                let coin = self.coins.get(outpoint).or_else(|| made.get(outpoint));
                coin.filter(|_| !taken.contains(outpoint)).copied()
            };
            let found: Option<Vec<_>> = entry.spent.iter().map(|coin| free(&coin.outpoint)).collect();
            let conflicts = entry.spent_of_others.iter().any(|outpoint| taken_of_others.contains(outpoint));
            let Some(found) = found.filter(|_| !conflicts && self.pending.len() < Self::PENDING_MAX) else { continue };
            taken.extend(found.iter().map(|coin| coin.outpoint));
            taken_of_others.extend(entry.spent_of_others.iter().copied());
            entry.spent = found;
            entry.block = None;
            entry.received.iter_mut().for_each(|coin| coin.height = None);
            made.extend(entry.received.iter().map(by_outpoint));
            self.pending.push(entry);
        }
    }

    /// How a transaction touches the account; `None` if it does not.
    pub(super) fn entry_of(
        &self,
        book: &AddressBook,
        effects: &TxEffects<'_>,
        block: Option<BlockMark>,
        find: impl Fn(&OutPoint) -> Option<OwnedCoin>,
    ) -> Option<TxEntry> {
        let mut entry = TxEntry {
            txid: effects.txid,
            block,
            is_coinbase: effects.is_coinbase,
            expiry_height: effects.expiry_height,
            spent: Vec::new(),
            spent_of_others: Vec::new(),
            received: Vec::new(),
            paid_to_others: Amount::ZERO,
        };
        for outpoint in effects.inputs {
            match find(outpoint) {
                Some(coin) => entry.spent.push(coin),
                None => entry.spent_of_others.push(*outpoint),
            }
        }
        for (index, output) in (0..).zip(effects.outputs) {
            let owned = output.lock.address().and_then(|address| Some((address, book.path_of(&address)?)));
            match owned {
                Some((address, path)) => entry.received.push(OwnedCoin {
                    outpoint: OutPoint { txid: effects.txid, index },
                    amount: output.amount,
                    address,
                    path,
                    height: block.map(|block| block.height),
                    is_coinbase: effects.is_coinbase,
                }),
                None => entry.paid_to_others = sum([entry.paid_to_others, output.amount].into_iter()),
            }
        }
        let touches = !entry.spent.is_empty() || !entry.received.is_empty();
        touches.then_some(entry)
    }
}

fn by_outpoint(coin: &OwnedCoin) -> (OutPoint, OwnedCoin) {
    (coin.outpoint, *coin)
}

/// A ledger as it was decoded.
#[derive(Deserialize)]
struct Stored {
    tip: Option<BlockMark>,
    #[serde(deserialize_with = "codec::bounded::<_, _, { Ledger::ENTRIES_MAX }>")]
    mined: Vec<TxEntry>,
    #[serde(deserialize_with = "codec::bounded::<_, _, { Ledger::PENDING_MAX }>")]
    pending: Vec<TxEntry>,
}

/// Replays the entries: each must follow from those before it.
impl TryFrom<Stored> for Ledger {
    type Error = LedgerError;

    fn try_from(stored: Stored) -> Result<Self, LedgerError> {
        let mut ledger = Self { tip: stored.tip, ..Self::default() };
        let tip = stored.tip.map_or(Height::GENESIS, |tip| tip.height);
        let mut height = Height::GENESIS;
        for entry in stored.mined {
            let inconsistent = LedgerError::Inconsistent { txid: entry.txid };
            let block = entry.block.filter(|block| (height..=tip).contains(&block.height)).ok_or(inconsistent)?;
            height = block.height;
            let is_there = |coin: &OwnedCoin| ledger.coins.get(&coin.outpoint) == Some(coin);
            let is_own = |coin: &OwnedCoin| coin.height == Some(height) && coin.outpoint.txid == entry.txid;
            let is_new = |coin: &OwnedCoin| !ledger.coins.contains_key(&coin.outpoint);
            if !entry.spent.iter().all(is_there) || !entry.received.iter().all(|coin| is_own(coin) && is_new(coin)) {
                return Err(inconsistent);
            }
            ledger.take(&entry);
            ledger.mined.push(entry);
        }
        ledger.readmit(stored.pending.clone());
        match stored.pending.iter().zip(&ledger.pending).find(|(stored, readmitted)| stored != readmitted) {
            Some((entry, _)) => Err(LedgerError::Inconsistent { txid: entry.txid }),
            None if stored.pending.len() > ledger.pending.len() => {
                let first_lost = &stored.pending[ledger.pending.len()];
                Err(LedgerError::Inconsistent { txid: first_lost.txid })
            }
            None => Ok(ledger),
        }
    }
}

#[cfg(test)]
mod tests;
