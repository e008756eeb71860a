//! How the chain moves: headers and blocks come in, the tip goes to where the most work is.

use std::sync::Arc;
use std::time::Instant;

use qbtc_core::chain::{HeaderNode, InsertError, Inserted, ReorgError, Status, TreeError, reorg};
use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use qbtc_core::units::Height;
use qbtc_core::verify::{BlockError, CheckedBlock};

use super::stack::Stack;
use super::{Driver, Prune};
use crate::node::{BlockRefusal, Fault, InvalidateError, Pruned, Submitted, Unfollowed, now};
use crate::parallel::verify_in_parallel;

/// The most blocks of one move. A longer way is gone in several moves, each to a valid chain.
const MOVE_BLOCKS_MAX: usize = 64;

impl Driver {
    pub(super) fn take_header(&mut self, header: Header) -> Result<Inserted, InsertError> {
        let inserted = self.node.shared().headers.write().insert(header, now(), self.node.spec())?;
        if inserted == Inserted::New {
            self.batch.push_header(header);
        }
        Ok(inserted)
    }

    /// Takes headers that follow each other, up to the first that is refused. They are written later.
    pub(super) fn take_headers(&mut self, headers: Vec<Header>) -> Result<(), InsertError> {
        let mut tree = self.node.shared().headers.write();
        headers.into_iter().try_for_each(|header| {
            if tree.insert(header, now(), self.node.spec())? == Inserted::New {
                self.batch.push_header(header);
            }
            Ok(())
        })
    }

    /// Takes blocks, parents before children, moves the tip, and says what became of each.
    pub(super) fn take_blocks(
        &mut self,
        blocks: &[Arc<CheckedBlock>],
    ) -> Result<Vec<Result<Submitted, BlockRefusal>>, Fault> {
        let known: Vec<_> = blocks.iter().map(|block| self.take_body(block)).collect();
        let mut invalid = self.advance()?;
        let outcomes = blocks.iter().zip(known).map(|(block, known)| match known {
            Some(outcome) => Ok(outcome),
            None => self.outcome(block, &mut invalid),
        });
        outcomes.collect()
    }

    /// Takes a block for the next move of the tip; or says at once what becomes of it.
    fn take_body(&mut self, block: &Arc<CheckedBlock>) -> Option<Result<Submitted, BlockRefusal>> {
        let id = block.id();
        if let Err(error) = self.take_header(*block.header()) {
            return Some(Err(error.into()));
        }
        let mut headers = self.node.shared().headers.write();
        if headers.node(&id).is_some_and(HeaderNode::has_body) {
            return Some(Ok(Submitted::Known));
        }
        headers.add_body(&id).expect("its header was inserted just now");
        self.incoming.insert(id, Arc::clone(block));
        None
    }

    /// What became of a block by the move of the tip. It is stored in any case.
    fn outcome(
        &mut self,
        block: &Arc<CheckedBlock>,
        invalid: &mut Vec<(BlockHash, BlockError)>,
    ) -> Result<Result<Submitted, BlockRefusal>, Fault> {
        let id = block.id();
        self.incoming.remove(&id);
        if self.is_in_chain(&id, block.coinbase().height)? {
            return Ok(Ok(Submitted::Connected));
        }
        self.batch.push_aside(Arc::clone(block));
        if let Some(place) = invalid.iter().position(|(found, _)| *found == id) {
            return Ok(Err(invalid.swap_remove(place).1.into()));
        }
        let is_invalid = self.node.headers().node(&id).is_some_and(|node| node.status() == Status::Invalid);
        Ok(if is_invalid { Err(BlockRefusal::KnownInvalid { id }) } else { Ok(Submitted::SideBranch) })
    }

    /// Whether a block is in the chain, be it written or on its way to the disk.
    fn is_in_chain(&self, id: &BlockHash, height: Height) -> Result<bool, Fault> {
        for batch in [Some(&self.batch), self.writer.batch()].into_iter().flatten() {
            if batch.connected(id).is_some() {
                return Ok(true);
            }
            if height >= batch.first_height() {
                return Ok(false);
            }
        }
        Ok(self.view.block_id(height)? == Some(*id))
    }

