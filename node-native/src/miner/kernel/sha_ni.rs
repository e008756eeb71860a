//! Four nonces at a time with the SHA extensions.
//!
//! An instruction does two rounds in one unit, which takes a new one each two cycles but needs four to finish: one nonce alone would
//! leave it idle half of the time, two of them whenever one has to wait, four hardly ever. AVX is asked for because its
//! instructions of three operands save copies. All of it is safe code, as in `lanes`.

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_cvtsi128_si32, _mm_setr_epi32, _mm_sha256msg1_epu32,
    _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi32, _mm_unpackhi_epi64, _mm_unpacklo_epi64,
};
use core::array::from_fn;

use super::job::{END, HASH_BITS, HEADER_BITS, IV, Job, K, lowest_hit};

/// The nonces that are hashed at a time.
const STREAMS: usize = 4;

/// Four words of each stream. What is computed stream by stream is independent, so the processor overlaps it.
type Words = [__m128i; STREAMS];

/// The states of the streams, in the order that the instructions ask for: from the lowest lane f, e, b, a and h, g, d, c.
#[derive(Clone, Copy)]
struct State {
    feba: Words,
    hgdc: Words,
}

impl State {
    #[target_feature(enable = "sha,sse4.1,avx")]
    #[inline]
    fn new([a, b, c, d, e, f, g, h]: [u32; 8]) -> Self {
        Self { feba: same([f, e, b, a]), hgdc: same([h, g, d, c]) }
    }

    /// Four rounds; `kw` are the sums of their words.
    #[target_feature(enable = "sha,sse4.1,avx")]
    #[inline]
    fn rounds(&mut self, kw: Words) {
        self.hgdc = from_fn(|at| _mm_sha256rnds2_epu32(self.hgdc[at], self.feba[at], kw[at]));
        let high = kw.map(|kw| _mm_shuffle_epi32::<0b1110>(kw));
        self.feba = from_fn(|at| _mm_sha256rnds2_epu32(self.feba[at], self.hgdc[at], high[at]));
    }

    /// Four rounds for each four words of `w`, the first of which are those of round `4 * group`.
    #[target_feature(enable = "sha,sse4.1,avx")]
    #[inline]
    fn given_rounds(&mut self, w: &[Words], group: usize) {
        for (w, group) in w.iter().zip(group..) {
            self.rounds(add(*w, same(ks(group))));
        }
    }

    /// Four times four rounds, each with words that follow from the sixteen before. `w` is a ring of sixteen.
    #[target_feature(enable = "sha,sse4.1,avx")]
    #[inline]
    fn scheduled_rounds(&mut self, w: &mut [Words; 4], ks: [[u32; 4]; 4]) {
        for (at, k) in ks.into_iter().enumerate() {
            w[at] = next_words(w, at);
            self.rounds(add(w[at], same(k)));
        }
    }
}

/// The round words by fours.
const fn ks(group: usize) -> [u32; 4] {
    [K[4 * group], K[4 * group + 1], K[4 * group + 2], K[4 * group + 3]]
}

/// The round words of sixteen rounds.
const fn ks16(group: usize) -> [[u32; 4]; 4] {
    [ks(4 * group), ks(4 * group + 1), ks(4 * group + 2), ks(4 * group + 3)]
}

#[target_feature(enable = "sha,sse4.1,avx")]
#[inline]
fn words(words: [u32; 4]) -> __m128i {
    let [a, b, c, d] = words.map(u32::cast_signed);
    _mm_setr_epi32(a, b, c, d)
}

/// The same four words for every stream.
#[target_feature(enable = "sha,sse4.1,avx")]
#[inline]
fn same(four: [u32; 4]) -> Words {
    [words(four); STREAMS]
}

#[target_feature(enable = "sha,sse4.1,avx")]
#[inline]
fn add(x: Words, y: Words) -> Words {
    from_fn(|at| _mm_add_epi32(x[at], y[at]))
}

/// The four words that follow the sixteen of a ring whose oldest are at `at`.
#[target_feature(enable = "sha,sse4.1,avx")]
#[inline]
fn next_words(w: &[Words; 4], at: usize) -> Words {
    let [w0, w4, w8, w12] = [w[at], w[(at + 1) % 4], w[(at + 2) % 4], w[(at + 3) % 4]];
    from_fn(|at| {
        let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0[at], w4[at]), _mm_alignr_epi8::<4>(w12[at], w8[at]));
        _mm_sha256msg2_epu32(sum, w12[at])
    })
}

/// The lowest nonce from `first` to `last` whose hash may meet the job's target.
#[target_feature(enable = "sha,sse4.1,avx")]
pub(super) fn scan(job: &Job, first: u32, last: u32) -> Option<u32> {
    let midstate = State::new(job.midstate);
    let [w0, w1, w2] = job.tail;

    for base in (first & !3..=last).step_by(STREAMS) {
        let nonces = [base, base + 1, base + 2, base + 3].map(u32::swap_bytes);
        let mut state = State::new(job.state);
        state.feba = add(state.feba, nonces.map(|nonce| words([0, nonce, 0, nonce])));
        let mut w = [
            nonces.map(|nonce| words([w0, w1, w2, nonce])),
            same([END, 0, 0, 0]),
            same([0; 4]),
            same([0, 0, 0, HEADER_BITS]),
        ];
        state.given_rounds(&w[1..], 1);
        state.scheduled_rounds(&mut w, ks16(1));
        state.scheduled_rounds(&mut w, ks16(2));
        state.scheduled_rounds(&mut w, ks16(3));

        let (feba, hgdc) = (add(state.feba, midstate.feba), add(state.hgdc, midstate.hgdc));
        let mut w = [
            from_fn(|at| _mm_shuffle_epi32::<0b00_01_10_11>(_mm_unpackhi_epi64(hgdc[at], feba[at]))),
            from_fn(|at| _mm_shuffle_epi32::<0b00_01_10_11>(_mm_unpacklo_epi64(hgdc[at], feba[at]))),
            same([END, 0, 0, 0]),
            same([0, 0, 0, HASH_BITS]),
        ];
        let mut state = State::new(IV);
        state.given_rounds(&w, 0);
        state.scheduled_rounds(&mut w, ks16(1));
        state.scheduled_rounds(&mut w, ks16(2));
        for at in 0..3 {
            w[at] = next_words(&w, at);
            state.rounds(add(w[at], same(ks(12 + at))));
        }
        // The highest word is that of h at the end, which was e after round 60 and is f after round 61.
        let kw = add(next_words(&w, 3), same(ks(15)));
        let feba: Words = from_fn(|at| _mm_sha256rnds2_epu32(state.hgdc[at], state.feba[at], kw[at]));
        let highest = feba.map(|feba| _mm_cvtsi128_si32(feba).cast_unsigned().wrapping_add(IV[7]).swap_bytes());

        // All are compared before any is judged: a branch for each would have the compiler hash them one after the other.
        let hits = highest.into_iter().rev().fold(0, |hits, word| hits << 1 | u32::from(word <= job.top));
        if let Some(nonce) = lowest_hit(base, hits, first, last) {
            return Some(nonce);
        }
    }
    None
}
