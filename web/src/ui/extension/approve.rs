//! The window in which the user decides about a site's question: who asks, on which chain, and what a yes would do, decoded from the very
//! transaction that is then signed. Whatever the site gave is shown as text, with nothing in it hidden.
//!
//! What is signed is signed here, in this window; the extension's scripts get the result and never a key.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::hooks::use_params_map;
use qbtc_core::hash::Txid;
use qbtc_core::units::Amount;
use qbtc_core::wallet::builder::UnsignedTx;
use serde_json::{Value, json};

use crate::browser::extension::{self, Decision, Says};
use crate::browser::source::{self, Handed};
use crate::extension::{Question, Wish, order};
use crate::ui::context::Shared;
use crate::ui::parts::{Fact, Notice, Title};
use crate::ui::wallet::{Stage, UnlockForm, WAITS, WalletState, What, draft_fault, rate, sign, sign_and_send};
use crate::wallet::account::AccountState;
use crate::wallet::draft::{Drafted, draft_payment};
use crate::wallet::effect::Effect as Outcome;
use crate::{format, text};

/// A yes counts only so long after it is shown: whoever was clicking elsewhere has not said it.
const ARMED_AFTER: Duration = Duration::from_millis(700);

/// The page.
#[component]
pub(crate) fn Approve() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get("id").unwrap_or_default());
    let asking = Asking { id: StoredValue::new(id), end: RwSignal::new(None), is_busy: RwSignal::new(false) };
    let question = RwSignal::new(None::<Result<Option<Question>, String>>);
    spawn_local(async move {
        let _ = question.try_set(Some(asking.question().await));
    });
    view! {
        {move || match (asking.end.get(), question.get()) {
            (Some(End::Over), _) => view! { <Title text=text::QUESTION_OVER/> }.into_any(),
            (Some(End::Paid), _) => view! { <Title text=text::SENT/><Notice kind="warn"><p>{text::SITE_UNTOLD}</p></Notice> }.into_any(),
            (None, None) => view! { <p class="loading" role="status">{text::LOADING}</p> }.into_any(),
            (None, Some(Err(error))) => view! { <Title text=text::CANNOT/><Notice kind="bad"><p>{error}</p></Notice> }.into_any(),
            (None, Some(Ok(None))) => view! { <Title text=text::QUESTION_OVER/> }.into_any(),
            (None, Some(Ok(Some(question)))) => view! { <Asked asking=asking question=question/> }.into_any(),
        }}
    }
}

/// The question of this window.
#[derive(Clone, Copy)]
struct Asking {
    /// Its number.
    id: StoredValue<String>,
    /// How it has ended, if it has, and the window is still there.
    end: RwSignal<Option<End>>,
    /// Whether the user has said yes and it is being done.
    is_busy: RwSignal<bool>,
}

/// How a question has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing was done.
    Over,
    /// It was paid, and the site does not hear of it.
    Paid,
}

impl Asking {
    /// The question, while it waits.
    async fn question(self) -> Result<Option<Question>, String> {
        extension::tell(&Says::Question { id: &self.id.get_value() }).await
    }

    /// Says that the user has said yes, before anything is signed. Returns whether an answer is still waited for: the page may have gone, and the service
    /// worker have been stopped; then the window says that it is over.
    ///
    /// # Errors
    /// A sentence.
    async fn begin(self) -> Result<bool, String> {
        let waits = extension::tell::<bool>(&Says::Begun { id: &self.id.get_value() }).await?;
        if !waits {
            let _ = self.end.try_set(Some(End::Over));
        }
        Ok(waits)
    }

    /// Shows why it could not be done, and says so: the site hears it, should the window be closed.
    fn fail(self, fault: RwSignal<Option<String>>, error: String) {
        let _ = self.is_busy.try_set(false);
        let _ = fault.try_set(Some(error.clone()));
        spawn_local(async move {
            // Nobody hears it if the page has gone.
            drop(extension::tell::<bool>(&Says::Failed { id: &self.id.get_value(), error: &error }).await);
        });
    }

    /// Tells the service worker what was decided; it closes the window. Where nobody waits for it any more, the window says so.
    fn decide(self, decision: Decision) {
        self.decide_or(decision, End::Over);
    }

