//! Keeping the wallet: following the chain for it. One tab does it, the keeper ([`super::keeper`]); the others show what it has kept, and tell it what they
//! do.
//!
//! The chain is shown by the light client. While that has no node, and for that time only, the wallet follows on the word of the node that serves the
//! page; once the light client has one, what was only said is taken back and looked through again ([`crate::wallet::scan`]).

use std::collections::BTreeSet;
use std::rc::Rc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::chain::BlockMark;
use qbtc_core::hash::Txid;
use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::Transaction;
use qbtc_core::units::Height;
use qbtc_core::wallet::derivation::AccountKey;

use super::door::{self, Task};
use super::state::{Following, Stage, WalletState};
use crate::browser::channel::{Channel, Kind};
use crate::browser::clock;
use crate::browser::follow::{AccountAt, Follower};
use crate::browser::light::Sleep;
use crate::browser::source::{self, Handed};
use crate::light::{Ask, News, ScanNumber, Standing, Told, read, write};
use crate::text;
use crate::wallet::account::AccountState;
use crate::wallet::change::{Change, Made, Said, Unsaid};
use crate::wallet::scan::{self, Restarts, Search};

/// After so many seconds without a node, the wallet follows the chain on the word of the node that serves the page.
const ALONE_S: u64 = 10;
/// After how long payments that no node has taken are handed in again.
const AGAIN_MS: u32 = 15_000;

/// What the light client was asked to look for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scan {
    /// Its number; 0 for none.
    number: ScanNumber,
    /// The client that was asked.
    run: Option<u64>,
    restarts: Restarts,
    watched: BTreeSet<Address>,
}

impl WalletState {
    /// Follows whatever shows the chain, from now on.
    pub(super) fn attend_chain(self) {
        let light = self.shared.light;
        light.on_told(move |told| self.hear_scan(told));
        Effect::new(move |_| {
            light.news.track();
            light.fault.track();
            self.keeps.track();
            self.shared.now.track();
            untrack(|| self.steer());
        });
        let shared = self.shared;
        let tip = Memo::new(move |_| shared.chain.with(|chain| chain.as_ref().map(|chain| chain.tip.id.clone())));
        Effect::new(move |_| {
            tip.with(|_| ());
            if self.following.get_untracked() == Following::Word {
                self.follow();
            }
        });
    }

    /// Hears the other tabs.
    pub(super) fn join_tabs(self, spec: &ChainSpec) {
        if self.tabs.with_value(Option::is_some) {
            return;
        }
        let heard = move |message: crate::browser::channel::Message| {
            spawn_local(async move {
                // A tab that cannot hear the others still writes nothing over what they have kept.
                let _ = door::run(self, Task::HearTab(message.bytes)).await;
            });
        };
        // A browser without channels has tabs that do not hear of each other: the lock still keeps them from overwriting.
        let channel = Channel::open(&format!("qbtc-wallet-{}", spec.chain_id()), heard).ok();
        self.tabs.set_value(channel.map(Rc::new));
    }

    /// Tells the other tabs.
    pub(super) fn say(self, said: &Said) {
        if let Some(tabs) = self.tabs.get_value() {
            tabs.say(Kind::Told, "", 0, &write(said));
        }
    }

    pub(super) async fn hear_tab(self, said: &[u8]) {
        let Some(said) = read::<Said>(said) else { return };
        let (spec, is_open) = (self.spec(), self.stage.with_untracked(|stage| *stage == Stage::Open));
        match said {
            Said::Another => {
                // What is known is of the wallet before.
                self.is_dirty.set_value(false);
                self.unsaid.set_value(Unsaid::default());
                self.unkept.set(None);
                self.close();
                // Until it is known which one it is, nothing is shared.
                self.stage.set(Stage::Opening);
                self.open(&spec).await;
            }
            Said::Kept { done } => {
                self.unsaid.update_value(|unsaid| unsaid.kept(&done));
                match (is_open, self.keeps.get_untracked()) {
                    (true, true) => self.add_accounts_of_notes(&spec).await,
                    (true, false) => {
                        // Nobody may have heard it: one keeper may just have followed another.
                        self.unsaid.get_value().iter().for_each(|made| self.say(&Said::Changed(made.clone())));
                        self.reload(&spec).await;
                    }
                    (false, _) => {}
                }
            }
            Said::Changed(made) if self.is_keeping() => {
                let account = made.account as usize;
                if account >= self.accounts.with_untracked(Vec::len) {
                    self.add_accounts_of_notes(&spec).await;
                }
                // What does not fit was overtaken by what is known here. Either way it is settled.
                let _ = self.apply(account, &made.change, &spec);
                self.done.update_value(|done| done.add(&[made.number]));
                drop(self.keep_all().await);
            }
            Said::Changed(_) => {}
        }
    }

