//! Functional tests: the real program, real sockets, real files, after Bitcoin Core's `test/functional`.
//!
//! One program, since linking takes longer than running. Each test has a folder and nodes of its own, on any free ports, and ends
//! them; what it waits for, it looks for until a deadline. What a call answers in each case is tested beside the calls; here is what
//! shows only end to end: state over calls, restarts and interfaces.

#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

mod cli;
mod crash;
mod discovery;
mod documents;
mod faults;
mod http;
mod light;
mod longpoll;
mod mempool_accept;
mod mempool_limits;
mod mempool_persist;
mod mempool_reorg;
mod mempool_replace;
mod miners;
mod mining;
mod mining_verdicts;
mod network;
#[cfg(target_arch = "x86_64")]
mod processor;
mod prompts;
mod reference;
mod rpc_blockchain;
mod rpc_control;
mod rpc_protocol;
mod start;
mod story;
mod stratum;
mod support;
mod sync;
mod wallet;

/// A DNS server.
#[allow(dead_code, reason = "what one test needs, another one does not")]
#[path = "../../src/p2p/discovery/dns/testing.rs"]
mod dns;

/// Blocks that can be spoilt one rule at a time.
#[path = "../../../core/tests/support/mod.rs"]
mod blocks;
