//! A network of nodes in virtual time: hundreds of them, for hours, in seconds.
//!
//! Each node runs the machine of [`qbtc_core::sync`] over a chain of its own, exactly as the native node does; the simulator stands in for
//! the network, the clock and the threads. One seed makes one run: the same events in the same order, whose hash is in the [`Report`].
//!
//! ```text
//! Scenario → World: queue of events ─→ shell (messages, gossip, faults) ─→ ChainSync ─→ Chain (headers, blocks, coins, mempool)
//!                    mining, payments, troubles, liars                        ↑ held bytes, faults, verdicts: checked at each step
//! ```
//!
//! Each block is verified in full once in a world, by core's own rules, and the verdict is shared by its id (`library`); at the end the
//! best chain is verified anew without anything remembered. docs/simulation.md tells how to run it, what is checked, and how a failed seed is
//! replayed. Nothing here reads a clock, a random number that is not the seed's, or the order of a hash map.

mod chain;
mod checks;
mod forge;
mod liar;
mod library;
mod link;
mod mining;
mod money;
mod node;
mod queue;
mod random;
mod report;
mod scenario;
mod shell;
mod trace;
mod troubles;
mod world;

pub use liar::Lie;
pub use report::{Failure, Report};
pub use scenario::{Scenario, Trouble};
pub use world::run;
