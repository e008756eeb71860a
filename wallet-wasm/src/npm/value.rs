//! Plain objects in and out.
//!
//! Reading never trusts a type: whoever calls from JavaScript is told which argument is wrong, what it is and what it should be.
#![cfg_attr(not(feature = "pay"), allow(dead_code, reason = "what only payments need goes with them"))]

use alloc::string::String;
use alloc::vec::Vec;

use js_sys::{Array, Object as JsObject, Reflect, Uint8Array};
use qbtc_core::crypto::{PublicKey, Scheme};
use qbtc_core::units::{Amount, FeeRate, Height};
use qbtc_core::wallet::derivation::{Branch, ChildIndex};
use qbtc_core::wallet::layout::AddressLayout;
use wasm_bindgen::{JsCast as _, JsValue};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The longest list that is read.
const LIST_MAX: u32 = 1 << 20;

/// A plain object that is being made.
pub(super) struct Object(JsObject);

impl Object {
    pub(super) fn new() -> Self {
        Self(JsObject::new())
    }

    pub(super) fn set(self, key: &str, value: impl Into<JsValue>) -> Self {
        // Setting a property of a fresh plain object cannot fail.
        let _ = Reflect::set(&self.0, &key.into(), &value.into());
        self
    }

    pub(super) fn text(self, key: &str, text: &str) -> Self {
        self.set(key, text)
    }

    pub(super) fn bytes(self, key: &str, bytes: &[u8]) -> Self {
        self.set(key, Uint8Array::from(bytes))
    }

    pub(super) fn amount(self, key: &str, amount: Amount) -> Self {
        self.set(key, amount.quanta())
    }

    /// A property that is left out where there is nothing.
    pub(super) fn maybe(self, key: &str, value: Option<impl Into<JsValue>>) -> Self {
        match value {
            Some(value) => self.set(key, value),
            None => self,
        }
    }
}

impl From<Object> for JsValue {
    fn from(object: Object) -> Self {
        object.0.into()
    }
}

/// A list of anything.
pub(super) fn list(items: impl IntoIterator<Item = impl Into<JsValue>>) -> JsValue {
    items.into_iter().map(Into::into).collect::<Array>().into()
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        let details = failure.details();
        let error = js_sys::Error::new(failure.sentence());
        let set = |key: &str, value: Option<JsValue>| {
            if let Some(value) = value {
                let _ = Reflect::set(&error, &key.into(), &value);
            }
        };
        set("code", Some(failure.code().into()));
        set("found", details.found.as_deref().map(Into::into));
        set("expected", details.expected.as_deref().map(Into::into));
        set("position", details.position.map(Into::into));
        error.into()
    }
}

fn kind_of(value: &JsValue) -> String {
    if value.is_null() {
        return "null".into();
    }
    if Array::is_array(value) {
        return "an array".into();
    }
    value.js_typeof().as_string().unwrap_or_default()
}

/// The error for an argument of another kind.
pub(super) fn refused(name: &str, value: &JsValue, expected: &str) -> Failure {
    let found = kind_of(value);
    Failure::new("argument", format_args!("{name} is {found}: expected {expected}"))
        .about(name)
        .found(found)
        .expected(expected)
}

/// A property of an object; `undefined` where it is missing.
pub(super) fn field(object: &JsValue, key: &str) -> JsValue {
    Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED)
}

/// A property that may be left out.
pub(super) fn optional(object: &JsValue, key: &str) -> Option<JsValue> {
    let value = field(object, key);
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

pub(super) fn object<'a>(value: &'a JsValue, name: &str) -> Result<&'a JsValue, Failure> {
    if value.is_object() && !Array::is_array(value) { Ok(value) } else { Err(refused(name, value, "an object")) }
}

pub(super) fn items(value: &JsValue, name: &str) -> Result<Vec<JsValue>, Failure> {
    let array = value.dyn_ref::<Array>().ok_or_else(|| refused(name, value, "an array"))?;
    if array.length() > LIST_MAX {
        let sentence = format_args!("{name} has {} items: expected at most {LIST_MAX}", array.length());
        return Err(Failure::new("argument", sentence).about(name).found(array.length()).expected(LIST_MAX));
    }
    Ok(array.to_vec())
}

pub(super) fn text(value: &JsValue, name: &str) -> Result<String, Failure> {
    value.as_string().ok_or_else(|| refused(name, value, "a string"))
}

pub(super) fn bytes(value: &JsValue, name: &str) -> Result<Vec<u8>, Failure> {
    let array = value.dyn_ref::<Uint8Array>().ok_or_else(|| refused(name, value, "a Uint8Array"))?;
    Ok(array.to_vec())
}

/// Bytes that are secret: no copy of them is left.
pub(super) fn secret_bytes(value: &JsValue, name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    bytes(value, name).map(Zeroizing::new)
}