    /// Moves the tip to the best complete block that is within reach, and returns which blocks were found invalid on the way. A long way is
    /// written in parts.
    pub(super) fn advance(&mut self) -> Result<Vec<(BlockHash, BlockError)>, Fault> {
        let mut invalid = Vec::new();
        while let Some(path) = self.next_path()? {
            if self.is_out_of_reach(&path) {
                continue;
            }
            let started = Instant::now();
            let stack =
                Stack { incoming: &self.incoming, batches: [Some(&self.batch), self.writer.batch()], view: &self.view };
            let spec = self.node.spec();
            let change = reorg(self.batch.state(), &path, &stack, &mut self.cache, spec, verify_in_parallel);
            match change {
                Ok(change) => {
                    if !path.disconnect.is_empty() {
                        let depth = u32::try_from(path.disconnect.len()).unwrap_or(u32::MAX);
                        tracing::warn!(depth, fork = %path.fork, height = %path.fork_height, "reorg");
                        self.node.metrics().reorg(depth);
                    }
                    self.batch.push(change).map_err(|error| {
                        let id = *path.connect.last().unwrap_or(&path.fork);
                        let found = qbtc_core::chain::Inconsistency::Coins { id, error };
                        Fault::from(self.store.inconsistent(found.to_string()))
                    })?;
                    self.node.metrics().blocks_applied(path.connect.len(), started.elapsed());
                    self.flush_if_large()?;
                }
                Err(ReorgError::Invalid { id, error }) => {
                    // Its roots were compared before it was stored: these are the transactions of its header.
                    debug_assert!(error.condemns_header(), "{error}");
                    tracing::warn!(block = %id, "invalid block: {error}");
                    self.node.metrics().block_refused();
                    self.node.shared().headers.write().mark_invalid(&id).expect("a block of the path is in the tree");
                    self.batch.set_invalid(id, true);
                    invalid.push((id, error));
                }
                Err(ReorgError::Store(error)) => return Err(error.into()),
                Err(ReorgError::Inconsistent(error)) => return Err(self.store.inconsistent(error.to_string()).into()),
            }
        }
        Ok(invalid)
    }

    /// The way to a better tip, if there is one, also among those that were out of reach and may be so no more.
    fn next_path(&self) -> Result<Option<qbtc_core::chain::Path>, Fault> {
        let path = self.better_path();
        if path.is_none() && self.forget_unfollowed()? { Ok(self.better_path()) } else { Ok(path) }
    }

    /// The way to a better tip, if there is one. Of two with equal work, the first seen stays, also after a restart.
    fn better_path(&self) -> Option<qbtc_core::chain::Path> {
        let headers = self.node.headers();
        let (tip, best) = (self.batch.state().tip(), headers.best_complete());
        let current = headers.node(&tip)?;
        let is_better = current.status() == Status::Invalid || best.work() > current.work();
        if best.id() == tip || !is_better {
            return None;
        }
        headers.path(&tip, &best.id(), MOVE_BLOCKS_MAX)
    }

    /// Whether the way to the best block takes back blocks that are pruned. Then its branch is set aside, as if it were invalid, until the node
    /// is started again, told to reconsider, or has as much work itself: what is gone cannot be undone, and a chain with less work is better than
    /// none.
    fn is_out_of_reach(&self, path: &qbtc_core::chain::Path) -> bool {
        let below = self.view.pruned_below();
        // The way may be cut off above the fork.
        let Some(lowest) = path.disconnect.last().filter(|_| below > Height::GENESIS) else { return false };
        let mut headers = self.node.shared().headers.write();
        let (best, work) = (headers.best_complete().id(), headers.best_complete().work());
        let fork = headers.fork(lowest, &best).map_or(Height::GENESIS, HeaderNode::height);
        let first = fork.next().filter(|first| *first < below).and_then(|first| headers.ancestor(&best, first));
        let Some(first) = first.map(HeaderNode::id) else { return false };
        headers.mark_invalid(&first).expect("above the fork, so in the tree and not its root");
        drop(headers);
        let unfollowed = Unfollowed { fork, first, below, work };
        tracing::error!("{unfollowed}");
        *self.node.shared().unfollowed.lock() = Some(unfollowed);
        true
    }

