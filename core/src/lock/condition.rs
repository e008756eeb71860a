//! Conditions, and the alternatives that they make up.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, de};
use sha2::Digest;

use crate::codec;
use crate::crypto::PublicKey;
use crate::hash::{sha256, tagged_hasher};
use crate::units::Height;

/// Something that must hold for money to be spent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Condition {
    /// The key has signed.
    Key(PublicKey),
    /// So many of the keys have signed.
    Threshold {
        /// How many; 1 ..= the number of keys.
        required: u8,
        /// At most [`Condition::KEYS_MAX`] keys.
        #[serde(deserialize_with = "codec::bounded::<_, _, { Condition::KEYS_MAX }>")]
        keys: Vec<PublicKey>,
    },
    /// Bytes are shown whose SHA-256 is this digest.
    Preimage(#[serde(with = "codec::array")] [u8; 32]),
    /// The spending block has at least this height.
    After(Height),
}

impl Condition {
    /// The most keys in a threshold.
    pub const KEYS_MAX: usize = 16;
    /// The longest preimage, in bytes.
    pub const PREIMAGE_BYTES_MAX: usize = 1_024;

    /// The condition that bytes with the same SHA-256 as these are shown.
    #[must_use]
    pub fn preimage_of(bytes: &[u8]) -> Self {
        Self::Preimage(sha256(bytes))
    }

    /// Whether a witness carries a proof for it. Heights prove themselves.
    #[must_use]
    pub const fn needs_proof(&self) -> bool {
        !matches!(self, Self::After(_))
    }
}

/// One alternative of an address: between one and [`Conditions::COUNT_MAX`] conditions, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Conditions(Box<[Condition]>);

/// Why conditions are no alternative of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionsError {
    /// No condition: anyone could spend.
    #[error("an alternative without conditions: expected 1 to {}", Conditions::COUNT_MAX)]
    Empty,
    /// Too many conditions.
    #[error("an alternative with {found} conditions: expected 1 to {}", Conditions::COUNT_MAX)]
    TooMany {
        /// Conditions found.
        found: usize,
    },
    /// A threshold that nobody or anybody could meet, or with too many keys.
    #[error(
        "a threshold of {required} of {keys} keys: expected 1 to the number of keys, which is at most {}",
        Condition::KEYS_MAX
    )]
    Threshold {
        /// Signatures required.
        required: u8,
        /// Keys found.
        keys: usize,
    },
}

impl Conditions {
    /// The most conditions in one alternative.
    pub const COUNT_MAX: usize = 16;

    /// An alternative in which all these conditions must hold.
    ///
    /// # Errors
    /// [`ConditionsError`] for none, too many, or a threshold outside its range.
    pub fn new(conditions: Vec<Condition>) -> Result<Self, ConditionsError> {
        match conditions.len() {
            0 => return Err(ConditionsError::Empty),
            found if found > Self::COUNT_MAX => return Err(ConditionsError::TooMany { found }),
            _ => {}
        }
        for condition in &conditions {
            if let Condition::Threshold { required, keys } = condition {
                let is_possible = *required >= 1 && usize::from(*required) <= keys.len();
                if !is_possible || keys.len() > Condition::KEYS_MAX {
                    return Err(ConditionsError::Threshold { required: *required, keys: keys.len() });
                }
            }
        }
        Ok(Self(conditions.into()))
    }

    /// The alternative of an ordinary wallet: one key signs.
    #[must_use]
    pub fn key(key: PublicKey) -> Self {
        Self(Box::new([Condition::Key(key)]))
    }

    /// The hash of this alternative as a leaf of an address tree: tagged("qbtc/leaf", codec(conditions)).
    #[must_use]
    pub fn leaf_hash(&self) -> [u8; 32] {
        codec::hash_into(tagged_hasher("qbtc/leaf"), self).finalize().into()
    }
}

impl core::ops::Deref for Conditions {
    type Target = [Condition];

    fn deref(&self) -> &[Condition] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let conditions = codec::bounded::<D, Condition, { Self::COUNT_MAX }>(deserializer)?;
        Self::new(conditions).map_err(de::Error::custom)
    }
}
