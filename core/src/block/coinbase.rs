//! The transaction that pays the miner.
//!
//! Its bytes are laid out for miners that know nothing of this chain: version u8 ‖ chain tag \[4\] ‖ height u32 ‖ parent \[32\] ‖
//! length u8 ≤ 100 ‖ that many free bytes ‖ encoded outputs. So byte 41 is the length of the free bytes, where miners of the
//! `coinbase/append` kind insert, and Stratum's extranonce has a slot of fixed place and length. What is hashed, sent and
//! stored is the same bytes; a coinbase has no witness. Height and parent make every id unique.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::NODE_PREIMAGE_BYTES;
use crate::codec::{self, CodecError};
use crate::hash::{BlockHash, ChainId, Txid, sha256d};
use crate::tx::TxOut;
use crate::units::Height;

/// The first transaction of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coinbase {
    /// The first four bytes of the chain's id, so that work for one chain is none for another; zero in a genesis block.
    pub chain_tag: [u8; 4],
    /// The block's height.
    pub height: Height,
    /// The id of the block's parent.
    pub parent: BlockHash,
    /// Bytes that the miner is free to choose; at most [`Coinbase::EXTRA_BYTES_MAX`].
    pub extra: Box<[u8]>,
    /// Who gets the subsidy and the fees.
    pub outputs: Vec<TxOut>,
}

/// Why bytes are no coinbase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoinbaseError {
    /// The bytes end before the free bytes do.
    #[error("coinbase ends early, in {found} bytes")]
    Truncated {
        /// Bytes found.
        found: usize,
    },
    /// An unknown version.
    #[error("coinbase of version {found}: expected {}", Coinbase::VERSION)]
    Version {
        /// Version found.
        found: u8,
    },
    /// Too many free bytes.
    #[error("coinbase with {found} free bytes: at most {} are allowed", Coinbase::EXTRA_BYTES_MAX)]
    ExtraTooLong {
        /// Bytes found.
        found: usize,
    },
    /// The outputs.
    #[error("outputs of the coinbase: {0}")]
    Outputs(CodecError),
    /// So short that a miner's software refuses it.
    #[error("coinbase of {found} bytes: at least {} are needed", Coinbase::BYTES_MIN)]
    TooShort {
        /// Bytes found.
        found: usize,
    },
    /// It could pass for an inner node of a merkle tree.
    #[error("coinbase of exactly {NODE_PREIMAGE_BYTES} bytes")]
    MerkleNodeSize,
}

impl Coinbase {
    /// The only version so far.
    pub const VERSION: u8 = 1;
    /// The most free bytes.
    pub const EXTRA_BYTES_MAX: usize = 100;
    /// Mining software takes a shorter coinbase for a broken one.
    pub const BYTES_MIN: usize = 60;
    /// Where the length of the free bytes stands.
    pub const EXTRA_LENGTH_AT: usize = 41;

    /// The tag of a chain, as its coinbases carry it.
    #[must_use]
    pub fn chain_tag(chain: &ChainId) -> [u8; 4] {
        let [a, b, c, d, ..] = chain.to_bytes();
        [a, b, c, d]
    }

    /// The coinbase's bytes.
    ///
    /// # Panics
    /// If there are more free bytes than a byte can count; [`Coinbase::check_length`] refuses them before.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = alloc::vec![Self::VERSION];
        bytes.extend(self.chain_tag);
        bytes.extend(self.height.0.to_le_bytes());
        bytes.extend(self.parent.as_bytes());
        bytes.push(u8::try_from(self.extra.len()).expect("free bytes are at most 100, as checked"));
        bytes.extend(&self.extra);
        bytes.extend(codec::encode(&self.outputs));
        bytes
    }

    /// The coinbase of exactly these bytes.
    ///
    /// # Errors
    /// [`CoinbaseError`], if they are anything but the encoding of one coinbase.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CoinbaseError> {
        match Self::from_prefix(bytes)? {
            (coinbase, []) => Ok(coinbase),
            (_, rest) => Err(CoinbaseError::Outputs(CodecError::Trailing { what: "coinbase", trailing: rest.len() })),
        }
    }

    /// The coinbase at the front of the bytes, and what follows it.
    ///
    /// # Errors
    /// [`CoinbaseError`], if they do not begin with the encoding of a coinbase.
    pub fn from_prefix(bytes: &[u8]) -> Result<(Self, &[u8]), CoinbaseError> {
        let truncated = CoinbaseError::Truncated { found: bytes.len() };
        let (fixed, rest) = bytes.split_first_chunk::<{ Self::EXTRA_LENGTH_AT + 1 }>().ok_or(truncated.clone())?;
        let (version, extra_length) = (fixed[0], usize::from(fixed[Self::EXTRA_LENGTH_AT]));
        if version != Self::VERSION {
            return Err(CoinbaseError::Version { found: version });
        }
        check_extra_length(extra_length)?;
        let (extra, rest) = rest.split_at_checked(extra_length).ok_or(truncated)?;
        let (Outputs(outputs), rest) = codec::decode_prefix(rest).map_err(CoinbaseError::Outputs)?;
        check_length(bytes.len() - rest.len())?;
        let mut height = [0; 4];
        height.copy_from_slice(&fixed[5..9]);
        let mut parent = [0; 32];
        parent.copy_from_slice(&fixed[9..41]);
        let coinbase = Self {
            chain_tag: [fixed[1], fixed[2], fixed[3], fixed[4]],
            height: Height(u32::from_le_bytes(height)),
            parent: BlockHash::from_bytes(parent),
            extra: extra.into(),
            outputs,
        };
        Ok((coinbase, rest))
    }

    /// Checks the lengths of the free bytes and of all: what [`Coinbase::from_bytes`] has checked, for one that was put together
    /// here.
    ///
    /// # Errors
    /// [`CoinbaseError::ExtraTooLong`], [`CoinbaseError::TooShort`], [`CoinbaseError::MerkleNodeSize`].
    pub fn check_length(&self) -> Result<(), CoinbaseError> {
        check_extra_length(self.extra.len())?;
        check_length(Self::EXTRA_LENGTH_AT + 1 + self.extra.len() + codec::encoded_len(&self.outputs))
    }

    /// The id: sha256d of the bytes. Its outputs are spent under this id.
    #[must_use]
    pub fn id(&self) -> Txid {
        Txid::from_bytes(sha256d(&self.to_bytes()))
    }
}

