//! The state of a history: its peaks.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::node::records;
use super::{Node, Span};
use crate::codec;
use crate::hash::{HistoryRoot, tagged};
use crate::units::{BlockTime, Work};

const ROOT_TAG: &str = "qbtc/history/root";

/// Bits in a number of blocks.
const PEAKS_MAX: usize = 32;

/// The peaks of a history, the largest subtree first, and how many blocks they cover.
///
/// Invariant: one peak for each bit of the number of blocks, and the sum of all work fits [`Work`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct Peaks {
    blocks: u32,
    nodes: Vec<Node>,
    work: Work,
}

/// Why something is no history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// More blocks than heights exist.
    #[error("{added} blocks do not fit after {blocks}: heights end at 2^32 − 1")]
    TooManyBlocks {
        /// Blocks in the history.
        blocks: u32,
        /// Blocks to be appended.
        added: u32,
    },
    /// The work of all blocks together exceeds 2^256 − 1.
    #[error("the work of {blocks} blocks exceeds 256 bits")]
    WorkOverflow {
        /// Blocks in the history, those to be appended included.
        blocks: u32,
    },
    /// Not one peak for each bit of the number of blocks.
    #[error("{found} peaks for {blocks} blocks, expected {}", blocks.count_ones())]
    PeakCount {
        /// Blocks stated.
        blocks: u32,
        /// Peaks found.
        found: usize,
    },
}

impl Peaks {
    /// The history of no blocks.
    #[must_use]
    pub const fn new() -> Self {
        Self { blocks: 0, nodes: Vec::new(), work: Work::ZERO }
    }

    /// The history of so many blocks with these peaks.
    ///
    /// # Errors
    /// [`HistoryError`] for another number of peaks than `blocks` has bits, or too much work.
    pub fn from_nodes(blocks: u32, nodes: Vec<Node>) -> Result<Self, HistoryError> {
        if nodes.len() != blocks.count_ones() as usize {
            return Err(HistoryError::PeakCount { blocks, found: nodes.len() });
        }
        let work = nodes.iter().try_fold(Work::ZERO, |sum, node| sum.checked_add(node.work));
        Ok(Self { blocks, nodes, work: work.ok_or(HistoryError::WorkOverflow { blocks })? })
    }

    /// The history of the first `blocks` blocks, its peaks taken from the append-only list of nodes through `node`, which is
    /// given places in that list.
    ///
    /// # Errors
    /// The first error of `node`, or [`HistoryError::WorkOverflow`] for a list that was not made by [`Peaks::append`].
    pub fn load<E>(blocks: u32, mut node: impl FnMut(u64) -> Result<Node, E>) -> Result<Self, E>
    where
        E: From<HistoryError>,
    {
        let nodes = Span::cover(0, blocks).map(|span| node(span.position())).collect::<Result<Vec<_>, E>>()?;
        Ok(Self::from_nodes(blocks, nodes)?)
    }

    /// How many blocks the history covers; the height of the next one.
    #[must_use]
    pub const fn blocks(&self) -> u32 {
        self.blocks
    }

    /// The peaks, the largest subtree first.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The work of all blocks.
    #[must_use]
    pub const fn work(&self) -> Work {
        self.work
    }

    /// The time of the last block, `None` before the first.
    #[must_use]
    pub fn last_time(&self) -> Option<BlockTime> {
        self.nodes.last().map(|node| node.last_time)
    }

    /// The root: all-zero for no blocks, else tagged("qbtc/history/root", number of blocks (u32, little-endian) ‖ the records of
    /// all peaks, the largest first).
    #[must_use]
    pub fn root(&self) -> HistoryRoot {
        if self.blocks == 0 {
            return HistoryRoot::ZERO;
        }
        HistoryRoot::from_bytes(tagged(ROOT_TAG, &[&self.blocks.to_le_bytes(), &records(&self.nodes)]))
    }

