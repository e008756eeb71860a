//! That one block is part of a history.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Node, Replay, ReplayError, Subtree, subtrees};
use crate::codec::{self, CodecError};
use crate::hash::{BlockHash, HistoryRoot};
use crate::header::Header;
use crate::units::{BlockTime, Height, Target, TargetError, Work};

/// The most subtrees beside one block: one for each bit of what lies before it and of what lies after.
const SUBTREES_MAX: usize = 62;

/// Proves that a header stands at a height of the history with a known root, and how much work lies before it.
///
/// Below 2 kB for a million blocks. Whether the block is valid, and whether the root is that of the best chain, it does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockProof {
    height: Height,
    header: Header,
    #[serde(deserialize_with = "codec::bounded::<_, _, SUBTREES_MAX>")]
    subtrees: Vec<Subtree>,
}

/// A block that is part of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvenBlock {
    /// The header.
    pub header: Header,
    /// Its id.
    pub id: BlockHash,
    /// Its height.
    pub height: Height,
    /// The work of all blocks before it.
    pub work_before: Work,
}

/// Why a proof does not show that its block is part of the history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The bytes are no proof.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The block lies beyond the end of the history.
    #[error("height {height} in a history of {blocks} blocks")]
    Height {
        /// Height stated.
        height: Height,
        /// Blocks of the history.
        blocks: u32,
    },
    /// The header's bits are no target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The subtrees do not cover exactly the other blocks.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The block is part of another history.
    #[error("the proof leads to the root {found}, expected {expected}")]
    Root {
        /// Root found.
        found: HistoryRoot,
        /// Root expected.
        expected: HistoryRoot,
    },
}

impl BlockProof {
    /// The most bytes of an encoded proof: a height, a header, and subtrees with the greatest work and times.
    pub const BYTES_MAX: usize = 5 + Header::BYTES + 1 + SUBTREES_MAX * (32 + 33 + 10 + 10);

    /// Proves that `header`, at `height`, is part of the history of `blocks` blocks. `node` is given places in the append-only
    /// list of nodes, all below [`super::nodes_len`] of `blocks`.
    ///
    /// # Errors
    /// The first error of `node`.
    ///
    /// # Panics
    /// If `height` is not below `blocks`.
    pub fn new<E>(
        header: Header,
        height: Height,
        blocks: u32,
        mut node: impl FnMut(u64) -> Result<Node, E>,
    ) -> Result<Self, E> {
        assert!(height.0 < blocks, "the block is part of the history");
        let mut time = BlockTime(0);
        let mut proof = subtrees((0, height.0), &mut time, &mut node)?;
        time = header.time;
        proof.extend(subtrees((height.0 + 1, blocks), &mut time, &mut node)?);
        Ok(Self { height, header, subtrees: proof })
    }

    /// Decodes a proof.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }

    /// Checks the proof against the root of a history of `blocks` blocks, which the caller knows to be that of the best chain.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn check(&self, root: HistoryRoot, blocks: u32) -> Result<ProvenBlock, ProofError> {
        let (height, header) = (self.height, self.header);
        // Rule: the block is one of those that the root covers.
        if height.0 >= blocks {
            return Err(ProofError::Height { height, blocks });
        }
        let mut replay = Replay::new(&self.subtrees);
        replay.skip_to(height.0)?;
        let work_before = replay.peaks().work();
        let id = header.id();
        replay.append(Node::leaf(id, Target::from_compact(header.bits)?.work(), header.time))?;
        replay.skip_to(blocks)?;
        let found = replay.finish()?.root();
        // Rule: its header, between the other blocks, makes the history's root.
        if found != root {
            return Err(ProofError::Root { found, expected: root });
        }
        Ok(ProvenBlock { header, id, height, work_before })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Peaks;
    use super::*;
    use crate::codec::encode;
    use crate::hash::MerkleRoot;
    use crate::testing::test;
    use crate::units::CompactBits;
    use core::convert::Infallible;

