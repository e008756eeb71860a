//! The exports for JavaScript.
//!
//! Thin: arguments are read, core is asked, results become plain objects. The layer above, in TypeScript (wallet-wasm/npm/src), gives all
//! of it its types and its documentation, catches traps and makes errors of failures; nothing here is for people to call directly.
//!
//! Amounts are bigints of quanta, ids hex as people read them, addresses text, all other bytes `Uint8Array`. Secrets stay in the
//! program's own memory, behind objects that wipe them when they are freed; only words and keystores leave it, where asked for.
//!
//! A panic throws an error of the code `fatal`; the layer above then refuses further calls of this instance.
#![allow(unreachable_pub, reason = "exports are seen by JavaScript, and by nobody in Rust")]

#[cfg(feature = "sign")]
mod account;
#[cfg(feature = "spec")]
mod body;
#[cfg(feature = "pay")]
mod book;
mod chain;
#[cfg(feature = "sign")]
mod coins;
#[cfg(feature = "pay")]
mod combine;
#[cfg(feature = "pay")]
mod decode;
#[cfg(feature = "pay")]
mod keystore;
#[cfg(feature = "light")]
mod light;
#[cfg(feature = "sign")]
mod message;
#[cfg(feature = "sign")]
mod mnemonic;
#[cfg(feature = "sign")]
mod partial;
#[cfg(feature = "pay")]
mod payment;
#[cfg(feature = "pay")]
mod place;
#[cfg(feature = "pay")]
mod proof;
#[cfg(feature = "pay")]
mod rules;
#[cfg(not(feature = "std"))]
mod small;
#[cfg(feature = "sign")]
mod text;
#[cfg(feature = "sign")]
mod transaction;
#[cfg(feature = "sign")]
mod tree;
mod value;
#[cfg(feature = "pay")]
mod verify;

use alloc::string::{String, ToString as _};

#[cfg(feature = "sign")]
use qbtc_core::crypto::{ENTROPY_BYTES, PublicKey};
#[cfg(feature = "pay")]
use qbtc_core::units::Amount;
use qbtc_core::units::Height;
use wasm_bindgen::prelude::*;

#[cfg(feature = "sign")]
use crate::amount;
#[cfg(any(feature = "sign", feature = "std"))]
use crate::failure::Failure;

/// Makes a panic an error with its message and place instead of a bare trap.
#[cfg(feature = "std")]
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| {
        let failure = Failure::new("fatal", format_args!("a fault of this program: {panic}"));
        wasm_bindgen::throw_val(failure.into());
    }));
}

/// The version of this package.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// Reads decimal coins: quanta.
#[cfg(feature = "sign")]
#[wasm_bindgen(js_name = parseAmount)]
pub fn parse_amount(text: &str) -> Result<u64, Failure> {
    Ok(amount::parse(text)?.quanta())
}

/// Writes quanta as decimal coins.
#[cfg(feature = "sign")]
#[wasm_bindgen(js_name = formatAmount)]
pub fn format_amount(quanta: &JsValue) -> Result<String, Failure> {
    Ok(value::amount(quanta, "amount")?.to_string())
}

/// Ends as a bug would, so that tests can see what becomes of it.
#[wasm_bindgen(js_name = panicForTests)]
pub fn panic_for_tests() {
    panic!("asked to, by a test");
}

/// Fresh bytes from the host.
#[cfg(feature = "sign")]
fn entropy() -> Result<[u8; ENTROPY_BYTES], Failure> {
    let mut bytes = [0; ENTROPY_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new("entropy", format_args!("no randomness to be had from the host: {error}")))?;
    Ok(bytes)
}

/// A public key as JavaScript sees it.
#[cfg(feature = "sign")]
fn shown_key(key: &PublicKey) -> JsValue {
    value::Object::new().text("scheme", key.scheme().name()).bytes("bytes", key.as_bytes()).into()
}

/// An amount as JavaScript sees it.
#[cfg(feature = "pay")]
fn shown_amount(amount: Amount) -> JsValue {
    amount.quanta().into()
}

/// `null` for a transaction that never expires.
fn shown_expiry(height: Height) -> JsValue {
    if height == Height::GENESIS { JsValue::NULL } else { height.0.into() }
}

#[cfg(feature = "spec")]
/// A block's height and id, as JavaScript sees them.
fn shown_mark(mark: &qbtc_core::chain::BlockMark) -> value::Object {
    value::Object::new().set("height", mark.height.0).text("id", &mark.id.to_string())
}
