//! A Stratum v1 server, for sha256d miners as they are: CPU miners, cgminer and its kin, the firmware of ASICs.
//!
//! Whoever connects with `ADDRESS.worker` as its user name mines for that address: the server keeps no accounts and no money. All
//! miners work on one choice of transactions; those of one address share a coinbase and differ by an extranonce.
//!
//! The protocol is in [`session`], which knows no socket. Around it: [`Server`] lets connections in, each of which is a task that
//! carries lines to its session and back; one task makes new work when the tip moves, one brings found blocks to the chain.
//!
//! What is not here: encryption (miners know none), a pool's shares and payouts.

mod blocks;
mod connection;
mod hash_rate;
mod lines;
mod maker;
mod round;
mod server;
pub mod session;

pub use server::{Config, Server};
