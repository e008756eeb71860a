//! Where the subtrees of the history lie: over which blocks, and at which place of an append-only list of nodes.
//!
//! Nodes are listed in the order in which they come to be: each leaf is followed at once by the parents that it completes. So
//! the list of a history is the beginning of the list of every longer one, and cutting it undoes blocks.

/// 2^`level` blocks whose first is a multiple of that number: what one node covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The height of its first block.
    pub(crate) start: u32,
    /// 0 for a leaf.
    pub(crate) level: u32,
}

impl Span {
    /// The largest span that begins at `start` and ends at or before `end`, or `None` if `start` is not below `end`.
    #[must_use]
    pub(crate) fn largest(start: u32, end: u32) -> Option<Self> {
        let room = end.checked_sub(start)?.checked_ilog2()?;
        Some(Self { start, level: start.trailing_zeros().min(room) })
    }

    /// The largest spans from `start` up to `end`, in order; at most 62.
    ///
    /// From 0, these are the mountains of a history of `end` blocks.
    pub(crate) fn cover(start: u32, end: u32) -> impl Iterator<Item = Self> {
        core::iter::successors(Self::largest(start, end), move |span| Self::largest(span.end(), end))
    }

    /// The number of blocks.
    #[must_use]
    pub(crate) const fn len(self) -> u32 {
        1 << self.level
    }

    /// The height of the first block after it.
    #[must_use]
    pub(crate) const fn end(self) -> u32 {
        self.start + self.len()
    }

    /// The two halves, or `None` for a leaf.
    #[must_use]
    pub(crate) fn halves(self) -> Option<(Self, Self)> {
        let level = self.level.checked_sub(1)?;
        let left = Self { start: self.start, level };
        Some((left, Self { start: left.end(), level }))
    }

    /// The place of its node in the append-only list.
    #[must_use]
    pub(crate) fn position(self) -> u64 {
        nodes_len(self.end() - 1) + u64::from(self.level)
    }
}

/// The number of nodes of a history of so many blocks, which is also the place of the next leaf: cut the list to this length
/// to undo all later blocks.
#[must_use]
pub fn nodes_len(blocks: u32) -> u64 {
    2 * u64::from(blocks) - u64::from(blocks.count_ones())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;
    use alloc::vec::Vec;

    fn cover(start: u32, end: u32) -> Vec<(u32, u32)> {
        Span::cover(start, end).map(|span| (span.start, span.level)).collect()
    }

    #[test]
    fn covers_are_the_largest_aligned_ranges() {
        assert_eq!(cover(0, 11), [(0, 3), (8, 1), (10, 0)]);
        assert_eq!(cover(3, 17), [(3, 0), (4, 2), (8, 3), (16, 0)]);
        assert_eq!(cover(5, 5), []);
        assert_eq!(cover(6, 5), []);
        let longest = cover(1, u32::MAX);
        assert_eq!(longest.len(), 62);
        assert_eq!(longest.last(), Some(&(u32::MAX - 1, 0)));
    }

    /// The list of seven blocks, drawn by hand: leaves 0 1 3 4 7 8 10, parents 2 5 6 9.
    #[test]
    fn positions_follow_the_order_of_appending() {
        let leaves: Vec<u64> = (0..7).map(|start| Span { start, level: 0 }.position()).collect();
        assert_eq!(leaves, [0, 1, 3, 4, 7, 8, 10]);
        let parents = [(0, 1), (2, 1), (0, 2), (4, 1)].map(|(start, level)| Span { start, level }.position());
        assert_eq!(parents, [2, 5, 6, 9]);
        let lengths: Vec<u64> = (0..=7).map(nodes_len).collect();
        assert_eq!(lengths, [0, 1, 3, 4, 7, 8, 10, 11]);
    }

    #[test]
    fn halves_tile_the_whole() {
        let (left, right) = Span { start: 8, level: 3 }.halves().unwrap();
        assert_eq!((left.start, left.end(), right.start, right.end()), (8, 12, 12, 16));
        assert_eq!(Span { start: 8, level: 0 }.halves(), None);
    }
}
