//! How much work one block can claim beside those before it.
//!
//! A sample's bits follow from its parent's time, and its parent may be invented. A forger could state a parent so far ahead of its
//! schedule that the next block must be, and so may be, worth as much as the last thousand; then one lucky hash replaces the
//! work of all of them, and there is nothing else to sample. What stops it is that difficulty takes many blocks to rise. So a
//! block that is shown is held against the work that the history claims for those before it: if that is invented, sampling finds it.
//!
//! Invariant: each bound follows from the rules of headers alone, so that no valid chain exceeds it, however its miners chose their
//! times.

use alloc::vec::Vec;

use primitive_types::U256;

use super::headers::change_max;
use super::verify::SampledProofError;
use crate::pow::{Difficulty, MEDIAN_TIME_BLOCKS, Retarget};
use crate::units::{Height, Work};

/// A place in the chain: how many blocks lie before it, and their work.
#[derive(Clone, Copy)]
struct Mark {
    blocks: u32,
    work: Work,
}

/// Holds blocks against those before them.
pub(super) struct Growth {
    retarget: Retarget,
    /// Ascending; the first is behind the genesis block, whose work is no miner's.
    marks: Vec<Mark>,
}

impl Growth {
    /// Begins behind the genesis block.
    pub(super) fn new(retarget: Retarget, genesis: Work) -> Self {
        Self { retarget, marks: alloc::vec![Mark { blocks: 1, work: genesis }] }
    }

    /// Marks a place, so that later blocks are held against all that lies between.
    pub(super) fn mark(&mut self, blocks: u32, work: Work) {
        self.marks.push(Mark { blocks, work });
    }

    /// Checks a block at a height, its own work, and that of all blocks before it.
    pub(super) fn check(&self, height: Height, work: Work, before: Work) -> Result<(), SampledProofError> {
        for mark in self.windows() {
            let blocks = height.0.saturating_sub(mark.blocks);
            let window_work = before.checked_sub(mark.work).unwrap_or_default();
            let (multiple, factor) = self.bound(blocks);
            // Integer division cuts less than 1 off the work of each block, and compact bits round targets by up to 2^-15.
            let window = window_work.to_u256();
            let most = window.saturating_add(window >> 8).saturating_add(U256::from(blocks));
            // Rule: a block has no more work than its difficulty can have risen to over the blocks before it.
            if work.to_u256().full_mul(multiple.into()) > most.full_mul(factor.into()) {
                return Err(SampledProofError::Growth { height, work, blocks, window_work });
            }
        }
        Ok(())
    }

    /// The last mark, then each twice as far back as the one before, and the first.
    fn windows(&self) -> impl Iterator<Item = &Mark> {
        let doubling = core::iter::successors(Some(1_usize), |back| back.checked_mul(2));
        let marks = doubling.map_while(|back| self.marks.get(self.marks.len().checked_sub(back)?));
        marks.chain(self.marks.first())
    }

    /// `(multiple, factor)`: multiple × the work of a block is at most factor × the work of the `blocks` blocks before it, but
    /// for rounding.
    fn bound(&self, blocks: u32) -> (u32, u64) {
        let spacing_s = self.retarget.spacing_s();
        match self.retarget.difficulty() {
            // The target is an exponential of parent's time less schedule. A block's time is above the median of the eleven before
            // it, and these medians never fall, so of any eleven blocks before a parent at least six state a time that is not
            // later than the parent's. A child of one of these, at most one half-life further back on the schedule, has at
            // least half of the block's work.
            Difficulty::Asert(rule) => {
                let elevens = blocks.min(rule.half_life_s() / spacing_s) / MEDIAN_BLOCKS;
                (elevens.saturating_mul(MEDIAN_BLOCKS / 2 + 1), 2)
            }
            // As many blocks as an interval has reach back into the interval before, where the work is at least one change less.
            Difficulty::Interval(rule) => (blocks.min(rule.blocks()), change_max(rule, spacing_s)),
            // The bits say it all.
            Difficulty::Fixed => (0, 1),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "eleven")]
const MEDIAN_BLOCKS: u32 = MEDIAN_TIME_BLOCKS as u32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256d;
    use crate::pow::{Asert, Interval, Parent, median_time};
    use crate::testing::test;
    use crate::units::{BlockTime, CompactBits, Target};

    const START: BlockTime = BlockTime(1 << 30);
    const SPACING_S: u32 = 60;

    fn retarget(difficulty: Difficulty, limit: u32, genesis: u32) -> Retarget {
        Retarget::new(difficulty, SPACING_S, CompactBits(limit), START, CompactBits(genesis)).unwrap()
    }

    fn work(bits: CompactBits) -> Work {
        Target::from_compact(bits).unwrap().work()
    }

