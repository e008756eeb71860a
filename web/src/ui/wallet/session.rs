//! The extension's documents share an unlocked wallet: a popup lives for seconds, and nobody types a passphrase for each. The document that nobody sees
//! has it as long as it is open, and keeps it up with the chain; others get it from there, and lock it for all.
//!
//! A web page has none of this: each of its tabs is unlocked by itself.

use std::rc::Rc;
use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::hash::sha256;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::wallet::mnemonic::WalletSeed;
use zeroize::Zeroizing;

use super::door::{self, Task};
use super::state::{Stage, WalletState};
use crate::browser::channel::{Channel, Kind, Message};
use crate::browser::clock;
use crate::browser::extension::Document;
use crate::extension::Session;

impl WalletState {
    /// Hears the other documents.
    pub(super) fn join_session(self, spec: &ChainSpec) {
        if self.shared.document.is_none() || self.session.with_value(Option::is_some) {
            return;
        }
        let heard = move |message: Message| {
            let told = Zeroizing::new(message.bytes);
            spawn_local(async move {
                // An extension has all of its program at hand.
                let _ = door::run(self, Task::HearSession(told)).await;
            });
        };
        // Without a channel, each document is unlocked by itself.
        let channel = Channel::open(&format!("qbtc-session-{}", spec.chain_id()), heard).ok();
        self.session.set_value(channel.map(Rc::new));
    }

    /// Tells the other documents.
    pub(super) fn tell_session(self, told: &Session) {
        if let Some(session) = self.session.get_value() {
            session.say(Kind::Told, "", 0, &told.to_bytes());
        }
    }

    /// Tells the other documents that this one has the wallet open, and with which seed.
    pub(super) fn share_session(self) {
        let (Some(seed), Some(keystore)) = (self.seed.get_value(), self.keystore.get_value()) else { return };
        if self.session.with_value(Option::is_some) {
            let (seed, birthday) = (seed.as_bytes().to_vec(), self.birthday().0);
            self.tell_session(&Session::Open { seed, birthday, keystore: sha256(&keystore) });
        }
    }

    pub(super) fn hear_session(self, told: &[u8]) {
        let Some(told) = Session::from_bytes(told) else { return };
        let stage = self.stage.get_untracked();
        match &told {
            Session::Asked if stage == Stage::Open => self.share_session(),
            Session::Open { seed, birthday, keystore } if stage == Stage::Locked => {
                let own = self.keystore.get_value().filter(|own| sha256(own) == *keystore);
                let Some(own) = own else { return };
                let Ok(seed) = <[u8; WalletSeed::BYTES]>::try_from(&seed[..]) else { return };
                let (seed, birthday) = (Arc::new(WalletSeed::from_bytes(seed)), Height(*birthday));
                spawn_local(async move {
                    // A document that cannot read what is kept stays locked, and says why when it is unlocked by itself.
                    let _ = self.begin_with(&self.spec(), seed, birthday, own).await;
                });
            }
            Session::Locked if stage == Stage::Open => self.close(),
            // What is being opened at this moment stays locked as well.
            Session::Locked => self.opening.update_value(|opening| *opening += 1),
            Session::Touched => self.touched_at.set_value(clock::now_s()),
            Session::Asked | Session::Open { .. } => {}
        }
    }

    /// Notes that the user is there, and tells the other documents, once a second at most.
    pub(super) fn touch(self) {
        let now = clock::now_s();
        if self.touched_at.get_value() != now {
            self.touched_at.set_value(now);
            self.tell_session(&Session::Touched);
        }
    }

    /// Whether this document may keep the wallet: in an extension, only the one that stays.
    pub(super) fn may_keep(self) -> bool {
        self.shared.document != Some(Document::Seen)
    }
}
