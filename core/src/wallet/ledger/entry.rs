//! What the ledger is made of: blocks, coins, and transactions as they touch an account.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::chain::BlockMark;
use crate::codec;
use crate::hash::Txid;
use crate::lock::Address;
use crate::tx::{OutPoint, TxBody, TxOut};
use crate::units::{Amount, Height};
use crate::wallet::derivation::AddressPath;

/// What a transaction does to coins: all that a wallet wants to know of it.
#[derive(Clone, Copy, Debug)]
pub struct TxEffects<'a> {
    /// The transaction's id, or the coinbase's.
    pub txid: Txid,
    /// Whether it is a coinbase.
    pub is_coinbase: bool,
    /// The greatest height at which it can be mined; 0 for any.
    pub expiry_height: Height,
    /// The coins it spends; none for a coinbase.
    pub inputs: &'a [OutPoint],
    /// The coins it makes.
    pub outputs: &'a [TxOut],
}

impl<'a> TxEffects<'a> {
    /// Those of a transaction.
    #[must_use]
    pub fn of_transaction(body: &'a TxBody) -> Self {
        Self {
            txid: body.txid(),
            is_coinbase: false,
            expiry_height: body.expiry_height,
            inputs: &body.inputs,
            outputs: &body.outputs,
        }
    }

    /// Those of a coinbase.
    #[must_use]
    pub const fn of_coinbase(id: Txid, outputs: &'a [TxOut]) -> Self {
        Self { txid: id, is_coinbase: true, expiry_height: Height::GENESIS, inputs: &[], outputs }
    }
}

/// A coin of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedCoin {
    /// The output.
    pub outpoint: OutPoint,
    /// How much money.
    pub amount: Amount,
    /// What it is locked to.
    pub address: Address,
    /// Where that address is in the account.
    pub path: AddressPath,
    /// The height of the block that made it; `None` while no block has.
    pub height: Option<Height>,
    /// Whether a coinbase made it.
    pub is_coinbase: bool,
}

impl OwnedCoin {
    /// Whether a block of this height may spend it: it is mined, and mature if a coinbase made it.
    #[must_use]
    pub fn is_spendable_at(&self, height: Height, coinbase_maturity: u32) -> bool {
        let from = |made: Height| if self.is_coinbase { made.plus(coinbase_maturity) } else { Some(made) };
        self.height.and_then(from).is_some_and(|from| from <= height)
    }
}

/// A transaction that touches the account: a line of its history, and all that is needed to undo it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxEntry {
    /// The transaction's id, or the coinbase's.
    pub txid: Txid,
    /// The block that holds it; `None` while it is pending.
    pub block: Option<BlockMark>,
    /// Whether it is a coinbase.
    pub is_coinbase: bool,
    /// The greatest height at which it can be mined; 0 for any.
    pub expiry_height: Height,
    /// The account's coins that it spends.
    #[serde(deserialize_with = "codec::bounded::<_, _, { TxBody::INPUTS_MAX }>")]
    pub spent: Vec<OwnedCoin>,
    /// Coins of others that it spends.
    #[serde(deserialize_with = "codec::bounded::<_, _, { TxBody::INPUTS_MAX }>")]
    pub spent_of_others: Vec<OutPoint>,
    /// The account's coins that it makes.
    #[serde(deserialize_with = "codec::bounded::<_, _, { TxBody::OUTPUTS_MAX }>")]
    pub received: Vec<OwnedCoin>,
    /// What it pays to others.
    pub paid_to_others: Amount,
}

impl TxEntry {
    /// What the account paid in.
    #[must_use]
    pub fn spent_amount(&self) -> Amount {
        sum(self.spent.iter().map(|coin| coin.amount))
    }

    /// What the account got out.
    #[must_use]
    pub fn received_amount(&self) -> Amount {
        sum(self.received.iter().map(|coin| coin.amount))
    }

    /// Whether the account alone has paid it: it spends coins, and all of them were its own.
    #[must_use]
    pub fn is_own_payment(&self) -> bool {
        !self.spent.is_empty() && self.spent_of_others.is_empty()
    }

    /// The fee, where the account paid it all.
    #[must_use]
    pub fn fee(&self) -> Option<Amount> {
        if !self.is_own_payment() {
            return None;
        }
        self.spent_amount().checked_sub(self.received_amount())?.checked_sub(self.paid_to_others)
    }

    /// All coins that it spends.
    pub(in crate::wallet) fn inputs(&self) -> impl Iterator<Item = OutPoint> {
        self.spent.iter().map(|coin| coin.outpoint).chain(self.spent_of_others.iter().copied())
    }

    pub(in crate::wallet) fn is_expired_after(&self, tip: Height) -> bool {
        self.expiry_height != Height::GENESIS && self.expiry_height <= tip
    }
}

/// A sum that stops at the largest amount: valid coins never reach it, and a display may not fail over false ones.
pub(super) fn sum(amounts: impl Iterator<Item = Amount>) -> Amount {
    Amount::checked_sum(amounts).unwrap_or(Amount::MAX)
}
