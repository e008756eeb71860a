//! Signed messages.

use qbtc_core::units::Height;
use qbtc_core::wallet::layout::AddressKeys;
use qbtc_core::wallet::message::{MessageDraft, MessageProof};
use wasm_bindgen::prelude::*;

use super::account::{Account, SecretKey};
use super::book::AddressBook;
use super::chain::{Chain, read_address};
use super::entropy;
use super::tree::AddressTree;
use super::value::list;
use crate::failure::Failure;

#[wasm_bindgen]
impl AddressBook {
    /// Signs a text for one of its addresses, with the ordinary key.
    #[wasm_bindgen(js_name = signMessage)]
    pub fn sign_message(&self, account: &Account, address: &str, text: &str) -> Result<String, Failure> {
        let address = read_address(self.spec(), address)?;
        let path = self.book().path_of(&address).ok_or_else(|| {
            Failure::new("address-foreign", "the address is not the account's: nothing here can sign for it")
        })?;
        let layout = self.book().layout();
        let tree = layout.keys(account.key(), path).tree();
        if tree.address() != address {
            return Err(Failure::new("account-other", "the secret is that of another account than the addresses'"));
        }
        let mut draft = MessageDraft::new(&self.spec().chain_id(), &tree, AddressKeys::SIGNING, text)?;
        draft.sign(&account.key().secret_key(layout.scheme(), path), &entropy()?);
        Ok(draft.finish()?.to_string())
    }
}

/// Signs a text with single keys, for an address that may ask for several. Takes the keys: they are gone afterwards.
#[wasm_bindgen(js_name = signMessageWith)]
#[allow(clippy::needless_pass_by_value, reason = "JavaScript can pass objects in a list by value only")]
pub fn sign_message_with(
    chain: &Chain,
    tree: &AddressTree,
    alternative: u32,
    text: &str,
    keys: Vec<SecretKey>,
) -> Result<String, Failure> {
    let mut draft = MessageDraft::new(&chain.spec().chain_id(), tree.tree(), alternative as usize, text)?;
    for key in &keys {
        draft.sign(key.key(), &entropy()?);
    }
    Ok(draft.finish()?.to_string())
}

/// Checks a signed text; the schemes that signed.
#[wasm_bindgen(js_name = verifyMessage)]
pub fn verify_message(
    chain: &Chain,
    address: &str,
    text: &str,
    proof: &str,
    height: Option<u32>,
) -> Result<JsValue, Failure> {
    let address = chain.address(address)?;
    let proof: MessageProof = proof.parse()?;
    proof.verify(address, text, Height(height.unwrap_or_default()), chain.spec())?;
    Ok(list([chain.shown(&proof.address())]))
}
