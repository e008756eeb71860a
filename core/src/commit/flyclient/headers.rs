//! The rules of headers, as far as they can be checked where most headers are missing.

use alloc::vec::Vec;

use primitive_types::U256;

use super::verify::SampledProofError;
use crate::hash::BlockHash;
use crate::header::Header;
use crate::pow::{Difficulty, Interval, MEDIAN_TIME_BLOCKS, Parent, PowAlgorithm, Retarget, median_time};
use crate::units::{BlockTime, CompactBits, Height, Target, TargetError, Work};

/// What the verifier knows of a chain before it has seen any of it.
#[derive(Clone, Copy, Debug)]
pub struct HeaderRules {
    /// The genesis block's header: where the chain begins. It needs no work.
    pub genesis: Header,
    /// How a header shows its work.
    pub pow: PowAlgorithm,
    /// Which bits a header must state.
    pub retarget: Retarget,
}

/// Checks headers in ascending order, from the genesis block on.
pub(super) struct HeaderChecks<'a> {
    rules: &'a HeaderRules,
    last: Shown,
    run: Run,
}

/// A header that was shown and checked.
struct Shown {
    height: Height,
    id: BlockHash,
    bits: CompactBits,
    target: Target,
}

impl<'a> HeaderChecks<'a> {
    /// Begins with the genesis block.
    ///
    /// # Errors
    /// If its bits are no target.
    pub(super) fn new(rules: &'a HeaderRules) -> Result<Self, TargetError> {
        let Header { time, bits, .. } = rules.genesis;
        let last = Shown { height: Height::GENESIS, id: rules.genesis.id(), bits, target: Target::from_compact(bits)? };
        Ok(Self { rules, last, run: Run { start: Height::GENESIS, times: alloc::vec![time] } })
    }

    /// The leaf of the genesis block: its id, work and time.
    pub(super) fn genesis(&self) -> (BlockHash, Work, BlockTime) {
        (self.last.id, self.last.target.work(), self.rules.genesis.time)
    }

    /// Checks the next header that is shown. `parent_time` is that of the block before it, shown or not.
    pub(super) fn check(
        &mut self,
        header: &Header,
        height: Height,
        parent_time: BlockTime,
    ) -> Result<(BlockHash, Work), SampledProofError> {
        let Header { time, bits, .. } = *header;
        let id = header.id();
        // Rule: the proof-of-work hash is at most the target.
        let work = self.rules.pow.check_work(header);
        let target = work.map_err(|error| SampledProofError::Work { height, id, error })?;
        let parent_height = height.previous().unwrap_or_default();
        if parent_height != self.last.height {
            self.run = Run { start: parent_height, times: alloc::vec![parent_time] };
        } else if header.parent != self.last.id {
            // Rule: a header names its parent, where the parent is shown.
            return Err(SampledProofError::Parent { height, found: header.parent, expected: self.last.id });
        }
        self.check_bits((bits, target), height, parent_time)?;
        // Rule: the time is above the median of the eleven blocks before, where they are shown.
        if let Some(median) = self.run.median()
            && time <= median
        {
            return Err(SampledProofError::Time { height, found: time, median });
        }
        self.run.times.push(time);
        self.last = Shown { height, id, bits, target };
        Ok((id, target.work()))
    }

    fn check_bits(
        &self,
        (found, target): (CompactBits, Target),
        height: Height,
        parent_time: BlockTime,
    ) -> Result<(), SampledProofError> {
        let retarget = &self.rules.retarget;
        let parent_height = height.previous().unwrap_or_default();
        // Rule: the bits are those that the difficulty rule demands. Where they follow from the parent's height and time, which are
        // part of the history, the check is as exact as with all headers.
        let expected = retarget.bits_from_schedule(parent_height, parent_time).or_else(|| {
            let parent = Parent { height: parent_height, time: parent_time, bits: self.last.bits };
            let is_shown = parent_height == self.last.height;
            // An ancestor that is not shown leaves the bits open.
            is_shown.then(|| retarget.bits_after(parent, |height| self.run.time_at(height)).ok()).flatten()
        });
        match (expected, retarget.difficulty()) {
            (Some(expected), _) if found != expected => Err(SampledProofError::Bits { height, found, expected }),
            (None, Difficulty::Interval(rule)) => self.check_interval((found, target), height, rule),
            _ => Ok(()),
        }
    }

    /// What can be said of Bitcoin's rule without the times at an interval's ends: bits stay the same within an interval, and
    /// the target changes by at most a factor from one to the next.
    fn check_interval(
        &self,
        (found, target): (CompactBits, Target),
        height: Height,
        rule: Interval,
    ) -> Result<(), SampledProofError> {
        let before = &self.last;
        let intervals = height.0 / rule.blocks() - before.height.0 / rule.blocks();
        // Rule: bits change only where an interval begins.
        if intervals == 0 && found != before.bits {
            return Err(SampledProofError::Bits { height, found, expected: before.bits });
        }
        let factor = U256::from(change_max(rule, self.rules.retarget.spacing_s())).checked_pow(U256::from(intervals));
        let times_factor = |target: U256| factor.and_then(|factor| target.checked_mul(factor)).unwrap_or(U256::MAX);
        // Each change rounds the target down by up to 2^-15 of it. After 256 changes by a factor of 2 or more nothing is excluded.
        let least = times_factor(target.to_u256());
        let least = least.saturating_add(least >> 7);
        // Rule: the target changes by at most the clamp from one interval to the next.
        if target.to_u256() > times_factor(before.target.to_u256()) || before.target.to_u256() > least {
            return Err(SampledProofError::Clamp { height, found, before: before.bits, intervals });
        }
        Ok(())
    }
}

/// The greatest factor of one change: the clamp, but where the planned time does not divide by it, what its rounding allows.
pub(super) fn change_max(rule: Interval, spacing_s: u32) -> u64 {
    let planned_s = u64::from(spacing_s) * u64::from(rule.blocks());
    let least_s = (planned_s / u64::from(rule.clamp())).max(1);
    planned_s.div_ceil(least_s)
}

/// The times of the last blocks that are known without a gap.
struct Run {
    /// The height of the first of them.
    start: Height,
    times: Vec<BlockTime>,
}

impl Run {
    fn time_at(&self, height: Height) -> Option<BlockTime> {
        let place = height.0.checked_sub(self.start.0)?;
        self.times.get(usize::try_from(place).ok()?).copied()
    }

    /// The median of the last eleven, or `None` where some of those that decide it are not known.
    fn median(&self) -> Option<BlockTime> {
        let is_known = self.start == Height::GENESIS || self.times.len() >= MEDIAN_TIME_BLOCKS;
        if is_known { median_time(self.times.iter().rev().copied()) } else { None }
    }
}
