//! An account's addresses.

use qbtc_core::codec;
use qbtc_core::wallet::address_book::{AddressBook as Book, BookError};
use qbtc_core::wallet::derivation::{AddressPath, Branch, ChildIndex};
use wasm_bindgen::prelude::*;

use super::account::Account;
use super::chain::Chain;
use super::shown_key;
use super::value::{Object, branch, layout, list, maybe_u32, shown_branch, shown_layout};
use crate::failure::Failure;

/// The longest encoding that is read, in bytes: room for some 5,000 addresses with ML-DSA-87 keys.
const BYTES_MAX: usize = 16 << 20;

/// An account's addresses, without its secret.
#[wasm_bindgen]
pub struct AddressBook {
    book: Book,
    chain: Chain,
}

#[wasm_bindgen]
impl AddressBook {
    /// The first addresses of an account.
    pub fn create(account: &Account, made_of: &JsValue, gap_limit: &JsValue) -> Result<Self, Failure> {
        let gap_limit = maybe_u32(gap_limit, "gapLimit")?.unwrap_or(Book::GAP_LIMIT);
        let mut book = Book::new(account.key().path(), layout(made_of)?, gap_limit)?;
        book.extend(account.key())?;
        Ok(Self { book, chain: account.chain().clone() })
    }

    /// What [`AddressBook::to_bytes`] wrote.
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(chain: &Chain, bytes: &[u8]) -> Result<Self, Failure> {
        Ok(Self { book: codec::decode(bytes, BYTES_MAX)?, chain: chain.clone() })
    }

    /// The addresses and their public keys; nothing secret.
    #[wasm_bindgen(js_name = toBytes)]
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(&self.book)
    }

    /// Where the account is.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn path(&self) -> String {
        self.book.path().to_string()
    }

    /// What the addresses are made of.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn layout(&self) -> JsValue {
        shown_layout(self.book.layout()).into()
    }

    /// Every address of a branch, by index.
    pub fn addresses(&self, on: &JsValue) -> Result<JsValue, Failure> {
        let on = branch(on)?;
        let entries = (0..=ChildIndex::MAX.to_u32()).map_while(|index| {
            let path = AddressPath { branch: on, index: ChildIndex::new(index).ok()? };
            self.book.entry(path).map(|entry| self.chain.shown(&entry.address))
        });
        Ok(list(entries))
    }

    /// The first address that nobody has been given.
    #[wasm_bindgen(js_name = nextUnused)]
    pub fn next_unused(&self, on: &JsValue) -> Result<JsValue, Failure> {
        let on = branch(on)?;
        let (path, address) = self.book.next_unused(on).ok_or_else(|| {
            Failure::new("book-exhausted", "no unused address is left: extend the book with the account's secret")
        })?;
        Ok(self.shown_place(path).text("address", &self.chain.shown(&address)).into())
    }

    /// Where an address is; `undefined` for others' addresses.
    #[wasm_bindgen(js_name = pathOf)]
    pub fn path_of(&self, address: &str) -> Result<JsValue, Failure> {
        let path = self.book.path_of(&self.chain.address(address)?);
        Ok(path.map_or(JsValue::UNDEFINED, |path| self.shown_place(path).into()))
    }

    /// The public keys of one of its addresses; `undefined` for others' addresses.
    #[wasm_bindgen(js_name = keysOf)]
    pub fn keys_of(&self, address: &str) -> Result<JsValue, Failure> {
        let path = self.book.path_of(&self.chain.address(address)?);
        let keys = path.and_then(|path| self.book.entry(path)).and_then(|entry| entry.keys.as_ref());
        Ok(keys.map_or(JsValue::UNDEFINED, |keys| {
            let shown = Object::new().set("signing", shown_key(&keys.signing));
            shown.maybe("fallback", keys.fallback.as_ref().map(shown_key)).into()
        }))
    }

    /// Signs a text for one of its addresses, with the ordinary key.
    #[wasm_bindgen(js_name = signMessage)]
    pub fn sign_message(&self, account: &Account, address: &str, text: &str) -> Result<String, Failure> {
        let path = self.book.path_of(&self.chain.address(address)?).ok_or_else(|| {
            Failure::new("address-foreign", "the address is not the account's: nothing here can sign for it")
        })?;
        let (found, expected) = (account.key().path(), self.book.path());
        if found != expected {
            return Err(BookError::Account { found, expected }.into());
        }
        account.sign_message_at(path, self.book.layout(), text)
    }

    /// Notes that an address was given away or seen; whether it is the account's.
    #[wasm_bindgen(js_name = markUsed)]
    pub fn mark_used(&mut self, address: &str) -> Result<bool, Failure> {
        let address = self.chain.address(address)?;
        Ok(self.book.mark_used(&address).is_some())
    }

    /// How many addresses the gaps lack.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn missing(&self) -> u32 {
        Branch::ALL.into_iter().map(|branch| self.book.missing(branch)).sum()
    }

    /// Fills the gaps; how many addresses were added.
    pub fn extend(&mut self, account: &Account) -> Result<u32, Failure> {
        Ok(u32::try_from(self.book.extend(account.key())?).unwrap_or(u32::MAX))
    }
}

impl AddressBook {
    pub(super) const fn book(&self) -> &Book {
        &self.book
    }

    pub(super) const fn chain(&self) -> &Chain {
        &self.chain
    }

    fn shown_place(&self, path: AddressPath) -> Object {
        Object::new().text("branch", shown_branch(path.branch)).set("index", path.index.to_u32())
    }
}
