//! A transaction on its way into the pool.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::AdmitError;
use crate::crypto::{CryptoError, SignatureJob};
use crate::hash::Txid;
use crate::units::Amount;
use crate::verify::{CheckedTx, ResolvedTx, VerifiedCache};

/// A transaction that the pool would take, if its signatures verify. It borrows nothing, so that they can be verified elsewhere
/// while the pool goes on.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub(super) resolved: ResolvedTx,
    /// The transactions of the pool that it spends from.
    pub(super) parents: Vec<Txid>,
    /// How often the tip had moved.
    pub(super) tip_moves: u64,
}

/// A candidate whose signatures verify.
#[derive(Clone, Debug)]
pub struct VerifiedCandidate(pub(super) Candidate);

impl Candidate {
    /// The transaction.
    #[must_use]
    pub const fn tx(&self) -> &Arc<CheckedTx> {
        self.resolved.tx()
    }

    /// What it leaves to the miner.
    #[must_use]
    pub const fn fee(&self) -> Amount {
        self.resolved.fee()
    }

    /// Runs the signatures that are not known to be good yet.
    ///
    /// `run` verifies all jobs, in whatever order and on however many threads it likes
    /// ([`crate::crypto::verify_serial`] is the plain one), and names one that failed.
    ///
    /// # Errors
    /// [`AdmitError::Signature`], if `run` names one.
    pub fn verify(
        self,
        run: impl FnOnce(&[SignatureJob<'_>]) -> Result<(), (usize, CryptoError)>,
    ) -> Result<VerifiedCandidate, AdmitError> {
        run(&self.resolved.jobs()).map_err(|(_, error)| AdmitError::Signature(error))?;
        Ok(VerifiedCandidate(self))
    }
}

impl VerifiedCandidate {
    /// The transaction.
    #[must_use]
    pub const fn tx(&self) -> &Arc<CheckedTx> {
        self.0.tx()
    }

    /// What it leaves to the miner.
    #[must_use]
    pub const fn fee(&self) -> Amount {
        self.0.fee()
    }

    /// Remembers the witnesses that passed, so that the transaction costs no signature again, whatever becomes of it here.
    pub fn remember(&self, cache: &mut VerifiedCache) {
        self.0.resolved.remember(cache);
    }
}
