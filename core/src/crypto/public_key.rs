//! A public key: a scheme and exactly as many bytes as the scheme says.

use alloc::boxed::Box;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::signature::Prefix;
use super::{CryptoError, PUBLIC_KEY_BYTES_MAX, Scheme, Signature, ml_dsa, slh_dsa};
use crate::codec;

/// A public key of one scheme; its length is always the scheme's.
///
/// Every string of the right length is a key (FIPS 204 §7.2 and FIPS 205 §9 decode them all), so there is nothing more to check
/// before a signature is verified with it. Encoded as the scheme's id, then a byte string.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct PublicKey {
    scheme: Scheme,
    #[serde(serialize_with = "codec::bytes::serialize")]
    bytes: Box<[u8]>,
}

impl PublicKey {
    /// Takes a key's bytes.
    ///
    /// # Errors
    /// [`CryptoError::PublicKeyLength`] where they are not exactly as many as the scheme says.
    pub fn new(scheme: Scheme, bytes: impl Into<Box<[u8]>>) -> Result<Self, CryptoError> {
        let bytes = bytes.into();
        let (found, expected) = (bytes.len(), scheme.public_key_bytes());
        if found != expected {
            return Err(CryptoError::PublicKeyLength { scheme, found, expected });
        }
        Ok(Self { scheme, bytes })
    }

    /// Returns the key's scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the key's bytes as its standard encodes them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Verifies a signature of this key over a message, in the standard's pure form with an empty context (FIPS 204 algorithm 3,
    /// FIPS 205 algorithm 24).
    ///
    /// # Errors
    /// [`CryptoError::SignatureLength`] where the signature has not the length of the key's scheme,
    /// [`CryptoError::InvalidSignature`] where it is not this key's over this message.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), CryptoError> {
        let signature = signature.as_bytes();
        match self.scheme {
            Scheme::MlDsa44 => ml_dsa::verify(ml_dsa::Level::MlDsa44, &self.bytes, message, &[], signature),
            Scheme::MlDsa65 => ml_dsa::verify(ml_dsa::Level::MlDsa65, &self.bytes, message, &[], signature),
            Scheme::MlDsa87 => ml_dsa::verify(ml_dsa::Level::MlDsa87, &self.bytes, message, &[], signature),
            Scheme::SlhDsaSha2_128s => slh_dsa::verify(&self.bytes, message, signature),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {}…)", self.scheme, Prefix(&self.bytes))
    }
}

/// A key as it was decoded, its length bounded but not yet held against its scheme.
#[derive(Deserialize)]
struct Unchecked {
    scheme: Scheme,
    #[serde(deserialize_with = "codec::bytes::deserialize::<_, PUBLIC_KEY_BYTES_MAX>")]
    bytes: Box<[u8]>,
}

impl TryFrom<Unchecked> for PublicKey {
    type Error = CryptoError;

    fn try_from(key: Unchecked) -> Result<Self, CryptoError> {
        Self::new(key.scheme, key.bytes)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::testing::test;

    const LIMIT: usize = PUBLIC_KEY_BYTES_MAX + 9;

    /// A key's encoding put together by hand: id, length as LEB128, bytes.
    fn encoding(scheme_id: u8, key: &[u8]) -> Vec<u8> {
        let low = u8::try_from(key.len() & 0x7f).unwrap();
        let length = match u8::try_from(key.len() >> 7).unwrap() {
            0 => vec![low],
            high => vec![low | 0x80, high],
        };
        [&[scheme_id], &length[..], key].concat()
    }

    #[test]
    fn encodes_as_id_and_byte_string() {
        for scheme in Scheme::ALL {
            let key = PublicKey::new(scheme, vec![7; scheme.public_key_bytes()]).unwrap();
            let bytes = encoding(scheme.id(), key.as_bytes());
            assert_eq!(codec::encode(&key), bytes);
            assert_eq!(codec::decode(&bytes, LIMIT), Ok(key));
        }
    }

    #[test]
    fn another_length_is_refused() {
        for scheme in Scheme::ALL {
            let expected = scheme.public_key_bytes();
            for found in [0, expected - 1, expected + 1] {
                let bytes = vec![7; found];
                assert!(codec::decode::<PublicKey>(&encoding(scheme.id(), &bytes), LIMIT).is_err());
                assert_eq!(
                    PublicKey::new(scheme, bytes),
                    Err(CryptoError::PublicKeyLength { scheme, found, expected })
                );
            }
        }
    }

    #[test]
    fn other_encodings_are_refused() {
        let refused = |bytes: &[u8]| assert!(codec::decode::<PublicKey>(bytes, LIMIT).is_err(), "{bytes:?}");
        refused(&encoding(0, &[7; 32]));
        refused(&encoding(5, &[7; 32]));
        refused(&[4]);
        refused(&[4, 32, 7, 7]);
        refused(&[4, 0xff, 0xff, 0xff, 0xff, 0x0f, 7]);
        let overlong = [&[4, 0x80 | 32, 0], &[7; 32][..]].concat();
        refused(&overlong);
    }

    #[test]
    fn a_signature_of_another_length_is_refused() {
        for scheme in Scheme::ALL {
            let key = PublicKey::new(scheme, vec![7; scheme.public_key_bytes()]).unwrap();
            let expected = scheme.signature_bytes();
            for found in [0, expected - 1] {
                let signature = Signature::new(vec![7; found]).unwrap();
                let refused = CryptoError::SignatureLength { scheme, found, expected };
                assert_eq!(key.verify(b"message", &signature), Err(refused));
            }
            let nonsense = Signature::new(vec![7; expected]).unwrap();
            assert_eq!(key.verify(b"message", &nonsense), Err(CryptoError::InvalidSignature { scheme }));
        }
    }

    #[test]
    fn debug_is_short() {
        let key = PublicKey::new(Scheme::MlDsa87, [0x5a; 2592]).unwrap();
        assert_eq!(format!("{key:?}"), "PublicKey(ML-DSA-87 5a5a5a5a5a5a5a5a…)");
    }
}
