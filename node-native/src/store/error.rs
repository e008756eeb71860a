//! Why the store failed: never the fault of a peer or a user of the API.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use qbtc_core::hash::ChainId;

/// Why the store could not be opened, read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full. Nothing of the write that failed is visible.
    #[error("the disk is full: free some space, then start the node again; nothing is lost")]
    DiskFull,
    /// The disk failed. Nothing of a write that failed is visible.
    #[error("reading or writing the database {} failed: {error}", path.display())]
    Io {
        /// The database's file.
        path: PathBuf,
        /// Why.
        error: Arc<io::Error>,
    },
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
    #[error(
        "the database {} contradicts itself: {detail}; move it away, then start the node again to rebuild it",
        path.display()
    )]
    Inconsistent {
        /// The database's file.
        path: PathBuf,
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
    Database(Arc<redb::Error>),
}

impl StoreError {
    /// Something stored that cannot be.
    pub(crate) fn inconsistent(detail: impl Into<String>) -> Self {
        Self::Inconsistent { path: PathBuf::new(), detail: detail.into() }
    }

    /// Something that redb cannot make sense of.
    pub(crate) fn damaged(detail: impl Into<String>) -> Self {
        Self::Damaged { path: PathBuf::new(), detail: detail.into() }
    }

    /// The error, of the database in this file.
    pub(super) fn of(mut self, file: &Path) -> Self {
        if let Self::Io { path, .. } | Self::Damaged { path, .. } | Self::Inconsistent { path, .. } = &mut self
            && path.as_os_str().is_empty()
        {
            *path = file.into();
        }
        self
    }

    /// Whether the disk or redb failed, so that nothing can be read or written any more.
    pub(super) const fn is_of_the_disk(&self) -> bool {
        matches!(self, Self::DiskFull | Self::Io { .. } | Self::Damaged { .. } | Self::Database(_))
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            // redb finds what is not its own, or less than there should be.
            io::ErrorKind::InvalidData => Self::damaged(error.to_string()),
            io::ErrorKind::UnexpectedEof => Self::damaged("it ends early"),
            _ => Self::Io { path: PathBuf::new(), error: Arc::new(error) },
        }
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => error.into(),
            redb::Error::Corrupted(detail) => Self::damaged(detail),
            // The tables are not those that this program made.
            error @ (redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableIsNotMultimap(_)
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::LockPoisoned(_)) => Self::damaged(error.to_string()),
            other => Self::Database(Arc::new(other)),
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
