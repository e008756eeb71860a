//! Payments, and what replaces them: core's builders, fed with what a wallet knows.
//!
//! Must not choose fees: whoever asks says at which rate. Must not send: what is made here is signed by its caller and handed to a
//! node by him.

use std::collections::BTreeSet;

use qbtc_core::hash::Txid;
use qbtc_core::lock::Address;
use qbtc_core::mempool::Policy;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxOut};
use qbtc_core::units::{Amount, FeeRate, Height};
use qbtc_core::wallet::builder::{BuildError, Funds, Payment, Rest, SigningKey, UnsignedTx, build, expiry_height};
use qbtc_core::wallet::coin_selection::SelectionError;
use qbtc_core::wallet::derivation::Branch;
use qbtc_core::wallet::ledger::{Balance, OwnedCoin, TxEntry};
use qbtc_core::wallet::replacement::{FeeFrom, Original, ReplacementFee, build_cancellation, build_fee_bump};

use super::state::WalletState;

/// What is to be paid.
#[derive(Clone, Debug, Default)]
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

/// How often a fee is tried that recipients pay: each time it grows, by at least another coin's cost, so few are needed.
const FEE_TRIES_MAX: u32 = 64;

/// How a payment that is in no block yet is replaced.
#[derive(Clone, Copy, Debug)]
pub struct Replacement<'a> {
    /// The payment, signed.
    pub transaction: &'a Transaction,
    /// What transactions that depend on it pay.
    pub dependent_fees: Amount,
    /// At least this rate.
    pub fee_rate: FeeRate,
    /// The output that pays the higher fee, in place of the change.
    pub from_output: Option<usize>,
}

/// Why a payment cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpendError {
    /// What core says.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A coin that is not there to be spent.
    #[error(
        "{}:{} is no coin that the wallet can spend now; `qbtc wallet coins` lists those that are available", .0.txid, .0.index
    )]
    NotSpendable(OutPoint),
    /// A fee that no recipient can pay.
    #[error(
        "nobody is paid an amount that could bear the fee: give ADDRESS=AMOUNT, and not `all`, with --subtract-fee"
    )]
    NobodyPaysFee,
    /// A recipient is paid less than his part of the fee.
    #[error("a fee of {fee} QBTC is more than can be subtracted from what is paid")]
    FeeTooHigh {
        /// The fee.
        fee: Amount,
    },
    /// The coins that were tried never added up.
    #[error("no fee was found that the recipients can pay; let the wallet pay it")]
    FeeUnsettled,
    /// No address is left for the change.
    #[error(
        "the wallet has run out of change addresses: synchronise it with the passphrase, `qbtc wallet sync --unlock`"
    )]
    NoChangeAddress,
    /// Not one of the wallet's.
    #[error("transaction {0} is none of the wallet's; `qbtc wallet history` lists them")]
    Unknown(Txid),
    /// In a block.
    #[error("transaction {txid} is in the block of height {height} and cannot be replaced any more")]
    Mined {
        /// The transaction.
        txid: Txid,
        /// The block's height.
        height: Height,
    },
}

/// Builds a payment on top of the wallet's tip, from mined coins, and with pending change where those are not enough; or from the
/// coins that are named.
///
/// # Errors
/// [`SpendError`].
pub fn pay(state: &WalletState, spec: &ChainSpec, order: &Order) -> Result<UnsignedTx, SpendError> {
    let rest = match order.everything_to {
        Some(address) => Rest::Everything(address),
        None => Rest::Change(change_address(state)?),
    };
    let mut payment = Payment::new(order.outputs.clone(), rest, order.fee_rate, state.height(), spec.consensus());
    if let Some(seconds) = order.valid_for_s {
        let blocks = seconds.checked_div(spec.consensus().spacing_s).unwrap_or(seconds).max(2);
        payment.expiry_height = state.height().plus(blocks).unwrap_or(Height::GENESIS);
    }
    let key = if order.with_fallback_key { SigningKey::Fallback } else { SigningKey::Ordinary };
    let coins = coins_for(state, spec, &order.only_coins)?;
    if order.fee_within {
        return pay_fee_within(state, spec, key, &coins, payment);
    }
    Ok(build_payment(state, spec, key, &coins, &payment)?)
}

