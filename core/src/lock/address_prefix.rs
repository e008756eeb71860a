//! What addresses of a network begin with.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use bech32::Hrp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What the addresses of one network begin with, before the `1`: 1 to 16 lower-case ASCII letters, such as `bqs`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddressPrefix(Box<str>);

/// A text that no address can begin with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("address prefix {found:?}: expected 1 to {} lower-case letters", AddressPrefix::LETTERS_MAX)]
pub struct AddressPrefixError {
    /// The text found, cut to 40 characters.
    pub found: String,
}

impl AddressPrefix {
    /// The most letters: with them an address still has fewer than the 90 characters of BIP 173.
    pub const LETTERS_MAX: usize = 16;

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn to_hrp(&self) -> Hrp {
        Hrp::parse(&self.0).expect("1 to 16 letters are a human-readable part")
    }
}

impl FromStr for AddressPrefix {
    type Err = AddressPrefixError;

    fn from_str(text: &str) -> Result<Self, AddressPrefixError> {
        let is_prefix =
            (1..=Self::LETTERS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase());
        if !is_prefix {
            return Err(AddressPrefixError { found: text.chars().take(40).collect() });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for AddressPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for AddressPrefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AddressPrefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};
    use crate::testing::test;

    #[test]
    fn letters_only() {
        for passes in ["a", "bqs", "abcdefghijklmnop"] {
            let prefix: AddressPrefix = passes.parse().unwrap();
            assert_eq!(prefix.as_str(), passes);
            assert_eq!(decode(&encode(&prefix), 17), Ok(prefix));
        }
        for fails in ["", "abcdefghijklmnopq", "Bqs", "bq1", "b-q", "bqß"] {
            assert_eq!(fails.parse::<AddressPrefix>(), Err(AddressPrefixError { found: fails.into() }));
            assert!(decode::<AddressPrefix>(&encode(fails), 32).is_err());
        }
    }
}
