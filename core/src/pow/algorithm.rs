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
    use alloc::string::ToString;

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
