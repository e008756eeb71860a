//! The task that keeps the workers in work and hands in what they find.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use qbtc_core::hash::BlockHash;
use qbtc_core::verify::CheckedBlock;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::MinerOptions;
use super::desk::Desk;
use super::hash_rate::HashRate;
use super::kernel::Kernel;
use super::worker::{Found, Worker};
use crate::metrics::BlockSource;
use crate::node::{BlockRefusal, Event, Node, Submitted, TemplateRevision};

/// How long work lasts at least while only the mempool changes: a template costs milliseconds, transactions may come by the hundred.
const POOL_INTERVAL: Duration = Duration::from_millis(500);
/// How long to wait after something went wrong, and while the node synchronises.
const RETRY: Duration = Duration::from_secs(1);
/// How often the hash rate is read.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// How many readings there are from one line in the log to the next.
const READINGS_PER_LINE: u32 = 10;

/// The one who talks to the node.
pub(super) struct Foreman {
    node: Node,
    options: MinerOptions,
    desk: Arc<Desk>,
    threads: Vec<JoinHandle<()>>,
    found: mpsc::Receiver<Found>,
    hashes: Arc<AtomicU64>,
    /// What the work on the desk is made of; `None` if the desk is clear.
    revision: Option<TemplateRevision>,
    /// The tip, as far as it was seen.
    tip: Option<BlockHash>,
    /// The earliest time for work on it.
    paced: Instant,
    /// When to look after the work.
    due: Option<Instant>,
    /// The earliest time at which the mempool alone is a reason for new work.
    pool_due: Instant,
}

impl Foreman {
    /// Starts the workers.
    pub(super) fn start(node: Node, options: MinerOptions) -> std::io::Result<Self> {
        let count = options.thread_count();
        Self::with_threads(node, options, count)
    }

    fn with_threads(node: Node, options: MinerOptions, count: usize) -> std::io::Result<Self> {
        let (sender, found) = mpsc::channel(count.max(1));
        let now = Instant::now();
        let mut foreman = Self {
            desk: Arc::default(),
            threads: Vec::with_capacity(count),
            found,
            hashes: Arc::default(),
            revision: None,
            tip: None,
            paced: now,
            due: Some(now),
            pool_due: now,
            node,
            options,
        };
        for index in 0..count {
            let worker = Worker {
                node: foreman.node.clone(),
                desk: Arc::clone(&foreman.desk),
                hashes: Arc::clone(&foreman.hashes),
                found: sender.clone(),
            };
            let name = format!("miner-{index}");
            foreman.threads.push(std::thread::Builder::new().name(name).spawn(move || worker.run())?);
        }
        Ok(foreman)
    }

    /// Works until the node stops.
    pub(super) async fn run(mut self) {
        let stopping = self.node.stopping().clone();
        let mut events = self.node.events();
        let mut rate = HashRate::new(std::time::Instant::now());
        let mut readings = 0;
        let mut read = tokio::time::interval_at(Instant::now() + READ_INTERVAL, READ_INTERVAL);
        read.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tracing::info!(threads = self.threads.len(), "the miner starts");
        loop {
            let due = self.due;
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                Some(found) = self.found.recv() => self.hand_in(found).await,
                () = sleep_until(due) => self.look_after().await,
                _ = read.tick() => {
                    readings = (readings + 1) % READINGS_PER_LINE;
                    self.read(&mut rate, readings == 0);
                }
                event = events.recv() => match event {
                    Ok(Event::Tip(_)) | Err(RecvError::Lagged(_)) => self.due = Some(Instant::now()),
                    Ok(Event::Added(_) | Event::Removed(_)) => self.pool_moved(),
                    Err(RecvError::Closed) => break,
                },
            }
        }
        self.finish().await;
    }

    /// The mempool changed. While there is no work, that changes nothing.
    fn pool_moved(&mut self) {
        if self.revision.is_some() {
            self.due = Some(self.due.map_or(self.pool_due, |due| due.min(self.pool_due)));
        }
    }

    /// Sees to it that the work on the desk is that of the moment.
    async fn look_after(&mut self) {
        self.due = None;
        let revision = self.node.template_revision();
        if self.revision == Some(revision) {
            return;
        }
        let now = Instant::now();
        if self.tip != Some(revision.tip) {
            // Nothing that is found on the old tip is of use.
            self.clear();
            // At the start there is no block to keep a distance from.
            if self.tip.replace(revision.tip).is_some() {
                self.paced = now + self.options.block_interval.unwrap_or_default();
            }
        }
        if now < self.paced {
            self.clear();
            self.due = Some(self.paced);
        } else if self.node.is_synced() {
            self.put_work(revision).await;
        } else {
            self.clear();
            self.due = Some(now + RETRY);
        }
    }

    async fn put_work(&mut self, revision: TemplateRevision) {
        let (node, payout) = (self.node.clone(), self.options.payout.clone());
        match tokio::task::spawn_blocking(move || node.template(&payout)).await {
            Ok(Ok(template)) => {
                self.desk.put(Some(template));
                self.revision = Some(revision);
                self.pool_due = Instant::now() + POOL_INTERVAL;
                return;
            }
            Ok(Err(error)) => tracing::warn!("nothing to mine on: {error}"),
            // It panicked, which has been reported by then, or the runtime ends.
            Err(_) => {}
        }
        self.clear();
        self.due = Some(Instant::now() + RETRY);
    }

    fn clear(&mut self) {
        self.desk.put(None);
        self.revision = None;
    }

    /// Gives the node what a worker has found, and has claimed the desk for.
    async fn hand_in(&mut self, found: Found) {
        self.revision = None;
        self.due = Some(Instant::now());
        let outcome = match found {
            Ok(block) => self.submit(block).await,
            Err(error) => Err(error.into()),
        };
        self.desk.release();
        match outcome {
            Ok(()) | Err(BlockRefusal::Fault(_)) => {}
            Err(refusal) => {
                tracing::error!("a block of our own is not valid: {refusal}");
                self.due = Some(Instant::now() + RETRY);
            }
        }
    }

    async fn submit(&self, block: CheckedBlock) -> Result<(), BlockRefusal> {
        let (id, height) = (block.id(), block.coinbase().height);
        match self.node.submit_checked(block).await? {
            Submitted::Connected => {
                self.node.metrics().block_found(BlockSource::Miner);
                tracing::info!(%height, %id, "mined a block");
            }
            Submitted::SideBranch | Submitted::Known => {
                tracing::info!(%height, %id, "mined a block, but another came first");
            }
        }
        Ok(())
    }

    fn read(&self, rate: &mut HashRate, is_logged: bool) {
        let hashes = rate.read(std::time::Instant::now(), self.hashes.load(Ordering::Relaxed));
        let per_second = rate.per_second();
        self.node.metrics().miner_hashed(hashes);
        self.node.metrics().miner_hash_rate(per_second.0);
        if is_logged && per_second.0 > 0.0 {
            tracing::info!(rate = %per_second, kernel = %Kernel::fastest(), threads = self.threads.len(), "mining");
        }
    }

    /// Ends the workers.
    async fn finish(mut self) {
        self.desk.close();
        self.node.metrics().miner_hash_rate(0.0);
        // A worker that waits to hand in a block is told that nobody takes it.
        self.found.close();
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().try_for_each(JoinHandle::join)).await;
        match joined {
            Ok(Ok(())) => tracing::info!("the miner has stopped"),
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // The runtime ends; the threads end by themselves.
            Err(_) => {}
        }
    }
}

