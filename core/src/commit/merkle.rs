//! Bitcoin's merkle tree: roots, branches, and proofs that something is a leaf.
//!
//! Each level hashes its nodes in pairs with sha256d; an odd last node is paired with itself. The same tree stands over a block's
//! leaves (its root is in the header) and over the wtxids (its root is in the commitments). Nodes are plain 32 bytes here; the
//! caller names what they are.
//!
//! Bitcoin's tree has two weaknesses. Both are closed here:
//! - *One root, two lists of leaves* (CVE-2012-2459). Since an odd node is paired with itself, leaves 1 2 3 and 1 2 3 3 have one
//!   root. [`root`] refuses every tree in which two equal siblings are really present, at any level, and a [`MerkleProof`] never
//!   accepts the copy: position 3 of 1 2 3 proves nothing.
//! - *A node that passes as a leaf, or a leaf as a node* (CVE-2017-12842). What is hashed into an inner node is 64 bytes long, so
//!   bytes of that length could be both. No leaf of a valid block is made of 64 bytes ([`NODE_PREIMAGE_BYTES`]), which
//!   `verify` demands; and a proof is checked from what the leaf is made of, never from a bare id, so that a light client, which
//!   has seen no block, refuses such a leaf too.

use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize};

use crate::block::{Coinbase, Commitments, NODE_PREIMAGE_BYTES};
use crate::codec;
use crate::hash::{MerkleRoot, sha256d};
use crate::tx::TxBody;

/// Two siblings of a tree are equal, though both are really present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("merkle tree with equal siblings")]
pub struct DuplicateNodes;

/// The root over these leaves; zero where there are none. The vector is the working space, so that nothing is allocated.
///
/// # Errors
/// [`DuplicateNodes`], if another list of leaves has the same root.
pub fn root(mut nodes: Vec<[u8; 32]>) -> Result<[u8; 32], DuplicateNodes> {
    while nodes.len() > 1 {
        fold_level(&mut nodes)?;
    }
    Ok(nodes.first().copied().unwrap_or_default())
}

/// The siblings on the way from leaf 0 to the root, given all leaves but that one.
///
/// This is what a pool sends to its miners (Stratum's `merkle_branch`): it stays the same while a miner changes the coinbase.
///
/// # Errors
/// [`DuplicateNodes`], if the other leaves make two equal siblings.
pub fn first_leaf_branch(others: &[[u8; 32]]) -> Result<Vec<[u8; 32]>, DuplicateNodes> {
    // Whatever stands for leaf 0 never reaches the branch.
    let mut nodes = Vec::with_capacity(others.len() + 1);
    nodes.push([0; 32]);
    nodes.extend_from_slice(others);
    let mut branch = Vec::new();
    while let Some(sibling) = nodes.get(1) {
        branch.push(*sibling);
        fold_level_from(&mut nodes, 1)?;
    }
    Ok(branch)
}

/// The root over leaf 0 and the others, given only their branch ([`first_leaf_branch`]).
#[must_use]
pub fn root_of_first_leaf(leaf: [u8; 32], branch: &[[u8; 32]]) -> [u8; 32] {
    branch.iter().fold(leaf, |node, sibling| parent(&node, sibling))
}

/// Replaces a level by the one above it.
fn fold_level(nodes: &mut Vec<[u8; 32]>) -> Result<(), DuplicateNodes> {
    fold_level_from(nodes, 0)
}

/// Replaces a level by the one above it, but for its first `skipped` nodes, whose hashes nobody asks for.
fn fold_level_from(nodes: &mut Vec<[u8; 32]>, skipped: usize) -> Result<(), DuplicateNodes> {
    let parents = nodes.len().div_ceil(2);
    for place in skipped..parents {
        let left = nodes[2 * place];
        let right = nodes.get(2 * place + 1).copied();
        // Rule: no two siblings that are really present are equal (CVE-2012-2459).
        if right == Some(left) {
            return Err(DuplicateNodes);
        }
        nodes[place] = parent(&left, &right.unwrap_or(left));
    }
    nodes.truncate(parents);
    Ok(())
}

/// The hash of two siblings.
pub(super) fn parent(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut preimage = [0; NODE_PREIMAGE_BYTES];
    preimage[..32].copy_from_slice(left);
    preimage[32..].copy_from_slice(right);
    sha256d(&preimage)
}

