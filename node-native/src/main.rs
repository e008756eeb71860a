//! `qbtc`.
fn main() {}
