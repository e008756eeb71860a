//! Every message of nodes and light clients: the first byte chooses one, the rest is what a peer sent. What is read has exactly one
//! encoding and is no longer than its limit, and what is longer is not read.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use qbtc_core::net::addresses::{AddressesAnswer, AddressesQuestion};
use qbtc_core::net::{
    CompactBlock, Hello, IdentityAnswer, IdentityQuestion, LightAnswer, LightQuestion, SyncAnswer, SyncQuestion,
};
use qbtc_core::relay::StemMessage;
use qbtc_core::spec::ChainSpec;
use qbtc_fuzz::small_blocks;

/// A chain whose blocks are small, so that inputs can be too long.
static SPEC: LazyLock<ChainSpec> = LazyLock::new(small_blocks);

/// The most bytes of a compact block here: those of a block.
const COMPACT_BYTES_MAX: usize = 163_840;

/// Holds what was read against what came.
fn check<T, E>(bytes: &[u8], limit: usize, read: Result<T, E>, write: impl Fn(&T) -> Vec<u8>) {
    if let Ok(message) = read {
        assert!(bytes.len() <= limit, "{} bytes were read: at most {limit} may be", bytes.len());
        assert_eq!(write(&message), bytes);
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let spec = &*SPEC;
    match choice % 11 {
        0 => check(bytes, Hello::BYTES_MAX, Hello::from_bytes(bytes), Hello::to_bytes),
        1 => check(bytes, SyncQuestion::BYTES_MAX, SyncQuestion::from_bytes(bytes), SyncQuestion::to_bytes),
        2 => check(bytes, SyncAnswer::bytes_max(spec), SyncAnswer::from_bytes(bytes, spec), SyncAnswer::to_bytes),
        3 => {
            let limit = LightQuestion::bytes_max(spec);
            check(bytes, limit, LightQuestion::from_bytes(bytes, spec), LightQuestion::to_bytes);
        }
        4 => check(bytes, LightAnswer::bytes_max(spec), LightAnswer::from_bytes(bytes, spec), LightAnswer::to_bytes),
        5 => check(bytes, StemMessage::bytes_max(spec), StemMessage::from_bytes(bytes, spec), StemMessage::to_bytes),
        6 => {
            let read = CompactBlock::from_bytes(bytes, COMPACT_BYTES_MAX);
            check(bytes, COMPACT_BYTES_MAX, read, CompactBlock::to_bytes);
        }
        7 => {
            let limit = AddressesQuestion::BYTES_MAX;
            check(bytes, limit, AddressesQuestion::from_bytes(bytes), AddressesQuestion::to_bytes);
        }
        8 => {
            let limit = IdentityQuestion::BYTES_MAX;
            check(bytes, limit, IdentityQuestion::from_bytes(bytes), IdentityQuestion::to_bytes);
        }
        9 => check(bytes, IdentityAnswer::BYTES_MAX, IdentityAnswer::from_bytes(bytes), IdentityAnswer::to_bytes),
        _ => check(bytes, AddressesAnswer::BYTES_MAX, AddressesAnswer::from_bytes(bytes), AddressesAnswer::to_bytes),
    }
});