    /// Appends a block and returns the nodes that came to be: its leaf, and the parents that it completes, as they follow each
    /// other in the append-only list.
    ///
    /// # Errors
    /// [`HistoryError`], which leaves the history as it was.
    pub fn append(&mut self, leaf: Node) -> Result<Vec<Node>, HistoryError> {
        self.append_subtree(0, leaf)
    }

    /// Appends 2^`level` blocks at once; as [`Peaks::append`].
    ///
    /// The caller guarantees that the number of blocks is a multiple of 2^`level`.
    pub(crate) fn append_subtree(&mut self, level: u32, subtree: Node) -> Result<Vec<Node>, HistoryError> {
        debug_assert!(self.blocks.trailing_zeros() >= level, "a subtree begins at a multiple of its size");
        let added = 1 << level;
        let overflow = HistoryError::TooManyBlocks { blocks: self.blocks, added };
        let blocks = self.blocks.checked_add(added).ok_or(overflow)?;
        let overflow = HistoryError::WorkOverflow { blocks };
        let work = self.work.checked_add(subtree.work).ok_or(overflow)?;

        let mut made = alloc::vec![subtree];
        let mut last = subtree;
        // Adding one to a binary number: each trailing one is a peak that the new subtree makes a pair with.
        let completed = (self.blocks >> level).trailing_ones() as usize;
        for left in self.nodes.iter().rev().take(completed) {
            last = Node::parent(left, &last).ok_or(overflow)?;
            made.push(last);
        }
        self.nodes.truncate(self.nodes.len() - completed);
        self.nodes.push(last);
        self.blocks = blocks;
        self.work = work;
        Ok(made)
    }
}

/// The encoded form: what cannot be derived.
#[derive(Clone, Serialize, Deserialize)]
struct Record {
    blocks: u32,
    #[serde(deserialize_with = "codec::bounded::<_, _, PEAKS_MAX>")]
    nodes: Vec<NodeRecord>,
}

