//! The sampled proof of a chain of a million blocks: its size, and how long it takes to make and to check, natively and on wasm32; and what
//! a light client needs from nothing, and from what it kept, to a proven tip.
//!
//! Each block is one of 500 transactions as far as the proof can tell: nine siblings lie between its commitments and its merkle
//! root. The chain is mined at the easiest bits there are, so its works are short numbers; what a chain of real work adds is
//! stated beside the size.
#![allow(clippy::unwrap_used, reason = "a benchmark stops at its first surprise")]

#[path = "../tests/support/history.rs"]
mod history;
#[path = "support/nodes.rs"]
mod nodes;

use std::hint::black_box;
use std::sync::Arc;

use history::History;
use nodes::{spec, to_tip};
use qbtc_core::codec;
use qbtc_core::commit::flyclient::{SampledProof, Sampling, verify};
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::Moment;
use qbtc_core::sync::light::{At, LightClient};

#[cfg(not(target_arch = "wasm32"))]
use criterion::Criterion;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::{Criterion, wasm_bindgen_bench};

const BLOCKS: u32 = 1_000_000;
const SIBLINGS: u32 = 9;
/// Bytes by which a subtree's work grows if a block takes 2^60 hashes and not 2.
const REAL_WORK_BYTES: usize = 7;

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_bench)]
fn sampled_proof(criterion: &mut Criterion) {
    let spec = spec();
    let mut chain = History::of_rules(spec.header_rules(), SIBLINGS);
    chain.grow(BLOCKS - 1);
    for (name, sampling) in [("live", chain.live(0)), ("receipt", Sampling::receipt())] {
        let proof = chain.prove(&sampling).unwrap();
        let bytes = codec::encode(&proof);
        assert_eq!(verify(&bytes, &sampling, &chain.rules).unwrap().work, chain.peaks.work());
        report(name, &proof, bytes.len());
        #[cfg(not(target_arch = "wasm32"))]
        criterion.bench_function(&format!("history: prove 1,000,000 blocks, {name}"), |bencher| {
            bencher.iter(|| chain.prove(black_box(&sampling)).unwrap());
        });
        criterion.bench_function(&format!("history: verify 1,000,000 blocks, {name}"), |bencher| {
            bencher.iter(|| verify(black_box(&bytes), &sampling, &chain.rules).unwrap());
        });
    }
    light_client(criterion, &spec, &chain);
}

/// What it takes a light client to know the tip, with three nodes that answer at once: the time that they take for it is counted too.
fn light_client(criterion: &mut Criterion, spec: &Arc<ChainSpec>, chain: &History) {
    let clock = chain.headers.last().unwrap().time;
    let at = At { now: Moment(0), clock };
    let cold = || LightClient::new(Arc::clone(spec), [7; 32], at);
    let client = to_tip(cold(), chain, at);
    report_client("cold", &client);
    criterion.bench_function("light: cold start, 1,000,000 blocks", |bencher| {
        bencher.iter(|| to_tip(cold(), chain, at));
    });
    // As it was an hour before.
    let before = chain.cut(BLOCKS - 60);
    let kept = to_tip(LightClient::new(Arc::clone(spec), [7; 32], at), &before, at).save();
    let warm = || LightClient::resume(Arc::clone(spec), [8; 32], &kept, at).unwrap();
    report_client("warm", &to_tip(warm(), chain, at));
    criterion.bench_function("light: warm start after 60 blocks", |bencher| {
        bencher.iter(|| to_tip(warm(), chain, at));
    });
}

#[cfg_attr(not(target_arch = "wasm32"), allow(clippy::print_stdout, reason = "a figure to be read"))]
fn report_client(name: &str, client: &LightClient) {
    let (traffic, kept) = (client.traffic(), client.save().len());
    println!("light client, {name}: {} bytes in {} questions; keeps {kept} bytes", traffic.bytes(), traffic.questions);
}

/// Prints how large a proof is. On wasm32 it would be the same.
#[cfg_attr(not(target_arch = "wasm32"), allow(clippy::print_stdout, reason = "a figure to be read"))]
fn report(name: &str, proof: &SampledProof, bytes: usize) {
    let real = bytes + REAL_WORK_BYTES * proof.subtrees();
    println!(
        "{name}: {bytes} bytes, {real} at 2^60 hashes a block; {} samples, {} subtrees",
        proof.samples(),
        proof.subtrees()
    );
}

#[cfg(not(target_arch = "wasm32"))]
criterion::criterion_group!(benches, sampled_proof);
#[cfg(not(target_arch = "wasm32"))]
criterion::criterion_main!(benches);

/// What runs a bench on wasm32 finds it by its export.
#[cfg(target_arch = "wasm32")]
fn main() {}
