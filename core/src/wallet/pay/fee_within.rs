//! Payments whose recipients pay the fee.

use alloc::vec::Vec;

use super::{PayError, Purse};
use crate::tx::TxOut;
use crate::units::Amount;
use crate::wallet::builder::{BuildError, Payment, Rest, UnsignedTx};
use crate::wallet::coin_selection::SelectionError;

/// How often a fee is tried: each time it grows, by at least another coin's cost, so few are needed.
const TRIES_MAX: u32 = 64;

impl Purse<'_> {
    /// Builds a payment whose recipients pay the fee. What is paid depends on the fee and the coins on what is paid, so the fee is
    /// tried and raised until the payment bears it.
    pub(super) fn build_fee_within(&self, mut payment: Payment) -> Result<UnsignedTx, PayError> {
        let ordered = core::mem::take(&mut payment.outputs);
        let sum = Amount::checked_sum(ordered.iter().map(|output| output.amount)).unwrap_or(Amount::MAX);
        if matches!(payment.rest, Rest::Everything(_)) || sum == Amount::ZERO {
            return Err(PayError::NobodyPaysFee);
        }
        let mut fee = Amount::ZERO;
        for _ in 0..TRIES_MAX {
            payment.outputs = without_fee(&ordered, fee)?;
            let needed = match self.build(&payment) {
                Ok(built) if built.fee() <= fee => return Ok(built),
                Ok(built) => built.fee(),
                // All coins together do not pay for it: then so much less has to be paid.
                Err(BuildError::Selection(SelectionError::Insufficient { needed, available, .. }))
                    if available >= sum =>
                {
                    needed.saturating_sub(available).checked_add(fee).unwrap_or(Amount::MAX)
                }
                Err(error) => return Err(error.into()),
            };
            fee = needed;
        }
        Err(PayError::FeeUnsettled)
    }
}

/// The outputs, each but those of data with its part of the fee taken off; the first bear what does not divide.
pub(super) fn without_fee(outputs: &[TxOut], fee: Amount) -> Result<Vec<TxOut>, PayError> {
    let payers = outputs.iter().filter(|output| output.lock.address().is_some()).count() as u64;
    let (part, odd) = (fee.quanta().checked_div(payers), fee.quanta().checked_rem(payers));
    let (part, mut odd) = part.zip(odd).ok_or(PayError::NobodyPaysFee)?;
    let mut outputs = outputs.to_vec();
    for output in outputs.iter_mut().filter(|output| output.lock.address().is_some()) {
        let part = part + u64::from(odd > 0);
        odd = odd.saturating_sub(1);
        let left = output.amount.quanta().checked_sub(part).filter(|left| *left > 0);
        let left = left.and_then(|left| Amount::from_quanta(left).ok());
        output.amount = left.ok_or(PayError::FeeTooHigh { fee })?;
    }
    Ok(outputs)
}
