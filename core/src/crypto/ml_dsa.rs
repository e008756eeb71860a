//! ML-DSA (FIPS 204): verification by libcrux, keys and signing by the `ml-dsa` crate.
//!
//! libcrux is formally verified, picks AVX2 or NEON at run time and falls back to portable code on wasm32 and old processors; it is
//! the only verifier, so what it accepts is what the chain accepts. `ml-dsa` makes keys from seeds and signs; it shares no code
//! with libcrux, which makes every signature of a wallet a cross-check of the two.
//!
//! Consensus signs with an empty context; contexts are here so that public test vectors run. The pre-hash form (HashML-DSA) is
//! never accepted.

use alloc::boxed::Box;
use alloc::vec::Vec;

use ::ml_dsa::{ExpandedSigningKey, Keypair, MlDsa44, MlDsa65, MlDsa87, MlDsaParams, SigningKey};
use libcrux_ml_dsa::{MLDSASignature, MLDSAVerificationKey, VerificationError, ml_dsa_44, ml_dsa_65, ml_dsa_87};
use zeroize::ZeroizeOnDrop;

use super::{CryptoError, ENTROPY_BYTES, SEED_BYTES, Scheme};

/// The longest context, in bytes (FIPS 204 algorithm 3, line 1).
pub const CONTEXT_BYTES_MAX: usize = 255;

/// A parameter set of FIPS 204.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Security category 2.
    MlDsa44,
    /// Security category 3.
    MlDsa65,
    /// Security category 5.
    MlDsa87,
}

impl Level {
    /// Returns the scheme that uses this parameter set.
    pub const fn scheme(self) -> Scheme {
        match self {
            Self::MlDsa44 => Scheme::MlDsa44,
            Self::MlDsa65 => Scheme::MlDsa65,
            Self::MlDsa87 => Scheme::MlDsa87,
        }
    }
}

/// Verifies a signature: `ML-DSA.Verify`, FIPS 204 algorithm 3.
///
/// # Errors
/// [`CryptoError::ContextTooLong`], [`CryptoError::PublicKeyLength`] and [`CryptoError::SignatureLength`] where an argument has not
/// the length that the standard gives it, [`CryptoError::InvalidSignature`] where the signature does not verify.
pub fn verify(level: Level, key: &[u8], message: &[u8], context: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    check_context(context)?;
    match level {
        Level::MlDsa44 => verify_with(ml_dsa_44::verify, level.scheme(), key, message, context, signature),
        Level::MlDsa65 => verify_with(ml_dsa_65::verify, level.scheme(), key, message, context, signature),
        Level::MlDsa87 => verify_with(ml_dsa_87::verify, level.scheme(), key, message, context, signature),
    }
}

/// libcrux's verifier of one level, whose key has `KEY` bytes and whose signature has `SIGNATURE`.
type Verifier<const KEY: usize, const SIGNATURE: usize> =
    fn(&MLDSAVerificationKey<KEY>, &[u8], &[u8], &MLDSASignature<SIGNATURE>) -> Result<(), VerificationError>;

fn verify_with<const KEY: usize, const SIGNATURE: usize>(
    verifier: Verifier<KEY, SIGNATURE>,
    scheme: Scheme,
    key: &[u8],
    message: &[u8],
    context: &[u8],
    signature: &[u8],
) -> Result<(), CryptoError> {
    let key: [u8; KEY] = key.try_into().map_err(|_| {
        let (found, expected) = (key.len(), KEY);
        CryptoError::PublicKeyLength { scheme, found, expected }
    })?;
    let signature: [u8; SIGNATURE] = signature.try_into().map_err(|_| {
        let (found, expected) = (signature.len(), SIGNATURE);
        CryptoError::SignatureLength { scheme, found, expected }
    })?;
    // Why a signature fails (its hint, its norm, its hash) is this implementation's view of one rule, and not ours to report.
    verifier(&MLDSAVerificationKey::new(key), message, context, &MLDSASignature::new(signature))
        .map_err(|_| CryptoError::InvalidSignature { scheme })
}

fn check_context(context: &[u8]) -> Result<u8, CryptoError> {
    let too_long = CryptoError::ContextTooLong { found: context.len(), max: CONTEXT_BYTES_MAX };
    u8::try_from(context.len()).map_err(|_| too_long)
}

/// A secret key with its matrix and vectors expanded, so that signing many messages expands nothing again. Wiped on drop.
pub struct ExpandedKey(Expanded);

