//! The qBTC full node, miner, wallet and tools. The binary `qbtc` is `main.rs`; all it does is here.
//!
//! What decides is in `qbtc_core`; this package gives it a disk, a clock, threads and sockets.
//!
//! Modules stand lowest first: each imports only from those above it.

// What needs unsafe code says so where it does: the miner's calls of code for one processor's instructions.
#![deny(unsafe_code)]

pub mod cpu;
pub mod paths;
pub(crate) mod files;
pub mod data_dir;
pub(crate) mod slots;
pub mod blocks_file;
pub mod json;
pub mod metrics;
pub mod store;
pub(crate) mod parallel;
pub mod node;
pub mod driver;
pub mod import;
pub mod miner;
pub mod stratum;
pub mod p2p;
pub mod api;
pub mod client;
pub mod wallet;
pub mod light;
pub mod config;
pub mod run;
pub mod bench;
pub mod cli;
