//! `qbtc bench`: the node's promises of speed, measured on this machine.
//!
//! Each promise is a ratio to what the machine can do at best, taken in the same run, or a time that is far from the machine's
//! noise. Everything measured is what a node really runs: blocks are made by a node, stored by a node, and given to another one.

pub(crate) mod chain;
mod coins;
mod figure;
mod import;
mod junk;
mod mempool;
mod miner;
mod relay;
mod start;
mod sync;

pub use figure::{Bound, Figure};

use std::path::PathBuf;

/// What a bench may use.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// How many blocks of 100 payments are imported.
    pub blocks: u32,
    /// How many coins a node is started with.
    pub coins: u32,
    /// How many blocks are fetched from a peer.
    pub sync_blocks: u32,
    /// Where data is kept while it runs; it is removed afterwards.
    pub folder: Option<PathBuf>,
}

/// A part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Importing a chain of payments.
    Import,
    /// Importing blocks of many coins.
    Coins,
    /// Mempool, templates, and blocks that the mempool knows.
    Mempool,
    /// Starting and stopping a node with many coins.
    Start,
    /// The built-in miner.
    Miner,
    /// Fetching a chain from a peer.
    Sync,
    /// Fetching a chain while others send junk.
    Junk,
    /// Blocks and transactions on their way through twenty nodes.
    Relay,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 8] =
        [Self::Import, Self::Coins, Self::Mempool, Self::Start, Self::Miner, Self::Sync, Self::Junk, Self::Relay];

    /// Measures. `tell` hears what is being done.
    ///
    /// # Errors
    /// What stands in the way: a full disk, above all.
    pub fn run(self, options: &BenchOptions, tell: &dyn Fn(&str)) -> anyhow::Result<Vec<Figure>> {
        match self {
            Self::Import => import::run(options, tell),
            Self::Coins => coins::run(options, tell),
            Self::Mempool => mempool::run(options, tell),
            Self::Start => start::run(options, tell),
            Self::Miner => Ok(miner::run(tell)),
            Self::Sync => sync::run(options, tell),
            Self::Junk => junk::run(options, tell),
            Self::Relay => relay::run(options, tell),
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn folder(options: &BenchOptions) -> anyhow::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("qbtc-bench-");
    Ok(match &options.folder {
        Some(folder) => builder.tempdir_in(folder)?,
        None => builder.tempdir()?,
    })
}
