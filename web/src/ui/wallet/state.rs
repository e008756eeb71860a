//! The wallet that the tab holds: opened from storage, unlocked by its passphrase, kept up with the chain, locked again.
//!
//! Invariant: the seed is in memory only while the wallet is open, and nowhere else in the clear. What is shown as kept was kept: a write that
//! fails closes nothing and is said until one succeeds. What is open belongs to the keystore that is kept: no wallet is made where there is one, none is
//! opened that another has replaced meanwhile, and none is removed or written over but by those who know it.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::wallet::derivation::AccountKey;
use qbtc_core::wallet::layout::AddressLayout;
use qbtc_core::wallet::mnemonic::{Mnemonic, WalletSeed};
use qbtc_core::wallet::passphrase::Passphrase;
use zeroize::Zeroizing;

use super::keep::Scan;
use super::keystore::{Made, Opened, opened, sealed};
use crate::browser::channel::Channel;
use crate::browser::storage::{KEYSTORE, Storage, StorageError};
use crate::browser::{clock, worker};
use crate::extension::Session;
use crate::text;
use crate::ui::context::{Rules, Shared};
use crate::wallet::account::{AccountState, account_key};
use crate::wallet::change::{Done, Said, Unsaid};
use crate::wallet::notes::Notes;
use crate::wallet::opening::{Opening, OpeningFault, check_opening};

/// Where the notes are kept.
const NOTES: &str = "notes";

/// How far the wallet is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The chain or the storage is not known yet.
    Opening,
    /// The node's chain is one whose rules the app does not know.
    StrangeChain,
    /// The browser keeps nothing, and says so.
    NoStorage(String),
    /// There is none yet.
    None,
    /// There is one, and its passphrase is wanted.
    Locked,
    /// It is open.
    Open,
}

/// How the wallet keeps up with the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Whether it is at it.
    pub(crate) is_running: bool,
    /// The height that was reached.
    pub(crate) height: u32,
    /// What keeps it from going on.
    pub(crate) fault: Option<String>,
}

/// Who shows the chain to the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Following {
    /// Nobody yet.
    Nobody,
    /// The light client, which proves what it says.
    Light,
    /// The node that serves the page: its word.
    Word,
}

/// The wallet.
#[derive(Clone, Copy)]
pub(crate) struct WalletState {
    pub(crate) stage: RwSignal<Stage>,
    pub(crate) notes: RwSignal<Notes>,
    pub(crate) accounts: RwSignal<Vec<AccountState>>,
    /// Which account is shown.
    pub(crate) current: RwSignal<usize>,
    pub(crate) progress: RwSignal<Progress>,
    /// Why what is known could not be kept, if it could not.
    pub(crate) unkept: RwSignal<Option<String>>,
    /// Why no wallet was made here that was to be made.
    pub(crate) unmade: RwSignal<Option<String>>,
    /// Why a payment was not sent, if the page that would say so has gone.
    pub(crate) unsent: RwSignal<Option<String>>,
    /// Who shows the chain to it.
    pub(crate) following: RwSignal<Following>,
    /// Whether this tab keeps it: follows the chain for it, and writes it down.
    pub(crate) keeps: RwSignal<bool>,
    pub(super) shared: Shared,
    pub(super) seed: StoredValue<Option<Arc<WalletSeed>>>,
    /// The keystore that is kept, as far as this tab knows.
    pub(super) keystore: StoredValue<Option<Vec<u8>>>,
    pub(super) storage: StoredValue<Option<Storage>, LocalStorage>,
    pub(super) wants_follow: StoredValue<bool>,
    pub(super) touched_at: StoredValue<u64>,
    /// The lock of the tab that keeps the wallet, and its claim on what is kept.
    pub(super) keeping: StoredValue<Option<super::keeper::Keeping>, LocalStorage>,
    /// Counts how often the wallet was opened and locked: whoever waits for something waits for one opening.
    pub(super) opening: StoredValue<u64>,
    pub(super) scan: StoredValue<Scan>,
    /// Since when the light client has had no node.
    pub(super) alone_since: StoredValue<Option<u64>>,
    /// Whether it had none since payments were handed in again.
    pub(super) was_alone: StoredValue<bool>,
    /// What this tab has done that no tab has kept yet.
    pub(super) unsaid: StoredValue<Unsaid>,
    /// What this tab has taken in of other tabs, and has not kept yet.
    pub(super) done: StoredValue<Done>,
    pub(super) tabs: StoredValue<Option<std::rc::Rc<Channel>>, LocalStorage>,
    /// The other documents of an extension, which share what is unlocked.
    pub(super) session: StoredValue<Option<std::rc::Rc<Channel>>, LocalStorage>,
    pub(super) is_dirty: StoredValue<bool>,
    /// Whether it was open before.
    pub(super) is_attended: StoredValue<bool>,
}

