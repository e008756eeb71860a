//! Proofs of what a block commits to: what a node makes, and whoever has the block's header checks.
//!
//! A block's commitments are leaf 1 of its merkle tree, so a header and one branch prove them, and with them the hash of the block's
//! compact filter. The bytes are the commitments' 128 ‖ the encoded merkle proof.
//!
//! A proof that holds shows no more than what the block with this header commits to: that the header is in the chain is for the
//! reader to know.

use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::merkle::{MerkleError, MerkleProof};
use crate::block::Commitments;
use crate::codec::{self, CodecError};
use crate::hash::{MerkleRoot, Txid};

/// A block's commitments, and the branch from them to the header's merkle root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitmentsProof {
    #[serde(serialize_with = "write_commitments", deserialize_with = "read_commitments")]
    commitments: Commitments,
    proof: MerkleProof,
}

/// Why bytes are no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitmentsProofError {
    /// Too few bytes.
    #[error("a proof of {found} bytes: expected at least {}", Commitments::BYTES)]
    TooShort {
        /// Bytes found.
        found: usize,
    },
    /// No merkle proof behind the commitments.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl CommitmentsProof {
    /// The longest encoding, in bytes: the commitments, the leaf's place, the number of siblings and the siblings.
    pub const BYTES_MAX: usize = Commitments::BYTES + 2 + 32 * MerkleProof::DEPTH_MAX;

    /// Proves the commitments of the block with these leaves.
    ///
    /// # Errors
    /// [`MerkleError`], if these are no block's leaves.
    pub fn new(commitments: Commitments, leaves: &[Txid]) -> Result<Self, MerkleError> {
        let leaves = leaves.iter().map(|leaf| leaf.to_bytes()).collect();
        Ok(Self { commitments, proof: MerkleProof::new(leaves, 1)? })
    }

    /// The commitments, once they are seen to be those of the block with this merkle root.
    ///
    /// # Errors
    /// [`MerkleError`], if they are not.
    pub fn check(&self, root: MerkleRoot) -> Result<&Commitments, MerkleError> {
        self.proof.check_commitments(&self.commitments, root)?;
        Ok(&self.commitments)
    }

    /// The commitments and their siblings from the coinbase's id upwards, of which nothing is proven yet.
    pub(super) fn parts(&self) -> (&Commitments, impl ExactSizeIterator<Item = &[u8; 32]>) {
        (&self.commitments, self.proof.branch())
    }

    /// The encoded proof.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.commitments.to_bytes()[..], &codec::encode(&self.proof)].concat()
    }

    /// Reads what [`CommitmentsProof::to_bytes`] wrote, from anybody. Proves nothing yet.
    ///
    /// # Errors
    /// [`CommitmentsProofError`], for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CommitmentsProofError> {
        let short = CommitmentsProofError::TooShort { found: bytes.len() };
        let (commitments, proof) = bytes.split_first_chunk().ok_or(short)?;
        let proof = codec::decode(proof, Self::BYTES_MAX)?;
        Ok(Self { commitments: Commitments::from_bytes(commitments), proof })
    }
}

fn write_commitments<S: Serializer>(commitments: &Commitments, serializer: S) -> Result<S::Ok, S::Error> {
    codec::array::serialize(&commitments.to_bytes(), serializer)
}

fn read_commitments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Commitments, D::Error> {
    codec::array::deserialize(deserializer).map(|bytes| Commitments::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ChainSpec;
    use crate::testing::test;
    use alloc::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_is_written_again(bytes in prop::collection::vec(any::<u8>(), 0..300), depth in 0_usize..30) {
            // Random siblings behind a plausible beginning, so that some of them are proofs.
            let mut plausible = vec![7; Commitments::BYTES];
            plausible.extend([1, u8::try_from(depth).unwrap()]);
            plausible.extend(bytes.iter().copied().cycle().take(if bytes.is_empty() { 0 } else { 32 * depth }));
            for bytes in [bytes, plausible] {
                if let Ok(proof) = CommitmentsProof::from_bytes(&bytes) {
                    prop_assert!(bytes.len() <= CommitmentsProof::BYTES_MAX);
                    prop_assert_eq!(proof.to_bytes(), bytes);
                    prop_assert!(proof.check(MerkleRoot::ZERO).is_err());
                }
            }
        }
    }

    #[test]
    fn only_the_blocks_own_commitments_will_do() {
        let genesis_spec = ChainSpec::dev();
        let genesis = genesis_spec.genesis();
        let proof = CommitmentsProof::new(genesis.commitments, &genesis.leaves()).unwrap();
        let bytes = proof.to_bytes();
        assert_eq!(codec::encode(&proof), bytes, "the same within a message");
        assert!(bytes.len() <= CommitmentsProof::BYTES_MAX);
        let read = CommitmentsProof::from_bytes(&bytes).unwrap();
        assert_eq!(read.check(genesis.header.merkle_root), Ok(&genesis.commitments));
        assert!(read.check(MerkleRoot::ZERO).is_err());
        // Every byte counts: of the commitments, of the place and of the branch.
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 1;
            let holds =
                CommitmentsProof::from_bytes(&other).is_ok_and(|proof| proof.check(genesis.header.merkle_root).is_ok());
            assert!(!holds, "{place}");
            assert!(CommitmentsProof::from_bytes(&bytes[..place]).is_err(), "{place}");
        }
        assert!(CommitmentsProof::from_bytes(&[bytes, vec![0]].concat()).is_err());
    }

    #[test]
    fn another_leaf_is_not_taken_for_the_commitments() {
        let genesis_spec = ChainSpec::dev();
        let genesis = genesis_spec.genesis();
        let leaves = genesis.leaves().iter().map(|leaf| leaf.to_bytes()).collect();
        let proof = CommitmentsProof { commitments: genesis.commitments, proof: MerkleProof::new(leaves, 0).unwrap() };
        assert!(proof.check(genesis.header.merkle_root).is_err());
    }
}
