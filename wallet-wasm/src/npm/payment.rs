//! Payments, and what replaces them.

use qbtc_core::mempool::Policy;
use qbtc_core::units::{Amount, Height};
use qbtc_core::wallet::address_book::AddressBook as Book;
use qbtc_core::wallet::builder::{Funds, Payment, Rest, SigningKey, UnsignedTx, build};
use qbtc_core::wallet::ledger::{Balance, OwnedCoin};
use qbtc_core::wallet::replacement::{FeeFrom, Original, ReplacementFee, build_cancellation, build_fee_bump};
use wasm_bindgen::prelude::*;

use super::account::Account;
use super::body::{read, shown_output};
use super::book::AddressBook;
use super::chain::Chain;
use super::coins::{Coin, coins, outputs};
use super::entropy;
use super::partial::Partial;
use super::transaction::{shown_effect, shown_signed};
use super::value::{self, bool, bytes, fee_rate, field, height, object, optional, text};
use crate::failure::Failure;

/// The highest fee unless the caller names another, in quanta: 0.1 QBTC, as on the command line.
const FEE_MAX: u64 = 10_000_000;

/// A payment that needs only be signed.
#[wasm_bindgen]
pub struct Unsigned {
    unsigned: UnsignedTx,
    chain: Chain,
}

#[wasm_bindgen]
impl AddressBook {
    /// Builds a payment.
    pub fn pay(&self, order: &JsValue) -> Result<Unsigned, Failure> {
        let order = object(order, "payment")?;
        let tip = height(&field(order, "tip"), "payment.tip")?;
        let outputs = outputs(&field(order, "outputs"), self.chain().prefix())?;
        let rest = match optional(order, "sweepTo") {
            Some(address) => Rest::Everything(self.chain().address(&text(&address, "payment.sweepTo")?)?),
            None => Rest::Change(self.chain().address(&text(&field(order, "change"), "payment.change")?)?),
        };
        let rate = fee_rate(&field(order, "feeRate"), "payment.feeRate")?;
        let mut payment = Payment::new(outputs, rest, rate, tip, self.chain().spec().consensus());
        if let Some(lock) = optional(order, "lockHeight") {
            payment.lock_height = height(&lock, "payment.lockHeight")?;
        }
        payment.expiry_height = expiry(order, payment.expiry_height)?;
        let unsigned = self.with_funds(order, |funds| Ok(build(funds, &payment)?))?;
        self.within_max_fee(order, unsigned)
    }

    /// Builds a replacement that pays a higher fee.
    #[wasm_bindgen(js_name = bumpFee)]
    pub fn bump_fee(&self, order: &JsValue) -> Result<Unsigned, Failure> {
        let order = object(order, "bump")?;
        let from = match optional(order, "feeFromOutput") {
            Some(output) => FeeFrom::Output(value::u32(&output, "bump.feeFromOutput")? as usize),
            None => FeeFrom::Change(self.chain().address(&text(&field(order, "change"), "bump.change")?)?),
        };
        self.replace(order, |funds, original, fee| Ok(build_fee_bump(funds, original, fee, from)?))
    }

    /// Builds a replacement that pays everything back.
    pub fn cancel(&self, order: &JsValue) -> Result<Unsigned, Failure> {
        let order = object(order, "cancellation")?;
        let back_to = self.chain().address(&text(&field(order, "backTo"), "cancellation.backTo")?)?;
        self.replace(order, |funds, original, fee| Ok(build_cancellation(funds, original, fee, back_to)?))
    }
}

