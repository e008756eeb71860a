//! The wallet's pages: those until it is open in one chunk, the others in another. Keys never leave the tab.

mod attend;
mod contacts;
pub(crate) mod door;
mod history;
mod keep;
mod keeper;
mod keystore;
mod messages;
mod overview;
mod pool;
mod receive;
mod send;
mod session;
mod settings;
mod setup;
mod state;
mod words;

pub(crate) use messages::sign;
pub(crate) use receive::QrCode;
pub(crate) use send::{WAITS, What, draft_fault, rate, sign_and_send};
pub(crate) use setup::UnlockForm;
pub(crate) use state::{Stage, WalletState};

use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_params_map;
use wasm_split_helpers::wasm_split;

use super::chunk::{self, Missing};
use super::context::Shared;
use super::extension::BeginElsewhere;
use super::parts::{Notice, Title};
use crate::text;

/// Prepares the wallet, unless it is: for all pages, as long as the app is there.
pub(crate) fn provide() -> WalletState {
    let shared = Shared::here();
    shared.rooted(|| use_context().unwrap_or_else(|| WalletState::provide(shared)))
}

/// The wallet's page.
#[component]
pub(crate) fn Wallet() -> impl IntoView {
    chunk::view(load, first)
}

#[wasm_split(setup, preload(load), fallible)]
pub(crate) fn first() -> Result<AnyView, Missing> {
    let wallet = provide();
    Effect::new(move |_| {
        if wallet.stage.with(|stage| *stage != Stage::Opening) {
            wallet.shared.first_is_shown();
        }
    });
    Ok(view! { <Staged/> }.into_any())
}

/// The page: what it is depends on how far the wallet is open.
#[component]
fn Staged() -> impl IntoView {
    let wallet = WalletState::here();
    let params = use_params_map();
    let page = Memo::new(move |_| params.with(|params| params.get("page").unwrap_or_default()));
    let stage = Memo::new(move |_| wallet.stage.get());
    view! {
        {move || match stage.get() {
            Stage::Opening => view! { <Title text=text::NAV_WALLET/><p class="loading" role="status">{text::LOADING}</p> }.into_any(),
            Stage::StrangeChain => view! {
                <Title text=text::NAV_WALLET/><Notice kind="warn"><p>{text::STRANGE_CHAIN}</p></Notice>
            }.into_any(),
            Stage::NoStorage(error) => view! {
                <Title text=text::NAV_WALLET/>
                <Notice kind="bad"><p class="strong">{text::STORAGE_REFUSED}</p><p>{text::STORAGE_REFUSED_MEANS}</p><p class="small mono">{error}</p></Notice>
            }.into_any(),
            Stage::None => view! { <setup::Setup/><BeginElsewhere/> }.into_any(),
            Stage::Locked => view! { <setup::Unlock/><BeginElsewhere/> }.into_any(),
            Stage::Open => chunk::view(load_opened, move || opened(page)).into_any(),
        }}
    }
}

#[wasm_split(wallet, preload(load_opened), fallible)]
pub(crate) fn opened(page: Memo<String>) -> Result<AnyView, Missing> {
    Ok(view! { <Open page=page/> }.into_any())
}

#[component]
fn Open(page: Memo<String>) -> impl IntoView {
    let wallet = WalletState::here();
    view! {
        <div class="wallet">
            <Warnings/>
            <nav aria-label=text::NAV_WALLET>
                <ul class="tabs">
                    <li><A href="/wallet" exact=true>{text::OVERVIEW}</A></li>
                    <li><A href="/wallet/receive">{text::RECEIVE}</A></li>
                    <li><A href="/wallet/send">{text::SEND}</A></li>
                    <li><A href="/wallet/history">{text::HISTORY}</A></li>
                    <li><A href="/wallet/contacts">{text::CONTACTS}</A></li>
                    <li><A href="/wallet/messages">{text::MESSAGES}</A></li>
                    <li><A href="/wallet/settings">{text::SETTINGS}</A></li>
                </ul>
            </nav>
            {move || {
                // Another account is another page.
                wallet.current.track();
                match page.get().as_str() {
                    "" => view! { <overview::Overview/> }.into_any(),
                    "receive" => view! { <receive::Receive/> }.into_any(),
                    "send" => view! { <send::Send/> }.into_any(),
                    "history" => view! { <history::History/> }.into_any(),
                    "contacts" => view! { <contacts::Contacts/> }.into_any(),
                    "messages" => view! { <messages::Messages/> }.into_any(),
                    "settings" => view! { <settings::Settings/> }.into_any(),
                    "words" => view! { <words::Words/> }.into_any(),
                    _ => view! { <Title text=text::NOT_FOUND/> }.into_any(),
                }
            }}
        </div>
    }
}

/// What must not be overlooked.
#[component]
fn Warnings() -> impl IntoView {
    let wallet = WalletState::here();
    let is_unsaved = move || {
        !wallet.notes.with(|notes| notes.is_backed_up)
            && wallet.with_current(|state| state.ledger().history().next().is_some()).unwrap_or(false)
    };
    view! {
        {move || wallet.unkept.get().map(|error| view! {
            <Notice kind="bad"><p class="strong">{text::NOT_KEPT}</p><p>{text::NOT_KEPT_MEANS}</p><p class="small mono">{error}</p></Notice>
        })}
        {move || wallet.unsent.get().map(|error| view! {
            <Notice kind="bad">
                <p class="strong">{text::NOT_SENT}</p><p>{error}</p>
                <div class="row"><button class="button small" type="button" on:click=move |_| wallet.unsent.set(None)>{text::UNDERSTOOD}</button></div>
            </Notice>
        })}
        {move || is_unsaved().then(|| view! {
            <Notice kind="warn">
                <p class="strong">{text::WRITE_WORDS}</p><p>{text::WRITE_WORDS_MEANS}</p>
                <div class="row"><a class="button small primary" href="/wallet/words">{text::SHOW_WORDS}</a></div>
            </Notice>
        })}
    }
}
