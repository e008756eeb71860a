//! Signatures checked: of raw bytes, and of texts.

use qbtc_core::crypto::Signature;
use qbtc_core::units::Height;
use qbtc_core::wallet::message::MessageProof;
use wasm_bindgen::prelude::*;

use super::chain::Chain;
use super::value;
use crate::failure::Failure;

/// Checks a signature of raw bytes.
#[wasm_bindgen(js_name = verifySignature)]
pub fn verify_signature(public_key: &JsValue, message: &[u8], signature: &[u8]) -> Result<(), Failure> {
    let key = value::public_key(public_key, "publicKey")?;
    Ok(key.verify(message, &Signature::new(signature)?)?)
}

/// Checks a signed text. The height says which schemes may sign.
#[wasm_bindgen(js_name = verifyMessage)]
pub fn verify_message(chain: &Chain, address: &str, text: &str, proof: &str, height: &JsValue) -> Result<(), Failure> {
    let proof: MessageProof = proof.parse()?;
    let height = Height(value::maybe_u32(height, "height")?.unwrap_or_default());
    Ok(proof.verify(chain.address(address)?, text, height, chain.spec())?)
}
