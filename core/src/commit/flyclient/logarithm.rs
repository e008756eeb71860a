//! Binary logarithms and powers in fixed point: integers with 32 bits after the point, the same on every target.
//!
//! Prover and verifier must draw the same samples, and floating-point logarithms differ between platforms in their last bits.

use primitive_types::U256;

/// Bits after the point.
const FRACTION_BITS: u32 = 32;

/// One, in fixed point.
pub(super) const ONE: u64 = 1 << FRACTION_BITS;

/// `ROOTS[i]` is 2^(−1/2^(i+1)) with 64 bits after the point: the powers that the bits of a fraction stand for. Each is the
/// square root of the one before.
const ROOTS: [u64; FRACTION_BITS as usize] = {
    let mut roots = [0; FRACTION_BITS as usize];
    let mut square: u128 = 1 << 63;
    let mut index = 0;
    while index < roots.len() {
        square = (square << 64).isqrt();
        #[expect(clippy::cast_possible_truncation, reason = "the square root of less than 2^128 is less than 2^64")]
        {
            roots[index] = square as u64;
        }
        index += 1;
    }
    roots
};

/// log2(value), rounded down but for the last bit. `value` is at least 1.
pub(super) fn log2(value: U256) -> u64 {
    let exponent = value.bits().saturating_sub(1);
    // 1 ≤ mantissa < 2, with 63 bits after the point.
    let mut mantissa = u128::from(if exponent > 63 {
        (value >> (exponent - 63)).low_u64()
    } else {
        value.low_u64() << (63 - exponent)
    });
    let mut log = exponent as u64;
    for _ in 0..FRACTION_BITS {
        // Squaring doubles the logarithm; its next bit is set where the square reaches 2.
        mantissa = (mantissa * mantissa) >> 63;
        let bit = mantissa >> 64;
        mantissa >>= bit;
        log = log << 1 | u64::from(bit != 0);
    }
    log
}

/// value · 2^(−exponent), rounded down.
pub(super) fn scale_down(value: U256, exponent: u64) -> U256 {
    let whole = exponent >> FRACTION_BITS;
    // 1/2 < power ≤ 1, with 63 bits after the point.
    let mut power: u128 = 1 << 63;
    for (index, root) in (1..).zip(ROOTS) {
        if exponent >> (FRACTION_BITS - index) & 1 == 1 {
            power = (power * u128::from(root)) >> 64;
        }
    }
    let shift = usize::try_from(whole.saturating_add(63)).unwrap_or(usize::MAX);
    U256::try_from(value.full_mul(U256::from(power)) >> shift.min(512)).expect("a factor of at most 1 keeps 256 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn float(fixed: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a test within 2^-30")]
        {
            fixed as f64 / ONE as f64
        }
    }

    #[test]
    fn powers_of_two_are_exact() {
        for exponent in 0..256_u64 {
            assert_eq!(log2(U256::one() << exponent), exponent * ONE);
        }
        for whole in 0..300u64 {
            let expected = if whole < 256 { U256::MAX >> usize::try_from(whole).unwrap() } else { U256::zero() };
            assert_eq!(scale_down(U256::MAX, whole * ONE), expected);
        }
        assert_eq!(scale_down(U256::MAX, u64::MAX), U256::zero());
    }

    /// log2(3), log2(11), log2(12345) to 15 digits, from tables; against them and not against the platform's own logarithm.
    #[test]
    fn logarithms_match_tables() {
        for (value, expected) in
            [(3u64, 1.584_962_500_721_156), (11, 3.459_431_618_637_297), (12_345, 13.591_639_216_030_144)]
        {
            let shifted = U256::from(value) << 200;
            assert!((float(log2(U256::from(value))) - expected).abs() < 1e-8, "{value}");
            assert!((float(log2(shifted)) - 200.0 - expected).abs() < 1e-8, "{value} · 2^200");
        }
    }

    /// The inverse of the logarithm, over the whole range of fractions.
    #[test]
    fn scaling_inverts_the_logarithm() {
        let top = U256::one() << 255;
        for step in 0..1_000u64 {
            let exponent = step * (ONE / 1_000) + step * ONE / 10;
            let back = log2(top) - log2(scale_down(top, exponent));
            assert!(back.abs_diff(exponent) <= 4, "{exponent}: {back}");
        }
        // 2^(−1/2) · 10^9.
        assert_eq!(scale_down(U256::from(1_000_000_000u64), ONE / 2), U256::from(707_106_781u64));
    }
}
