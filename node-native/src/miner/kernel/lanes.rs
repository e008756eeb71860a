//! The kernel that hashes one nonce in each lane of a vector, written once for all widths.
//!
//! It is a macro because a function with `#[target_feature]` cannot be generic over the feature. The caller's module brings the
//! type `Vector` and the operations that the compiler has no portable words for: `add`, `xor3`, `choose`, `majority`, `rotate_right`,
//! `shift_right`, `splat`, `nonces` and `hits`. All of it is safe code: a function with a target feature may call the intrinsics
//! of that feature.
//!
//! The rounds are unrolled with literal indices, so that state and message schedule live in registers; but for the last half of
//! the first hash, since unrolled to the end the code for AVX2 exceeds the 32 KiB of many an instruction cache. Nothing else
//! is done by hand: words that are zero, or the same for all nonces, are folded and hoisted out of the loop by the compiler,
//! measured equal to doing so in the source. Two things it cannot know: where the nonce comes in (see `Job`), and that of
//! the second hash only the highest word matters. That word is `e` after round 60 plus a constant, so the last three rounds are
//! left out, and in the four before them everything that leads to `a`.

/// Rounds whose words are in `w` already.
macro_rules! given_rounds {
    ($s:ident, $w:ident: $($index:literal)*) => {$(
        $s = round($s, add(splat(K[$index]), $w[$index]));
    )*};
}

/// Rounds whose words are first computed from the sixteen before, which `w` holds as a ring.
macro_rules! scheduled_rounds {
    ($round:ident, $s:ident, $w:ident, $k:ident: $($index:literal)*) => {$(
        $w[$index % 16] = add(
            add(add($w[$index % 16], sigma0($w[($index + 1) % 16])), $w[($index + 9) % 16]),
            sigma1($w[($index + 14) % 16]),
        );
        $s = $round($s, add(splat($k[$index]), $w[$index % 16]));
    )*};
}

/// Defines `scan` for `lanes` nonces at a time, a power of two of at most 32.
macro_rules! scan_in_lanes {
    ($lanes:literal $(, $features:meta)?) => {
        /// σ0 of FIPS 180-4 §4.1.2.
        $(#[$features])?
        #[inline]
        fn sigma0(x: Vector) -> Vector {
            xor3(rotate_right::<7>(x), rotate_right::<18>(x), shift_right::<3>(x))
        }

        /// σ1 of FIPS 180-4 §4.1.2.
        $(#[$features])?
        #[inline]
        fn sigma1(x: Vector) -> Vector {
            xor3(rotate_right::<17>(x), rotate_right::<19>(x), shift_right::<10>(x))
        }

        /// T1 of FIPS 180-4 §6.2.2; `kw` is the sum of the round's two words.
        $(#[$features])?
        #[inline]
        fn t1([.., e, f, g, h]: [Vector; 8], kw: Vector) -> Vector {
            let sigma = xor3(rotate_right::<6>(e), rotate_right::<11>(e), rotate_right::<25>(e));
            add(add(choose(e, f, g), add(h, kw)), sigma)
        }

        /// One round of FIPS 180-4 §6.2.2.
        $(#[$features])?
        #[inline]
        fn round(s: [Vector; 8], kw: Vector) -> [Vector; 8] {
            let [a, b, c, d, e, f, g, _] = s;
            let t1 = t1(s, kw);
            let sigma = xor3(rotate_right::<2>(a), rotate_right::<13>(a), rotate_right::<22>(a));
            let t2 = add(sigma, majority(a, b, c));
            [add(t1, t2), a, b, c, add(d, t1), e, f, g]
        }

        /// A round after which `a` no longer matters: a stale one takes its place.
        $(#[$features])?
        #[inline]
        fn half_round(s: [Vector; 8], kw: Vector) -> [Vector; 8] {
            let [a, b, c, d, e, f, g, _] = s;
            [a, a, b, c, add(d, t1(s, kw)), e, f, g]
        }

        /// The lowest nonce from `first` to `last` whose hash may meet the job's target.
        $(#[$features])?
        pub(super) fn scan(job: &Job, first: u32, last: u32) -> Option<u32> {
            let midstate = job.midstate.map(|word| splat(word));
            let state = job.state.map(|word| splat(word));
            let tail = job.tail.map(|word| splat(word));
            let top = splat(job.top);

            for base in (first & !($lanes - 1)..=last).step_by($lanes) {
                let nonce = nonces(base);
                let mut s = state;
                s[0] = add(s[0], nonce);
                s[4] = add(s[4], nonce);
                let mut w = [splat(0); 16];
                w[..3].copy_from_slice(&tail);
                w[3] = nonce;
                w[4] = splat(END);
                w[15] = splat(HEADER_BITS);
                given_rounds!(s, w: 4 5 6 7 8 9 10 11 12 13 14 15);
                scheduled_rounds!(round, s, w, K: 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
                for k in K[32..].as_chunks::<16>().0 {
                    scheduled_rounds!(round, s, w, k: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
                }

                let mut w = [splat(0); 16];
                for index in 0..8 {
                    w[index] = add(s[index], midstate[index]);
                }
                w[8] = splat(END);
                w[15] = splat(HASH_BITS);
                let mut s = IV.map(|word| splat(word));
                given_rounds!(s, w: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
                scheduled_rounds!(round, s, w, K: 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
                scheduled_rounds!(round, s, w, K: 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47);
                scheduled_rounds!(round, s, w, K: 48 49 50 51 52 53 54 55 56);
                scheduled_rounds!(half_round, s, w, K: 57 58 59 60);

                let hits = hits(add(s[4], splat(IV[7])), top);
                if let Some(nonce) = lowest_hit(base, hits, first, last) {
                    return Some(nonce);
                }
            }
            None
        }
    };
}
