//! What happened: payments in and out, with what shows them, and what can be done about those that wait.

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::hash::Txid;
use qbtc_core::units::{Amount, FeeRate};
use qbtc_core::wallet::builder::UnsignedTx;
use qbtc_core::wallet::departed::Why;
use qbtc_core::wallet::ledger::TxEntry;

use super::send::{Review, WAITS, draft_fault, rate};
use super::state::WalletState;
use crate::browser::light::Light;
use crate::browser::{fetch, source};
use crate::level::Level;
use crate::node::{self, path};
use crate::ui::context::Shared;
use crate::ui::parts::{Notice, Title, Trust, TxLink};
use crate::ui::proven::Doubts;
use crate::ui::transaction::save_proof;
use crate::wallet::account::AccountState;
use crate::wallet::draft::{Drafted, Replacement, draft_replacement};
use crate::wallet::effect::Effect;
use crate::{format, text};

/// How many payments are shown at first.
const SHOWN: usize = 50;

/// The page.
#[component]
pub(crate) fn History() -> impl IntoView {
    let wallet = WalletState::here();
    view! {
        <Title text=text::HISTORY/>
        <Show when=move || !wallet.is_on_word()><Doubts/></Show>
        <section class="card"><Entries most=SHOWN/></section>
    }
}

/// The newest payments.
#[component]
pub(crate) fn Entries(most: usize) -> impl IntoView {
    let wallet = WalletState::here();
    let entries = Memo::new(move |_| {
        wallet
            .with_current(|state| {
                state.history().take(most).map(|(entry, why)| (entry.clone(), why)).collect::<Vec<_>>()
            })
            .unwrap_or_default()
    });
    let none = move || if wallet.is_at_tip() { text::NO_PAYMENTS } else { text::NO_PAYMENTS_SO_FAR };
    view! {
        <Show when=move || !entries.with(Vec::is_empty) fallback=move || view! { <p class="empty">{none}</p> }>
            // A payment that waits, one that is mined and one that never will be are shown differently.
            <For
                each=move || entries.get()
                key=|(entry, why)| (entry.txid, entry.block.map(|block| block.id), *why)
                children=|(entry, why)| view! { <Payment entry=entry why=why/> }
            />
        </Show>
    }
}

#[component]
fn Payment(entry: TxEntry, why: Option<Why>) -> impl IntoView {
    let (received, spent) = (entry.received_amount(), entry.spent_amount());
    let (class, amount, what) = match received.checked_sub(spent) {
        Some(more) if spent == Amount::ZERO => (
            "amount in",
            format!("+{}", format::amount(more)),
            if entry.is_coinbase { text::MINED_IT } else { text::RECEIVED },
        ),
        Some(more) => ("amount", format!("+{}", format::amount(more)), text::TO_SELF),
        None if entry.paid_to_others == Amount::ZERO => {
            ("amount", format!("−{}", format::amount(spent.saturating_sub(received))), text::TO_SELF)
        }
        None => ("amount", format!("−{}", format::amount(spent.saturating_sub(received))), text::PAID),
    };
    let fee = entry.fee().map(|fee| text::fee_of(&format::amount(fee)));
    let txid = entry.txid;
    let (block, spends) = (entry.block, spent > Amount::ZERO);
    let class = if why.is_some() { "amount soft" } else { class };
    view! {
        <article class="payment" data-testid="payment">
            <div class="what">
                <span class="strong">{what}</span>
                <TxLink id=txid.to_string()/>
                <span class="soft small">{fee}</span>
            </div>
            <div class="what right">
                <span class=class>{amount}<span class="soft small">" QBTC"</span></span>
                {match why {
                    Some(why) => view! { <span class="pill bad">{end(why)}</span> }.into_any(),
                    None => view! { <State entry=entry/> }.into_any(),
                }}
            </div>
            {match (why, block) {
                (Some(why), _) => view! { <Ended why=why spends=spends/> }.into_any(),
                (None, Some(block)) => view! { <Proof txid=txid height=block.height.0 block=block.id.to_string()/> }.into_any(),
                (None, None) => view! { <Waiting txid=txid/> }.into_any(),
            }}
        </article>
    }
}

const fn end(why: Why) -> &'static str {
    match why {
        Why::Expired => text::EXPIRED,
        Why::ReplacedBy(_) => text::REPLACED,
        Why::Gone => text::GONE,
    }
}

/// Why a payment will not be mined.
#[component]
fn Ended(why: Why, spends: bool) -> impl IntoView {
    let other = match why {
        Why::ReplacedBy(other) => Some(view! { " "{text::REPLACED_BY}" " <TxLink id=other.to_string()/> }),
        Why::Expired | Why::Gone => None,
    };
    view! { <p class="soft small" data-testid="ended">{text::ended(why, spends)}{other}</p> }
}

