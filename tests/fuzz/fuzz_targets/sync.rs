//! The machine that synchronises the chain, among peers that do whatever the input says.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| qbtc_fuzz::sync::play(input));
