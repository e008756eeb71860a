//! The qBTC full node, miner, wallet and tools. The binary `qbtc` is `main.rs`; all it does is here.
//!
//! What decides is in `qbtc_core`; this package gives it a disk, a clock, threads and sockets.

pub mod api;
pub mod cli;
pub mod client;
pub mod driver;
pub mod metrics;
pub mod node;
pub mod paths;
pub mod store;
pub mod stratum;
