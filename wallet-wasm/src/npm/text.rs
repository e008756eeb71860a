//! What a chain is called, and addresses as it writes them.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use qbtc_core::lock::Address;
use wasm_bindgen::prelude::*;

use super::chain::Chain;
use super::value::exactly;
use crate::failure::Failure;

#[wasm_bindgen]
impl Chain {
    /// Its name.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn name(&self) -> String {
        self.called().to_string()
    }

    /// Its id, that of its first block.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn id(&self) -> String {
        self.identity().id.to_string()
    }

    /// What its addresses begin with.
    #[wasm_bindgen(getter, js_name = addressPrefix)]
    #[must_use]
    pub fn address_prefix(&self) -> String {
        self.prefix().to_string()
    }

    /// Reads an address and writes it as this chain does.
    #[wasm_bindgen(js_name = parseAddress)]
    pub fn parse_address(&self, text: &str) -> Result<String, Failure> {
        Ok(self.shown(&self.address(text)?))
    }

    /// The 32 bytes of an address.
    #[wasm_bindgen(js_name = addressToBytes)]
    pub fn address_to_bytes(&self, text: &str) -> Result<Vec<u8>, Failure> {
        Ok(self.address(text)?.to_bytes().into())
    }

    /// The address of 32 bytes.
    #[wasm_bindgen(js_name = addressFromBytes)]
    pub fn address_from_bytes(&self, bytes: &[u8]) -> Result<String, Failure> {
        Ok(self.shown(&Address::from_bytes(exactly(bytes, "bytes")?)))
    }
}
