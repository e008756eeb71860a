//! Signed messages: a text, and the proof that whoever can spend from an address stands by it.
//!
//! The proof is a witness, as a transaction carries it, over a hash of its own kind, so that no signed text is ever a payment. It goes
//! through the very checks that a witness in a block goes through: path, kinds of proof, schemes allowed at a height, signatures. It
//! names its address by itself, and holds for one chain, one address and one text.
//!
//! A proof is for everyone to see and may be shown again: what is signed should say for whom and when. An alternative that asks for a
//! preimage cannot sign, since its proof would give the preimage away; nor can one that asks for no signature, since it proves
//! nothing.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use base64ct::{Base64, Encoding};

use super::partial::{Missing, Unlock};
use crate::codec::{self, CodecError};
use crate::crypto::{CryptoError, ENTROPY_BYTES, PublicKey, SecretKey, Signature, verify_serial};
use crate::hash::{ChainId, tagged};
use crate::lock::{Address, AddressTree, Condition, Conditions, Path, Witness};
use crate::spec::ChainSpec;
use crate::units::Height;
use crate::verify::{WitnessError, check_witness, signature_jobs};

const MAGIC: [u8; 7] = *b"qbtcmsg";

/// A text on its way to being signed: by one key, or by the several that an address asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageDraft {
    hash: [u8; 32],
    unlock: Unlock,
}

/// Shows that those who can spend from an address have signed a text.
///
/// Invariant, kept by decoding as well: the alternative that is shown asks for a signature and for no preimage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageProof {
    witness: Witness,
}

/// Why a text cannot be signed, or a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Something else.
    #[error("not a signed message: it does not begin with \"qbtcmsg\"")]
    Magic,
    /// Written by a newer program.
    #[error("signed message of version {found}: expected {}", MessageProof::VERSION)]
    Version {
        /// Version found.
        found: u8,
    },
    /// Malformed bytes.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Not base64, or not its only form.
    #[error("signed message of {found} characters that is not base64 (RFC 4648, section 4)")]
    Base64 {
        /// Characters found.
        found: usize,
    },
    /// More than any proof has.
    #[error("signed message of {found} bytes exceeds the limit of {}", MessageProof::BYTES_MAX)]
    TooLong {
        /// Bytes found, or that the text stands for.
        found: usize,
    },
    /// The address has no such alternative.
    #[error("no alternative {place}: the address has {alternatives}")]
    NoSuchAlternative {
        /// The place given.
        place: usize,
        /// How many there are.
        alternatives: usize,
    },
    /// The proof would give away what unlocks money.
    #[error("the alternative asks for a preimage, which a signed message would give away")]
    ShowsPreimage,
    /// Nobody would have signed.
    #[error("the alternative asks for no signature")]
    NoKey,
    /// Signatures are missing.
    #[error("not complete: signatures are missing for {0} conditions")]
    Incomplete(usize),
    /// The proof is of another address, or its parts do not match the conditions or the rules at this height.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// A signature that does not verify: of another key, or over another text, address or chain.
    #[error(transparent)]
    Signature(#[from] CryptoError),
}

/// The 32 bytes that each key signs, with an empty FIPS 204 context: tagged("qbtc/message", chain id ‖ address ‖ text in UTF-8).
///
/// The tag keeps a text from ever being a payment. The address keeps a proof from being shown for another address with the same key.
#[must_use]
pub fn message_hash(chain: &ChainId, address: &Address, text: &str) -> [u8; 32] {
    tagged("qbtc/message", &[chain.as_bytes(), address.as_bytes(), text.as_bytes()])
}

impl MessageDraft {
    /// A text to be signed by an alternative of an address.
    ///
    /// # Errors
    /// [`MessageError::NoSuchAlternative`], [`MessageError::ShowsPreimage`] and [`MessageError::NoKey`].
    pub fn new(chain: &ChainId, tree: &AddressTree, place: usize, text: &str) -> Result<Self, MessageError> {
        let alternatives = tree.alternatives();
        let missing = MessageError::NoSuchAlternative { place, alternatives: alternatives.len() };
        let (conditions, path): &(Conditions, Path) = alternatives.get(place).ok_or(missing)?;
        check_conditions(conditions)?;
        let hash = message_hash(chain, &tree.address(), text);
        Ok(Self { hash, unlock: Unlock::new(conditions.clone(), path.clone()) })
    }

