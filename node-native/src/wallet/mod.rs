//! Wallets beside the node: their files, and what they ask of a node to follow the chain.
//!
//! What a wallet *is* – words, keys, addresses, coins, payments – is core's. Here is what touches the world: folders and locks, the
//! passphrase, a node's answers. The node never sees a key, and is believed no more than it can prove: [`sync`] says what that is.
//!
//! | file | what it is |
//! |---|---|
//! | [`folder`] | a wallet's files: names, lock, writing so that a crash loses nothing |
//! | `envelope` | how files are wrapped |
//! | [`state`] | all that a wallet knows beside its secret |
//! | [`watched`] | the addresses of a wallet whose secret is elsewhere |
//! | [`labels`] | what the user wrote beside addresses and payments |
//! | [`source`] | what a node is asked |
//! | `headers` | what a wallet checks of headers |
//! | [`sync`] | following the chain by compact filters |
//! | [`pending`] | transactions that are in no block yet |

pub mod envelope;
mod error;
pub mod folder;
mod headers;
pub mod labels;
pub mod pending;
pub mod source;
pub mod state;
pub mod sync;
pub mod watched;

use std::path::Path;

use qbtc_core::crypto::ENTROPY_BYTES;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::wallet::address_book::AddressBook;
use qbtc_core::wallet::derivation::{AccountKey, AccountPath, CoinType};
use qbtc_core::wallet::keystore::{KdfParams, Keystore, KeystoreContent, KeystoreError};

pub use error::WalletError;

use folder::{FolderError, KeyFile, WalletFolder};
use labels::Labels;
use state::{StateError, WalletState};
use watched::Watched;

/// A wallet, open to look at. Nothing secret is in memory until it is unlocked.
pub struct Wallet {
    folder: WalletFolder,
    keys: Keys,
    state: WalletState,
    labels: Labels,
}

/// What makes a wallet: all else is found again by it.
enum Keys {
    /// The secret, encrypted.
    Sealed(Keystore),
    /// The addresses of a wallet whose secret is elsewhere.
    Watched(Watched),
}

/// A wallet's folder and what makes it one, before what it knows of the chain is read: that may be lost.
pub struct FoundWallet {
    folder: WalletFolder,
    keys: Keys,
}

/// What a wallet's passphrase gives.
pub struct Unlocked {
    /// The account's secret.
    pub key: AccountKey,
    /// The words, and what else the keystore keeps.
    pub content: KeystoreContent,
}

impl Wallet {
    /// Makes a wallet of this content in a folder of wallets, which looks for payments so many unpaid addresses ahead. Its labels lie
    /// open in a file of their own.
    ///
    /// # Errors
    /// [`WalletError`], if there is one of this name already, or it cannot be written.
    ///
    /// # Panics
    /// For a gap beyond [`AddressBook::GAP_LIMIT_MAX`].
    pub fn create(
        wallets: &Path,
        name: &str,
        spec: &ChainSpec,
        mut content: KeystoreContent,
        gap_limit: u32,
        passphrase: &str,
    ) -> Result<(Self, Unlocked), WalletError> {
        let labels = Labels::from_keystore(&std::mem::take(&mut content.labels));
        let refused = |error| WalletError::Keystore { name: name.to_owned(), error };
        let keystore = Keystore::seal(&content, passphrase, KdfParams::default(), &entropy()?).map_err(refused)?;
        let key = account_key(&content, spec);
        let state = WalletState::new(spec, content.layout, content.birthday, gap_limit, &key);
        let folder = WalletFolder::create(wallets, name, &KeyFile::Sealed(keystore.to_bytes()), &state.to_bytes())?;
        let wallet = Self { folder, keys: Keys::Sealed(keystore), state, labels };
        if wallet.labels.iter().len() > 0 {
            wallet.folder.write_labels(&wallet.labels.to_bytes())?;
        }
        Ok((wallet, Unlocked { key, content }))
    }

    /// Makes a wallet that only watches.
    ///
    /// # Errors
    /// [`WalletError`], if there is one of this name already, or it cannot be written.
    pub fn watch(wallets: &Path, name: &str, watched: Watched) -> Result<Self, WalletError> {
        let state = WalletState::watching(&watched);
        let folder = WalletFolder::create(wallets, name, &KeyFile::Watched(watched.to_bytes()), &state.to_bytes())?;
        Ok(Self { folder, keys: Keys::Watched(watched), state, labels: Labels::default() })
    }

