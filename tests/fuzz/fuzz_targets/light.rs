//! A light client among liars: whatever peers answer, it never stops, and finds the truth once somebody tells it. An input that begins with
//! 255 is a saved state.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| qbtc_fuzz::light::play(input));
