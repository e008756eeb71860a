//! What one subtree of the history says about its blocks.

use alloc::vec::Vec;

use crate::hash::{BlockHash, tagged};
use crate::units::{BlockTime, Work};

const NODE_TAG: &str = "qbtc/history/node";

/// A complete subtree: what identifies its blocks, the sum of their work, and the times of the first and the last of them.
///
/// How many blocks it covers, 2^level, follows from its place and is not stored. Times are those of the first and the last
/// *block*, not the least and the greatest: a block may state an earlier time than its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Of a leaf, the block's id. Of any other node, the hash of its two children, all their fields included. The first is
    /// SHA-256 over 32 bytes (the second round of sha256d) and the second over 208, so neither can stand for the other.
    pub hash: [u8; 32],
    /// The work of all its blocks.
    pub work: Work,
    /// The time of its first block.
    pub first_time: BlockTime,
    /// The time of its last block.
    pub last_time: BlockTime,
}

impl Node {
    /// The length of a node as a record, in bytes.
    pub const BYTES: usize = 72;

    /// The leaf of a block.
    #[must_use]
    pub const fn leaf(id: BlockHash, work: Work, time: BlockTime) -> Self {
        Self { hash: id.to_bytes(), work, first_time: time, last_time: time }
    }

    /// The parent of two neighbours, or `None` if their work exceeds what [`Work`] holds.
    #[must_use]
    pub fn parent(left: &Self, right: &Self) -> Option<Self> {
        Some(Self {
            hash: tagged(NODE_TAG, &[&left.to_bytes(), &right.to_bytes()]),
            work: left.work.checked_add(right.work)?,
            first_time: left.first_time,
            last_time: right.last_time,
        })
    }

    /// The record that is hashed, and that a node may keep on disk: hash, work (big-endian), first time, last time
    /// (little-endian, as in headers).
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..32].copy_from_slice(&self.hash);
        bytes[32..64].copy_from_slice(&self.work.to_be_bytes());
        bytes[64..68].copy_from_slice(&self.first_time.0.to_le_bytes());
        bytes[68..].copy_from_slice(&self.last_time.0.to_le_bytes());
        bytes
    }

    /// The node of a record. Every 72 bytes are a node.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        Self {
            hash: part(bytes, 0),
            work: Work::from_be_bytes(&part(bytes, 32)),
            first_time: BlockTime(u32::from_le_bytes(part(bytes, 64))),
            last_time: BlockTime(u32::from_le_bytes(part(bytes, 68))),
        }
    }
}

/// The records of several nodes, one after the other.
pub(super) fn records(nodes: &[Node]) -> Vec<u8> {
    nodes.iter().flat_map(Node::to_bytes).collect()
}

fn part<const N: usize>(bytes: &[u8; Node::BYTES], start: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[start..start + N]);
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn record_round_trips() {
        let mut bytes = [0; Node::BYTES];
        for (index, byte) in (1u8..).zip(&mut bytes) {
            *byte = index;
        }
        let node = Node::from_bytes(&bytes);
        assert_eq!(node.to_bytes(), bytes);
        assert_eq!((node.first_time, node.last_time), (BlockTime(0x4443_4241), BlockTime(0x4847_4645)));
    }

    #[test]
    fn parent_sums_work_and_keeps_the_outer_times() {
        let left = Node::leaf(BlockHash::from_bytes([1; 32]), Work::from(3), BlockTime(50));
        let right = Node::leaf(BlockHash::from_bytes([2; 32]), Work::from(4), BlockTime(40));
        let parent = Node::parent(&left, &right).unwrap();
        assert_eq!((parent.work, parent.first_time, parent.last_time), (Work::from(7), BlockTime(50), BlockTime(40)));
        let swapped = Node::parent(&right, &left).unwrap();
        assert_ne!(parent.hash, swapped.hash);
    }

    #[test]
    fn work_beyond_256_bits_has_no_parent() {
        let most = Node::leaf(BlockHash::ZERO, Work::from_be_bytes(&[0xff; 32]), BlockTime(0));
        let none = Node::leaf(BlockHash::ZERO, Work::ZERO, BlockTime(0));
        let one = Node::leaf(BlockHash::ZERO, Work::from(1), BlockTime(0));
        assert!(Node::parent(&most, &none).is_some());
        assert!(Node::parent(&most, &one).is_none());
    }
}