    /// Opens a wallet to look at.
    ///
    /// # Errors
    /// [`WalletError`], if there is none of this name, somebody else has it open, or a file is damaged.
    pub fn open(wallets: &Path, name: &str, spec: &ChainSpec) -> Result<Self, WalletError> {
        FoundWallet::find(wallets, name)?.open(spec)
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

    /// Whether its secret is elsewhere.
    #[must_use]
    pub const fn only_watches(&self) -> bool {
        matches!(self.keys, Keys::Watched(_))
    }

    /// Whether it watches addresses whose keys are not known.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        matches!(&self.keys, Keys::Watched(watched) if watched.is_bare())
    }

    /// What the user wrote beside addresses and payments.
    #[must_use]
    pub const fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Checks that a label could be set.
    ///
    /// # Errors
    /// [`WalletError::Labels`].
    pub fn check_label(&self, subject: &str, text: &str) -> Result<(), WalletError> {
        let set = self.labels.clone().set(subject, text);
        set.map_err(|error| WalletError::Labels { name: self.name().to_owned(), error })
    }

    /// Writes something beside an address or a payment, and keeps it.
    ///
    /// # Errors
    /// [`WalletError`], with the labels as they were.
    pub fn set_label(&mut self, subject: &str, text: &str) -> Result<(), WalletError> {
        let mut labels = self.labels.clone();
        let name = || self.name().to_owned();
        labels.set(subject, text).map_err(|error| WalletError::Labels { name: name(), error })?;
        self.folder.write_labels(&labels.to_bytes())?;
        self.labels = labels;
        Ok(())
    }

    /// Takes over more addresses to watch, and returns how many are new.
    ///
    /// # Errors
    /// [`WalletError`], if the wallet has a secret, or they are those of another one.
    pub fn watch_more(&mut self, more: &Watched) -> Result<usize, WalletError> {
        let name = self.name().to_owned();
        let Keys::Watched(watched) = &mut self.keys else { return Err(WalletError::HasSecret { name }) };
        let mut all = watched.clone();
        let refused = |error| WalletError::Watch { name: name.clone(), error };
        let added = all.add(more).map_err(refused)?;
        let mut state = self.state.clone();
        state.watch_more(&all).map_err(|error| refused(error.into()))?;
        // The list first: what a kill leaves out of the state, the same command brings in.
        self.folder.write_keys(&KeyFile::Watched(all.to_bytes()))?;
        self.folder.write_state(&state.to_bytes())?;
        (*watched, self.state) = (all, state);
        Ok(added)
    }

    /// Opens the keystore.
    ///
    /// # Errors
    /// [`WalletError::Keystore`], above all for a wrong passphrase, and [`WalletError::WatchesOnly`].
    pub fn unlock(&self, passphrase: &str, spec: &ChainSpec) -> Result<Unlocked, WalletError> {
        let content = self.keystore()?.open(passphrase).map_err(|error| self.refused(error))?;
        Ok(Unlocked { key: account_key(&content, spec), content })
    }

    /// Puts the keystore under another passphrase.
    ///
    /// # Errors
    /// [`WalletError`], with the old passphrase still in force.
    pub fn change_passphrase(&mut self, old: &str, new: &str) -> Result<(), WalletError> {
        let changed = self.keystore()?.change_passphrase(old, new, KdfParams::default(), &entropy()?);
        let changed = changed.map_err(|error| self.refused(error))?;
        self.folder.write_keys(&KeyFile::Sealed(changed.to_bytes()))?;
        self.keys = Keys::Sealed(changed);
        Ok(())
    }

    /// The bytes of a file that brings the wallet back: its keystore, with the labels in it.
    ///
    /// # Errors
    /// [`WalletError`], above all for a wrong passphrase.
    pub fn backup(&self, passphrase: &str) -> Result<Vec<u8>, WalletError> {
        let content = self.keystore()?.open(passphrase).map_err(|error| self.refused(error))?;
        let content = KeystoreContent { labels: self.labels.to_keystore(), ..content };
        let sealed = Keystore::seal(&content, passphrase, KdfParams::default(), &entropy()?);
        Ok(sealed.map_err(|error| self.refused(error))?.to_bytes())
    }

    fn keystore(&self) -> Result<&Keystore, WalletError> {
        match &self.keys {
            Keys::Sealed(keystore) => Ok(keystore),
            Keys::Watched(_) => Err(WalletError::WatchesOnly { name: self.name().to_owned() }),
        }
    }