    fn decide_or(self, decision: Decision, end: End) {
        spawn_local(async move {
            let told = extension::tell::<bool>(&Says::Decide { id: &self.id.get_value(), decision }).await;
            if told != Ok(true) {
                let _ = self.end.try_set(Some(end));
            }
        });
    }
}

#[component]
fn Asked(asking: Asking, question: Question) -> impl IntoView {
    let (wallet, shared) = (WalletState::here(), Shared::here());
    // What was said yes to stays in sight until it is done, should the wallet be locked meanwhile.
    let stage = Memo::new(move |before: Option<&Stage>| {
        let now = wallet.stage.get();
        before.filter(|_| asking.is_busy.get()).cloned().unwrap_or(now)
    });
    let title = match question.wish {
        Wish::Connect {} => text::ASKS_CONNECT,
        Wish::Sign { .. } => text::ASKS_SIGN,
        Wish::Send { .. } => text::ASKS_SEND,
    };
    let wish = StoredValue::new(question.wish);
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
                Wish::Connect {} => view! { <Connect asking=asking/> }.into_any(),
                Wish::Sign { message, address } => view! { <Sign asking=asking message=message address=address/> }.into_any(),
                wish @ Wish::Send { .. } => view! { <Pay asking=asking wish=wish/> }.into_any(),
            },
            Stage::Locked => view! { <UnlockForm/><Refuse asking=asking/> }.into_any(),
            Stage::Opening => view! { <p class="loading" role="status">{text::LOADING}</p> }.into_any(),
            Stage::None => view! { <Notice kind="warn"><p>{text::WANTS_NO_WALLET}</p></Notice><Refuse asking=asking/> }.into_any(),
            Stage::StrangeChain => view! { <Notice kind="warn"><p>{text::STRANGE_CHAIN}</p></Notice><Refuse asking=asking/> }.into_any(),
            Stage::NoStorage(error) => view! { <Notice kind="bad"><p class="strong">{text::STORAGE_REFUSED}</p><p>{error}</p></Notice><Refuse asking=asking/> }.into_any(),
        }}
    }
}

#[component]
fn Refuse(asking: Asking) -> impl IntoView {
    view! { <div class="row"><button class="button plain" type="button" on:click=move |_| asking.decide(Decision::Refused)>{text::REFUSE}</button></div> }
}

/// Yes and no.
#[component]
fn Choice(asking: Asking, yes: &'static str, then: Callback<()>) -> impl IntoView {
    let (busy, is_armed) = (asking.is_busy, RwSignal::new(false));
    let arm = move || {
        let _ = is_armed.try_set(true);
    };
    set_timeout(arm, ARMED_AFTER);
    view! {
        <div class="row">
            <button class="button primary" type="button" disabled=move || busy.get() || !is_armed.get() on:click=move |_| then.run(())>{move || if busy.get() { text::SIGNING } else { yes }}</button>
            <button class="button" type="button" disabled=busy on:click=move |_| asking.decide(Decision::Refused)>{text::REFUSE}</button>
        </div>
    }
}

