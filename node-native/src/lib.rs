//! The qBTC full node, miner, wallet and tools. The binary `qbtc` is `main.rs`; all it does is here.
//!
//! What decides is in `qbtc_core`; this package gives it a disk, a clock, threads and sockets.

// What needs unsafe code says so where it does: the miner's calls of code for one processor's instructions.
#![deny(unsafe_code)]

pub mod api;
pub mod bench;
pub mod blocks_file;
pub mod cli;
pub mod client;
pub mod config;
pub mod cpu;
pub mod data_dir;
pub mod driver;
pub mod import;
pub mod json;
pub mod metrics;
pub mod miner;
pub mod node;
pub mod p2p;
pub mod paths;
pub mod run;
pub(crate) mod slots;
pub mod store;
pub mod stratum;
pub mod tx_out_proof;
pub mod wallet;
