//! What waited and will not be mined: payments that expired, or that gave way to others. A history without them would forget in silence what it
//! has shown.
//!
//! Invariants: none of them waits or stands in the block that was taken in last; the longest gone stand first, and are forgotten first, but of the
//! account's own payments none before all those of others: strangers can make as many as they like.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::ledger::{Ledger, TxEffects, TxEntry};
use crate::codec;
use crate::hash::Txid;
use crate::tx::{OutPoint, TxBody};
use crate::units::Height;

/// Transactions that will not be mined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departed {
    #[serde(deserialize_with = "codec::bounded::<_, _, { Departed::KEPT_MAX }>")]
    departures: Vec<Departure>,
}

/// A transaction that will not be mined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// The transaction as it waited.
    pub entry: TxEntry,
    /// Where the account stood when it went.
    pub height: Height,
    /// Why it went.
    pub why: Why,
}

/// Why a transaction will not be mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Why {
    /// Its height has passed, or that of one whose coins it spends; no other of the account's has taken its coins.
    Expired,
    /// Another one of the account's spends the same coins.
    ReplacedBy(Txid),
    /// Somebody else's spends the same coins, or no node has it any more.
    Gone,
}

impl Departed {
    /// The most that are kept.
    pub const KEPT_MAX: usize = 200;

    /// Changes an account, and notes what that keeps from being mined. Not for what the user takes back, nor for blocks that are undone.
    pub fn around<T>(&mut self, account: &mut Account, change: impl FnOnce(&mut Account) -> T) -> T {
        let before: Vec<TxEntry> = account.ledger().pending().cloned().collect();
        let result = change(account);
        let ledger = account.ledger();
        let there: BTreeSet<Txid> = newest(ledger).map(|entry| entry.txid).collect();
        self.departures.retain(|departure| !there.contains(&departure.entry.txid));
        for entry in before.into_iter().filter(|entry| !there.contains(&entry.txid)) {
            self.push(account, entry);
        }
        result
    }

    /// Notes an own payment that an account does not know to wait, and that can no longer be mined.
    pub(super) fn add_lost(&mut self, account: &Account, body: &TxBody) {
        let ledger = account.ledger();
        // Its coins may be spent by another one by now, or be gone with what made them.
        let made = |outpoint: &OutPoint| {
            let maker = ledger.entry(&outpoint.txid).or_else(|| Some(&self.get(&outpoint.txid)?.entry))?;
            maker.received.iter().find(|coin| coin.outpoint == *outpoint).copied()
        };
        let lost = ledger.entry_of(account.book(), &TxEffects::of_transaction(body), None, made);
        if let Some(entry) = lost.filter(|entry| self.get(&entry.txid).is_none()) {
            self.push(account, entry);
        }
    }

    fn push(&mut self, account: &Account, entry: TxEntry) {
        let why = self.why(account, &entry);
        self.departures.push(Departure { entry, height: account.height(), why });
        if self.departures.len() > Self::KEPT_MAX {
            let of_others = self.departures.iter().position(|departure| departure.entry.spent.is_empty());
            self.departures.remove(of_others.unwrap_or(0));
        }
    }

    /// Looks anew why those are gone that were to give way to one that nobody wants.
    pub fn look_anew(&mut self, account: &Account, unwanted: &Txid) {
        // Parents stand before those that spend their coins.
        for place in 0..self.departures.len() {
            if self.departures[place].why == Why::ReplacedBy(*unwanted) {
                self.departures[place].why = self.why(account, &self.departures[place].entry);
            }
        }
    }

    fn why(&self, account: &Account, entry: &TxEntry) -> Why {
        let inputs: BTreeSet<_> = entry.inputs().collect();
        let replaces = |other: &&TxEntry| other.inputs().any(|input| inputs.contains(&input));
        if let Some(other) = newest(account.ledger()).find(replaces) {
            return Why::ReplacedBy(other.txid);
        }
        if entry.is_expired_after(account.height()) {
            return Why::Expired;
        }
        // One whose parent went goes for the same reason.
        let parent = entry.inputs().find_map(|input| self.get(&input.txid));
        parent.map_or(Why::Gone, |parent| parent.why)
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, txid: &Txid) -> Option<&Departure> {
        self.departures.iter().find(|departure| departure.entry.txid == *txid)
    }

    /// A ledger's history with these among it, newest first: each where the chain was when it went.
    pub fn history<'a>(&'a self, ledger: &'a Ledger) -> impl Iterator<Item = (&'a TxEntry, Option<Why>)> {
        let (mut known, mut departed) = (ledger.history().peekable(), self.departures.iter().rev().peekable());
        core::iter::from_fn(move || {
            let is_next = |departure: &&Departure| {
                let is_older = |entry: &&TxEntry| entry.block.is_some_and(|block| block.height <= departure.height);
                known.peek().is_none_or(is_older)
            };
            match departed.next_if(is_next) {
                Some(departure) => Some((&departure.entry, Some(departure.why))),
                None => known.next().map(|entry| (entry, None)),
            }
        })
    }
}

/// What waits, and what stands in the block that was taken in last.
fn newest(ledger: &Ledger) -> impl Iterator<Item = &TxEntry> {
    ledger.history().take_while(|entry| entry.block.is_none() || entry.block == ledger.tip())
}

#[cfg(test)]
mod tests;
