//! Addresses by what unlocks them.

use alloc::string::String;
use alloc::vec::Vec;

use qbtc_core::lock::{AddressTree as Tree, Condition, Conditions};
use wasm_bindgen::prelude::*;

use super::chain::Chain;
use super::shown_key;
use super::value::{self, Object, field, items, list, object, text};
use crate::failure::Failure;

/// An address whose alternatives are known.
#[wasm_bindgen]
pub struct AddressTree {
    tree: Tree,
}

#[wasm_bindgen]
impl AddressTree {
    /// The address of one key.
    pub fn single(public_key: &JsValue) -> Result<Self, Failure> {
        Ok(Self { tree: Tree::single(Conditions::key(value::public_key(public_key, "publicKey")?)) })
    }

    /// The address of alternatives, each a list of conditions.
    pub fn of(alternatives: &JsValue) -> Result<Self, Failure> {
        let alternatives = items(alternatives, "alternatives")?;
        let alternatives: Result<Vec<_>, Failure> = alternatives.iter().map(conditions).collect();
        Ok(Self { tree: Tree::new(alternatives?)? })
    }

    /// Its text on a chain.
    #[must_use]
    pub fn address(&self, chain: &Chain) -> String {
        chain.shown(&self.tree.address())
    }

    /// Its alternatives.
    #[must_use]
    pub fn alternatives(&self) -> JsValue {
        list(self.tree.alternatives().iter().map(|(conditions, _)| shown_conditions(conditions)))
    }
}

impl AddressTree {
    pub(super) const fn tree(&self) -> &Tree {
        &self.tree
    }
}

fn conditions(value: &JsValue) -> Result<Conditions, Failure> {
    let conditions: Result<Vec<_>, Failure> = items(value, "conditions")?.iter().map(condition).collect();
    Ok(Conditions::new(conditions?)?)
}

fn condition(value: &JsValue) -> Result<Condition, Failure> {
    let value = object(value, "condition")?;
    let get = |key: &str| field(value, key);
    match text(&get("kind"), "condition.kind")?.as_str() {
        "key" => Ok(Condition::Key(value::public_key(&get("key"), "condition.key")?)),
        "threshold" => {
            let required = value::u32(&get("required"), "condition.required")?;
            let keys = items(&get("keys"), "condition.keys")?;
            let keys: Result<Vec<_>, Failure> =
                keys.iter().map(|key| value::public_key(key, "condition.keys[]")).collect();
            // More than 255 are more than there can be keys, which is what is said of 255, too.
            Ok(Condition::Threshold { required: u8::try_from(required).unwrap_or(u8::MAX), keys: keys? })
        }
        "preimage" => Ok(Condition::Preimage(value::bytes_32(&get("sha256"), "condition.sha256")?)),
        "after" => Ok(Condition::After(value::height(&get("height"), "condition.height")?)),
        other => {
            let expected = "key, threshold, preimage or after";
            let sentence = format_args!("condition.kind is {other:?}: expected {expected}");
            Err(Failure::new("argument", sentence).about("condition.kind").found(other).expected(expected))
        }
    }
}

/// Conditions as JavaScript sees them.
pub(super) fn shown_conditions(conditions: &Conditions) -> JsValue {
    list(conditions.iter().map(|condition| {
        let object = Object::new();
        match condition {
            Condition::Key(key) => object.text("kind", "key").set("key", shown_key(key)),
            Condition::Threshold { required, keys } => object
                .text("kind", "threshold")
                .set("required", *required)
                .set("keys", list(keys.iter().map(shown_key))),
            Condition::Preimage(digest) => object.text("kind", "preimage").bytes("sha256", digest),
            Condition::After(height) => object.text("kind", "after").set("height", height.0),
        }
    }))
}
