//! Blocks and transactions as JSON, in the shapes that tools for Bitcoin read.
//!
//! Names and units are Bitcoin Core's where the thing is the same: amounts are decimal numbers of QBTC, ids are byte-reversed hex,
//! difficulty is the multiple of Bitcoin's easiest target. What only this chain has (witnesses of its own, commitments, expiry) stands
//! under names of its own. Members keep the order of the fields.
//!
//! Only data goes in, so that a node, a file and a command line show the same.

mod block;
mod header;
mod transaction;

pub use block::{Block, BlockTransactions, Coinbase, CoinbaseInput, Commitments, Entry};
pub use header::{Header, difficulty};
pub use transaction::{Input, Lock, Output, Spent, Transaction, Witness};

use qbtc_core::units::Amount;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// An amount as a JSON number of QBTC with eight decimals, made from whole quanta and never through a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coins(pub Amount);

impl Serialize for Coins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SignedCoins(self.0.quanta().into()).serialize(serializer)
    }
}

/// A sum of QBTC that may be negative, as [`Coins`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedCoins(pub i128);

impl Serialize for SignedCoins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (sign, quanta) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (coins, quanta) = (quanta / QUANTA_PER_COIN, quanta % QUANTA_PER_COIN);
        RawValue::from_string(format!("{sign}{coins}.{quanta:08}")).map_err(S::Error::custom)?.serialize(serializer)
    }
}

const QUANTA_PER_COIN: u128 = Amount::QUANTA_PER_COIN as u128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_decimal_numbers() {
        for (quanta, text) in [
            (0, "0.00000000"),
            (1, "0.00000001"),
            (5_000_000_000, "50.00000000"),
            // The nearest double is 92233720368.54776.
            (i64::MAX as u64, "92233720368.54775807"),
        ] {
            let amount = Amount::from_quanta(quanta).unwrap();
            assert_eq!(serde_json::to_string(&Coins(amount)).unwrap(), text);
            assert_eq!(serde_json::to_string(&SignedCoins(quanta.into())).unwrap(), text);
        }
        assert_eq!(serde_json::to_string(&SignedCoins(-1)).unwrap(), "-0.00000001");
        assert_eq!(serde_json::to_string(&SignedCoins(-250_000_000)).unwrap(), "-2.50000000");
    }
}
