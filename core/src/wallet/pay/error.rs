//! Why an account cannot pay, or a payment cannot be replaced.

use crate::hash::Txid;
use crate::tx::OutPoint;
use crate::units::{Amount, Height};
use crate::wallet::builder::BuildError;

/// Why an account cannot pay, or a payment cannot be replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayError {
    /// What the builder says.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A coin that is not there to be spent.
    #[error("{}:{} is no coin that the wallet can spend now", .0.txid, .0.index)]
    NotSpendable(OutPoint),
    /// A fee that no recipient can pay.
    #[error("nobody is paid an amount that could bear the fee")]
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
    /// No address is left for the change: only the secret gives more.
    #[error("the wallet has run out of change addresses")]
    NoChangeAddress,
    /// Not one of the account's.
    #[error("transaction {0} is none of the wallet's")]
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
