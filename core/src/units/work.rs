//! Expected numbers of hashes.

use alloc::string::String;
use core::fmt;

use primitive_types::U256;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::codec;

/// An expected number of hashes: of one block, or summed over a chain.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Work(U256);

impl Work {
    /// No work.
    pub const ZERO: Self = Self(U256::zero());

    /// The sum, or `None` above 2^256 − 1. A chain of real work cannot get there; claimed work in a proof can.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The work as 32 big-endian bytes.
    #[must_use]
    pub fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_big_endian()
    }

    /// The work of 32 big-endian bytes.
    #[must_use]
    pub fn from_be_bytes(bytes: &[u8; 32]) -> Self {
        Self(U256::from_big_endian(bytes))
    }

    pub(crate) const fn from_u256(value: U256) -> Self {
        Self(value)
    }

    pub(crate) const fn to_u256(self) -> U256 {
        self.0
    }
}

impl From<u64> for Work {
    fn from(hashes: u64) -> Self {
        Self(U256::from(hashes))
    }
}

/// 64 hex digits, as Bitcoin shows `chainwork`.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:064x}", self.0)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Work({:#x})", self.0)
    }
}

/// In bytes: a byte string of the big-endian number without leading zeros, so that ordinary work costs ten bytes and not 32.
impl Serialize for Work {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let bytes = self.0.to_big_endian();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        serializer.serialize_bytes(&bytes[zeros..])
    }
}

impl<'de> Deserialize<'de> for Work {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            return U256::from_str_radix(&text, 16).map(Self).map_err(de::Error::custom);
        }
        let bytes = codec::bytes::deserialize::<D, 32>(deserializer)?;
        if bytes.first() == Some(&0) {
            return Err(de::Error::custom("work with leading zeros"));
        }
        Ok(Self(U256::from_big_endian(&bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{CodecError, decode, encode};
    use crate::testing::test;

    #[test]
    fn encoding_is_minimal_and_canonical() {
        assert_eq!(encode(&Work::ZERO), [0]);
        assert_eq!(encode(&Work::from(0x0102)), [2, 1, 2]);
        let most = Work(U256::MAX);
        assert_eq!(decode::<Work>(&encode(&most), 33), Ok(most));
        assert!(matches!(decode::<Work>(&[2, 0, 2], 33), Err(CodecError::Malformed { .. })));
        assert!(matches!(decode::<Work>(&[33; 34], 34), Err(CodecError::Malformed { .. })));
    }

    #[test]
    fn sums_are_checked() {
        assert_eq!(Work(U256::MAX).checked_add(Work::from(1)), None);
        assert_eq!(Work::from(1).checked_sub(Work::from(2)), None);
    }
}
