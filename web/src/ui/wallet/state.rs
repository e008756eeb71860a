//! The wallet that the tab holds: opened from storage, unlocked by its passphrase, kept up with the chain, locked again.
//!
//! Invariant: the seed is in memory only while the wallet is open, and nowhere else in the clear. What is shown as kept was kept: a write that
//! fails closes nothing and is said until one succeeds.

use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::hash::Txid;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::Transaction;
use qbtc_core::units::Height;
use qbtc_core::wallet::derivation::AccountKey;
use qbtc_core::wallet::layout::AddressLayout;
use qbtc_core::wallet::mnemonic::{Mnemonic, WalletSeed};
use zeroize::Zeroizing;

use crate::browser::fetch::FetchError;
use crate::browser::follow::{AccountAt, Follower};
use crate::browser::storage::{Storage, StorageError};
use crate::browser::{clock, entropy, source, worker};
use crate::text;
use crate::ui::context::{Rules, Shared};
use crate::wallet::account::{AccountState, account_key};
use crate::wallet::notes::Notes;
use crate::wallet::vault::{Ask, Told};

/// Where the keystore is kept.
const KEYSTORE: &str = "keystore";
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
    /// When it last knew all that the node knew.
    pub(crate) fresh_at: Option<u64>,
    /// What keeps it from going on.
    pub(crate) fault: Option<String>,
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
    shared: Shared,
    seed: StoredValue<Option<Arc<WalletSeed>>>,
    keystore: StoredValue<Option<Vec<u8>>>,
    storage: StoredValue<Option<Storage>, LocalStorage>,
    wants_follow: StoredValue<bool>,
    touched_at: StoredValue<u64>,
}

