//! Coins and outputs as JavaScript gives and sees them.
#![cfg_attr(not(feature = "pay"), allow(dead_code, reason = "what only payments need goes with them"))]

use qbtc_core::lock::{Address, Lock};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, TxOut};
use qbtc_core::units::Amount;
use qbtc_core::wallet::address_book::AddressBook;
use qbtc_core::wallet::ledger::OwnedCoin;
use wasm_bindgen::JsValue;

use super::chain::{read_address, shown_address};
use super::value::{self, bytes, field, items, object, optional, text};
use crate::failure::Failure;

/// A coin that somebody can spend: `{ txid, index, amount, address }`.
pub(super) struct Coin {
    pub(super) outpoint: OutPoint,
    pub(super) amount: Amount,
    pub(super) address: Address,
}

impl Coin {
    pub(super) fn read(value: &JsValue, spec: &ChainSpec) -> Result<Self, Failure> {
        let value = object(value, "coin")?;
        let txid = text(&field(value, "txid"), "coin.txid")?.parse()?;
        let index = value::u32(&field(value, "index"), "coin.index")?;
        let amount = value::amount(&field(value, "amount"), "coin.amount")?;
        let address = read_address(spec, &text(&field(value, "address"), "coin.address")?)?;
        Ok(Self { outpoint: OutPoint { txid, index }, amount, address })
    }

    pub(super) const fn output(&self) -> TxOut {
        TxOut { amount: self.amount, lock: Lock::Address(self.address) }
    }

    fn owned(&self, book: &AddressBook, spec: &ChainSpec) -> Result<OwnedCoin, Failure> {
        let Self { outpoint, amount, address } = *self;
        let path = book.path_of(&address).ok_or_else(|| {
            let address = shown_address(spec, &address);
            let message =
                format!("coin {}:{} lies on {address}, which is not the account's", outpoint.txid, outpoint.index);
            Failure::new("coin-foreign", message).found(address)
        })?;
        // The caller says which coins can be spent: their height matters to nothing below.
        Ok(OwnedCoin { outpoint, amount, address, path, height: None, is_coinbase: false })
    }
}

/// A list of coins, whosoever they are.
pub(super) fn coins(value: &JsValue, name: &str, spec: &ChainSpec) -> Result<Vec<Coin>, Failure> {
    items(value, name)?.iter().map(|coin| Coin::read(coin, spec)).collect()
}

/// A list of coins, each on an address of the book.
pub(super) fn owned_coins(
    value: &JsValue,
    name: &str,
    book: &AddressBook,
    spec: &ChainSpec,
) -> Result<Vec<OwnedCoin>, Failure> {
    coins(value, name, spec)?.iter().map(|coin| coin.owned(book, spec)).collect()
}

/// Outputs: `{ address, amount }` or `{ data }`.
pub(super) fn outputs(value: &JsValue, spec: &ChainSpec) -> Result<Vec<TxOut>, Failure> {
    let read = |(place, value): (usize, &JsValue)| {
        output(value, spec).map_err(|failure| match failure.details().position {
            // The place in an address is worth more to a person than the place of the output.
            Some(_) => failure,
            None => failure.at(place + 1),
        })
    };
    items(value, "outputs")?.iter().enumerate().map(read).collect()
}

fn output(value: &JsValue, spec: &ChainSpec) -> Result<TxOut, Failure> {
    let value = object(value, "output")?;
    if let Some(data) = optional(value, "data") {
        let data = bytes(&data, "output.data")?;
        let limit = Lock::DATA_BYTES_MAX;
        if data.len() > limit {
            let message = format!("output with {} bytes of data exceeds the limit of {limit}", data.len());
            return Err(Failure::new("payment-data-length", message).found(data.len()).expected(limit));
        }
        return Ok(TxOut { amount: Amount::ZERO, lock: Lock::Data(data.into()) });
    }
    let address = read_address(spec, &text(&field(value, "address"), "output.address")?)?;
    let amount = value::amount(&field(value, "amount"), "output.amount")?;
    Ok(TxOut { amount, lock: Lock::Address(address) })
}
