//! A signature's bytes, bounded by the longest scheme.
//!
//! A signature does not say its scheme: its public key does. So its length against the scheme is a rule of
//! [`PublicKey::verify`](super::PublicKey::verify), and this type only promises that no more than [`SIGNATURE_BYTES_MAX`] bytes are
//! ever held for one.

use alloc::boxed::Box;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::{CryptoError, SIGNATURE_BYTES_MAX};
use crate::codec;

/// The bytes of a signature: at most [`SIGNATURE_BYTES_MAX`], encoded as a byte string (hex where people read it).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Signature(#[serde(serialize_with = "codec::bytes::serialize")] Box<[u8]>);

impl Signature {
    /// Takes a signature's bytes.
    ///
    /// # Errors
    /// [`CryptoError::SignatureTooLong`] where no scheme's signature is that long.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Result<Self, CryptoError> {
        let bytes = bytes.into();
        if bytes.len() > SIGNATURE_BYTES_MAX {
            return Err(CryptoError::SignatureTooLong { found: bytes.len(), max: SIGNATURE_BYTES_MAX });
        }
        Ok(Self(bytes))
    }

    /// Returns the signature's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}… {} bytes)", Prefix(&self.0), self.0.len())
    }
}

/// Shows the first eight bytes as hex: enough to tell keys and signatures apart in a test's output.
pub(super) struct Prefix<'a>(pub(super) &'a [u8]);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        codec::bytes::deserialize::<_, SIGNATURE_BYTES_MAX>(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec;

    use super::*;
    use crate::testing::test;

    #[test]
    fn encodes_as_a_byte_string() {
        let signature = Signature::new([0xab; 3]).unwrap();
        assert_eq!(codec::encode(&signature), [3, 0xab, 0xab, 0xab]);
        assert_eq!(codec::decode(&[3, 0xab, 0xab, 0xab], 4), Ok(signature));
        assert!(codec::decode::<Signature>(&[0x83, 0, 0xab, 0xab, 0xab], 5).is_err(), "an overlong length");
        assert!(
            codec::decode::<Signature>(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0xab], 6).is_err(),
            "a length without its bytes"
        );
    }

    #[test]
    fn no_longer_than_the_longest_scheme() {
        let encoding = |length: usize| codec::encode(&vec![1_u8; length]);
        let limit = SIGNATURE_BYTES_MAX + 9;

        let longest = Signature::new(vec![1; SIGNATURE_BYTES_MAX]).unwrap();
        assert_eq!(codec::decode(&encoding(SIGNATURE_BYTES_MAX), limit), Ok(longest));

        let refused = CryptoError::SignatureTooLong { found: SIGNATURE_BYTES_MAX + 1, max: SIGNATURE_BYTES_MAX };
        assert_eq!(Signature::new(vec![1; SIGNATURE_BYTES_MAX + 1]), Err(refused));
        assert!(codec::decode::<Signature>(&encoding(SIGNATURE_BYTES_MAX + 1), limit).is_err());
    }

    #[test]
    fn debug_is_short() {
        let signature = Signature::new([0xab; 4627]).unwrap();
        assert_eq!(format!("{signature:?}"), "Signature(abababababababab… 4627 bytes)");
    }
}
