//! The rules of a witness: it unlocks its address, and each of its conditions holds.

use crate::crypto::{PublicKey, Scheme, Signature, SignatureJob};
use crate::hash::sha256;
use crate::lock::{Address, Condition, IndexedSignature, Proof, Witness};
use crate::spec::Consensus;
use crate::units::Height;

/// Why a witness does not unlock an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// It belongs to another address.
    #[error("witness unlocks {found:?}: expected {expected:?}")]
    Address {
        /// The address that the witness unlocks.
        found: Address,
        /// The address that is spent from.
        expected: Address,
    },
    /// Not as many proofs as conditions that need one.
    #[error("witness with {found} proofs: expected {expected}")]
    ProofCount {
        /// Proofs found.
        found: usize,
        /// Conditions that need one.
        expected: usize,
    },
    /// A proof of another kind than the condition asks for.
    #[error("condition {condition} has a proof of another kind")]
    ProofKind {
        /// The condition's place.
        condition: usize,
    },
    /// The scheme of a key that must sign is not allowed yet, or not at all.
    #[error("scheme {scheme} is not allowed at height {height}")]
    Scheme {
        /// The key's scheme.
        scheme: Scheme,
        /// The block's height.
        height: Height,
    },
    /// Not as many signatures as a threshold requires.
    #[error("threshold with {found} signatures: expected exactly {required}")]
    SignatureCount {
        /// Signatures found.
        found: usize,
        /// Signatures required.
        required: u8,
    },
    /// The signatures of a threshold are not in rising order of their keys, or name a key that is not there.
    #[error("threshold signature {place} names key {key}: expected rising indices below {keys}")]
    SignatureOrder {
        /// The signature's place.
        place: usize,
        /// The key it names.
        key: u8,
        /// How many keys there are.
        keys: usize,
    },
    /// A signature of the wrong length for its key's scheme.
    #[error("signature of {found} bytes: {scheme} has {expected}")]
    SignatureLength {
        /// The key's scheme.
        scheme: Scheme,
        /// Bytes found.
        found: usize,
        /// Bytes of that scheme.
        expected: usize,
    },
    /// A preimage that is longer than any that can be decoded.
    #[error(
        "the preimage of condition {condition} has {found} bytes: at most {} are allowed",
        Condition::PREIMAGE_BYTES_MAX
    )]
    PreimageLength {
        /// The condition's place.
        condition: usize,
        /// Bytes found.
        found: usize,
    },
    /// A preimage with another digest.
    #[error("the preimage of condition {condition} has another SHA-256")]
    Preimage {
        /// The condition's place.
        condition: usize,
    },
    /// The block is too low.
    #[error("condition holds from height {from}, not at {height}")]
    TooEarly {
        /// The height from which it holds.
        from: Height,
        /// The block's height.
        height: Height,
    },
}

/// Checks everything about a witness, which unlocks `unlocks`, but that its signatures verify, and returns the height from which
/// it holds.
pub(crate) fn check_witness(
    witness: &Witness,
    unlocks: Address,
    expected: Address,
    height: Height,
    rules: &Consensus,
) -> Result<Height, WitnessError> {
    // Rule: the path leads from the conditions to the address that is spent from.
    if unlocks != expected {
        return Err(WitnessError::Address { found: unlocks, expected });
    }
    // Rule: there is one proof for each condition that needs one, and no more.
    let expected = witness.conditions.iter().filter(|condition| condition.needs_proof()).count();
    if witness.proofs.len() != expected {
        return Err(WitnessError::ProofCount { found: witness.proofs.len(), expected });
    }
    let mut proofs = witness.proofs.iter();
    let mut holds_from = Height::GENESIS;
    for (place, condition) in witness.conditions.iter().enumerate() {
        let proof = if condition.needs_proof() { proofs.next() } else { None };
        holds_from = holds_from.max(check_condition(condition, proof, place, rules, height)?);
    }
    Ok(holds_from)
}

