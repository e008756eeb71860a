//! Payments as they are shown before they are signed, and why there is none.

use qbtc_core::hash::Txid;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::{Amount, FeeRate};
use qbtc_core::wallet::builder::UnsignedTx;
use qbtc_core::wallet::pay::{self, Order, PayError};

use super::account::AccountState;
use super::effect::Effect;

/// A payment that is ready to be signed, and what it does.
pub type Drafted = (Effect, UnsignedTx);

/// How a payment that waits is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Whether everything is taken back; otherwise the same is paid with a higher fee.
    pub takes_back: bool,
    /// At least this rate.
    pub fee_rate: FeeRate,
    /// What transactions that depend on it pay, as a node has it.
    pub dependent_fees: Amount,
}

/// Why an account does not pay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// What core says.
    #[error(transparent)]
    Pay(#[from] PayError),
    /// The chain is being looked through.
    #[error("the chain is still being looked through for this account: what was found so far may be spent already")]
    LookedFor,
    /// Not a payment of this account that still waits.
    #[error("this payment is in a block, or not one that was made here: it cannot be replaced")]
    NotReplaceable,
}

/// Makes a payment.
///
/// # Errors
/// [`DraftError`].
pub fn draft_payment(state: &AccountState, spec: &ChainSpec, order: &Order) -> Result<Drafted, DraftError> {
    check(state)?;
    let unsigned = pay::pay(state.account(), spec, order)?;
    Ok((Effect::of(&unsigned, state.account(), None), unsigned))
}

/// Makes what replaces a payment that waits.
///
/// # Errors
/// [`DraftError`].
pub fn draft_replacement(
    state: &AccountState,
    spec: &ChainSpec,
    txid: &Txid,
    replacement: Replacement,
) -> Result<Drafted, DraftError> {
    check(state)?;
    let Replacement { takes_back, fee_rate, dependent_fees } = replacement;
    let account = state.account();
    let (transaction, _) = state.outbox().replaceable(account, txid).ok_or(DraftError::NotReplaceable)?;
    let wanted = pay::Replacement { transaction, dependent_fees, fee_rate };
    let unsigned = match takes_back {
        true => pay::cancel(account, spec, &wanted),
        false => pay::bump(account, spec, &wanted, None),
    }?;
    Ok((Effect::of(&unsigned, account, Some(txid)), unsigned))
}

fn check(state: &AccountState) -> Result<(), DraftError> {
    if state.is_looked_for() { Err(DraftError::LookedFor) } else { Ok(()) }
}
