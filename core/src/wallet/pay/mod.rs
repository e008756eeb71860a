//! Payments of an account, and what replaces them: the builders, fed with what the account knows.
//!
//! Must not choose fees: whoever asks says at which rate. Must not send: what is made here is signed by its caller, noted in the
//! [`Outbox`](super::outbox::Outbox), and handed to a node.

mod error;
mod fee_within;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

pub use error::PayError;

use super::account::Account;
use super::builder::{BuildError, Funds, Payment, Rest, SigningKey, UnsignedTx, build, expiry_height};
use super::coin_selection::SelectionError;
use super::derivation::Branch;
use super::ledger::{OwnedCoin, TxEntry};
use super::replacement::{FeeFrom, Original, ReplacementFee, build_cancellation, build_fee_bump};
use crate::hash::Txid;
use crate::lock::Address;
use crate::mempool::Policy;
use crate::spec::ChainSpec;
use crate::tx::{OutPoint, Transaction, TxOut};
use crate::units::{Amount, FeeRate, Height};

/// What is to be paid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Recipients and data.
    pub outputs: Vec<TxOut>,
    /// Who gets all that is left, for a payment of everything.
    pub everything_to: Option<Address>,
    /// What miners get.
    pub fee_rate: FeeRate,
    /// The only coins that may be spent; none for any. They may be pending ones too.
    pub only_coins: Vec<OutPoint>,
    /// Whether the recipients pay the fee, each an equal part, so that the wallet has no less afterwards than what was ordered.
    pub fee_within: bool,
    /// For how long the payment can be mined, in seconds [usual: an hour].
    pub valid_for_s: Option<u32>,
    /// Sign with the dormant key of each address.
    pub with_fallback_key: bool,
}

/// How a payment that is in no block yet is replaced.
#[derive(Clone, Copy, Debug)]
pub struct Replacement<'a> {
    /// The payment, signed.
    pub transaction: &'a Transaction,
    /// What all transactions pay that depend on it, as a node has it: they are pushed out with it, and paid for. Zero where none is asked; what the
    /// account's own pay is known.
    pub dependent_fees: Amount,
    /// At least this rate.
    pub fee_rate: FeeRate,
}

/// Builds a payment on top of the account's tip, from mined coins, and with pending change where those are not enough; or from the
/// coins that are named.
///
/// # Errors
/// [`PayError`].
pub fn pay(account: &Account, spec: &ChainSpec, order: &Order) -> Result<UnsignedTx, PayError> {
    let rest = match order.everything_to {
        Some(address) => Rest::Everything(address),
        None => Rest::Change(change_address(account)?),
    };
    let tip = account.height();
    let mut payment = Payment::new(order.outputs.clone(), rest, order.fee_rate, tip, spec.consensus());
    if let Some(seconds) = order.valid_for_s {
        let blocks = seconds.checked_div(spec.consensus().spacing_s).unwrap_or(seconds).max(2);
        payment.expiry_height = tip.plus(blocks).unwrap_or(Height::GENESIS);
    }
    let key = if order.with_fallback_key { SigningKey::Fallback } else { SigningKey::Ordinary };
    let purse = Purse { account, spec, key, coins: coins_for(account, spec, &order.only_coins)? };
    if order.fee_within { purse.build_fee_within(payment) } else { Ok(purse.build(&payment)?) }
}

/// Builds a replacement that pays more for the same outputs: from the change, or from the output at this place.
///
/// # Errors
/// [`PayError`].
pub fn bump(
    account: &Account,
    spec: &ChainSpec,
    wanted: &Replacement<'_>,
    from_output: Option<usize>,
) -> Result<UnsignedTx, PayError> {
    let from = match from_output {
        Some(index) => FeeFrom::Output(index),
        None => FeeFrom::Change(change_address(account)?),
    };
    replace(account, spec, wanted, |funds, original, fee| build_fee_bump(funds, original, fee, from))
}

/// Builds a replacement that pays everything back to the account.
///
/// # Errors
/// [`PayError`].
pub fn cancel(account: &Account, spec: &ChainSpec, wanted: &Replacement<'_>) -> Result<UnsignedTx, PayError> {
    let back_to = change_address(account)?;
    replace(account, spec, wanted, |funds, original, fee| build_cancellation(funds, original, fee, back_to))
}

