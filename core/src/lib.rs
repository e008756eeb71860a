//! The consensus library of qBTC: what is valid, and why, for full nodes, browsers and simulators alike.
//!
//! This crate is pure. It reads no clock, no randomness, no disk and no socket; whoever drives it passes those in. So the
//! native node and the browser, which run the same code, cannot disagree.
//!
//! Modules stand lowest first: each imports only from those above it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod codec;
pub mod units;
pub mod hash;
pub mod crypto;
pub mod lock;
pub mod tx;
pub mod header;
pub mod block;
pub mod pow;
pub mod commit;
pub mod spec;
pub mod utxo;
pub mod verify;
pub mod chain;
pub mod mempool;
pub mod net;
pub mod sync;
pub mod relay;
pub mod wallet;

#[cfg(test)]
mod testing;
