//! Attending to the wallet: what begins with its first opening, and goes on as long as the app is there.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::state::WalletState;

impl WalletState {
    /// Attends to the wallet from its first opening on: follows whatever shows the chain, looks at what waits, and locks it when nobody is there.
    pub(super) fn attend(self) {
        if self.is_attended.get_value() {
            return;
        }
        self.is_attended.set_value(true);
        self.shared.rooted(|| {
            self.attend_chain();
            self.attend_pool();
            self.attend_user();
        });
    }

    /// What comes into the mempool may concern the wallet.
    fn attend_pool(self) {
        let shared = self.shared;
        Effect::new(move |_| {
            let (Some(txid), Some(rules)) = (shared.heard.get(), shared.rules.get_untracked()) else { return };
            spawn_local(async move { self.look_at(&txid, &rules.0).await });
        });
    }

    fn attend_user(self) {
        Effect::new(move |_| self.lock_if_idle(self.shared.now.get()));
        for event in ["pointerdown", "keydown"] {
            drop(window_event_listener_untyped(event, move |_| self.touch()));
        }
    }
}
