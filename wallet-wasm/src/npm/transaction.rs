//! What transactions that are being signed will do, and what comes of them.

use alloc::string::ToString as _;

use qbtc_core::codec;
use qbtc_core::lock::{Address, AddressPrefix};
use qbtc_core::tx::Transaction;
use qbtc_core::units::FeeRate;
use qbtc_core::wallet::partial::PartialTx;
use wasm_bindgen::JsValue;

use super::shown_expiry;
use super::value::{Object, list};
use crate::effect::{Effect, EffectOutput, Recipient};

/// A complete transaction as JavaScript gets it: `{ txid, wtxid, bytes }`.
pub(super) fn shown_signed(transaction: &Transaction) -> JsValue {
    let (txid, wtxid) = (transaction.txid().to_string(), transaction.wtxid().to_string());
    let object = Object::new().text("txid", &txid).text("wtxid", &wtxid);
    object.bytes("bytes", &codec::encode(transaction)).into()
}

/// What a transaction will do, as JavaScript sees it.
pub(super) fn shown_effect(partial: &PartialTx, prefix: &AddressPrefix, is_own: impl Fn(&Address) -> bool) -> JsValue {
    let effect = Effect::of(partial, prefix, is_own);
    let output = |output: &EffectOutput| {
        let object = Object::new();
        match &output.to {
            Recipient::Address(address) => object.text("kind", "address").text("address", address),
            Recipient::Data(data) => object.text("kind", "data").bytes("data", data),
        }
        .amount("amount", output.amount)
        .set("isOwn", output.is_own)
    };
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Object::new()
        .text("txid", &partial.txid().to_string())
        .text("chainId", &partial.chain().to_string())
        .set("outputs", list(effect.outputs.iter().map(output)))
        .amount("fee", effect.fee)
        .maybe("feeRate", effect.fee_rate().map(FeeRate::quanta_per_1000_bytes))
        .maybe("sizeBytes", effect.size_bytes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)))
        .set("inputs", count(effect.inputs))
        .set("ownInputs", count(effect.own_inputs))
        .amount("leaves", effect.leaves)
        .amount("arrives", effect.arrives)
        .set("lockHeight", effect.lock_height.0)
        .set("expiryHeight", shown_expiry(effect.expiry_height))
        .into()
}
