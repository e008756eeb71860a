//! What a transaction says, without its witnesses.

use alloc::string::ToString as _;

use qbtc_core::codec;
use qbtc_core::lock::{AddressPrefix, Lock};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{Transaction, TxBody, TxOut};

use super::shown_expiry;
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
pub(super) fn shown_body(body: &TxBody, prefix: &AddressPrefix) -> Object {
    let input = |outpoint: &qbtc_core::tx::OutPoint| {
        Object::new().text("txid", &outpoint.txid.to_string()).set("index", outpoint.index)
    };
    Object::new()
        .text("txid", &body.txid().to_string())
        .set("version", body.version)
        .set("inputs", list(body.inputs.iter().map(input)))
        .set("outputs", list(body.outputs.iter().map(|output| shown_output(output, prefix))))
        .set("lockHeight", body.lock_height.0)
        .set("expiryHeight", shown_expiry(body.expiry_height))
}

/// An output as JavaScript sees it.
pub(super) fn shown_output(output: &TxOut, prefix: &AddressPrefix) -> Object {
    let object = Object::new();
    match &output.lock {
        Lock::Address(address) => object.text("kind", "address").text("address", &address.to_text(prefix)),
        Lock::Data(data) => object.text("kind", "data").bytes("data", data),
    }
    .amount("amount", output.amount)
}