    /// Where this chain has as much work as the one that it cannot follow, that one is a branch like any other: it is told of no more, and what
    /// builds on it is taken again, so that peers who send it are not at fault. Returns whether it was so.
    fn forget_unfollowed(&self) -> Result<bool, Fault> {
        let Some(unfollowed) = self.node.unfollowed() else { return Ok(false) };
        let mut headers = self.node.shared().headers.write();
        let tip = headers.node(&self.batch.state().tip());
        if !tip.is_some_and(|tip| tip.status() != Status::Invalid && tip.work() >= unfollowed.work) {
            return Ok(false);
        }
        // One of which the operator has said so stays invalid.
        let refused = self.store.invalid_blocks()?;
        headers.reconsider(&unfollowed.first).expect("it was marked, so it is in the tree");
        for id in refused {
            // Those below the tree's root are not in it.
            let _ = headers.mark_invalid(&id);
        }
        drop(headers);
        *self.node.shared().unfollowed.lock() = None;
        tracing::info!("this chain has as much work again as the one that leaves it with block {}", unfollowed.first);
        Ok(true)
    }

    pub(super) fn invalidate(&mut self, id: BlockHash) -> Result<Result<(), InvalidateError>, Fault> {
        self.flush()?;
        let height = self.node.shared().headers.read().node(&id).map(HeaderNode::height);
        let below = self.view.pruned_below();
        if let Some(height) = height.filter(|height| (Height(1)..below).contains(height))
            && self.view.block_id(height)? == Some(id)
        {
            return Ok(Err(InvalidateError::Pruned { height, below }));
        }
        let marked = self.node.shared().headers.write().mark_invalid(&id);
        if let Err(error) = marked {
            return Ok(Err(error.into()));
        }
        self.batch.set_invalid(id, true);
        self.advance()?;
        self.flush()?;
        Ok(Ok(()))
    }

    pub(super) fn reconsider(&mut self, id: BlockHash) -> Result<Result<(), InvalidateError>, Fault> {
        self.flush()?;
        let marked = self.store.invalid_blocks()?;
        let freed: Vec<_> = {
            let mut headers = self.node.shared().headers.write();
            match headers.reconsider(&id) {
                Err(error @ TreeError::Unknown { .. }) => return Ok(Err(error.into())),
                _ => {
                    let is_valid =
                        |id: &BlockHash| headers.node(id).is_some_and(|node| node.status() != Status::Invalid);
                    marked.into_iter().filter(is_valid).collect()
                }
            }
        };
        for id in freed {
            self.batch.set_invalid(id, false);
        }
        self.advance()?;
        self.flush()?;
        Ok(Ok(()))
    }

    /// Prunes below a height, as far as reorgs allow and one step does.
    pub(super) fn prune(&mut self, below: Height) -> Result<Pruned, Fault> {
        let limit = Height(self.view.state().height().0.saturating_sub(Prune::DEPTH_MIN));
        let below = below.min(limit);
        let is_done = !self.store.prune(below, below, self.options.prune_blocks_max)?;
        self.refresh_view()?;
        Ok(Pruned { below: self.view.pruned_below(), is_done })
    }

    /// Prunes what the options do not keep, in a few steps: more of it than a batch of blocks makes old.
    pub(super) fn prune_old(&mut self) -> Result<(), Fault> {
        let tip = self.view.state().height().0;
        let below =
            |depth: Option<u32>| Height(depth.map_or(0, |depth| tip.saturating_sub(depth.max(Prune::DEPTH_MIN))));
        let (witnesses, bodies) =
            (below(self.options.prune.witnesses.or(self.options.prune.bodies)), below(self.options.prune.bodies));
        // Not at each block: a transaction costs as much for one block as for many.
        let due = |done: Height, wanted: Height| wanted.0 >= done.0 + PRUNE_STEP_BLOCKS;
        for _ in 0..=self.options.batch_blocks_max / self.options.prune_blocks_max as usize {
            if !due(self.view.pruned_below(), witnesses) && !due(self.view.bodies_pruned_below(), bodies) {
                break;
            }
            self.store.prune(witnesses, bodies, self.options.prune_blocks_max)?;
            self.refresh_view()?;
        }
        Ok(())
    }
}

/// How many blocks become old before they are pruned.
const PRUNE_STEP_BLOCKS: u32 = 16;