impl WalletState {
    /// Prepares the wallet; it opens once the chain is known.
    pub(crate) fn provide(shared: Shared) -> Self {
        let wallet = Self {
            stage: RwSignal::new(Stage::Opening),
            notes: RwSignal::new(Notes::default()),
            accounts: RwSignal::new(Vec::new()),
            current: RwSignal::new(0),
            progress: RwSignal::new(Progress::default()),
            unkept: RwSignal::new(None),
            unmade: RwSignal::new(None),
            unsent: RwSignal::new(None),
            following: RwSignal::new(Following::Nobody),
            keeps: RwSignal::new(false),
            shared,
            seed: StoredValue::new(None),
            keystore: StoredValue::new(None),
            storage: StoredValue::new_local(None),
            wants_follow: StoredValue::new(false),
            touched_at: StoredValue::new(clock::now_s()),
            keeping: StoredValue::new_local(None),
            opening: StoredValue::new(0),
            scan: StoredValue::new(Scan::default()),
            alone_since: StoredValue::new(None),
            was_alone: StoredValue::new(false),
            unsaid: StoredValue::new(Unsaid::default()),
            done: StoredValue::new(Done::default()),
            tabs: StoredValue::new_local(None),
            session: StoredValue::new_local(None),
            is_dirty: StoredValue::new(false),
            is_attended: StoredValue::new(false),
        };
        provide_context(wallet);
        // Opened once for each chain, not for each block.
        let known = Memo::new(move |_| (shared.name.with(Option::is_some), shared.rules.get()));
        Effect::new(move |_| match known.get() {
            (false, _) => {}
            (true, None) => wallet.stage.set(Stage::StrangeChain),
            (true, Some(Rules(spec))) => spawn_local(async move { wallet.open(&spec).await }),
        });
        wallet
    }

    /// The wallet, on any page.
    pub(crate) fn here() -> Self {
        expect_context()
    }

    /// The chain's rules. They are known wherever a wallet is.
    pub(crate) fn spec(self) -> Arc<ChainSpec> {
        let rules = self.shared.rules.get_untracked();
        rules.map_or_else(|| Arc::new(ChainSpec::main()), |Rules(spec)| spec)
    }

    pub(super) async fn open(self, spec: &ChainSpec) {
        self.join_tabs(spec);
        self.join_session(spec);
        let opened = async {
            let storage = Storage::open(&spec.chain_id().to_string()).await?;
            let keystore = storage.get(KEYSTORE).await?;
            let notes = storage.get(NOTES).await?.unwrap_or_default();
            Ok::<_, StorageError>((storage, keystore, notes))
        };
        match opened.await {
            Err(error) => self.stage.set(Stage::NoStorage(error.sentence())),
            Ok((storage, keystore, notes)) => {
                self.storage.set_value(Some(storage));
                self.notes.set(Notes::parse(&String::from_utf8_lossy(&notes)));
                self.stage.set(if keystore.is_some() { Stage::Locked } else { Stage::None });
                self.keystore.set_value(keystore);
                self.tell_session(&Session::Asked);
                worker::prepare();
            }
        }
    }

