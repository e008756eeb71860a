//! Which blocks a proof must show: how many points of the work, and where.

use alloc::vec::Vec;

use primitive_types::U256;

use super::logarithm::{ONE, log2, scale_down};
use crate::hash::{BlockHash, tagged};
use crate::units::Work;

/// Security of a live proof, in bits: see the module's head.
pub const LIVE_SECURITY_BITS: u32 = 50;

/// Security of an offline receipt, in bits: see the module's head.
pub const RECEIPT_SECURITY_BITS: u32 = 110;

/// More security than anything here has: a limit to the number of points.
const SECURITY_BITS_MAX: u32 = 1_000;

/// Where the randomness comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A client asks now. It must draw the seed only after the prover has named its tip.
    Live {
        /// 32 random bytes of the client's.
        seed: [u8; 32],
        /// The tip that the prover has named.
        tip: BlockHash,
    },
    /// Nobody asks: the tip's id is the seed, which the prover can vary at the cost of one hash a try.
    Receipt,
}

/// How the samples of a proof are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    challenge: Challenge,
    security_bits: u32,
}

impl Sampling {
    /// Samples for a client that asks now, with [`LIVE_SECURITY_BITS`].
    #[must_use]
    pub const fn live(seed: [u8; 32], tip: BlockHash) -> Self {
        Self { challenge: Challenge::Live { seed, tip }, security_bits: LIVE_SECURITY_BITS }
    }

    /// Samples for a proof that anyone can check later, with [`RECEIPT_SECURITY_BITS`].
    #[must_use]
    pub const fn receipt() -> Self {
        Self { challenge: Challenge::Receipt, security_bits: RECEIPT_SECURITY_BITS }
    }

    /// The same with another security, at most 1,000 bits: a prover with at most half of the work passes with a probability of at
    /// most 2^−`security_bits`. Prover and verifier must agree on it.
    #[must_use]
    pub const fn with_security_bits(self, security_bits: u32) -> Self {
        let is_absurd = security_bits > SECURITY_BITS_MAX;
        Self { security_bits: if is_absurd { SECURITY_BITS_MAX } else { security_bits }, ..self }
    }

    /// Where the randomness comes from.
    #[must_use]
    pub const fn challenge(&self) -> Challenge {
        self.challenge
    }

    /// The points of the work at which a block must be shown, ascending. Work is counted from the beginning of the chain; a
    /// block covers the points from the work before it up to, and without, the work after it. All points lie before the tail.
    ///
    /// The distance of a point from the end of the chain is distributed log-uniformly between the tail's work and all work: the
    /// density 1/((1 − x) ln δ) of the FlyClient paper.
    pub(super) fn points(&self, total: Work, tail: Work, tip: BlockHash) -> Vec<Work> {
        let (total, tail) = (total.to_u256(), tail.to_u256());
        if tail.is_zero() || tail >= total {
            return Vec::new();
        }
        let octaves = log2(total).saturating_sub(log2(tail));
        let seed = self.seed(tip);
        let point = |index: u32| {
            let exponent = (u128::from(octaves) * u128::from(uniform(&seed, index))) >> 64;
            let exponent = u64::try_from(exponent).expect("a fraction of 64 bits is less than 64 bits");
            let distance = scale_down(total, exponent).max(tail + U256::one());
            Work::from_u256(total - distance)
        };
        let mut points: Vec<_> = (0..samples(octaves, self.security_bits)).map(point).collect();
        points.sort_unstable();
        points
    }

    fn seed(&self, tip: BlockHash) -> [u8; 32] {
        match &self.challenge {
            Challenge::Live { seed, .. } => tagged("qbtc/flyclient/live", &[seed, tip.as_bytes()]),
            Challenge::Receipt => tagged("qbtc/flyclient/receipt", &[tip.as_bytes()]),
        }
    }
}

