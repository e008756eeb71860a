//! Compact blocks: a block for those who hold most of its transactions already, in the spirit of BIP 152.
//!
//! Bytes: header ‖ coinbase ‖ commitments ‖ encoded `{ salt u64, short ids, prefilled }`. A transaction's short id is the lower 48 bits of
//! SipHash-2-4 of its wtxid, under a key that the header and the sender's salt make, so that nobody can prepare transactions whose
//! short ids collide at every node. A block of 560 payments takes some 3.6 kB in place of 4 MiB.
//!
//! [`Reconstruction`](super::Reconstruction) makes the block of it.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher24;

use crate::block::{Block, Coinbase, CoinbaseError, Commitments};
use crate::codec::{self, CodecError};
use crate::hash::{BlockHash, Wtxid};
use crate::header::Header;
use crate::spec::Consensus;
use crate::tx::Transaction;
use crate::verify::{CheckedBlock, CheckedTx};

/// The length of a short id.
pub const SHORT_ID_BYTES: usize = 6;

/// The most transactions of a block: the largest block that any chain allows over the smallest transaction that can be encoded.
const TRANSACTIONS_MAX: usize = Consensus::BLOCK_BYTES_MAX as usize / Block::TRANSACTION_BYTES_MIN;

/// What stands for a transaction in one compact block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ShortId(#[serde(with = "codec::array")] pub [u8; SHORT_ID_BYTES]);

/// A transaction that the sender believes others do not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefilled {
    /// Its place among the block's transactions.
    pub index: u32,
    /// The transaction.
    pub transaction: Transaction,
}

/// A block that names its transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactBlock {
    /// The header.
    pub header: Header,
    /// The coinbase, which nobody else can have.
    pub coinbase: Coinbase,
    /// The commitments.
    pub commitments: Commitments,
    pub(super) names: Names,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Names {
    pub(super) salt: u64,
    /// Those of all transactions that are not prefilled, in their order.
    #[serde(deserialize_with = "codec::bounded::<_, _, TRANSACTIONS_MAX>")]
    pub(super) short_ids: Vec<ShortId>,
    /// In rising order.
    #[serde(deserialize_with = "codec::bounded::<_, _, TRANSACTIONS_MAX>")]
    pub(super) prefilled: Vec<Prefilled>,
}

/// Why bytes are no compact block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompactBlockBytesError {
    /// More bytes than a compact block may have.
    #[error("compact block of {found} bytes exceeds the limit of {limit}")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The bytes end before the names of the transactions do.
    #[error("compact block of {found} bytes ends early")]
    Truncated {
        /// Bytes found.
        found: usize,
    },
    /// The coinbase.
    #[error(transparent)]
    Coinbase(#[from] CoinbaseError),
    /// The names of the transactions.
    #[error(transparent)]
    Names(#[from] CodecError),
    /// A prefilled transaction that stands out of order, or beyond the end of the block.
    #[error("prefilled transaction at place {found}: expected one of {least} to {most}")]
    Place {
        /// Place found.
        found: u32,
        /// The least that would be in order.
        least: u32,
        /// The last place of the block.
        most: u32,
    },
}

impl CompactBlock {
    /// Names the transactions of a block; those that others are believed not to have come along.
    #[must_use]
    pub fn new(block: &CheckedBlock, salt: u64, mut is_unknown: impl FnMut(&CheckedTx) -> bool) -> Self {
        let namer = Namer::new(block.header(), salt);
        let mut names = Names { salt, short_ids: Vec::new(), prefilled: Vec::new() };
        for (index, tx) in (0..).zip(block.transactions()) {
            if is_unknown(tx) {
                names.prefilled.push(Prefilled { index, transaction: tx.transaction().clone() });
            } else {
                names.short_ids.push(namer.name(&tx.wtxid()));
            }
        }
        let (header, commitments) = (*block.header(), *block.commitments());
        Self { header, coinbase: block.coinbase().clone(), commitments, names }
    }

    /// The block's id.
    #[must_use]
    pub fn id(&self) -> BlockHash {
        self.header.id()
    }

    /// How many transactions the block has beside the coinbase.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.names.short_ids.len() + self.names.prefilled.len()
    }

    /// The transactions that came along.
    #[must_use]
    pub fn prefilled(&self) -> &[Prefilled] {
        &self.names.prefilled
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.header.to_bytes().to_vec();
        bytes.extend(self.coinbase.to_bytes());
        bytes.extend(self.commitments.to_bytes());
        bytes.extend(codec::encode(&self.names));
        bytes
    }

    /// The compact block of exactly these bytes.
    ///
    /// # Errors
    /// [`CompactBlockBytesError`], if there are more than `limit` bytes or they are not the one encoding of a compact block.
    pub fn from_bytes(bytes: &[u8], limit: usize) -> Result<Self, CompactBlockBytesError> {
        let found = bytes.len();
        if found > limit {
            return Err(CompactBlockBytesError::TooLong { found, limit });
        }
        let truncated = CompactBlockBytesError::Truncated { found };
        let (header, rest) = bytes.split_first_chunk().ok_or(truncated.clone())?;
        let (coinbase, rest) = Coinbase::from_prefix(rest)?;
        let (commitments, rest) = rest.split_first_chunk().ok_or(truncated)?;
        let names: Names = codec::decode(rest, limit)?;
        names.check_places()?;
        Ok(Self {
            header: Header::from_bytes(header),
            coinbase,
            commitments: Commitments::from_bytes(commitments),
            names,
        })
    }
}

impl Names {
    fn check_places(&self) -> Result<(), CompactBlockBytesError> {
        let count = self.short_ids.len() + self.prefilled.len();
        let most = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX);
        let mut least = 0;
        for Prefilled { index: found, .. } in &self.prefilled {
            if !(least..=most).contains(found) {
                return Err(CompactBlockBytesError::Place { found: *found, least, most });
            }
            least = found + 1;
        }
        Ok(())
    }
}

/// Gives transactions their short ids in one block from one sender.
pub(super) struct Namer(SipHasher24);

impl Namer {
    /// The key is the first half of SHA-256(header ‖ salt), as in BIP 152.
    pub(super) fn new(header: &Header, salt: u64) -> Self {
        let hash: [u8; 32] =
            Sha256::new().chain_update(header.to_bytes()).chain_update(salt.to_le_bytes()).finalize().into();
        let (key, _) = hash.split_first_chunk().expect("32 bytes have a first 16");
        Self(SipHasher24::new_with_key(key))
    }

    pub(super) fn name(&self, wtxid: &Wtxid) -> ShortId {
        let hash = self.0.hash(wtxid.as_bytes()).to_le_bytes();
        let (short, _) = hash.split_first_chunk().expect("8 bytes have a first 6");
        ShortId(*short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn the_key_is_that_of_bip_152() {
        // SipHash-2-4 of a wtxid under the first half of SHA-256(header || salt), by Python's hashlib and a SipHash of its own.
        let header = Header::from_bytes(&[7; Header::BYTES]);
        let id = Namer::new(&header, 0x0102_0304_0506_0708).name(&Wtxid::from_bytes([9; 32]));
        assert_eq!(hex::encode(id.0), "8574423284f1");
    }
}