/// The coins for a payment: those to begin with, and more where they are not enough.
struct Coins {
    first: Vec<OwnedCoin>,
    then: Vec<OwnedCoin>,
}

/// Mined coins, then pending change as well; or only those that are named.
fn coins_for(state: &WalletState, spec: &ChainSpec, only: &[OutPoint]) -> Result<Coins, SpendError> {
    let mined = spendable(state, spec);
    if only.is_empty() {
        let change = state.ledger().pending_coins().into_iter().filter(|coin| is_own_change(state, coin));
        let then = mined.iter().copied().chain(change).collect();
        return Ok(Coins { first: mined, then });
    }
    let all: Vec<_> = mined.into_iter().chain(state.ledger().pending_coins()).collect();
    let find = |outpoint: &OutPoint| {
        let coin = all.iter().find(|coin| coin.outpoint == *outpoint);
        coin.copied().ok_or(SpendError::NotSpendable(*outpoint))
    };
    // Named twice, a coin is still one.
    let only: BTreeSet<&OutPoint> = only.iter().collect();
    let named: Vec<_> = only.into_iter().map(find).collect::<Result<_, _>>()?;
    Ok(Coins { first: named.clone(), then: named })
}

/// Builds a payment whose recipients pay the fee. What is paid depends on the fee and the coins on what is paid, so the fee is tried
/// and raised until the payment bears it.
fn pay_fee_within(
    state: &WalletState,
    spec: &ChainSpec,
    key: SigningKey,
    coins: &Coins,
    mut payment: Payment,
) -> Result<UnsignedTx, SpendError> {
    let ordered = std::mem::take(&mut payment.outputs);
    let sum = Amount::checked_sum(ordered.iter().map(|output| output.amount)).unwrap_or(Amount::MAX);
    if matches!(payment.rest, Rest::Everything(_)) || sum == Amount::ZERO {
        return Err(SpendError::NobodyPaysFee);
    }
    let mut fee = Amount::ZERO;
    for _ in 0..FEE_TRIES_MAX {
        payment.outputs = without_fee(&ordered, fee)?;
        let needed = match build_payment(state, spec, key, coins, &payment) {
            Ok(built) if built.fee() <= fee => return Ok(built),
            Ok(built) => built.fee(),
            // All coins together do not pay for it: then so much less has to be paid.
            Err(BuildError::Selection(SelectionError::Insufficient { needed, available, .. })) if available >= sum => {
                needed.saturating_sub(available).checked_add(fee).unwrap_or(Amount::MAX)
            }
            Err(error) => return Err(error.into()),
        };
        fee = needed;
    }
    Err(SpendError::FeeUnsettled)
}

/// The outputs, each but those of data with its part of the fee taken off; the first bear what does not divide.
fn without_fee(outputs: &[TxOut], fee: Amount) -> Result<Vec<TxOut>, SpendError> {
    let payers = outputs.iter().filter(|output| output.lock.address().is_some()).count() as u64;
    let (part, odd) = (fee.quanta().checked_div(payers), fee.quanta().checked_rem(payers));
    let (part, mut odd) = part.zip(odd).ok_or(SpendError::NobodyPaysFee)?;
    let mut outputs = outputs.to_vec();
    for output in outputs.iter_mut().filter(|output| output.lock.address().is_some()) {
        let part = part + u64::from(odd > 0);
        odd = odd.saturating_sub(1);
        let left = output.amount.quanta().checked_sub(part).filter(|left| *left > 0);
        let left = left.and_then(|left| Amount::from_quanta(left).ok());
        output.amount = left.ok_or(SpendError::FeeTooHigh { fee })?;
    }
    Ok(outputs)
}

fn build_payment(
    state: &WalletState,
    spec: &ChainSpec,
    key: SigningKey,
    coins: &Coins,
    payment: &Payment,
) -> Result<UnsignedTx, BuildError> {
    match with_funds(state, spec, key, &coins.first, |funds| build(funds, payment)) {
        Err(BuildError::Selection(SelectionError::Insufficient { .. })) => {
            with_funds(state, spec, key, &coins.then, |funds| build(funds, payment))
        }
        built => built,
    }
}

