//! Addresses.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::codec;

/// The root of a tree of alternatives: 32 bytes that say nothing about the keys behind them until they are spent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address(#[serde(with = "codec::array")] [u8; 32]);

impl Address {
    /// The address with this root.
    #[must_use]
    pub const fn from_bytes(root: [u8; 32]) -> Self {
        Self(root)
    }

    /// The root.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The root.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", hex::encode(self.0))
    }
}
