//! The document that nobody sees: it holds the connections, keeps the wallet, and answers what sites may know without a question to the user.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Value, json};

use crate::browser::extension::{self, Document, Says};
use crate::extension::Answer;
use crate::level::Level;
use crate::text;
use crate::ui::context::Shared;
use crate::ui::wallet::{self, Stage, WalletState};
use crate::wallet::account::AccountState;

/// EIP-1193: the page is not connected, or the wallet is locked.
const UNAUTHORIZED: i32 = 4100;
/// EIP-1193: there is no such method.
const UNSUPPORTED: i32 = 4200;
/// EIP-1193: the wallet is not there.
const DISCONNECTED: i32 = 4900;
/// The account that sites see.
const ACCOUNT: usize = 0;
/// What is said in place of a level, while not all blocks up to the tip are looked through.
const CHECKING: &str = "checking";

/// The document.
#[component]
pub(crate) fn Offscreen() -> impl IntoView {
    let Some(begin) = extension::begin() else {
        return extension::serve(|_| written(&failed(DISCONNECTED, text::NOT_SET_UP)));
    };
    let shared = Shared::provide_alone(&begin, Document::Offscreen);
    let wallet = wallet::provide();
    extension::serve(move |call| written(&answer(shared, wallet, &call.method)));
    let seen = Memo::new(move |_| addresses(wallet));
    Effect::new(move |before: Option<Vec<String>>| {
        let now = seen.get();
        if before.is_some_and(|before| before != now) {
            spawn_local(async {
                // Sites that are not told ask again.
                let _ = extension::tell::<()>(&Says::Accounts).await;
            });
        }
        now
    });
}

fn answer(shared: Shared, wallet: WalletState, method: &str) -> Answer<Value> {
    match method {
        "chainId" => Answer::Result(json!(wallet.spec().chain_id().to_string())),
        "accounts" => Answer::Result(json!(untrack(|| addresses(wallet)))),
        "getBalance" => {
            untrack(|| balance(shared, wallet)).map_or_else(|| failed(UNAUTHORIZED, text::LOCKED), Answer::Result)
        }
        _ => failed(UNSUPPORTED, text::NO_METHOD),
    }
}

/// What sites see of the wallet while it is open: the next address of the first account.
fn addresses(wallet: WalletState) -> Vec<String> {
    if wallet.stage.with(|stage| *stage != Stage::Open) {
        return Vec::new();
    }
    let prefix = wallet.spec().network().address_prefix.clone();
    let next = wallet.accounts.with(|accounts| accounts.get(ACCOUNT).and_then(AccountState::receive_address));
    next.map(|address| address.to_text(&prefix)).into_iter().collect()
}

fn balance(shared: Shared, wallet: WalletState) -> Option<Value> {
    let spec = wallet.spec();
    let (balance, height, is_proven) = wallet.accounts.with(|accounts| {
        accounts.get(ACCOUNT).map(|state| (state.account().balance(&spec), state.height(), state.is_proven()))
    })?;
    // A sum over some of the blocks is no balance.
    let level = if is_proven && wallet.reaches_tip(height) { Level::Filter.name() } else { CHECKING };
    Some(json!({
        "confirmed": balance.confirmed.to_string(),
        "pending": balance.pending.to_string(),
        "immature": balance.immature.to_string(),
        "level": level,
        "height": height.0,
        "tip": shared.proven_tip().map(|tip| tip.mark.height.0),
    }))
}

fn failed(code: i32, message: &str) -> Answer<Value> {
    Answer::Error { code, message: message.to_owned() }
}

fn written(answer: &Answer<Value>) -> String {
    serde_json::to_string(answer).expect("values and strings are JSON")
}