fn check_extra_length(found: usize) -> Result<(), CoinbaseError> {
    // Rule: a coinbase has at most 100 free bytes.
    if found > Coinbase::EXTRA_BYTES_MAX {
        return Err(CoinbaseError::ExtraTooLong { found });
    }
    Ok(())
}

fn check_length(found: usize) -> Result<(), CoinbaseError> {
    // Rule: a coinbase has at least 60 bytes.
    if found < Coinbase::BYTES_MIN {
        return Err(CoinbaseError::TooShort { found });
    }
    // Rule: no leaf of the merkle tree has a preimage of 64 bytes (CVE-2017-12842).
    if found == NODE_PREIMAGE_BYTES {
        return Err(CoinbaseError::MerkleNodeSize);
    }
    Ok(())
}

/// A bounded list of outputs.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
struct Outputs(#[serde(deserialize_with = "codec::bounded::<_, _, { crate::tx::TxBody::OUTPUTS_MAX }>")] Vec<TxOut>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::{Address, Lock};
    use crate::testing::test;
    use crate::units::Amount;

    fn sample() -> Coinbase {
        let lock = Lock::Address(Address::from_bytes([9; 32]));
        Coinbase {
            chain_tag: [1, 2, 3, 4],
            height: Height(0x0102_0304),
            parent: BlockHash::from_bytes([7; 32]),
            extra: (*b"miner").into(),
            outputs: alloc::vec![TxOut { amount: Amount::from_coins(50), lock }],
        }
    }

    #[test]
    fn layout_is_the_documented_one() {
        let expected = [
            "01",
            "01020304",
            "04030201",
            &"07".repeat(32),
            "05",
            "6d696e6572",
            "01",
            "80e497d012",
            "00",
            &"09".repeat(32),
        ]
        .concat();
        assert_eq!(hex::encode(sample().to_bytes()), expected);
        assert_eq!(Coinbase::from_bytes(&sample().to_bytes()), Ok(sample()));
    }

    #[test]
    fn each_malformed_coinbase_has_its_error() {
        let good = sample().to_bytes();
        assert_eq!(Coinbase::from_bytes(&good[..41]), Err(CoinbaseError::Truncated { found: 41 }));
        assert_eq!(Coinbase::from_bytes(&good[..46]), Err(CoinbaseError::Truncated { found: 46 }));
        assert!(matches!(Coinbase::from_bytes(&good[..50]), Err(CoinbaseError::Outputs(_))));
        let trailing = [&good[..], &[0]].concat();
        assert!(matches!(Coinbase::from_bytes(&trailing), Err(CoinbaseError::Outputs(CodecError::Trailing { .. }))));
        let mut version = good.clone();
        version[0] = 2;
        assert_eq!(Coinbase::from_bytes(&version), Err(CoinbaseError::Version { found: 2 }));
        let mut extra = good;
        extra[41] = 101;
        assert_eq!(Coinbase::from_bytes(&extra), Err(CoinbaseError::ExtraTooLong { found: 101 }));
    }

    #[test]
    fn free_bytes_and_length_at_their_edges() {
        let most = Coinbase { extra: [0; 100].into(), ..sample() };
        assert_eq!(Coinbase::from_bytes(&most.to_bytes()), Ok(most));
        // 42 bytes and the empty list's one: 17 free bytes make 60.
        let shortest = Coinbase { extra: [0; 17].into(), outputs: Vec::new(), ..sample() };
        assert_eq!(Coinbase::from_bytes(&shortest.to_bytes()), Ok(shortest.clone()));
        for found in [101, 256] {
            let coinbase = Coinbase { extra: alloc::vec![0; found].into(), ..sample() };
            assert_eq!(coinbase.check_length(), Err(CoinbaseError::ExtraTooLong { found }));
        }
        let too_short = Coinbase { extra: [0; 16].into(), ..shortest };
        assert_eq!(Coinbase::from_bytes(&too_short.to_bytes()), Err(CoinbaseError::TooShort { found: 59 }));
        for (extra, expected) in [(20, Ok(())), (21, Err(CoinbaseError::MerkleNodeSize)), (22, Ok(()))] {
            let coinbase = Coinbase { extra: alloc::vec![0; extra].into(), ..too_short.clone() };
            assert_eq!(coinbase.check_length(), expected);
            assert_eq!(Coinbase::from_bytes(&coinbase.to_bytes()).map(|_| ()), expected);
        }
    }
}