#[derive(Clone, Serialize, Deserialize)]
struct NodeRecord(#[serde(with = "codec::array")] [u8; Node::BYTES]);

impl From<Peaks> for Record {
    fn from(peaks: Peaks) -> Self {
        Self { blocks: peaks.blocks, nodes: peaks.nodes.iter().map(|node| NodeRecord(node.to_bytes())).collect() }
    }
}

impl TryFrom<Record> for Peaks {
    type Error = HistoryError;

    fn try_from(record: Record) -> Result<Self, HistoryError> {
        let nodes = record.nodes.iter().map(|node| Node::from_bytes(&node.0)).collect();
        Self::from_nodes(record.blocks, nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::nodes_len;
    use super::*;
    use crate::codec::{CodecError, decode, encode};
    use crate::hash::{BlockHash, sha256d};
    use crate::testing::test;

    /// What a store without the node might say.
    const GONE: HistoryError = HistoryError::PeakCount { blocks: 0, found: 0 };

    fn leaf(height: u32) -> Node {
        let id = BlockHash::from_bytes(sha256d(&height.to_le_bytes()));
        Node::leaf(id, Work::from(u64::from(height) + 1), BlockTime(1_000 + 60 * height))
    }

    fn grown(blocks: u32) -> (Peaks, Vec<Node>) {
        let mut peaks = Peaks::new();
        let nodes = (0..blocks).flat_map(|height| peaks.append(leaf(height)).unwrap()).collect();
        (peaks, nodes)
    }

    /// From an independent implementation in Python, which builds each mountain top-down from its definition.
    #[test]
    fn roots_match_a_second_implementation() {
        for (blocks, root) in [
            (1, "565e188ca07a1160ebf884e822be4026277815a790d383d06791787d2971d81e"),
            (2, "ebe526b6fdb64c97030b51890c1affcaa446d2f2633cde53502598aa72a740b6"),
            (11, "81a8f6f0c9528f04f17bb49e9642e0d71acf8107d5986b1521dad35ce11af07b"),
            (64, "b30a5ea66f350835f0219e592e62fb2d7f3693ba27c0b6f986de3c5135181acc"),
        ] {
            assert_eq!(grown(blocks).0.root(), root.parse().unwrap(), "{blocks} blocks");
        }
        assert_eq!(Peaks::new().root(), HistoryRoot::ZERO);
    }

    #[test]
    fn sums_cover_all_blocks() {
        let (peaks, _) = grown(100);
        assert_eq!((peaks.blocks(), peaks.nodes().len()), (100, 3));
        assert_eq!(peaks.work(), Work::from(5_050));
        assert_eq!(peaks.last_time(), Some(BlockTime(6_940)));
    }

    #[test]
    fn cutting_the_list_undoes_blocks() {
        let (_, mut list) = grown(100);
        for blocks in (0..=100).rev() {
            let (expected, nodes) = grown(blocks);
            list.truncate(usize::try_from(nodes_len(blocks)).unwrap());
            assert_eq!(list, nodes);
            let loaded =
                Peaks::load(blocks, |position| list.get(usize::try_from(position).unwrap()).copied().ok_or(GONE));
            assert_eq!(loaded, Ok(expected));
        }
        assert_eq!(Peaks::load(1, |_| Err(GONE)), Err(GONE));
    }

    #[test]
    fn a_subtree_stands_for_its_blocks() {
        let (whole, nodes) = grown(24);
        let mut peaks = grown(16).0;
        let subtree = nodes[usize::try_from(Span { start: 16, level: 3 }.position()).unwrap()];
        assert_eq!(peaks.append_subtree(3, subtree).unwrap(), [subtree]);
        assert_eq!(peaks, whole);
    }

    #[test]
    fn every_field_of_every_block_moves_the_root() {
        let root = grown(7).0.root();
        let changes: [fn(&mut Node); 4] = [
            |node| node.hash[0] ^= 1,
            |node| node.work = Work::from(99),
            |node| node.first_time.0 += 1,
            |node| node.last_time.0 += 1,
        ];
        for changed in 0..7 {
            for change in changes {
                let mut peaks = Peaks::new();
                for height in 0..7 {
                    let mut node = leaf(height);
                    if height == changed {
                        change(&mut node);
                    }
                    peaks.append(node).unwrap();
                }
                assert_ne!(peaks.root(), root);
            }
        }
    }

    #[test]
    fn refuses_what_exceeds_heights_or_work() {
        let most = Node { work: Work::from_be_bytes(&[0xff; 32]).checked_sub(Work::from(1)).unwrap(), ..leaf(0) };
        let mut peaks = Peaks::new();
        peaks.append(most).unwrap();
        let before = peaks.clone();
        assert_eq!(peaks.append(leaf(1)), Err(HistoryError::WorkOverflow { blocks: 2 }));
        assert_eq!(peaks, before);
        assert!(peaks.append(leaf(0)).is_ok());

        let nothing = Node { work: Work::ZERO, ..leaf(0) };
        let mut peaks = Peaks::from_nodes(u32::MAX - 1, alloc::vec![nothing; 31]).unwrap();
        assert!(peaks.append(nothing).is_ok());
        assert_eq!(peaks.append(nothing), Err(HistoryError::TooManyBlocks { blocks: u32::MAX, added: 1 }));
    }

    #[test]
    fn encoding_is_canonical() {
        let (peaks, _) = grown(3);
        let bytes = encode(&peaks);
        let [whole, last] = peaks.nodes() else { panic!("three blocks have two peaks") };
        assert_eq!(bytes, [&[3, 2][..], &whole.to_bytes(), &last.to_bytes()].concat());
        assert_eq!(decode::<Peaks>(&bytes, 999), Ok(peaks));
        let wrong_count = [&[2], &bytes[1..]].concat();
        assert!(matches!(decode::<Peaks>(&wrong_count, 999), Err(CodecError::Malformed { .. })));
        let overlong = [&[0x83, 0], &bytes[1..]].concat();
        assert!(matches!(decode::<Peaks>(&overlong, 999), Err(CodecError::NotCanonical { .. })));
        let wrong = Peaks::from_nodes(2, alloc::vec![leaf(0), leaf(1)]);
        assert_eq!(wrong, Err(HistoryError::PeakCount { blocks: 2, found: 2 }));
    }
}
