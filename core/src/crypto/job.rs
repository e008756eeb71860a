//! Self-contained signature checks that validation collects and its caller runs.
//!
//! A job borrows all it needs and touches nothing else, so any number of them may run at once: a node with threads maps
//! [`SignatureJob::verify`] over them in parallel, a browser calls [`verify_serial`]. Both find the same verdict; which of several
//! failing jobs is reported must be the first in order, as here, so that errors agree as well.

use super::{CryptoError, PublicKey, Signature};

/// One signature to verify.
#[derive(Clone, Copy, Debug)]
pub struct SignatureJob<'a> {
    /// The key that must have signed.
    pub key: &'a PublicKey,
    /// The 32 bytes that must have been signed.
    pub message: [u8; 32],
    /// The signature to check.
    pub signature: &'a Signature,
}

impl SignatureJob<'_> {
    /// Verifies the signature.
    ///
    /// # Errors
    /// As [`PublicKey::verify`].
    pub fn verify(&self) -> Result<(), CryptoError> {
        self.key.verify(&self.message, self.signature)
    }
}

/// Verifies the jobs one after the other.
///
/// # Errors
/// The index of the first job that fails, and why it does.
pub fn verify_serial(jobs: &[SignatureJob<'_>]) -> Result<(), (usize, CryptoError)> {
    jobs.iter().enumerate().try_for_each(|(index, job)| job.verify().map_err(|error| (index, error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Scheme, SecretKey};
    use crate::testing::test;

    #[test]
    fn the_first_failing_job_is_named() {
        let scheme = Scheme::MlDsa44;
        let secret = SecretKey::from_seed(scheme, &[1; 32]);
        let signature = secret.sign(&[2; 32], &[3; 32]);
        let good = SignatureJob { key: secret.public_key(), message: [2; 32], signature: &signature };
        let bad = SignatureJob { message: [4; 32], ..good };

        assert_eq!(verify_serial(&[]), Ok(()));
        assert_eq!(verify_serial(&[good, good]), Ok(()));
        assert_eq!(verify_serial(&[good, bad, bad]), Err((1, CryptoError::InvalidSignature { scheme })));
    }
}
