//! A block: what its header says, what it commits to, what is in it.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::context::Shared;
use super::load::{Loaded, load};
use super::parts::{Ago, Amount, BlockLink, Copied, Fact, Notice, Title, TxLink};
use super::proven::{Checked, level_of};
use super::transaction::Outputs;
use crate::browser::fetch;
use crate::level::Level;
use crate::node::{self, TransactionPage, path};
use crate::{format, proof, text};

/// How many transactions are shown at once.
const PAGE: u32 = 25;

/// The page.
#[component]
pub(crate) fn Block() -> impl IntoView {
    let (shared, params) = (Shared::here(), use_params_map());
    let name = Memo::new(move |_| params.with(|params| params.get("id").unwrap_or_default()));
    let block = load(
        move || name.get(),
        move |name| {
            shared.reorgs.track();
            async move { fetch::json::<node::Block>(&path::block(&name)).await }
        },
    );
    let level = level_of(move || checked(shared, &block.ok()?));
    let title = Signal::derive(move || {
        block.ok().map_or_else(|| text::BLOCK.to_owned(), |block| text::block_at(block.header.height))
    });
    view! {
        <Title text=title level=level/>
        {block.show(move |block| view! { <Details block=block/> })}
    }
}

/// The tab has the header itself: it is the block's, and shows the work that it claims, or it is but a word.
fn checked(shared: Shared, block: &node::Block) -> Option<Checked> {
    let rules = shared.rules.get()?;
    let header = &block.header;
    let is_right = proof::check_header(&header.hex, &header.id, &rules.0).is_ok();
    let level = if is_right { Level::Block } else { Level::Word };
    Some(Checked { of: header.id.clone(), level, block: Some((header.height, header.id.clone())) })
}

#[component]
fn Details(block: node::Block) -> impl IntoView {
    let shared = Shared::here();
    let node::Block { header, size_bytes, transactions, coinbase, commitments } = block;
    let (height, is_beside) = (header.height, header.confirmations.is_none());
    let confirmations = move || shared.height().checked_sub(height).map(|above| format::number(u64::from(above) + 1));
    let page = RwSignal::new(0_u32);
    let id = header.id.clone();
    let inside = load(
        move || page.get().to_string(),
        move |_| {
            let path = path::block_transactions(&id, page.get() * PAGE, PAGE);
            async move { fetch::json::<TransactionPage>(&path).await }
        },
    );
    view! {
        {is_beside.then(|| view! { <Notice kind="warn"><p>{text::BESIDE_CHAIN}</p></Notice> })}
        <nav class="row" aria-label=text::NEIGHBOURS>
            {(height > 0).then(|| view! { <a class="button small" href=format!("/block/{}", header.parent)>"← "{text::PARENT}</a> })}
            {move || (shared.height() > height && !is_beside).then(|| view! { <a class="button small" href=format!("/block/{}", height + 1)>{text::NEXT}" →"</a> })}
        </nav>
        <section class="card" aria-labelledby="header">
            <header><h2 id="header">{text::HEADER}</h2></header>
            <dl class="facts">
                <Fact name=text::ID><Copied text=header.id.clone()/></Fact>
                {(!is_beside).then(|| view! { <Fact name=text::CONFIRMATIONS>{confirmations}</Fact> })}
                <Fact name=text::MINED>{format::time(header.time.into())}" · "<Ago time=header.time/></Fact>
                <Fact name=text::DIFFICULTY>{format::scaled(header.difficulty)}" "<span class="soft mono">{header.bits.clone()}</span></Fact>
                <Fact name=text::SIZE>{format::bytes(size_bytes)}" · "{text::transactions(transactions)}</Fact>
                <Fact name=text::PARENT><BlockLink id=header.parent.clone()/></Fact>
                <Fact name=text::REWARD>
                    <div class="stack"><TxLink id=coinbase.txid/><Outputs outputs=coinbase.outputs/></div>
                </Fact>
            </dl>
            <details>
                <summary>{text::MORE}</summary>
                <dl class="facts">
                    <Fact name=text::MERKLE_ROOT><span class="id">{header.merkle_root}</span></Fact>
                    <Fact name=text::NONCE><span class="mono">{format!("{:08x} · {:08x}", header.nonce, header.version)}</span></Fact>
                    <Fact name=text::WORK><span class="id">{header.work}</span></Fact>
                    <Fact name=text::WITNESS_ROOT><span class="id">{commitments.witness_root}</span></Fact>
                    <Fact name=text::FILTER_HASH><span class="id">{commitments.filter_hash}</span></Fact>
                    <Fact name=text::HISTORY_ROOT><span class="id">{commitments.history_root}</span></Fact>
                    <Fact name=text::UTXO_ROOT><span class="id">{commitments.utxo_root}</span></Fact>
                    <Fact name=text::EXTRA><span class="id">{coinbase.extra}</span></Fact>
                    <Fact name=text::RAW_HEADER><Copied text=header.hex/></Fact>
                </dl>
            </details>
        </section>
        <Inside page=page inside=inside count=transactions/>
    }
}

/// The transactions, page by page.
#[component]
fn Inside(page: RwSignal<u32>, inside: Loaded<TransactionPage>, count: u64) -> impl IntoView {
    view! {
        <section class="card" aria-labelledby="inside">
            <header><h2 id="inside">{text::TRANSACTIONS}</h2><span class="soft small">{text::transactions(count + 1)}</span></header>
            {inside.show(move |found| view! {
                <div>{found.transactions.into_iter().map(|tx| view! { <Line tx=tx/> }).collect_view()}</div>
                <div class="row">
                    {(page.get_untracked() > 0).then(|| view! { <button class="button small" on:click=move |_| page.update(|page| *page -= 1)>"← "{text::EARLIER}</button> })}
                    {found.next.map(|_| view! { <button class="button small" on:click=move |_| page.update(|page| *page += 1)>{text::LATER}" →"</button> })}
                </div>
            })}
        </section>
    }
}

#[component]
fn Line(tx: node::Transaction) -> impl IntoView {
    let sum = qbtc_core::units::Amount::checked_sum(tx.outputs.iter().map(|output| output.amount.amount()));
    let about = match (tx.is_coinbase, tx.fee_rate) {
        (true, _) => text::COINBASE.to_owned(),
        (false, rate) => text::ins_and_outs(tx.inputs.len(), tx.outputs.len(), rate.map(format::fee_rate).as_deref()),
    };
    view! {
        <div class="tx-line">
            <TxLink id=tx.txid/>
            <span class="right"><Amount of=sum.unwrap_or_default()/></span>
            <span class="soft small">{about}</span>
            <span class="soft small right">{format::bytes(tx.size_bytes)}</span>
        </div>
    }
}
