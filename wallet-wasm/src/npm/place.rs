//! What the light client hands out as proof: a block's place in the chain's history, and a transaction's place in that block.

use alloc::string::ToString as _;

use qbtc_core::codec;
use qbtc_core::sync::light::{PlaceError, PlaceProof};
use qbtc_core::tx::TxBody;
use wasm_bindgen::prelude::*;

use super::body::bytes_max;
use super::chain::Chain;
use super::shown_mark;
use super::value::{Object, bytes};
use crate::failure::Failure;

/// Checks a proof of a place: of a block, or of the transaction of these bytes in that block. Whether the history is that of the best chain is
/// for the caller to know, by its root.
#[wasm_bindgen(js_name = verifyPlace)]
pub fn verify_place(chain: &Chain, proof: &[u8], transaction: &JsValue) -> Result<JsValue, Failure> {
    let proof = PlaceProof::from_bytes(proof)?;
    let object = Object::new().set("tip", shown_mark(&proof.tip)).text("historyRoot", &proof.root.to_string());
    if transaction.is_undefined() {
        return Ok(object.set("block", shown_mark(&proof.check_block()?.0)).into());
    }
    let body: TxBody = codec::decode(&bytes(transaction, "transaction")?, bytes_max(chain.spec()))?;
    let block = proof.check_transaction(&body)?;
    Ok(object.set("block", shown_mark(&block)).text("txid", &body.txid().to_string()).into())
}

impl From<PlaceError> for Failure {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Place(error) => error.into(),
            PlaceError::Branch(error) => error.into(),
            PlaceError::NoBranch => Self::new("proof-other-transaction", error.to_string()),
            PlaceError::Height => Self::new("proof-height", error.to_string()),
        }
    }
}
