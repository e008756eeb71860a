//! What a block commits to beside its transactions.

use crate::hash::{FilterHash, HistoryRoot, Txid, UtxoRoot, WitnessRoot, sha256d};

/// The second leaf of every block's merkle tree: 128 bytes that a light client reads with one branch. Roots are of the state
/// before the block, so that nothing in them depends on the block itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Commitments {
    /// The merkle root over the wtxids of the block's transactions; zero where there are none.
    pub witness_root: WitnessRoot,
    /// The hash of the block's compact filter.
    pub filter_hash: FilterHash,
    /// The root of the history over all blocks up to the parent.
    pub history_root: HistoryRoot,
    /// The UTXO accumulator after the parent; zero until a chain activates it.
    pub utxo_root: UtxoRoot,
}

impl Commitments {
    /// The length in bytes.
    pub const BYTES: usize = 128;

    /// The four roots, one after the other.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let roots = [
            self.witness_root.as_bytes(),
            self.filter_hash.as_bytes(),
            self.history_root.as_bytes(),
            self.utxo_root.as_bytes(),
        ];
        for (place, root) in bytes.chunks_exact_mut(32).zip(roots) {
            place.copy_from_slice(root);
        }
        bytes
    }

    /// The commitments of 128 bytes. Every 128 bytes are commitments.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let root = |index: usize| {
            let mut root = [0; 32];
            root.copy_from_slice(&bytes[32 * index..][..32]);
            root
        };
        Self {
            witness_root: WitnessRoot::from_bytes(root(0)),
            filter_hash: FilterHash::from_bytes(root(1)),
            history_root: HistoryRoot::from_bytes(root(2)),
            utxo_root: UtxoRoot::from_bytes(root(3)),
        }
    }

    /// The id as a leaf of the merkle tree: sha256d of the 128 bytes.
    #[must_use]
    pub fn id(&self) -> Txid {
        Txid::from_bytes(sha256d(&self.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn bytes_round_trip_in_order() {
        let bytes = core::array::from_fn(|index| u8::try_from(index / 32 + 1).unwrap());
        let commitments = Commitments::from_bytes(&bytes);
        assert_eq!(commitments.witness_root, WitnessRoot::from_bytes([1; 32]));
        assert_eq!(commitments.utxo_root, UtxoRoot::from_bytes([4; 32]));
        assert_eq!(commitments.to_bytes(), bytes);
        assert_eq!(commitments.id().to_bytes(), sha256d(&bytes));
    }
}