    /// Has the accounts looked for from where the last of them stands.
    pub(super) fn search_anew(self) {
        self.scan.update_value(|scan| (scan.run, scan.restarts) = (None, Restarts::default()));
        self.steer();
        if self.following.get_untracked() == Following::Word {
            self.follow();
        }
    }

    /// Decides who shows the chain.
    fn steer(self) {
        if !self.is_keeping() {
            return;
        }
        let light = self.shared.light;
        let news = light.news.get_untracked();
        if let Some(news) = news.as_ref().filter(|news| news.standing() != Standing::Alone) {
            if self.alone_since.get_value().is_some() {
                self.alone_since.set_value(None);
                self.was_alone.set_value(true);
            }
            if news.can_prove() && self.was_alone.get_value() {
                self.was_alone.set_value(false);
                // What was paid meanwhile is with nobody yet.
                self.hand_in_again();
            }
            let is_due = |scan: &Scan| scan.run != Some(news.run) && scan.restarts.may_start(place(news));
            if news.can_prove() && self.scan.with_value(is_due) {
                self.start_scan(news);
            }
            return;
        }
        let now = clock::now_s();
        let since = self.alone_since.get_value().unwrap_or(now);
        self.alone_since.set_value(Some(since));
        let is_over = light.fault.with_untracked(Option::is_some) || now.saturating_sub(since) >= ALONE_S;
        let is_told =
            self.shared.chain.with_untracked(Option::is_some) && self.shared.fault.with_untracked(Option::is_none);
        if is_over && is_told && self.following.get_untracked() != Following::Word {
            self.scan.set_value(Scan::default());
            self.following.set(Following::Word);
            self.follow();
        }
    }

    fn start_scan(self, news: &News) {
        let spec = self.spec();
        let Some(keys) = self.keys(&spec) else { return };
        let begun = self.accounts.try_update(|accounts| scan::begin(accounts, &keys, news.tip.mark));
        let Search { start, marks, addresses } = match begun {
            Some(Ok(search)) => search,
            Some(Err(error)) => {
                self.scan.update_value(|scan| scan.restarts.give_up(place(news)));
                return self.progress.update(|progress| progress.fault = Some(error.to_string()));
            }
            None => return,
        };
        let number = js_sys::Math::random().to_bits();
        let restarts = self.scan.with_value(|scan| scan.restarts.clone());
        let watched = addresses.iter().copied().collect();
        self.scan.set_value(Scan { number, run: Some(news.run), restarts, watched });
        self.following.set(Following::Light);
        self.progress.update(|progress| progress.fault = None);
        spawn_local(async move {
            // A tab that was overtaken without knowing hears so by this. It must not take the scan away from the one that keeps the wallet now.
            drop(self.keep_all().await);
            if self.is_keeping() && self.scan.with_value(|scan| scan.number) == number {
                self.shared.light.say(&Ask::Scan { number, start, marks, addresses });
                self.hand_in_again();
            }
        });
    }

