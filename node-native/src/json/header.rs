//! Headers as JSON.

use qbtc_core::hash::{BlockHash, MerkleRoot};
use qbtc_core::units::{CompactBits, Target};
use serde::Serialize;

/// A header, with nothing but what is in it or follows from it.
#[derive(Clone, Debug, Serialize)]
pub struct Header {
    /// The version.
    pub version: u32,
    /// The version in hex.
    #[serde(rename = "versionHex")]
    pub version_hex: String,
    /// The root over coinbase, commitments and transactions.
    pub merkleroot: MerkleRoot,
    /// When the miner says that it made the block, in seconds since 1970.
    pub time: u32,
    /// What the miner varied.
    pub nonce: u32,
    /// The target in its compact form, in hex.
    pub bits: String,
    /// The target in hex, as the number that the hash may not exceed; nothing, if the bits are no target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How many times harder than Bitcoin's easiest target.
    pub difficulty: f64,
    /// The parent; nothing for a genesis block.
    #[serde(rename = "previousblockhash", skip_serializing_if = "Option::is_none")]
    pub parent: Option<BlockHash>,
}

impl From<&qbtc_core::header::Header> for Header {
    fn from(header: &qbtc_core::header::Header) -> Self {
        Self {
            version: header.version,
            version_hex: format!("{:08x}", header.version),
            merkleroot: header.merkle_root,
            time: header.time.0,
            nonce: header.nonce,
            bits: header.bits.to_string(),
            target: Target::from_compact(header.bits).ok().map(|target| target.to_string()),
            difficulty: difficulty(header.bits),
            parent: Some(header.parent).filter(|parent| *parent != BlockHash::ZERO),
        }
    }
}

/// How many times harder the target is than Bitcoin's easiest (bits 1d00ffff), as every tool for Bitcoin reckons it: in floating
/// point, for people and miners to read, never for a rule. Zero for bits without a mantissa.
#[must_use]
pub fn difficulty(bits: CompactBits) -> f64 {
    let mantissa = f64::from(bits.0 & 0x00ff_ffff);
    if mantissa == 0.0 {
        return 0.0;
    }
    let exponent = i32::from(bits.0.to_be_bytes()[0]);
    f64::from(0xffff_u16) / mantissa * 256_f64.powi(29 - exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `blockchain_tests.cpp` of Bitcoin Core.
    #[test]
    fn difficulties_are_those_of_bitcoin_core() {
        for (bits, expected) in [
            (0x1f11_1111, 0.000_001),
            (0x1ef8_8f6f, 0.000_016),
            (0x1df8_8f6f, 0.004_023),
            (0x1cf8_8f6f, 1.029_916),
            (0x1234_5678, 5_913_134_931_067_755_359_633_408.0),
        ] {
            let found = difficulty(CompactBits(bits));
            assert!((found - expected).abs() <= expected.max(1.0) * 0.000_001, "{bits:08x}: {found}");
        }
        assert_eq!(difficulty(CompactBits(0x1d00_ffff)), 1.0);
    }

    #[test]
    fn a_genesis_header_has_no_parent() {
        let spec = qbtc_core::spec::ChainSpec::dev();
        let value = serde_json::to_value(Header::from(&spec.genesis().header)).unwrap();
        assert_eq!(value["bits"], "1f00ffff");
        assert_eq!(value["target"], format!("0000ffff{}", "0".repeat(56)));
        assert!(value.get("previousblockhash").is_none());
    }
}
