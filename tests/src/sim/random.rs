//! The one source of chance in a world: the same seed gives the same numbers everywhere, in whole numbers only, since logarithms of
//! floating point differ between machines.

/// `SplitMix64`.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0, if there is none.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }

    /// A number from `least` to `most`.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// A place among `len` things.
    pub(super) fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a usize")
    }

    /// True so many times in a hundred.
    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// The time to the next of events that happen at random, `mean` apart: von Neumann's way, which needs comparisons only. Of falling
    /// runs of random numbers, the first of odd length gives the fraction; each run before it is one whole mean.
    pub(super) fn exponential(&mut self, mean: u64) -> u64 {
        let mut whole = 0_u64;
        loop {
            let first = self.next() >> 32;
            let (mut last, mut length) = (first, 1_u32);
            loop {
                let next = self.next() >> 32;
                if next >= last {
                    break;
                }
                (last, length) = (next, length + 1);
            }
            if length % 2 == 1 {
                let part = (u128::from(mean) * u128::from(first)) >> 32;
                return mean.saturating_mul(whole).saturating_add(u64::try_from(part).unwrap_or(mean));
            }
            whole += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_times_have_their_mean_and_are_exponential() {
        let mut random = Random::new(1);
        let times: Vec<u64> = (0..100_000).map(|_| random.exponential(10_000)).collect();
        let mean = times.iter().sum::<u64>() / 100_000;
        assert!((9_900..=10_100).contains(&mean), "{mean}");
        // Of exponential times a share of 1/e is longer than the mean, and 1/e² longer than twice that.
        let longer = |than: u64| times.iter().filter(|time| **time > than).count();
        assert!((36_000..=37_600).contains(&longer(10_000)), "{}", longer(10_000));
        assert!((13_000..=14_100).contains(&longer(20_000)), "{}", longer(20_000));
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut random = Random::new(2);
        assert!((0..1_000).all(|_| (3..=5).contains(&random.between(3, 5))));
        assert_eq!(random.below(0), 0);
    }
}
