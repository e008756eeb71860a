//! The window in which the user decides about a site's question: who asks, on which chain, and what a yes would do, decoded from the very
//! transaction that is then signed. Whatever the site gave is shown as text, with nothing in it hidden.
//!
//! What is signed is signed here, in this window; the extension's scripts get the result and never a key.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::hooks::use_params_map;
use qbtc_core::units::Amount;
use qbtc_core::wallet::builder::UnsignedTx;
use serde_json::{Value, json};

use crate::browser::extension::{self, Decision, Says};
use crate::browser::source;
use crate::extension::{Question, Wish, order};
use crate::ui::context::Shared;
use crate::ui::parts::{Fact, Notice, Title};
use crate::ui::wallet::{Stage, UnlockForm, WAITS, WalletState, What, rate, sign, sign_and_send, spend_fault};
use crate::wallet::account::AccountState;
use crate::wallet::effect::Effect as Outcome;
use crate::{format, text};

/// A yes counts only so long after it is shown: whoever was clicking elsewhere has not said it.
const ARMED_AFTER: Duration = Duration::from_millis(700);

/// The page.
#[component]
pub(crate) fn Approve() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get("id").unwrap_or_default());
    let question = RwSignal::new(None::<Result<Option<Question>, String>>);
    spawn_local(async move {
        let _ = question.try_set(Some(extension::tell(&Says::Question { id: &id }).await));
    });
    view! {
        {move || match question.get() {
            None => view! { <p class="loading" role="status">{text::LOADING}</p> }.into_any(),
            Some(Err(error)) => view! { <Title text=text::CANNOT/><Notice kind="bad"><p>{error}</p></Notice> }.into_any(),
            Some(Ok(None)) => view! { <Title text=text::QUESTION_OVER/> }.into_any(),
            Some(Ok(Some(question))) => view! { <Asked question=question/> }.into_any(),
        }}
    }
}

#[component]
fn Asked(question: Question) -> impl IntoView {
    let (wallet, shared) = (WalletState::here(), Shared::here());
    let stage = Memo::new(move |_| wallet.stage.get());
    let title = match question.wish {
        Wish::Connect {} => text::ASKS_CONNECT,
        Wish::Sign { .. } => text::ASKS_SIGN,
        Wish::Send { .. } => text::ASKS_SEND,
    };
    let (id, wish) = (StoredValue::new(question.id), StoredValue::new(question.wish));
    let title = format!("{} {title}", question.origin);
    view! {
        <Title text=title/>
        <section class="card flat">
            <dl class="facts">
                <Fact name=text::SITE><span class="id strong" data-testid="origin">{question.origin}</span></Fact>
                <Fact name=text::CHAIN><span data-testid="chain">{move || shared.name.get()}</span></Fact>
            </dl>
        </section>
        {move || match stage.get() {
            Stage::Open => match wish.get_value() {
                Wish::Connect {} => view! { <Connect id=id/> }.into_any(),
                Wish::Sign { message, address } => view! { <Sign id=id message=message address=address/> }.into_any(),
                wish @ Wish::Send { .. } => view! { <Pay id=id wish=wish/> }.into_any(),
            },
            Stage::Locked => view! { <UnlockForm/><Refuse id=id/> }.into_any(),
            Stage::Opening => view! { <p class="loading" role="status">{text::LOADING}</p> }.into_any(),
            Stage::None => view! { <Notice kind="warn"><p>{text::WANTS_NO_WALLET}</p></Notice><Refuse id=id/> }.into_any(),
            Stage::StrangeChain => view! { <Notice kind="warn"><p>{text::STRANGE_CHAIN}</p></Notice><Refuse id=id/> }.into_any(),
            Stage::NoStorage(error) => view! { <Notice kind="bad"><p class="strong">{text::STORAGE_REFUSED}</p><p>{error}</p></Notice><Refuse id=id/> }.into_any(),
        }}
    }
}

/// The number of the question.
type Id = StoredValue<String>;

/// Tells the service worker what was decided; it closes the window.
fn decide(id: Id, decision: Decision) {
    spawn_local(async move {
        // A question that is over needs no answer, and its window can be closed by hand.
        let _ = extension::tell::<bool>(&Says::Decide { id: &id.get_value(), decision }).await;
    });
}

#[component]
fn Refuse(id: Id) -> impl IntoView {
    view! { <div class="row"><button class="button plain" type="button" on:click=move |_| decide(id, Decision::Refused)>{text::REFUSE}</button></div> }
}

/// Yes and no.
#[component]
fn Choice(id: Id, yes: &'static str, busy: RwSignal<bool>, then: Callback<()>) -> impl IntoView {
    let is_armed = RwSignal::new(false);
    let arm = move || {
        let _ = is_armed.try_set(true);
    };
    set_timeout(arm, ARMED_AFTER);
    view! {
        <div class="row">
            <button class="button primary" type="button" disabled=move || busy.get() || !is_armed.get() on:click=move |_| then.run(())>{move || if busy.get() { text::SIGNING } else { yes }}</button>
            <button class="button" type="button" disabled=busy on:click=move |_| decide(id, Decision::Refused)>{text::REFUSE}</button>
        </div>
    }
}

/// What cannot be done is said here, and to the site once the user has read it.
#[component]
fn Cannot(id: Id, why: String) -> impl IntoView {
    let told = why.clone();
    view! {
        <Notice kind="bad"><p class="strong">{text::CANNOT}</p><p>{why}</p></Notice>
        <div class="row"><button class="button" type="button" on:click=move |_| decide(id, Decision::Error(told.clone()))>{text::TELL_SITE}</button></div>
    }
}

