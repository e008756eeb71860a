//! One nonce at a time with the `sha2` crate, which knows more processors than the kernels do: what the others are measured against.
//!
//! The first block is hashed once, the rest is two calls of the compression function and a comparison for each nonce.

use sha2::block_api::compress256;

use super::job::{HASH_BITS, HEADER_BITS, IV, Job};

/// The lowest nonce from `first` to `last` whose hash may meet the job's target.
pub(super) fn scan(job: &Job, first: u32, last: u32) -> Option<u32> {
    let mut header = padded::<16>(HEADER_BITS);
    for (place, word) in header.chunks_exact_mut(4).zip(job.tail) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    let mut hash = padded::<32>(HASH_BITS);
    (first..=last).find(|nonce| {
        header[12..16].copy_from_slice(&nonce.to_le_bytes());
        let mut state = job.midstate;
        compress256(&mut state, core::slice::from_ref(&header));
        for (place, word) in hash.chunks_exact_mut(4).zip(state) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        let mut state = IV;
        compress256(&mut state, core::slice::from_ref(&hash));
        state[7].swap_bytes() <= job.top
    })
}

/// The last block of a message that puts `BYTES` bytes into it, without them.
fn padded<const BYTES: usize>(message_bits: u32) -> [u8; 64] {
    let mut block = [0; 64];
    block[BYTES] = 0x80;
    block[60..].copy_from_slice(&message_bits.to_be_bytes());
    block
}