/// Builds a replacement that pays more for the same outputs.
///
/// # Errors
/// [`SpendError`].
pub fn bump(state: &WalletState, spec: &ChainSpec, wanted: &Replacement<'_>) -> Result<UnsignedTx, SpendError> {
    let entry = pending_entry(state, &wanted.transaction.txid())?;
    let from = match wanted.from_output {
        Some(index) => FeeFrom::Output(index),
        None => FeeFrom::Change(change_address(state)?),
    };
    let (original, fee) = (original(wanted, entry), fee(state, spec, wanted));
    let coins = spendable(state, spec);
    let built =
        with_funds(state, spec, SigningKey::Ordinary, &coins, |funds| build_fee_bump(funds, &original, fee, from));
    Ok(built?)
}

/// Builds a replacement that pays everything back to the wallet.
///
/// # Errors
/// [`SpendError`].
pub fn cancel(state: &WalletState, spec: &ChainSpec, wanted: &Replacement<'_>) -> Result<UnsignedTx, SpendError> {
    let entry = pending_entry(state, &wanted.transaction.txid())?;
    let (original, fee) = (original(wanted, entry), fee(state, spec, wanted));
    let back_to = change_address(state)?;
    let coins = spendable(state, spec);
    let built = with_funds(state, spec, SigningKey::Ordinary, &coins, |funds| {
        build_cancellation(funds, &original, fee, back_to)
    });
    Ok(built?)
}

/// The wallet's entry of a transaction that is in no block yet.
///
/// # Errors
/// [`SpendError::Unknown`] and [`SpendError::Mined`].
pub fn pending_entry<'a>(state: &'a WalletState, txid: &Txid) -> Result<&'a TxEntry, SpendError> {
    let entry = state.ledger().entry(txid).ok_or(SpendError::Unknown(*txid))?;
    match entry.block {
        Some(block) => Err(SpendError::Mined { txid: *txid, height: block.height }),
        None => Ok(entry),
    }
}

/// How much money there is for a transaction on top of the wallet's tip.
#[must_use]
pub fn balance(state: &WalletState, spec: &ChainSpec) -> Balance {
    state.ledger().balance(next_height(state), spec.consensus().coinbase_maturity)
}

/// The coins that a transaction on top of the wallet's tip may spend.
#[must_use]
pub fn spendable(state: &WalletState, spec: &ChainSpec) -> Vec<OwnedCoin> {
    state.ledger().spendable(next_height(state), spec.consensus().coinbase_maturity)
}

/// The height of the block that comes next.
#[must_use]
pub fn next_height(state: &WalletState) -> Height {
    state.height().next().unwrap_or(state.height())
}

fn original<'a>(wanted: &Replacement<'a>, entry: &'a TxEntry) -> Original<'a> {
    Original { transaction: wanted.transaction, spent: &entry.spent, dependent_fees: wanted.dependent_fees }
}

fn fee(state: &WalletState, spec: &ChainSpec, wanted: &Replacement<'_>) -> ReplacementFee {
    let expiry_height = expiry_height(state.height(), spec.consensus().spacing_s);
    ReplacementFee { rate: wanted.fee_rate, expiry_height }
}

fn change_address(state: &WalletState) -> Result<Address, SpendError> {
    state.book().next_unused(Branch::Change).map(|(_, address)| address).ok_or(SpendError::NoChangeAddress)
}

/// Whether a pending coin is change of a payment that the wallet alone has made: nobody else can take it back.
fn is_own_change(state: &WalletState, coin: &OwnedCoin) -> bool {
    let entry = state.ledger().entry(&coin.outpoint.txid);
    coin.path.branch == Branch::Change && entry.is_some_and(|entry| entry.spent_of_others.is_empty())
}

fn with_funds<T>(
    state: &WalletState,
    spec: &ChainSpec,
    key: SigningKey,
    coins: &[OwnedCoin],
    then: impl FnOnce(&Funds<'_>) -> T,
) -> T {
    let policy = Policy::default();
    then(&Funds { spec, policy: &policy, book: state.book(), coins, balance: balance(state, spec), key })
}

#[cfg(test)]
mod tests;
