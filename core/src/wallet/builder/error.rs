//! Why a payment or a replacement cannot be made.

use crate::crypto::Scheme;
use crate::lock::Address;
use crate::tx::OutPoint;
use crate::units::{Amount, FeeRate, Height};
use crate::wallet::coin_selection::SelectionError;
use crate::wallet::derivation::AccountPath;
use crate::wallet::partial::PartialError;

/// Why a payment cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Not enough coins, or too many.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// Nothing to pay.
    #[error("a payment without outputs")]
    NoOutputs,
    /// An output that costs more to spend than it is worth: nodes do not relay it.
    #[error("output {index} of {found} QBTC is not worth spending: nodes relay from {least} QBTC")]
    Dust {
        /// The output's place.
        index: usize,
        /// Amount found.
        found: Amount,
        /// The least amount.
        least: Amount,
    },
    /// Money on data, which nobody could spend.
    #[error("output {index} puts {found} QBTC on data, which nobody could spend")]
    DataAmount {
        /// The output's place.
        index: usize,
        /// Amount found.
        found: Amount,
    },
    /// Too much data.
    #[error("output {index} with {found} bytes of data exceeds the limit of {limit}")]
    Data {
        /// The output's place.
        index: usize,
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: u32,
    },
    /// More outputs of data than nodes relay.
    #[error("{found} outputs of data: nodes relay at most {limit}")]
    DataOutputs {
        /// Outputs found.
        found: usize,
        /// Outputs allowed.
        limit: u32,
    },
    /// A rate that nodes do not relay.
    #[error("a fee of {found}: nodes relay from {least}")]
    FeeRate {
        /// The rate given.
        found: FeeRate,
        /// The least rate.
        least: FeeRate,
    },
    /// A scheme that may not sign when the transaction is to be mined.
    #[error("scheme {scheme} is not allowed at height {height}")]
    Scheme {
        /// The scheme of the keys that would sign.
        scheme: Scheme,
        /// The transaction's lock height.
        height: Height,
    },
    /// No height lies between lock and expiry.
    #[error("the transaction would expire at height {expiry}, before it unlocks at {lock}")]
    NeverValid {
        /// The lock height.
        lock: Height,
        /// The expiry height.
        expiry: Height,
    },
    /// Amounts beyond all the money there can be.
    #[error("the amounts exceed the largest amount")]
    Overflow,
    /// Everything was to be sent, and what the fee leaves of it is nothing, or too little to be relayed.
    #[error("{available} QBTC leave less than {least} QBTC after the fee, the least that nodes relay")]
    RestTooSmall {
        /// What the coins come to, without what the other outputs pay.
        available: Amount,
        /// The least amount of an output.
        least: Amount,
    },
    /// Data was to pay a fee.
    #[error("output {index} is data: it has no money to pay a fee from")]
    DataPaysNothing {
        /// The output's place.
        index: usize,
    },
    /// The rules refuse a body of this one length, since it could pass for an inner node of a merkle tree.
    #[error(
        "the transaction's body would have exactly 64 bytes, which the rules refuse: write one byte of data more or less"
    )]
    MerkleNodeSize,
    /// A coin on an address that the book does not hold, or holds without keys.
    #[error("the keys of {address:?} are not known: the account only watches it")]
    UnknownKeys {
        /// The address.
        address: Address,
    },
    /// The addresses have no dormant key.
    #[error("the account's addresses have no fallback key")]
    NoFallback,
    /// The secret of another account.
    #[error("the secret is that of {found}: expected {expected}")]
    Account {
        /// The secret's account.
        found: AccountPath,
        /// The account that pays.
        expected: AccountPath,
    },
    /// About the transaction that is put together.
    #[error(transparent)]
    Partial(#[from] PartialError),
    /// A transaction to be replaced that spends coins of others.
    #[error("the transaction spends coin {}:{}, which is not the account's: it cannot be replaced alone", outpoint.txid, outpoint.index)]
    ForeignInput {
        /// The coin.
        outpoint: OutPoint,
    },
    /// An output that the transaction to be replaced lacks.
    #[error("output {index} was to pay the fee, and there are {outputs}")]
    NoSuchOutput {
        /// The place given.
        index: usize,
        /// How many outputs there are.
        outputs: usize,
    },
}
