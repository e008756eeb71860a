//! qBTC in browsers: what pages, workers and Node get of [`qbtc_core`], and the light client with its connections.
//!
//! This crate decides nothing about validity: whatever a page is told was checked by core, the same code as a node's. It is built twice for
//! npm, with the light client and without, and is a library of the web app.
#![forbid(unsafe_code)]
