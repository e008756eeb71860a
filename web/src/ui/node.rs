//! The node: whether it does its work, how it is connected, what it keeps.

use leptos::prelude::*;

use super::context::Shared;
use super::load::load;
use super::parts::{Fact, Figure, Notice, Title};
use crate::browser::fetch;
use crate::level::Level;
use crate::node::{Chain, Check, Counted, Health, Mempool, Network, path};
use crate::{format, text};

/// How many seconds lie between two looks at the node.
const LOOK_S: u64 = 5;

/// The page.
#[component]
pub(crate) fn Node() -> impl IntoView {
    let shared = Shared::here();
    let beat = Memo::new(move |_| shared.now.get() / LOOK_S);
    let health = load(String::new, move |_| {
        beat.with(|_| ());
        // A node that is not well says so with this status.
        async move { fetch::json_even_if::<Health>(path::HEALTH, 503).await }
    });
    let network = load(String::new, move |_| {
        beat.with(|_| ());
        async move { fetch::json::<Network>(path::NETWORK).await }
    });
    let pool = load(String::new, move |_| {
        shared.pool_turn.track();
        async move { fetch::json::<Mempool>(path::MEMPOOL).await }
    });
    let of = move |pick: fn(&Health) -> String| {
        Signal::derive(move || health.ok().as_ref().map_or_else(|| "–".to_owned(), pick))
    };
    let waiting =
        Signal::derive(move || pool.ok().map_or_else(|| "–".to_owned(), |pool| format::number(pool.transactions)));
    view! {
        <Title text=text::NODE level=Signal::stored(Some(Level::Word))/>
        <dl class="figures">
            <Figure name=text::HEALTH value=of(|health| text::health(&health.status).to_owned()) note=of(|health| text::running_for(&format::span(health.uptime_s)))/>
            <Figure name=text::HEIGHT value=of(|health| format::number(health.height.into())) note=of(|health| text::known_headers(health.header_height))/>
            <Figure name=text::TIP_AGE value=of(|health| format::span(health.tip_age_s))/>
            <Figure name=text::PEERS value=of(|health| format::number(health.peers))/>
            <Figure name=text::MEMPOOL value=waiting/>
            <Figure name=text::VERSION value=of(|health| health.version.clone())/>
        </dl>
        <div class="two">
            <section class="card" aria-labelledby="checks">
                <header><h2 id="checks">{text::CHECKS}</h2></header>
                {health.show(|health| view! { <Checks checks=health.checks/> })}
            </section>
            <section class="card" aria-labelledby="network">
                <header><h2 id="network">{text::NETWORK}</h2></header>
                {network.show(|network| view! { <Connections network=network/> })}
            </section>
        </div>
        {move || shared.chain.get().map(|chain| view! { <Keeps chain=chain/> })}
    }
}

#[component]
fn Checks(checks: Vec<Check>) -> impl IntoView {
    let row = |check: Check| {
        view! {
            <div>
                <dt class="row">
                    <span class=if check.passes { "pill good" } else { "pill bad" }>{if check.passes { text::PASSES } else { text::FAILS }}</span>
                    {check.name}
                </dt>
                <dd>{check.found}</dd>
            </div>
        }
    };
    view! { <dl class="facts">{checks.into_iter().map(row).collect_view()}</dl> }
}

#[component]
fn Connections(network: Network) -> impl IntoView {
    if !network.is_on {
        return view! { <Notice kind="warn"><p>{text::NETWORK_OFF}</p></Notice> }.into_any();
    }
    let names = |counts: Vec<Counted>| {
        let texts: Vec<_> = counts.into_iter().map(|counted| format!("{} × {}", counted.peers, counted.name)).collect();
        if texts.is_empty() { "–".to_owned() } else { texts.join(", ") }
    };
    view! {
        <dl class="facts">
            <Fact name=text::PEERS>{text::in_and_out(network.peers, network.inbound, network.outbound)}</Fact>
            <Fact name=text::POST_QUANTUM>{text::of_all(network.post_quantum, network.peers)}</Fact>
            <Fact name=text::KEY_EXCHANGES>{names(network.key_exchanges)}</Fact>
            <Fact name=text::TRANSPORTS>{names(network.transports)}</Fact>
            <Fact name=text::PROGRAMS>{names(network.programs)}</Fact>
            <Fact name=text::PROTOCOL>{network.protocol_version}</Fact>
            <Fact name=text::DIALS>
                {if network.dials.is_empty() { view! { <span class="soft">{text::NO_DIALS}</span> }.into_any() } else {
                    network.dials.into_iter().map(|address| view! { <div class="id small">{address}</div> }).collect_view().into_any()
                }}
            </Fact>
        </dl>
    }
    .into_any()
}

#[component]
fn Keeps(chain: Chain) -> impl IntoView {
    let yes = |is: bool| if is { text::YES } else { text::NO };
    view! {
        <section class="card" aria-labelledby="keeps">
            <header><h2 id="keeps">{text::KEEPS}</h2></header>
            <dl class="facts">
                <Fact name=text::CHAIN>{chain.name}" "<span class="id soft">{chain.chain_id}</span></Fact>
                <Fact name=text::SYNCED>{yes(chain.is_synced)}</Fact>
                <Fact name=text::TXINDEX>{yes(chain.has_txindex)}</Fact>
                <Fact name=text::ADDRESSINDEX>{yes(chain.has_addressindex)}</Fact>
                <Fact name=text::BLOCKS_FROM>{format::number(chain.pruned_below.into())}</Fact>
                <Fact name=text::WORK><span class="id">{chain.tip.work}</span></Fact>
            </dl>
        </section>
    }
}
