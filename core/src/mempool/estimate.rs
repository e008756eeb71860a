//! What a transaction should pay to be mined soon.
//!
//! Two answers, of which the higher counts. *The pool*: if no more came, what would push a transaction into the next n blocks? Blocks
//! are filled as a template fills them, and the rate that the n-th stops at has to be beaten. *The recent blocks*: what would have
//! got a transaction mined within n blocks, 17 times out of 20? It looks at what the pool alone cannot tell, how much else keeps coming.
//! Neither answer is below the least that the pool takes.
//!
//! An estimate is a function of the pool and of the blocks that it followed, in whole numbers. Nothing but what was in the pool counts for a
//! block's rate, so that a miner cannot move it by paying himself with transactions that he never sent.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::pool::Mempool;
use super::select::{Fees, select};
use super::template::TEMPLATE_BYTES_KEPT;
use crate::spec::ChainSpec;
use crate::units::{BlockTime, FeeRate};
use crate::verify::CheckedBlock;

/// The longest wait, in blocks, that an estimate is made for.
pub const ESTIMATE_BLOCKS_MAX: u32 = 100;
/// How many blocks are remembered: the longest wait from several starts.
const BLOCKS_KEPT: usize = 144;
const _: () = assert!(BLOCKS_KEPT > ESTIMATE_BLOCKS_MAX as usize);
/// A block is full from this share of its limit on, in percent: what is left may be too small for the next package.
const FULL_PERCENT: u64 = 90;
/// The share of a full block's bytes that must have been in the pool, in percent: what was never seen here, as while a node catches up,
/// says nothing about what had to be paid.
const KNOWN_PERCENT: u64 = 50;
/// The share of a full block's bytes, from the cheapest, that does not count, in percent: what a miner may have taken as a favour.
const CHEAPEST_PERCENT: u64 = 5;
/// In how many of all starts a transaction should have been mined in time, in percent.
const SUCCESS_PERCENT: usize = 85;

/// What to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeEstimate {
    /// The rate to pay.
    pub rate: FeeRate,
    /// Where it comes from.
    pub basis: EstimateBasis,
}

/// Where an estimate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EstimateBasis {
    /// Blocks have room for all: the least that is relayed.
    Floor,
    /// What waits in the pool.
    Pool,
    /// What the recent blocks took.
    RecentBlocks,
}

/// Why there is no estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EstimateError {
    /// No such wait.
    #[error("estimate for {found} blocks: expected 1 to {ESTIMATE_BLOCKS_MAX}")]
    Blocks {
        /// Blocks asked for.
        found: u32,
    },
}

/// What the recent blocks took.
#[derive(Clone, Debug, Default)]
pub(super) struct Estimator {
    /// What a transaction had to pay to get into each block; zero where there was room, `None` where nobody here can tell. The
    /// latest last.
    entry_rates: VecDeque<Option<FeeRate>>,
}

impl Mempool {
    /// What a transaction should pay to be mined within so many blocks.
    ///
    /// # Errors
    /// [`EstimateError`] for no wait at all, or one longer than [`ESTIMATE_BLOCKS_MAX`].
    pub fn estimate_fee(&self, blocks: u32, now: BlockTime, spec: &ChainSpec) -> Result<FeeEstimate, EstimateError> {
        if !(1..=ESTIMATE_BLOCKS_MAX).contains(&blocks) {
            return Err(EstimateError::Blocks { found: blocks });
        }
        let waiting = self.waiting_rates(blocks..=blocks, spec);
        Ok(self.highest(blocks, waiting.first(), now))
    }

    /// The same for each wait from 1 to [`ESTIMATE_BLOCKS_MAX`] blocks, in one walk over the pool.
    #[must_use]
    pub fn estimate_fees(&self, now: BlockTime, spec: &ChainSpec) -> Vec<FeeEstimate> {
        let waiting = self.waiting_rates(1..=ESTIMATE_BLOCKS_MAX, spec);
        (1..=ESTIMATE_BLOCKS_MAX)
            .zip(0..)
            .map(|(blocks, place)| self.highest(blocks, waiting.get(place), now))
            .collect()
    }

    /// The highest answer, and of several the first, so that the basis is the plainest there is.
    fn highest(&self, blocks: u32, waiting: Option<&FeeRate>, now: BlockTime) -> FeeEstimate {
        let answers = [
            FeeEstimate { rate: self.fee_rate_min(now), basis: EstimateBasis::Floor },
            FeeEstimate { rate: waiting.copied().unwrap_or(FeeRate::ZERO), basis: EstimateBasis::Pool },
            FeeEstimate { rate: self.estimator.rate(blocks), basis: EstimateBasis::RecentBlocks },
        ];
        let higher = |best: FeeEstimate, next: FeeEstimate| if next.rate > best.rate { next } else { best };
        answers.into_iter().reduce(higher).expect("there are three")
    }

