//! What waits to be mined, and what to pay.

use leptos::prelude::*;

use super::context::Shared;
use super::load::load;
use super::parts::{Ago, Figure, Title, TxLink};
use crate::browser::fetch;
use crate::level::Level;
use crate::node::{self, Band, Bands, Fees, WaitingPage, path};
use crate::{format, text};

/// How many waiting transactions are listed.
const LISTED: u32 = 50;

/// The page.
#[component]
pub(crate) fn Mempool() -> impl IntoView {
    let shared = Shared::here();
    let summary = load(String::new, move |_| {
        shared.pool_turn.track();
        async move { fetch::json::<node::Mempool>(path::MEMPOOL).await }
    });
    let bands = load(String::new, move |_| {
        shared.pool_turn.track();
        async move { fetch::json::<Bands>(path::BANDS).await }
    });
    let waiting = load(String::new, move |_| {
        shared.pool_turn.track();
        async move { fetch::json::<WaitingPage>(&path::waiting(None, LISTED)).await }
    });
    let fees = load(String::new, move |_| {
        shared.pool_turn.track();
        async move { fetch::json::<Fees>(path::FEES).await }
    });
    let of = move |pick: fn(&node::Mempool) -> String| {
        Signal::derive(move || summary.ok().as_ref().map_or_else(|| "–".to_owned(), pick))
    };
    let rows = move || waiting.ok().map(|page| page.transactions).unwrap_or_default();
    view! {
        <Title text=text::MEMPOOL level=Signal::stored(Some(Level::Word))/>
        <dl class="figures">
            <Figure name=text::TRANSACTIONS value=of(|pool| format::number(pool.transactions))/>
            <Figure name=text::SIZE value=of(|pool| format::bytes(pool.size_bytes))/>
            <Figure name=text::MEMORY value=of(|pool| format::bytes(pool.usage_bytes)) note=of(|pool| text::of_at_most(&format::bytes(pool.usage_limit_bytes)))/>
            <Figure name=text::LEAST_FEE value=of(|pool| format::fee_rate(pool.fee_rate_min))/>
        </dl>
        <div class="two">
            <section class="card" aria-labelledby="bands">
                <header><h2 id="bands">{text::FEE_BANDS}</h2></header>
                {bands.show(|bands| view! { <BandRows bands=bands.bands/> })}
            </section>
            <section class="card" aria-labelledby="fees">
                <header><h2 id="fees">{text::FEES}</h2></header>
                {fees.show(|fees| view! { <FeeTable fees=fees/> })}
            </section>
        </div>
        <section class="card" aria-labelledby="listed">
            <header><h2 id="listed">{text::WAITING}</h2></header>
            <Show when=move || !rows().is_empty() fallback=|| view! { <p class="empty">{text::NOTHING_WAITS}</p> }>
                <div class="scroll"><table class="table">
                    <thead><tr>
                        <th>{text::TRANSACTION}</th><th>{text::AGE}</th><th class="num wide">{text::SIZE}</th>
                        <th class="num wide">{text::FEE}</th><th class="num">{text::FEE_RATE}</th>
                    </tr></thead>
                    <tbody>
                        <For each=rows key=|tx| tx.txid.clone() children=|tx| view! {
                            <tr>
                                <td><TxLink id=tx.txid/></td>
                                <td><Ago time=tx.received/></td>
                                <td class="num wide">{format::bytes(tx.size_bytes)}</td>
                                <td class="num wide">{format::amount(tx.fee.amount())}</td>
                                <td class="num">{format::fee_rate(tx.fee_rate)}</td>
                            </tr>
                        }/>
                    </tbody>
                </table></div>
            </Show>
        </section>
    }
}

#[component]
fn FeeTable(fees: Fees) -> impl IntoView {
    let row = |estimate: node::FeeEstimate| {
        view! {
            <tr>
                <td>{text::within_blocks(estimate.blocks)}</td>
                <td class="num">{format::fee_rate(estimate.fee_rate)}</td>
                <td class="num wide soft">{text::basis(&estimate.basis)}</td>
            </tr>
        }
    };
    view! {
        <table class="table">
            <thead><tr><th>{text::WITHIN}</th><th class="num">{text::FEE_RATE}</th><th class="num wide">{text::BASIS}</th></tr></thead>
            <tbody>{fees.estimates.into_iter().map(row).collect_view()}</tbody>
        </table>
    }
}

/// Bands of fee rates as bars, the dearest first; those at the cheap and dear ends that hold nothing are left out.
#[component]
pub(crate) fn BandRows(bands: Vec<Band>) -> impl IntoView {
    let most = bands.iter().map(|band| band.size_bytes).max().unwrap_or(0);
    if most == 0 {
        return view! { <p class="empty">{text::NOTHING_WAITS}</p> }.into_any();
    }
    let first = bands.iter().position(|band| band.size_bytes > 0).unwrap_or(0);
    let last = bands.iter().rposition(|band| band.size_bytes > 0).unwrap_or(0);
    let shown = bands.into_iter().take(last + 1).skip(first);
    #[expect(clippy::cast_precision_loss, reason = "a bar has few pixels")]
    let row = move |band: Band| {
        let width = 100.0 * band.size_bytes as f64 / most as f64;
        view! {
            <div class="band">
                <span class="nowrap">{text::band(band.from_rate, band.to_rate)}</span>
                <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                    <rect class="track" width="100" height="10" rx="2"/><rect class="fill" width=width height="10" rx="2"/>
                </svg>
                <span class="nowrap right">{format!("{} · {}", text::transactions(band.transactions.into()), format::bytes(band.size_bytes))}</span>
            </div>
        }
    };
    let rows: Vec<_> = shown.map(row).rev().collect();
    view! { <div class="bands">{rows}</div> }.into_any()
}
