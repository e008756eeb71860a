//! The one owner of the chain and the mempool: a thread that takes commands, one at a time.
//!
//! ```text
//! Command → HeaderTree → reorg (signatures on all processors) → Batch → Store::commit → publish: view, mempool, events
//! ```
//!
//! Invariants:
//! - nobody else changes the header tree, the mempool or the store;
//! - what is published is on the disk;
//! - after a fault of the store nothing is written or published any more: the node stops, and every caller is told why.
//!
//! Whoever synchronises hands in blocks that may be written later (`Commit::Later`): they are merged and written by another
//! thread while the next are verified. When no command has come for a moment, everything is written.

mod mempool;
mod stack;
mod tip;
mod verifiers;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use qbtc_core::hash::BlockHash;
use qbtc_core::mempool::{Mempool, Policy};
use qbtc_core::units::Height;
use qbtc_core::verify::{CheckedBlock, VerifiedCache};
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::node::{Admission, Command, Commit, Fault, Live, Node, StopOnPanic, Unverified};
use crate::store::{Batch, ChainView, Store, StoreError};
use mempool::SavedMempool;
use writer::Writer;

/// How a driver works.
#[derive(Clone, Debug)]
pub struct DriverOptions {
    /// What the mempool takes.
    pub policy: Policy,
    /// How many blocks keep their witnesses, and how many their bodies; `None` keeps all.
    pub prune: Prune,
    /// How many bytes of blocks may wait to be written while synchronising.
    pub batch_bytes_max: usize,
    /// How many blocks may wait to be written while synchronising.
    pub batch_blocks_max: usize,
    /// How many blocks one transaction prunes at most.
    pub prune_blocks_max: u32,
}

/// How deep blocks are kept, counted from the tip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prune {
    /// Blocks with witnesses.
    pub witnesses: Option<u32>,
    /// Blocks with bodies.
    pub bodies: Option<u32>,
}

impl Prune {
    /// The fewest blocks that must be kept whole: a reorg takes blocks back, and needs them for that.
    pub const DEPTH_MIN: u32 = 288;
}

impl Default for DriverOptions {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            prune: Prune::default(),
            batch_bytes_max: 64 << 20,
            batch_blocks_max: 4_096,
            prune_blocks_max: 1_000,
        }
    }
}

/// The most commands that wait; whoever sends more waits.
const COMMANDS_WAITING_MAX: usize = 256;
/// How many transactions' witnesses are remembered: more than a full pool of ordinary payments has.
pub(crate) const VERIFIED_CACHE_ENTRIES: usize = 100_000;
/// About how many transactions are taken under one lock.
const GATHERED_MAX: usize = 256;
/// How long transactions gather before the driver looks again, so that one wake-up and one lock serve many of them.
const GATHER_TIME: Duration = Duration::from_millis(1);
/// How long blocks that may be written later wait for more of them.
const WRITE_DELAY: Duration = Duration::from_millis(100);
/// How long transactions that came wait for more of them before they are written, so that a kill loses few.
const SAVE_DELAY: Duration = Duration::from_secs(1);
/// How long they wait at most where writing is slow.
const SAVE_DELAY_MAX: Duration = Duration::from_secs(3);
/// Of how much time one part at most is spent on writing the mempool, up to that.
const SAVE_SHARE: u32 = 20;
/// How often old transactions are looked for, and the mempool is written whatever has changed.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(10);

/// The driver's thread. It ends when the node stops.
#[derive(Debug)]
pub struct DriverThread {
    driver: JoinHandle<()>,
    verifiers: Vec<JoinHandle<()>>,
}

