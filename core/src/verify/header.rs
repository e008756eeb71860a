//! The rules of a header.

use crate::hash::BlockHash;
use crate::header::Header;
use crate::pow::WorkError;
use crate::spec::Consensus;
use crate::units::{BlockTime, CompactBits, Height, Work};

/// What the rules of a header ask about its place in the chain.
#[derive(Clone, Copy, Debug)]
pub struct HeaderContext {
    /// The header's height.
    pub height: Height,
    /// The bits that the difficulty rule demands here.
    pub expected_bits: CompactBits,
    /// The median time of the eleven blocks before it.
    pub median_time_past: BlockTime,
    /// The time by the clock of whoever checks.
    pub now: BlockTime,
}

/// A header that fits its place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedHeader {
    header: Header,
    id: BlockHash,
    height: Height,
    work: Work,
}

/// Why a header is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The hash is above the target that the header claims, or its bits are no target.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// Not the bits that the difficulty rule demands.
    #[error("bits {found} at height {height}: expected {expected}")]
    Difficulty {
        /// The header's height.
        height: Height,
        /// Bits found.
        found: CompactBits,
        /// Bits demanded.
        expected: CompactBits,
    },
    /// Not above the median of the eleven times before.
    #[error("time {found} is not above the median time {median} of the blocks before")]
    TimeTooOld {
        /// Time found.
        found: BlockTime,
        /// The median it must exceed.
        median: BlockTime,
    },
    /// Too far in the future. Not a fault for ever: the header may be tried again later.
    #[error("time {found} is beyond {limit}, the latest allowed now")]
    TimeTooNew {
        /// Time found.
        found: BlockTime,
        /// The latest time allowed now.
        limit: BlockTime,
    },
}

impl CheckedHeader {
    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The header's id.
    #[must_use]
    pub const fn id(&self) -> BlockHash {
        self.id
    }

    /// The header's height.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.height
    }

    /// The work of this one header.
    #[must_use]
    pub const fn work(&self) -> Work {
        self.work
    }
}

/// Checks a header against its place in the chain. That its parent is known is the header tree's rule.
///
/// # Errors
/// [`HeaderError`], the first rule that it breaks: work, difficulty, time.
pub fn check_header(header: Header, context: &HeaderContext, rules: &Consensus) -> Result<CheckedHeader, HeaderError> {
    // Rule: the proof-of-work hash meets the target that the header claims. Done first, since it is cheap for us and not for them.
    let target = rules.pow.check_work(&header)?;
    check_place(&header, context, rules)?;
    Ok(CheckedHeader { header, id: header.id(), height: context.height, work: target.work() })
}

/// Checks all rules but that of the work.
pub(super) fn check_place(header: &Header, context: &HeaderContext, rules: &Consensus) -> Result<(), HeaderError> {
    // Rule: the bits are exactly those that the difficulty rule demands at this height.
    if header.bits != context.expected_bits {
        let (found, expected) = (header.bits, context.expected_bits);
        return Err(HeaderError::Difficulty { height: context.height, found, expected });
    }
    // Rule: the time is above the median of the eleven blocks before.
    if header.time <= context.median_time_past {
        return Err(HeaderError::TimeTooOld { found: header.time, median: context.median_time_past });
    }
    // Rule: the time is at most `future_limit_s` ahead of the clock.
    let limit = context.now.saturating_add(rules.future_limit_s);
    if header.time > limit {
        return Err(HeaderError::TimeTooNew { found: header.time, limit });
    }
    Ok(())
}
