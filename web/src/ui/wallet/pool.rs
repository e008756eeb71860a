//! What waits in a mempool and concerns the wallet, as the node has it that serves the page.

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::hash::Txid;
use qbtc_core::spec::ChainSpec;

use super::state::WalletState;
use crate::browser::source;
use crate::wallet::account::AccountState;

/// At so many transactions of others that wait is looked again with each block.
const LOOKS_MAX: usize = 50;

impl WalletState {
    /// Notes a transaction that waits, if it touches an account. That it waits is a node's word.
    pub(crate) async fn look_at(self, txid: &str, spec: &ChainSpec) {
        let Ok(id) = txid.parse::<Txid>() else { return };
        let is_known = |state: &AccountState| state.ledger().entry(&id).is_some();
        if !self.is_keeping() || self.accounts.with_untracked(|accounts| accounts.iter().any(is_known)) {
            return;
        }
        // Whether it is there a moment later does not matter: its block will bring it.
        let Ok(Some(transaction)) = source::waiting(txid).await else { return };
        let Some(keys) = self.keys(spec) else { return };
        let seen = |accounts: &mut Vec<AccountState>| {
            // Each account is to see it: one may pay the other.
            accounts.iter_mut().zip(&keys).fold(false, |is_seen, (state, key)| {
                state.seen(&transaction, spec, Some(key)).unwrap_or(false) || is_seen
            })
        };
        if self.accounts.try_update_untracked(seen) == Some(true) {
            self.accounts.notify();
            self.watch_new();
            self.keep_soon();
        }
    }

    /// Forgets what waits no more at the node that has said that it waits: it was replaced, or dropped for others that pay more.
    pub(super) fn look_at_waiting(self) {
        let waiting = |state: &AccountState| state.waiting_of_others();
        let mut waiting: Vec<Txid> =
            self.accounts.with_untracked(|accounts| accounts.iter().flat_map(waiting).collect());
        waiting.truncate(LOOKS_MAX);
        spawn_local(async move {
            for txid in waiting {
                match source::waiting(&txid.to_string()).await {
                    Ok(Some(_)) => {}
                    Ok(None) => {
                        self.accounts.update(|accounts| accounts.iter_mut().for_each(|state| state.gone(&txid)));
                        self.keep_soon();
                    }
                    Err(_) => return,
                }
            }
        });
    }
}
