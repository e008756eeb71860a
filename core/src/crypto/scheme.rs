//! The closed set of signature schemes and their sizes.
//!
//! An id, once given, keeps its meaning for ever: it is part of every encoded public key and so of every address. A scheme is added
//! here as a new variant, which breaks each `match` that has to think about it.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::CryptoError;

/// The longest public key of all schemes, in bytes.
pub const PUBLIC_KEY_BYTES_MAX: usize = maxima().0;

/// The longest signature of all schemes, in bytes.
pub const SIGNATURE_BYTES_MAX: usize = maxima().1;

/// A signature scheme, with its one-byte id.
///
/// In binary encodings it is its id, in human-readable ones (JSON, TOML) its standard's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Scheme {
    /// ML-DSA-44 (FIPS 204, security category 2).
    MlDsa44 = 1,
    /// ML-DSA-65 (FIPS 204, security category 3).
    MlDsa65 = 2,
    /// ML-DSA-87 (FIPS 204, security category 5), the default.
    #[default]
    MlDsa87 = 3,
    /// SLH-DSA-SHA2-128s (FIPS 205, security category 1), which rests on SHA-256 alone.
    SlhDsaSha2_128s = 4,
}

impl Scheme {
    /// Every scheme, by rising id.
    pub const ALL: [Self; 4] = [Self::MlDsa44, Self::MlDsa65, Self::MlDsa87, Self::SlhDsaSha2_128s];

    /// Returns the scheme's one-byte id.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Finds the scheme of an id.
    ///
    /// # Errors
    /// [`CryptoError::UnknownScheme`] where no scheme has that id.
    pub fn from_id(id: u8) -> Result<Self, CryptoError> {
        Self::ALL.into_iter().find(|scheme| scheme.id() == id).ok_or(CryptoError::UnknownScheme { found: id })
    }

    /// Returns the name that the scheme's standard gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
            Self::SlhDsaSha2_128s => "SLH-DSA-SHA2-128s",
        }
    }

    /// Returns the length of a public key in bytes (FIPS 204 table 2, FIPS 205 table 2).
    pub const fn public_key_bytes(self) -> usize {
        match self {
            Self::MlDsa44 => 1312,
            Self::MlDsa65 => 1952,
            Self::MlDsa87 => 2592,
            Self::SlhDsaSha2_128s => 32,
        }
    }

    /// Returns the length of a signature in bytes (FIPS 204 table 2, FIPS 205 table 2).
    pub const fn signature_bytes(self) -> usize {
        match self {
            Self::MlDsa44 => 2420,
            Self::MlDsa65 => 3309,
            Self::MlDsa87 => 4627,
            Self::SlhDsaSha2_128s => 7856,
        }
    }
}

/// Finds the longest public key and the longest signature over all schemes.
const fn maxima() -> (usize, usize) {
    let (mut key, mut signature, mut at) = (0, 0, 0);
    while at < Scheme::ALL.len() {
        let scheme = Scheme::ALL[at];
        if scheme.public_key_bytes() > key {
            key = scheme.public_key_bytes();
        }
        if scheme.signature_bytes() > signature {
            signature = scheme.signature_bytes();
        }
        at += 1;
    }
    (key, signature)
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scheme {
    type Err = CryptoError;

    fn from_str(name: &str) -> Result<Self, CryptoError> {
        let named = Self::ALL.into_iter().find(|scheme| scheme.name() == name);
        named.ok_or_else(|| CryptoError::UnknownSchemeName { found: name.to_owned() })
    }
}

impl Serialize for Scheme {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(self.name())
        } else {
            serializer.serialize_u8(self.id())
        }
    }
}

impl<'de> Deserialize<'de> for Scheme {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scheme = if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse()
        } else {
            Self::from_id(u8::deserialize(deserializer)?)
        };
        scheme.map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::codec;
    use crate::testing::test;

    #[test]
    fn ids_and_names_lead_back_to_the_scheme() {
        for scheme in Scheme::ALL {
            assert_eq!(Scheme::from_id(scheme.id()), Ok(scheme));
            assert_eq!(scheme.to_string().parse(), Ok(scheme));
        }
        assert_eq!(Scheme::ALL.map(Scheme::id), [1, 2, 3, 4]);
        assert_eq!(Scheme::default(), Scheme::MlDsa87);
    }

    #[test]
    fn other_ids_and_names_are_refused() {
        for id in [0, 5, 255] {
            assert_eq!(Scheme::from_id(id), Err(CryptoError::UnknownScheme { found: id }));
        }
        for name in ["", "ML-DSA-88", "ml-dsa-87", "ML-DSA-87 "] {
            assert_eq!(name.parse::<Scheme>(), Err(CryptoError::UnknownSchemeName { found: name.to_owned() }));
        }
    }

    #[test]
    fn binary_form_is_the_id() {
        for scheme in Scheme::ALL {
            assert_eq!(codec::encode(&scheme), [scheme.id()]);
            assert_eq!(codec::decode(&[scheme.id()], 1), Ok(scheme));
        }
        assert!(codec::decode::<Scheme>(&[0], 1).is_err());
        assert!(codec::decode::<Scheme>(&[5], 1).is_err());
    }

    #[test]
    fn readable_form_is_the_name() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Table {
            scheme: Scheme,
        }
        let text = "scheme = \"SLH-DSA-SHA2-128s\"\n";
        let table: Table = toml::from_str(text).unwrap();
        assert_eq!(table, Table { scheme: Scheme::SlhDsaSha2_128s });
        assert_eq!(toml::to_string(&table).unwrap(), text);
        assert!(toml::from_str::<Table>("scheme = 3\n").is_err());
        assert!(toml::from_str::<Table>("scheme = \"FN-DSA-512\"\n").is_err());
    }

    #[test]
    fn maxima_are_those_of_the_longest() {
        assert_eq!((PUBLIC_KEY_BYTES_MAX, SIGNATURE_BYTES_MAX), (2592, 7856));
    }
}
