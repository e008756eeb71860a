//! qBTC in browsers: what pages, workers and Node get of [`qbtc_core`], and the light client with its connections.
//!
//! This crate decides nothing about validity: whatever a page is told was checked by core, the same code as a node's. It is built thrice for
//! npm (to sign, for wallets, and as a light client), and is a library of the web app.
//!
//! | module | what it is |
//! |---|---|
//! | [`failure`] | errors with stable codes |
//! | [`amount`] | amounts as people type them |
//! | [`effect`] | what a transaction will do, as a person should see it before signing |
//! | `transport` | connections with nodes, with the feature `light` |
//! | `client` | the light client as a browser drives it, with the feature `light` |
//! | `npm` | the exports for JavaScript, with the feature of that name |
#![forbid(unsafe_code)]
#![cfg_attr(all(feature = "npm", not(feature = "std")), no_std)]

extern crate alloc;

pub mod failure;
pub mod amount;
pub mod effect;
#[cfg(feature = "light")]
pub mod transport;
#[cfg(feature = "light")]
pub mod client;
#[cfg(feature = "npm")]
mod npm;
