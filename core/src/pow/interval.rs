//! Interval: Bitcoin's rule. Every so many blocks the target follows the time that they took; in between it stays.

use primitive_types::U512;

use super::DifficultyError;
use super::asert::clamp;
use crate::units::{Height, Target};

/// The rule and its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    blocks: u32,
    clamp: u32,
}

impl Interval {
    /// A rule that changes the target every `blocks` blocks, by at most a factor of `clamp` either way. Bitcoin's are 2016 and 4.
    ///
    /// # Errors
    /// [`DifficultyError::Blocks`] or [`DifficultyError::Clamp`] for less than 2: no time passes within one block, and a factor
    /// of 1 never changes anything.
    pub const fn new(blocks: u32, clamp: u32) -> Result<Self, DifficultyError> {
        if blocks < 2 {
            return Err(DifficultyError::Blocks { found: blocks });
        }
        if clamp < 2 {
            return Err(DifficultyError::Clamp { found: clamp });
        }
        Ok(Self { blocks, clamp })
    }

    /// The number of blocks between changes.
    #[must_use]
    pub const fn blocks(self) -> u32 {
        self.blocks
    }

    /// The greatest factor of one change.
    #[must_use]
    pub const fn clamp(self) -> u32 {
        self.clamp
    }

    /// The first block of the interval that ends with this parent; `None` if it does not end one, so that its child keeps its
    /// target.
    pub(super) fn first(self, parent: Height) -> Option<Height> {
        let is_last = (u64::from(parent.0) + 1).is_multiple_of(u64::from(self.blocks));
        if is_last { parent.0.checked_sub(self.blocks - 1).map(Height) } else { None }
    }

    /// The target after an interval of `took_s` seconds from its first block to its last.
    ///
    /// That is one spacing fewer than there are blocks, yet it is compared with as many spacings as blocks: Bitcoin's
    /// off-by-one, kept because it is the rule that miners and tools know.
    pub(super) fn target(self, last: Target, took_s: i64, spacing_s: u32, limit: Target) -> Target {
        let planned_s = u128::from(spacing_s) * u128::from(self.blocks);
        let clamp_factor = u128::from(self.clamp);
        let took_s = u128::try_from(took_s).unwrap_or(0);
        let took_s = took_s.clamp(planned_s / clamp_factor, planned_s * clamp_factor);
        // At most 352 bits: a target has 256, the planned time 64, the factor 32.
        clamp(U512::from(last.to_u256()) * U512::from(took_s) / U512::from(planned_s), limit)
    }
}
