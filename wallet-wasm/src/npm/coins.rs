//! Coins and outputs as JavaScript gives and sees them.

use alloc::vec::Vec;

use qbtc_core::lock::{Address, AddressPrefix, Lock};
use qbtc_core::tx::{OutPoint, TxOut};
use qbtc_core::units::Amount;
use wasm_bindgen::JsValue;

use super::chain::read_address;
use super::value::{self, bytes, field, items, object, optional, text};
use crate::failure::Failure;

/// A coin that somebody can spend: `{ txid, index, amount, address }`.
pub(super) struct Coin {
    pub(super) outpoint: OutPoint,
    pub(super) amount: Amount,
    pub(super) address: Address,
}

impl Coin {
    pub(super) fn read(value: &JsValue, prefix: &AddressPrefix) -> Result<Self, Failure> {
        let value = object(value, "coin")?;
        let txid = text(&field(value, "txid"), "coin.txid")?.parse()?;
        let index = value::u32(&field(value, "index"), "coin.index")?;
        let amount = value::amount(&field(value, "amount"), "coin.amount")?;
        let address = read_address(prefix, &text(&field(value, "address"), "coin.address")?)?;
        Ok(Self { outpoint: OutPoint { txid, index }, amount, address })
    }

    pub(super) const fn output(&self) -> TxOut {
        TxOut { amount: self.amount, lock: Lock::Address(self.address) }
    }
}

/// A list of coins, whosoever they are.
pub(super) fn coins(value: &JsValue, name: &str, prefix: &AddressPrefix) -> Result<Vec<Coin>, Failure> {
    items(value, name)?.iter().map(|coin| Coin::read(coin, prefix)).collect()
}

/// Outputs: `{ address, amount }` or `{ data }`.
pub(super) fn outputs(value: &JsValue, prefix: &AddressPrefix) -> Result<Vec<TxOut>, Failure> {
    let read = |(place, value): (usize, &JsValue)| {
        output(value, prefix).map_err(|failure| match failure.details().position {
            // The place in an address is worth more to a person than the place of the output.
            Some(_) => failure,
            None => failure.at(place + 1),
        })
    };
    items(value, "outputs")?.iter().enumerate().map(read).collect()
}

fn output(value: &JsValue, prefix: &AddressPrefix) -> Result<TxOut, Failure> {
    let value = object(value, "output")?;
    if let Some(data) = optional(value, "data") {
        let data = bytes(&data, "output.data")?;
        let limit = Lock::DATA_BYTES_MAX;
        if data.len() > limit {
            let sentence = format_args!("output with {} bytes of data exceeds the limit of {limit}", data.len());
            return Err(Failure::new("payment-data-length", sentence).found(data.len()).expected(limit));
        }
        return Ok(TxOut { amount: Amount::ZERO, lock: Lock::Data(data.into()) });
    }
    let address = read_address(prefix, &text(&field(value, "address"), "output.address")?)?;
    let amount = value::amount(&field(value, "amount"), "output.amount")?;
    Ok(TxOut { amount, lock: Lock::Address(address) })
}
