//! The mempool: what acceptance costs beside a signature, templates, and blocks that it knows.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::http::header::AUTHORIZATION;
use data_encoding::HEXLOWER;
use qbtc_core::lock::Address;
use qbtc_core::mempool::Payout;
use qbtc_core::tx::Transaction;
use rayon::prelude::*;
use tower::ServiceExt as _;

use super::chain::{BenchNode, Owned, Owner, processor_time};
use super::figure::{Bound, Figure};
use super::{BenchOptions, folder, runtime};
use crate::api::rpc::auth::Credentials;
use crate::api::rpc::{self, Rpc};
use crate::miner::median;
use crate::node::Node;

/// Transactions that wait.
const WAITING: usize = 5_000;
/// In how many turns they are accepted.
const TURNS: usize = 5;
/// How often a template is made.
const TEMPLATES: usize = 20;
/// The login of the bench's calls, `bench:bench`.
const LOGIN: &str = "Basic YmVuY2g6YmVuY2g=";
/// Longer than the answer to any block.
const ANSWER_BYTES_MAX: usize = 4_096;

pub(super) fn run(options: &BenchOptions, tell: &dyn Fn(&str)) -> anyhow::Result<Vec<Figure>> {
    let folder = folder(options)?;
    runtime()?.block_on(async {
        let owner = Owner::new(50);
        let bench = BenchNode::start(folder.path(), &owner.spec)?;
        tell("making payments");
        let payments = payments(&owner, &bench).await?;
        tell("filling the mempool");
        let (acceptance, raw) = acceptance_and_raw_seconds(&owner, &bench, payments).await?;
        tell("making templates");
        let template = template_seconds(&owner, &bench)?;
        tell("submitting a full block");
        let (submission, bytes) = submission_seconds(&owner, &bench).await?;
        bench.stop().await?;
        Ok(vec![
            Figure::plain("acceptance of a payment, processor time", acceptance * 1e6, "µs"),
            Figure::bounded(
                "raw verification / acceptance, processor time",
                raw / acceptance,
                "",
                Bound::AtLeast(0.75),
            ),
            Figure::bounded(format!("template among {WAITING} payments"), template * 1e3, "ms", Bound::AtMost(10.0)),
            Figure::bounded(
                format!(
                    "submitblock of {:.1} MiB that the mempool knows: answer and next template",
                    bytes as f64 / (1 << 20) as f64
                ),
                submission * 1e3,
                "ms",
                Bound::AtMost(100.0),
            ),
        ])
    })
}

/// Payments that do not depend on each other.
async fn payments(owner: &Owner, bench: &BenchNode) -> anyhow::Result<Vec<Transaction>> {
    let allotments = owner.allotments();
    let each = WAITING / allotments.len();
    let fan_outs: Vec<_> = allotments.par_iter().map(|coin| owner.pay(std::slice::from_ref(coin), each)).collect();
    let height = bench.node.live().pool.height();
    let coins: Vec<Owned> = fan_outs.iter().flat_map(|tx| owner.made(tx, height)).collect();
    bench.submit(fan_outs).await?;
    bench.node.submit_checked(bench.mine(owner.address)?).await?;
    Ok(coins.par_iter().map(|coin| owner.pay(std::slice::from_ref(coin), 1)).collect())
}

/// The processor time of an acceptance, and of a raw verification while all processors are busy with them, as they are while payments
/// are accepted. In turns, since a shared machine is not as fast at one moment as at another.
async fn acceptance_and_raw_seconds(
    owner: &Owner,
    bench: &BenchNode,
    mut payments: Vec<Transaction>,
) -> anyhow::Result<(f64, f64)> {
    let count = payments.len() as f64;
    let (mut acceptance, mut raw) = (0.0, owner.raw_on_all_processors().processor_seconds);
    for _ in 0..TURNS {
        let rest = payments.split_off((WAITING / TURNS).min(payments.len()));
        let turn = std::mem::replace(&mut payments, rest);
        let before = processor_time();
        bench.submit(turn).await?;
        acceptance += (processor_time() - before).as_secs_f64();
        raw += owner.raw_on_all_processors().processor_seconds;
    }
    Ok((acceptance / count, raw / (TURNS + 1) as f64))
}

fn template_seconds(owner: &Owner, bench: &BenchNode) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..TEMPLATES {
        let started = Instant::now();
        bench.node.fresh_template(&Payout::to(owner.address))?;
        times.push(started.elapsed().as_secs_f64());
    }
    Ok(median(times))
}

/// From the call of `submitblock`, as a miner posts it, to its answer and the next template; the median of all full blocks that the
/// mempool yields.
async fn submission_seconds(owner: &Owner, bench: &BenchNode) -> anyhow::Result<(f64, usize)> {
    let miner = Address::from_bytes([1; 32]);
    let calls = calls(&bench.node)?;
    let limit = owner.spec.consensus().limits.block_bytes as usize;
    let (mut times, mut size) = (Vec::new(), 0);
    loop {
        let bytes = bench.mine(miner)?.to_block().to_bytes();
        if bytes.len() < limit / 10 * 9 {
            break;
        }
        size = bytes.len();
        let body = format!(r#"{{"id":1,"method":"submitblock","params":["{}"]}}"#, HEXLOWER.encode(&bytes));
        let call = Request::post("/").header(AUTHORIZATION, LOGIN).body(Body::from(body))?;
        let started = Instant::now();
        let answer = to_bytes(calls.clone().oneshot(call).await?.into_body(), ANSWER_BYTES_MAX).await?;
        bench.node.template(&Payout::to(miner))?;
        times.push(started.elapsed().as_secs_f64());
        anyhow::ensure!(answer.starts_with(br#"{"result":null,"error":null"#), "a block is refused: {answer:?}");
    }
    anyhow::ensure!(!times.is_empty(), "the mempool does not fill a block");
    Ok((median(times), size))
}

/// The calls of JSON-RPC, as they stand behind a socket.
fn calls(node: &Node) -> anyhow::Result<Router> {
    let limits = &node.spec().consensus().limits;
    let settings = rpc::Settings {
        block_bytes_max: limits.block_bytes as usize,
        tx_bytes_max: limits.tx_bytes as usize,
        stopping: node.stopping().clone(),
    };
    let credentials = Credentials::new().with_password("bench", "bench")?;
    let context = rpc::Context::new(node.clone(), None);
    Ok(rpc::router(Arc::new(Rpc::new(context, rpc::methods(), credentials, settings))))
}
