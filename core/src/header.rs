//! The block header: Bitcoin's own 80 bytes, so that every sha256d miner and pool works unchanged.
//!
//! Plain data. Whether a header is valid is decided in [`crate::verify`].

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec;
use crate::hash::{BlockHash, MerkleRoot, sha256d};
use crate::units::{BlockTime, CompactBits};

/// The header of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Version; bits 13–28 are free for miners to roll (BIP 320).
    pub version: u32,
    /// The parent's id; zero in a genesis block.
    pub parent: BlockHash,
    /// The root of the tree over coinbase, commitments and transactions.
    pub merkle_root: MerkleRoot,
    /// When the miner says that it made the block.
    pub time: BlockTime,
    /// The target that the block claims to meet.
    pub bits: CompactBits,
    /// What the miner varies.
    pub nonce: u32,
}

impl Header {
    /// The length of a header in bytes.
    pub const BYTES: usize = 80;

    /// The 80 bytes: version, parent, merkle root, time, bits, nonce; integers little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0..4].copy_from_slice(&self.version.to_le_bytes());
        bytes[4..36].copy_from_slice(self.parent.as_bytes());
        bytes[36..68].copy_from_slice(self.merkle_root.as_bytes());
        bytes[68..72].copy_from_slice(&self.time.0.to_le_bytes());
        bytes[72..76].copy_from_slice(&self.bits.0.to_le_bytes());
        bytes[76..80].copy_from_slice(&self.nonce.to_le_bytes());
        bytes
    }

    /// The header of 80 bytes. Every 80 bytes are a header.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        Self {
            version: u32::from_le_bytes(part(bytes, 0)),
            parent: BlockHash::from_bytes(part(bytes, 4)),
            merkle_root: MerkleRoot::from_bytes(part(bytes, 36)),
            time: BlockTime(u32::from_le_bytes(part(bytes, 68))),
            bits: CompactBits(u32::from_le_bytes(part(bytes, 72))),
            nonce: u32::from_le_bytes(part(bytes, 76)),
        }
    }

    /// The id: sha256d of the 80 bytes.
    #[must_use]
    pub fn id(&self) -> BlockHash {
        BlockHash::from_bytes(sha256d(&self.to_bytes()))
    }
}

fn part<const N: usize>(bytes: &[u8; Header::BYTES], start: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[start..start + N]);
    part
}

/// The 80 bytes as they are.
impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        codec::array::serialize(&self.to_bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        codec::array::deserialize(deserializer).map(|bytes| Self::from_bytes(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;
    use alloc::string::ToString;

    /// Bitcoin's genesis header, which everybody knows.
    const BITCOIN_GENESIS: &str = "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";

    #[test]
    fn bytes_and_id_are_those_of_bitcoin() {
        let mut bytes = [0; 80];
        hex::decode_to_slice(BITCOIN_GENESIS, &mut bytes).unwrap();
        let header = Header::from_bytes(&bytes);
        assert_eq!(header.to_bytes(), bytes);
        assert_eq!(header.time, BlockTime(1_231_006_505));
        assert_eq!(header.bits, CompactBits(0x1d00_ffff));
        assert_eq!(header.id().to_string(), "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    }

    #[test]
    fn encoding_is_the_80_bytes() {
        let header = Header::from_bytes(&[9; 80]);
        assert_eq!(codec::encode(&header), [9; 80]);
        assert_eq!(codec::decode(&[9; 80], 80), Ok(header));
        assert!(codec::decode::<Header>(&[9; 79], 80).is_err());
    }
}
