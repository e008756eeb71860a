//! Why the store failed: never the fault of a peer or a user of the API.

use std::io;
use std::path::PathBuf;

use qbtc_core::hash::ChainId;

/// Why the store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full. Nothing of the write that failed is visible.
    #[error("the disk is full: free some space, then start the node again; nothing is lost")]
    DiskFull,
    /// The disk failed. Nothing of a write that failed is visible.
    #[error("reading or writing the database failed: {0}")]
    Io(io::Error),
    /// Another process has the database open.
    #[error("the database {} is in use by another process: stop it, or choose another --data-dir", path.display())]
    InUse {
        /// The database's file.
        path: PathBuf,
    },
    /// The file is damaged, or is no database.
    #[error(
        "the database {} is damaged ({detail}): move it away, then start the node again to rebuild it; wallets are not in it",
        path.display()
    )]
    Damaged {
        /// The database's file.
        path: PathBuf,
        /// What redb found.
        detail: String,
    },
    /// What is stored contradicts itself.
    #[error("the database contradicts itself: {detail}; move it away, then start the node again to rebuild it")]
    Inconsistent {
        /// What does not fit.
        detail: String,
    },
    /// A version that this program does not know.
    #[error("the database has schema version {found}, this program knows up to {known}: use a newer qbtc")]
    Newer {
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// The database of another chain.
    #[error("the data dir belongs to the chain {found}, expected {expected}: choose another --data-dir or --chain")]
    OtherChain {
        /// The chain found.
        found: ChainId,
        /// The chain of the node.
        expected: ChainId,
    },
    /// An index was asked for that cannot be built, since old blocks are gone.
    #[error(
        "the index {index} needs all blocks, but those below height {below} are pruned: start without it, or from an empty data dir"
    )]
    IndexNeedsBlocks {
        /// The option.
        index: &'static str,
        /// The lowest height of which the block is whole.
        below: u32,
    },
    /// redb said something else.
    #[error("database: {0}")]
    Database(Box<redb::Error>),
}

impl StoreError {
    /// Something stored that cannot be.
    pub(crate) fn inconsistent(detail: impl Into<String>) -> Self {
        Self::Inconsistent { detail: detail.into() }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io(error),
        }
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => error.into(),
            redb::Error::Corrupted(detail) => Self::Inconsistent { detail },
            other => Self::Database(Box::new(other)),
        }
    }
}

/// redb has an error type for each kind of call; all of them end here.
macro_rules! from_redb {
    ($($kind:ident)*) => {$(
        impl From<redb::$kind> for StoreError {
            fn from(error: redb::$kind) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}
from_redb!(StorageError TableError TransactionError CommitError SetDurabilityError);