    fn hear_scan(self, told: Told) {
        let number = self.scan.with_value(|scan| scan.number);
        if !self.is_keeping() || number == 0 {
            return;
        }
        match told {
            Told::Scanned { number: of, to, block } if of == number => self.take(to, block.as_deref()),
            Told::RolledBack { number: of, to } if of == number => {
                self.accounts.update(|accounts| accounts.iter_mut().for_each(|state| state.go_back_proven(to)));
                self.keep_soon();
            }
            Told::Scanned { .. } | Told::RolledBack { .. } | Told::News(_) => {}
        }
    }

    fn take(self, to: BlockMark, block: Option<&[u8]>) {
        let spec = self.spec();
        let Some(keys) = self.keys(&spec) else { return };
        let taken = self.accounts.try_update(|accounts| scan::take(accounts, &keys, to, block, &spec));
        match taken {
            Some(Ok(addresses)) => {
                self.scan.update_value(|scan| scan.watched.extend(addresses.iter().copied()));
                if block.is_some() {
                    self.shared.light.say(&Ask::Taken { id: to.id, addresses });
                }
                self.progress.update(|progress| progress.height = to.height.0);
                self.keep_soon();
                if to.height.0 >= untrack(|| self.shared.height()) {
                    self.scan.update_value(|scan| scan.restarts = Restarts::default());
                    self.hand_in_again();
                    self.look_at_waiting();
                }
            }
            Some(Err(error)) => {
                let at = self.shared.light.news.with_untracked(|news| news.as_ref().map(place));
                self.scan.update_value(|scan| {
                    (scan.run, scan.number) = (None, 0);
                    scan.restarts.failed(at);
                });
                // Said until another try begins.
                self.progress.update(|progress| progress.fault = Some(error.to_string()));
                self.steer();
            }
            None => {}
        }
    }

    /// Has the client look for addresses that were made beside a scan.
    pub(super) fn watch_new(self) {
        let all: BTreeSet<Address> = self
            .accounts
            .with_untracked(|accounts| accounts.iter().flat_map(|state| state.book().addresses()).collect());
        let new: Vec<Address> = self.scan.with_value(|scan| all.difference(&scan.watched).copied().collect());
        if new.is_empty() || self.scan.with_value(|scan| scan.number) == 0 {
            return;
        }
        self.scan.update_value(|scan| scan.watched.extend(new.iter().copied()));
        let reached = self.accounts.with_untracked(|accounts| accounts.first().map(AccountState::height));
        let from = reached.and_then(Height::next).unwrap_or_default();
        self.shared.light.say(&Ask::Watch { addresses: new, from });
    }

    pub(super) fn keys(self, spec: &ChainSpec) -> Option<Vec<AccountKey>> {
        (0..self.accounts.with_untracked(Vec::len)).map(|index| self.key(index, spec)).collect()
    }

    pub(super) fn apply(self, account: usize, change: &Change, spec: &ChainSpec) -> Result<(), String> {
        let key = self.key(account, spec).ok_or(text::LOCKED)?;
        let changed =
            self.accounts.try_update(|accounts| accounts.get_mut(account).map(|state| change.apply(state, &key)));
        changed.flatten().ok_or(text::LOCKED)?.map_err(|error| error.to_string())?;
        self.watch_new();
        Ok(())
    }