    /// Makes a wallet and keeps it. Nothing is shown before it is kept, and nothing is kept where there is a wallet by then.
    ///
    /// # Errors
    /// A sentence; then none was made.
    pub(super) async fn create(self, spec: &ChainSpec, made: Made, passphrase: &str) -> Result<(), String> {
        let Made { words, birthday, accounts, is_backed_up } = made;
        let keystore = sealed(&words, birthday, passphrase).await?;
        // Further ones have no name yet.
        let name = |index| if index == 0 { text::FIRST_ACCOUNT.to_owned() } else { String::new() };
        let notes = Notes::new((0..accounts).map(name).collect(), is_backed_up);
        let storage = self.storage.get_value().ok_or(text::STORAGE_REFUSED)?;
        let text = notes.to_text();
        match storage.replace(None, &[(KEYSTORE, keystore.as_slice()), (NOTES, text.as_bytes())]).await {
            Ok(()) => {}
            Err(StorageError::OtherWallet) => {
                self.unmade.set(Some(text::WALLET_THERE.to_owned()));
                // Where tabs do not hear of each other, this one does not know of it yet.
                if self.stage.with_untracked(|stage| *stage == Stage::None) {
                    self.open(spec).await;
                }
                return Err(text::WALLET_THERE.to_owned());
            }
            Err(error) => return Err(error.sentence()),
        }
        self.unsaid.set_value(Unsaid::default());
        self.keystore.set_value(Some(keystore.clone()));
        self.say(&Said::Another);
        let begun = self.begin(spec, &words, birthday, keystore).await;
        if begun.is_err() && self.stage.with_untracked(|stage| *stage == Stage::None) {
            self.stage.set(Stage::Locked);
        }
        begun
    }

