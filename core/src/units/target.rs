//! Targets of the proof of work and their compact form.

use core::fmt;

use primitive_types::U256;
use serde::{Deserialize, Serialize};

use super::Work;

/// A target in the header's compact form: exponent in the high byte, mantissa of 23 bits and a sign bit (Bitcoin's `nBits`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CompactBits(pub u32);

/// The number that a block's hash, read as a little-endian integer, may not exceed; never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(U256);

/// Why compact bits are no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The sign bit is set.
    #[error("bits {0} are negative")]
    Negative(CompactBits),
    /// The target does not fit 256 bits.
    #[error("bits {0} exceed 256 bits")]
    Overflow(CompactBits),
    /// The target is zero, which no hash can meet.
    #[error("bits {0} are a target of zero")]
    Zero(CompactBits),
}

impl Target {
    /// The easiest target: every hash meets it.
    pub const MAX: Self = Self(U256::MAX);
    /// The hardest target: 1.
    pub const MIN: Self = Self(U256::one());

    /// The target that the bits stand for.
    ///
    /// # Errors
    /// Refuses the forms that Bitcoin refuses: negative, over 256 bits, zero.
    pub fn from_compact(bits: CompactBits) -> Result<Self, TargetError> {
        let exponent = bits.0 >> 24;
        let mantissa = bits.0 & 0x007f_ffff;
        if mantissa != 0 && bits.0 & 0x0080_0000 != 0 {
            return Err(TargetError::Negative(bits));
        }
        let is_overflow = (exponent > 34) || (mantissa > 0xff && exponent > 33) || (mantissa > 0xffff && exponent > 32);
        if mantissa != 0 && is_overflow {
            return Err(TargetError::Overflow(bits));
        }
        let target = if exponent <= 3 {
            U256::from(mantissa >> (8 * (3 - exponent)))
        } else {
            U256::from(mantissa) << (8 * (exponent - 3))
        };
        if target.is_zero() {
            return Err(TargetError::Zero(bits));
        }
        Ok(Self(target))
    }

    /// The compact form, rounded down to its 23 bits of mantissa.
    #[must_use]
    pub fn to_compact(self) -> CompactBits {
        let mut exponent = self.0.bits().div_ceil(8);
        let mut mantissa = if exponent <= 3 {
            self.0.low_u32() << (8 * (3 - exponent))
        } else {
            (self.0 >> (8 * (exponent - 3))).low_u32()
        };
        // The mantissa's highest bit is the sign: a number that would set it moves up one byte.
        if mantissa & 0x0080_0000 != 0 {
            mantissa >>= 8;
            exponent += 1;
        }
        let exponent = u32::try_from(exponent).expect("256 bits are at most 33 bytes");
        CompactBits(exponent << 24 | mantissa)
    }

    /// A target of this value.
    ///
    /// # Errors
    /// Returns `None` for zero.
    #[must_use]
    pub(crate) fn from_u256(value: U256) -> Option<Self> {
        (!value.is_zero()).then_some(Self(value))
    }

    pub(crate) const fn to_u256(self) -> U256 {
        self.0
    }

    /// The target as 32 big-endian bytes, as miners display it.
    #[must_use]
    pub fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_big_endian()
    }

    /// Whether a hash, in its own byte order, is low enough.
    #[must_use]
    pub fn is_met_by(self, hash: &[u8; 32]) -> bool {
        U256::from_little_endian(hash) <= self.0
    }

    /// The expected number of hashes for one that meets the target: floor(2^256 / (target + 1)).
    #[must_use]
    pub fn work(self) -> Work {
        // 2^256 does not fit; floor((2^256 − target − 1) / (target + 1)) + 1 is the same number (Bitcoin Core, GetBlockProof).
        if self.0 == U256::MAX {
            return Work::from_u256(U256::one());
        }
        Work::from_u256(!self.0 / (self.0 + U256::one()) + U256::one())
    }
}

impl fmt::Display for CompactBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for CompactBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompactBits({self})")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:064x}", self.0)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;
    use alloc::string::ToString;

    /// From `bignum_SetCompact` in Bitcoin Core's src/test: bits, value, bits again.
    #[test]
    fn compact_vectors_of_bitcoin_core() {
        for (bits, value, again) in [
            (0x0112_3456u32, 0x12u64, 0x0112_0000u32),
            (0x0212_3456, 0x1234, 0x0212_3400),
            (0x0312_3456, 0x0012_3456, 0x0312_3456),
            (0x0412_3456, 0x1234_5600, 0x0412_3456),
            (0x0500_9234, 0x9234_0000, 0x0500_9234),
        ] {
            let target = Target::from_compact(CompactBits(bits)).unwrap();
            assert_eq!(target.to_u256(), U256::from(value));
            assert_eq!(target.to_compact(), CompactBits(again));
        }
        let large = Target::from_compact(CompactBits(0x2012_3456)).unwrap();
        assert_eq!(large.to_string(), alloc::format!("123456{}", "0".repeat(58)));
        assert_eq!(large.to_compact(), CompactBits(0x2012_3456));
        for zero in [0u32, 0x0012_3456, 0x0100_3456, 0x0200_0056, 0x0300_0000, 0x0400_0000, 0x0092_3456, 0x0180_3456] {
            let refused = Target::from_compact(CompactBits(zero)).unwrap_err();
            assert!(matches!(refused, TargetError::Zero(_) | TargetError::Negative(_)), "{zero:08x}");
        }
        assert_eq!(Target::from_compact(CompactBits(0x04923456)), Err(TargetError::Negative(CompactBits(0x04923456))));
        assert_eq!(Target::from_compact(CompactBits(0xff123456)), Err(TargetError::Overflow(CompactBits(0xff123456))));
    }

    #[test]
    fn overflow_is_refused_at_its_edge() {
        for passes in [0x2200_00ffu32, 0x2100_ffff, 0x207f_ffff] {
            assert!(Target::from_compact(CompactBits(passes)).is_ok(), "{passes:08x}");
        }
        for fails in [0x2300_0001u32, 0x2200_0100, 0x2101_0000] {
            let bits = CompactBits(fails);
            assert_eq!(Target::from_compact(bits), Err(TargetError::Overflow(bits)));
        }
    }

    /// Bitcoin's difficulty 1 is 0x100010001 hashes: the chain work of its block 0.
    #[test]
    fn work_of_bitcoin_genesis() {
        let target = Target::from_compact(CompactBits(0x1d00_ffff)).unwrap();
        assert_eq!(target.work().to_string(), alloc::format!("{:064x}", 0x1_0001_0001u64));
        assert_eq!(Target::MAX.work(), Work::from_u256(U256::one()));
    }

    #[test]
    fn hashes_are_little_endian() {
        let target = Target::from_u256(U256::from(0x100u32)).unwrap();
        let mut hash = [0u8; 32];
        hash[1] = 1;
        assert!(target.is_met_by(&hash));
        hash[0] = 1;
        assert!(!target.is_met_by(&hash));
    }
}
