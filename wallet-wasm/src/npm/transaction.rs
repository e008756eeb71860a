//! Transactions: decoded, and what they will do.

use qbtc_core::codec;
use qbtc_core::lock::{Address, Proof, Witness};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::Transaction;
use qbtc_core::units::FeeRate;
use qbtc_core::wallet::partial::PartialTx;
use wasm_bindgen::prelude::*;

use super::body::{read, shown_body, shown_expiry};
use super::chain::{Chain, shown_address};
use super::tree::shown_conditions;
use super::value::{Object, list};
use crate::effect::{Effect, EffectOutput, Recipient};
use crate::failure::Failure;

/// What a complete transaction says.
#[wasm_bindgen(js_name = decodeTransaction)]
pub fn decode_transaction(chain: &Chain, bytes: &[u8]) -> Result<JsValue, Failure> {
    let spec = chain.spec();
    let transaction = read(bytes, spec)?;
    let witnesses = transaction.witnesses.iter().map(|witness| shown_witness(witness, spec));
    Ok(shown_body(&transaction.body, spec)
        .text("wtxid", &transaction.wtxid().to_string())
        .set("sizeBytes", u32::try_from(bytes.len()).unwrap_or(u32::MAX))
        .set("witnesses", list(witnesses))
        .into())
}

/// A complete transaction as JavaScript gets it: `{ txid, wtxid, bytes }`.
pub(super) fn shown_signed(transaction: &Transaction) -> JsValue {
    let (txid, wtxid) = (transaction.txid().to_string(), transaction.wtxid().to_string());
    let object = Object::new().text("txid", &txid).text("wtxid", &wtxid);
    object.bytes("bytes", &codec::encode(transaction)).into()
}

fn shown_witness(witness: &Witness, spec: &ChainSpec) -> Object {
    let proof = |proof: &Proof| match proof {
        Proof::Signature(signature) => Object::new().text("kind", "signature").bytes("signature", signature.as_bytes()),
        Proof::Signatures(signatures) => {
            let shown = signatures
                .iter()
                .map(|signed| Object::new().set("key", signed.key).bytes("signature", signed.signature.as_bytes()));
            Object::new().text("kind", "signatures").set("signatures", list(shown))
        }
        Proof::Preimage(bytes) => Object::new().text("kind", "preimage").bytes("preimage", bytes),
    };
    Object::new()
        .text("address", &shown_address(spec, &witness.address()))
        .set("conditions", shown_conditions(&witness.conditions))
        .set("proofs", list(witness.proofs.iter().map(proof)))
}

/// What a transaction will do, as JavaScript sees it.
pub(super) fn shown_effect(partial: &PartialTx, spec: &ChainSpec, is_own: impl Fn(&Address) -> bool) -> JsValue {
    let effect = Effect::of(partial, spec, is_own);
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
        .text("text", &effect.to_string())
        .into()
}
