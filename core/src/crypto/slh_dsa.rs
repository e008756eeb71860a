//! SLH-DSA-SHA2-128s (FIPS 205), the fallback that rests on SHA-256 alone.
//!
//! It is for the dormant leaf of an address: signing is slow (some 40 ms to 1 s) and a signature has 7,856 bytes, but nothing about
//! lattices has to hold. Pure form with an empty context, as for ML-DSA.

use alloc::boxed::Box;
use alloc::vec::Vec;

use ::slh_dsa::signature::{Keypair, Verifier};
use ::slh_dsa::{Sha2_128s, Signature, SigningKey, VerifyingKey};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{CryptoError, SEED_BYTES, Scheme};
use crate::hash::tagged;

/// The security parameter n in bytes (FIPS 205 table 2): the length of each seed and of `opt_rand`.
pub(super) const N_BYTES: usize = 16;

const SCHEME: Scheme = Scheme::SlhDsaSha2_128s;

/// Verifies a signature: `slh_verify`, FIPS 205 algorithm 24, with an empty context.
///
/// # Errors
/// [`CryptoError::PublicKeyLength`] and [`CryptoError::SignatureLength`] where a length is not the standard's,
/// [`CryptoError::InvalidSignature`] where the signature does not verify.
pub(super) fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
    // Both decoders fail on the length only: any bytes of the right length are a key, or a signature.
    let key = VerifyingKey::<Sha2_128s>::try_from(key).map_err(|_| {
        let (found, expected) = (key.len(), SCHEME.public_key_bytes());
        CryptoError::PublicKeyLength { scheme: SCHEME, found, expected }
    })?;
    let signature = Signature::<Sha2_128s>::try_from(signature).map_err(|_| {
        let (found, expected) = (signature.len(), SCHEME.signature_bytes());
        CryptoError::SignatureLength { scheme: SCHEME, found, expected }
    })?;
    key.verify(message, &signature).map_err(|_| CryptoError::InvalidSignature { scheme: SCHEME })
}

/// A secret key, wiped on drop.
pub(super) struct ExpandedKey(Box<SigningKey<Sha2_128s>>);

const _: () = {
    const fn wiped_on_drop<T: ZeroizeOnDrop>() {}
    wiped_on_drop::<SigningKey<Sha2_128s>>();
};

impl ExpandedKey {
    /// Makes the key pair of a 32-byte seed. Returns it with its public key's bytes.
    ///
    /// FIPS 205 wants three independent seeds of 16 bytes. Each is the first half of `tagged(tag, seed)`, with the tags
    /// "qbtc/slh-dsa/sk-seed", "qbtc/slh-dsa/sk-prf" and "qbtc/slh-dsa/pk-seed"; `slh_keygen_internal` (algorithm 18) does the rest.
    pub(super) fn from_seed(seed: &[u8; SEED_BYTES]) -> (Self, Vec<u8>) {
        let sk_seed = derive("qbtc/slh-dsa/sk-seed", seed);
        let sk_prf = derive("qbtc/slh-dsa/sk-prf", seed);
        let pk_seed = derive("qbtc/slh-dsa/pk-seed", seed);
        Self::from_seeds(&sk_seed, &sk_prf, &pk_seed)
    }

    /// `slh_keygen_internal`, FIPS 205 algorithm 18.
    fn from_seeds(sk_seed: &[u8; N_BYTES], sk_prf: &[u8; N_BYTES], pk_seed: &[u8; N_BYTES]) -> (Self, Vec<u8>) {
        let key = SigningKey::slh_keygen_internal(sk_seed, sk_prf, pk_seed);
        let public = key.verifying_key().to_vec();
        (Self(Box::new(key)), public)
    }

    /// Signs a message: `slh_sign`, FIPS 205 algorithm 22, with an empty context; hedged by `opt_rand`, or deterministic without it.
    pub(super) fn sign(&self, message: &[u8], opt_rand: Option<&[u8; N_BYTES]>) -> Vec<u8> {
        let opt_rand = opt_rand.map(<[u8; N_BYTES]>::as_slice);
        let signature = self.0.try_sign_with_context(message, &[], opt_rand);
        signature.expect("an empty context is never too long, and nothing else can fail").to_vec()
    }
}

