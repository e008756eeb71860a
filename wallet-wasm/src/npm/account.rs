//! An account's secret, and single keys of it.

use alloc::string::{String, ToString as _};

use qbtc_core::crypto::SecretKey as Key;
use qbtc_core::wallet::derivation::{AccountKey, AddressPath};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use super::chain::Chain;
use super::shown_key;
use super::value::{Object, branch, child_index, exactly, layout, scheme, secret_bytes};
use crate::failure::Failure;

/// The secret of an account.
#[wasm_bindgen]
pub struct Account {
    key: AccountKey,
    chain: Chain,
}

/// The secret of one key.
#[wasm_bindgen]
pub struct SecretKey {
    key: Key,
}

#[wasm_bindgen]
impl Account {
    /// Where it is in the tree of keys.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn path(&self) -> String {
        self.key.path().to_string()
    }

    /// An address, with its public keys: `{ address, signing, fallback? }`.
    pub fn address(&self, on: &JsValue, index: &JsValue, made_of: &JsValue) -> Result<JsValue, Failure> {
        let path = AddressPath { branch: branch(on)?, index: child_index(index, "index")? };
        let keys = layout(made_of)?.keys(&self.key, path);
        let address = self.chain.shown(&keys.tree().address());
        let shown = Object::new().text("address", &address).set("signing", shown_key(&keys.signing));
        Ok(shown.maybe("fallback", keys.fallback.as_ref().map(shown_key)).into())
    }

    /// The secret key at a place.
    #[wasm_bindgen(js_name = secretKey)]
    pub fn secret_key(&self, on: &JsValue, index: &JsValue, of: &JsValue) -> Result<SecretKey, Failure> {
        let path = AddressPath { branch: branch(on)?, index: child_index(index, "index")? };
        Ok(SecretKey { key: self.key.secret_key(scheme(of)?, path) })
    }
}

impl Account {
    pub(super) const fn of(key: AccountKey, chain: Chain) -> Self {
        Self { key, chain }
    }

    pub(super) const fn key(&self) -> &AccountKey {
        &self.key
    }

    pub(super) const fn chain(&self) -> &Chain {
        &self.chain
    }
}

#[wasm_bindgen]
impl SecretKey {
    /// The key of a seed that was made elsewhere.
    #[wasm_bindgen(js_name = fromSeed)]
    pub fn from_seed(of: &JsValue, seed: &JsValue) -> Result<Self, Failure> {
        let seed = Zeroizing::new(exactly(&secret_bytes(seed, "seed")?, "seed")?);
        Ok(Self { key: Key::from_seed(scheme(of)?, &seed) })
    }

    /// Its public key.
    #[wasm_bindgen(getter, js_name = publicKey)]
    #[must_use]
    pub fn public_key(&self) -> JsValue {
        shown_key(self.key.public_key())
    }
}

impl SecretKey {
    pub(super) const fn key(&self) -> &Key {
        &self.key
    }
}