    /// Grows a chain that obeys the rules, its times chosen by `time` from a height and the least allowed, and checks each block
    /// against the blocks before it, with a mark at every 7th. Ends early where no more work fits 256 bits.
    fn grow(retarget: Retarget, genesis: u32, blocks: u32, time: fn(u32, u32) -> u32) {
        let (mut times, mut bits) = (alloc::vec![START], CompactBits(genesis));
        let mut sum = work(bits);
        let mut growth = Growth::new(retarget, sum);
        for height in 1..blocks {
            let parent = Parent { height: Height(height - 1), time: *times.last().unwrap(), bits };
            let time_at = |height: Height| times.get(usize::try_from(height.0).unwrap()).copied();
            bits = retarget.bits_after(parent, time_at).unwrap();
            growth.check(Height(height), work(bits), sum).unwrap();
            let median = median_time(times.iter().rev().copied()).unwrap();
            times.push(BlockTime(time(height, median.0 + 1).max(median.0 + 1)));
            let Some(with_block) = sum.checked_add(work(bits)) else { return };
            sum = with_block;
            if height % 7 == 0 {
                growth.mark(height + 1, sum);
            }
        }
    }

    /// Miners of all the work who state the times that raise difficulty the most, or make it jump the most.
    #[test]
    fn no_valid_chain_exceeds_the_bounds() {
        let patterns: [fn(u32, u32) -> u32; 5] = [
            |_, least| least,
            |height, least| if height % 11 < 5 { START.0 * 2 } else { least },
            |height, least| if height % 2 == 0 { least + 6_000 } else { least },
            |height, least| if height % 400 < 200 { least } else { START.0 + 80 * height },
            |height, least| {
                let hash = sha256d(&height.to_le_bytes());
                if hash[0] < 110 { least + 40 * u32::from(hash[1]) } else { least }
            },
        ];
        let rules = [
            Difficulty::Asert(Asert::new(6_000).unwrap()),
            Difficulty::Asert(Asert::new(660).unwrap()),
            Difficulty::Asert(Asert::new(60).unwrap()),
            Difficulty::Interval(Interval::new(20, 4).unwrap()),
            Difficulty::Interval(Interval::new(7, 9).unwrap()),
            Difficulty::Fixed,
        ];
        for rule in rules {
            for genesis in [0x207f_ffff, 0x1e00_ffff] {
                for pattern in patterns {
                    grow(retarget(rule, 0x207f_ffff, genesis), genesis, 600, pattern);
                }
            }
        }
    }

    #[test]
    fn work_rises_by_its_bound_and_no_further() {
        let refused = |difficulty, blocks: u32, work: u64| {
            let growth = Growth::new(retarget(difficulty, 0x1e00_ffff, 0x1e00_ffff), Work::ZERO);
            // A hundred hashes a block.
            let window_work = Work::from(100 * u64::from(blocks));
            let (height, work) = (Height(blocks + 1), Work::from(work));
            let error = SampledProofError::Growth { height, work, blocks, window_work };
            let result = growth.check(height, work, window_work);
            assert!(result.is_ok() || result == Err(error));
            result.is_err()
        };
        // A half-life of a hundred blocks, which are nine elevens: 54 blocks of half the work.
        let asert = Difficulty::Asert(Asert::new(6_000).unwrap());
        // 2 × (10,000 + 39 + 100) / 54.
        assert!(!refused(asert, 100, 375));
        assert!(refused(asert, 100, 376));
        // 2 × (100,000 + 390 + 1,000) / 54: no more blocks count than a half-life has, but all of their work does.
        assert!(!refused(asert, 1_000, 3_755));
        assert!(refused(asert, 1_000, 3_756));
        assert!(!refused(asert, 10, u64::MAX));
        // 4 × (2,000 + 7 + 20) / 20.
        let interval = Difficulty::Interval(Interval::new(20, 4).unwrap());
        assert!(!refused(interval, 20, 405));
        assert!(refused(interval, 20, 406));
        assert!(!refused(Difficulty::Fixed, 1_000, u64::MAX));
    }

    #[test]
    fn extremes_do_not_panic() {
        let most = Work::from_be_bytes(&[0xff; 32]);
        let growth =
            Growth::new(retarget(Difficulty::Asert(Asert::new(u32::MAX).unwrap()), 0x207f_ffff, 0x207f_ffff), most);
        assert!(growth.check(Height(u32::MAX), most, Work::ZERO).is_err());
        assert!(growth.check(Height(0), most, most).is_ok());
        let growth = Growth::new(growth.retarget, Work::ZERO);
        assert!(growth.check(Height(u32::MAX), most, most).is_err());
        assert!(growth.check(Height(u32::MAX), Work::from(1), most).is_ok());
    }
}
