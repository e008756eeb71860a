//! Settings: accounts, the lock, what the browser promises to keep, a backup file, where the chain comes from.

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::net::browser::Address;

use super::setup::Forget;
use super::state::WalletState;
use crate::browser::files;
use crate::browser::storage::{self, Persistence};
use crate::light::{Ask, NodeLine};
use crate::ui::context::Shared;
use crate::ui::extension::Begin;
use crate::ui::parts::{Fact, Notice, Title};
use crate::ui::proven::{self, Doubts};
use crate::wallet::notes::Notes;
use crate::{format, text};

/// The page.
#[component]
pub(crate) fn Settings() -> impl IntoView {
    let is_extension = Shared::here().document.is_some();
    view! {
        <Title text=text::SETTINGS/>
        <Accounts/>
        <Backup/>
        <Storage/>
        <Lock/>
        <Network/>
        {is_extension.then(|| view! { <Begin is_first=false/> })}
        <Forget/>
    }
}

#[component]
fn Accounts() -> impl IntoView {
    let wallet = WalletState::here();
    let (name, fault) = (RwSignal::new(String::new()), RwSignal::new(None::<String>));
    let is_busy = RwSignal::new(false);
    let add = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        // A form can be submitted again before its button is seen to be disabled.
        if is_busy.get_untracked() {
            return;
        }
        is_busy.set(true);
        spawn_local(async move {
            let added = wallet.add_account(&wallet.spec(), &name.get_untracked()).await;
            let _ = is_busy.try_set(false);
            let _ = fault.try_set(added.err());
            let _ = name.try_set(String::new());
        });
    };
    view! {
        <section class="card stack" aria-labelledby="accounts">
            <h2 id="accounts">{text::ACCOUNTS}</h2>
            <p class="soft small">{text::ACCOUNTS_MEAN}</p>
            <ul data-testid="accounts">{move || wallet.notes.with(|notes| notes.accounts.clone()).into_iter().enumerate()
                .map(|(index, name)| view! { <li>{text::account(&name, index)}</li> }).collect_view()}</ul>
            <form class="with-button" on:submit=add>
                <input type="text" aria-label=text::ACCOUNT_NAME placeholder=text::ACCOUNT_NAME maxlength="60" prop:value=name on:input=move |event| name.set(event_target_value(&event))/>
                <button class="button" type="submit" disabled=is_busy>{text::ADD_ACCOUNT}</button>
            </form>
            {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
        </section>
    }
}

#[component]
fn Backup() -> impl IntoView {
    let wallet = WalletState::here();
    let save = move |_| {
        if let Some(keystore) = wallet.keystore() {
            // A browser that saves nothing says so by itself.
            let _ = files::save("qbtc-wallet.keystore", "application/octet-stream", &keystore);
        }
    };
    view! {
        <section class="card stack" aria-labelledby="backup">
            <h2 id="backup">{text::BACKUP}</h2>
            <p class="soft small">{text::BACKUP_MEANS}</p>
            <div class="row">
                <a class="button" href="/wallet/words">{text::SHOW_WORDS}</a>
                <button class="button" type="button" on:click=save>{text::SAVE_KEYSTORE}</button>
            </div>
        </section>
    }
}

#[component]
fn Storage() -> impl IntoView {
    let is_extension = Shared::here().document.is_some();
    let state = RwSignal::new(None::<Persistence>);
    let ask = move || {
        spawn_local(async move {
            let _ = state.try_set(Some(storage::persist().await));
        });
    };
    ask();
    view! {
        <section class="card stack" aria-labelledby="storage">
            <h2 id="storage">{text::STORAGE}</h2>
            {move || match state.get() {
                // By its permission for storage: the answer is about pages.
                _ if is_extension => view! { <Notice kind="good"><p>{text::STORAGE_OF_EXTENSION}</p></Notice> }.into_any(),
                None => view! { <p class="loading" role="status">{text::LOADING}</p> }.into_any(),
                Some(Persistence::Promised) => view! { <Notice kind="good"><p>{text::STORAGE_PROMISED}</p></Notice> }.into_any(),
                Some(Persistence::Refused) => view! {
                    <Notice kind="warn"><p>{text::STORAGE_MAY_GO}</p><div class="row"><button class="button small" type="button" on:click=move |_| ask()>{text::ASK_AGAIN}</button></div></Notice>
                }.into_any(),
                Some(Persistence::Unknown) => view! { <Notice kind="warn"><p>{text::STORAGE_UNKNOWN}</p></Notice> }.into_any(),
            }}
        </section>
    }
}

