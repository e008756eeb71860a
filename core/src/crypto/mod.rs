//! Signatures: the closed set of schemes, public keys, signatures, secret keys, and the jobs that verify them.
//!
//! Every public key names its scheme, and every length is exact: a [`PublicKey`] that exists has the length of its scheme, and a
//! [`Signature`] is measured against its key's scheme before a byte of it is looked at. Verification has **one** implementation for
//! each scheme on every target (libcrux for ML-DSA, `slh-dsa` for SLH-DSA), so that a browser and a node cannot disagree. Secret
//! keys come from 32-byte seeds and sign hedged; ML-DSA signing is the `ml-dsa` crate's, so each signature made here is verified
//! by code that shares nothing with the code that made it.
//!
//! This module must not read randomness (the caller gives entropy), start threads (the caller runs [`SignatureJob`]s in parallel),
//! or decide which scheme is allowed at which height (the chain spec does).

mod job;
pub mod ml_dsa;
mod public_key;
mod scheme;
mod secret_key;
mod signature;
mod slh_dsa;

use alloc::string::String;

pub use job::{SignatureJob, verify_serial};
pub use public_key::PublicKey;
pub use scheme::{PUBLIC_KEY_BYTES_MAX, SIGNATURE_BYTES_MAX, Scheme};
pub use secret_key::{ENTROPY_BYTES, SEED_BYTES, SecretKey};
pub use signature::Signature;

/// A rule on keys or signatures that was broken; each variant carries what was found and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// No scheme has this id.
    #[error("signature scheme {found} is unknown; known ids are 1 to 4")]
    UnknownScheme {
        /// The id that was given.
        found: u8,
    },
    /// No scheme has this name.
    #[error("signature scheme {found:?} is unknown; known are ML-DSA-44, ML-DSA-65, ML-DSA-87 and SLH-DSA-SHA2-128s")]
    UnknownSchemeName {
        /// The name that was given.
        found: String,
    },
    /// A public key's length is not its scheme's.
    #[error("a {scheme} public key of {found} bytes; it has {expected}")]
    PublicKeyLength {
        /// The key's scheme.
        scheme: Scheme,
        /// Bytes given.
        found: usize,
        /// Bytes a key of this scheme has.
        expected: usize,
    },
    /// A signature's length is not that of its key's scheme.
    #[error("a {scheme} signature of {found} bytes; it has {expected}")]
    SignatureLength {
        /// The key's scheme.
        scheme: Scheme,
        /// Bytes given.
        found: usize,
        /// Bytes a signature of this scheme has.
        expected: usize,
    },
    /// A signature is longer than any scheme's.
    #[error("a signature of {found} bytes; no scheme's has more than {max}")]
    SignatureTooLong {
        /// Bytes given.
        found: usize,
        /// The longest signature of all schemes, [`SIGNATURE_BYTES_MAX`].
        max: usize,
    },
    /// A FIPS 204 context is longer than the standard allows.
    #[error("a signature context of {found} bytes; at most {max} are allowed")]
    ContextTooLong {
        /// Bytes given.
        found: usize,
        /// [`ml_dsa::CONTEXT_BYTES_MAX`].
        max: usize,
    },
    /// The signature is not one of this key over this message.
    #[error("the {scheme} signature does not verify")]
    InvalidSignature {
        /// The key's scheme.
        scheme: Scheme,
    },
}
