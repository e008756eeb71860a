//! The mempool from outside: every rule of policy at its edge, the chain's moves, templates that verify, and random sequences of all
//! of it.

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