fn derive(tag: &str, seed: &[u8; SEED_BYTES]) -> Zeroizing<[u8; N_BYTES]> {
    let digest = Zeroizing::new(tagged(tag, &[seed]));
    let mut half = Zeroizing::new([0; N_BYTES]);
    half.copy_from_slice(&digest[..N_BYTES]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256;
    use crate::testing::test;

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        let mut bytes = [0; N];
        hex::decode_to_slice(text, &mut bytes).unwrap();
        bytes
    }

    /// NIST's ACVP-Server, `SLH-DSA-keyGen-FIPS205`, group 1, cases 1 to 3: sk seed, sk prf, public key (which begins with pk seed).
    const KEY_GENERATION: [[&str; 3]; 3] = [
        [
            "AA9CC7DCA491FC86BCB15A709A15E9B3",
            "905C800B6E2FB9B54B6B050EE5E4DE9A",
            "FA5464D1C661FED38B2A51CA3EAE71BACAE3D1865215E3D3850E8C1B8292BF42",
        ],
        [
            "6DA324B47C1D24DA378B55FCEA263FFD",
            "A361BFCBB9D323F810B0FFF854F22B89",
            "A2F150C9E9FE2DF741887FD9DE9C69B5AE2C1522FB1A5C903A719B01CAD2D67F",
        ],
        [
            "E1BE063C8EFB23A4EF782461BAB6BB6E",
            "9BC2D411807984A271002E80403EFC28",
            "F13CC8DD3C37CCBED636778CEBE716DA27A2D5EF4A73F10DC1564E6C76985BEA",
        ],
    ];

    #[test]
    fn key_generation_matches_nist() {
        for [sk_seed, sk_prf, public] in KEY_GENERATION {
            let (_, found) = ExpandedKey::from_seeds(&unhex(sk_seed), &unhex(sk_prf), &unhex(&public[..32]));
            assert_eq!(found, unhex::<32>(public));
        }
    }

    /// From `@noble/post-quantum` 0.7.1 and Node's SHA-256: the three seeds that 00 01 … 1f expands to, their public key, and
    /// SHA-256 of its signatures over 32 bytes of 07: deterministic, and hedged by a0 a1 … af.
    #[test]
    fn keys_and_signatures_match_a_second_implementation() {
        let (secret, public) = ExpandedKey::from_seed(&core::array::from_fn(|i| u8::try_from(i).unwrap()));
        let seeds = "e46668529f648a289818f5223ceb16594cd0e8108af736e3e2d6ac2c96c0d6acda72121171069ebb88b926bf46e8b7c5";
        assert_eq!(secret.0.to_bytes()[..48], unhex::<48>(seeds));
        assert_eq!(public, unhex::<32>("da72121171069ebb88b926bf46e8b7c506ff3f817674eba55e458abd98b1f5a0"));

        let message = [7; 32];
        let deterministic = secret.sign(&message, None);
        let hedged = secret.sign(&message, Some(&core::array::from_fn(|i| 0xa0 + u8::try_from(i).unwrap())));
        let digest = unhex("2c89ef7c4cc0708479b206679e102041a9bb44770c7a292f4efd53bdb8cff1f3");
        assert_eq!(sha256(&deterministic), digest);
        let digest = unhex("913ee21bdacfca64030026b38884d5725182241e05da48e7126ddad25f87d25a");
        assert_eq!(sha256(&hedged), digest);
        assert_eq!(verify(&public, &message, &deterministic), Ok(()));
        assert_eq!(verify(&public, &message, &hedged), Ok(()));

        let invalid = Err(CryptoError::InvalidSignature { scheme: SCHEME });
        for at in (0..hedged.len()).step_by(hedged.len() / 30) {
            let mut mutated = hedged.clone();
            mutated[at] ^= 1;
            assert_eq!(verify(&public, &message, &mutated), invalid, "byte {at}");
        }
        assert_eq!(verify(&public, &[8; 32], &hedged), invalid);
        for at in [0, 31] {
            let mut other = public.clone();
            other[at] ^= 1;
            assert_eq!(verify(&other, &message, &hedged), invalid);
        }
    }

    #[test]
    fn lengths_are_exact() {
        let (key, signature) = ([1; 33], [1; 7857]);
        for found in [0, 31, 33] {
            let wrong = CryptoError::PublicKeyLength { scheme: SCHEME, found, expected: 32 };
            assert_eq!(verify(&key[..found], b"message", &signature[..7856]), Err(wrong));
        }
        for found in [0, 7855, 7857] {
            let wrong = CryptoError::SignatureLength { scheme: SCHEME, found, expected: 7856 };
            assert_eq!(verify(&key[..32], b"message", &signature[..found]), Err(wrong));
        }
    }
}
