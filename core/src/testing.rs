//! What unit tests share: one `#[test]` attribute that means the right thing on both targets.
//!
//! `use crate::testing::test;` makes a plain `#[test]` std's own natively and `wasm_bindgen_test` on wasm32, so that the same
//! test bodies run in both places.

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use core::prelude::v1::test;

#[cfg(target_arch = "wasm32")]
pub(crate) use wasm_bindgen_test::wasm_bindgen_test as test;
