//! Wallets beside the node: their files, and what they ask of a node to follow the chain.
//!
//! What a wallet *is* – words, keys, addresses, coins, payments – is core's. Here is what touches the world: folders and locks, the
//! passphrase, a node's answers. The node never sees a key, and is trusted with no more than it can show: what it says of a block is
//! checked against the block's id, and a payment that it leaves out is all that it can hide.
//!
//! | file | what it is |
//! |---|---|
//! | [`folder`] | a wallet's files: names, lock, writing so that a crash loses nothing |
//! | [`state`] | all that a wallet knows beside its secret |
//! | [`source`] | what a node is asked |
//! | [`sync`] | following the chain by compact filters |
//! | [`pending`] | transactions that are in no block yet |
//! | [`spend`] | payments, and what replaces them |

pub mod folder;
pub mod pending;
pub mod source;
pub mod spend;
pub mod state;
pub mod sync;

use std::path::Path;

use qbtc_core::crypto::ENTROPY_BYTES;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::wallet::derivation::{AccountKey, AccountPath, CoinType};
use qbtc_core::wallet::keystore::{KdfParams, Keystore, KeystoreContent, KeystoreError};

use folder::{FolderError, WalletFolder};
use state::{StateError, WalletState};

/// A wallet, open to look at. Nothing secret is in memory until it is unlocked.
pub struct Wallet {
    folder: WalletFolder,
    keystore: Keystore,
    state: WalletState,
}

/// What a wallet's passphrase gives.
pub struct Unlocked {
    /// The account's secret.
    pub key: AccountKey,
    /// The words, and what else the keystore keeps.
    pub content: KeystoreContent,
}

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

impl Wallet {
    /// Makes a wallet of this content in a folder of wallets.
    ///
    /// # Errors
    /// [`WalletError`], if there is one of this name already, or it cannot be written.
    pub fn create(
        wallets: &Path,
        name: &str,
        spec: &ChainSpec,
        content: KeystoreContent,
        passphrase: &str,
    ) -> Result<(Self, Unlocked), WalletError> {
        let refused = |error| WalletError::Keystore { name: name.to_owned(), error };
        let keystore = Keystore::seal(&content, passphrase, KdfParams::default(), &entropy()?).map_err(refused)?;
        let key = account_key(&content, spec);
        let state = WalletState::new(spec, content.layout, content.birthday, &key);
        let folder = WalletFolder::create(wallets, name, &keystore.to_bytes(), &state.to_bytes())?;
        Ok((Self { folder, keystore, state }, Unlocked { key, content }))
    }

    /// Opens a wallet to look at.
    ///
    /// # Errors
    /// [`WalletError`], if there is none of this name, somebody else has it open, or a file is damaged.
    pub fn open(wallets: &Path, name: &str, spec: &ChainSpec) -> Result<Self, WalletError> {
        let (folder, keystore) = Self::open_keystore(wallets, name)?;
        let lost = |error| WalletError::State { name: name.to_owned(), error };
        let bytes = folder.read_state()?.ok_or_else(|| lost(StateError::Missing))?;
        let state = WalletState::from_bytes(&bytes).map_err(lost)?;
        if *state.chain() != spec.chain_id() {
            return Err(WalletError::OtherChain { name: name.to_owned() });
        }
        Ok(Self { folder, keystore, state })
    }

    /// Opens a wallet by its secret alone, as if it had never seen the chain: it must be synchronised from its birthday on.
    ///
    /// # Errors
    /// As [`Wallet::open`], and for a wrong passphrase.
    pub fn open_afresh(
        wallets: &Path,
        name: &str,
        spec: &ChainSpec,
        passphrase: &str,
        birthday: Option<Height>,
    ) -> Result<(Self, Unlocked), WalletError> {
        let (folder, keystore) = Self::open_keystore(wallets, name)?;
        let refused = |error| WalletError::Keystore { name: name.to_owned(), error };
        let content = keystore.open(passphrase).map_err(refused)?;
        let key = account_key(&content, spec);
        let state = WalletState::new(spec, content.layout, birthday.unwrap_or(content.birthday), &key);
        Ok((Self { folder, keystore, state }, Unlocked { key, content }))
    }

    fn open_keystore(wallets: &Path, name: &str) -> Result<(WalletFolder, Keystore), WalletError> {
        let folder = WalletFolder::open(wallets, name)?;
        let keystore = Keystore::from_bytes(&folder.read_keystore()?);
        let refused = |error| WalletError::Keystore { name: name.to_owned(), error };
        Ok((folder, keystore.map_err(refused)?))
    }

    /// The wallet's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.folder.name()
    }

    /// Where its files are.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What it knows beside its secret.
    #[must_use]
    pub const fn state(&self) -> &WalletState {
        &self.state
    }

    /// What it knows beside its secret, to let it learn more. [`Wallet::save`] keeps that.
    pub const fn state_mut(&mut self) -> &mut WalletState {
        &mut self.state
    }

    /// Its folder and what it knows, to save while it learns.
    pub const fn parts(&mut self) -> (&WalletFolder, &mut WalletState) {
        (&self.folder, &mut self.state)
    }

    /// Writes what the wallet knows.
    ///
    /// # Errors
    /// [`FolderError`], with the file as it was.
    pub fn save(&self) -> Result<(), FolderError> {
        self.folder.write_state(&self.state.to_bytes())
    }

    /// Opens the keystore.
    ///
    /// # Errors
    /// [`WalletError::Keystore`], above all for a wrong passphrase.
    pub fn unlock(&self, passphrase: &str, spec: &ChainSpec) -> Result<Unlocked, WalletError> {
        let content = self.keystore.open(passphrase).map_err(|error| self.refused(error))?;
        Ok(Unlocked { key: account_key(&content, spec), content })
    }

    /// Puts the keystore under another passphrase.
    ///
    /// # Errors
    /// [`WalletError`], with the old passphrase still in force.
    pub fn change_passphrase(&mut self, old: &str, new: &str) -> Result<(), WalletError> {
        let changed = self.keystore.change_passphrase(old, new, KdfParams::default(), &entropy()?);
        let changed = changed.map_err(|error| self.refused(error))?;
        self.folder.write_keystore(&changed.to_bytes())?;
        self.keystore = changed;
        Ok(())
    }

    fn refused(&self, error: KeystoreError) -> WalletError {
        WalletError::Keystore { name: self.name().to_owned(), error }
    }
}

/// Fresh bytes from the system, for a signature, a seal or a new wallet.
///
/// # Errors
/// [`WalletError::Entropy`], if the system has none.
pub fn entropy() -> Result<[u8; ENTROPY_BYTES], WalletError> {
    let mut bytes = [0; ENTROPY_BYTES];
    getrandom::fill(&mut bytes).map_err(WalletError::Entropy)?;
    Ok(bytes)
}

/// The first account of a chain: main has keys of its own, all others share theirs.
fn account_key(content: &KeystoreContent, spec: &ChainSpec) -> AccountKey {
    let is_main = spec.chain_id() == ChainSpec::main().chain_id();
    let coin = if is_main { CoinType::MAIN } else { CoinType::TEST };
    AccountKey::derive(&content.mnemonic.to_seed(""), AccountPath::first(coin))
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
