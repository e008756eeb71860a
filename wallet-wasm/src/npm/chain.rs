//! Chains: their rules, and addresses as they write them.

use alloc::rc::Rc;
#[cfg(feature = "sign")]
use alloc::string::String;

use qbtc_core::lock::{Address, AddressPrefix};
#[cfg(feature = "sign")]
use qbtc_core::spec::ChainIdentity;
#[cfg(feature = "spec")]
use qbtc_core::spec::ChainSpec;
use wasm_bindgen::prelude::*;

use crate::failure::Failure;

/// A chain.
#[wasm_bindgen]
#[derive(Clone)]
pub struct Chain {
    #[cfg(feature = "sign")]
    name: Rc<str>,
    #[cfg(feature = "sign")]
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
}

#[cfg(feature = "spec")]
#[wasm_bindgen]
impl Chain {
    /// A chain by its spec. As bytes: a parser of TOML would be a quarter of the program.
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        Ok(ChainSpec::from_bytes(bytes)?.into())
    }
}

#[cfg(feature = "spec")]
impl Chain {
    pub(super) const fn spec(&self) -> &Rc<ChainSpec> {
        &self.spec
    }
}

#[cfg(feature = "sign")]
impl Chain {
    pub(super) fn called(&self) -> &str {
        &self.name
    }

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

#[cfg(feature = "spec")]
impl From<ChainSpec> for Chain {
    fn from(spec: ChainSpec) -> Self {
        Self {
            #[cfg(feature = "sign")]
            name: spec.name().into(),
            #[cfg(feature = "sign")]
            identity: Rc::new(ChainIdentity::from(&spec)),
            spec: Rc::new(spec),
        }
    }
}

/// An address of a chain.
pub(super) fn read_address(prefix: &AddressPrefix, text: &str) -> Result<Address, Failure> {
    Ok(Address::from_text(text.trim(), prefix)?)
}