/// What cannot be done is said here, and to the site once the user has read it.
#[component]
fn Cannot(asking: Asking, why: String) -> impl IntoView {
    let told = why.clone();
    view! {
        <Notice kind="bad"><p class="strong">{text::CANNOT}</p><p>{why}</p></Notice>
        <div class="row"><button class="button" type="button" on:click=move |_| asking.decide(Decision::Error(told.clone()))>{text::TELL_SITE}</button></div>
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
fn Connect(asking: Asking) -> impl IntoView {
    let wallet = WalletState::here();
    let address = untrack(|| own_address(wallet));
    let shown = address.clone().unwrap_or_default();
    let yes = Callback::new(move |()| {
        asking.decide(Decision::Result(json!(address.iter().collect::<Vec<_>>())));
    });
    view! {
        <section class="card stack">
            <Groups address=shown/>
            <p>{text::CONNECT_MEANS}</p>
            <Choice asking=asking yes=text::CONNECT then=yes/>
        </section>
    }
}

#[component]
fn Sign(asking: Asking, message: String, address: Option<String>) -> impl IntoView {
    let wallet = WalletState::here();
    let address = address.or_else(|| untrack(|| own_address(wallet))).unwrap_or_default();
    let fault = RwSignal::new(None::<String>);
    let (shown, signer) = (format::visible(&message), address.clone());
    let yes = Callback::new(move |()| {
        let (address, message) = (address.clone(), message.clone());
        asking.is_busy.set(true);
        spawn_local(async move {
            let signature = match asking.begin().await {
                Ok(true) => sign(wallet, &address, &message),
                Ok(false) => return,
                Err(error) => Err(error),
            };
            match signature {
                Ok(signature) => asking.decide(Decision::Result(json!({ "address": address, "signature": signature }))),
                Err(error) => asking.fail(fault, error),
            }
        });
    });
    view! {
        {move || match fault.get() {
            Some(why) => view! { <Cannot asking=asking why=why/> }.into_any(),
            None => view! {
                <section class="card stack">
                    <h2>{text::MESSAGE}</h2>
                    <pre class="stranger" data-testid="message" tabindex="0">{shown.clone()}</pre>
                    <h2>{text::SIGNS_AS}</h2>
                    <Groups address=format::visible(&signer)/>
                    <p class="soft small">{text::SIGN_FOR_SITE}</p>
                    <Choice asking=asking yes=text::SIGN then=yes/>
                </section>
            }.into_any(),
        }}
    }
}

/// The payment that is asked for, built.
type Built = Result<Drafted, String>;

async fn build(shared: Shared, wallet: WalletState, wish: Wish) -> Built {
    let fees = source::fees(shared.light, &WAITS).await.ok();
    let usual = rate(fees.as_ref(), 1);
    let spec = wallet.spec();
    let Wish::Send { outputs, fee_rate } = wish else { return Err(text::FAULT.to_owned()) };
    wallet.accounts.with_untracked(|accounts| {
        let state = accounts.get(wallet.current.get_untracked()).ok_or(text::LOCKED)?;
        let balance = state.account().balance(&spec);
        let available = balance.confirmed.checked_add(balance.pending).unwrap_or(Amount::MAX);
        let order = order(&outputs, fee_rate, usual, available, &spec.network().address_prefix)
            .map_err(|fault| text::order_fault(&fault))?;
        draft_payment(state, &spec, &order).map_err(|error| draft_fault(&error))
    })
}

#[component]
fn Pay(asking: Asking, wish: Wish) -> impl IntoView {
    let (wallet, shared) = (WalletState::here(), Shared::here());
    let built = RwSignal::new(None::<Built>);
    spawn_local(async move {
        let _ = built.try_set(Some(build(shared, wallet, wish).await));
    });
    view! {
        {move || match built.get() {
            None => view! { <p class="loading" role="status">{text::LOADING}</p> }.into_any(),
            Some(Err(why)) => view! { <Cannot asking=asking why=why/> }.into_any(),
            Some(Ok((shown, unsigned))) => view! { <Review asking=asking shown=shown unsigned=unsigned/> }.into_any(),
        }}
    }
}

#[component]
fn Review(asking: Asking, shown: Outcome, unsigned: UnsignedTx) -> impl IntoView {
    let wallet = WalletState::here();
    let fault = RwSignal::new(None::<String>);
    let yes = Callback::new(move |()| {
        let unsigned = unsigned.clone();
        asking.is_busy.set(true);
        spawn_local(async move {
            let paid = match asking.begin().await {
                Ok(true) => sign_and_send(wallet, unsigned, &[]).await,
                Ok(false) => return,
                Err(error) => Err(error),
            };
            match paid {
                Ok((txid, handed)) => asking.decide_or(Decision::Result(sent(&txid, &handed)), End::Paid),
                Err(error) => asking.fail(fault, error),
            }
        });
    });
    view! {
        <section class="card stack summary" aria-labelledby="review" data-testid="effect">
            <h2 id="review">{text::REVIEW_TITLE}</h2>
            <What shown=shown/>
            <p class="soft small">{text::REVIEW_MEANS}</p>
            {move || match fault.get() {
                Some(why) => view! { <Cannot asking=asking why=why/> }.into_any(),
                None => view! { <Choice asking=asking yes=text::SIGN_AND_SEND then=yes/> }.into_any(),
            }}
        </section>
    }
}

fn sent(txid: &Txid, handed: &Handed) -> Value {
    json!({ "txid": txid.to_string(), "isTaken": *handed == Handed::Taken })
}
