//! The browser's clock.

/// Seconds since 1970.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float that is out of range becomes the nearest number"
)]
pub(crate) fn now_s() -> u64 {
    (js_sys::Date::now() / 1_000.0) as u64
}
