//! What a chain's spec says beyond its identity.

use alloc::vec::Vec;

use qbtc_core::mempool::Policy;
use qbtc_core::wallet::builder::expiry_height;
use wasm_bindgen::prelude::*;

use super::chain::Chain;
use super::shown_amount;
use super::value::height;
use crate::failure::Failure;

#[wasm_bindgen]
impl Chain {
    /// Its spec.
    #[wasm_bindgen(js_name = toBytes)]
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.spec().to_bytes()
    }

    /// Seconds between blocks.
    #[wasm_bindgen(getter, js_name = spacingSeconds)]
    #[must_use]
    pub fn spacing_seconds(&self) -> u32 {
        self.spec().consensus().spacing_s
    }

    /// How many blocks above a coinbase its coins can be spent first.
    #[wasm_bindgen(getter, js_name = coinbaseMaturity)]
    #[must_use]
    pub fn coinbase_maturity(&self) -> u32 {
        self.spec().consensus().coinbase_maturity
    }

    /// The least amount of an output that nodes relay.
    #[wasm_bindgen(getter, js_name = dustLimit)]
    #[must_use]
    pub fn dust_limit(&self) -> JsValue {
        shown_amount(Policy::default().dust_min())
    }

    /// The least fee rate that nodes relay.
    #[wasm_bindgen(getter, js_name = feeRateMin)]
    #[must_use]
    pub fn fee_rate_min(&self) -> u64 {
        Policy::default().relay_fee_rate_min.quanta_per_1000_bytes()
    }

    /// When a payment made on top of this height should expire.
    #[wasm_bindgen(js_name = expiryHeight)]
    pub fn expiry_height(&self, tip: &JsValue) -> Result<u32, Failure> {
        Ok(expiry_height(height(tip, "tip")?, self.spec().consensus().spacing_s).0)
    }
}
