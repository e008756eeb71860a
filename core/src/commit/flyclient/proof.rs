//! The proof as it is sent.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::block::Commitments;
use crate::codec::{self, CodecError};
use crate::commit::CommitmentsProof;
use crate::commit::merkle::{self, MerkleProof};
use crate::commit::mmr::Subtree;
use crate::hash::{FilterHash, HistoryRoot, MerkleRoot, UtxoRoot, WitnessRoot};
use crate::header::Header;
use crate::units::Height;

/// How many headers at the end of the chain always come whole.
pub const TAIL_HEADERS: u32 = 100;

/// The most bytes of an encoded proof. A receipt for ten million blocks of 4,000 transactions each has about 1.5 MB.
pub const PROOF_BYTES_MAX: usize = 4 << 20;

/// The most samples: no ratio of 256-bit works demands more at the security of a receipt.
const SAMPLES_MAX: usize = 20_000;

/// The most subtrees that fit a proof, at 36 bytes or more.
const SUBTREES_MAX: usize = PROOF_BYTES_MAX / 36;

/// Proves how much work lies in a chain, to whoever knows its genesis block and rules.
///
/// Blocks follow each other as in the chain: the genesis block, which the verifier knows; samples, each after the subtrees of
/// the blocks that it skips; the tail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampledProof {
    /// The height of the tip.
    pub(super) height: Height,
    #[serde(deserialize_with = "codec::bounded::<_, _, SAMPLES_MAX>")]
    pub(super) samples: Vec<Sample>,
    /// All that is skipped, in order.
    #[serde(deserialize_with = "codec::bounded::<_, _, SUBTREES_MAX>")]
    pub(super) subtrees: Vec<Subtree>,
    /// The last headers, the tip last.
    #[serde(deserialize_with = "codec::bounded::<_, _, { TAIL_HEADERS as usize }>")]
    pub(super) tail: Vec<Header>,
    /// What the tip commits to.
    pub(super) tip: Opening,
}

/// A block in the midst of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sample {
    /// Blocks between the last one that was shown and this one.
    pub(super) skipped: u32,
    pub(super) header: Header,
    pub(super) opening: Opening,
}

/// A block's commitments and their branch to the header's merkle root. The history root is left out: the verifier has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    witness_root: WitnessRoot,
    filter_hash: FilterHash,
    utxo_root: UtxoRoot,
    #[serde(deserialize_with = "codec::bounded::<_, _, { MerkleProof::DEPTH_MAX }>")]
    branch: Vec<[u8; 32]>,
}

impl SampledProof {
    /// Decodes a proof.
    ///
    /// # Errors
    /// [`CodecError`], above [`PROOF_BYTES_MAX`] too.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, PROOF_BYTES_MAX)
    }

    /// The number of blocks that are shown before the tail.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// The number of subtrees that stand for the blocks that are not shown.
    #[must_use]
    pub fn subtrees(&self) -> usize {
        self.subtrees.len()
    }
}

impl Opening {
    /// The opening of these commitments, which are leaf 1 of a merkle tree, with their siblings from the coinbase's id upwards.
    #[must_use]
    pub fn new(commitments: &Commitments, branch: Vec<[u8; 32]>) -> Self {
        let Commitments { witness_root, filter_hash, utxo_root, .. } = *commitments;
        Self { witness_root, filter_hash, utxo_root, branch }
    }

    /// The opening that a node has kept as a proof of the commitments.
    #[must_use]
    pub fn of_proof(proof: &CommitmentsProof) -> Self {
        let (commitments, branch) = proof.parts();
        Self::new(commitments, branch.copied().collect())
    }

    /// The merkle root of a block that makes these commitments after the given history; `None` without any sibling.
    pub(super) fn merkle_root(&self, history_root: HistoryRoot) -> Option<MerkleRoot> {
        let Self { witness_root, filter_hash, utxo_root, ref branch } = *self;
        let leaf = Commitments { witness_root, filter_hash, history_root, utxo_root }.id();
        // Leaf 1 is the right one of the first pair; from there on it is always on the left.
        let (coinbase, others) = branch.split_first()?;
        let pair = merkle::parent(coinbase, leaf.as_bytes());
        Some(MerkleRoot::from_bytes(merkle::root_of_first_leaf(pair, others)))
    }
}

/// The height of the first header of the tail: the last [`TAIL_HEADERS`], or all but the genesis block's.
pub(super) const fn tail_start(tip: Height) -> u32 {
    let start = tip.0.saturating_sub(TAIL_HEADERS - 1);
    if start == 0 { 1 } else { start }
}
