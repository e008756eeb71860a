//! What comes from other signers, taken in once it is verified.

use qbtc_core::crypto::Signature;
use wasm_bindgen::prelude::*;

use super::partial::Partial;
use super::value;
use crate::failure::Failure;

#[wasm_bindgen]
impl Partial {
    /// Takes in a signature made elsewhere; how many places that filled.
    #[wasm_bindgen(js_name = addSignature)]
    pub fn add_signature(&mut self, public_key: &JsValue, signature: &[u8]) -> Result<usize, Failure> {
        let key = value::public_key(public_key, "publicKey")?;
        Ok(self.inner_mut().add_signature(&key, &Signature::new(signature)?)?)
    }

    /// Takes over what another copy has.
    pub fn combine(&mut self, other: &Self) -> Result<(), Failure> {
        Ok(self.inner_mut().combine(other.inner())?)
    }
}
