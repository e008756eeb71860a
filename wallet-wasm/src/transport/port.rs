//! What passes between a page, which has the connections, and a worker, which has the client.
//!
//! Each message is an array. The worker sends `[number, what, …]` and gets `[number, true, value]` or `[number, false, code, text]`; the page tells
//! `[0, "health" | "closed", connection, …]` and `[0, "wake"]` by itself. Bytes are moved, not copied.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::MessagePort;

use super::error::{CloseReason, TransportError};
use super::exchange::Framing;

pub(super) const DIAL: &str = "dial";
pub(super) const ASK: &str = "ask";
pub(super) const PING: &str = "ping";
pub(super) const ABORT: &str = "abort";
pub(super) const CLOSE: &str = "close";
pub(super) const HEALTH: &str = "health";
pub(super) const CLOSED: &str = "closed";
pub(super) const WAKE: &str = "wake";

/// Sends a message. The bytes in it are moved.
pub(super) fn post(port: &MessagePort, parts: &[JsValue]) {
    let moved: Array = parts
        .iter()
        .filter_map(|part| part.dyn_ref::<Uint8Array>())
        .map(|bytes| JsValue::from(bytes.buffer()))
        .collect();
    let message: Array = parts.iter().collect();
    // Every part can be cloned, and a port that is closed takes everything.
    let _ = port.post_message_with_transferable(&message, &moved);
}

/// A part of a message as a number. Both ends are this program: what is no number is a fault, and means zero.
pub(super) fn number(message: &Array, index: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "floats saturate")]
    let number = message.get(index).as_f64().unwrap_or_default() as u32;
    number
}

pub(super) fn text(message: &Array, index: u32) -> String {
    message.get(index).as_string().unwrap_or_default()
}

pub(super) fn bytes(message: &Array, index: u32) -> Vec<u8> {
    message.get(index).dyn_into::<Uint8Array>().map(|bytes| bytes.to_vec()).unwrap_or_default()
}

/// A framing as two numbers.
pub(super) fn write_framing(framing: Framing) -> [JsValue; 2] {
    let (kind, length) = match framing {
        Framing::Length => (0, 0),
        Framing::Stream => (1, 0),
        Framing::Fixed(length) => (2, u32::try_from(length).unwrap_or(u32::MAX)),
    };
    [JsValue::from(kind), JsValue::from(length)]
}

pub(super) fn read_framing(message: &Array, index: u32) -> Framing {
    match number(message, index) {
        0 => Framing::Length,
        1 => Framing::Stream,
        _ => Framing::Fixed(number(message, index + 1) as usize),
    }
}

pub(super) const fn write_reason(reason: CloseReason) -> u32 {
    match reason {
        CloseReason::Here => 0,
        CloseReason::Node => 1,
        CloseReason::Lost => 2,
        CloseReason::Silent => 3,
    }
}

pub(super) const fn read_reason(number: u32) -> CloseReason {
    match number {
        0 => CloseReason::Here,
        1 => CloseReason::Node,
        2 => CloseReason::Lost,
        _ => CloseReason::Silent,
    }
}

/// An error that comes from the page: its code and its text, from which the worker knows whose fault it is.
pub(super) fn read_error(message: &Array) -> TransportError {
    TransportError::Page { code: text(message, 2), message: text(message, 3), is_fault: number(message, 4) == 1 }
}

pub(super) fn write_error(number: u32, error: &TransportError) -> [JsValue; 5] {
    [
        JsValue::from(number),
        JsValue::FALSE,
        JsValue::from_str(error.code()),
        JsValue::from_str(&error.to_string()),
        JsValue::from(u32::from(error.is_fault())),
    ]
}