fn replace(
    account: &Account,
    spec: &ChainSpec,
    wanted: &Replacement<'_>,
    build: impl FnOnce(&Funds<'_>, &Original<'_>, ReplacementFee) -> Result<UnsignedTx, BuildError>,
) -> Result<UnsignedTx, PayError> {
    let txid = wanted.transaction.txid();
    let entry = pending_entry(account, &txid)?;
    // What a node says has these among it.
    let own = account.ledger().dependents(&txid).into_iter().filter_map(TxEntry::fee);
    let dependent_fees = Amount::checked_sum(own).unwrap_or(Amount::MAX).max(wanted.dependent_fees);
    let original = Original { transaction: wanted.transaction, spent: &entry.spent, dependent_fees };
    let expiry_height = expiry_height(account.height(), spec.consensus().spacing_s);
    let fee = ReplacementFee { rate: wanted.fee_rate, expiry_height };
    let coins = account.spendable(spec);
    Ok(with_funds(account, spec, SigningKey::Ordinary, &coins, |funds| build(funds, &original, fee))?)
}

/// The account's entry of a transaction that is in no block yet.
///
/// # Errors
/// [`PayError::Unknown`] and [`PayError::Mined`].
pub fn pending_entry<'a>(account: &'a Account, txid: &Txid) -> Result<&'a TxEntry, PayError> {
    let entry = account.ledger().entry(txid).ok_or(PayError::Unknown(*txid))?;
    match entry.block {
        Some(block) => Err(PayError::Mined { txid: *txid, height: block.height }),
        None => Ok(entry),
    }
}

/// The coins for a payment: those to begin with, and more where they are not enough.
struct Coins {
    first: Vec<OwnedCoin>,
    then: Vec<OwnedCoin>,
}

/// Mined coins, then pending change as well; or only those that are named.
fn coins_for(account: &Account, spec: &ChainSpec, only: &[OutPoint]) -> Result<Coins, PayError> {
    let (mined, pending) = (account.spendable(spec), account.ledger().pending_coins());
    if only.is_empty() {
        let change = pending.into_iter().filter(|coin| is_own_change(account, coin));
        let then = mined.iter().copied().chain(change).collect();
        return Ok(Coins { first: mined, then });
    }
    let all: Vec<_> = mined.into_iter().chain(pending).collect();
    let find = |outpoint: &OutPoint| {
        let coin = all.iter().find(|coin| coin.outpoint == *outpoint);
        coin.copied().ok_or(PayError::NotSpendable(*outpoint))
    };
    // Named twice, a coin is still one.
    let only: BTreeSet<&OutPoint> = only.iter().collect();
    let named: Vec<_> = only.into_iter().map(find).collect::<Result<_, _>>()?;
    Ok(Coins { first: named.clone(), then: named })
}

/// Whether a pending coin is change of a payment that the account alone has made: nobody else can take it back.
fn is_own_change(account: &Account, coin: &OwnedCoin) -> bool {
    let entry = account.ledger().entry(&coin.outpoint.txid);
    coin.path.branch == Branch::Change && entry.is_some_and(TxEntry::is_own_payment)
}

/// What a payment is made from.
struct Purse<'a> {
    account: &'a Account,
    spec: &'a ChainSpec,
    key: SigningKey,
    coins: Coins,
}

impl Purse<'_> {
    fn build(&self, payment: &Payment) -> Result<UnsignedTx, BuildError> {
        let from = |coins| with_funds(self.account, self.spec, self.key, coins, |funds| build(funds, payment));
        match from(&self.coins.first) {
            Err(BuildError::Selection(SelectionError::Insufficient { .. })) => from(&self.coins.then),
            built => built,
        }
    }
}

fn with_funds<T>(
    account: &Account,
    spec: &ChainSpec,
    key: SigningKey,
    coins: &[OwnedCoin],
    then: impl FnOnce(&Funds<'_>) -> T,
) -> T {
    let (policy, balance) = (Policy::default(), account.balance(spec));
    then(&Funds { spec, policy: &policy, book: account.book(), coins, balance, key })
}

fn change_address(account: &Account) -> Result<Address, PayError> {
    account.book().next_unused(Branch::Change).map(|(_, address)| address).ok_or(PayError::NoChangeAddress)
}

#[cfg(test)]
mod tests;
