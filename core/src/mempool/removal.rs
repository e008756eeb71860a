//! What left a pool, and why.

use alloc::sync::Arc;

use crate::crypto::CryptoError;
use crate::hash::{BlockHash, Txid};
use crate::units::Height;
use crate::verify::{CheckedTx, SpendError};

use super::AdmitError;

/// A transaction that left the pool, or that left the chain and did not come back to the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The transaction.
    pub tx: Arc<CheckedTx>,
    /// Why. Descendants leave for the reason of the one they depend on.
    pub reason: RemovalReason,
}

/// Why a transaction left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovalReason {
    /// It is in a block.
    Mined {
        /// The block.
        block: BlockHash,
    },
    /// A transaction in a block spends a coin that it spends, or that one it depends on spends.
    Conflict {
        /// The transaction in the block.
        with: Txid,
    },
    /// A better transaction spends a coin that it spends, or that one it depends on spends.
    Replaced {
        /// The better one.
        by: Txid,
    },
    /// Its expiry height is past.
    Expired {
        /// The height of the next block.
        height: Height,
    },
    /// It waited too long.
    TooOld,
    /// The pool was full and it paid least.
    Evicted,
    /// After a reorg it is not valid in the next block.
    Invalid(SpendError),
    /// After a reorg it was verified again, and a signature is wrong. Only a witness that was never verified here can cause this.
    Signature(CryptoError),
    /// After a reorg it has too many or too large relatives in the pool.
    Relatives(AdmitError),
}