#[component]
fn Lock() -> impl IntoView {
    let (wallet, fault) = (WalletState::here(), RwSignal::new(None::<String>));
    let choose = move |event| {
        let mut notes = wallet.notes.get_untracked();
        notes.lock_after_min = event_target_value(&event).parse().ok();
        spawn_local(async move {
            let kept = wallet.keep_notes(notes).await;
            let _ = fault.try_set(kept.err());
        });
    };
    let chosen = move || wallet.notes.with(|notes| notes.lock_after_min.unwrap_or(Notes::LOCK_AFTER_MIN));
    view! {
        <section class="card stack" aria-labelledby="lock">
            <h2 id="lock">{text::LOCK_AFTER}</h2>
            <div class="field">
                <label for="minutes">{text::LOCK_MEANS}</label>
                <select id="minutes" on:change=choose>
                    {[1_u32, 5, 15, 60, 480].into_iter().map(|minutes| view! {
                        <option value=minutes.to_string() selected=move || chosen() == minutes>{text::minutes(minutes)}</option>
                    }).collect_view()}
                </select>
            </div>
            {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
            <div class="row"><button class="button" type="button" on:click=move |_| wallet.lock()>{text::LOCK}</button></div>
        </section>
    }
}

#[component]
fn Network() -> impl IntoView {
    let shared = Shared::here();
    let is_extension = shared.document.is_some();
    let host = (!is_extension).then(|| window().location().host().unwrap_or_default());
    let runs_in = move || match shared.light.leads.get() {
        _ if is_extension => text::RUNS_HIDDEN,
        true => text::THIS_TAB,
        false => text::OTHER_TAB,
    };
    view! {
        <section class="card stack" aria-labelledby="network">
            <h2 id="network">{text::NETWORK}</h2>
            <dl class="facts">
                <Fact name=text::CHAIN>{move || shared.name.get()}</Fact>
                <Fact name=text::LIGHT_CLIENT>{move || proven::line(shared)}</Fact>
                <Fact name=text::RUNS_IN>{runs_in}</Fact>
                <Fact name=text::ASKED_SO_FAR>{move || shared.light.news.with(|news| news.as_ref().map(|news| format::bytes(news.bytes)))}</Fact>
                {host.map(|host| view! { <Fact name=text::SOURCE>{text::source_is(&host)}</Fact> })}
            </dl>
            <Doubts/>
            {move || shared.light.news.with(|news| news.as_ref().and_then(|news| news.unkept.clone())).map(|error| view! {
                <Notice kind="warn"><p>{text::LIGHT_UNKEPT}</p><p class="small mono">{error}</p></Notice>
            })}
            <h3>{text::NODES}</h3>
            <p class="soft small">{text::NODES_MEAN}</p>
            <ul data-testid="nodes">{move || shared.light.news.with(|news| news.as_ref().map(|news| news.nodes.clone()).unwrap_or_default())
                .into_iter().map(|node| view! { <li><NodeRow node=node/></li> }).collect_view()}</ul>
            // An extension has a form for all of its nodes.
            {(!is_extension).then(|| view! { <AddNode/> })}
        </section>
    }
}

/// A node that the light client is to ask as well. It keeps those that answered by itself.
#[component]
fn AddNode() -> impl IntoView {
    let light = Shared::here().light;
    let (typed, fault) = (RwSignal::new(String::new()), RwSignal::new(None::<String>));
    let is_added = RwSignal::new(false);
    let add = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        is_added.set(false);
        let node = match typed.get_untracked().trim().parse() {
            Ok(address @ Address::WebRtc { .. }) => address.to_string(),
            Ok(Address::WebSocket { .. }) => return fault.set(Some(text::NODE_BY_SOCKET.to_owned())),
            Err(error) => return fault.set(Some(text::node_address(&error.to_string()))),
        };
        spawn_local(async move {
            let is_heard = light.ask(&Ask::AddNodes(vec![node])).await.is_some();
            let _ = fault.try_set((!is_heard).then(|| text::NODE_UNHEARD.to_owned()));
            let _ = is_added.try_set(is_heard);
            if is_heard {
                let _ = typed.try_set(String::new());
            }
        });
    };
    view! {
        <form class="with-button" on:submit=add>
            <input type="text" class="mono small" aria-label=text::NODE_ADDRESS placeholder=text::BEGIN_NODES_HINT autocomplete="off" autocapitalize="off" spellcheck="false"
                prop:value=typed on:input=move |event| { typed.set(event_target_value(&event)); fault.set(None); }/>
            <button class="button" type="submit">{text::ADD_NODE}</button>
        </form>
        {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
        <Show when=move || is_added.get()><p class="soft small" role="status">{text::NODE_ADDED}</p></Show>
    }
}

#[component]
fn NodeRow(node: NodeLine) -> impl IntoView {
    let state = match (node.is_suspect, node.ping_ms) {
        (true, _) => Some(text::SUSPECT.to_owned()),
        (false, Some(ping_ms)) => Some(text::milliseconds(ping_ms)),
        (false, None) => None,
    };
    let state = state.map(|state| format!(" · {state}"));
    view! {
        <div class="id small">{node.address}</div>
        <div class="soft small">{node.program}" · "{text::sealed(&node.seal)}{state}</div>
    }
}