impl AddressBook {
    fn with_funds<T>(
        &self,
        order: &JsValue,
        build: impl FnOnce(&Funds<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let coins = match optional(order, "coins") {
            Some(coins) => owned_coins(&coins, "coins", self.book(), self.chain())?,
            None => Vec::new(),
        };
        let is_fallback =
            optional(order, "useFallbackKey").map_or(Ok(false), |value| bool(&value, "useFallbackKey"))?;
        let key = if is_fallback { SigningKey::Fallback } else { SigningKey::Ordinary };
        let (policy, balance) = (Policy::default(), balance_of(&coins));
        build(&Funds { spec: self.chain().spec(), policy: &policy, book: self.book(), coins: &coins, balance, key })
    }

    fn replace(
        &self,
        order: &JsValue,
        build: impl FnOnce(&Funds<'_>, &Original<'_>, ReplacementFee) -> Result<UnsignedTx, Failure>,
    ) -> Result<Unsigned, Failure> {
        let transaction = read(&bytes(&field(order, "transaction"), "transaction")?, self.chain().spec())?;
        let spent = owned_coins(&field(order, "spent"), "spent", self.book(), self.chain())?;
        let dependent_fees = match optional(order, "dependentFees") {
            Some(fees) => value::amount(&fees, "dependentFees")?,
            None => Amount::ZERO,
        };
        let original = Original { transaction: &transaction, spent: &spent, dependent_fees };
        let rate = fee_rate(&field(order, "feeRate"), "feeRate")?;
        let fee = ReplacementFee { rate, expiry_height: expiry(order, transaction.body.expiry_height)? };
        let unsigned = self.with_funds(order, |funds| build(funds, &original, fee))?;
        self.within_max_fee(order, unsigned)
    }

    /// Refuses a fee that can only be a mistake, or a node's lie about what is usual.
    fn within_max_fee(&self, order: &JsValue, unsigned: UnsignedTx) -> Result<Unsigned, Failure> {
        let most = match optional(order, "maxFee") {
            Some(most) => value::amount(&most, "maxFee")?,
            None => Amount::from_quanta(FEE_MAX)?,
        };
        let fee = unsigned.fee();
        if fee > most {
            let sentence = format_args!("a fee of {fee} QBTC exceeds maxFee, {most} QBTC");
            return Err(Failure::new("payment-fee-too-high", sentence).found(fee.quanta()).expected(most.quanta()));
        }
        Ok(Unsigned { unsigned, chain: self.chain().clone() })
    }
}

/// A list of coins, each on an address of the book.
fn owned_coins(value: &JsValue, name: &str, book: &Book, chain: &Chain) -> Result<Vec<OwnedCoin>, Failure> {
    coins(value, name, chain.prefix())?.iter().map(|coin| owned(coin, book, chain)).collect()
}

fn owned(coin: &Coin, book: &Book, chain: &Chain) -> Result<OwnedCoin, Failure> {
    let Coin { outpoint, amount, address } = *coin;
    let path = book.path_of(&address).ok_or_else(|| {
        let address = chain.shown(&address);
        let sentence =
            format_args!("coin {}:{} lies on {address}, which is not the account's", outpoint.txid, outpoint.index);
        Failure::new("coin-foreign", sentence).found(&address)
    })?;
    // The caller says which coins can be spent: their height matters to nothing below.
    Ok(OwnedCoin { outpoint, amount, address, path, height: None, is_coinbase: false })
}

/// `expiryHeight`: `null` for never, the default where it is left out.
fn expiry(order: &JsValue, default: Height) -> Result<Height, Failure> {
    match field(order, "expiryHeight") {
        value if value.is_undefined() => Ok(default),
        value if value.is_null() => Ok(Height::GENESIS),
        value => height(&value, "expiryHeight"),
    }
}

/// What is said where the coins are not enough.
fn balance_of(coins: &[OwnedCoin]) -> Balance {
    let confirmed = Amount::checked_sum(coins.iter().map(|coin| coin.amount)).unwrap_or(Amount::MAX);
    Balance { confirmed, ..Balance::default() }
}

#[wasm_bindgen]
impl Unsigned {
    /// What it will do.
    pub fn effect(&self, book: &AddressBook) -> JsValue {
        shown_effect(self.unsigned.partial(), self.chain.prefix(), |address| book.book().path_of(address).is_some())
    }

    /// The output that goes back to the account.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn change(&self) -> JsValue {
        self.unsigned.change().map_or(JsValue::UNDEFINED, |change| shown_output(change, self.chain.prefix()).into())
    }

    /// The fee.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn fee(&self) -> u64 {
        self.unsigned.fee().quanta()
    }

    /// The exact size once it is signed.
    #[wasm_bindgen(getter, js_name = sizeBytes)]
    #[must_use]
    pub fn size_bytes(&self) -> u32 {
        u32::try_from(self.unsigned.size_bytes()).unwrap_or(u32::MAX)
    }

    /// For signers elsewhere.
    #[wasm_bindgen(js_name = toPartial)]
    #[must_use]
    pub fn to_partial(&self) -> Partial {
        Partial::of(self.unsigned.partial().clone(), self.chain.clone())
    }

    /// Signs it.
    pub fn sign(&self, account: &Account) -> Result<JsValue, Failure> {
        let transaction = self.unsigned.clone().sign(account.key(), &entropy()?)?;
        Ok(shown_signed(&transaction))
    }
}

#[wasm_bindgen]
impl Partial {
    /// What it will do, seen by whoever has this book.
    #[wasm_bindgen(js_name = effectFor)]
    #[must_use]
    pub fn effect_for(&self, book: &AddressBook) -> JsValue {
        shown_effect(self.inner(), book.chain().prefix(), |address| book.book().path_of(address).is_some())
    }

    /// Signs wherever one of the account's keys is wanted; how many places that filled.
    #[wasm_bindgen(js_name = signFor)]
    pub fn sign_for(&mut self, account: &Account, book: &AddressBook) -> Result<usize, Failure> {
        let mut signed = 0;
        for (scheme, path) in self.inner().wanted_from(book.book()) {
            signed += self.inner_mut().sign(&account.key().secret_key(scheme, path), &entropy()?);
        }
        Ok(signed)
    }
}