impl DriverThread {
    /// Waits until everything is written. Blocks this thread.
    pub fn join(self) {
        for thread in self.verifiers.into_iter().chain([self.driver]) {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

pub(crate) struct Driver {
    node: Node,
    store: Store,
    options: DriverOptions,
    /// What is on the disk and published.
    view: Arc<ChainView>,
    /// What is on its way to the disk.
    writer: Writer,
    /// What comes after that.
    batch: Batch,
    /// Blocks that came in just now: neither connected nor in the batch yet.
    incoming: HashMap<BlockHash, Arc<CheckedBlock>>,
    cache: VerifiedCache,
    saved_mempool: SavedMempool,
    /// When the mempool is to be written, if transactions came since it was.
    save_due: Option<Instant>,
    /// How long such transactions wait.
    save_delay: Duration,
    /// Whether the last command was a transaction: then others are likely to follow.
    took_transaction: bool,
    /// A command that was found behind transactions.
    held: Option<Command>,
    runtime: tokio::runtime::Handle,
}

/// Starts the owner of a store's chain, and returns the handle to it.
///
/// Must be called within a tokio runtime.
///
/// # Errors
/// [`StoreError`], if the headers cannot be read back.
pub fn start(store: Store, metrics: Arc<Metrics>, options: DriverOptions) -> Result<(Node, DriverThread), StoreError> {
    start_knowing(store, metrics, options, VerifiedCache::new(VERIFIED_CACHE_ENTRIES))
}

/// [`start`], with witnesses that were verified elsewhere.
pub(crate) fn start_knowing(
    store: Store,
    metrics: Arc<Metrics>,
    options: DriverOptions,
    cache: VerifiedCache,
) -> Result<(Node, DriverThread), StoreError> {
    let view = Arc::new(store.view()?);
    let loaded = store.load_tree()?;
    if loaded.left_out > 0 {
        tracing::warn!(
            headers = loaded.left_out,
            "stored headers are not valid any more: a checkpoint speaks against them"
        );
    }
    let height = view.state().height().next().unwrap_or(Height(u32::MAX));
    let live = Live { pool: Mempool::new(options.policy.clone(), height), chain: Arc::clone(&view) };
    let saved_mempool = if store.has_mempool()? { SavedMempool::Restoring } else { SavedMempool::Never };
    let (sender, commands) = mpsc::channel(COMMANDS_WAITING_MAX);
    let (unverified, queue) = mpsc::channel(verifiers::WAITING_MAX);
    let node = Node::new(metrics, live, loaded.tree, sender.clone(), unverified.clone());
    let stopping = Arc::downgrade(node.shared());
    store.tell_of_failures(move |error| {
        if let Some(shared) = stopping.upgrade() {
            shared.fail(error.clone().into());
        }
    });
    let verifiers = verifiers::start(&node, queue, &sender).map_err(StoreError::from)?;
    let driver = Driver {
        node: node.clone(),
        batch: Batch::new(view.state().clone()),
        writer: Writer::default(),
        store,
        options,
        view,
        incoming: HashMap::new(),
        cache,
        saved_mempool,
        save_due: None,
        save_delay: SAVE_DELAY,
        took_transaction: false,
        held: None,
        runtime: tokio::runtime::Handle::current(),
    };
    let thread = std::thread::Builder::new().name("driver".into()).spawn(move || driver.run(commands));
    tokio::spawn(tick(node.clone(), sender, unverified));
    Ok((node, DriverThread { driver: thread.map_err(StoreError::from)?, verifiers }))
}

/// Wakes the driver from time to time, and when the node stops.
async fn tick(node: Node, commands: mpsc::Sender<Command>, unverified: mpsc::Sender<Unverified>) {
    loop {
        let command = tokio::select! {
            () = node.stopping().cancelled() => break,
            () = tokio::time::sleep(EXPIRY_INTERVAL) => Command::Expire,
        };
        if commands.send(command).await.is_err() {
            break;
        }
    }
    for _ in 0..verifiers::count() {
        if unverified.send(Unverified::Stop).await.is_err() {
            break;
        }
    }
    // It fails only if the driver has ended by itself.
    let _ = commands.send(Command::Stop).await;
}

impl Driver {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let _guard = StopOnPanic::new(&self.node, "chain driver");
        if let Err(fault) = self.work(&mut commands) {
            self.node.shared().fail(fault);
        }
        self.node.stop();
        // Whoever still waits for an answer is told by the drop of what it waits for.
    }

    fn work(&mut self, commands: &mut mpsc::Receiver<Command>) -> Result<(), Fault> {
        // The last run may have been killed between storing a block and connecting it.
        self.advance()?;
        self.flush()?;
        loop {
            let Some(command) = self.next(commands)? else { break };
            if matches!(command, Command::Stop) {
                break;
            }
            match command {
                Command::Transactions(first) => {
                    let admissions = self.gather(first, commands);
                    self.take_transactions(admissions)?;
                    self.took_transaction = true;
                }
                command => {
                    self.handle(command)?;
                    self.took_transaction = false;
                }
            }
        }
        self.flush()?;
        self.save_mempool()?;
        Ok(())
    }

    /// The next command. What waits to be written is written once no command has come for a moment, the mempool also when its time has come.
    fn next(&mut self, commands: &mut mpsc::Receiver<Command>) -> Result<Option<Command>, Fault> {
        if let Some(command) = self.held.take() {
            return Ok(Some(command));
        }
        if self.save_due.is_some_and(|due| due <= Instant::now()) {
            self.save_mempool()?;
        }
        if std::mem::take(&mut self.took_transaction) {
            std::thread::sleep(GATHER_TIME);
        }
        if let Ok(command) = commands.try_recv() {
            return Ok(Some(command));
        }
        if self.has_unwritten() {
            let patient = async { tokio::time::timeout(WRITE_DELAY, commands.recv()).await };
            if let Ok(command) = self.runtime.block_on(patient) {
                return Ok(command);
            }
            self.flush()?;
        }
        if let Some(due) = self.save_due {
            let patient = async { tokio::time::timeout_at(due.into(), commands.recv()).await };
            if let Ok(command) = self.runtime.block_on(patient) {
                return Ok(command);
            }
            self.save_mempool()?;
        }
        Ok(commands.blocking_recv())
    }

    /// Transactions and those that wait behind them; what else waits is next.
    fn gather(&mut self, first: Vec<Admission>, commands: &mut mpsc::Receiver<Command>) -> Vec<Admission> {
        let mut admissions = first;
        while admissions.len() < GATHERED_MAX {
            match commands.try_recv() {
                Ok(Command::Transactions(more)) => admissions.extend(more),
                Ok(other) => {
                    self.held = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        admissions
    }

    fn handle(&mut self, command: Command) -> Result<(), Fault> {
        // That nobody waits for an answer any more is no fault.
        match command {
            Command::Blocks { blocks, verified, commit, reply } => {
                verified.into_iter().for_each(|(wtxid, holds_from)| self.cache.insert(wtxid, holds_from));
                let outcomes = self.take_blocks(&blocks)?;
                match commit {
                    Commit::Now => self.flush()?,
                    Commit::Later => self.flush_if_large()?,
                }
                let _ = reply.send(outcomes);
            }
            Command::Header { header, reply } => {
                let outcome = self.take_header(header);
                self.flush()?;
                let _ = reply.send(outcome.map_err(Into::into));
            }
            Command::Headers { headers, reply } => {
                let outcome = self.take_headers(headers);
                self.flush_if_large()?;
                let _ = reply.send(outcome.map_err(Into::into));
            }
            Command::Transactions(admissions) => self.take_transactions(admissions)?,
            Command::Invalidate { id, reply } => {
                let _ = reply.send(self.invalidate(id)?);
            }
            Command::Reconsider { id, reply } => {
                let _ = reply.send(self.reconsider(id)?);
            }
            Command::Prune { below, reply } => {
                self.flush()?;
                let _ = reply.send(Ok(self.prune(below)?));
            }
            Command::Prioritise { txid, fee_delta, reply } => {
                let _ = reply.send(self.prioritise(txid, fee_delta));
            }
            Command::SaveMempool { reply } => {
                let _ = reply.send(Ok(self.save_mempool()?));
            }
            Command::MempoolRestored => {
                self.saved_mempool = SavedMempool::Never;
                self.mempool_changed();
            }
            Command::Expire => {
                self.expire();
                self.save_mempool()?;
                if !self.has_unwritten() {
                    self.prune_old()?;
                }
            }
            Command::Stop => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
