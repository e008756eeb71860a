//! Going through a history again, with whole subtrees in the place of blocks that are of no interest.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{HistoryError, Node, Peaks, Span};
use crate::units::{BlockTime, Work};

/// A subtree as proofs carry it. Times stand relative to the block before, which takes two or three bytes and not ten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subtree {
    hash: [u8; 32],
    work: Work,
    /// Seconds from the block before to its first block; in the beginning, from time 0.
    gap_s: i64,
    /// Seconds from its first to its last block.
    duration_s: i64,
}

/// Why subtrees and blocks do not make a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The proof ends before the blocks that it should cover.
    #[error("no subtree for the blocks from height {height} on")]
    Missing {
        /// The first height that is not covered.
        height: u32,
    },
    /// The proof has more subtrees than the blocks that it should cover.
    #[error("{left} subtrees too many")]
    Left {
        /// Subtrees that no block needs.
        left: usize,
    },
    /// A subtree's times do not fit 32 bits.
    #[error("the times of the subtree at height {height} are out of range")]
    Time {
        /// The first height of the subtree.
        height: u32,
    },
    /// Too many blocks, or too much work.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl Subtree {
    fn new(node: &Node, previous: BlockTime) -> Self {
        let gap_s = node.first_time.seconds_since(previous);
        Self { hash: node.hash, work: node.work, gap_s, duration_s: node.last_time.seconds_since(node.first_time) }
    }

    fn node(&self, previous: BlockTime) -> Option<Node> {
        let first_time = later(previous, self.gap_s)?;
        Some(Node { hash: self.hash, work: self.work, first_time, last_time: later(first_time, self.duration_s)? })
    }
}

fn later(time: BlockTime, seconds: i64) -> Option<BlockTime> {
    let sum = i64::from(time.0).checked_add(seconds)?;
    u32::try_from(sum).ok().map(BlockTime)
}

/// The subtrees for the blocks from `start` up to `end`, in order. `previous` is the time of the block before `start` and becomes
/// that of the last block; `node` is given places in the append-only list.
///
/// # Errors
/// The first error of `node`.
pub(crate) fn subtrees<E>(
    (start, end): (u32, u32),
    previous: &mut BlockTime,
    mut node: impl FnMut(u64) -> Result<Node, E>,
) -> Result<Vec<Subtree>, E> {
    let subtree = |span: Span| {
        let node = node(span.position())?;
        let subtree = Subtree::new(&node, *previous);
        *previous = node.last_time;
        Ok(subtree)
    };
    Span::cover(start, end).map(subtree).collect()
}

/// A history that grows by blocks and by the subtrees of a proof. Its peaks are at each moment those of the history so far.
pub(crate) struct Replay<'a> {
    peaks: Peaks,
    subtrees: core::slice::Iter<'a, Subtree>,
}

impl<'a> Replay<'a> {
    /// A replay from no blocks on.
    pub(crate) fn new(subtrees: &'a [Subtree]) -> Self {
        Self { peaks: Peaks::new(), subtrees: subtrees.iter() }
    }

    /// The history so far.
    pub(crate) const fn peaks(&self) -> &Peaks {
        &self.peaks
    }

    /// Covers the blocks up to `height`, which becomes the height of the next block, with the proof's next subtrees.
    ///
    /// # Errors
    /// [`ReplayError`], if the proof has too few of them or one of them does not fit.
    pub(crate) fn skip_to(&mut self, height: u32) -> Result<(), ReplayError> {
        for span in Span::cover(self.peaks.blocks(), height) {
            let subtree = self.subtrees.next().ok_or(ReplayError::Missing { height: span.start })?;
            let previous = self.peaks.last_time().unwrap_or_default();
            let node = subtree.node(previous).ok_or(ReplayError::Time { height: span.start })?;
            self.peaks.append_subtree(span.level, node)?;
        }
        Ok(())
    }

    /// Appends one block.
    ///
    /// # Errors
    /// [`ReplayError::History`].
    pub(crate) fn append(&mut self, leaf: Node) -> Result<(), ReplayError> {
        self.peaks.append(leaf)?;
        Ok(())
    }

    /// The whole history, when the proof is used up.
    ///
    /// # Errors
    /// [`ReplayError::Left`], if it is not.
    pub(crate) fn finish(self) -> Result<Peaks, ReplayError> {
        match self.subtrees.len() {
            0 => Ok(self.peaks),
            left => Err(ReplayError::Left { left }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};
    use crate::testing::test;

    fn node(first: u32, last: u32) -> Node {
        Node { hash: [7; 32], work: Work::from(300), first_time: BlockTime(first), last_time: BlockTime(last) }
    }

    #[test]
    fn encoding_is_relative_and_round_trips() {
        let previous = BlockTime(1_000);
        let subtree = Subtree::new(&node(1_060, 1_040), previous);
        let bytes = encode(&subtree);
        // Zigzag: 60 is 120, −20 is 39.
        assert_eq!(bytes, [&[7; 32][..], &[2, 1, 44], &[120], &[39]].concat());
        assert_eq!(decode(&bytes, 99), Ok(subtree.clone()));
        assert_eq!(subtree.node(previous), Some(node(1_060, 1_040)));
        let overlong = [&[7; 32][..], &[2, 1, 44], &[0xf8, 0], &[39]].concat();
        assert!(decode::<Subtree>(&overlong, 99).is_err());
    }

    #[test]
    fn times_beyond_32_bits_are_refused() {
        let subtree = |gap_s, duration_s| Subtree { gap_s, duration_s, ..Subtree::new(&node(0, 0), BlockTime(0)) };
        assert!(subtree(i64::from(u32::MAX), 0).node(BlockTime(0)).is_some());
        assert!(subtree(i64::from(u32::MAX), 0).node(BlockTime(1)).is_none());
        assert!(subtree(-1, 0).node(BlockTime(0)).is_none());
        assert!(subtree(0, -1).node(BlockTime(0)).is_none());
        assert!(subtree(0, i64::MAX).node(BlockTime(1)).is_none());
    }
}
