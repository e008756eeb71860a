//! A transaction: what it spends and makes, who may, and the tab's own proof that it lies in its block.

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::hooks::use_params_map;
use qbtc_core::hash::Txid;

use super::context::{Rules, Shared};
use super::load::load;
use super::parts::{AddressLink, Ago, Amount, BlockLink, Copied, Fact, Notice, Title, TxLink};
use super::proven::{Checked, level_of};
use crate::browser::light::Light;
use crate::browser::{fetch, files, source};
use crate::level::Level;
use crate::node::{self, MerkleProof, Output, Status, path};
use crate::{format, proof, text};

/// The longest transaction that is fetched for its proof, in bytes.
const TX_BYTES_MAX: usize = 2 << 20;

/// The page.
#[component]
pub(crate) fn Transaction() -> impl IntoView {
    let (shared, params) = (Shared::here(), use_params_map());
    let id = Memo::new(move |_| params.with(|params| params.get("id").unwrap_or_default()));
    let found = load(
        move || id.get(),
        move |id| {
            shared.reorgs.track();
            async move { fetch::json::<node::Transaction>(&path::transaction(&id)).await }
        },
    );
    let (checked, turn) = (RwSignal::new(None::<Checked>), StoredValue::new(0_u64));
    Effect::new(move |_| {
        let (tx, rules) = (found.ok(), shared.rules.get());
        checked.set(None);
        turn.update_value(|turn| *turn += 1);
        let now = turn.get_value();
        let Some((tx, rules)) = tx.zip(rules) else { return };
        spawn_local(async move {
            let found = check(&tx, &rules).await;
            // The page may have gone, or show another transaction, or this one in another block.
            if turn.try_get_value() == Some(now) {
                let _ = checked.try_set(Some(found));
            }
        });
    });
    let level = level_of(move || {
        let tx = found.ok()?;
        checked.get().filter(|checked| checked.of == tx.txid && checked.block == block_of(&tx))
    });
    // One that waits is looked at again when the mempool changes: it may be mined.
    Effect::new(move |_| {
        shared.pool_turn.track();
        let waits = found
            .value
            .with_untracked(|found| matches!(found, Some(Ok(tx)) if matches!(tx.status, Status::Pending { .. })));
        if waits {
            found.again();
        }
    });
    view! {
        <Title text=text::TRANSACTION level=level/>
        {found.show(move |tx| view! { <Details tx=tx/> })}
    }
}

/// What the tab can show for itself: the bytes, the branch and the header, held against one another.
async fn check(tx: &node::Transaction, rules: &Rules) -> Checked {
    let level = if shown(tx, rules).await.is_some() { Level::Block } else { Level::Word };
    Checked { of: tx.txid.clone(), level, block: block_of(tx) }
}

/// The block in which it is mined, as the node says.
fn block_of(tx: &node::Transaction) -> Option<(u32, String)> {
    match &tx.status {
        Status::Confirmed { block, height, .. } => Some((*height, block.clone())),
        Status::Pending { .. } | Status::Abandoned { .. } => None,
    }
}

async fn shown(tx: &node::Transaction, Rules(spec): &Rules) -> Option<()> {
    let Status::Confirmed { block, .. } = &tx.status else { return None };
    let txid: Txid = tx.txid.parse().ok()?;
    let given: MerkleProof = fetch::json(&path::transaction_part(&tx.txid, "proof")).await.ok()?;
    let bytes = fetch::bytes(&path::transaction_part(&tx.txid, "raw"), TX_BYTES_MAX).await.ok()?;
    let header = proof::check_header(&given.header, block, spec).ok()?;
    proof::check_branch(&txid, &bytes, &given.proof, &header).ok()
}

#[component]
fn Details(tx: node::Transaction) -> impl IntoView {
    let shared = Shared::here();
    let (id, txid, status) = (tx.txid.clone(), tx.txid.clone(), tx.status.clone());
    let (expiry, wtxid, has_witnesses) = (tx.expiry_height, tx.wtxid.clone(), !tx.witnesses.is_empty());
    view! {
        <section class="card" aria-labelledby="about">
            <header><h2 id="about">{text::ABOUT_IT}</h2><State status=status.clone()/></header>
            <dl class="facts">
                <Fact name=text::ID><Copied text=id/></Fact>
                <Place status=status.clone()/>
                {tx.fee.map(|fee| view! {
                    <Fact name=text::FEE><Amount of=fee.amount()/>{tx.fee_rate.map(|rate| format!(" · {}", format::fee_rate(rate)))}</Fact>
                })}
                <Fact name=text::SIZE>{format::bytes(tx.size_bytes)}</Fact>
                {expiry.filter(|_| matches!(status, Status::Pending { .. })).map(|expiry| view! {
                    <Fact name=text::EXPIRES>{move || text::expires(expiry, shared.height())}</Fact>
                })}
                {wtxid.map(|wtxid| view! { <Fact name=text::WTXID><span class="id">{wtxid}</span></Fact> })}
            </dl>
            <ProofButton txid=txid status=status/>
        </section>
        <section class="card" aria-labelledby="flow">
            <header><h2 id="flow">{text::MONEY}</h2></header>
            <div class="flow">
                <Inputs tx=tx.clone()/>
                <svg class="arrow" viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><path d="M4 12h15M13 6l6 6-6 6"/></svg>
                <Outputs outputs=tx.outputs.clone()/>
            </div>
        </section>
        {has_witnesses.then(|| view! { <Witnesses tx=tx/> })}
    }
}

