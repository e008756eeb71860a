//! Coins: the unspent outputs, views of them, and how blocks change them.
//!
//! A [`CoinView`] answers which coins exist at some tip; a [`CoinDiff`] leads from one tip's coins to another's, can be
//! reversed, and can be composed. Nothing here decides whether a spend is allowed.

mod diff;
mod undo;
mod view;

pub use diff::{CoinDiff, DiffError};
pub use undo::{BlockDiff, Undo, UndoError};
pub use view::{CoinView, MemoryCoins, Overlay};

use serde::{Deserialize, Serialize};

use crate::lock::{Address, Lock};
use crate::tx::TxOut;
use crate::units::{Amount, Height};

/// An unspent output, with what the rules ask about its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Coin {
    /// How much money.
    pub amount: Amount,
    /// What it is locked to.
    pub address: Address,
    /// The height of the block that made it.
    pub height: Height,
    /// Whether a coinbase made it: such coins must mature.
    pub is_coinbase: bool,
}

impl Coin {
    /// The coin that an output makes; `None` for data, which nobody can spend.
    #[must_use]
    pub const fn of_output(output: &TxOut, height: Height, is_coinbase: bool) -> Option<Self> {
        match output.lock.address() {
            Some(address) => Some(Self { amount: output.amount, address, height, is_coinbase }),
            None => None,
        }
    }

    /// The output that made this coin.
    #[must_use]
    pub const fn to_output(&self) -> TxOut {
        TxOut { amount: self.amount, lock: Lock::Address(self.address) }
    }
}