    /// Unlocks the wallet.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) async fn unlock(self, spec: &ChainSpec, passphrase: &str) -> Result<(), String> {
        let keystore = self.keystore.get_value().ok_or(text::NO_WALLET)?;
        let Opened { words, birthday, .. } = opened(&keystore, passphrase).await?;
        self.begin(spec, &words, birthday, keystore).await
    }

    /// The entropy of the words, and the birthday, for whoever knows the passphrase.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) async fn words(self, passphrase: &str) -> Result<(Zeroizing<Vec<u8>>, Height), String> {
        let opened = opened(&self.keystore.get_value().ok_or(text::NO_WALLET)?, passphrase).await?;
        Ok((opened.words, opened.birthday))
    }

    async fn begin(self, spec: &ChainSpec, words: &[u8], birthday: Height, keystore: Vec<u8>) -> Result<(), String> {
        let mnemonic = Mnemonic::from_entropy(words).map_err(|error| error.to_string())?;
        let seed = Arc::new(mnemonic.to_seed(Passphrase::from_nfkd(String::new())));
        self.begin_with(spec, seed, birthday, keystore).await?;
        self.share_session();
        Ok(())
    }

    /// Opens the wallet of this seed, which was in this keystore, unless it is open.
    ///
    /// # Errors
    /// A sentence, also if another wallet is kept or open by then, or this one was locked meanwhile.
    pub(super) async fn begin_with(
        self,
        spec: &ChainSpec,
        seed: Arc<WalletSeed>,
        birthday: Height,
        keystore: Vec<u8>,
    ) -> Result<(), String> {
        let asked = self.opening.get_value();
        let accounts = self.kept(&seed, birthday, &keystore, spec).await.map_err(StorageError::sentence)?;
        match check_opening(&seed, self.seed.get_value().as_deref(), asked, self.opening.get_value()) {
            Ok(Opening::Opens) => {}
            Ok(Opening::IsOpen) => return Ok(()),
            Err(OpeningFault::Locked) => return Err(text::LOCKED.to_owned()),
            Err(OpeningFault::Another) => return Err(text::OTHER_WALLET.to_owned()),
        }
        self.keystore.set_value(Some(keystore));
        self.seed.set_value(Some(seed));
        self.show(accounts, spec);
        self.current.set(0);
        self.unmade.set(None);
        self.touched_at.set_value(clock::now_s());
        self.attend();
        self.stage.set(Stage::Open);
        if self.may_keep() {
            self.wait_to_keep(spec);
        }
        Ok(())
    }

    /// Reads what is kept for a keystore: the notes, and the accounts; those of which nothing is kept have seen nothing yet.
    async fn kept(
        self,
        seed: &WalletSeed,
        birthday: Height,
        keystore: &[u8],
        spec: &ChainSpec,
    ) -> Result<Vec<AccountState>, StorageError> {
        let storage = self.storage.get_value().ok_or(StorageError::Refused)?;
        let notes = Notes::parse(&String::from_utf8_lossy(&storage.get(NOTES).await?.unwrap_or_default()));
        let mut accounts = Vec::new();
        for index in 0..notes.accounts.len() {
            let kept = storage.get(&name_of(index)).await?;
            let key = key_of(seed, index, spec).map_err(StorageError::Useless)?;
            let kept = kept.and_then(|bytes| AccountState::from_bytes(&bytes, spec, &key));
            accounts.push(kept.unwrap_or_else(|| fresh(&key, birthday, spec)));
        }
        // No keystore is ever kept a second time, so all of it was this one's.
        if storage.get(KEYSTORE).await?.as_deref() != Some(keystore) {
            return Err(StorageError::OtherWallet);
        }
        if self.notes.with_untracked(|known| *known != notes) {
            self.notes.set(notes);
        }
        Ok(accounts)
    }

    /// Takes over what another tab has kept. Nothing, if the wallet was locked meanwhile.
    pub(super) async fn reload(self, spec: &ChainSpec) {
        let (Some(seed), Some(keystore)) = (self.seed.get_value(), self.keystore.get_value()) else { return };
        let birthday = self.birthday();
        let opening = self.opening.get_value();
        if let Ok(accounts) = self.kept(&seed, birthday, &keystore, spec).await
            && self.opening.get_value() == opening
            && self.stage.with_untracked(|stage| *stage == Stage::Open)
        {
            self.show(accounts, spec);
        }
    }

    /// Shows what was kept, and what this tab has done since.
    fn show(self, accounts: Vec<AccountState>, spec: &ChainSpec) {
        self.accounts.set(accounts);
        for made in self.unsaid.get_value().iter() {
            // What does not fit what was kept has been overtaken by it.
            let _ = self.apply(made.account as usize, &made.change, spec);
        }
    }

    /// No coin of the wallet is older.
    pub(super) fn birthday(self) -> Height {
        self.accounts.with_untracked(|accounts| accounts.first().map_or(Height(0), AccountState::birthday))
    }

    /// Makes the accounts that another tab has added.
    pub(super) async fn add_accounts_of_notes(self, spec: &ChainSpec) {
        let (Some(seed), Some(storage)) = (self.seed.get_value(), self.storage.get_value()) else { return };
        let Ok(notes) = storage.get(NOTES).await else { return };
        let notes = Notes::parse(&String::from_utf8_lossy(&notes.unwrap_or_default()));
        let (count, birthday) = (notes.accounts.len(), self.birthday());
        self.notes.set(notes);
        for index in self.accounts.with_untracked(Vec::len)..count {
            if let Ok(key) = key_of(&seed, index, spec) {
                self.accounts.update(|accounts| accounts.push(fresh(&key, birthday, spec)));
                self.search_anew();
            }
        }
    }

    /// Adds an account and shows it.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) async fn add_account(self, spec: &ChainSpec, name: &str) -> Result<(), String> {
        let seed = self.seed.get_value().ok_or(text::LOCKED)?;
        let mut notes = self.notes.get_untracked();
        let index = notes.add_account(name).map_err(text::name_fault)?;
        // It may have been used before on another device, from the wallet's beginning on.
        let index = index as usize;
        let state = fresh(&key_of(&seed, index, spec)?, self.birthday(), spec);
        self.keep_notes(notes).await?;
        // An account stands at its own place or nowhere: at another one it would be held against another key.
        if self.accounts.with_untracked(Vec::len) != index {
            return Err(text::OTHER_ACCOUNT.to_owned());
        }
        self.accounts.update(|accounts| accounts.push(state));
        self.current.set(index);
        self.search_anew();
        Ok(())
    }

    /// Keeps other notes.
    ///
    /// # Errors
    /// A sentence; then they are as before.
    pub(crate) async fn keep_notes(self, notes: Notes) -> Result<(), String> {
        let storage = self.storage.get_value().ok_or(text::STORAGE_REFUSED)?;
        let keystore = self.keystore.get_value().ok_or(text::NO_WALLET)?;
        storage.put(&keystore, &[(NOTES, notes.to_text().as_bytes())]).await.map_err(StorageError::sentence)?;
        self.notes.set(notes);
        self.say(&Said::Kept { done: Vec::new() });
        Ok(())
    }

    /// The bytes of the keystore: what a backup file holds.
    pub(crate) fn keystore(self) -> Option<Vec<u8>> {
        self.keystore.get_value()
    }

    /// Forgets the secret, in all documents that share it.
    pub(crate) fn lock(self) {
        self.close();
        self.tell_session(&Session::Locked);
    }

    /// Forgets the secret here.
    pub(super) fn close(self) {
        self.stop_keeping();
        self.seed.set_value(None);
        self.accounts.set(Vec::new());
        self.progress.set(Progress::default());
        self.stage.set(Stage::Locked);
        worker::prepare();
    }

    pub(super) fn lock_if_idle(self, now: u64) {
        let minutes = self.notes.with_untracked(|notes| notes.lock_after_min.unwrap_or(Notes::LOCK_AFTER_MIN));
        let idle = now.saturating_sub(self.touched_at.get_value());
        if self.stage.with_untracked(|stage| *stage == Stage::Open) && idle > u64::from(minutes) * 60 {
            self.lock();
        }
    }

    /// Removes the wallet from this browser.
    ///
    /// # Errors
    /// A sentence; then it is still there.
    pub(crate) async fn forget(self) -> Result<(), String> {
        let storage = self.storage.get_value().ok_or(text::STORAGE_REFUSED)?;
        let keystore = self.keystore.get_value();
        storage.replace(keystore.as_deref(), &[]).await.map_err(StorageError::sentence)?;
        self.is_dirty.set_value(false);
        self.unsaid.set_value(Unsaid::default());
        self.lock();
        self.keystore.set_value(None);
        self.notes.set(Notes::default());
        self.stage.set(Stage::None);
        self.say(&Said::Another);
        Ok(())
    }

    /// The secret of an account, while the wallet is open.
    pub(crate) fn key(self, index: usize, spec: &ChainSpec) -> Option<AccountKey> {
        let seed = self.seed.get_value()?;
        key_of(&seed, index, spec).ok()
    }

    /// Looks at the account that is shown.
    pub(crate) fn with_current<T>(self, then: impl FnOnce(&AccountState) -> T) -> Option<T> {
        let current = self.current.get();
        self.accounts.with(|accounts| accounts.get(current).map(then))
    }

    /// Whether all that is shown is the word of the node that serves the page, which answers.
    pub(crate) fn is_on_word(self) -> bool {
        self.following.get() == Following::Word && self.shared.fault.with(Option::is_none)
    }

    /// Whether the account that is shown was looked through up to the tip: before, what it has is not known.
    pub(crate) fn is_at_tip(self) -> bool {
        self.with_current(AccountState::height).is_some_and(|height| self.reaches_tip(height))
    }

    /// Whether an account that was looked through up to this height misses no block of the chain as it is known.
    pub(crate) fn reaches_tip(self, height: Height) -> bool {
        self.shared.tip_time().is_some() && height.0 >= self.shared.height()
    }
}

/// The name under which an account is kept.
pub(super) fn name_of(account: usize) -> String {
    format!("account-{account}")
}

fn key_of(seed: &WalletSeed, index: usize, spec: &ChainSpec) -> Result<AccountKey, String> {
    let number = u32::try_from(index).map_err(|error| error.to_string())?;
    account_key(seed, number, spec).map_err(|error| error.to_string())
}

fn fresh(key: &AccountKey, birthday: Height, spec: &ChainSpec) -> AccountState {
    AccountState::new(spec, AddressLayout::default(), birthday, key)
}
