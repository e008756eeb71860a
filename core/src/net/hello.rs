//! The first words of two nodes: who they are, on which chain, and how far.
//!
//! Nothing in a hello is believed: a peer with another chain id is left, and what it says of its tip only decides whom to ask first.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::codec::{self, CodecError};
use crate::hash::{BlockHash, ChainId};
use crate::units::{BlockTime, FeeRate, Height, Work};

/// The version of the node's protocol that this code speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// What a node tells another one when they meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The highest version of the protocol that it speaks.
    pub version: u32,
    /// Its chain.
    pub chain_id: ChainId,
    /// Its tip.
    pub tip: BlockHash,
    /// The height of its tip.
    pub height: Height,
    /// The work of its chain.
    pub work: Work,
    /// What it does for others.
    pub services: Services,
    /// The least fee rate of transactions that it wants to hear of.
    pub fee_rate_min: FeeRate,
    /// Its clock.
    pub time: BlockTime,
    /// What it runs.
    pub user_agent: UserAgent,
}

/// What a node does for others: one bit each. Unknown bits are kept, and mean nothing here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Services(pub u64);

/// The name and version of a program: printable ASCII, at most [`Self::BYTES_MAX`] of it, so that it can stand in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct UserAgent(String);

/// Why a text is no [`UserAgent`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserAgentError {
    /// Too long.
    #[error("user agent of {found} bytes: at most {} are allowed", UserAgent::BYTES_MAX)]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// Something that is not printable ASCII.
    #[error("user agent holds the byte {found:#04x}: expected printable ASCII")]
    Byte {
        /// Byte found.
        found: u8,
    },
}

impl Hello {
    /// The most bytes of a hello.
    pub const BYTES_MAX: usize = 512;

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> alloc::vec::Vec<u8> {
        codec::encode(self)
    }

    /// The hello of exactly these bytes.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }
}

impl Services {
    /// Gives blocks, headers and transactions to nodes.
    pub const NODE: Self = Self(1);
    /// Answers light clients.
    pub const LIGHT: Self = Self(1 << 1);
    /// Has the bodies of all blocks.
    pub const ALL_BODIES: Self = Self(1 << 2);
    /// Has the witnesses of all blocks.
    pub const ALL_WITNESSES: Self = Self(1 << 3);

    /// All of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of these are among them.
    #[must_use]
    pub const fn has(self, all: Self) -> bool {
        self.0 & all.0 == all.0
    }
}

impl UserAgent {
    /// The most bytes.
    pub const BYTES_MAX: usize = 96;

    /// The user agent of this text.
    ///
    /// # Errors
    /// [`UserAgentError`].
    pub fn new(text: impl Into<String>) -> Result<Self, UserAgentError> {
        let text = text.into();
        if text.len() > Self::BYTES_MAX {
            return Err(UserAgentError::TooLong { found: text.len() });
        }
        match text.bytes().find(|byte| !(0x20..0x7f).contains(byte)) {
            Some(found) => Err(UserAgentError::Byte { found }),
            None => Ok(Self(text)),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserAgent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Whoever decodes has bounded the bytes, and so the text.
        Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn hello() -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            chain_id: ChainId::from_bytes([1; 32]),
            tip: BlockHash::from_bytes([2; 32]),
            height: Height(u32::MAX),
            work: Work::from_be_bytes(&[0xff; 32]),
            services: Services(u64::MAX),
            fee_rate_min: FeeRate::from_quanta_per_1000_bytes(u64::MAX),
            time: BlockTime(u32::MAX),
            user_agent: UserAgent::new("x".repeat(UserAgent::BYTES_MAX)).unwrap(),
        }
    }

    #[test]
    fn the_longest_fits_and_comes_back() {
        let bytes = hello().to_bytes();
        assert!(bytes.len() <= Hello::BYTES_MAX, "{}", bytes.len());
        assert_eq!(Hello::from_bytes(&bytes), Ok(hello()));
        assert!(Hello::from_bytes(&[&bytes[..], &[0; Hello::BYTES_MAX]].concat()).is_err());
    }

    #[test]
    fn user_agents_can_stand_in_a_log() {
        assert_eq!(UserAgent::new("qbtc/0.1.0 (x86-64)").unwrap().as_str(), "qbtc/0.1.0 (x86-64)");
        assert_eq!(UserAgent::new("a\nb"), Err(UserAgentError::Byte { found: b'\n' }));
        assert_eq!(UserAgent::new("é"), Err(UserAgentError::Byte { found: 0xc3 }));
        assert_eq!(UserAgent::new("x".repeat(97)), Err(UserAgentError::TooLong { found: 97 }));
        // What cannot be made cannot be read either.
        let mut bytes = hello().to_bytes();
        *bytes.last_mut().unwrap() = 0x1b;
        assert!(Hello::from_bytes(&bytes).is_err());
    }

    #[test]
    fn services_are_bits() {
        let both = Services::NODE.and(Services::LIGHT);
        assert!(both.has(Services::LIGHT) && both.has(both) && both.has(Services::default()));
        assert!(!both.has(Services::NODE.and(Services::ALL_BODIES)));
    }
}
