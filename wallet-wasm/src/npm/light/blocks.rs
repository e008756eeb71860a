//! What the tests in browsers call beside, and no program of the package has: the client's own scan, without [`LightClient::follow`]. Whoever scans is
//! given the blocks that match, and has to tell when each is taken.

use alloc::vec::Vec;

use js_sys::Promise;
use qbtc_core::sync::light::{Input, Query};
use qbtc_core::units::Height;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::AbortSignal;

use super::LightClient;
use crate::client::persist;
use crate::failure::Failure;

#[wasm_bindgen]
impl LightClient {
    /// Looks through the chain for these addresses, from a height on.
    pub fn scan(&self, start: u32, addresses: &JsValue) -> Result<(), Failure> {
        let addresses = self.addresses(addresses)?;
        self.client.input(Input::Scan { start: Height(start), marks: Vec::new(), addresses });
        Ok(())
    }

    /// Looks for more addresses.
    pub fn watch(&self, from: u32, addresses: &JsValue) -> Result<(), Failure> {
        let addresses = self.addresses(addresses)?;
        self.client.input(Input::Watch { addresses, from: Height(from) });
        Ok(())
    }

    /// The wallet has taken a block in, and has these addresses more.
    pub fn taken(&self, id: &str, addresses: &JsValue) -> Result<(), Failure> {
        let addresses = self.addresses(addresses)?;
        self.client.input(Input::Taken { id: id.parse()?, addresses });
        Ok(())
    }

    /// The block at a height, without witnesses, with its proof.
    pub fn block(&self, height: u32, signal: Option<AbortSignal>) -> Promise {
        self.query(Query::Block { height: Height(height) }, signal)
    }
}

/// Asks the browser not to evict what is stored: whether it has agreed, undefined where it cannot be asked.
#[wasm_bindgen(js_name = persistStorage)]
pub async fn persist_storage() -> Option<bool> {
    persist().await
}