/// The boxes keep tens of kilobytes off the stack and in one place that is wiped.
enum Expanded {
    MlDsa44(Box<ExpandedSigningKey<MlDsa44>>),
    MlDsa65(Box<ExpandedSigningKey<MlDsa65>>),
    MlDsa87(Box<ExpandedSigningKey<MlDsa87>>),
}

const _: () = {
    const fn wiped_on_drop<T: ZeroizeOnDrop>() {}
    wiped_on_drop::<ExpandedSigningKey<MlDsa44>>();
    wiped_on_drop::<ExpandedSigningKey<MlDsa65>>();
    wiped_on_drop::<ExpandedSigningKey<MlDsa87>>();
};

impl ExpandedKey {
    /// Makes the key pair of a seed (ξ): `ML-DSA.KeyGen_internal`, FIPS 204 algorithm 6. Returns it with its public key's bytes.
    pub fn from_seed(level: Level, seed: &[u8; SEED_BYTES]) -> (Self, Vec<u8>) {
        match level {
            Level::MlDsa44 => {
                let (expanded, public) = expand(seed);
                (Self(Expanded::MlDsa44(expanded)), public)
            }
            Level::MlDsa65 => {
                let (expanded, public) = expand(seed);
                (Self(Expanded::MlDsa65(expanded)), public)
            }
            Level::MlDsa87 => {
                let (expanded, public) = expand(seed);
                (Self(Expanded::MlDsa87(expanded)), public)
            }
        }
    }

    /// Signs a message: `ML-DSA.Sign`, FIPS 204 algorithm 2, with `rnd` as the caller gives it. Fresh entropy makes it the hedged
    /// variant, zeros the deterministic one.
    ///
    /// # Errors
    /// [`CryptoError::ContextTooLong`].
    pub fn sign(&self, message: &[u8], context: &[u8], rnd: &[u8; ENTROPY_BYTES]) -> Result<Vec<u8>, CryptoError> {
        let context_length = check_context(context)?;
        // Line 10 of algorithm 2: M' = 0 ‖ |ctx| ‖ ctx ‖ M, where 0 says "pure".
        let parts: [&[u8]; 3] = [&[0, context_length], context, message];
        let rnd = (*rnd).into();
        Ok(match &self.0 {
            Expanded::MlDsa44(key) => key.sign_internal(&parts, &rnd).encode().to_vec(),
            Expanded::MlDsa65(key) => key.sign_internal(&parts, &rnd).encode().to_vec(),
            Expanded::MlDsa87(key) => key.sign_internal(&parts, &rnd).encode().to_vec(),
        })
    }
}

fn expand<P: MlDsaParams>(seed: &[u8; SEED_BYTES]) -> (Box<ExpandedSigningKey<P>>, Vec<u8>) {
    let pair = SigningKey::<P>::from_seed(seed.into());
    let public = pair.verifying_key().encode().to_vec();
    (Box::new(pair.expanded_key().clone()), public)
}

#[cfg(test)]
mod tests {
    use libcrux_ml_dsa::{MLDSAKeyPair, MLDSASigningKey, SigningError};

    use super::*;
    use crate::crypto::{PublicKey, Signature};
    use crate::testing::test;

    /// The verdict of the `ml-dsa` crate, the second implementation.
    fn second_verdict<P: MlDsaParams>(key: &[u8], message: &[u8], context: &[u8], signature: &[u8]) -> bool {
        let key = ::ml_dsa::VerifyingKey::<P>::decode(key.try_into().unwrap());
        ::ml_dsa::Signature::<P>::try_from(signature)
            .is_ok_and(|signature| key.verify_with_context(message, context, &signature))
    }

    /// libcrux's key generation and signing, which only tests use.
    type Generator<const KEY: usize, const SECRET: usize> = fn([u8; 32]) -> MLDSAKeyPair<KEY, SECRET>;
    type Signer<const SECRET: usize, const SIGNATURE: usize> =
        fn(&MLDSASigningKey<SECRET>, &[u8], &[u8], [u8; 32]) -> Result<MLDSASignature<SIGNATURE>, SigningError>;

