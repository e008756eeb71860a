//! Charts of the chain: difficulty and work, block times, sizes, fees, transactions, and which fees are paid by those who wait how long.

use leptos::prelude::*;
use qbtc_core::units::Amount;

use super::chart::{BarChart, LineChart};
use super::context::Shared;
use super::home::{DifficultyChart, ends, intervals, seconds};
use super::load::load;
use super::parts::Title;
use crate::browser::fetch::{self, FetchError};
use crate::level::Level;
use crate::node::{BlockLine, BlockPage, Fees, path};
use crate::{format, text};

/// How many pages of 50 blocks are drawn.
const PAGES: usize = 4;

/// The page.
#[component]
pub(crate) fn Charts() -> impl IntoView {
    let shared = Shared::here();
    let tip = Memo::new(move |_| shared.chain.with(|chain| chain.as_ref().map(|chain| chain.tip.height)));
    let blocks = load(String::new, move |_| {
        tip.with(|_| ());
        async move { newest().await }
    });
    let fees = load(String::new, move |_| {
        shared.pool_turn.track();
        async move { fetch::json::<Fees>(path::FEES).await }
    });
    view! {
        <Title text=text::CHARTS level=Signal::stored(Some(Level::Word))/>
        {blocks.show(|lines| view! { <OfBlocks lines=lines/> })}
        <section class="card" aria-labelledby="fees">
            <header><h2 id="fees">{text::FEES_BY_WAIT}</h2></header>
            {fees.show(|fees| {
                let of = |blocks: Option<u32>| blocks.map(text::within_blocks).unwrap_or_default();
                let from = of(fees.estimates.first().map(|estimate| estimate.blocks));
                let to = of(fees.estimates.last().map(|estimate| estimate.blocks));
                #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
                let values = fees.estimates.iter().map(|estimate| estimate.fee_rate as f64 / 1e3).collect();
                view! { <BarChart name=text::FEES_BY_WAIT values=values shown=per_byte from=from to=to/> }
            })}
        </section>
    }
}

#[component]
fn OfBlocks(lines: Vec<BlockLine>) -> impl IntoView {
    let (from, to) = ends(&lines);
    #[expect(clippy::cast_precision_loss, reason = "sizes are drawn")]
    let sizes = lines.iter().rev().map(|block| block.size_bytes.unwrap_or(0) as f64).collect();
    #[expect(clippy::cast_precision_loss, reason = "counts are drawn")]
    let counts = lines.iter().rev().map(|block| block.transactions.unwrap_or(0) as f64 + 1.0).collect();
    #[expect(clippy::cast_precision_loss, reason = "sums are drawn")]
    let fees = lines.iter().rev().map(|block| block.fees.as_ref().map_or(0.0, |fees| fees.quanta as f64)).collect();
    let times = intervals(&lines);
    let hashes = hash_rates(&lines);
    let card = |id: &'static str, name: &'static str, chart: AnyView| {
        view! {
            <section class="card" aria-labelledby=id><header><h2 id=id>{name}</h2></header>{chart}</section>
        }
    };
    let (f, t) = (from.clone(), to.clone());
    view! {
        <div class="two">
            {card("difficulty", text::DIFFICULTY, view! { <DifficultyChart lines=lines/> }.into_any())}
            {card("work", text::HASH_RATE, view! { <LineChart name=text::HASH_RATE values=hashes shown=per_second from=f.clone() to=t.clone()/> }.into_any())}
            {card("times", text::BLOCK_TIMES, view! { <BarChart name=text::BLOCK_TIMES values=times shown=seconds from=f.clone() to=t.clone()/> }.into_any())}
            {card("sizes", text::SIZES, view! { <BarChart name=text::SIZES values=sizes shown=in_bytes from=f.clone() to=t.clone()/> }.into_any())}
            {card("paid", text::FEES_PAID, view! { <BarChart name=text::FEES_PAID values=fees shown=in_coins from=f to=t/> }.into_any())}
            {card("counts", text::TRANSACTIONS, view! { <BarChart name=text::TRANSACTIONS values=counts shown=count from=from to=to/> }.into_any())}
        </div>
    }
}

/// The newest blocks, the highest first.
async fn newest() -> Result<Vec<BlockLine>, FetchError> {
    let (mut lines, mut before) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page: BlockPage = fetch::json(&path::blocks(before, 50)).await?;
        lines.extend(page.blocks);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    Ok(lines)
}

/// How many hashes a second would have found each block in the time that it and some before it took.
fn hash_rates(lines: &[BlockLine]) -> Vec<f64> {
    /// Over so many blocks chance evens out enough to see something.
    const WINDOW: usize = 12;
    /// The hashes that a block of difficulty 1 takes.
    const HASHES: f64 = 4_294_967_296.0;
    let rate = |window: &[BlockLine]| {
        let (newest, oldest) = (window.first()?, window.last()?);
        let seconds = f64::from(newest.time) - f64::from(oldest.time);
        let work: f64 = window.iter().take(window.len() - 1).map(|block| block.difficulty * HASHES).sum();
        (seconds > 0.0).then(|| work / seconds)
    };
    lines.windows(WINDOW + 1).rev().filter_map(rate).collect()
}

fn per_second(value: f64) -> String {
    format!("{} H/s", format::scaled(value))
}

fn per_byte(value: f64) -> String {
    format!("{value:.2} q/B")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes are not below zero")]
fn in_bytes(value: f64) -> String {
    format::bytes(value as u64)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sums are not below zero")]
fn in_coins(value: f64) -> String {
    format::amount(Amount::from_quanta(value as u64).unwrap_or(Amount::MAX))
}

fn count(value: f64) -> String {
    format!("{value:.0}")
}
