//! Which bits the next block must state.

use super::asert::Asert;
use super::{Difficulty, Interval};
use crate::units::{BlockTime, CompactBits, Height, Target, TargetError};

/// A difficulty rule with the numbers of one chain.
///
/// The schedule starts at the genesis block: a block of height h is on schedule at genesis time + h × spacing. (aserti3-2d counts
/// from the time of the anchor's parent; the genesis block is the anchor, and its missing parent is taken to be one spacing older.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retarget {
    difficulty: Difficulty,
    spacing_s: u32,
    limit: Target,
    genesis_target: Target,
    genesis_time: BlockTime,
}

/// Why numbers of a chain do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetargetError {
    /// No time between blocks.
    #[error("spacing of 0 seconds: expected at least 1")]
    Spacing,
    /// The genesis block's bits are no target.
    #[error("genesis bits: {0}")]
    GenesisBits(TargetError),
    /// The limit's bits are no target.
    #[error("easiest bits: {0}")]
    LimitBits(TargetError),
    /// The genesis block's target is easier than the easiest.
    #[error("genesis bits {found} are easier than the limit {limit}")]
    GenesisTarget {
        /// The bits found.
        found: CompactBits,
        /// The easiest bits.
        limit: CompactBits,
    },
    /// An interval planned so short that, divided by its clamp, nothing of it is left.
    #[error("clamp of {clamp} exceeds the planned time of an interval, {planned_s} seconds")]
    Clamp {
        /// The greatest factor of one change.
        clamp: u32,
        /// The planned time, in seconds.
        planned_s: u64,
    },
}

/// What the rules ask of the block before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its height.
    pub height: Height,
    /// Its time.
    pub time: BlockTime,
    /// Its bits.
    pub bits: CompactBits,
}

/// Why the next bits cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BitsError {
    /// The parent's bits are no target: it was never checked.
    #[error("parent's bits: {0}")]
    Parent(#[from] TargetError),
    /// The rule asks for an ancestor that is not known.
    #[error("time of the ancestor at height {height} is not known")]
    UnknownAncestor {
        /// Its height.
        height: Height,
    },
}

impl Retarget {
    /// The rule for a chain with a block every `spacing_s` seconds, from the genesis block's time and bits on, never easier than
    /// `limit`.
    ///
    /// # Errors
    /// [`RetargetError`], if the numbers do not fit together.
    pub fn new(
        difficulty: Difficulty,
        spacing_s: u32,
        limit: CompactBits,
        genesis_time: BlockTime,
        genesis_bits: CompactBits,
    ) -> Result<Self, RetargetError> {
        if spacing_s == 0 {
            return Err(RetargetError::Spacing);
        }
        let genesis_target = Target::from_compact(genesis_bits).map_err(RetargetError::GenesisBits)?;
        let limit_target = Target::from_compact(limit).map_err(RetargetError::LimitBits)?;
        if genesis_target > limit_target {
            return Err(RetargetError::GenesisTarget { found: genesis_bits, limit });
        }
        if let Difficulty::Interval(rule) = difficulty {
            let planned_s = u64::from(spacing_s) * u64::from(rule.blocks());
            if u64::from(rule.clamp()) > planned_s {
                return Err(RetargetError::Clamp { clamp: rule.clamp(), planned_s });
            }
        }
        Ok(Self { difficulty, spacing_s, limit: limit_target, genesis_target, genesis_time })
    }

    /// The bits of the child of this parent. `time_at` tells the time of the parent's ancestor at a height; only
    /// [`Difficulty::Interval`] asks, once, at the end of an interval.
    ///
    /// # Errors
    /// [`BitsError`], if the parent was never checked or the ancestor is unknown.
    pub fn bits_after(
        &self,
        parent: Parent,
        time_at: impl FnOnce(Height) -> Option<BlockTime>,
    ) -> Result<CompactBits, BitsError> {
        match self.difficulty {
            Difficulty::Asert(rule) => Ok(self.asert(rule, parent.height, parent.time)),
            Difficulty::Interval(rule) => self.interval(rule, parent, time_at),
            Difficulty::Fixed => Ok(self.genesis_target.to_compact()),
        }
    }

    /// The bits of the child of a block of which only height and time are known, as a light client may know it; `None` where the
    /// rule needs more.
    #[must_use]
    pub fn bits_from_schedule(&self, parent_height: Height, parent_time: BlockTime) -> Option<CompactBits> {
        match self.difficulty {
            Difficulty::Asert(rule) => Some(self.asert(rule, parent_height, parent_time)),
            Difficulty::Interval(_) => None,
            Difficulty::Fixed => Some(self.genesis_target.to_compact()),
        }
    }

