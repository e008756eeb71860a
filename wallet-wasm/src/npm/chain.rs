//! Chains: their rules, and addresses as they write them.

use std::rc::Rc;

use qbtc_core::lock::Address;
use qbtc_core::mempool::Policy;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::wallet::builder::expiry_height;
use wasm_bindgen::prelude::*;

use super::shown_amount;
use super::value::exactly;
use crate::failure::Failure;

/// A chain.
#[wasm_bindgen]
pub struct Chain {
    spec: Rc<ChainSpec>,
}

#[wasm_bindgen]
impl Chain {
    /// A built-in chain.
    pub fn named(name: &str) -> Result<Self, Failure> {
        let unknown = || {
            let message = format!("no chain is called {name:?}: expected main, test, local or dev");
            Failure::new("chain-unknown", message).found(name).expected("main, test, local or dev")
        };
        Ok(Self { spec: Rc::new(ChainSpec::by_name(name).ok_or_else(unknown)?) })
    }

    /// A chain by its spec. As bytes: a parser of TOML would be a quarter of the program.
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        Ok(Self { spec: Rc::new(ChainSpec::from_bytes(bytes)?) })
    }

    /// Its spec.
    #[wasm_bindgen(js_name = toBytes)]
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.spec.to_bytes()
    }

    /// Its name.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn name(&self) -> String {
        self.spec.name().into()
    }

    /// Its id, that of its first block.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn id(&self) -> String {
        self.spec.chain_id().to_string()
    }

    /// What its addresses begin with.
    #[wasm_bindgen(getter, js_name = addressPrefix)]
    #[must_use]
    pub fn address_prefix(&self) -> String {
        self.spec.network().address_prefix.to_string()
    }

    /// Seconds between blocks.
    #[wasm_bindgen(getter, js_name = spacingSeconds)]
    #[must_use]
    pub fn spacing_seconds(&self) -> u32 {
        self.spec.consensus().spacing_s
    }

    /// How many blocks above a coinbase its coins can be spent first.
    #[wasm_bindgen(getter, js_name = coinbaseMaturity)]
    #[must_use]
    pub fn coinbase_maturity(&self) -> u32 {
        self.spec.consensus().coinbase_maturity
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
    #[must_use]
    pub fn expiry_height(&self, tip: u32) -> u32 {
        expiry_height(Height(tip), self.spec.consensus().spacing_s).0
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

impl Chain {
    pub(super) const fn spec(&self) -> &Rc<ChainSpec> {
        &self.spec
    }

    /// An address of this chain.
    pub(super) fn address(&self, text: &str) -> Result<Address, Failure> {
        Ok(Address::from_text(text.trim(), &self.spec.network().address_prefix)?)
    }

    /// An address as this chain writes it.
    pub(super) fn shown(&self, address: &Address) -> String {
        shown_address(&self.spec, address)
    }
}

/// An address as a chain writes it.
pub(super) fn shown_address(spec: &ChainSpec, address: &Address) -> String {
    address.to_text(&spec.network().address_prefix)
}

/// An address of a chain.
pub(super) fn read_address(spec: &ChainSpec, text: &str) -> Result<Address, Failure> {
    Ok(Address::from_text(text.trim(), &spec.network().address_prefix)?)
}
