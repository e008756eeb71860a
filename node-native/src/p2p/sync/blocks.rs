//! Blocks from peers on their way into the chain: the same way that blocks of a file take.
//!
//! ```text
//! decode and check → verify signatures (all processors, some runs ahead) → driver, in order → what came of each
//! ```

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use qbtc_core::block::{Block, BlockBytesError};
use qbtc_core::hash::BlockHash;
use qbtc_core::sync::{BlockOutcome, Body, Input};
use qbtc_core::verify::{BlockError, CheckedBlock, VerifiedCache, check_block};
use tokio::sync::{mpsc, oneshot};

use crate::import::{Checking, RUNS_UNDER_WAY_MAX, RunSize, Verifying, verify_ahead};
use crate::node::{BlockRefusal, Fault, Importing, Node, Submitted, Verified};

/// How many runs of blocks may wait to be checked: no fewer than the machine hands out blocks at a time.
const WAITING_MAX: usize = 128;

/// Takes blocks.
pub(super) struct BlocksHandle {
    node: Node,
    ids: mpsc::Sender<Vec<BlockHash>>,
    checks: mpsc::Sender<Checking<Unfit>>,
}

/// Why bytes are not the block that was asked for.
#[derive(Debug)]
pub(super) enum Unfit {
    /// Bytes that are no block.
    Bytes(BlockBytesError),
    /// A block that does not hold together. Says nothing about the header.
    Body(BlockError),
    /// Our own fault.
    Fault(Fault),
}

impl From<Fault> for Unfit {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl BlocksHandle {
    /// Takes blocks, parents before children. Returns `false` if the node stops.
    pub(super) fn take(&self, blocks: impl IntoIterator<Item = (BlockHash, Body)>) -> bool {
        let mut blocks = blocks.into_iter().peekable();
        while blocks.peek().is_some() {
            let mut size = RunSize::default();
            let run = std::iter::from_fn(|| {
                let next = if size.is_full() { None } else { blocks.next() }?;
                size.add(next.1.size_bytes());
                Some(next)
            });
            if !self.take_run(run.unzip()) {
                return false;
            }
        }
        true
    }

    fn take_run(&self, (ids, bodies): (Vec<BlockHash>, Vec<Body>)) -> bool {
        let (checked, checking) = oneshot::channel();
        if self.ids.blocking_send(ids).is_err() || self.checks.blocking_send(checking).is_err() {
            return false;
        }
        let spec = Arc::clone(self.node.spec());
        rayon::spawn(move || {
            let limit = spec.consensus().limits.block_bytes as usize;
            let check = |body| match body {
                Body::Checked(block) => Ok(block),
                Body::Bytes(bytes) => {
                    let block = Block::from_bytes(&bytes.0, limit).map_err(Unfit::Bytes)?;
                    check_block(block, &spec).map(Arc::new).map_err(Unfit::Body)
                }
            };
            // Nobody waits for it any more if the node stops.
            drop(checked.send(bodies.into_iter().map(check).collect()));
        });
        true
    }
}

/// Blocks that wait for the driver, or for its answer.
struct UnderWay {
    ids: Vec<BlockHash>,
    importing: Importing,
}

/// The task that brings blocks into the chain.
pub(super) struct Blocks {
    node: Node,
    ids: mpsc::Receiver<Vec<BlockHash>>,
    verifying: mpsc::Receiver<Verifying<Unfit>>,
    under_way: VecDeque<UnderWay>,
    to_machine: mpsc::Sender<Input>,
}

impl Blocks {
    /// Starts the task. It ends when the handle is dropped.
    pub(super) fn start(node: &Node, to_machine: mpsc::Sender<Input>) -> BlocksHandle {
        let (ids_sender, ids) = mpsc::channel(WAITING_MAX);
        let (checks, checking) = mpsc::channel(WAITING_MAX);
        let verifying = verify_ahead(node, VerifiedCache::new(1), checking);
        let blocks = Self { node: node.clone(), ids, verifying, under_way: VecDeque::new(), to_machine };
        tokio::spawn(blocks.run());
        BlocksHandle { node: node.clone(), ids: ids_sender, checks }
    }

