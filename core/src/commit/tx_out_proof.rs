//! Proofs that transactions are in a block: what the node makes, and whoever has the block's header checks.
//!
//! A proof is encoded as header ‖ list of leaves, each the leaf itself (a coinbase, or a transaction without its witnesses) with its
//! merkle proof. A leaf is shown whole and not by its id alone, so that nobody passes off an inner node of the tree as a transaction.
//!
//! A proof that holds shows no more than that a block with this header holds the transactions: that the header is in the chain is for
//! the reader to know.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::merkle::{MerkleError, MerkleProof};
use crate::block::{Block, Coinbase, CoinbaseError};
use crate::codec::{self, CodecError};
use crate::hash::Txid;
use crate::header::Header;
use crate::tx::TxBody;

/// A proof that transactions are in a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxOutProof {
    header: Header,
    #[serde(deserialize_with = "codec::bounded::<_, _, { TxOutProof::LEAVES_MAX }>")]
    leaves: Vec<Leaf>,
}

/// Something that is proven to be in the block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Leaf {
    Coinbase {
        #[serde(
            serialize_with = "codec::bytes::serialize",
            deserialize_with = "codec::bytes::deserialize::<_, COINBASE_BYTES_MAX>"
        )]
        bytes: Box<[u8]>,
        proof: MerkleProof,
    },
    Transaction {
        body: TxBody,
        proof: MerkleProof,
    },
}

/// No chain allows a larger block, so no coinbase is longer.
const COINBASE_BYTES_MAX: usize = 64 << 20;

/// Why nothing is proven.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxOutProofError {
    /// Not in this block.
    #[error("transaction {0} is not in the block")]
    Missing(Txid),
    /// Bytes that are no proof.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A coinbase that is none.
    #[error(transparent)]
    Coinbase(#[from] CoinbaseError),
    /// A branch that does not lead to the header's root.
    #[error(transparent)]
    Merkle(#[from] MerkleError),
}

impl TxOutProof {
    /// The most transactions of one proof.
    pub const LEAVES_MAX: usize = 100;

    /// Proves that these transactions, or the coinbase, are in a block.
    ///
    /// # Errors
    /// [`TxOutProofError::Missing`], if one is not.
    pub fn new(block: &Block, txids: &[Txid]) -> Result<Self, TxOutProofError> {
        let leaves = block.leaves();
        let nodes: Vec<_> = leaves.iter().map(|leaf| leaf.to_bytes()).collect();
        let prove = |txid: &Txid| {
            // Leaf 1 is the commitments, which are no transaction.
            let place = leaves.iter().position(|leaf| leaf == txid).filter(|place| *place != 1);
            let place = place.ok_or(TxOutProofError::Missing(*txid))?;
            let index = u32::try_from(place).map_err(|_| TxOutProofError::Missing(*txid))?;
            let proof = MerkleProof::new(nodes.clone(), index)?;
            Ok(match place.checked_sub(2).and_then(|place| block.transactions.get(place)) {
                Some(transaction) => Leaf::Transaction { body: transaction.body.clone(), proof },
                None => Leaf::Coinbase { bytes: block.coinbase.to_bytes().into(), proof },
            })
        };
        Ok(Self { header: block.header, leaves: txids.iter().map(prove).collect::<Result<_, TxOutProofError>>()? })
    }

    /// The header of the block.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The transactions that are proven to be in the block.
    ///
    /// # Errors
    /// [`TxOutProofError`], if one is not.
    pub fn proven(&self) -> Result<Vec<Txid>, TxOutProofError> {
        self.leaves.iter().map(|leaf| leaf.proven(&self.header)).collect()
    }

    /// The encoded proof.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads what [`TxOutProof::to_bytes`] wrote, from anybody. Proves nothing yet.
    ///
    /// # Errors
    /// [`TxOutProofError::Codec`], for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TxOutProofError> {
        Ok(codec::decode(bytes, bytes.len())?)
    }
}

impl Leaf {
    fn proven(&self, header: &Header) -> Result<Txid, TxOutProofError> {
        match self {
            Self::Coinbase { bytes, proof } => {
                let coinbase = Coinbase::from_bytes(bytes)?;
                proof.check_coinbase(&coinbase, header.merkle_root)?;
                Ok(coinbase.id())
            }
            Self::Transaction { body, proof } => {
                proof.check_transaction(body, header.merkle_root)?;
                Ok(body.txid())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ChainSpec;
    use crate::testing::test;
    use alloc::vec;

    #[test]
    fn a_proof_survives_its_encoding_and_no_change() {
        let spec = ChainSpec::dev();
        let genesis = spec.genesis();
        let coinbase = genesis.coinbase.id();
        let proof = TxOutProof::new(genesis, &[coinbase]).unwrap();
        let bytes = proof.to_bytes();
        assert_eq!(TxOutProof::from_bytes(&bytes).unwrap().proven(), Ok(vec![coinbase]));
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let proven = TxOutProof::from_bytes(&changed).ok().filter(|proof| *proof.header() == genesis.header);
            assert!(proven.is_none_or(|proof| proof.proven().is_err()), "byte {place} changed");
        }
    }

    #[test]
    fn the_commitments_and_unknown_transactions_cannot_be_proven() {
        let spec = ChainSpec::dev();
        for txid in [spec.genesis().commitments.id(), Txid::ZERO] {
            assert_eq!(TxOutProof::new(spec.genesis(), &[txid]), Err(TxOutProofError::Missing(txid)));
        }
    }
}