#[component]
fn State(entry: TxEntry) -> impl IntoView {
    let (wallet, shared) = (WalletState::here(), Shared::here());
    let (maturity, spacing_s) = {
        let spec = wallet.spec();
        (spec.consensus().coinbase_maturity, spec.consensus().spacing_s)
    };
    let height = move || wallet.with_current(|state| state.height().0).unwrap_or(0).max(1);
    match entry.block {
        None => view! {
            <span class="pill warn">{text::PENDING}</span>
            <span class="soft small">{move || text::expires_in(entry.expiry_height.0, shared.height(), spacing_s)}</span>
        }
        .into_any(),
        Some(block) if entry.is_coinbase => view! {
            <span class="pill good">{move || {
                let confirmations = height().saturating_sub(block.height.0) + 1;
                if confirmations < maturity { text::matures_in(maturity - confirmations) } else { text::confirmations(confirmations) }
            }}</span>
        }
        .into_any(),
        Some(block) => view! {
            <span class="pill good" data-testid="confirmations">{move || text::confirmations(height().saturating_sub(block.height.0) + 1)}</span>
        }
        .into_any(),
    }
}

#[component]
fn Proof(txid: Txid, height: u32, block: String) -> impl IntoView {
    let (wallet, light) = (WalletState::here(), Shared::here().light);
    let is_proven = move || {
        let proven = wallet.with_current(AccountState::proven).flatten();
        proven.is_some_and(|proven| proven.height.0 >= height)
    };
    let level = Signal::derive(move || Some(if is_proven() { Level::Filter } else { Level::Word }));
    let fault = RwSignal::new(None::<String>);
    let save = move |_| {
        let block = block.clone();
        spawn_local(async move {
            let saved = save_proof(light, &txid.to_string(), height, &block).await;
            let _ = fault.try_set(saved.err());
        });
    };
    view! {
        <div class="row"><Trust level=level/><button class="button small plain" type="button" on:click=save>{text::SAVE_PROOF}</button></div>
        {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
    }
}

/// What can be done about a payment that waits: pay more, or take it back.
#[component]
fn Waiting(txid: Txid) -> impl IntoView {
    let (wallet, light) = (WalletState::here(), Shared::here().light);
    let draft: StoredValue<Option<UnsignedTx>> = StoredValue::new(None);
    let (effect, fault) = (RwSignal::new(None::<Effect>), RwSignal::new(None::<String>));
    let can_replace = move || {
        wallet.with_current(|state| state.outbox().replaceable(state.account(), &txid).is_some()).unwrap_or(false)
    };
    let replace = move |takes_back: bool| {
        spawn_local(async move {
            fault.set(None);
            match build(wallet, light, txid, takes_back).await {
                Ok((shown, unsigned)) => {
                    draft.set_value(Some(unsigned));
                    effect.set(Some(shown));
                }
                Err(error) => fault.set(Some(error)),
            }
        });
    };
    view! {
        <Show when=can_replace>
            <div class="row">
                <button class="button small" type="button" on:click=move |_| replace(false)>{text::PAY_MORE}</button>
                <button class="button small" type="button" on:click=move |_| replace(true)>{text::TAKE_BACK}</button>
            </div>
        </Show>
        {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
        {move || effect.get().map(|shown| view! { <Review shown=shown draft=draft effect=effect/> })}
    }
}

/// Builds a replacement at twice the rate, or at what is usual now if that is more.
async fn build(wallet: WalletState, light: Light, txid: Txid, takes_back: bool) -> Result<Drafted, String> {
    let dependent_fees = dependent_fees(&txid).await;
    let usual = rate(source::fees(light, &WAITS).await.ok().as_ref(), 0);
    let current = wallet.current.get_untracked();
    wallet.accounts.with_untracked(|accounts| {
        let state = accounts.get(current).ok_or(text::LOCKED)?;
        let paid = state.outbox().fee_rate(state.account(), &txid).unwrap_or_default();
        let doubled = paid.quanta_per_1000_bytes().saturating_mul(2);
        let fee_rate = FeeRate::from_quanta_per_1000_bytes(doubled).max(usual);
        let replacement = Replacement { takes_back, fee_rate, dependent_fees };
        draft_replacement(state, &wallet.spec(), &txid, replacement).map_err(|error| draft_fault(&error))
    })
}

/// What transactions pay that depend on one that waits, as the node that serves the page has it. Where it cannot say, or leaves some out, the
/// replacement may pay too little, which other nodes then say.
async fn dependent_fees(txid: &Txid) -> Amount {
    /// Among so many the node looks for it.
    const LISTED: u32 = 500;
    let Ok(page) = fetch::json::<node::WaitingPage>(&path::waiting(None, LISTED)).await else { return Amount::ZERO };
    let found = page.transactions.into_iter().find(|waiting| waiting.txid == txid.to_string());
    found.map_or(Amount::ZERO, |waiting| waiting.descendants.fees.amount().saturating_sub(waiting.fee.amount()))
}