/// Secret bytes for whoever calls: as [`JsValue`] there is no copy here that would be left.
pub(super) fn shown_secret(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

pub(super) fn bytes_32(value: &JsValue, name: &str) -> Result<[u8; 32], Failure> {
    exactly(&bytes(value, name)?, name)
}

/// So many bytes and no others.
pub(super) fn exactly<const N: usize>(bytes: &[u8], name: &str) -> Result<[u8; N], Failure> {
    bytes.try_into().map_err(|_| {
        let found = bytes.len();
        Failure::new("argument", format_args!("{name} has {found} bytes: expected {N}"))
            .about(name)
            .found(found)
            .expected(N)
    })
}

pub(super) fn bool(value: &JsValue, name: &str) -> Result<bool, Failure> {
    value.as_bool().ok_or_else(|| refused(name, value, "a boolean"))
}

/// A whole number of 32 bits.
pub(super) fn u32(value: &JsValue, name: &str) -> Result<u32, Failure> {
    let number = value.as_f64().ok_or_else(|| refused(name, value, "a whole number"))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is not whole or in range is refused"
    )]
    let whole = number as u32;
    #[expect(clippy::float_cmp, reason = "exactly the same number, or it was none of these")]
    if f64::from(whole) != number {
        // The host writes the number: doing it here would take 20 kB of code.
        let found = js_sys::Number::from(number).to_string(10).map_or_else(|_| String::new(), String::from);
        let sentence = format_args!("{name} is {found}: expected a whole number from 0 to {}", u32::MAX);
        return Err(Failure::new("argument", sentence).about(name).found(found));
    }
    Ok(whole)
}

/// A whole number of 32 bits that may be left out.
pub(super) fn maybe_u32(value: &JsValue, name: &str) -> Result<Option<u32>, Failure> {
    if value.is_undefined() || value.is_null() { Ok(None) } else { u32(value, name).map(Some) }
}

/// A bigint of 64 bits.
pub(super) fn u64(value: &JsValue, name: &str) -> Result<u64, Failure> {
    if !value.is_bigint() {
        return Err(refused(name, value, "a bigint"));
    }
    u64::try_from(value.clone()).map_err(|_| {
        let expected = "a bigint from 0 to 2^64 - 1";
        Failure::new("argument", format_args!("{name} is negative or too large: expected {expected}"))
            .about(name)
            .expected(expected)
    })
}

pub(super) fn amount(value: &JsValue, name: &str) -> Result<Amount, Failure> {
    Ok(Amount::from_quanta(u64(value, name)?)?)
}

pub(super) fn fee_rate(value: &JsValue, name: &str) -> Result<FeeRate, Failure> {
    Ok(FeeRate::from_quanta_per_1000_bytes(u64(value, name)?))
}

pub(super) fn height(value: &JsValue, name: &str) -> Result<Height, Failure> {
    u32(value, name).map(Height)
}

/// A scheme's name; the default where it is left out.
pub(super) fn scheme(value: &JsValue) -> Result<Scheme, Failure> {
    if value.is_undefined() {
        return Ok(Scheme::default());
    }
    Ok(text(value, "scheme")?.parse()?)
}

/// What addresses are made of: `{ scheme?, fallback? }`.
pub(super) fn layout(value: &JsValue) -> Result<AddressLayout, Failure> {
    if value.is_undefined() {
        return Ok(AddressLayout::default());
    }
    let value = object(value, "layout")?;
    let scheme = scheme(&field(value, "scheme"))?;
    let has_fallback = optional(value, "fallback").map_or(Ok(false), |value| bool(&value, "layout.fallback"))?;
    Ok(if has_fallback { AddressLayout::with_fallback(scheme)? } else { AddressLayout::single(scheme) })
}

/// What addresses are made of, as JavaScript sees it.
pub(super) fn shown_layout(layout: AddressLayout) -> Object {
    Object::new().text("scheme", layout.scheme().name()).set("fallback", layout.has_fallback())
}

/// `'receive'` or `'change'`.
pub(super) fn branch(value: &JsValue) -> Result<Branch, Failure> {
    match value.as_string().as_deref() {
        Some("receive") => Ok(Branch::Receive),
        Some("change") => Ok(Branch::Change),
        _ => Err(refused("branch", value, "'receive' or 'change'")),
    }
}

/// The branch as JavaScript sees it.
pub(super) const fn shown_branch(branch: Branch) -> &'static str {
    match branch {
        Branch::Receive => "receive",
        Branch::Change => "change",
    }
}

pub(super) fn child_index(value: &JsValue, name: &str) -> Result<ChildIndex, Failure> {
    Ok(ChildIndex::new(u32(value, name)?)?)
}

/// `{ scheme, bytes }`.
pub(super) fn public_key(value: &JsValue, name: &str) -> Result<PublicKey, Failure> {
    let value = object(value, name)?;
    let scheme = scheme(&field(value, "scheme"))?;
    Ok(PublicKey::new(scheme, bytes(&field(value, "bytes"), &alloc::format!("{name}.bytes"))?)?)
}
