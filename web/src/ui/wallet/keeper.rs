//! Which tab keeps the wallet, and what it writes down. A keeper that hangs is overtaken by the next tab, and what it has not written by then it writes no
//! more.

use std::future::Future;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::spec::ChainSpec;
use qbtc_wallet_wasm::client::{Leadership, first_of};

use super::keep::Scan;
use super::state::{Following, Stage, WalletState, name_of};
use crate::browser::light::{Sleep, has_locks};
use crate::browser::storage::{Claim, StorageError};
use crate::wallet::change::{Done, Said, Unsaid};

/// What is found in so much time is written down together.
const KEEP_PAUSE: Duration = Duration::from_millis(400);
/// How often a tab that waits looks whether there is still something to wait for.
const LOOK_MS: u32 = 5_000;

/// What makes this tab the one that keeps the wallet. Dropping it lets another tab keep it.
pub(crate) struct Keeping {
    lock: Leadership,
    /// Nothing, if the browser cannot be asked: then the lock alone has to do.
    claim: Option<Claim>,
}

impl WalletState {
    /// Waits until no other tab keeps the wallet, then keeps it, until another tab has overtaken this one; then it waits again.
    pub(super) fn wait_to_keep(self, spec: &ChainSpec) {
        self.opening.update_value(|opening| *opening += 1);
        let opening = self.opening.get_value();
        let (name, spec) = (format!("qbtc-wallet-{}", spec.chain_id()), spec.clone());
        spawn_local(async move {
            let is_over = move || self.opening.get_value() != opening;
            let over = async {
                while !is_over() {
                    Sleep::new(LOOK_MS).await;
                }
                None
            };
            // Without locks, as in pages that were not served securely, each tab keeps it.
            let lock =
                if has_locks() { first_of(async { Leadership::wait(&name).await.ok() }, over).await } else { None };
            if is_over() {
                return;
            }
            let keeping = match lock {
                Some(lock) => Some(Keeping { lock, claim: self.claim().await }),
                None => None,
            };
            if is_over() {
                return;
            }
            // What another has written until now counts.
            self.reload(&spec).await;
            if is_over() {
                return;
            }
            let lost = keeping.as_ref().map(|keeping| keeping.lock.lost());
            self.keeping.set_value(keeping);
            self.done.set_value(Done::default());
            self.keeps.set(true);
            // Whoever has told nobody meanwhile hears that there is somebody again.
            drop(self.keep_all().await);
            let Some(lost) = lost else { return };
            lost.await;
            if !is_over() {
                self.keep_again(&spec);
                self.reload(&spec).await;
            }
        });
    }

    /// Another tab has overtaken this one: what was not written is not kept, and this one waits for its turn.
    fn keep_again(self, spec: &ChainSpec) {
        self.unkept.set(None);
        self.keep_no_more();
        self.wait_to_keep(spec);
    }

    async fn claim(self) -> Option<Claim> {
        let (storage, keystore) = (self.storage.get_value()?, self.keystore.get_value()?);
        storage.claim(&keystore).await.ok()
    }

    /// Lets another tab keep the wallet, once what is known is written down.
    pub(super) fn stop_keeping(self) {
        if self.is_dirty.get_value() && self.keeps.get_untracked() {
            let written = self.write_down();
            let keeping = self.keeping.try_update_value(Option::take);
            spawn_local(async move {
                if let Err(error) = written.await
                    && error != StorageError::OtherKeeper
                {
                    self.unkept.set(Some(error.sentence()));
                }
                drop(keeping);
            });
        }
        self.opening.update_value(|opening| *opening += 1);
        self.keep_no_more();
    }

    /// Keeps it no more.
    fn keep_no_more(self) {
        self.is_dirty.set_value(false);
        self.keeps.set(false);
        self.keeping.set_value(None);
        self.alone_since.set_value(None);
        self.following.set(Following::Nobody);
        self.scan.set_value(Scan::default());
        self.done.set_value(Done::default());
    }

    pub(super) fn is_keeping(self) -> bool {
        self.keeps.get_untracked() && self.stage.with_untracked(|stage| *stage == Stage::Open)
    }

    /// Writes everything down in a moment, together with what happens until then. Whoever does not keep it writes nothing.
    pub(super) fn keep_soon(self) {
        if !self.is_dirty.get_value() && self.keeps.get_untracked() {
            self.is_dirty.set_value(true);
            let keep = move || {
                if self.is_dirty.get_value() && self.is_keeping() {
                    spawn_local(async move { drop(self.keep_all().await) });
                }
            };
            set_timeout(keep, KEEP_PAUSE);
        }
    }

    /// Writes everything down, and tells the other tabs. That it could not be is shown until it could.
    ///
    /// # Errors
    /// The same sentence.
    pub(super) async fn keep_all(self) -> Result<(), String> {
        if !self.is_keeping() {
            return Err(StorageError::OtherKeeper.sentence());
        }
        let opening = self.opening.get_value();
        let done = self.done.try_update_value(Done::take).unwrap_or_default();
        let written = self.write_down().await;
        // Whatever came of it, it is another's now, or of another wallet.
        if self.opening.get_value() != opening {
            return written.map_err(StorageError::sentence);
        }
        let fault = written.clone().err().map(StorageError::sentence);
        if self.unkept.get_untracked() != fault {
            self.unkept.set(fault);
        }
        match written {
            Ok(()) => {
                // What this tab has made before it kept the wallet is in what it has written.
                self.unsaid.set_value(Unsaid::default());
                self.say(&Said::Kept { done });
                Ok(())
            }
            Err(error) => {
                self.done.update_value(|now| now.add(&done));
                if error == StorageError::OtherKeeper && self.is_keeping() {
                    self.keep_again(&self.spec());
                }
                Err(error.sentence())
            }
        }
    }

    /// What is written is what is known at the moment of the call.
    fn write_down(self) -> impl Future<Output = Result<(), StorageError>> {
        let keeps = self.keeps.get_untracked();
        self.is_dirty.set_value(false);
        let entries: Vec<(String, Vec<u8>)> = self.accounts.with_untracked(|accounts| {
            accounts.iter().enumerate().map(|(index, state)| (name_of(index), state.to_bytes())).collect()
        });
        let (storage, keystore) = (self.storage.get_value(), self.keystore.get_value());
        let claim = self.keeping.with_value(|keeping| keeping.as_ref().and_then(|keeping| keeping.claim.clone()));
        async move {
            if !keeps {
                return Err(StorageError::OtherKeeper);
            }
            let (Some(storage), Some(keystore)) = (storage, keystore) else { return Ok(()) };
            let entries: Vec<(&str, &[u8])> = entries.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
            match claim {
                Some(claim) => storage.put_claimed(&keystore, &claim, &entries).await,
                None => storage.put(&keystore, &entries).await,
            }
        }
    }
}