    fn refused(&self, error: KeystoreError) -> WalletError {
        WalletError::Keystore { name: self.name().to_owned(), error }
    }
}

impl FoundWallet {
    /// Finds and locks a wallet.
    ///
    /// # Errors
    /// [`WalletError`], if there is none of this name, somebody else has it open, or its keys are damaged.
    pub fn find(wallets: &Path, name: &str) -> Result<Self, WalletError> {
        let folder = WalletFolder::open(wallets, name)?;
        let keys = match folder.read_keys()? {
            KeyFile::Sealed(bytes) => Keystore::from_bytes(&bytes)
                .map(Keys::Sealed)
                .map_err(|error| WalletError::Keystore { name: name.to_owned(), error })?,
            KeyFile::Watched(bytes) => Watched::from_bytes(&bytes)
                .map(Keys::Watched)
                .map_err(|error| WalletError::Watch { name: name.to_owned(), error })?,
        };
        Ok(Self { folder, keys })
    }

    /// Whether its secret is elsewhere, so that no passphrase is wanted.
    #[must_use]
    pub const fn only_watches(&self) -> bool {
        matches!(self.keys, Keys::Watched(_))
    }

    fn open(self, spec: &ChainSpec) -> Result<Wallet, WalletError> {
        let name = || self.folder.name().to_owned();
        let state = self.state()?.ok_or_else(|| WalletError::State { name: name(), error: StateError::Missing })?;
        if *state.chain() != spec.chain_id() {
            return Err(WalletError::OtherChain { name: name() });
        }
        self.with_state(state)
    }

    /// Opens a wallet as if it had never seen the chain: it must be synchronised from its birthday on, or from this height if that is
    /// above it and what was known of the blocks before is still there. A passphrase is wanted but for a wallet that only watches.
    ///
    /// # Errors
    /// As [`Wallet::open`], and for a wrong passphrase.
    pub fn open_afresh(
        self,
        spec: &ChainSpec,
        passphrase: &str,
        from: Option<Height>,
    ) -> Result<(Wallet, Option<Unlocked>), WalletError> {
        let refused = |error| WalletError::Keystore { name: self.folder.name().to_owned(), error };
        // Whatever is wrong with what was known is no reason not to begin anew.
        let known = self.state().ok().flatten().filter(|known| *known.chain() == spec.chain_id());
        let gap_limit = known.as_ref().map_or(AddressBook::GAP_LIMIT, |known| known.book().gap_limit());
        let (mut state, unlocked) = match &self.keys {
            Keys::Watched(watched) => (WalletState::watching(watched), None),
            Keys::Sealed(keystore) => {
                let content = keystore.open(passphrase).map_err(refused)?;
                let key = account_key(&content, spec);
                let birthday = from.map_or(content.birthday, |from| from.min(content.birthday));
                (WalletState::new(spec, content.layout, birthday, gap_limit, &key), Some(Unlocked { key, content }))
            }
        };
        if let Some(known) = known {
            let is_within = |from: &Height| *from > known.birthday() && known.is_of_same_wallet(&state);
            match from.filter(is_within) {
                Some(from) => {
                    state = known;
                    state.go_back_below(from);
                }
                None => state.remember(&known),
            }
        }
        Ok((self.with_state(state)?, unlocked))
    }

    fn state(&self) -> Result<Option<WalletState>, WalletError> {
        let Some(bytes) = self.folder.read_state()? else { return Ok(None) };
        let lost = |error| WalletError::State { name: self.folder.name().to_owned(), error };
        WalletState::from_bytes(&bytes).map(Some).map_err(lost)
    }

    fn with_state(self, state: WalletState) -> Result<Wallet, WalletError> {
        let Self { folder, keys } = self;
        let refused = |error| WalletError::Labels { name: folder.name().to_owned(), error };
        let labels = folder.read_labels()?.map(|bytes| Labels::from_bytes(&bytes)).transpose().map_err(refused)?;
        Ok(Wallet { folder, keys, state, labels: labels.unwrap_or_default() })
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

/// The account on a chain: main has keys of its own, all others share theirs.
fn account_key(content: &KeystoreContent, spec: &ChainSpec) -> AccountKey {
    let path = AccountPath { coin: CoinType::of_chain(spec), account: content.account };
    AccountKey::derive(&content.mnemonic.to_seed(""), path)
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