/// Returns the height from which the condition holds.
fn check_condition(
    condition: &Condition,
    proof: Option<&Proof>,
    place: usize,
    rules: &Consensus,
    height: Height,
) -> Result<Height, WitnessError> {
    match (condition, proof) {
        (Condition::Key(key), Some(Proof::Signature(signature))) => check_signature(key, signature, rules, height),
        (Condition::Threshold { required, keys }, Some(Proof::Signatures(signatures))) => {
            check_threshold(*required, keys, signatures, rules, height)
        }
        // Rule: a preimage is at most 1,024 bytes long. Decoding checks it too; this one may have been put together.
        (Condition::Preimage(_), Some(Proof::Preimage(bytes))) if bytes.len() > Condition::PREIMAGE_BYTES_MAX => {
            Err(WitnessError::PreimageLength { condition: place, found: bytes.len() })
        }
        // Rule: the preimage's SHA-256 is the digest.
        (Condition::Preimage(digest), Some(Proof::Preimage(bytes))) if sha256(bytes) == *digest => Ok(Height::GENESIS),
        (Condition::Preimage(_), Some(Proof::Preimage(_))) => Err(WitnessError::Preimage { condition: place }),
        // Rule: the block has at least the height.
        (Condition::After(from), _) if *from <= height => Ok(*from),
        (Condition::After(from), _) => Err(WitnessError::TooEarly { from: *from, height }),
        _ => Err(WitnessError::ProofKind { condition: place }),
    }
}

fn check_signature(
    key: &PublicKey,
    signature: &Signature,
    rules: &Consensus,
    height: Height,
) -> Result<Height, WitnessError> {
    // Rule: the scheme of a key that signs is allowed at this height.
    let scheme = key.scheme();
    let allowed_from = rules.scheme_allowed_from(scheme).filter(|from| *from <= height);
    let allowed_from = allowed_from.ok_or(WitnessError::Scheme { scheme, height })?;
    // Rule: signatures have exactly their scheme's length.
    let (found, expected) = (signature.as_bytes().len(), scheme.signature_bytes());
    if found != expected {
        return Err(WitnessError::SignatureLength { scheme, found, expected });
    }
    Ok(allowed_from)
}

fn check_threshold(
    required: u8,
    keys: &[PublicKey],
    signatures: &[IndexedSignature],
    rules: &Consensus,
    height: Height,
) -> Result<Height, WitnessError> {
    // Rule: exactly as many signatures as required. More would let anybody change the transaction's wtxid by taking one away.
    if signatures.len() != usize::from(required) {
        return Err(WitnessError::SignatureCount { found: signatures.len(), required });
    }
    let mut holds_from = Height::GENESIS;
    let mut key_min = 0;
    for (place, IndexedSignature { key, signature }) in signatures.iter().enumerate() {
        // Rule: the keys' indices rise, so that no key counts twice and there is one order.
        let index = usize::from(*key);
        let signer = keys.get(index).filter(|_| index >= key_min);
        let signer = signer.ok_or(WitnessError::SignatureOrder { place, key: *key, keys: keys.len() })?;
        key_min = index + 1;
        holds_from = holds_from.max(check_signature(signer, signature, rules, height)?);
    }
    Ok(holds_from)
}

/// The signatures of a witness that [`check_witness`] has passed, each with its key.
pub(crate) fn signature_jobs(witness: &Witness, message: [u8; 32]) -> impl Iterator<Item = SignatureJob<'_>> {
    let conditions = witness.conditions.iter().filter(|condition| condition.needs_proof());
    conditions.zip(&witness.proofs).flat_map(move |(condition, proof)| {
        let single = match (condition, proof) {
            (Condition::Key(key), Proof::Signature(signature)) => Some(SignatureJob { key, message, signature }),
            _ => None,
        };
        let several = match (condition, proof) {
            (Condition::Threshold { keys, .. }, Proof::Signatures(signatures)) => Some((keys, signatures)),
            _ => None,
        };
        let several = several.into_iter().flat_map(move |(keys, signatures)| {
            let signed =
                signatures.iter().filter_map(|signed| Some((keys.get(usize::from(signed.key))?, &signed.signature)));
            signed.map(move |(key, signature)| SignatureJob { key, message, signature })
        });
        single.into_iter().chain(several)
    })
}
