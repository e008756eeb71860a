//! The explorer's first page: the tip, the newest blocks as they come, what waits. And the list of all blocks.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use qbtc_core::units::Amount;

use super::chart::{BarChart, LineChart};
use super::context::Shared;
use super::load::load;
use super::mempool::BandRows;
use super::parts::{Ago, BlockLink, Figure, Notice, Title};
use crate::browser::fetch;
use crate::level::Level;
use crate::node::{Bands, BlockLine, BlockPage, path};
use crate::{format, text};

/// How many blocks the first page draws.
const DRAWN: u32 = 50;
/// How many of them are shown as cards.
const CARDS: usize = 8;

/// The first page.
#[component]
pub(crate) fn Home() -> impl IntoView {
    let shared = Shared::here();
    let tip = Memo::new(move |_| shared.chain.with(|chain| chain.as_ref().map(|chain| chain.tip.id.clone())));
    let blocks = load(String::new, move |_| {
        tip.with(|_| ());
        async move { fetch::json::<BlockPage>(&path::blocks(None, DRAWN)).await }
    });
    let bands = load(String::new, move |_| {
        shared.pool_turn.track();
        async move { fetch::json::<Bands>(path::BANDS).await }
    });
    let lines = move || blocks.ok().map(|page| page.blocks).unwrap_or_default();
    view! {
        <Title text=text::HOME level=Signal::stored(Some(Level::Word))/>
        {move || shared.fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault.sentence()}</p></Notice> })}
        <TipFigures/>
        <section class="stack" aria-labelledby="newest">
            <div class="row ends"><h2 id="newest">{text::NEWEST_BLOCKS}</h2><a href="/blocks">{text::ALL_BLOCKS}</a></div>
            <ol class="block-strip" tabindex="0" aria-label=text::NEWEST_BLOCKS>
                <For each=move || lines().into_iter().take(CARDS) key=|block| block.id.clone() children=|block| view! { <BlockCard block=block/> }/>
            </ol>
            {move || (blocks.value.with(Option::is_none)).then(|| view! { <p class="loading" role="status">{text::LOADING}</p> })}
        </section>
        <div class="two">
            <section class="card" aria-labelledby="times">
                <header><h2 id="times">{text::BLOCK_TIMES}</h2><a href="/charts">{text::NAV_CHARTS}</a></header>
                {move || {
                    let lines = lines();
                    let (from, to) = ends(&lines);
                    view! { <BarChart name=text::BLOCK_TIMES values=intervals(&lines) shown=seconds from=from to=to/> }
                }}
            </section>
            <section class="card" aria-labelledby="waiting">
                <header><h2 id="waiting">{text::WAITING}</h2><a href="/mempool">{text::NAV_MEMPOOL}</a></header>
                {bands.show(|bands| view! { <BandRows bands=bands.bands/> })}
            </section>
        </div>
    }
}

#[component]
fn TipFigures() -> impl IntoView {
    let shared = Shared::here();
    let of = move |pick: fn(&crate::node::Chain) -> String| {
        Signal::derive(move || shared.chain.with(|chain| chain.as_ref().map_or_else(|| "–".to_owned(), pick)))
    };
    let age = Signal::derive(move || {
        let time = shared.chain.with(|chain| chain.as_ref().map(|chain| chain.tip.time));
        time.map(|time| format::ago(time.into(), shared.now.get())).unwrap_or_default()
    });
    view! {
        <dl class="figures">
            <Figure name=text::HEIGHT value=of(|chain| format::number(chain.tip.height.into())) note=age/>
            <Figure name=text::DIFFICULTY value=of(|chain| format::scaled(chain.tip.difficulty)) note=of(|chain| text::spacing(chain.spacing_s))/>
            <Figure name=text::SUPPLY value=of(|chain| coins(chain.supply.issued_at_most.amount())) note=of(|chain| text::of_at_most(&coins(chain.supply.ever_at_most.amount())))/>
            <Figure name=text::SUBSIDY value=of(|chain| format::amount(chain.supply.next_subsidy.amount())) note=Signal::stored("QBTC".to_owned())/>
            <Figure name=text::COINS value=of(|chain| format::number(chain.coins))/>
        </dl>
    }
}

