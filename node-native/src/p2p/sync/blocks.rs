//! Blocks from peers on their way into the chain: the same way that blocks of a file take.
//!
//! ```text
//! decode and check → verify signatures (all processors, some blocks ahead) → driver, in order → what came of it
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use qbtc_core::block::{Block, BlockBytesError};
use qbtc_core::hash::BlockHash;
use qbtc_core::sync::{BlockOutcome, Body, Input};
use qbtc_core::verify::{BlockError, CheckedBlock, VerifiedCache, check_block};
use tokio::sync::{mpsc, oneshot};

use crate::import::{Checking, Verifying, verify_ahead};
use crate::node::{BlockRefusal, Fault, Importing, Node, Verified};

/// How many blocks may wait to be checked: no fewer than the machine hands out at a time.
const WAITING_MAX: usize = 64;
/// How many blocks may wait for the driver, or for its answer.
const UNDER_WAY_MAX: usize = 8;

/// Takes blocks.
pub(super) struct BlocksHandle {
    node: Node,
    ids: mpsc::Sender<BlockHash>,
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
    /// Takes a block. Returns `false` if the node stops.
    pub(super) fn take(&self, id: BlockHash, body: Body) -> bool {
        let (checked, checking) = oneshot::channel();
        if self.ids.blocking_send(id).is_err() || self.checks.blocking_send(checking).is_err() {
            return false;
        }
        // Nobody waits for it any more if the node stops.
        match body {
            Body::Checked(block) => drop(checked.send(Ok(block))),
            Body::Bytes(bytes) => {
                let spec = Arc::clone(self.node.spec());
                rayon::spawn(move || {
                    let limit = spec.consensus().limits.block_bytes as usize;
                    let block = Block::from_bytes(&bytes.0, limit).map_err(Unfit::Bytes);
                    let outcome = block.and_then(|block| check_block(block, &spec).map_err(Unfit::Body));
                    drop(checked.send(outcome.map(Arc::new)));
                });
            }
        }
        true
    }
}

/// The task that brings blocks into the chain.
pub(super) struct Blocks {
    node: Node,
    ids: mpsc::Receiver<BlockHash>,
    verifying: mpsc::Receiver<Result<Verifying, Unfit>>,
    under_way: VecDeque<(BlockHash, Importing)>,
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
                Some((id, importing)) if self.verifying.is_empty() => {
                    let id = *id;
                    tokio::select! {
                        biased;
                        outcome = importing.finish() => {
                            self.under_way.pop_front();
                            self.tell(id, outcome_of(&outcome)?).await?;
                            continue;
                        }
                        next = self.verifying.recv() => next?,
                    }
                }
                _ => self.verifying.recv().await?,
            };
            let id = self.ids.recv().await?;
            match next {
                Ok(Verifying { block, verified }) => self.begin(id, block, verified.await.ok()?).await?,
                Err(unfit) => {
                    // The machine wants to hear of blocks in their order.
                    self.finish(0).await?;
                    self.refuse(id, &unfit).await?;
                }
            }
            self.finish(UNDER_WAY_MAX).await?;
        }
    }

    async fn begin(&mut self, id: BlockHash, block: Arc<CheckedBlock>, verified: Vec<Verified>) -> Option<()> {
        // A block that comes alone is what miners wait for; of many, nobody waits for each.
        let is_last = self.node.is_synced() && self.verifying.is_empty();
        let importing = if is_last {
            self.node.import_at_once(block, verified).await
        } else {
            self.node.import_checked(block, verified).await
        };
        self.under_way.push_back((id, importing.ok()?));
        Some(())
    }

    /// Waits until no more than so many blocks are under way.
    async fn finish(&mut self, most: usize) -> Option<()> {
        while self.under_way.len() > most {
            let (id, mut importing) = self.under_way.pop_front()?;
            let outcome = importing.finish().await;
            self.tell(id, outcome_of(&outcome)?).await?;
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
        self.tell(id, BlockOutcome::WrongBody).await
    }

    async fn tell(&self, id: BlockHash, outcome: BlockOutcome) -> Option<()> {
        self.to_machine.send(Input::BlockTaken { id, outcome }).await.ok()
    }
}

/// What the machine is told; `None`, if the node stops.
fn outcome_of<T>(outcome: &Result<T, BlockRefusal>) -> Option<BlockOutcome> {
    match outcome {
        Ok(_) => Some(BlockOutcome::Stored),
        Err(BlockRefusal::KnownInvalid { .. } | BlockRefusal::Header(_) | BlockRefusal::Block(_)) => {
            Some(BlockOutcome::Invalid)
        }
        Err(BlockRefusal::Fault(_)) => None,
    }
}