    /// Goes on until the node stops.
    async fn run(mut self) -> Option<()> {
        loop {
            // While blocks are under way, whatever comes first: the next block, or what came of the first.
            let next = match self.under_way.front_mut() {
                Some(first) if self.verifying.is_empty() => {
                    tokio::select! {
                        biased;
                        outcomes = first.importing.finish() => {
                            let ids = self.under_way.pop_front()?.ids;
                            self.tell(ids, &outcomes.ok()?).await?;
                            continue;
                        }
                        next = self.verifying.recv() => next?,
                    }
                }
                _ => self.verifying.recv().await?,
            };
            let ids = self.ids.recv().await?;
            self.take(ids, next).await?;
            self.finish(RUNS_UNDER_WAY_MAX).await?;
        }
    }

    async fn take(&mut self, ids: Vec<BlockHash>, run: Verifying<Unfit>) -> Option<()> {
        let mut verified = run.verified.await.ok()?;
        let (mut fit_ids, mut fit) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
        for (id, block) in ids.into_iter().zip(run.blocks) {
            match block {
                Ok(block) => {
                    fit_ids.push(id);
                    fit.push(block);
                }
                Err(unfit) => {
                    // The machine wants to hear of blocks in their order.
                    self.begin(mem::take(&mut fit_ids), mem::take(&mut fit), mem::take(&mut verified)).await?;
                    self.finish(0).await?;
                    self.refuse(id, &unfit).await?;
                }
            }
        }
        self.begin(fit_ids, fit, verified).await
    }

    async fn begin(
        &mut self,
        ids: Vec<BlockHash>,
        blocks: Vec<Arc<CheckedBlock>>,
        verified: Vec<Verified>,
    ) -> Option<()> {
        if blocks.is_empty() {
            return Some(());
        }
        // A block that comes alone is what miners wait for; of many, nobody waits for each.
        let is_last = self.node.is_synced() && self.verifying.is_empty();
        let importing = if is_last {
            self.node.import_at_once(blocks, verified).await
        } else {
            self.node.import_checked(blocks, verified).await
        };
        self.under_way.push_back(UnderWay { ids, importing: importing.ok()? });
        Some(())
    }

    /// Waits until no more than so many runs are under way.
    async fn finish(&mut self, most: usize) -> Option<()> {
        while self.under_way.len() > most {
            let UnderWay { ids, mut importing } = self.under_way.pop_front()?;
            let outcomes = importing.finish().await.ok()?;
            self.tell(ids, &outcomes).await?;
        }
        Some(())
    }

    async fn refuse(&self, id: BlockHash, unfit: &Unfit) -> Option<()> {
        match unfit {
            Unfit::Bytes(error) => tracing::debug!(block = %id, "a peer's block cannot be read: {error}"),
            Unfit::Body(error) => tracing::debug!(block = %id, "a peer's block does not hold together: {error}"),
            Unfit::Fault(fault) => {
                tracing::debug!("blocks of peers are not taken any more: {fault}");
                return None;
            }
        }
        self.to_machine.send(Input::BlocksTaken { outcomes: vec![(id, BlockOutcome::WrongBody)] }).await.ok()
    }

    async fn tell(&self, ids: Vec<BlockHash>, outcomes: &[Result<Submitted, BlockRefusal>]) -> Option<()> {
        let outcomes = ids.into_iter().zip(outcomes).map(|(id, outcome)| Some((id, outcome_of(outcome)?)));
        self.to_machine.send(Input::BlocksTaken { outcomes: outcomes.collect::<Option<_>>()? }).await.ok()
    }
}

/// What the machine is told; `None`, if the node stops.
fn outcome_of(outcome: &Result<Submitted, BlockRefusal>) -> Option<BlockOutcome> {
    match outcome {
        Ok(_) => Some(BlockOutcome::Stored),
        Err(BlockRefusal::KnownInvalid { .. } | BlockRefusal::Header(_) | BlockRefusal::Block(_)) => {
            Some(BlockOutcome::Invalid)
        }
        Err(BlockRefusal::Fault(_)) => None,
    }
}
