//! An account's own payments that are in no block yet, as they were signed: to hand them to nodes again, to replace them, and to have them
//! wait again where a replacement was refused.
//!
//! The account's ledger says what they do to its coins; here they are kept whole, and kept even while the account is looked for anew and
//! their coins have not come back yet.
//!
//! Invariants: parents stand before what spends their change; no two of them spend the same coin.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::account::{Account, AccountError};
use super::departed::Departed;
use super::derivation::AccountKey;
use super::ledger::{Ledger, TxEffects, TxEntry};
use crate::codec;
use crate::hash::Txid;
use crate::tx::{OutPoint, Transaction, TxBody};
use crate::units::{FeeRate, Height};

/// An account's own payments that are in no block yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbox {
    #[serde(deserialize_with = "codec::bounded::<_, _, { Ledger::PENDING_MAX }>")]
    payments: Vec<Transaction>,
}

impl Outbox {
    /// The payments, parents first.
    #[must_use]
    pub fn payments(&self) -> &[Transaction] {
        &self.payments
    }

    /// A payment.
    #[must_use]
    pub fn get(&self, txid: &Txid) -> Option<&Transaction> {
        self.payments.iter().find(|payment| payment.txid() == *txid)
    }

    /// A payment that can still be replaced, and its entry in the account's ledger.
    #[must_use]
    pub fn replaceable<'a>(&'a self, account: &'a Account, txid: &Txid) -> Option<(&'a Transaction, &'a TxEntry)> {
        let entry = account.ledger().entry(txid).filter(|entry| entry.block.is_none())?;
        Some((self.get(txid)?, entry))
    }

    /// What a payment that can still be replaced pays for its size.
    #[must_use]
    pub fn fee_rate(&self, account: &Account, txid: &Txid) -> Option<FeeRate> {
        let (payment, entry) = self.replaceable(account, txid)?;
        FeeRate::reached_by(entry.fee()?, codec::encoded_len(payment) as u64)
    }

    /// Notes a payment, before it is handed to a node: whatever happens then, it is not forgotten. What it replaces is dropped.
    ///
    /// # Errors
    /// [`AccountError`], if too many wait; all is then as it was.
    pub fn add(
        &mut self,
        account: &mut Account,
        payment: &Transaction,
        secret: Option<&AccountKey>,
    ) -> Result<(), AccountError> {
        account.add_pending(&TxEffects::of_transaction(&payment.body), secret)?;
        if self.get(&payment.txid()).is_none() {
            let gone: BTreeSet<Txid> = self.replaced_by(payment).map(Transaction::txid).collect();
            self.drop_all(&gone);
            self.payments.push(payment.clone());
            // Beyond what the ledger holds it could not be read back.
            let surplus = self.payments.len().saturating_sub(Ledger::PENDING_MAX);
            self.payments.drain(..surplus);
        }
        Ok(())
    }

    /// The payments that adding another one would drop, parents first: those that spend the same coins, and what depends on them.
    pub fn replaced_by(&self, payment: &Transaction) -> impl Iterator<Item = &Transaction> {
        let txid = payment.txid();
        let conflicts = move |own: &Transaction| {
            own.txid() != txid && own.body.inputs.iter().any(|input| payment.body.inputs.contains(input))
        };
        self.gone_with(conflicts)
    }

    /// These payments, and what depends on them.
    fn gone_with(&self, mut is_first: impl FnMut(&Transaction) -> bool) -> impl Iterator<Item = &Transaction> {
        let mut gone = BTreeSet::new();
        self.payments.iter().filter(move |own| {
            let is_gone = is_first(own) || own.body.inputs.iter().any(|input| gone.contains(&input.txid));
            if is_gone {
                gone.insert(own.txid());
            }
            is_gone
        })
    }

    fn drop_all(&mut self, txids: &BTreeSet<Txid>) {
        self.payments.retain(|own| !txids.contains(&own.txid()));
    }

    /// Notes a payment again that another one had replaced, if all of its coins are there and free. Returns whether they are.
    pub fn add_again(&mut self, account: &mut Account, payment: &Transaction, secret: Option<&AccountKey>) -> bool {
        is_payable(account, &payment.body) && self.add(account, payment, secret).is_ok()
    }

    /// Forgets a payment that nobody wants, and what depends on it.
    pub fn forget(&mut self, account: &mut Account, txid: &Txid) {
        account.drop_own_pending(txid);
        let gone = self.gone_with(|own| own.txid() == *txid).map(Transaction::txid).collect();
        self.drop_all(&gone);
    }

    /// Whether a pending transaction is of no concern to these payments: none is it, spends the same coins, or depends on it. Only such a one may be
    /// taken in or dropped because a node says so.
    #[must_use]
    pub fn is_apart(&self, account: &Account, transaction: &Txid, inputs: &[OutPoint]) -> bool {
        let is_spent = |own: &Transaction| own.body.inputs.iter().any(|input| inputs.contains(input));
        let is_known = |entry: &TxEntry| self.get(&entry.txid).is_some();
        self.get(transaction).is_none()
            && !self.payments.iter().any(is_spent)
            && !account.ledger().dependents(transaction).into_iter().any(is_known)
    }

    /// Forgets what is mined, hands over what can no longer be, and has wait again what the account has lost from sight and can still pay: after a
    /// block, or after looking for the account anew. While that goes on, `is_complete` is false: coins may be missing that will still come.
    pub fn settle(
        &mut self,
        account: &mut Account,
        departed: &mut Departed,
        is_complete: bool,
        secret: Option<&AccountKey>,
    ) {
        self.payments.retain(|payment| match account.ledger().entry(&payment.txid()) {
            Some(entry) => entry.block.is_none(),
            None if is_payable(account, &payment.body) => {
                // Where too many others wait, there may be room later.
                let _ = account.add_pending(&TxEffects::of_transaction(&payment.body), secret);
                true
            }
            None => {
                if is_complete {
                    departed.add_lost(account, &payment.body);
                }
                !is_complete
            }
        });
    }
}

/// Whether all coins of a payment are there, spent by no other that waits, and it has not expired. Whether they are mature, the node says.
fn is_payable(account: &Account, body: &TxBody) -> bool {
    let expiry = body.expiry_height;
    let is_expired = expiry != Height::GENESIS && expiry <= account.height();
    !is_expired && body.inputs.iter().all(|input| account.ledger().is_free(input))
}

#[cfg(test)]
mod tests;
