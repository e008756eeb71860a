//! The core's integration tests, natively and on wasm32: one program, since linking costs more than running.

#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

mod compact_block;
mod dev_chain;
mod encodings;
mod forged_history;
#[path = "support/history.rs"]
mod history;
mod light;
mod mempool;
mod ml_dsa_edges;
mod reorg;
mod rules_block;
mod rules_header;
mod rules_spend;
mod rules_transaction;
mod sampled_proof;
mod support;
mod sync;
mod verdicts;
mod wycheproof;
