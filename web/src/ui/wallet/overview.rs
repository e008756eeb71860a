//! What there is: the balance, with how sure that is and how old, the accounts, the newest payments.

use leptos::prelude::*;

use super::history::Entries;
use super::state::{Following, WalletState};
use crate::format;
use crate::level::Level;
use crate::text;
use crate::ui::context::Shared;
use crate::ui::parts::{Notice, Title, Trust};
use crate::ui::proven::{self, Doubts};
use crate::wallet::account::AccountState;

/// How many payments are shown.
const SHOWN: usize = 5;

/// The page.
#[component]
pub(crate) fn Overview() -> impl IntoView {
    view! {
        <Title text=text::NAV_WALLET/>
        <Accounts/>
        <section class="card balance" aria-labelledby="balance"><Balance/></section>
        <section class="card" aria-labelledby="newest">
            <header><h2 id="newest">{text::NEWEST_PAYMENTS}</h2><a href="/wallet/history">{text::HISTORY}</a></header>
            <Entries most=SHOWN/>
        </section>
    }
}

#[component]
fn Accounts() -> impl IntoView {
    let wallet = WalletState::here();
    let names = move || wallet.notes.with(|notes| notes.accounts.clone());
    let choose = move |event| {
        if let Ok(index) = event_target_value(&event).parse() {
            wallet.current.set(index);
        }
    };
    view! {
        <Show when=move || names().len().gt(&1)>
            <div class="field">
                <label for="account">{text::ACCOUNT}</label>
                <select id="account" on:change=choose>
                    {move || names().into_iter().enumerate().map(|(index, name)| view! {
                        <option value=index.to_string() selected=move || wallet.current.get() == index>{text::account(&name, index)}</option>
                    }).collect_view()}
                </select>
            </div>
        </Show>
    }
}

/// Where what is shown comes from.
fn source(wallet: WalletState, shared: Shared) -> String {
    match wallet.following.get() {
        Following::Word => text::WORD_ONLY.to_owned(),
        Following::Light | Following::Nobody => proven::line(shared),
    }
}

#[component]
fn Balance() -> impl IntoView {
    let (wallet, shared) = (WalletState::here(), Shared::here());
    let spec = wallet.spec();
    let balance = Memo::new(move |_| wallet.with_current(|state| state.account().balance(&spec)).unwrap_or_default());
    let level = Signal::derive(move || {
        // A sum over some of the blocks is no balance, however well each was proven.
        let is_proven = wallet.with_current(AccountState::is_proven).filter(|_| wallet.is_at_tip())?;
        Some(if is_proven { Level::Filter } else { Level::Word })
    });
    let as_of = move || {
        let height = wallet.with_current(|state| state.height().0).unwrap_or(0);
        match shared.tip_time().filter(|_| wallet.is_at_tip()) {
            Some(time) => text::as_of(&format::number(height.into()), &format::ago(time.into(), shared.now.get())),
            None => text::catching_up(&format::number(height.into()), &format::number(shared.height().into())),
        }
    };
    let rest = move || {
        let balance = balance.get();
        let part = |name, amount| {
            (amount != qbtc_core::units::Amount::ZERO).then(|| {
                view! {
                    <div><dt>{name}</dt><dd>{format::amount(amount)}</dd></div>
                }
            })
        };
        view! { <dl class="figures">{part(text::PENDING, balance.pending)}{part(text::IMMATURE, balance.immature)}</dl> }
    };
    view! {
        <div class="row ends"><h2 id="balance">{text::CAN_BE_SPENT}</h2><Trust level=level/></div>
        <p class="sum" data-testid="balance">{move || format::amount(balance.get().confirmed)}" "<small>"QBTC"</small></p>
        <p class="soft small" role="status" data-testid="as-of">{as_of}</p>
        <p class="soft small" data-testid="light">{move || source(wallet, shared)}</p>
        // On a node's word, the line above says all that matters.
        <Show when=move || !wallet.is_on_word()><Doubts/></Show>
        {move || (!wallet.is_at_tip()).then(|| view! {
            <progress class="meter" aria-label=text::CATCHING_UP max=move || shared.height() prop:value=move || wallet.progress.with(|progress| progress.height)></progress>
        })}
        {move || wallet.progress.with(|progress| progress.fault.clone()).map(|fault| view! { <Notice kind="bad"><p class="strong">{text::STALE}</p><p>{fault}</p></Notice> })}
        {rest}
        <div class="row">
            <a class="button primary" href="/wallet/receive">{text::RECEIVE}</a>
            <a class="button" href="/wallet/send">{text::SEND}</a>
            <button class="button plain" type="button" on:click=move |_| wallet.lock()>{text::LOCK}</button>
        </div>
    }
}
