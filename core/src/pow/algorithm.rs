//! The hashes that miners can work on.

use serde::{Deserialize, Serialize};

use crate::hash::sha256d;
use crate::header::Header;
use crate::units::{CompactBits, Target, TargetError};

/// The hash that must not exceed the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PowAlgorithm {
    /// SHA-256 applied twice to the header's 80 bytes, as in Bitcoin; the hash is then the header's id too.
    Sha256d,
}

/// Why a header shows no work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// The bits are no target.
    #[error(transparent)]
    Bits(#[from] TargetError),
    /// The hash is above the target of the header's own bits.
    #[error("hash {} exceeds the target {target} of bits {bits}", HashNumber(.hash))]
    Hash {
        /// The hash, in its own byte order.
        hash: [u8; 32],
        /// The target.
        target: Target,
        /// The bits that state it.
        bits: CompactBits,
    },
}

/// Shows a hash as the number that it is compared as.
struct HashNumber<'a>(&'a [u8; 32]);

impl core::fmt::Display for HashNumber<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl PowAlgorithm {
    /// The hash of a header, in its own byte order; as a number it is little-endian.
    #[must_use]
    pub fn hash(self, header: &Header) -> [u8; 32] {
        match self {
            Self::Sha256d => sha256d(&header.to_bytes()),
        }
    }

    /// Checks that a header's hash meets the target that the header states. Whether it states the right one is the
    /// difficulty's matter.
    ///
    /// # Errors
    /// [`WorkError`], if the bits are no target or the hash exceeds it.
    pub fn check_work(self, header: &Header) -> Result<Target, WorkError> {
        let target = Target::from_compact(header.bits)?;
        let hash = self.hash(header);
        // Rule: the proof-of-work hash, read as a little-endian number, is at most the target.
        if !target.is_met_by(&hash) {
            return Err(WorkError::Hash { hash, target, bits: header.bits });
        }
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};
    use crate::testing::test;
    use crate::units::Work;
    use alloc::string::ToString;
    use primitive_types::U256;

    /// The genesis header of Bitcoin.
    const HEADER: &str = "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";

    fn header() -> Header {
        let mut bytes = [0; 80];
        hex::decode_to_slice(HEADER, &mut bytes).unwrap();
        Header::from_bytes(&bytes)
    }

    #[test]
    fn work_of_bitcoin_genesis_is_accepted() {
        let target = Target::from_compact(CompactBits(0x1d00_ffff)).unwrap();
        assert_eq!(PowAlgorithm::Sha256d.check_work(&header()), Ok(target));
    }

    /// A header of Bitcoin, as a node gives it, its bits and id as every explorer shows them, and its work, ⌊2²⁵⁶ / (target + 1)⌋.
    struct RealHeader {
        hex: &'static str,
        bits: u32,
        id: &'static str,
        work: u64,
    }

    const REAL: [RealHeader; 5] = [
        // Block 170: the easiest bits.
        RealHeader {
            hex: "0100000055bd840a78798ad0da853f68974f3d183e2bd1db6a842c1feecf222a00000000ff104ccb05421ab93e63f8c3ce5c2c2e9dbb37de2764b3a3175c8166562cac7d51b96a49ffff001d283e9e70",
            bits: 0x1d00_ffff,
            id: "00000000d1145790a8694403d4063f323d499e655c83426834d4ce2f8dd4a2ee",
            work: 0x1_0001_0001,
        },
        // Block 100,000.
        RealHeader {
            hex: "0100000050120119172a610421a6c3011dd330d9df07b63616c2cc1f1cd00200000000006657a9252aacd5c0b2940996ecff952228c3067cc38d4885efb5a4ac4247e9f337221b4d4c86041b0f2b5710",
            bits: 0x1b04_864c,
            id: "000000000003ba27aa200b1cecaad478d2b00432346c3f1f3986da1afd33e506",
            work: 0x3894_6224_e37e,
        },
        // Block 125,552.
        RealHeader {
            hex: "0100000081cd02ab7e569e8bcd9317e2fe99f2de44d49ab2b8851ba4a308000000000000e320b6c2fffc8d750423db8b1eb942ae710e951ed797f7affc8892b0f1fc122bc7f5d74df2b9441a42a14695",
            bits: 0x1a44_b9f2,
            id: "00000000000000001e8d6829a8a21adc5d38d0a473b144b6765798e61f98bd1d",
            work: 0x3_b994_3672_fdd9,
        },
        // The genesis block of signet.
        RealHeader {
            hex: "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a008f4d5fae77031e8ad22203",
            bits: 0x1e03_77ae,
            id: "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",
            work: 0x49_d414,
        },
        // The genesis block of regtest, easier than any of the main chain.
        RealHeader {
            hex: "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4adae5494dffff7f2002000000",
            bits: 0x207f_ffff,
            id: "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
            work: 0x2,
        },
    ];

    #[test]
    fn work_of_bitcoin_headers_is_accepted() {
        for real in REAL {
            let mut bytes = [0; 80];
            hex::decode_to_slice(real.hex, &mut bytes).unwrap();
            let header = Header::from_bytes(&bytes);
            assert_eq!(header.to_bytes(), bytes);
            assert_eq!(header.bits, CompactBits(real.bits));
            assert_eq!(header.id().to_string(), real.id);
            let target = PowAlgorithm::Sha256d.check_work(&header).unwrap();
            assert_eq!(target.to_compact(), header.bits);
            assert_eq!(target.work(), Work::from(real.work));
            // The same hash does not meet a target that lies just below it.
            let below = U256::from_little_endian(&header.id().to_bytes()) - 1;
            assert!(!Target::from_u256(below).unwrap().is_met_by(&PowAlgorithm::Sha256d.hash(&header)));
        }
    }

    #[test]
    fn hash_above_the_target_is_refused() {
        let other_nonce = Header { nonce: 0, ..header() };
        let refused = PowAlgorithm::Sha256d.check_work(&other_nonce).unwrap_err();
        let hash = PowAlgorithm::Sha256d.hash(&other_nonce);
        let target = Target::from_compact(other_nonce.bits).unwrap();
        assert_eq!(refused, WorkError::Hash { hash, target, bits: other_nonce.bits });
        assert!(refused.to_string().contains(&other_nonce.id().to_string()));
        let negative = Header { bits: CompactBits(0x0492_3456), ..header() };
        let no_target = TargetError::Negative(negative.bits);
        assert_eq!(PowAlgorithm::Sha256d.check_work(&negative), Err(WorkError::Bits(no_target)));
    }

    #[test]
    fn encoding_is_one_byte() {
        assert_eq!(encode(&PowAlgorithm::Sha256d), [0]);
        assert_eq!(decode(&[0], 1), Ok(PowAlgorithm::Sha256d));
        assert!(decode::<PowAlgorithm>(&[1], 1).is_err());
    }
}
