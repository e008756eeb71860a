//! Hashes: the functions of the protocol, and one type for each thing that is hashed.
//!
//! Invariant: a hash of one kind cannot stand where another is meant. Ids of headers and transactions, and the roots that
//! stand in headers, are shown byte-reversed, as Bitcoin shows them; other hashes are shown in byte order.

use sha2::{Digest, Sha256};

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// SHA-256 applied twice.
#[must_use]
pub fn sha256d(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

/// SHA-256(SHA-256(tag) ‖ SHA-256(tag) ‖ parts), the tagged hash of BIP 340. Distinct tags never collide.
#[must_use]
pub fn tagged(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = tagged_hasher(tag);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// [`tagged`], before the parts.
pub(crate) fn tagged_hasher(tag: &str) -> Sha256 {
    let prefix = Sha256::digest(tag);
    Sha256::new().chain_update(prefix).chain_update(prefix)
}

/// Why a text is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashTextError {
    /// Not 64 characters.
    #[error("hash of {found} characters: expected 64 hex digits")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// A character that is no hex digit.
    #[error("hash with a character that is no hex digit")]
    Digit,
}

fn from_hex(text: &str) -> Result<[u8; 32], HashTextError> {
    if text.len() != 64 {
        return Err(HashTextError::Length { found: text.len() });
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| HashTextError::Digit)?;
    Ok(bytes)
}

fn reversed(mut bytes: [u8; 32]) -> [u8; 32] {
    bytes.reverse();
    bytes
}

fn in_order(bytes: [u8; 32]) -> [u8; 32] {
    bytes
}

/// Declares 32-byte newtypes with their display order. A macro because a newtype that shares nothing with its siblings is the
/// point, and a generic type with marker parameters would show its machinery in every error and document.
macro_rules! hash_types {
    ($($(#[$doc:meta])* $name:ident, $order:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// All bytes zero.
            pub const ZERO: Self = Self([0; 32]);

            /// The hash of these bytes, in the order in which they are hashed and sent.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes, in the order in which they are hashed and sent.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 32] {
                self.0
            }

            /// The bytes, in the order in which they are hashed and sent.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                $order(self.0).iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl core::str::FromStr for $name {
            type Err = HashTextError;

            fn from_str(text: &str) -> Result<Self, HashTextError> {
                from_hex(text).map($order).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = alloc::string::String::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; 32]>::deserialize(deserializer).map(Self)
                }
            }
        }
    )*};
}

hash_types! {
    /// The id of a header, and so of its block: sha256d of its 80 bytes.
    BlockHash, reversed;
    /// The id of a transaction without its witnesses: sha256d of its encoded body. Also the id of a coinbase, and of the
    /// commitments as a leaf of the merkle tree.
    Txid, reversed;
    /// The id of a transaction with its witnesses: tagged("qbtc/wtxid", txid ‖ the hash of each witness).
    Wtxid, reversed;
    /// The root of a block's merkle tree over its leaves.
    MerkleRoot, reversed;
    /// The merkle root over the [`Wtxid`]s of a block's transactions; zero where there are none.
    WitnessRoot, reversed;
    /// sha256d of a block's compact filter.
    FilterHash, reversed;
    /// The root of the history, a Merkle mountain range over all blocks up to a given one.
    HistoryRoot, in_order;
    /// The root of the UTXO accumulator; zero until a chain activates it.
    UtxoRoot, in_order;
    /// The id of a chain: the id of its genesis block.
    ChainId, reversed;
    /// The hash of the consensus part of a chain spec, to which its genesis block commits.
    SpecHash, in_order;
}

impl From<BlockHash> for ChainId {
    fn from(genesis: BlockHash) -> Self {
        Self(genesis.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};
    use crate::testing::test;
    use alloc::string::ToString;

    /// FIPS 180-4's "abc"; its second hash from Bitcoin's own implementation (`bitcoin-cli`-style tools agree on it).
    #[test]
    fn functions_match_published_digests() {
        assert_eq!(hex::encode(sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hex::encode(sha256d(b"hello")), "9595c9df90075148eb06860365df33584b75bff782a510c6cd4883a419833d50");
        let tag = sha256(b"BIP0340/challenge");
        assert_eq!(tagged("BIP0340/challenge", &[b"a", b"bc"]), sha256(&[&tag[..], &tag, b"abc"].concat()));
    }

    #[test]
    fn display_is_reversed_for_ids_only() {
        let mut bytes = [0; 32];
        bytes[0] = 1;
        let block = BlockHash::from_bytes(bytes);
        assert_eq!(block.to_string(), alloc::format!("{}01", "0".repeat(62)));
        assert_eq!(block.to_string().parse(), Ok(block));
        let root = HistoryRoot::from_bytes(bytes);
        assert_eq!(root.to_string(), alloc::format!("01{}", "0".repeat(62)));
        assert_eq!(root.to_string().parse(), Ok(root));
    }

    #[test]
    fn encoding_is_the_bytes() {
        let hash = Txid::from_bytes([7; 32]);
        assert_eq!(encode(&hash), [7; 32]);
        assert_eq!(decode::<Txid>(&[7; 32], 32), Ok(hash));
        assert!(decode::<Txid>(&[7; 31], 32).is_err());
    }

    #[test]
    fn text_is_checked() {
        assert_eq!("00".parse::<Txid>(), Err(HashTextError::Length { found: 2 }));
        assert_eq!("zz".repeat(32).parse::<Txid>(), Err(HashTextError::Digit));
    }
}
