//! Agreeing on keys: X25519 and ML-KEM-768 together.

use alloc::vec::Vec;

use hkdf::Hkdf;
use libcrux_ml_kem::mlkem768;
use sha2::Sha256;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

use super::SealError;
use super::session::{Answerer, Asker, Keys};
use crate::hash::tagged;

/// Bytes of an offer.
pub const OFFER_BYTES: usize = KEM_KEY_BYTES + CURVE_BYTES;
/// Bytes of the answer to it.
pub const ANSWER_BYTES: usize = KEM_CIPHERTEXT_BYTES + CURVE_BYTES;
/// Randomness that an offer needs: ML-KEM's d and z, and the private key of X25519.
pub const OFFER_ENTROPY_BYTES: usize = 64 + CURVE_BYTES;
/// Randomness that an answer needs: ML-KEM's m, and the private key of X25519.
pub const ANSWER_ENTROPY_BYTES: usize = 32 + CURVE_BYTES;

const KEM_KEY_BYTES: usize = 1_184;
const KEM_CIPHERTEXT_BYTES: usize = 1_088;
const CURVE_BYTES: usize = 32;

/// Between whom, and in which protocol, whose name tells the chain. The ids are as libp2p encodes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends<'a> {
    /// The protocol in which the seal is agreed on.
    pub protocol: &'a str,
    /// Who asks.
    pub asker: &'a [u8],
    /// Who answers.
    pub answerer: &'a [u8],
}

/// An offer that waits for its answer: the private halves of both exchanges.
pub struct Offer {
    kem_seed: Zeroizing<[u8; 64]>,
    curve: Zeroizing<[u8; CURVE_BYTES]>,
    bytes: Vec<u8>,
}

impl Offer {
    /// An offer made of fresh randomness, which nothing else may be made of.
    #[must_use]
    pub fn new(entropy: &[u8; OFFER_ENTROPY_BYTES]) -> Self {
        let (kem_seed, curve) = entropy.split_first_chunk::<64>().expect("it is 64 bytes and 32");
        let curve: [u8; CURVE_BYTES] = curve.try_into().expect("it is 64 bytes and 32");
        let pair = mlkem768::generate_key_pair(*kem_seed);
        let public = x25519(curve, X25519_BASEPOINT_BYTES);
        let bytes = [&pair.pk()[..], &public].concat();
        Self { kem_seed: Zeroizing::new(*kem_seed), curve: Zeroizing::new(curve), bytes }
    }

    /// What is sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The asker's side of the seal. A wrong ciphertext is not told from a right one here: ML-KEM makes some secret of it, and nothing opens.
    ///
    /// # Errors
    /// [`SealError::Length`], [`SealError::LowOrder`].
    pub fn accept(self, answer: &[u8], ends: &Ends<'_>) -> Result<Asker, SealError> {
        let (ciphertext, curve) = split::<KEM_CIPHERTEXT_BYTES>(answer)?;
        // Made again from its seed, so that no more than that is kept while the answer is on its way.
        let pair = mlkem768::generate_key_pair(*self.kem_seed);
        let kem_secret = Zeroizing::new(mlkem768::decapsulate(pair.private_key(), &ciphertext.into()));
        let curve_secret = agree(&self.curve, curve)?;
        Ok(Asker::new(keys(&kem_secret, &curve_secret, ends, &self.bytes, answer)))
    }
}

/// Answers an offer: what is sent, and the answerer's side of the seal. The randomness must be fresh.
///
/// # Errors
/// [`SealError::Length`], [`SealError::KemKey`], [`SealError::LowOrder`].
pub fn answer_offer(
    offer: &[u8],
    entropy: &[u8; ANSWER_ENTROPY_BYTES],
    ends: &Ends<'_>,
) -> Result<(Vec<u8>, Answerer), SealError> {
    let (kem_key, curve) = split::<KEM_KEY_BYTES>(offer)?;
    let kem_key = kem_key.into();
    if !mlkem768::validate_public_key(&kem_key) {
        return Err(SealError::KemKey);
    }
    let (message, own) = entropy.split_first_chunk::<32>().expect("it is 32 bytes and 32");
    let own = Zeroizing::new(<[u8; CURVE_BYTES]>::try_from(own).expect("it is 32 bytes and 32"));
    let (ciphertext, kem_secret) = mlkem768::encapsulate(&kem_key, *message);
    let kem_secret = Zeroizing::new(kem_secret);
    let curve_secret = agree(&own, curve)?;
    let answer = [&ciphertext.as_slice()[..], &x25519(*own, X25519_BASEPOINT_BYTES)].concat();
    let keys = keys(&kem_secret, &curve_secret, ends, offer, &answer);
    Ok((answer, Answerer::new(keys)))
}

/// What ML-KEM has, and the key of X25519 behind it.
fn split<const KEM: usize>(bytes: &[u8]) -> Result<([u8; KEM], [u8; CURVE_BYTES]), SealError> {
    let wrong = || SealError::Length { found: bytes.len(), expected: KEM + CURVE_BYTES };
    let (kem, curve) = bytes.split_first_chunk::<KEM>().ok_or_else(wrong)?;
    Ok((*kem, curve.try_into().map_err(|_| wrong())?))
}

fn agree(
    own: &Zeroizing<[u8; CURVE_BYTES]>,
    others: [u8; CURVE_BYTES],
) -> Result<Zeroizing<[u8; CURVE_BYTES]>, SealError> {
    let secret = Zeroizing::new(x25519(**own, others));
    // RFC 7748 §6.1: every key of low order gives zero.
    if secret.iter().fold(0, |all, byte| all | byte) == 0 { Err(SealError::LowOrder) } else { Ok(secret) }
}

/// What follows from both secrets and all that was said.
fn keys(kem_secret: &[u8; 32], curve_secret: &[u8; 32], ends: &Ends<'_>, offer: &[u8], answer: &[u8]) -> Keys {
    let lengths = [ends.protocol.len(), ends.asker.len(), ends.answerer.len()];
    let lengths: Vec<u8> = lengths.iter().flat_map(|length| (*length as u64).to_be_bytes()).collect();
    let parts = [&lengths[..], ends.protocol.as_bytes(), ends.asker, ends.answerer, offer, answer];
    let transcript = tagged("qbtc/seal", &parts);
    let secret = Zeroizing::new([&kem_secret[..], curve_secret].concat());
    let derived = Hkdf::<Sha256>::new(Some(&transcript), &secret);
    let mut keys = Keys::default();
    let outputs =
        [(&b"questions"[..], &mut keys.questions[..]), (b"answers", &mut keys.answers[..]), (b"id", &mut keys.id.0)];
    for (label, output) in outputs {
        derived.expand(label, output).expect("32 bytes are few");
    }
    keys
}
