//! What a transaction says, without its witnesses.

use qbtc_core::codec;
use qbtc_core::lock::Lock;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{Transaction, TxBody, TxOut};
use qbtc_core::units::Height;
use wasm_bindgen::JsValue;

use super::chain::shown_address;
use super::value::{Object, list};
use crate::failure::Failure;

/// A complete transaction of at most the size that the chain allows.
pub(super) fn read(bytes: &[u8], spec: &ChainSpec) -> Result<Transaction, Failure> {
    Ok(codec::decode(bytes, bytes_max(spec))?)
}

/// The most bytes of a transaction of a chain.
pub(super) fn bytes_max(spec: &ChainSpec) -> usize {
    usize::try_from(spec.consensus().limits.tx_bytes).unwrap_or(usize::MAX)
}

/// What a transaction says, as JavaScript sees it.
pub(super) fn shown_body(body: &TxBody, spec: &ChainSpec) -> Object {
    let input = |outpoint: &qbtc_core::tx::OutPoint| {
        Object::new().text("txid", &outpoint.txid.to_string()).set("index", outpoint.index)
    };
    Object::new()
        .text("txid", &body.txid().to_string())
        .set("version", body.version)
        .set("inputs", list(body.inputs.iter().map(input)))
        .set("outputs", list(body.outputs.iter().map(|output| shown_output(output, spec))))
        .set("lockHeight", body.lock_height.0)
        .set("expiryHeight", shown_expiry(body.expiry_height))
}

/// `null` for a transaction that never expires.
pub(super) fn shown_expiry(height: Height) -> JsValue {
    if height == Height::GENESIS { JsValue::NULL } else { height.0.into() }
}

/// An output as JavaScript sees it.
pub(super) fn shown_output(output: &TxOut, spec: &ChainSpec) -> Object {
    let object = Object::new();
    match &output.lock {
        Lock::Address(address) => object.text("kind", "address").text("address", &shown_address(spec, address)),
        Lock::Data(data) => object.text("kind", "data").bytes("data", data),
    }
    .amount("amount", output.amount)
}