    /// The rule.
    #[must_use]
    pub const fn difficulty(&self) -> Difficulty {
        self.difficulty
    }

    /// The time between blocks that the rule aims at, in seconds.
    #[must_use]
    pub const fn spacing_s(&self) -> u32 {
        self.spacing_s
    }

    /// The easiest target.
    #[must_use]
    pub const fn limit(&self) -> Target {
        self.limit
    }

    fn asert(&self, rule: Asert, height: Height, time: BlockTime) -> CompactBits {
        // Rule: the target is the genesis block's, doubled for each half-life that the parent is behind its schedule.
        // A product of two u32, and times of 32 bits: less than 2^64 together, but signed, so the sum could pass 2^63.
        let planned_s = u64::from(height.0) * u64::from(self.spacing_s);
        let behind_s = i128::from(time.seconds_since(self.genesis_time)) - i128::from(planned_s);
        rule.target(self.genesis_target, behind_s, self.limit).to_compact()
    }

    fn interval(
        &self,
        rule: Interval,
        parent: Parent,
        time_at: impl FnOnce(Height) -> Option<BlockTime>,
    ) -> Result<CompactBits, BitsError> {
        // Rule: within an interval, the bits are those of the parent.
        let Some(first) = rule.first(parent.height) else { return Ok(parent.bits) };
        // Rule: at its end, the target is multiplied by the time it took over the time planned, within the clamp.
        let first_time = time_at(first).ok_or(BitsError::UnknownAncestor { height: first })?;
        let last_target = Target::from_compact(parent.bits)?;
        let took_s = parent.time.seconds_since(first_time);
        Ok(rule.target(last_target, took_s, self.spacing_s, self.limit).to_compact())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn never(_: Height) -> Option<BlockTime> {
        panic!("this rule asks for no ancestor")
    }

    fn bits(hex_digits: &str) -> CompactBits {
        CompactBits(u32::from_str_radix(hex_digits, 16).unwrap())
    }

    /// Vectors of a second implementation with unbounded integers, which agrees with the specification's twelve published runs
    /// (`tests/vectors/aserti3_2d.py`).
    #[test]
    fn asert_vectors() {
        let rows = include_str!("../../../tests/vectors/aserti3_2d.txt").lines().filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for row in rows {
            let mut fields = row.split(' ');
            let mut next = || fields.next().unwrap();
            let mut number = || next().parse::<u32>().unwrap();
            let rule = Difficulty::Asert(Asert::new(number()).unwrap());
            let spacing_s = number();
            let (limit, first_bits) = (bits(next()), bits(next()));
            let mut number = || next().parse::<u32>().unwrap();
            let (first_time, height, time) = (BlockTime(number()), Height(number()), BlockTime(number()));
            let expected = bits(next());
            let retarget = Retarget::new(rule, spacing_s, limit, first_time, first_bits).unwrap();
            let parent = Parent { height, time, bits: first_bits };
            assert_eq!(retarget.bits_after(parent, never), Ok(expected), "{row}");
            assert_eq!(retarget.bits_from_schedule(height, time), Some(expected));
            count += 1;
        }
        assert!(count > 100, "{count} rows");
    }

    fn bitcoin() -> Retarget {
        let rule = Difficulty::Interval(Interval::new(2016, 4).unwrap());
        let limit = CompactBits(0x1d00_ffff);
        Retarget::new(rule, 600, limit, BlockTime(1_231_006_505), limit).unwrap()
    }

    /// Bitcoin's own changes of difficulty, and the artificial one, from `pow_tests.cpp` of Bitcoin Core: first time, last height,
    /// time and bits, next bits.
    #[test]
    fn interval_vectors_of_bitcoin() {
        for (first_time, height, time, bits, expected) in [
            (1_261_130_161, 32_255, 1_262_152_739, 0x1d00_ffff, 0x1d00_d86a),
            (1_231_006_505, 2_015, 1_233_061_996, 0x1d00_ffff, 0x1d00_ffff),
            (1_279_008_237, 68_543, 1_279_297_671, 0x1c05_a3f4, 0x1c01_68fd),
            (1_263_163_443, 46_367, 1_269_211_443, 0x1c38_7f6f, 0x1d00_e1fd),
        ] {
            let parent = Parent { height: Height(height), time: BlockTime(time), bits: CompactBits(bits) };
            let time_at = |asked: Height| (asked == Height(height - 2_015)).then_some(BlockTime(first_time));
            assert_eq!(bitcoin().bits_after(parent, time_at), Ok(CompactBits(expected)));
            assert_eq!(bitcoin().bits_from_schedule(parent.height, parent.time), None);
        }
    }

    #[test]
    fn interval_changes_only_at_its_end() {
        let last = Parent { height: Height(4_031), time: BlockTime(2_000_000_000), bits: CompactBits(0x1b04_04cb) };
        for height in [0, 1, 2_014, 4_030, 4_032, u32::MAX - 1] {
            let parent = Parent { height: Height(height), ..last };
            assert_eq!(bitcoin().bits_after(parent, never), Ok(parent.bits));
        }
        let unknown = BitsError::UnknownAncestor { height: Height(2_016) };
        assert_eq!(bitcoin().bits_after(last, |_| None), Err(unknown));
        let unchecked = Parent { bits: CompactBits(0), ..last };
        let no_target = TargetError::Zero(CompactBits(0));
        assert_eq!(bitcoin().bits_after(unchecked, |_| Some(last.time)), Err(BitsError::Parent(no_target)));
    }

    /// An interval that ends before it begins, and one that lasts for ever, both change by the clamp.
    #[test]
    fn interval_is_clamped() {
        let after = |first: u32, last: u32| {
            let parent = Parent { height: Height(2_015), time: BlockTime(last), bits: CompactBits(0x1b04_0000) };
            bitcoin().bits_after(parent, |_| Some(BlockTime(first))).unwrap()
        };
        assert_eq!(after(u32::MAX, 0), CompactBits(0x1b01_0000));
        assert_eq!(after(0, u32::MAX), CompactBits(0x1b10_0000));
        let planned_s = 600 * 2_016;
        assert_eq!(after(0, planned_s), CompactBits(0x1b04_0000));
        assert_eq!(after(0, planned_s / 4), CompactBits(0x1b01_0000));
        assert_ne!(after(0, planned_s / 4 + 4_000), CompactBits(0x1b01_0000));
    }

    /// The largest numbers that can be written overflow nothing and end at the limit; the smallest end at the hardest target.
    #[test]
    fn absurd_numbers_stay_in_range() {
        let easiest = CompactBits(0x2100_ffff);
        let rule = Difficulty::Interval(Interval::new(u32::MAX, u32::MAX).unwrap());
        let retarget = Retarget::new(rule, u32::MAX, easiest, BlockTime(0), easiest).unwrap();
        let parent = Parent { height: Height(u32::MAX - 1), time: BlockTime(u32::MAX), bits: easiest };
        assert!(retarget.bits_after(parent, |_| Some(BlockTime(0))).is_ok());
        let last = Parent { height: Height(u32::MAX), ..parent };
        assert_eq!(retarget.bits_after(last, never), Ok(easiest));

        let rule = Difficulty::Interval(Interval::new(2, 2).unwrap());
        let retarget = Retarget::new(rule, 1, easiest, BlockTime(0), easiest).unwrap();
        let hardest = Parent { height: Height(1), time: BlockTime(0), bits: CompactBits(0x0101_0000) };
        assert_eq!(retarget.bits_after(hardest, |_| Some(BlockTime(9))), Ok(CompactBits(0x0101_0000)));
    }

    #[test]
    fn fixed_never_changes() {
        let first = CompactBits(0x1f00_ffff);
        let retarget = Retarget::new(Difficulty::Fixed, 60, CompactBits(0x207f_ffff), BlockTime(5), first).unwrap();
        let parent = Parent { height: Height(9_999), time: BlockTime(0), bits: CompactBits(0) };
        assert_eq!(retarget.bits_after(parent, never), Ok(first));
        assert_eq!(retarget.bits_from_schedule(parent.height, parent.time), Some(first));
    }

    #[test]
    fn contradictions_are_refused() {
        let (limit, harder, easier) = (CompactBits(0x1d00_ffff), CompactBits(0x1d00_fffe), CompactBits(0x1d01_0000));
        let new = |spacing_s, limit, first| Retarget::new(Difficulty::Fixed, spacing_s, limit, BlockTime(0), first);
        assert!(new(1, limit, limit).is_ok());
        assert!(new(1, limit, harder).is_ok());
        assert_eq!(new(0, limit, limit), Err(RetargetError::Spacing));
        assert_eq!(new(1, limit, easier), Err(RetargetError::GenesisTarget { found: easier, limit }));
        let (zero, no_target) = (CompactBits(0), TargetError::Zero(CompactBits(0)));
        assert_eq!(new(1, limit, zero), Err(RetargetError::GenesisBits(no_target)));
        assert_eq!(new(1, zero, limit), Err(RetargetError::LimitBits(no_target)));
        let clamped = |clamp| {
            let rule = Difficulty::Interval(Interval::new(2, clamp).unwrap());
            Retarget::new(rule, 3, limit, BlockTime(0), limit)
        };
        assert!(clamped(6).is_ok());
        assert_eq!(clamped(7), Err(RetargetError::Clamp { clamp: 7, planned_s: 6 }));
    }
}