/// A foreman that is dropped, as when its task is aborted, leaves no thread behind.
impl Drop for Foreman {
    fn drop(&mut self) {
        self.desk.close();
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::miner::generate;
    use crate::miner::tests::{DEADLINE, open, payout, stop};
    use qbtc_core::spec::ChainSpec;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test(flavor = "multi_thread")]
    async fn work_follows_the_tip() {
        let folder = tempfile::tempdir().unwrap();
        let (node, thread) = open(folder.path(), ChainSpec::dev());
        // With nobody to find a block, work stays on the desk.
        let mut foreman = Foreman::with_threads(node.clone(), MinerOptions::new(payout()), 0).unwrap();
        foreman.look_after().await;
        let (first, work) = foreman.desk.wait().unwrap();
        assert_eq!(work.context().parent, node.chain().state().tip());
        foreman.look_after().await;
        assert!(foreman.desk.is_current(first), "nothing has changed");

        let ids = generate(&node, &payout(), 1, u64::MAX).await.unwrap();
        foreman.look_after().await;
        assert!(!foreman.desk.is_current(first));
        assert_eq!(foreman.desk.wait().unwrap().1.context().parent, ids[0]);
        stop(&node, thread);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn blocks_keep_their_distance() {
        let folder = tempfile::tempdir().unwrap();
        let (node, thread) = open(folder.path(), ChainSpec::dev());
        let options = MinerOptions { block_interval: Some(HOUR), ..MinerOptions::new(payout()) };
        let mut foreman = Foreman::with_threads(node.clone(), options, 2).unwrap();
        // The first block has none before it to wait for.
        foreman.look_after().await;
        let found = tokio::time::timeout(DEADLINE, foreman.found.recv()).await.unwrap().unwrap();
        foreman.hand_in(found).await;
        assert_eq!(node.chain().state().height().0, 1);
        foreman.look_after().await;
        assert_eq!(foreman.revision, None);
        let hashes = foreman.hashes.load(Ordering::Relaxed);
        assert!(foreman.due.unwrap() > Instant::now() + HOUR / 2);
        foreman.pool_moved();
        assert!(foreman.due.unwrap() > Instant::now() + HOUR / 2, "the mempool wakes nobody");

        // An hour later.
        foreman.paced = Instant::now();
        foreman.look_after().await;
        let found = tokio::time::timeout(DEADLINE, foreman.found.recv()).await.unwrap().unwrap();
        assert!(foreman.hashes.load(Ordering::Relaxed) > hashes);
        foreman.hand_in(found).await;
        assert_eq!(node.chain().state().height().0, 2);
        foreman.finish().await;
        stop(&node, thread);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_burst_in_the_mempool_waits_its_turn() {
        let folder = tempfile::tempdir().unwrap();
        let (node, thread) = open(folder.path(), ChainSpec::dev());
        let mut foreman = Foreman::with_threads(node.clone(), MinerOptions::new(payout()), 0).unwrap();
        let before = Instant::now();
        foreman.look_after().await;
        assert_eq!(foreman.due, None);
        foreman.pool_moved();
        foreman.pool_moved();
        let due = foreman.due.unwrap();
        assert!(due >= before + POOL_INTERVAL && due <= Instant::now() + POOL_INTERVAL);
        stop(&node, thread);
    }
}