/// The next address of the account that sites see.
fn own_address(wallet: WalletState) -> Option<String> {
    let prefix = wallet.spec().network().address_prefix.clone();
    let next = wallet.with_current(AccountState::receive_address).flatten();
    next.map(|address| address.to_text(&prefix))
}

#[component]
fn Groups(address: String) -> impl IntoView {
    view! { <p class="address-groups">{format::grouped(&address).into_iter().map(|group| view! { <span>{group}</span> }).collect_view()}</p> }
}

#[component]
fn Connect(id: Id) -> impl IntoView {
    let wallet = WalletState::here();
    let address = untrack(|| own_address(wallet));
    let shown = address.clone().unwrap_or_default();
    let yes = Callback::new(move |()| {
        decide(id, Decision::Result(json!(address.iter().collect::<Vec<_>>())));
    });
    view! {
        <section class="card stack">
            <Groups address=shown/>
            <p>{text::CONNECT_MEANS}</p>
            <Choice id=id yes=text::CONNECT busy=RwSignal::new(false) then=yes/>
        </section>
    }
}

#[component]
fn Sign(id: Id, message: String, address: Option<String>) -> impl IntoView {
    let wallet = WalletState::here();
    let address = address.or_else(|| untrack(|| own_address(wallet))).unwrap_or_default();
    let fault = RwSignal::new(None::<String>);
    let (shown, signer) = (format::visible(&message), address.clone());
    let yes = Callback::new(move |()| match sign(wallet, &address, &message) {
        Ok(signature) => decide(id, Decision::Result(json!({ "address": address, "signature": signature }))),
        Err(error) => fault.set(Some(error)),
    });
    view! {
        {move || match fault.get() {
            Some(why) => view! { <Cannot id=id why=why/> }.into_any(),
            None => view! {
                <section class="card stack">
                    <h2>{text::MESSAGE}</h2>
                    <pre class="stranger" data-testid="message" tabindex="0">{shown.clone()}</pre>
                    <h2>{text::SIGNS_AS}</h2>
                    <Groups address=format::visible(&signer)/>
                    <p class="soft small">{text::SIGN_FOR_SITE}</p>
                    <Choice id=id yes=text::SIGN busy=RwSignal::new(false) then=yes/>
                </section>
            }.into_any(),
        }}
    }
}

/// The payment that is asked for, built: what it does, and what is signed.
type Built = Result<(Outcome, UnsignedTx), String>;

async fn build(shared: Shared, wallet: WalletState, wish: Wish) -> Built {
    let fees = source::fees(shared.light, &WAITS).await.ok();
    let usual = rate(fees.as_ref(), 1);
    let spec = wallet.spec();
    let Wish::Send { outputs, fee_rate } = wish else { return Err(text::FAULT.to_owned()) };
    wallet.accounts.with_untracked(|accounts| {
        let state = accounts.get(wallet.current.get_untracked()).ok_or(text::LOCKED)?;
        let balance = state.balance(&spec);
        let available = balance.confirmed.checked_add(balance.pending).unwrap_or(Amount::MAX);
        let order = order(&outputs, fee_rate, usual, available, &spec.network().address_prefix)
            .map_err(|fault| text::order_fault(&fault))?;
        let unsigned = state.pay(&order, &spec).map_err(|error| spend_fault(&error))?;
        Ok((Outcome::of(&unsigned, state.book()), unsigned))
    })
}

#[component]
fn Pay(id: Id, wish: Wish) -> impl IntoView {
    let (wallet, shared) = (WalletState::here(), Shared::here());
    let built = RwSignal::new(None::<Built>);
    spawn_local(async move {
        let _ = built.try_set(Some(build(shared, wallet, wish).await));
    });
    view! {
        {move || match built.get() {
            None => view! { <p class="loading" role="status">{text::LOADING}</p> }.into_any(),
            Some(Err(why)) => view! { <Cannot id=id why=why/> }.into_any(),
            Some(Ok((shown, unsigned))) => view! { <Review id=id shown=shown unsigned=unsigned/> }.into_any(),
        }}
    }
}

#[component]
fn Review(id: Id, shown: Outcome, unsigned: UnsignedTx) -> impl IntoView {
    let wallet = WalletState::here();
    let (fault, busy) = (RwSignal::new(None::<String>), RwSignal::new(false));
    let yes = Callback::new(move |()| {
        let unsigned = unsigned.clone();
        busy.set(true);
        spawn_local(async move {
            match sign_and_send(wallet, unsigned).await {
                Ok((txid, _)) => decide(id, Decision::Result(sent(&txid.to_string()))),
                Err(error) => {
                    let _ = busy.try_set(false);
                    let _ = fault.try_set(Some(error));
                }
            }
        });
    });
    view! {
        <section class="card stack summary" aria-labelledby="review" data-testid="effect">
            <h2 id="review">{text::REVIEW_TITLE}</h2>
            <What shown=shown/>
            <p class="soft small">{text::REVIEW_MEANS}</p>
            {move || match fault.get() {
                Some(why) => view! { <Cannot id=id why=why/> }.into_any(),
                None => view! { <Choice id=id yes=text::SIGN_AND_SEND busy=busy then=yes/> }.into_any(),
            }}
        </section>
    }
}

fn sent(txid: &str) -> Value {
    json!({ "txid": txid })
}
