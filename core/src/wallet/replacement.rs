//! Replacing a transaction that is not mined yet by one that pays more: for the same outputs, or to get everything back.
//!
//! A replacement spends every coin of the original, so that only one of the two can ever be mined. It pays what nodes ask of one that they
//! relay (the rules of BIP 125, which [`crate::mempool`] keeps): a higher rate than the original, and the fees of all that it
//! pushes out with its own size at the incremental rate on top.

use alloc::vec::Vec;

use super::builder::{BuildError, Draft, Funds, UnsignedTx};
use super::coin_selection::FeeRule;
use super::derivation::Branch;
use super::ledger::OwnedCoin;
use crate::codec;
use crate::lock::Address;
use crate::tx::{Transaction, TxOut};
use crate::units::{Amount, FeeRate, Height};

/// A transaction that is not mined yet.
#[derive(Clone, Copy, Debug)]
pub struct Original<'a> {
    /// The transaction, signed.
    pub transaction: &'a Transaction,
    /// The coins that it spends, all of them: those of its entry in the ledger.
    pub spent: &'a [OwnedCoin],
    /// The fees of pending transactions that spend what this one makes: they are pushed out with it, and paid for. Zero for none.
    pub dependent_fees: Amount,
}

/// What a replacement pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplacementFee {
    /// At least this rate, and more where nodes would not relay the replacement for it.
    pub rate: FeeRate,
    /// The last height at which the replacement may be mined; 0 for none.
    pub expiry_height: Height,
}

/// Whose money a higher fee is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeeFrom {
    /// The change: the output to an address of the account's change branch. Where there is none, or too little, coins are
    /// added, and their change goes to this address.
    Change(Address),
    /// The output at this place, as for a payment of everything.
    Output(usize),
}

/// Builds a replacement that pays a higher fee for the same outputs. The funds' coins may be added; those that the original made are not.
///
/// # Errors
/// [`BuildError`]; among others if the original spends coins of others.
pub fn build_fee_bump(
    funds: &Funds<'_>,
    original: &Original<'_>,
    fee: ReplacementFee,
    from: FeeFrom,
) -> Result<UnsignedTx, BuildError> {
    let mut outputs = original.transaction.body.outputs.clone();
    let (place, fresh) = match from {
        FeeFrom::Change(fresh) => (outputs.iter().position(|output| is_change(funds, output)), Some(fresh)),
        FeeFrom::Output(index) if index >= outputs.len() => {
            return Err(BuildError::NoSuchOutput { index, outputs: outputs.len() });
        }
        FeeFrom::Output(index) => (Some(index), None),
    };
    let former = place.map(|place| outputs.remove(place));
    let former_address = former.as_ref().and_then(|output| output.lock.address());
    let rest = former_address.or(fresh).ok_or(BuildError::DataPaysNothing { index: place.unwrap_or_default() })?;
    let coins = other_coins(funds, original);
    // Where an output pays, no coins are added: the payer chose to send just these.
    let optional: &[OwnedCoin] = if fresh.is_some() { &coins } else { &[] };
    // A transaction to oneself alone has no other output than its change, which then may not vanish.
    let needs_rest = fresh.is_none() || outputs.is_empty();
    draft(funds, original, fee, outputs, rest, optional, needs_rest)?.assemble(funds)
}

/// Builds a replacement that pays everything back to an address of the account.
///
/// # Errors
/// [`BuildError`]; among others if the original spends coins of others, or the fee leaves nothing.
pub fn build_cancellation(
    funds: &Funds<'_>,
    original: &Original<'_>,
    fee: ReplacementFee,
    back_to: Address,
) -> Result<UnsignedTx, BuildError> {
    draft(funds, original, fee, Vec::new(), back_to, &[], true)?.assemble(funds)
}

fn draft<'a>(
    funds: &Funds<'_>,
    original: &Original<'a>,
    fee: ReplacementFee,
    outputs: Vec<TxOut>,
    rest: Address,
    optional: &'a [OwnedCoin],
    needs_rest: bool,
) -> Result<Draft<'a>, BuildError> {
    let &Original { transaction, spent, dependent_fees } = original;
    let body = &transaction.body;
    let is_own = |outpoint| spent.iter().any(|coin| coin.outpoint == outpoint);
    if let Some(outpoint) = body.inputs.iter().copied().find(|outpoint| !is_own(*outpoint)) {
        return Err(BuildError::ForeignInput { outpoint });
    }
    let inputs = Amount::checked_sum(spent.iter().map(|coin| coin.amount));
    let paid = Amount::checked_sum(body.outputs.iter().map(|output| output.amount));
    let own_fee = inputs.zip(paid).and_then(|(inputs, paid)| inputs.checked_sub(paid)).ok_or(BuildError::Overflow)?;
    let former_rate = FeeRate::reached_by(own_fee, codec::encoded_len(transaction) as u64).unwrap_or_default();
    let higher_rate = FeeRate::from_quanta_per_1000_bytes(former_rate.quanta_per_1000_bytes().saturating_add(1));
    let fee_rule = FeeRule {
        rate: fee.rate.max(higher_rate),
        replaced: own_fee.checked_add(dependent_fees).ok_or(BuildError::Overflow)?,
        increment: funds.policy.incremental_fee_rate,
    };
    Ok(Draft {
        outputs,
        rest,
        spends_everything: false,
        needs_rest,
        fee: fee_rule,
        lock_height: body.lock_height,
        expiry_height: fee.expiry_height,
        mandatory: spent,
        optional,
    })
}

/// The funds' coins, without those that the original spends or makes.
fn other_coins(funds: &Funds<'_>, original: &Original<'_>) -> Vec<OwnedCoin> {
    let made = original.transaction.txid();
    let is_other = |coin: &&OwnedCoin| {
        coin.outpoint.txid != made && original.spent.iter().all(|spent| spent.outpoint != coin.outpoint)
    };
    funds.coins.iter().filter(is_other).copied().collect()
}

fn is_change(funds: &Funds<'_>, output: &TxOut) -> bool {
    let path = output.lock.address().and_then(|address| funds.book.path_of(&address));
    path.is_some_and(|path| path.branch == Branch::Change)
}

#[cfg(test)]
mod tests;
