//! Eight nonces at a time with AVX2, for processors that have neither AVX-512 nor SHA-NI.

use core::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_ps, _mm256_cmpeq_epi32,
    _mm256_max_epu32, _mm256_movemask_ps, _mm256_or_si256, _mm256_set1_epi32, _mm256_setr_epi8, _mm256_setr_epi32,
    _mm256_shuffle_epi8, _mm256_sll_epi32, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_xor_si256,
};

use super::job::{END, HASH_BITS, HEADER_BITS, IV, Job, K, lowest_hit};

type Vector = __m256i;

#[target_feature(enable = "avx2")]
#[inline]
fn add(x: Vector, y: Vector) -> Vector {
    _mm256_add_epi32(x, y)
}

/// From the right, which the compiler makes clearly faster code of than from the left.
#[target_feature(enable = "avx2")]
#[inline]
fn xor3(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm256_xor_si256(x, _mm256_xor_si256(y, z))
}

/// The bits of `y` where `x` is set, and those of `z` where it is not.
#[target_feature(enable = "avx2")]
#[inline]
fn choose(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)))
}

#[target_feature(enable = "avx2")]
#[inline]
fn majority(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm256_xor_si256(y, _mm256_and_si256(_mm256_xor_si256(x, y), _mm256_xor_si256(y, z)))
}

#[target_feature(enable = "avx2")]
#[inline]
fn rotate_right<const N: i32>(x: Vector) -> Vector {
    // The count stands in a register only in the source: a constant cannot be computed from N in its place.
    let left = _mm256_sll_epi32(x, _mm_cvtsi32_si128(32 - N));
    _mm256_or_si256(_mm256_srli_epi32::<N>(x), left)
}

#[target_feature(enable = "avx2")]
#[inline]
fn shift_right<const N: i32>(x: Vector) -> Vector {
    _mm256_srli_epi32::<N>(x)
}

#[target_feature(enable = "avx2")]
#[inline]
fn splat(x: u32) -> Vector {
    _mm256_set1_epi32(x.cast_signed())
}

/// The nonces from `base`, a multiple of 8, as words of the message: SHA-256 reads them big-endian, the header holds them little-endian.
#[target_feature(enable = "avx2")]
#[inline]
fn nonces(base: u32) -> Vector {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    add(splat(base.swap_bytes()), _mm256_slli_epi32::<24>(lanes))
}

/// Which of the hashes' highest words, as SHA-256 puts them out, are at most `top`.
#[target_feature(enable = "avx2")]
#[inline]
fn hits(word: Vector, top: Vector) -> u32 {
    let order = _mm256_setr_epi8(
        3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12,
    );
    let swapped = _mm256_shuffle_epi8(word, order);
    let is_met = _mm256_cmpeq_epi32(_mm256_max_epu32(swapped, top), top);
    _mm256_movemask_ps(_mm256_castsi256_ps(is_met)).cast_unsigned()
}

scan_in_lanes!(8, target_feature(enable = "avx2"));
