//! One nonce at a time in plain Rust, for every processor.

use super::job::{END, HASH_BITS, HEADER_BITS, IV, Job, K, lowest_hit};

type Vector = u32;

#[inline]
fn add(x: Vector, y: Vector) -> Vector {
    x.wrapping_add(y)
}

#[inline]
fn xor3(x: Vector, y: Vector, z: Vector) -> Vector {
    x ^ y ^ z
}

/// The bits of `y` where `x` is set, and those of `z` where it is not.
#[inline]
fn choose(x: Vector, y: Vector, z: Vector) -> Vector {
    z ^ (x & (y ^ z))
}

#[inline]
fn majority(x: Vector, y: Vector, z: Vector) -> Vector {
    y ^ ((x ^ y) & (y ^ z))
}

#[inline]
fn rotate_right<const N: u32>(x: Vector) -> Vector {
    x.rotate_right(N)
}

#[inline]
fn shift_right<const N: u32>(x: Vector) -> Vector {
    x >> N
}

#[inline]
fn splat(x: u32) -> Vector {
    x
}

/// The nonces from `base` as words of the message: SHA-256 reads them big-endian, the header holds them little-endian.
#[inline]
fn nonces(base: u32) -> Vector {
    base.swap_bytes()
}

/// Which of the hashes' highest words, as SHA-256 puts them out, are at most `top`.
#[inline]
fn hits(word: Vector, top: Vector) -> u32 {
    u32::from(word.swap_bytes() <= top)
}

scan_in_lanes!(1);