/// The whole coins of an amount: a figure has little room.
fn coins(amount: Amount) -> String {
    format::number(amount.quanta() / Amount::QUANTA_PER_COIN)
}

#[component]
fn BlockCard(block: BlockLine) -> impl IntoView {
    let BlockLine { id, height, time, size_bytes, transactions, .. } = block;
    view! {
        <li>
            <a href=format!("/block/{id}") class="fresh">
                <span class="height">{format::number(height.into())}</span>
                <span>{transactions.map_or_else(|| "–".to_owned(), text::transactions)}</span>
                <span class="small">{size_bytes.map(format::bytes)}</span>
                <span class="small"><Ago time=time/></span>
            </a>
        </li>
    }
}

/// All blocks, page by page.
#[component]
pub(crate) fn Blocks() -> impl IntoView {
    let shared = Shared::here();
    let query = use_query_map();
    let before =
        Memo::new(move |_| query.with(|query| query.get("before").and_then(|before| before.parse::<u32>().ok())));
    let page = load(
        move || before.get().map(|before| before.to_string()).unwrap_or_default(),
        move |_| {
            let before = before.get();
            if before.is_none() {
                shared.chain.with(|chain| chain.as_ref().map(|chain| chain.tip.height));
            }
            async move { fetch::json::<BlockPage>(&path::blocks(before, 25)).await }
        },
    );
    view! {
        <Title text=text::ALL_BLOCKS level=Signal::stored(Some(Level::Word))/>
        <section class="card">
            {page.show(|page| view! {
                <div class="scroll">
                    <table class="table">
                        <thead><tr>
                            <th>{text::HEIGHT}</th><th>{text::BLOCK}</th><th>{text::AGE}</th><th class="num">{text::TRANSACTIONS}</th>
                            <th class="num wide">{text::SIZE}</th><th class="num wide">{text::DIFFICULTY}</th>
                        </tr></thead>
                        <tbody>{page.blocks.into_iter().map(|block| view! { <BlockRow block=block/> }).collect_view()}</tbody>
                    </table>
                </div>
                {page.next.map(|next| view! { <div class="row"><a class="button small" href=format!("/blocks?before={next}")>{text::OLDER}</a></div> })}
            })}
        </section>
    }
}

#[component]
fn BlockRow(block: BlockLine) -> impl IntoView {
    view! {
        <tr>
            <td><a href=format!("/block/{}", block.height)>{format::number(block.height.into())}</a></td>
            <td><BlockLink id=block.id/></td>
            <td><Ago time=block.time/></td>
            <td class="num">{block.transactions.map(format::number)}</td>
            <td class="num wide">{block.size_bytes.map(format::bytes)}</td>
            <td class="num wide">{format::scaled(block.difficulty)}</td>
        </tr>
    }
}

/// The seconds between blocks, the oldest first.
pub(crate) fn intervals(lines: &[BlockLine]) -> Vec<f64> {
    let interval = |pair: &[BlockLine]| f64::from(pair[0].time) - f64::from(pair[1].time);
    lines.windows(2).rev().map(interval).map(|seconds| seconds.max(0.0)).collect()
}

/// The first and last height of a list that begins with the highest.
pub(crate) fn ends(lines: &[BlockLine]) -> (String, String) {
    let height = |block: Option<&BlockLine>| block.map(|block| text::block_at(block.height)).unwrap_or_default();
    (height(lines.last()), height(lines.first()))
}

/// Seconds as a span.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds between blocks are small and not below zero"
)]
pub(crate) fn seconds(value: f64) -> String {
    if value < 10.0 { format!("{value:.1} s") } else { format::span(value as u64) }
}

/// The difficulty of each block, the oldest first.
#[component]
pub(crate) fn DifficultyChart(lines: Vec<BlockLine>) -> impl IntoView {
    let (from, to) = ends(&lines);
    let values = lines.iter().rev().map(|block| block.difficulty).collect();
    view! { <LineChart name=text::DIFFICULTY values=values shown=format::scaled from=from to=to/> }
}
