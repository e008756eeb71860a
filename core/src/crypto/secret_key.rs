//! A secret key: made from a seed, able to sign, wiped when dropped.
//!
//! It has neither `Debug` nor `Serialize` nor `Clone`: the seed is what a wallet keeps (encrypted), and a key is made from it where
//! and while it is needed. Signing never fails and reads no randomness: the caller gives the entropy.

use zeroize::ZeroizeOnDrop;

use super::{PublicKey, Scheme, Signature, ml_dsa, slh_dsa};

/// The length of the seed that a key pair is made from, for every scheme.
pub const SEED_BYTES: usize = 32;

/// The length of the entropy that a hedged signature takes, for every scheme.
pub const ENTROPY_BYTES: usize = 32;

/// A secret key of one scheme, expanded so that signing repeats no work of its making.
///
/// Expanded keys are large (about 100 kB for ML-DSA-87), so a wallet makes those it needs, not all it has.
pub struct SecretKey {
    expanded: Expanded,
    public: PublicKey,
}

enum Expanded {
    MlDsa(ml_dsa::ExpandedKey),
    SlhDsa(slh_dsa::ExpandedKey),
}

/// Both kinds of expanded key wipe themselves, as their modules assert at compile time.
impl ZeroizeOnDrop for SecretKey {}

impl SecretKey {
    /// Makes the key pair of a seed: for ML-DSA, ξ of FIPS 204 algorithm 6; for SLH-DSA, expanded to the three seeds of FIPS 205
    /// algorithm 18 by tagged hashes.
    ///
    /// The seed must be secret and uniformly random, and must not be used with another scheme as well: derive one for each.
    pub fn from_seed(scheme: Scheme, seed: &[u8; SEED_BYTES]) -> Self {
        let ml_dsa = |level| {
            let (key, public) = ml_dsa::ExpandedKey::from_seed(level, seed);
            (Expanded::MlDsa(key), public)
        };
        let (expanded, public) = match scheme {
            Scheme::MlDsa44 => ml_dsa(ml_dsa::Level::MlDsa44),
            Scheme::MlDsa65 => ml_dsa(ml_dsa::Level::MlDsa65),
            Scheme::MlDsa87 => ml_dsa(ml_dsa::Level::MlDsa87),
            Scheme::SlhDsaSha2_128s => {
                let (key, public) = slh_dsa::ExpandedKey::from_seed(seed);
                (Expanded::SlhDsa(key), public)
            }
        };
        let public = PublicKey::new(scheme, public).expect("key generation gives a key of its scheme's length");
        Self { expanded, public }
    }

    /// Returns the public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message, hedged (FIPS 204 §3.4, FIPS 205 §3.4): the signature depends on the secret key, the message and the
    /// entropy, so that neither a bad source of randomness nor a fault alone gives the key away.
    ///
    /// ML-DSA takes all the entropy as `rnd`, SLH-DSA its first 16 bytes as `opt_rand`. Give fresh bytes for each signature.
    pub fn sign(&self, message: &[u8], entropy: &[u8; ENTROPY_BYTES]) -> Signature {
        let opt_rand = entropy.first_chunk().expect("the entropy is longer than opt_rand");
        self.sign_with(message, entropy, Some(opt_rand))
    }

    /// Signs a message without entropy: the standards' deterministic variants.
    ///
    /// This is for test vectors only: a fault injected into a second signing of the same message can reveal the key.
    pub fn sign_deterministic(&self, message: &[u8]) -> Signature {
        self.sign_with(message, &[0; ENTROPY_BYTES], None)
    }

    fn sign_with(
        &self,
        message: &[u8],
        rnd: &[u8; ENTROPY_BYTES],
        opt_rand: Option<&[u8; slh_dsa::N_BYTES]>,
    ) -> Signature {
        let bytes = match &self.expanded {
            Expanded::MlDsa(key) => key.sign(message, &[], rnd).expect("an empty context is not too long"),
            Expanded::SlhDsa(key) => key.sign(message, opt_rand),
        };
        Signature::new(bytes).expect("a scheme's signature has its scheme's length")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::CryptoError;
    use crate::testing::test;

    #[test]
    fn signs_what_its_public_key_verifies() {
        for scheme in Scheme::ALL {
            let secret = SecretKey::from_seed(scheme, &[1; SEED_BYTES]);
            let key = secret.public_key();
            assert_eq!(key.scheme(), scheme);
            let signature = secret.sign(b"message", &[2; ENTROPY_BYTES]);
            assert_eq!(key.verify(b"message", &signature), Ok(()));
            let invalid = Err(CryptoError::InvalidSignature { scheme });
            assert_eq!(key.verify(b"massage", &signature), invalid);
            let other = SecretKey::from_seed(scheme, &[3; SEED_BYTES]);
            assert_eq!(other.public_key().verify(b"message", &signature), invalid);
        }
    }

    #[test]
    fn a_signature_depends_on_the_entropy() {
        for scheme in [Scheme::MlDsa44, Scheme::MlDsa65, Scheme::MlDsa87] {
            let secret = SecretKey::from_seed(scheme, &[1; SEED_BYTES]);
            let signed = |entropy: u8| secret.sign(b"message", &[entropy; ENTROPY_BYTES]);
            assert_eq!(signed(2), signed(2));
            assert_ne!(signed(2), signed(3));
            assert_eq!(secret.sign_deterministic(b"message"), signed(0));
        }
    }
}