    /// Both implementations must make the same keys and, from the same entropy, the same signatures; both must accept them, and
    /// refuse them once the key, message, context or signature differs in one bit.
    fn cross_check<P: MlDsaParams, const KEY: usize, const SECRET: usize, const SIGNATURE: usize>(
        level: Level,
        generate: Generator<KEY, SECRET>,
        sign: Signer<SECRET, SIGNATURE>,
    ) {
        let both = |key: &[u8], message: &[u8], context: &[u8], signature: &[u8]| {
            let first = verify(level, key, message, context, signature).is_ok();
            let second = second_verdict::<P>(key, message, context, signature);
            assert_eq!(first, second, "the implementations differ");
            first
        };
        let flipped = |bytes: &[u8], bit: usize| {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        for round in 0..3_u8 {
            let (seed, rnd, message, context) = ([round; 32], [round ^ 0x5a; 32], [round + 1; 32], [round; 3]);
            let pair = generate(seed);
            let (secret, key) = ExpandedKey::from_seed(level, &seed);
            assert_eq!(key, pair.verification_key.as_slice());

            let signature = secret.sign(&message, &context, &rnd).unwrap();
            assert_eq!(signature, sign(&pair.signing_key, &message, &context, rnd).unwrap().as_slice());

            assert!(both(&key, &message, &context, &signature));
            for bit in (0..SIGNATURE * 8).step_by(SIGNATURE * 8 / 40) {
                assert!(!both(&key, &message, &context, &flipped(&signature, bit)), "bit {bit}");
            }
            // The hint's end: how many entries each polynomial has.
            assert!(!both(&key, &message, &context, &flipped(&signature, SIGNATURE * 8 - 1)));
            for bit in [0, 255, 256, KEY * 8 - 1] {
                assert!(!both(&flipped(&key, bit), &message, &context, &signature), "key bit {bit}");
            }
            assert!(!both(&key, &flipped(&message, 255), &context, &signature));
            assert!(!both(&key, &message, &flipped(&context, 0), &signature));
            assert!(!both(&key, &message, &[], &signature));
        }
    }

    #[test]
    fn two_implementations_agree_on_44() {
        cross_check::<MlDsa44, _, _, _>(Level::MlDsa44, ml_dsa_44::generate_key_pair, ml_dsa_44::sign);
    }

    #[test]
    fn two_implementations_agree_on_65() {
        cross_check::<MlDsa65, _, _, _>(Level::MlDsa65, ml_dsa_65::generate_key_pair, ml_dsa_65::sign);
    }

    #[test]
    fn two_implementations_agree_on_87() {
        cross_check::<MlDsa87, _, _, _>(Level::MlDsa87, ml_dsa_87::generate_key_pair, ml_dsa_87::sign);
    }

    #[test]
    fn lengths_are_exact_and_contexts_bounded() {
        for level in [Level::MlDsa44, Level::MlDsa65, Level::MlDsa87] {
            let scheme = level.scheme();
            let (secret, key) = ExpandedKey::from_seed(level, &[9; 32]);
            let longest = [1; CONTEXT_BYTES_MAX];
            let signature = secret.sign(b"message", &longest, &[0; 32]).unwrap();
            let verify = |key, context, signature| verify(level, key, b"message", context, signature);
            assert_eq!(verify(&key, &longest, &signature), Ok(()));

            let context = [1; CONTEXT_BYTES_MAX + 1];
            let too_long = CryptoError::ContextTooLong { found: 256, max: 255 };
            assert_eq!(verify(&key, &context, &signature), Err(too_long.clone()));
            assert_eq!(secret.sign(b"message", &context, &[0; 32]), Err(too_long));

            let expected = scheme.public_key_bytes();
            let wrong = CryptoError::PublicKeyLength { scheme, found: expected - 1, expected };
            assert_eq!(verify(&key[1..], &longest, &signature), Err(wrong));

            let expected = scheme.signature_bytes();
            let wrong = CryptoError::SignatureLength { scheme, found: expected - 1, expected };
            assert_eq!(verify(&key, &longest, &signature[1..]), Err(wrong));
            let wrong = CryptoError::SignatureLength { scheme, found: expected + 1, expected };
            assert_eq!(verify(&key, &longest, &[&signature[..], &[0]].concat()), Err(wrong));
        }
    }

    #[test]
    fn consensus_takes_the_empty_context_only() {
        let scheme = Scheme::MlDsa87;
        let (secret, key) = ExpandedKey::from_seed(Level::MlDsa87, &[9; 32]);
        let key = PublicKey::new(scheme, key).unwrap();
        let signed = |context| Signature::new(secret.sign(b"message", context, &[0; 32]).unwrap()).unwrap();
        assert_eq!(key.verify(b"message", &signed(b"")), Ok(()));
        assert_eq!(key.verify(b"message", &signed(b"qbtc")), Err(CryptoError::InvalidSignature { scheme }));
    }
}