    fn header(height: u32) -> Header {
        Header {
            version: 1,
            parent: BlockHash::ZERO,
            merkle_root: MerkleRoot::ZERO,
            time: BlockTime(1_700_000_000 + 60 * height),
            bits: CompactBits(0x1f00_ffff),
            nonce: height,
        }
    }

    fn history(blocks: u32) -> (Peaks, Vec<Node>) {
        let mut peaks = Peaks::new();
        let leaf =
            |header: Header| Node::leaf(header.id(), Target::from_compact(header.bits).unwrap().work(), header.time);
        let nodes = (0..blocks).flat_map(|height| peaks.append(leaf(header(height))).unwrap()).collect();
        (peaks, nodes)
    }

    fn prove(height: u32, blocks: u32, nodes: &[Node]) -> BlockProof {
        let node = |position| Ok::<_, Infallible>(nodes[usize::try_from(position).unwrap()]);
        BlockProof::new(header(height), Height(height), blocks, node).unwrap()
    }

    #[test]
    fn every_block_of_every_small_history_is_proven() {
        let (_, nodes) = history(33);
        for blocks in 1..=33 {
            let root = history(blocks).0.root();
            for height in 0..blocks {
                let proof = prove(height, blocks, &nodes);
                let proven = BlockProof::decode(&encode(&proof)).unwrap().check(root, blocks).unwrap();
                assert_eq!((proven.header, proven.height), (header(height), Height(height)));
                assert_eq!(proven.work_before, history(height).0.work());
            }
        }
    }

    #[test]
    fn another_history_or_place_is_refused() {
        let (peaks, nodes) = history(21);
        let root = peaks.root();
        let proof = prove(13, 21, &nodes);
        assert!(proof.check(root, 21).is_ok());
        assert!(matches!(proof.check(HistoryRoot::ZERO, 21), Err(ProofError::Root { .. })));
        assert_eq!(proof.check(root, 13), Err(ProofError::Height { height: Height(13), blocks: 13 }));
        assert_eq!(proof.check(root, 20), Err(ReplayError::Left { left: 1 }.into()));
        assert_eq!(proof.check(root, 23), Err(ReplayError::Missing { height: 22 }.into()));
        let elsewhere = BlockProof { height: Height(12), ..proof.clone() };
        assert!(matches!(elsewhere.check(root, 21), Err(ProofError::Root { .. } | ProofError::Replay(_))));
        let other = BlockProof { header: header(12), ..proof.clone() };
        assert!(matches!(other.check(root, 21), Err(ProofError::Root { .. })));
        let no_target = Header { bits: CompactBits(0), ..header(13) };
        let no_target = BlockProof { header: no_target, ..proof };
        assert!(matches!(no_target.check(root, 21), Err(ProofError::Target(_))));
    }

    #[test]
    fn no_changed_byte_is_accepted() {
        let (peaks, nodes) = history(21);
        let bytes = encode(&prove(13, 21, &nodes));
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let result = BlockProof::decode(&changed).map_err(ProofError::from);
            assert!(result.and_then(|proof| proof.check(peaks.root(), 21)).is_err(), "byte {index}");
            assert!(BlockProof::decode(&bytes[..index]).is_err());
        }
        let trailing = [&bytes[..], &[0]].concat();
        assert!(matches!(BlockProof::decode(&trailing), Err(CodecError::Trailing { .. })));
        let overlong = [&[0x8d, 0], &bytes[1..]].concat();
        assert!(matches!(BlockProof::decode(&overlong), Err(CodecError::NotCanonical { .. })));
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let (_, nodes) = history(2);
        let one = prove(0, 2, &nodes).subtrees.remove(0);
        let proof =
            |count| BlockProof { height: Height(0), header: header(0), subtrees: alloc::vec![one.clone(); count] };
        assert!(BlockProof::decode(&encode(&proof(SUBTREES_MAX))).is_ok());
        assert!(matches!(BlockProof::decode(&encode(&proof(SUBTREES_MAX + 1))), Err(CodecError::Malformed { .. })));
        assert!(matches!(
            BlockProof::decode(&[0; BlockProof::BYTES_MAX + 1]),
            Err(CodecError::TooLong { limit: BlockProof::BYTES_MAX, .. })
        ));
    }
}
