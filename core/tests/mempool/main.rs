//! The mempool from outside: every rule of policy at its edge, the chain's moves, templates that verify, and random sequences of all
//! of it.
#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

mod admission;
mod estimate;
mod eviction;
mod invariants;
mod policy;
mod priority;
mod random;
mod relatives;
mod replacement;
mod template;
mod tip;
mod world;

#[path = "../support/mod.rs"]
mod support;

use support::test;
