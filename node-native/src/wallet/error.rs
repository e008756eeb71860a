//! Why a wallet cannot be made, opened or changed.

use qbtc_core::wallet::keystore::KeystoreError;

use super::folder::FolderError;
use super::labels::LabelError;
use super::state::StateError;
use super::watched::WatchError;

/// Why a wallet cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// Its files.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its keystore.
    #[error("wallet {name:?}: {error}")]
    Keystore {
        /// The wallet.
        name: String,
        /// What is wrong.
        #[source]
        error: KeystoreError,
    },
    /// What it knew of the chain.
    #[error(
        "wallet {name:?}: what it knew of the chain is lost ({error}); no money is: `qbtc wallet rescan --wallet {name}` finds it again"
    )]
    State {
        /// The wallet.
        name: String,
        /// What is wrong.
        error: StateError,
    },
    /// Its secret is elsewhere.
    #[error(
        "wallet {name:?} only watches: its secret is elsewhere. `qbtc wallet partial create` makes a payment for whoever has it to sign"
    )]
    WatchesOnly {
        /// The wallet.
        name: String,
    },
    /// It has a secret, so that it needs to be handed no addresses.
    #[error("wallet {name:?} has its secret, and makes its addresses itself")]
    HasSecret {
        /// The wallet.
        name: String,
    },
    /// The addresses that it watches.
    #[error("wallet {name:?}: {error}")]
    Watch {
        /// The wallet.
        name: String,
        /// What is wrong.
        #[source]
        error: WatchError,
    },
    /// Its labels.
    #[error("wallet {name:?}: {error}")]
    Labels {
        /// The wallet.
        name: String,
        /// What is wrong.
        #[source]
        error: LabelError,
    },
    /// A wallet of another chain.
    #[error(
        "wallet {name:?} belongs to another chain of the same name; give that chain's file with --chain, or another --data-dir"
    )]
    OtherChain {
        /// The wallet.
        name: String,
    },
    /// No randomness: nothing secret can be made.
    #[error("the system gives no randomness: {0}")]
    Entropy(getrandom::Error),
}
