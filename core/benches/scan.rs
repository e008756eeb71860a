//! How fast a light client looks through the filters of full blocks for a wallet, natively and on wasm32: each is decoded, seen to be the one
//! that its block commits to, and matched against all addresses.
//!
//! A full block of 4 MiB holds some 550 payments of one input and two outputs, and its filter 1,000 addresses.
#![allow(clippy::unwrap_used, reason = "a benchmark stops at its first surprise")]

#[path = "../tests/support/history.rs"]
mod history;
#[path = "support/nodes.rs"]
mod nodes;

use std::sync::Arc;

use history::History;
use nodes::{answer, spec, to_tip};
use qbtc_core::hash::sha256d;
use qbtc_core::lock::Address;
use qbtc_core::net::{CommittedFilter, LightAnswer, LightQuestion};
use qbtc_core::sync::Moment;
use qbtc_core::sync::light::{At, Event, Input, LightClient, Output};
use qbtc_core::units::Height;

#[cfg(not(target_arch = "wasm32"))]
use criterion::Criterion;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::{Criterion, wasm_bindgen_bench};

const BLOCKS: u32 = 1_000;
const SIBLINGS: u32 = 10;
const ELEMENTS: u32 = 1_000;
const WATCHED: u32 = 100;

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_bench)]
fn scan(criterion: &mut Criterion) {
    let spec = spec();
    let mut chain = History::of_rules(spec.header_rules(), SIBLINGS).with_filters(ELEMENTS);
    chain.grow(BLOCKS);
    let at = At { now: Moment(0), clock: chain.headers.last().unwrap().time };
    let kept = to_tip(LightClient::new(Arc::clone(&spec), [7; 32], at), &chain, at).save();
    let filters: Vec<CommittedFilter> = (1..=BLOCKS).map(|height| chain.committed_filter(Height(height))).collect();
    let watched: Vec<Address> = (0..WATCHED).map(|place| Address::from_bytes(sha256d(&place.to_le_bytes()))).collect();
    let resumed = || LightClient::resume(Arc::clone(&spec), [8; 32], &kept, at).unwrap();
    criterion.bench_function("light: scan 1,000 full blocks", |bencher| {
        bencher.iter(|| scanned(to_tip(resumed(), &chain, at), &chain, &filters, &watched, at));
    });
}

/// Answers until all is looked through.
fn scanned(mut client: LightClient, chain: &History, filters: &[CommittedFilter], watched: &[Address], at: At) {
    client.handle(Input::Scan { start: Height(1), marks: Vec::new(), addresses: watched.to_vec() }, at);
    loop {
        match client.poll().unwrap() {
            Output::Ask { request, question: LightQuestion::Filters { start, count, .. }, .. } => {
                let asked = filters.iter().skip(start.0 as usize - 1).take(count as usize).cloned().collect();
                client.handle(Input::Answer { request, answer: LightAnswer::Filters(asked) }, at);
            }
            Output::Ask { request, question, .. } => {
                if let Some(answer) = answer(chain, &question) {
                    client.handle(Input::Answer { request, answer }, at);
                }
            }
            Output::Event(Event::Scanned { to, found }) => {
                assert!(found.is_none(), "nobody knows these addresses");
                if to.height == chain.tip() {
                    return;
                }
            }
            Output::Fault { fault, .. } => panic!("{fault}"),
            Output::Leave { .. } | Output::Event(_) => {}
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
criterion::criterion_group!(benches, scan);
#[cfg(not(target_arch = "wasm32"))]
criterion::criterion_main!(benches);

/// What runs a bench on wasm32 finds it by its export.
#[cfg(target_arch = "wasm32")]
fn main() {}
