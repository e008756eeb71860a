//! Complete transactions, decoded.

use qbtc_core::lock::{Proof, Witness};
use wasm_bindgen::prelude::*;

use super::body::{read, shown_body};
use super::chain::Chain;
use super::tree::shown_conditions;
use super::value::{Object, list};
use crate::failure::Failure;

/// What a complete transaction says.
#[wasm_bindgen(js_name = decodeTransaction)]
pub fn decode_transaction(chain: &Chain, bytes: &[u8]) -> Result<JsValue, Failure> {
    let transaction = read(bytes, chain.spec())?;
    let witnesses = transaction.witnesses.iter().map(|witness| shown_witness(witness, chain));
    Ok(shown_body(&transaction.body, chain.prefix())
        .text("wtxid", &transaction.wtxid().to_string())
        .set("sizeBytes", u32::try_from(bytes.len()).unwrap_or(u32::MAX))
        .set("witnesses", list(witnesses))
        .into())
}

fn shown_witness(witness: &Witness, chain: &Chain) -> Object {
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
        .text("address", &chain.shown(&witness.address()))
        .set("conditions", shown_conditions(&witness.conditions))
        .set("proofs", list(witness.proofs.iter().map(proof)))
}
