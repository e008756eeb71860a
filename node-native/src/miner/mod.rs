//! The built-in miner: for chains that have no other, for trying out, and for the first miner of a chain of one's own.
//!
//! ```text
//!          templates                      searches
//! Node ──► Foreman ──► Desk ◄── workers ──► Kernel          one task; one thread for each worker
//!             ▲                    │
//!             └──── found blocks ──┘
//! ```
//!
//! The foreman is the only one that talks to the node. It puts the work of the moment on the desk and takes it away when the tip
//! moves, when the mempool has something better, and while the chain is paced. Workers look at the desk between two chunks of
//! nonces, which take some milliseconds at most, and sleep while it is empty. Whoever finds a block claims the desk until it
//! is handed in, so that no two blocks are found on one parent where blocks are easy.
//!
//! Each worker searches under an extranonce of its own, so no two hashes are ever the same. The header's time is that of the
//! clock and never goes back.
//!
//! Nothing here decides what is valid: a found block enters by [`Node::submit_checked`], as any other does.
//! Hash rates go to the log and to [`crate::metrics::Metrics`].

mod bench;
mod desk;
mod foreman;
mod generate;
mod hash_rate;
mod kernel;
mod search;
#[cfg(test)]
mod tests;
mod worker;

use std::num::NonZeroUsize;
use std::time::Duration;

use qbtc_core::mempool::Payout;

use crate::node::Node;

pub(crate) use self::bench::median;
pub use self::bench::{KernelRate, bench};
pub use self::generate::{GenerateError, generate};
pub use self::hash_rate::HashesPerSecond;
pub use self::kernel::Kernel;

/// How the miner works.
#[derive(Clone, Debug)]
pub struct MinerOptions {
    /// Who is paid.
    pub payout: Payout,
    /// How many threads; as many as there are processors if it is `None`.
    pub threads: Option<NonZeroUsize>,
    /// The least time from one block to the next, for chains on which blocks are easy. The miner sleeps meanwhile.
    pub block_interval: Option<Duration>,
}

/// More threads than any machine has processors.
const THREADS_MAX: usize = 1_024;

impl MinerOptions {
    /// One thread for each processor, as fast as they can.
    #[must_use]
    pub const fn new(payout: Payout) -> Self {
        Self { payout, threads: None, block_interval: None }
    }

    fn thread_count(&self) -> usize {
        let threads = self.threads.or_else(|| std::thread::available_parallelism().ok());
        threads.map_or(1, NonZeroUsize::get).min(THREADS_MAX)
    }
}

/// Mines until the node stops. When this returns, no thread of it is left.
///
/// # Errors
/// The system's error, if it gives no threads.
pub async fn mine(node: Node, options: MinerOptions) -> std::io::Result<()> {
    foreman::Foreman::start(node, options)?.run().await;
    Ok(())
}