/// A number from 0 to 2^64 − 1.
fn uniform(seed: &[u8; 32], index: u32) -> u64 {
    let hash = tagged("qbtc/flyclient/point", &[seed, &index.to_le_bytes()]);
    let [a, b, c, d, e, f, g, h, ..] = hash;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// How many points are drawn, if log2(total work / tail's work) is `octaves` in fixed point.
///
/// A prover of whose work at least half is missing from some point on must leave out a range on which the distance to the end
/// halves at least once: one octave of `octaves`. So each point hits it with a probability of at least 1/octaves, and all miss it
/// with (1 − 1/octaves)^samples ≤ 2^−`security_bits`. Counted as if there were never fewer than two octaves, where the formula
/// ends: with fewer, the tail alone decides.
fn samples(octaves: u64, security_bits: u32) -> u32 {
    let octaves = octaves.max(2 * ONE);
    let bits_per_sample = log2(U256::from(octaves)) - log2(U256::from(octaves - ONE));
    let samples = (u64::from(security_bits) * ONE).div_ceil(bits_per_sample);
    u32::try_from(samples).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    /// From the formula of the paper, λ / log_{1/2}(1 − 1 / log_{1/2} δ), evaluated in Python.
    #[test]
    fn numbers_of_samples_are_those_of_the_paper() {
        let octaves = |blocks: u64| log2(U256::from(blocks)) - log2(U256::from(100));
        for (blocks, live, receipt) in
            [(1_000, 97, 213), (10_000, 213, 468), (100_000, 328, 722), (1_000_000, 443, 975), (10_000_000, 559, 1_228)]
        {
            assert_eq!(samples(octaves(blocks), LIVE_SECURITY_BITS), live, "{blocks} blocks");
            assert_eq!(samples(octaves(blocks), RECEIPT_SECURITY_BITS), receipt, "{blocks} blocks");
        }
        assert_eq!(samples(octaves(101), 50), 50);
        assert!(samples(256 * ONE, RECEIPT_SECURITY_BITS) < 20_000);
    }

    #[test]
    fn points_lie_before_the_tail_and_fill_every_octave_alike() {
        let (total, tail) = (Work::from(1 << 30), Work::from(1 << 20));
        let sampling = Sampling::live([7; 32], BlockHash::ZERO).with_security_bits(1_000);
        let points = sampling.points(total, tail, BlockHash::ZERO);
        assert_eq!(points.len(), 6_579);
        assert!(points.is_sorted());
        let mut by_octave = [0u32; 10];
        for point in points {
            let distance = (total.to_u256() - point.to_u256()).low_u64();
            assert!(distance > 1 << 20);
            by_octave[usize::try_from(30 - distance.next_power_of_two().ilog2()).unwrap()] += 1;
        }
        // 658 expected in each octave, with a standard deviation of 24.
        assert!(by_octave.iter().all(|count| count.abs_diff(658) < 5 * 24), "{by_octave:?}");
    }

    #[test]
    fn seed_tip_and_kind_move_the_points() {
        let (total, tail) = (Work::from(1 << 30), Work::from(1 << 20));
        let tip = BlockHash::from_bytes([1; 32]);
        let draw = |sampling: Sampling, tip| sampling.points(total, tail, tip);
        let points = draw(Sampling::live([0; 32], tip), tip);
        assert_eq!(points, draw(Sampling::live([0; 32], tip), tip));
        assert_ne!(points, draw(Sampling::live([1; 32], tip), tip));
        assert_ne!(points, draw(Sampling::live([0; 32], tip), BlockHash::ZERO));
        assert_ne!(points, draw(Sampling::receipt().with_security_bits(LIVE_SECURITY_BITS), tip));
    }

    #[test]
    fn extremes_do_not_panic() {
        let most = Work::from_be_bytes(&[0xff; 32]);
        let sampling = Sampling::receipt();
        assert_eq!(sampling.points(Work::ZERO, Work::ZERO, BlockHash::ZERO), []);
        assert_eq!(sampling.points(most, most, BlockHash::ZERO), []);
        assert_eq!(sampling.points(Work::from(2), Work::from(1), BlockHash::ZERO)[..], [Work::ZERO; 110]);
        let points = sampling.points(most, Work::from(1), BlockHash::ZERO);
        assert!(points.iter().all(|point| *point < most));
    }
}
