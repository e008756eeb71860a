//! Sixteen nonces at a time with AVX-512: one instruction to rotate, one for each function of three words.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_cmple_epu32_mask, _mm512_rol_epi32, _mm512_ror_epi32, _mm512_set1_epi32,
    _mm512_setr_epi32, _mm512_slli_epi32, _mm512_srli_epi32, _mm512_ternarylogic_epi32,
};

use super::job::{END, HASH_BITS, HEADER_BITS, IV, Job, K, lowest_hit};

type Vector = __m512i;

#[target_feature(enable = "avx512f")]
#[inline]
fn add(x: Vector, y: Vector) -> Vector {
    _mm512_add_epi32(x, y)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn xor3(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0x96>(x, y, z)
}

/// The bits of `y` where `x` is set, and those of `z` where it is not.
#[target_feature(enable = "avx512f")]
#[inline]
fn choose(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0xca>(x, y, z)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn majority(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0xe8>(x, y, z)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn rotate_right<const N: i32>(x: Vector) -> Vector {
    _mm512_ror_epi32::<N>(x)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn shift_right<const N: u32>(x: Vector) -> Vector {
    _mm512_srli_epi32::<N>(x)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn splat(x: u32) -> Vector {
    _mm512_set1_epi32(x.cast_signed())
}

/// The nonces from `base`, a multiple of 16, as words of the message: SHA-256 reads them big-endian, the header holds them little-endian.
#[target_feature(enable = "avx512f")]
#[inline]
fn nonces(base: u32) -> Vector {
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    add(splat(base.swap_bytes()), _mm512_slli_epi32::<24>(lanes))
}

/// Which of the hashes' highest words, as SHA-256 puts them out, are at most `top`.
#[target_feature(enable = "avx512f")]
#[inline]
fn hits(word: Vector, top: Vector) -> u32 {
    let swapped = choose(splat(0x00ff_00ff), _mm512_rol_epi32::<8>(word), _mm512_ror_epi32::<8>(word));
    u32::from(_mm512_cmple_epu32_mask(swapped, top))
}

scan_in_lanes!(16, target_feature(enable = "avx512f"));