    /// What each key signs.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Signs wherever this key stands and a signature is wanted, and returns how many places that filled. Give fresh entropy for each
    /// call.
    pub fn sign(&mut self, secret: &SecretKey, entropy: &[u8; ENTROPY_BYTES]) -> usize {
        let key = secret.public_key();
        if !self.unlock.wants(key) {
            return 0;
        }
        let signature = secret.sign(&self.hash, entropy);
        self.unlock.add_signature(key, &signature)
    }

    /// Takes in a signature made elsewhere, and returns how many places it filled.
    ///
    /// # Errors
    /// [`MessageError::Signature`], if it is not this key's over this text.
    pub fn add_signature(&mut self, key: &PublicKey, signature: &Signature) -> Result<usize, MessageError> {
        key.verify(&self.hash, signature)?;
        Ok(self.unlock.add_signature(key, signature))
    }

    /// What is still missing.
    #[must_use]
    pub fn missing(&self) -> Vec<Missing> {
        self.unlock.missing()
    }

    /// The proof, once every signature is there.
    ///
    /// # Errors
    /// [`MessageError::Incomplete`], and [`MessageError::TooLong`] where so many keys sign that no transaction would be relayed
    /// either.
    pub fn finish(&self) -> Result<MessageProof, MessageError> {
        let witness = self.unlock.witness().ok_or_else(|| MessageError::Incomplete(self.missing().len()))?;
        let proof = MessageProof { witness };
        match proof.to_bytes().len() {
            found if found > MessageProof::BYTES_MAX => Err(MessageError::TooLong { found }),
            _ => Ok(proof),
        }
    }
}

impl MessageProof {
    /// The only version so far.
    pub const VERSION: u8 = 1;
    /// The longest proof, in bytes: as long as the largest transaction that nodes relay by default.
    pub const BYTES_MAX: usize = 1 << 18;

    /// The address that it is for. It proves nothing before it is verified.
    #[must_use]
    pub fn address(&self) -> Address {
        self.witness.address()
    }

    /// Checks that whoever could spend from this address in a block of this height has signed the text.
    ///
    /// # Errors
    /// [`MessageError::Witness`] for another address, a scheme that is not allowed, or a height that is too low;
    /// [`MessageError::Signature`] for another text, chain or key.
    pub fn verify(&self, address: Address, text: &str, height: Height, spec: &ChainSpec) -> Result<(), MessageError> {
        check_witness(&self.witness, self.witness.address(), address, height, spec.consensus())?;
        let hash = message_hash(&spec.chain_id(), &address, text);
        let jobs: Vec<_> = signature_jobs(&self.witness, hash).collect();
        verify_serial(&jobs).map_err(|(_, error)| MessageError::Signature(error))
    }

    /// Its bytes: `qbtcmsg`, the version, codec(witness).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&MAGIC[..], &[Self::VERSION], &codec::encode(&self.witness)].concat()
    }

    /// Reads what [`MessageProof::to_bytes`] wrote, from anybody.
    ///
    /// # Errors
    /// [`MessageError`], for anything but a proof.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(MessageError::TooLong { found: bytes.len() });
        }
        let versioned = bytes.strip_prefix(&MAGIC).ok_or(MessageError::Magic)?;
        let (version, encoded) = versioned.split_first().ok_or(MessageError::Magic)?;
        if *version != Self::VERSION {
            return Err(MessageError::Version { found: *version });
        }
        let witness: Witness = codec::decode(encoded, Self::BYTES_MAX)?;
        check_conditions(&witness.conditions)?;
        Ok(Self { witness })
    }
}

/// The bytes in base64 (RFC 4648, section 4, padded), on one line.
impl fmt::Display for MessageProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = Base64::encode_string(&self.to_bytes());
        f.write_str(&text)
    }
}

/// White space at both ends is ignored, as it comes along when people copy text.
impl FromStr for MessageProof {
    type Err = MessageError;

    fn from_str(text: &str) -> Result<Self, MessageError> {
        let text = text.trim();
        let stands_for = text.len().div_ceil(4) * 3;
        if stands_for > Self::BYTES_MAX + 2 {
            return Err(MessageError::TooLong { found: stands_for });
        }
        let bytes = Base64::decode_vec(text).map_err(|_| MessageError::Base64 { found: text.len() })?;
        Self::from_bytes(&bytes)
    }
}

fn check_conditions(conditions: &Conditions) -> Result<(), MessageError> {
    if conditions.iter().any(|condition| matches!(condition, Condition::Preimage(_))) {
        return Err(MessageError::ShowsPreimage);
    }
    let is_signed = |condition: &Condition| matches!(condition, Condition::Key(_) | Condition::Threshold { .. });
    if !conditions.iter().any(is_signed) {
        return Err(MessageError::NoKey);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