/// What is known of a payment once it was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    /// The node has it.
    Taken,
    /// The node did not say: it is handed in again until it is mined or expires.
    Unsure(String),
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
            shared,
            seed: StoredValue::new(None),
            keystore: StoredValue::new(None),
            storage: StoredValue::new_local(None),
            wants_follow: StoredValue::new(false),
            touched_at: StoredValue::new(clock::now_s()),
        };
        provide_context(wallet);
        // Opened once for each chain, not for each block.
        let known = Memo::new(move |_| (shared.chain.with(Option::is_some), shared.rules.get()));
        Effect::new(move |_| match known.get() {
            (false, _) => {}
            (true, None) => wallet.stage.set(Stage::StrangeChain),
            (true, Some(Rules(spec))) => spawn_local(async move { wallet.open(&spec).await }),
        });
        // Each new tip is followed at once.
        let tip = Memo::new(move |_| shared.chain.with(|chain| chain.as_ref().map(|chain| chain.tip.id.clone())));
        Effect::new(move |_| {
            tip.with(|_| ());
            wallet.follow();
        });
        Effect::new(move |_| wallet.lock_if_idle(shared.now.get()));
        for event in ["pointerdown", "keydown"] {
            let touch = move |_| wallet.touched_at.set_value(clock::now_s());
            drop(window_event_listener_untyped(event, touch));
        }
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

    async fn open(self, spec: &ChainSpec) {
        let opened = async {
            let storage = Storage::open(&spec.chain_id().to_string()).await?;
            let keystore = storage.get(KEYSTORE).await?;
            let notes = storage.get(NOTES).await?.unwrap_or_default();
            Ok::<_, StorageError>((storage, keystore, notes))
        };
        match opened.await {
            Err(StorageError(error)) => self.stage.set(Stage::NoStorage(error)),
            Ok((storage, keystore, notes)) => {
                self.storage.set_value(Some(storage));
                self.notes.set(Notes::parse(&String::from_utf8_lossy(&notes)));
                self.stage.set(if keystore.is_some() { Stage::Locked } else { Stage::None });
                self.keystore.set_value(keystore);
            }
        }
    }

    /// Makes a wallet of words and keeps it. Nothing is shown before it is kept.
    ///
    /// # Errors
    /// A sentence; then there is no wallet.
    pub(crate) async fn create(
        self,
        spec: &ChainSpec,
        words: &[u8],
        birthday: Height,
        passphrase: &str,
        is_backed_up: bool,
    ) -> Result<(), String> {
        let ask = Ask::Seal {
            words: words.to_vec(),
            birthday: birthday.0,
            passphrase: passphrase.to_owned(),
            entropy: entropy()?,
        };
        let keystore = match &worker::ask(&ask).await {
            Told::Sealed(keystore) => keystore.clone(),
            Told::Failed(error) => return Err(error.clone()),
            Told::Opened { .. } | Told::WrongPassphrase => return Err(text::FAULT.to_owned()),
        };
        let notes = Notes::new(text::FIRST_ACCOUNT, is_backed_up);
        let storage = self.storage.get_value().ok_or(text::STORAGE_REFUSED)?;
        storage.clear().await.map_err(|StorageError(error)| error)?;
        let (text, sealed) = (notes.to_text(), keystore.as_slice());
        storage.put(&[(KEYSTORE, sealed), (NOTES, text.as_bytes())]).await.map_err(|StorageError(error)| error)?;
        self.keystore.set_value(Some(keystore));
        self.notes.set(notes);
        self.begin(spec, words, birthday).await
    }

    /// Unlocks the wallet.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) async fn unlock(self, spec: &ChainSpec, passphrase: &str) -> Result<(), String> {
        let (words, birthday) = self.words(passphrase).await?;
        self.begin(spec, &words, birthday).await
    }

    /// The entropy of the words, and the birthday, for whoever knows the passphrase.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) async fn words(self, passphrase: &str) -> Result<(Zeroizing<Vec<u8>>, Height), String> {
        let keystore = self.keystore.get_value().ok_or(text::NO_WALLET)?;
        match &worker::ask(&Ask::Open { keystore, passphrase: passphrase.to_owned() }).await {
            Told::Opened { words, birthday } => Ok((Zeroizing::new(words.clone()), Height(*birthday))),
            Told::WrongPassphrase => Err(text::WRONG_PASSPHRASE.to_owned()),
            Told::Failed(error) => Err(error.clone()),
            Told::Sealed(_) => Err(text::FAULT.to_owned()),
        }
    }

    async fn begin(self, spec: &ChainSpec, words: &[u8], birthday: Height) -> Result<(), String> {
        let mnemonic = Mnemonic::from_entropy(words).map_err(|error| error.to_string())?;
        let seed = Arc::new(mnemonic.to_seed(""));
        let mut accounts = Vec::new();
        let storage = self.storage.get_value().ok_or(text::STORAGE_REFUSED)?;
        for index in 0..self.notes.with_untracked(|notes| notes.accounts.len()) {
            let kept = storage.get(&name_of(index)).await.map_err(|StorageError(error)| error)?;
            let kept = kept.and_then(|bytes| AccountState::from_bytes(&bytes, spec));
            accounts.push(match kept {
                Some(state) => state,
                None => fresh(&seed, index, birthday, spec)?,
            });
        }
        self.seed.set_value(Some(seed));
        self.accounts.set(accounts);
        self.current.set(0);
        self.touched_at.set_value(clock::now_s());
        self.stage.set(Stage::Open);
        self.follow();
        Ok(())
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
        let birthday =
            self.accounts.with_untracked(|accounts| accounts.first().map_or(Height(0), AccountState::birthday));
        let state = fresh(&seed, index as usize, birthday, spec)?;
        self.keep_notes(notes).await?;
        self.accounts.update(|accounts| accounts.push(state));
        self.current.set(index as usize);
        self.follow();
        Ok(())
    }

    /// Keeps other notes.
    ///
    /// # Errors
    /// A sentence; then they are as before.
    pub(crate) async fn keep_notes(self, notes: Notes) -> Result<(), String> {
        let storage = self.storage.get_value().ok_or(text::STORAGE_REFUSED)?;
        storage.put(&[(NOTES, notes.to_text().as_bytes())]).await.map_err(|StorageError(error)| error)?;
        self.notes.set(notes);
        Ok(())
    }

    /// The bytes of the keystore: what a backup file holds.
    pub(crate) fn keystore(self) -> Option<Vec<u8>> {
        self.keystore.get_value()
    }

    /// Forgets the secret.
    pub(crate) fn lock(self) {
        self.seed.set_value(None);
        self.accounts.set(Vec::new());
        self.progress.set(Progress::default());
        self.stage.set(Stage::Locked);
    }

    fn lock_if_idle(self, now: u64) {
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
        storage.clear().await.map_err(|StorageError(error)| error)?;
        self.lock();
        self.keystore.set_value(None);
        self.notes.set(Notes::default());
        self.stage.set(Stage::None);
        Ok(())
    }

    /// The secret of an account, while the wallet is open.
    pub(crate) fn key(self, index: usize, spec: &ChainSpec) -> Option<AccountKey> {
        let seed = self.seed.get_value()?;
        account_key(&seed, u32::try_from(index).ok()?, spec).ok()
    }

    /// Looks at the account that is shown.
    pub(crate) fn with_current<T>(self, then: impl FnOnce(&AccountState) -> T) -> Option<T> {
        let current = self.current.get();
        self.accounts.with(|accounts| accounts.get(current).map(then))
    }

    /// Changes the account that is shown, and keeps it.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) async fn change_current<T>(
        self,
        spec: &ChainSpec,
        then: impl FnOnce(&mut AccountState, &AccountKey) -> Result<T, String>,
    ) -> Result<T, String> {
        let current = self.current.get_untracked();
        let key = self.key(current, spec).ok_or(text::LOCKED)?;
        let changed = self.accounts.try_update(|accounts| accounts.get_mut(current).map(|state| then(state, &key)));
        let changed = changed.flatten().ok_or(text::LOCKED)??;
        self.keep(current).await;
        Ok(changed)
    }

    /// Hands a payment to the network and notes it.
    ///
    /// # Errors
    /// A sentence, if the node does not want it: then nothing is noted.
    pub(crate) async fn hand_in(self, spec: &ChainSpec, transaction: Transaction) -> Result<Handed, String> {
        let handed = match source::submit(&transaction).await {
            Ok(_) => Handed::Taken,
            Err(error) if error.is_refusal() => return Err(error.sentence()),
            Err(error) => Handed::Unsure(error.sentence()),
        };
        self.change_current(spec, |state, key| state.sent(&transaction, Some(key)).map_err(|error| error.to_string()))
            .await?;
        Ok(handed)
    }

    /// Notes a transaction that waits, if it touches an account.
    pub(crate) async fn look_at(self, txid: &str, spec: &ChainSpec) {
        let Ok(id) = txid.parse::<Txid>() else { return };
        let is_known = |state: &AccountState| state.ledger().entry(&id).is_some();
        if self.accounts.with_untracked(|accounts| accounts.is_empty() || accounts.iter().any(is_known)) {
            return;
        }
        // Whether it is there a moment later does not matter: its block will bring it.
        let Ok(Some(transaction)) = source::waiting(txid).await else { return };
        let count = self.accounts.with_untracked(Vec::len);
        for index in 0..count {
            let Some(key) = self.key(index, spec) else { return };
            let seen = |accounts: &mut Vec<AccountState>| {
                accounts.get_mut(index).is_some_and(|state| state.seen(&transaction, Some(&key)).unwrap_or(false))
            };
            if self.accounts.try_update_untracked(seen) == Some(true) {
                self.accounts.notify();
                self.keep(index).await;
            }
        }
    }

    /// Keeps up with the chain, in the background. Asked while it does, it goes on for another round.
    pub(crate) fn follow(self) {
        self.wants_follow.set_value(true);
        let is_open = self.stage.with_untracked(|stage| *stage == Stage::Open);
        if !is_open || self.progress.with_untracked(|progress| progress.is_running) {
            return;
        }
        self.progress.update(|progress| progress.is_running = true);
        let spec = self.spec();
        spawn_local(async move {
            while self.wants_follow.get_value() {
                self.wants_follow.set_value(false);
                let fault = self.follow_once(&spec).await.err();
                self.progress.update(|progress| {
                    progress.fresh_at = if fault.is_none() { Some(clock::now_s()) } else { progress.fresh_at };
                    progress.fault = fault;
                });
            }
            self.progress.update(|progress| progress.is_running = false);
        });
    }

    async fn follow_once(self, spec: &ChainSpec) -> Result<(), String> {
        let chain = source::chain().await.map_err(|error| error.sentence())?;
        if chain.chain_id != spec.chain_id().to_string() {
            return Err(text::OTHER_CHAIN.to_owned());
        }
        for index in 0..self.accounts.with_untracked(Vec::len) {
            let Some(key) = self.key(index, spec) else { return Ok(()) };
            let account = AccountAt { accounts: self.accounts, index };
            let follower = Follower { spec, key: &key, account };
            let on_batch = async |height: Height| {
                self.progress.update(|progress| progress.height = height.0);
                self.accounts.notify();
                self.keep(index).await;
            };
            follower.follow(Height(chain.tip.height), on_batch).await.map_err(|error| error.sentence())?;
        }
        self.hand_in_again().await;
        Ok(())
    }

    /// Hands in again what is in no block yet: a node may have lost it, or never got it.
    async fn hand_in_again(self) {
        let own =
            |accounts: &Vec<AccountState>| accounts.iter().flat_map(AccountState::own).cloned().collect::<Vec<_>>();
        for transaction in self.accounts.with_untracked(own) {
            if let Err(FetchError::Unreachable(_)) = source::submit(&transaction).await {
                return;
            }
        }
    }

    /// Keeps what is known of an account. That it could not be is shown until it could.
    async fn keep(self, index: usize) {
        let bytes = self.accounts.with_untracked(|accounts| accounts.get(index).map(AccountState::to_bytes));
        let Some((bytes, storage)) = bytes.zip(self.storage.get_value()) else { return };
        let kept = storage.put(&[(&name_of(index), &bytes)]).await;
        let fault = kept.err().map(|StorageError(error)| error);
        if self.unkept.get_untracked() != fault {
            self.unkept.set(fault);
        }
    }
}

fn name_of(account: usize) -> String {
    format!("account-{account}")
}

fn fresh(seed: &WalletSeed, index: usize, birthday: Height, spec: &ChainSpec) -> Result<AccountState, String> {
    let number = u32::try_from(index).map_err(|error| error.to_string())?;
    let key = account_key(seed, number, spec).map_err(|error| error.to_string())?;
    Ok(AccountState::new(spec, AddressLayout::default(), birthday, &key))
}
