//! The fee rate below which a full pool takes nothing.

use crate::units::{BlockTime, FeeRate};

/// The floor that rises when transactions are pushed out of a full pool, and halves every so often afterwards.
///
/// Without it a peer could push the same bytes through every node for ever: each time the pool is full, what was just relayed falls
/// out again, unpaid. With it, what comes next has to beat what fell out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Floor {
    rate: FeeRate,
    raised_at: BlockTime,
}

impl Floor {
    /// The floor at a time. Falls by half in each half-life, in a straight line within one; below `negligible` it is none. A clock
    /// that goes backwards lets nothing fall.
    pub(super) fn at(&self, now: BlockTime, half_life_s: u32, negligible: FeeRate) -> FeeRate {
        let elapsed_s = u64::try_from(now.seconds_since(self.raised_at)).unwrap_or(0);
        let half_life_s = u64::from(half_life_s.max(1));
        let (halvings, rest_s) = (elapsed_s / half_life_s, elapsed_s % half_life_s);
        let at_halving =
            u32::try_from(halvings).ok().and_then(|halvings| self.rate.quanta_per_1000_bytes().checked_shr(halvings));
        let whole = u128::from(2 * half_life_s);
        let part = u128::from(at_halving.unwrap_or(0)) * (whole - u128::from(rest_s)) / whole;
        let rate = FeeRate::from_quanta_per_1000_bytes(u64::try_from(part).unwrap_or(u64::MAX));
        if rate < negligible { FeeRate::ZERO } else { rate }
    }

    /// Raises the floor to a rate, unless it is higher.
    pub(super) fn raise(&mut self, rate: FeeRate, now: BlockTime, half_life_s: u32) {
        if rate >= self.at(now, half_life_s, FeeRate::ZERO) {
            *self = Self { rate, raised_at: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn rate(quanta: u64) -> FeeRate {
        FeeRate::from_quanta_per_1000_bytes(quanta)
    }

    #[test]
    fn falls_by_half_in_each_half_life() {
        let mut floor = Floor::default();
        let at = |floor: &Floor, time| floor.at(BlockTime(time), 100, rate(500));
        assert_eq!(at(&floor, 0), FeeRate::ZERO);
        floor.raise(rate(8_000), BlockTime(1_000), 100);
        for (time, expected) in [
            (900, 8_000),
            (1_000, 8_000),
            (1_050, 6_000),
            (1_100, 4_000),
            (1_200, 2_000),
            (1_400, 500),
            (1_401, 0),
            (u32::MAX, 0),
        ] {
            assert_eq!(at(&floor, time), rate(expected), "{time}");
        }
    }

    #[test]
    fn rises_only() {
        let mut floor = Floor::default();
        floor.raise(rate(8_000), BlockTime(0), 100);
        floor.raise(rate(3_999), BlockTime(100), 100);
        assert_eq!(floor.at(BlockTime(100), 100, FeeRate::ZERO), rate(4_000));
        floor.raise(rate(4_001), BlockTime(100), 100);
        assert_eq!(floor.at(BlockTime(100), 100, FeeRate::ZERO), rate(4_001));
    }

    #[test]
    fn extreme_numbers_do_no_harm() {
        let mut floor = Floor::default();
        floor.raise(rate(u64::MAX), BlockTime(5), 0);
        assert_eq!(floor.at(BlockTime(5), 0, FeeRate::ZERO), rate(u64::MAX));
        assert_eq!(floor.at(BlockTime(5), u32::MAX, FeeRate::ZERO), rate(u64::MAX));
        assert_eq!(floor.at(BlockTime(5 + 64), 1, FeeRate::ZERO), FeeRate::ZERO);
    }
}