    /// Changes the account that is shown, and has it kept.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) async fn change_current(self, spec: &ChainSpec, change: Change) -> Result<(), String> {
        let current = self.current.get_untracked();
        self.apply(current, &change, spec)?;
        // That it could not be written down is shown until it could.
        let _ = self.have_kept(current, change).await;
        Ok(())
    }

    /// Has a change kept, by this tab or by the one that keeps the wallet.
    ///
    /// # Errors
    /// A sentence, if this tab could not write it down.
    async fn have_kept(self, account: usize, change: Change) -> Result<(), String> {
        if self.is_keeping() {
            return self.keep_all().await;
        }
        let account = u32::try_from(account).unwrap_or(u32::MAX);
        let made = Made { number: js_sys::Math::random().to_bits(), account, change };
        self.unsaid.update_value(|unsaid| unsaid.add(made.clone()));
        self.say(&Said::Changed(made));
        Ok(())
    }

    /// Notes a payment and hands it to the network, in this order: it can be out whatever becomes of this document while nodes are asked. It takes
    /// the place of `replaces` and of no other payment: one that was sent since this one was shown may spend the same coins.
    ///
    /// # Errors
    /// A sentence, if it could not be noted, or if nobody wants it: then it is not out, and nothing stays noted.
    pub(crate) async fn hand_in(
        self,
        spec: &ChainSpec,
        transaction: Transaction,
        replaces: &[Txid],
    ) -> Result<Handed, String> {
        let account = self.current.get_untracked();
        let back = self.accounts.with_untracked(|accounts| {
            let state = accounts.get(account).ok_or(text::LOCKED)?;
            let is_meant = |gone: &Transaction| replaces.contains(&gone.txid());
            if !state.outbox().replaced_by(&transaction).all(is_meant) {
                return Err(text::SPENT_SINCE);
            }
            Ok(Change::taking_back(state, &transaction))
        })?;
        let sent = Change::Sent(Box::new(transaction.clone()));
        self.apply(account, &sent, spec)?;
        if let Err(why) = self.have_kept(account, sent).await {
            // Nobody would know of it once this document is closed.
            let _ = self.apply(account, &back, spec);
            return Err(why);
        }
        let handed = source::submit(self.shared.light, &transaction).await;
        if let Handed::Refused(why) = handed {
            // A wallet that was locked meanwhile is told when it opens.
            let _ = self.apply(account, &back, spec);
            let _ = self.have_kept(account, back).await;
            return Err(why);
        }
        Ok(handed)
    }

    /// Keeps up with the chain on the word of the node that serves the page, in the background. Asked while it does, it goes on for another round.
    fn follow(self) {
        self.wants_follow.set_value(true);
        if !self.is_keeping() || self.progress.with_untracked(|progress| progress.is_running) {
            return;
        }
        self.progress.update(|progress| progress.is_running = true);
        let spec = self.spec();
        spawn_local(async move {
            while self.wants_follow.get_value() {
                self.wants_follow.set_value(false);
                let fault = self.follow_once(&spec).await.err();
                // Once the light client shows the chain, what the node says does not matter.
                let fault = fault.filter(|_| self.following.get_untracked() == Following::Word);
                self.progress.update(|progress| progress.fault = fault);
            }
            self.progress.update(|progress| progress.is_running = false);
        });
    }

    async fn follow_once(self, spec: &ChainSpec) -> Result<(), String> {
        let chain = source::chain().await.map_err(|error| error.sentence())?;
        if chain.chain_id != spec.chain_id().to_string() {
            return Err(text::OTHER_CHAIN.to_owned());
        }
        let is_wanted = || self.is_keeping() && self.following.get_untracked() == Following::Word;
        for index in 0..self.accounts.with_untracked(Vec::len) {
            let Some(key) = self.key(index, spec) else { return Ok(()) };
            let account = AccountAt { accounts: self.accounts, index };
            let follower = Follower { spec, key: &key, account, is_wanted: &is_wanted };
            let on_batch = async |height: Height| {
                self.progress.update(|progress| progress.height = height.0);
                self.accounts.notify();
                self.keep_soon();
            };
            follower.follow(Height(chain.tip.height), on_batch).await.map_err(|error| error.sentence())?;
        }
        self.hand_in_again();
        self.look_at_waiting();
        Ok(())
    }

    /// Hands in again what is in no block yet: a node may have lost it, or never got it.
    fn hand_in_again(self) {
        let own = |state: &AccountState| state.outbox().payments().to_vec();
        let own: Vec<_> = self.accounts.with_untracked(|accounts| accounts.iter().flat_map(own).collect());
        spawn_local(async move {
            for transaction in own {
                if let Handed::Unsure(_) = source::submit(self.shared.light, &transaction).await {
                    Sleep::new(AGAIN_MS).await;
                    self.was_alone.set_value(true);
                    return;
                }
            }
        });
    }
}

/// Which client has shown the chain, and where it ends.
fn place(news: &News) -> (u64, BlockMark) {
    (news.run, news.tip.mark)
}
