//! Signed messages.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use qbtc_core::wallet::derivation::AddressPath;
use qbtc_core::wallet::layout::{AddressKeys, AddressLayout};
use qbtc_core::wallet::message::MessageDraft;
use wasm_bindgen::prelude::*;

use super::account::{Account, SecretKey};
use super::chain::Chain;
use super::entropy;
use super::tree::AddressTree;
use super::value::{self, branch, child_index, field, layout, object};
use crate::failure::Failure;

#[wasm_bindgen]
impl Account {
    /// Signs a text for one of its addresses, with the ordinary key: `{ branch, index, layout? }`.
    #[wasm_bindgen(js_name = signMessage)]
    pub fn sign_message(&self, place: &JsValue, text: &str) -> Result<String, Failure> {
        let place = object(place, "place")?;
        let index = child_index(&field(place, "index"), "place.index")?;
        let path = AddressPath { branch: branch(&field(place, "branch"))?, index };
        self.sign_message_at(path, layout(&field(place, "layout"))?, text)
    }
}

impl Account {
    pub(super) fn sign_message_at(
        &self,
        path: AddressPath,
        layout: AddressLayout,
        text: &str,
    ) -> Result<String, Failure> {
        let tree = layout.keys(self.key(), path).tree();
        let mut draft = MessageDraft::new(&self.chain().identity().id, &tree, AddressKeys::SIGNING, text)?;
        draft.sign(&self.key().secret_key(layout.scheme(), path), &entropy()?);
        Ok(draft.finish()?.to_string())
    }
}

/// Signs a text with single keys, for an address that may ask for several. Takes the keys: they are gone afterwards.
#[wasm_bindgen(js_name = signMessageWith)]
#[allow(clippy::needless_pass_by_value, reason = "JavaScript can pass objects in a list by value only")]
pub fn sign_message_with(
    chain: &Chain,
    tree: &AddressTree,
    alternative: &JsValue,
    text: &str,
    keys: Vec<SecretKey>,
) -> Result<String, Failure> {
    let alternative = value::u32(alternative, "alternative")? as usize;
    let mut draft = MessageDraft::new(&chain.identity().id, tree.tree(), alternative, text)?;
    for key in &keys {
        draft.sign(key.key(), &entropy()?);
    }
    Ok(draft.finish()?.to_string())
}