    /// For each of these waits, what beats the last package that still fits into so many blocks; none for those where all that waits fits.
    fn waiting_rates(&self, waits: RangeInclusive<u32>, spec: &ChainSpec) -> Vec<FeeRate> {
        let block_bytes = u64::from(spec.consensus().limits.block_bytes).saturating_sub(TEMPLATE_BYTES_KEPT);
        let mut spaces = waits.map(|blocks| block_bytes.saturating_mul(blocks.into()));
        let mut rates = Vec::new();
        let Some(mut space_bytes) = spaces.next().filter(|space_bytes| self.size_bytes() > *space_bytes) else {
            return rates;
        };
        let (all, mut size_bytes) = (self.entries().map(super::MempoolEntry::sequence).collect(), 0);
        for selected in select(&self.graph, all, Fees::Paid, u64::MAX) {
            size_bytes += u64::from(self.graph.entry(selected.sequence).size_bytes());
            while size_bytes > space_bytes {
                let beaten = selected.package_rate.quanta_per_1000_bytes().saturating_add(1);
                rates.push(FeeRate::from_quanta_per_1000_bytes(beaten));
                let Some(next) = spaces.next() else { return rates };
                space_bytes = next;
            }
        }
        rates
    }

    /// Remembers what a block took, before the pool gives it up.
    pub(super) fn record_block(&mut self, block: &CheckedBlock, spec: &ChainSpec) {
        let rate = self.entry_rate(block, spec);
        self.estimator.record(rate);
    }

    /// What a transaction had to pay to get into a block; `None` if too little of a full block was in the pool.
    fn entry_rate(&self, block: &CheckedBlock, spec: &ChainSpec) -> Option<FeeRate> {
        let full_bytes = u64::from(spec.consensus().limits.block_bytes) * FULL_PERCENT / 100;
        if u64::from(block.size_bytes()) < full_bytes {
            return Some(FeeRate::ZERO);
        }
        let mut mined: Vec<_> = block.transactions().iter().filter_map(|tx| self.graph.by_txid(&tx.txid())).collect();
        mined.sort_unstable();
        let mut rates: Vec<_> = select(&self.graph, mined, Fees::Paid, u64::MAX)
            .into_iter()
            .map(|selected| (selected.package_rate, u64::from(self.graph.entry(selected.sequence).size_bytes())))
            .collect();
        rates.sort_unstable();
        let known_bytes = rates.iter().map(|(_, size_bytes)| size_bytes).sum::<u64>();
        if known_bytes < u64::from(block.size_bytes()) * KNOWN_PERCENT / 100 {
            return None;
        }
        let mut ignored_bytes = known_bytes * CHEAPEST_PERCENT / 100;
        let counts = |(_, size_bytes): &(FeeRate, u64)| match ignored_bytes.checked_sub(*size_bytes) {
            Some(left) => {
                ignored_bytes = left;
                false
            }
            None => true,
        };
        rates.into_iter().find(counts).map(|(rate, _)| rate)
    }
}

impl Estimator {
    fn record(&mut self, entry_rate: Option<FeeRate>) {
        if self.entry_rates.len() == BLOCKS_KEPT {
            self.entry_rates.pop_front();
        }
        self.entry_rates.push_back(entry_rate);
    }

    pub(super) fn forget(&mut self, blocks: usize) {
        self.entry_rates.truncate(self.entry_rates.len().saturating_sub(blocks));
    }

    /// What would have been enough, from most starts, to be mined within so many blocks. Zero while there are too few to tell.
    fn rate(&self, blocks: u32) -> FeeRate {
        let Ok(blocks) = usize::try_from(blocks) else { return FeeRate::ZERO };
        let rates: Vec<_> = self.entry_rates.iter().copied().collect();
        // From each start the cheapest block of those in time is enough, as far as anything is known of them.
        let mut enough: Vec<_> =
            rates.windows(blocks).filter_map(|in_time| in_time.iter().flatten().min().copied()).collect();
        enough.sort_unstable();
        let place = (enough.len() * SUCCESS_PERCENT).div_ceil(100);
        place.checked_sub(1).map_or(FeeRate::ZERO, |last| enough[last])
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
    fn the_cheapest_block_in_time_is_enough_from_most_starts() {
        let mut estimator = Estimator::default();
        assert_eq!(estimator.rate(1), FeeRate::ZERO);
        (1..=20).for_each(|block| estimator.record(Some(rate(block))));
        // Of 20 starts, 17 are 85 percent.
        assert_eq!(estimator.rate(1), rate(17));
        // 19 starts; from the 17th of them the cheaper of two blocks is the 17th.
        assert_eq!(estimator.rate(2), rate(17));
        assert_eq!(estimator.rate(20), rate(1));
        assert_eq!(estimator.rate(21), FeeRate::ZERO);
        estimator.record(Some(FeeRate::ZERO));
        assert_eq!(estimator.rate(21), FeeRate::ZERO);
    }

    #[test]
    fn what_is_not_known_does_not_count() {
        let mut estimator = Estimator::default();
        estimator.record(Some(rate(7)));
        (0..50).for_each(|_| estimator.record(None));
        assert_eq!(estimator.rate(1), rate(7));
        assert_eq!(estimator.rate(2), rate(7));
        estimator.record(Some(rate(3)));
        // Of 51 starts two tell something.
        assert_eq!(estimator.rate(2), rate(7));
    }

    #[test]
    fn memory_is_bounded_and_a_reorg_forgets() {
        let mut estimator = Estimator::default();
        (0..1_000).for_each(|block| estimator.record(Some(rate(block))));
        assert_eq!(estimator.entry_rates.len(), BLOCKS_KEPT);
        assert_eq!(estimator.entry_rates.back(), Some(&Some(rate(999))));
        estimator.forget(3);
        assert_eq!(estimator.entry_rates.back(), Some(&Some(rate(996))));
        estimator.forget(1_000);
        assert!(estimator.entry_rates.is_empty());
    }
}