#[component]
fn State(status: Status) -> impl IntoView {
    let shared = Shared::here();
    match status {
        Status::Pending { .. } => view! { <span class="pill warn">{text::PENDING}</span> }.into_any(),
        Status::Abandoned { .. } => view! { <span class="pill bad">{text::ABANDONED}</span> }.into_any(),
        Status::Confirmed { height, .. } => view! {
            <span class="pill good">{move || text::confirmations(shared.height().saturating_sub(height).saturating_add(1))}</span>
        }
        .into_any(),
    }
}

#[component]
fn Place(status: Status) -> impl IntoView {
    match status {
        Status::Pending { received, .. } => view! { <Fact name=text::SEEN><Ago time=received/></Fact> }.into_any(),
        Status::Abandoned { block, .. } => view! { <Fact name=text::BLOCK><BlockLink id=block/></Fact> }.into_any(),
        Status::Confirmed { block, height, time, .. } => view! {
            <Fact name=text::BLOCK><a href=format!("/block/{height}")>{format::number(height.into())}</a>" · "<BlockLink id=block/></Fact>
            <Fact name=text::MINED>{format::time(time.into())}" · "<Ago time=time/></Fact>
        }
        .into_any(),
    }
}

/// Lets the user save what proves that the transaction is in its block.
#[component]
pub(crate) fn ProofButton(txid: String, status: Status) -> impl IntoView {
    let fault = RwSignal::new(None);
    let Status::Confirmed { block, height, .. } = status else { return ().into_any() };
    let light = Shared::here().light;
    let save = move |_| {
        let (txid, block) = (txid.clone(), block.clone());
        spawn_local(async move { fault.set(save_proof(light, &txid, height, &block).await.err()) });
    };
    view! {
        <div class="row">
            <button type="button" class="button small" on:click=save>{text::SAVE_PROOF}</button>
            <a class="small" href="/verify">{text::HOW_TO_CHECK}</a>
        </div>
        {move || fault.get().map(|fault| view! { <Notice kind="bad"><p>{fault}</p></Notice> })}
    }
    .into_any()
}

/// Makes the file from the block and saves it. The light client gets the block from any node; without it, the node that serves the page gives it.
///
/// # Errors
/// A sentence.
pub(crate) async fn save_proof(light: Light, txid: &str, height: u32, block: &str) -> Result<(), String> {
    let id = txid.parse().map_err(|_| text::NO_SUCH_ID.to_owned())?;
    let proven = light.block(height).await.and_then(|bytes| proof::make_file(&id, &bytes).ok());
    let file = match proven {
        Some(file) => file,
        None => {
            let bytes = source::block(block).await.map_err(|error| error.sentence())?;
            proof::make_file(&id, &bytes).map_err(|error| error.to_string())?
        }
    };
    let name = format!("qbtc-proof-{}.hex", txid.chars().take(16).collect::<String>());
    files::save(&name, "text/plain", file.as_bytes()).ok_or_else(|| text::NOT_SAVED.to_owned())
}

#[component]
fn Inputs(tx: node::Transaction) -> impl IntoView {
    if tx.is_coinbase {
        return view! { <ol aria-label=text::INPUTS><li><span class="soft">{text::NEW_COINS}</span></li></ol> }
            .into_any();
    }
    let input = |input: node::Input| {
        view! {
            <li>
                {match input.address {
                    Some(address) => view! { <AddressLink address=address/> }.into_any(),
                    None => view! { <span class="soft">{text::UNKNOWN}</span> }.into_any(),
                }}
                <span class="amount">{input.amount.map(|amount| view! { <Amount of=amount.amount()/> })}</span>
                <span class="soft small"><TxLink id=input.coin.txid/>{format!(":{}", input.coin.index)}</span>
            </li>
        }
    };
    view! { <ol aria-label=text::INPUTS>{tx.inputs.into_iter().map(input).collect_view()}</ol> }.into_any()
}

/// Outputs as a list.
#[component]
pub(crate) fn Outputs(outputs: Vec<Output>) -> impl IntoView {
    let output = |output: Output| {
        view! {
            <li>
                {match (output.address, output.data) {
                    (Some(address), _) => view! { <AddressLink address=address/> }.into_any(),
                    (None, data) => view! { <span class="mono small">{text::DATA}" "{data}</span> }.into_any(),
                }}
                <span class="amount"><Amount of=output.amount.amount()/></span>
            </li>
        }
    };
    view! { <ol class="coins" aria-label=text::OUTPUTS>{outputs.into_iter().map(output).collect_view()}</ol> }
}

#[component]
fn Witnesses(tx: node::Transaction) -> impl IntoView {
    let row = |witness: node::Witness| {
        view! {
            <tr>
                <td><AddressLink address=witness.address/></td>
                <td>{witness.conditions.join(", ")}</td>
                <td class="num">{format::bytes(witness.size_bytes)}</td>
            </tr>
        }
    };
    view! {
        <section class="card" aria-labelledby="witnesses">
            <header><h2 id="witnesses">{text::WITNESSES}</h2></header>
            <div class="scroll"><table class="table">
                <thead><tr><th>{text::ADDRESS}</th><th>{text::CONDITIONS}</th><th class="num">{text::SIZE}</th></tr></thead>
                <tbody>{tx.witnesses.into_iter().map(row).collect_view()}</tbody>
            </table></div>
        </section>
    }
}
