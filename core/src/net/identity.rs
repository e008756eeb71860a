//! Who a node is beside its peer id: an ML-DSA key, which no quantum computer forges.
//!
//! A peer id rests on Ed25519. Whoever can forge that, while a link is made, can stand between two nodes. So a node can be asked to sign, with a
//! key of its own, a nonce of the asker's, both peer ids, and what the link's two ends alone have in common ([`Claim::channel`]): a
//! signature that was made for another link, another asker or another time proves nothing here.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};
use crate::crypto::{CryptoError, ENTROPY_BYTES, PublicKey, Scheme, SecretKey, Signature};
use crate::hash::{ChainId, tagged};

/// Asks a node to show who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityQuestion {
    /// Random, and used once.
    #[serde(with = "codec::array")]
    pub nonce: [u8; 32],
}

/// Shows who a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityAnswer {
    /// The node's key.
    pub key: PublicKey,
    /// Its signature over a [`Claim`].
    pub signature: Signature,
}

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The chain.
    pub chain: &'a ChainId,
    /// What only the two ends of the link have in common (RFC 5705); nothing, if the link has no such thing.
    pub channel: &'a [u8],
    /// The peer id of whoever asks, in bytes.
    pub asker: &'a [u8],
    /// The peer id of whoever answers, in bytes.
    pub answerer: &'a [u8],
    /// The question's nonce.
    pub nonce: &'a [u8; 32],
}

/// The name of a node's key: tagged("qbtc/identity/key", scheme's id ‖ key), written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash([u8; 32]);

/// A text is no [`KeyHash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the hash of a node's key: 64 hex digits, as `identity` in getnetworkinfo")]
pub struct KeyHashError;

/// Why an answer does not show who a node is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A key of another scheme.
    #[error("a key of {}: expected {}", .found.name(), IdentityAnswer::SCHEME.name())]
    Scheme {
        /// Which.
        found: Scheme,
    },
    /// A signature over something else, or of another key.
    #[error(transparent)]
    Signature(#[from] CryptoError),
}

impl IdentityQuestion {
    /// The bytes of a question.
    pub const BYTES_MAX: usize = 32;

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The question of exactly these bytes.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }
}

impl IdentityAnswer {
    /// The only scheme.
    pub const SCHEME: Scheme = Scheme::MlDsa87;
    /// The most bytes of an answer: key and signature, each with its length, and the scheme.
    pub const BYTES_MAX: usize = 1 + 2 + Self::SCHEME.public_key_bytes() + 2 + Self::SCHEME.signature_bytes();

    /// Signs a claim.
    #[must_use]
    pub fn new(key: &SecretKey, claim: &Claim<'_>, entropy: &[u8; ENTROPY_BYTES]) -> Self {
        Self { key: key.public_key().clone(), signature: key.sign(&claim.digest(), entropy) }
    }

    /// Whose claim this is.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn check(&self, claim: &Claim<'_>) -> Result<KeyHash, IdentityError> {
        let found = self.key.scheme();
        if found != Self::SCHEME {
            return Err(IdentityError::Scheme { found });
        }
        self.key.verify(&claim.digest(), &self.signature)?;
        Ok(KeyHash::of(&self.key))
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The answer of exactly these bytes.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }
}

impl Claim<'_> {
    /// tagged("qbtc/identity", chain id ‖ nonce ‖ codec(channel, asker, answerer)).
    fn digest(&self) -> [u8; 32] {
        let rest = codec::encode(&(self.channel, self.asker, self.answerer));
        tagged("qbtc/identity", &[self.chain.as_bytes(), self.nonce, &rest])
    }
}

impl KeyHash {
    /// The name of a key.
    #[must_use]
    pub fn of(key: &PublicKey) -> Self {
        Self(tagged("qbtc/identity/key", &[&[key.scheme().id()], key.as_bytes()]))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

impl FromStr for KeyHash {
    type Err = KeyHashError;

    fn from_str(text: &str) -> Result<Self, KeyHashError> {
        let mut bytes = [0; 32];
        let (digits, rest) = text.as_bytes().as_chunks::<2>();
        if digits.len() != bytes.len() || !rest.is_empty() {
            return Err(KeyHashError);
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(KeyHashError);
        for (byte, [high, low]) in bytes.iter_mut().zip(digits) {
            *byte = u8::try_from(16 * digit(*high)? + digit(*low)?).map_err(|_| KeyHashError)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;
    use alloc::string::ToString;

    const CHAIN: ChainId = ChainId::from_bytes([1; 32]);
    const OTHER: ChainId = ChainId::from_bytes([2; 32]);
    const CLAIM: Claim<'_> =
        Claim { chain: &CHAIN, channel: &[3; 32], asker: b"asker", answerer: b"answerer", nonce: &[4; 32] };

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(IdentityAnswer::SCHEME, &[seed; 32])
    }

    #[test]
    fn an_answer_holds_for_its_claim_alone() {
        let answer = IdentityAnswer::new(&key(5), &CLAIM, &[6; 32]);
        assert_eq!(answer.check(&CLAIM), Ok(KeyHash::of(key(5).public_key())));
        let others = [
            Claim { chain: &OTHER, ..CLAIM },
            Claim { channel: &[], ..CLAIM },
            Claim { asker: b"other", ..CLAIM },
            Claim { answerer: b"asker", asker: b"answerer", ..CLAIM },
            Claim { nonce: &[5; 32], ..CLAIM },
            // The same bytes, cut at another place.
            Claim { asker: b"askera", answerer: b"nswerer", ..CLAIM },
        ];
        for other in others {
            assert!(matches!(answer.check(&other), Err(IdentityError::Signature(_))), "{other:?}");
        }
        let forged = IdentityAnswer { key: key(6).public_key().clone(), ..answer };
        assert!(forged.check(&CLAIM).is_err());
    }

    #[test]
    fn another_scheme_is_none() {
        let weak = SecretKey::from_seed(Scheme::MlDsa44, &[5; 32]);
        let answer = IdentityAnswer::new(&weak, &CLAIM, &[6; 32]);
        assert_eq!(answer.check(&CLAIM), Err(IdentityError::Scheme { found: Scheme::MlDsa44 }));
    }

    #[test]
    fn messages_come_back_and_fit() {
        let question = IdentityQuestion { nonce: [7; 32] };
        assert_eq!(question.to_bytes(), [7; 32]);
        assert_eq!(IdentityQuestion::from_bytes(&question.to_bytes()), Ok(question));
        let answer = IdentityAnswer::new(&key(5), &CLAIM, &[6; 32]);
        let mut bytes = answer.to_bytes();
        assert_eq!(bytes.len(), IdentityAnswer::BYTES_MAX);
        assert_eq!(IdentityAnswer::from_bytes(&bytes), Ok(answer));
        bytes.push(0);
        assert!(IdentityAnswer::from_bytes(&bytes).is_err());
    }

    #[test]
    fn hashes_are_written_in_hex() {
        let hash = KeyHash::of(key(5).public_key());
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_ne!(hash, KeyHash::of(key(6).public_key()));
        for wrong in ["", "00", &"0".repeat(63), &"0".repeat(65), &"x".repeat(64), &"é".repeat(32)] {
            assert_eq!(wrong.parse::<KeyHash>(), Err(KeyHashError), "{wrong}");
        }
    }
}