/// Shows that something is a leaf of a tree: its place, and the siblings on the way to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MerkleProof {
    index: u32,
    branch: Vec<Sibling>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Sibling(#[serde(with = "codec::array")] [u8; 32]);

/// Why a proof cannot be made, or proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// No such leaf.
    #[error("no leaf {index} in a tree of {leaves}")]
    NoSuchLeaf {
        /// The place asked for.
        index: u32,
        /// The leaves that there are.
        leaves: usize,
    },
    /// More siblings than any tree has.
    #[error("branch of {found} siblings exceeds the limit of {}", MerkleProof::DEPTH_MAX)]
    TooDeep {
        /// Siblings found.
        found: usize,
    },
    /// A place that a tree of this depth does not have.
    #[error("index {index} lies outside a tree of depth {depth}")]
    Index {
        /// The place stated.
        index: u32,
        /// The number of siblings.
        depth: usize,
    },
    /// The proof is for a leaf of another kind: 0 is the coinbase, 1 the commitments, transactions follow.
    #[error("leaf {index} is no {expected}")]
    Kind {
        /// The place stated.
        index: u32,
        /// What was to be proven.
        expected: &'static str,
    },
    /// What the leaf is made of is as long as what an inner node is made of.
    #[error("leaf of {NODE_PREIMAGE_BYTES} bytes could be an inner node")]
    CouldBeNode,
    /// Two siblings are equal, though both are really present.
    #[error(transparent)]
    Duplicate(#[from] DuplicateNodes),
    /// The branch leads to another root.
    #[error("branch leads to the root {found}, not to {expected}")]
    Root {
        /// Where it leads.
        found: MerkleRoot,
        /// The root of the header.
        expected: MerkleRoot,
    },
}

impl MerkleProof {
    /// The most siblings: no block can have 2^24 leaves.
    pub const DEPTH_MAX: usize = 24;

    /// The proof for the leaf at `index`.
    ///
    /// # Errors
    /// [`MerkleError`], if there is no such leaf, or the tree is one that [`root`] refuses.
    pub fn new(mut leaves: Vec<[u8; 32]>, index: u32) -> Result<Self, MerkleError> {
        let refused = MerkleError::NoSuchLeaf { index, leaves: leaves.len() };
        let mut place = usize::try_from(index).map_err(|_| refused)?;
        if place >= leaves.len() {
            return Err(refused);
        }
        let mut branch = Vec::new();
        while leaves.len() > 1 {
            let sibling = leaves.get(place ^ 1).unwrap_or(&leaves[place]);
            branch.push(Sibling(*sibling));
            fold_level(&mut leaves)?;
            place /= 2;
        }
        Self::from_parts(index, branch)
    }

    fn from_parts(index: u32, branch: Vec<Sibling>) -> Result<Self, MerkleError> {
        let depth = branch.len();
        if depth > Self::DEPTH_MAX {
            return Err(MerkleError::TooDeep { found: depth });
        }
        if index >> depth != 0 {
            return Err(MerkleError::Index { index, depth });
        }
        Ok(Self { index, branch })
    }

    /// The leaf's place, from 0.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// The siblings, lowest first.
    pub fn branch(&self) -> impl ExactSizeIterator<Item = &[u8; 32]> {
        self.branch.iter().map(|sibling| &sibling.0)
    }

    /// Checks that the coinbase is leaf 0 of the block with this root.
    ///
    /// # Errors
    /// [`MerkleError`], if the proof does not show it.
    pub fn check_coinbase(&self, coinbase: &Coinbase, expected: MerkleRoot) -> Result<(), MerkleError> {
        self.check_kind(self.index == 0, "coinbase")?;
        self.check_leaf(&coinbase.to_bytes(), expected)
    }

    /// Checks that the commitments are leaf 1 of the block with this root.
    ///
    /// # Errors
    /// [`MerkleError`], if the proof does not show it.
    pub fn check_commitments(&self, commitments: &Commitments, expected: MerkleRoot) -> Result<(), MerkleError> {
        self.check_kind(self.index == 1, "commitments")?;
        self.check_leaf(&commitments.to_bytes(), expected)
    }

    /// Checks that a transaction, with whatever witnesses, is in the block with this root.
    ///
    /// # Errors
    /// [`MerkleError`], if the proof does not show it.
    pub fn check_transaction(&self, body: &TxBody, expected: MerkleRoot) -> Result<(), MerkleError> {
        self.check_kind(self.index >= 2, "transaction")?;
        self.check_leaf(&codec::encode(body), expected)
    }

    fn check_kind(&self, is_kind: bool, expected: &'static str) -> Result<(), MerkleError> {
        if is_kind { Ok(()) } else { Err(MerkleError::Kind { index: self.index, expected }) }
    }

    fn check_leaf(&self, bytes: &[u8], expected: MerkleRoot) -> Result<(), MerkleError> {
        // Rule: no leaf is made of as many bytes as an inner node (CVE-2017-12842).
        if bytes.len() == NODE_PREIMAGE_BYTES {
            return Err(MerkleError::CouldBeNode);
        }
        let found = MerkleRoot::from_bytes(self.root_of(sha256d(bytes))?);
        if found != expected {
            return Err(MerkleError::Root { found, expected });
        }
        Ok(())
    }

    /// Where the branch leads from this leaf.
    fn root_of(&self, leaf: [u8; 32]) -> Result<[u8; 32], DuplicateNodes> {
        let mut node = leaf;
        for (level, Sibling(sibling)) in self.branch.iter().enumerate() {
            node = if self.index >> level & 1 == 0 {
                parent(&node, sibling)
            } else if *sibling == node {
                // A right node that equals its left sibling is the copy of an odd last node: nothing stands there.
                return Err(DuplicateNodes);
            } else {
                parent(sibling, &node)
            };
        }
        Ok(node)
    }
}

impl<'de> Deserialize<'de> for MerkleProof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "MerkleProof")]
        struct Parts {
            index: u32,
            #[serde(deserialize_with = "codec::bounded::<_, _, { MerkleProof::DEPTH_MAX }>")]
            branch: Vec<Sibling>,
        }
        let Parts { index, branch } = Parts::deserialize(deserializer)?;
        Self::from_parts(index, branch).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{CodecError, decode, encode};
    use crate::hash::Txid;
    use crate::lock::Lock;
    use crate::testing::test;
    use crate::tx::{OutPoint, TxOut};
    use crate::units::{Amount, Height};

    /// A block's merkle root and its txids, as every explorer shows them.
    struct RealBlock {
        root: &'static str,
        txids: &'static [&'static str],
    }

    const BLOCK_0: RealBlock = RealBlock {
        root: "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b",
        txids: &["4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"],
    };
    const BLOCK_170: RealBlock = RealBlock {
        root: "7dac2c5666815c17a3b36427de37bb9d2e2c5ccec3f8633eb91a4205cb4c10ff",
        txids: &[
            "b1fea52486ce0c62bb442b530a3f0132b826c74e473d1f2c220bfa78111c5082",
            "f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16",
        ],
    };
    const BLOCK_100000: RealBlock = RealBlock {
        root: "f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766",
        txids: &[
            "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
            "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
            "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
            "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
        ],
    };
    /// Seven transactions, so that a node of two levels is odd.
    const BLOCK_100014: RealBlock = RealBlock {
        root: "8772d9d0fdf8c1303c7b1167e3c73b095fd970e33c799c6563d98b2e96c5167f",
        txids: &[
            "147caa76786596590baa4e98f5d9f48b86c7765e489f7a6ff3360fe5c674360b",
            "0bcb16af267dee77ed8761662d31ee9d9a1bf1e4d268a9e7127407ebb3f9acfd",
            "48738657818e2628f216375a9d48d681e2b1b1390be1b7a028c7b810eaa3928a",
            "02981fa052f0481dbc5868f4fc2166035a10f27a03cfd2de67326471df5bc041",
            "652b0aa4cf4f17bdb31f7a1d308331bba91f3b3cbf8f39c9cb5e19d4015b9f01",
            "68d0685759c3d4f3f90a4f0e48d1b77641f06bb1f0b83a8841e8d71d5570ed41",
            "0a2a92f0bda4727d0a13eaddf4dd9ac6b5c61a1429e6b2b818f19b15df0ac154",
        ],
    };

    impl RealBlock {
        fn leaves(&self) -> Vec<[u8; 32]> {
            self.txids.iter().map(|txid| bytes(txid)).collect()
        }
    }

    fn bytes(txid: &str) -> [u8; 32] {
        txid.parse::<Txid>().unwrap().to_bytes()
    }

    fn leaves(count: u32) -> Vec<[u8; 32]> {
        (0..count).map(|leaf| sha256d(&leaf.to_le_bytes())).collect()
    }

    #[test]
    fn roots_of_bitcoin_blocks() {
        for block in [BLOCK_0, BLOCK_170, BLOCK_100000, BLOCK_100014] {
            assert_eq!(root(block.leaves()), Ok(bytes(block.root)));
            for (index, leaf) in block.leaves().into_iter().enumerate() {
                let proof = MerkleProof::new(block.leaves(), index.try_into().unwrap()).unwrap();
                assert_eq!(proof.root_of(leaf), Ok(bytes(block.root)));
            }
            let branch = first_leaf_branch(&block.leaves()[1..]).unwrap();
            assert_eq!(root_of_first_leaf(block.leaves()[0], &branch), bytes(block.root));
        }
        assert_eq!(root(Vec::new()), Ok([0; 32]));
    }

    /// From the tests of BTC.com's Stratum server: the branch of a template with two transactions beside the coinbase.
    #[test]
    fn branch_for_miners_is_that_of_a_pool() {
        let first = bytes("605adc0cfd155da6c9902753123160bb7a8934d7105d6d346eb619f39098195f");
        let second = bytes("6aa04f0d94d2a7965c3d036eb03a0e90ef7cc62aa9e4bb80efa72b9796f0d513");
        let pair = bytes("1dca84e954428844fad7daefefe1623727f9ce48ad29d023b54715e97bdd6896");
        assert_eq!(first_leaf_branch(&[]), Ok(Vec::new()));
        assert_eq!(first_leaf_branch(&[first]), Ok([first].to_vec()));
        assert_eq!(first_leaf_branch(&[first, second]), Ok([first, pair].to_vec()));
    }

    #[test]
    fn branches_lead_to_the_root_for_every_count() {
        for count in 1..=33 {
            let expected = root(leaves(count)).unwrap();
            let branch = first_leaf_branch(&leaves(count)[1..]).unwrap();
            assert_eq!(root_of_first_leaf(leaves(count)[0], &branch), expected);
            for index in 0..count {
                let proof = MerkleProof::new(leaves(count), index).unwrap();
                assert_eq!(proof.root_of(leaves(count)[index as usize]), Ok(expected));
                assert_ne!(proof.root_of([1; 32]), Ok(expected));
            }
        }
    }

    /// CVE-2012-2459: the mutated lists have the very root of the honest ones, but for the guard.
    #[test]
    fn equal_siblings_are_refused_at_every_level() {
        let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(|leaf| leaves(6)[leaf]);
        for (honest, mutated) in
            [(&[a, b, c][..], &[a, b, c, c][..]), (&[a, b, c, d, e, f], &[a, b, c, d, e, f, e, f]), (&[a], &[a, a])]
        {
            assert!(root(honest.to_vec()).is_ok());
            assert_eq!(root(mutated.to_vec()), Err(DuplicateNodes));
            assert_eq!(MerkleProof::new(mutated.to_vec(), 0), Err(MerkleError::Duplicate(DuplicateNodes)));
        }
        // Equal leaves that are no siblings make no second list.
        assert!(root([a, b, b, c].to_vec()).is_ok());
        assert_eq!(first_leaf_branch(&[b, c, c]), Err(DuplicateNodes));
    }

    #[test]
    fn the_copy_of_an_odd_node_proves_nothing() {
        let mut proof = MerkleProof::new(leaves(3), 2).unwrap();
        assert_eq!(proof.root_of(leaves(3)[2]), root(leaves(3)));
        proof.index = 3;
        assert_eq!(proof.root_of(leaves(3)[2]), Err(DuplicateNodes));
    }

    fn body(data: usize) -> TxBody {
        TxBody {
            version: TxBody::VERSION,
            inputs: [OutPoint { txid: Txid::from_bytes([7; 32]), index: 0 }].to_vec(),
            outputs: [TxOut { amount: Amount::ZERO, lock: Lock::Data(alloc::vec![1; data].into()) }].to_vec(),
            lock_height: Height(0),
            expiry_height: Height(0),
        }
    }

    fn block_of(body: &TxBody) -> (Coinbase, Commitments, Vec<[u8; 32]>) {
        let coinbase = Coinbase {
            chain_tag: [1; 4],
            height: Height(5),
            parent: crate::hash::BlockHash::ZERO,
            extra: [0; 40].into(),
            outputs: Vec::new(),
        };
        let commitments = Commitments::default();
        let leaves = [sha256d(&coinbase.to_bytes()), commitments.id().to_bytes(), body.txid().to_bytes()].to_vec();
        (coinbase, commitments, leaves)
    }

    #[test]
    fn leaves_are_proven_as_what_they_are() {
        let body = body(10);
        let (coinbase, commitments, leaves) = block_of(&body);
        let expected = MerkleRoot::from_bytes(root(leaves.clone()).unwrap());
        let [first, second, third] = [0, 1, 2].map(|index| MerkleProof::new(leaves.clone(), index).unwrap());
        assert_eq!(first.check_coinbase(&coinbase, expected), Ok(()));
        assert_eq!(second.check_commitments(&commitments, expected), Ok(()));
        assert_eq!(third.check_transaction(&body, expected), Ok(()));

        let kind = |index, expected| Err(MerkleError::Kind { index, expected });
        assert_eq!(second.check_coinbase(&coinbase, expected), kind(1, "coinbase"));
        assert_eq!(first.check_commitments(&commitments, expected), kind(0, "commitments"));
        assert_eq!(second.check_transaction(&body, expected), kind(1, "transaction"));
        let other = MerkleRoot::ZERO;
        let refused = MerkleError::Root { found: expected, expected: other };
        assert_eq!(third.check_transaction(&body, other), Err(refused));
    }

    /// CVE-2017-12842: a body of 64 bytes is refused even with a true branch; one byte fewer or more is not.
    #[test]
    fn leaf_of_64_bytes_is_refused() {
        let length = |data| encode(&body(data)).len();
        let data = NODE_PREIMAGE_BYTES - length(0);
        assert_eq!(length(data), NODE_PREIMAGE_BYTES);
        for (data, is_accepted) in [(data - 1, true), (data, false), (data + 1, true)] {
            let body = body(data);
            let (_, _, leaves) = block_of(&body);
            let expected = MerkleRoot::from_bytes(root(leaves.clone()).unwrap());
            let proof = MerkleProof::new(leaves, 2).unwrap();
            let verdict = if is_accepted { Ok(()) } else { Err(MerkleError::CouldBeNode) };
            assert_eq!(proof.check_transaction(&body, expected), verdict);
        }
    }

    #[test]
    fn places_and_depths_are_bounded() {
        assert_eq!(MerkleProof::new(leaves(3), 3), Err(MerkleError::NoSuchLeaf { index: 3, leaves: 3 }));
        assert_eq!(MerkleProof::new(Vec::new(), 0), Err(MerkleError::NoSuchLeaf { index: 0, leaves: 0 }));
        let siblings = |depth| alloc::vec![Sibling([5; 32]); depth];
        assert!(MerkleProof::from_parts((1 << 24) - 1, siblings(24)).is_ok());
        assert_eq!(MerkleProof::from_parts(0, siblings(25)), Err(MerkleError::TooDeep { found: 25 }));
        assert!(MerkleProof::from_parts(3, siblings(2)).is_ok());
        assert_eq!(MerkleProof::from_parts(4, siblings(2)), Err(MerkleError::Index { index: 4, depth: 2 }));
        assert_eq!(MerkleProof::from_parts(1, siblings(0)), Err(MerkleError::Index { index: 1, depth: 0 }));
    }

    #[test]
    fn encoding_is_canonical_and_checked() {
        let proof = MerkleProof::from_parts(2, [Sibling([3; 32]), Sibling([4; 32])].to_vec()).unwrap();
        let bytes = [&[2, 2][..], &[3; 32], &[4; 32]].concat();
        assert_eq!(encode(&proof), bytes);
        assert_eq!(decode(&bytes, 66), Ok(proof));
        let malformed = |found| Err(CodecError::Malformed { what: "MerkleProof", found });
        let outside = [&[4, 2][..], &[3; 32], &[4; 32]].concat();
        assert_eq!(decode::<MerkleProof>(&outside, 66), malformed(66));
        let deep = [&[0, 25][..], &[0; 25 * 32]].concat();
        assert_eq!(decode::<MerkleProof>(&deep, 802), malformed(802));
        let overlong = [&[0x82, 0, 2][..], &[3; 32], &[4; 32]].concat();
        assert_eq!(decode::<MerkleProof>(&overlong, 67), Err(CodecError::NotCanonical { what: "MerkleProof" }));
    }
}
