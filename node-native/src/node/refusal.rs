//! Why a node does not take what it is given.

use std::sync::Arc;

use qbtc_core::chain::InsertError;
use qbtc_core::hash::BlockHash;
use qbtc_core::mempool::{AdmitError, PriorityError};
use qbtc_core::verify::{BlockError, TxError};

use crate::store::StoreError;

/// Our own fault: it says nothing about what was given.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The store failed; the node stops.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// A part of the node panicked: a fault of the program; the node stops.
    #[error(
        "the node's {part} panicked, and cannot go on: a fault of the program; start the node again, and report what it logged"
    )]
    Panicked {
        /// Which part.
        part: &'static str,
    },
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// Why a block is not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BlockRefusal {
    /// It, or one below it, was found invalid before.
    #[error("block {id}, or one below it, was found invalid before")]
    KnownInvalid {
        /// The block.
        id: BlockHash,
    },
    /// Its header does not fit.
    #[error(transparent)]
    Header(InsertError),
    /// It breaks a rule.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Our own fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a header is not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HeaderRefusal {
    /// It does not fit.
    #[error(transparent)]
    Header(#[from] InsertError),
    /// Our own fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a transaction is not taken into the mempool.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TxRefusal {
    /// It is not valid, whatever the chain.
    #[error(transparent)]
    Check(#[from] TxError),
    /// It is not valid now, or policy is against it.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// Our own fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a transaction is not valued otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PrioritiseError {
    /// It is out of bounds.
    #[error(transparent)]
    Refused(#[from] PriorityError),
    /// Our own fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<InsertError> for BlockRefusal {
    fn from(error: InsertError) -> Self {
        match error {
            InsertError::Invalid { id } => Self::KnownInvalid { id },
            error => Self::Header(error),
        }
    }
}
