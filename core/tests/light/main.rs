//! The light client from outside: what it asks whom, what it believes, what it hands out, and what it does about those who lie.
#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

mod day;
mod head;
mod node;
mod query;
mod random;
mod saved;
mod scan;
mod scene;

#[path = "../support/mod.rs"]
mod support;
