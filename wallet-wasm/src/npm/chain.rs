//! Chains: their rules, and addresses as they write them.

use alloc::rc::Rc;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use qbtc_core::lock::{Address, AddressPrefix};
use qbtc_core::spec::ChainIdentity;
#[cfg(feature = "spec")]
use qbtc_core::spec::ChainSpec;
use wasm_bindgen::prelude::*;

use super::value::exactly;
use crate::failure::Failure;

/// A chain.
#[wasm_bindgen]
#[derive(Clone)]
pub struct Chain {
    name: Rc<str>,
    identity: Rc<ChainIdentity>,
    #[cfg(feature = "spec")]
    spec: Rc<ChainSpec>,
}

#[wasm_bindgen]
impl Chain {
    /// A built-in chain.
    pub fn named(name: &str) -> Result<Self, Failure> {
        let unknown = || {
            let expected = "main, test, local or dev";
            let sentence = format_args!("no chain is called {name:?}: expected {expected}");
            Failure::new("chain-unknown", sentence).found(name).expected(expected)
        };
        #[cfg(feature = "spec")]
        return Ok(ChainSpec::by_name(name).ok_or_else(unknown)?.into());
        #[cfg(not(feature = "spec"))]
        Ok(Self { name: name.into(), identity: Rc::new(ChainIdentity::by_name(name).ok_or_else(unknown)?) })
    }

    /// Its name.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn name(&self) -> String {
        self.name.to_string()
    }

    /// Its id, that of its first block.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn id(&self) -> String {
        self.identity.id.to_string()
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

#[cfg(feature = "spec")]
impl Chain {
    pub(super) const fn of(name: Rc<str>, identity: Rc<ChainIdentity>, spec: Rc<ChainSpec>) -> Self {
        Self { name, identity, spec }
    }

    pub(super) const fn spec(&self) -> &Rc<ChainSpec> {
        &self.spec
    }
}

impl Chain {
    #[cfg(feature = "sign")]
    pub(super) fn identity(&self) -> &ChainIdentity {
        &self.identity
    }

    pub(super) fn prefix(&self) -> &AddressPrefix {
        &self.identity.address_prefix
    }

    /// An address of this chain.
    pub(super) fn address(&self, text: &str) -> Result<Address, Failure> {
        read_address(self.prefix(), text)
    }

    /// An address as this chain writes it.
    pub(super) fn shown(&self, address: &Address) -> String {
        address.to_text(self.prefix())
    }
}

/// An address of a chain.
pub(super) fn read_address(prefix: &AddressPrefix, text: &str) -> Result<Address, Failure> {
    Ok(Address::from_text(text.trim(), prefix)?)
}
