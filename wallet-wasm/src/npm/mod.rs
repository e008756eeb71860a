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

#[cfg(feature = "keys")]
mod account;
#[cfg(any(feature = "keys", feature = "light"))]
mod body;
#[cfg(feature = "pay")]
mod book;
mod chain;
#[cfg(feature = "keys")]
mod coins;
#[cfg(feature = "keys")]
mod keystore;
#[cfg(feature = "light")]
mod light;
#[cfg(feature = "keys")]
mod message;
#[cfg(feature = "keys")]
mod mnemonic;
#[cfg(feature = "keys")]
mod partial;
#[cfg(feature = "pay")]
mod payment;
#[cfg(any(feature = "pay", feature = "light"))]
mod place;
#[cfg(feature = "pay")]
mod proof;
#[cfg(feature = "harness")]
mod shared;
#[cfg(feature = "keys")]
mod transaction;
#[cfg(feature = "keys")]
mod tree;
mod value;

#[cfg(feature = "keys")]
use qbtc_core::crypto::{ENTROPY_BYTES, PublicKey, Signature};
use qbtc_core::units::Amount;
use wasm_bindgen::prelude::*;

use crate::amount;
use crate::failure::Failure;

/// Makes a panic an error with its message and place instead of a bare trap.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| {
        let failure = Failure::new("fatal", format!("a fault of this program: {panic}"));
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
#[wasm_bindgen(js_name = parseAmount)]
pub fn parse_amount(text: &str) -> Result<u64, Failure> {
    Ok(amount::parse(text)?.quanta())
}

/// Writes quanta as decimal coins.
#[wasm_bindgen(js_name = formatAmount)]
pub fn format_amount(quanta: &JsValue) -> Result<String, Failure> {
    Ok(value::amount(quanta, "amount")?.to_string())
}

/// Checks a signature of raw bytes.
#[cfg(feature = "keys")]
#[wasm_bindgen(js_name = verifySignature)]
pub fn verify_signature(public_key: &JsValue, message: &[u8], signature: &[u8]) -> Result<(), Failure> {
    let key = value::public_key(public_key, "publicKey")?;
    Ok(key.verify(message, &Signature::new(signature)?)?)
}

/// Ends as a bug would, so that tests can see what becomes of it.
#[wasm_bindgen(js_name = panicForTests)]
pub fn panic_for_tests() {
    panic!("asked to, by a test");
}

/// Fresh bytes from the host.
#[cfg(feature = "keys")]
fn entropy() -> Result<[u8; ENTROPY_BYTES], Failure> {
    let mut bytes = [0; ENTROPY_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new("entropy", format!("no randomness to be had from the host: {error}")))?;
    Ok(bytes)
}

/// A public key as JavaScript sees it.
#[cfg(feature = "keys")]
fn shown_key(key: &PublicKey) -> JsValue {
    value::Object::new().text("scheme", key.scheme().name()).bytes("bytes", key.as_bytes()).into()
}

/// An amount as JavaScript sees it.
fn shown_amount(amount: Amount) -> JsValue {
    amount.quanta().into()
}
