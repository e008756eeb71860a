//! An address: what it holds, what happened to it, its coins.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::context::Shared;
use super::load::load;
use super::parts::{Amount, Copied, Fact, Figure, Notice, Title, TxLink};
use super::wallet::QrCode;
use crate::browser::fetch;
use crate::level::Level;
use crate::node::{Balance, Coins, History, HistoryEvent, path};
use crate::{format, text};

/// The page.
#[component]
pub(crate) fn Address() -> impl IntoView {
    let (shared, params) = (Shared::here(), use_params_map());
    let address = Memo::new(move |_| params.with(|params| params.get("address").unwrap_or_default()));
    let tip = Memo::new(move |_| shared.chain.with(|chain| chain.as_ref().map(|chain| chain.tip.id.clone())));
    let balance = load(
        move || address.get(),
        move |address| {
            tip.with(|_| ());
            async move { fetch::json::<Balance>(&path::address(&address)).await }
        },
    );
    let is_off = move || balance.value.with(|balance| matches!(balance, Some(Err(error)) if error.is_index_off()));
    view! {
        <Title text=text::ADDRESS level=Signal::stored(Some(Level::Word))/>
        {move || if is_off() {
            view! { <Notice kind="warn"><p>{text::NO_ADDRESS_INDEX}</p></Notice> }.into_any()
        } else {
            balance.show(|balance| view! { <Holds balance=balance/> }).into_any()
        }}
        <section class="card">
            <dl class="facts"><Fact name=text::ADDRESS>{move || view! { <Copied text=address.get()/> }}</Fact></dl>
            <details><summary>{text::SHOW_QR}</summary>{move || view! { <QrCode content=address.get()/> }}</details>
        </section>
        {move || (!is_off()).then(|| view! { <Events address=address tip=tip/><CoinList address=address tip=tip/> })}
    }
}

#[component]
fn Holds(balance: Balance) -> impl IntoView {
    let note = if balance.is_partial { text::AT_LEAST.to_owned() } else { "QBTC".to_owned() };
    view! {
        <dl class="figures">
            <Figure name=text::BALANCE value=Signal::stored(format::amount(balance.balance.amount())) note=Signal::stored(note)/>
            <Figure name=text::IMMATURE value=Signal::stored(format::amount(balance.immature.amount())) note=Signal::stored("QBTC".to_owned())/>
            <Figure name=text::COINS value=Signal::stored(format::number(balance.coins))/>
            <Figure name=text::AS_OF value=Signal::stored(text::block_at(balance.height))/>
        </dl>
    }
}

#[component]
fn Events(address: Memo<String>, tip: Memo<Option<String>>) -> impl IntoView {
    let before: RwSignal<Option<String>> = RwSignal::new(None);
    let history = load(
        move || format!("{} {}", address.get(), before.get().unwrap_or_default()),
        move |_| {
            tip.with(|_| ());
            let path = path::address_history(&address.get(), before.get().as_deref());
            async move { fetch::json::<History>(&path).await }
        },
    );
    view! {
        <section class="card" aria-labelledby="history">
            <header><h2 id="history">{text::HISTORY}</h2></header>
            {history.show(move |page| {
                let next = page.next.clone();
                if page.events.is_empty() {
                    return view! { <p class="empty">{text::NOTHING_HAPPENED}</p> }.into_any();
                }
                view! {
                    <div class="scroll"><table class="table">
                        <thead><tr><th>{text::TRANSACTION}</th><th>{text::HEIGHT}</th><th class="num">{text::CHANGE_OF_BALANCE}</th></tr></thead>
                        <tbody>{page.events.into_iter().map(event).collect_view()}</tbody>
                    </table></div>
                    <div class="row">
                        {before.get_untracked().map(|_| view! { <button class="button small" on:click=move |_| before.set(None)>"← "{text::NEWEST}</button> })}
                        {next.map(|next| view! { <button class="button small" on:click=move |_| before.set(Some(next.clone()))>{text::OLDER}" →"</button> })}
                    </div>
                }
                .into_any()
            })}
        </section>
    }
}

fn event(event: HistoryEvent) -> impl IntoView {
    let (received, spent) = (event.received.amount(), event.spent.amount());
    let text = match received.checked_sub(spent) {
        Some(more) => format!("+{}", format::amount(more)),
        None => format!("−{}", format::amount(spent.saturating_sub(received))),
    };
    view! {
        <tr>
            <td><TxLink id=event.txid/></td>
            <td><a href=format!("/block/{}", event.height)>{format::number(event.height.into())}</a></td>
            <td class="num">{text}</td>
        </tr>
    }
}

#[component]
fn CoinList(address: Memo<String>, tip: Memo<Option<String>>) -> impl IntoView {
    let after: RwSignal<Option<String>> = RwSignal::new(None);
    let shared = Shared::here();
    let coins = load(
        move || format!("{} {}", address.get(), after.get().unwrap_or_default()),
        move |_| {
            tip.with(|_| ());
            let path = path::address_coins(&address.get(), after.get().as_deref());
            async move { fetch::json::<Coins>(&path).await }
        },
    );
    let row = move |coin: crate::node::Coin| {
        let (from, is_spent) = (coin.spendable_from, coin.is_spent_in_mempool);
        let state = move || match (is_spent, shared.height() + 1 < from) {
            (true, _) => text::BEING_SPENT.to_owned(),
            (false, true) => text::spendable_from(from),
            (false, false) => String::new(),
        };
        view! {
            <tr>
                <td><TxLink id=coin.coin.txid/>{format!(":{}", coin.coin.index)}</td>
                <td>{format::number(coin.height.into())}</td>
                <td class="soft">{state}</td>
                <td class="num"><Amount of=coin.amount.amount()/></td>
            </tr>
        }
    };
    view! {
        <section class="card" aria-labelledby="coins">
            <header><h2 id="coins">{text::COINS}</h2></header>
            {coins.show(move |page| {
                let next = page.next.clone();
                if page.coins.is_empty() {
                    return view! { <p class="empty">{text::NO_COINS}</p> }.into_any();
                }
                view! {
                    <div class="scroll"><table class="table">
                        <thead><tr><th>{text::COIN}</th><th>{text::HEIGHT}</th><th>{text::STATE}</th><th class="num">{text::AMOUNT}</th></tr></thead>
                        <tbody>{page.coins.into_iter().map(row).collect_view()}</tbody>
                    </table></div>
                    {next.map(|next| view! { <div class="row"><button class="button small" on:click=move |_| after.set(Some(next.clone()))>{text::LATER}" →"</button></div> })}
                }
                .into_any()
            })}
        </section>
    }
}
