//! How blocks, headers and transactions come in. All doors lead here: RPC, REST, Stratum, the built-in miner, and peers.

use std::sync::Arc;
use std::time::Instant;

use qbtc_core::block::Block;
use qbtc_core::chain::Inserted;
use qbtc_core::crypto::verify_serial;
use qbtc_core::hash::{BlockHash, Txid, Wtxid};
use qbtc_core::header::Header;
use qbtc_core::mempool::{AdmitError, VerifiedCandidate};
use qbtc_core::tx::Transaction;
use qbtc_core::units::{Amount, Height};
use qbtc_core::verify::{
    BlockContext, CheckedBlock, CheckedTx, HeaderContext, ResolveError, VerifiedCache, verify_proposal,
};
use tokio::sync::oneshot;

use super::{BlockRefusal, Command, Commit, Fault, HeaderRefusal, Node, PrioritiseError, TxRefusal, Unverified};
use crate::parallel::{check_block_in_parallel, verify_in_parallel};

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is in the chain.
    Connected,
    /// It is stored; another chain has more work, or a block below it is missing.
    SideBranch,
    /// It was stored before.
    Known,
}

/// A transaction that the mempool would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tested {
    /// Its id.
    pub txid: Txid,
    /// Its id with witnesses.
    pub wtxid: Wtxid,
    /// Its size with witnesses, in bytes.
    pub size_bytes: u32,
    /// What it leaves to the miner.
    pub fee: Amount,
}

/// A transaction whose witnesses passed, and the height from which on they hold.
pub(crate) type Verified = (Wtxid, Height);

/// Blocks on their way into the chain.
pub(crate) struct Importing {
    node: Node,
    answer: oneshot::Receiver<Vec<Result<Submitted, BlockRefusal>>>,
}

impl Importing {
    /// Waits for what comes of each. Must not be called again once it has returned.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) async fn finish(&mut self) -> Result<Vec<Result<Submitted, BlockRefusal>>, Fault> {
        (&mut self.answer).await.map_err(|_| self.node.stopped())
    }
}

impl Tested {
    pub(crate) fn new(candidate: &VerifiedCandidate) -> Self {
        let tx = candidate.tx();
        Self { txid: tx.txid(), wtxid: tx.wtxid(), size_bytes: tx.size_bytes(), fee: candidate.fee() }
    }
}

impl Node {
    /// Gives the node a block. When this returns [`Submitted`], the block is on the disk.
    ///
    /// # Errors
    /// [`BlockRefusal`].
    pub async fn submit_block(&self, block: Block) -> Result<Submitted, BlockRefusal> {
        let spec = Arc::clone(self.spec());
        let checked = off_the_loop(move || check_block_in_parallel(block, &spec)).await??;
        self.submit_checked(checked).await
    }

    /// Gives the node a block that was checked in isolation, such as one made from a template.
    ///
    /// # Errors
    /// [`BlockRefusal`].
    pub async fn submit_checked(&self, block: CheckedBlock) -> Result<Submitted, BlockRefusal> {
        let block = Arc::new(block);
        let outcomes = self.import_at_once(vec![Arc::clone(&block)], Vec::new()).await?.finish().await?;
        let outcome = outcomes.into_iter().next().expect("an outcome for each block");
        if let Ok(Submitted::Connected) = outcome {
            self.0.outlet.found(block).await;
        }
        outcome
    }

    /// Gives the node some of many blocks, parents before children, as when it synchronises: they may be written later, together with others;
    /// and some of their transactions may have been verified. Returns as soon as the node has them; what came of each comes later, so that
    /// the next can be on their way meanwhile.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) async fn import_checked(
        &self,
        blocks: Vec<Arc<CheckedBlock>>,
        verified: Vec<Verified>,
    ) -> Result<Importing, Fault> {
        self.import(blocks, verified, Commit::Later).await
    }

    /// [`Self::import_checked`] of blocks that others wait for: they are written before the answer.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) async fn import_at_once(
        &self,
        blocks: Vec<Arc<CheckedBlock>>,
        verified: Vec<Verified>,
    ) -> Result<Importing, Fault> {
        self.import(blocks, verified, Commit::Now).await
    }

    /// Has what was imported written and shown now, though more could come.
    ///
    /// # Errors
    /// [`Fault`].
    pub(crate) async fn write_imported(&self) -> Result<(), Fault> {
        self.import_at_once(Vec::new(), Vec::new()).await?.finish().await.map(drop)
    }

    async fn import(
        &self,
        blocks: Vec<Arc<CheckedBlock>>,
        verified: Vec<Verified>,
        commit: Commit,
    ) -> Result<Importing, Fault> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Blocks { blocks, verified, commit, reply };
        self.0.commands.send(command).await.map_err(|_| self.stopped())?;
        Ok(Importing { node: self.clone(), answer })
    }

    /// Checks everything about a block on top of the tip but its work. Nothing changes.
    ///
    /// # Errors
    /// [`BlockRefusal`]; [`qbtc_core::chain::InsertError::UnknownParent`] for another parent than the tip.
    pub async fn check_proposal(&self, block: Block) -> Result<(), BlockRefusal> {
        let node = self.clone();
        off_the_loop(move || node.check_proposal_here(block)).await?
    }

    fn check_proposal_here(&self, block: Block) -> Result<(), BlockRefusal> {
        let chain = self.chain();
        let (parent, state) = (block.header.parent, chain.state());
        if parent != state.tip() {
            let id = block.id();
            return Err(BlockRefusal::Header(qbtc_core::chain::InsertError::UnknownParent { id, parent }));
        }
        let height = state.height().next().unwrap_or(Height(u32::MAX));
        let header = {
            let headers = self.headers();
            let median_time_past = headers.median_time(&parent).expect("the tip is in the tree");
            let expected_bits = headers.next_bits(&parent, self.spec())?;
            HeaderContext { height, expected_bits, median_time_past, now: self.now() }
        };
        let context = BlockContext { height, history_root: state.history_root() };
        let cache = VerifiedCache::new(1);
        verify_proposal(block, &header, &context, &*chain, &cache, self.spec(), verify_in_parallel).map_err(|error| {
            match error {
                ResolveError::Invalid(error) => error.into(),
                ResolveError::View(error) => Fault::from(error).into(),
            }
        })
    }

    /// Gives the node a header.
    ///
    /// # Errors
    /// [`HeaderRefusal`].
    pub async fn submit_header(&self, header: Header) -> Result<Inserted, HeaderRefusal> {
        self.ask(|reply| Command::Header { header, reply }).await?
    }

    /// Gives the node headers that follow each other. They are on the disk some time later. Those before the first that is refused are taken.
    ///
    /// # Errors
    /// [`HeaderRefusal`].
    pub(crate) async fn submit_headers(&self, headers: Vec<Header>) -> Result<(), HeaderRefusal> {
        self.ask(|reply| Command::Headers { headers, reply }).await?
    }

    /// Gives the mempool a transaction.
    ///
    /// # Errors
    /// [`TxRefusal`].
    pub async fn submit_transaction(&self, transaction: Transaction) -> Result<Txid, TxRefusal> {
        let started = Instant::now();
        let outcome = self.admit(transaction).await;
        match &outcome {
            Ok(_) => self.metrics().transaction_accepted(started.elapsed()),
            Err(TxRefusal::Fault(_)) => {}
            Err(_) => self.metrics().transaction_refused(started.elapsed()),
        }
        outcome
    }

    /// Gives the mempool a transaction that is handed in here, not by a peer, and has others hear of it. One that waits already is spread once
    /// more.
    ///
    /// # Errors
    /// As [`Node::submit_transaction`].
    pub async fn spread_transaction(&self, transaction: Transaction) -> Result<Txid, TxRefusal> {
        let outcome = self.submit_transaction(transaction.clone()).await;
        if let Ok(_) | Err(TxRefusal::Admit(AdmitError::Known { .. })) = outcome {
            let txid = transaction.txid();
            self.own().add(txid);
            // It may have been mined this moment, and nobody would tell of it again.
            if self.live().pool.entry(&txid).is_none() {
                self.own().remove(&txid);
            }
            self.0.outlet.spread(transaction).await;
        }
        outcome
    }

    async fn admit(&self, transaction: Transaction) -> Result<Txid, TxRefusal> {
        self.have_verified(|reply| Unverified::Admit(Box::new(transaction), reply)).await?
    }

    /// Says whether the mempool would take a transaction. Nothing changes.
    ///
    /// # Errors
    /// [`TxRefusal`].
    pub async fn test_transaction(&self, transaction: Transaction) -> Result<Tested, TxRefusal> {
        self.have_verified(|reply| Unverified::Test(Box::new(transaction), reply)).await?
    }

    async fn have_verified<T>(&self, task: impl FnOnce(oneshot::Sender<T>) -> Unverified) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        self.0.unverified.send(task(reply)).await.map_err(|_| self.stopped())?;
        answer.await.map_err(|_| self.stopped())
    }

    /// Verifies a transaction on this thread.
    pub(crate) fn verify_checked(&self, tx: &Arc<CheckedTx>) -> Result<VerifiedCandidate, TxRefusal> {
        let candidate = {
            let live = self.live();
            // The driver's cache is not at hand here, and would rarely help: what was verified before is in the pool.
            let cache = VerifiedCache::new(1);
            live.pool.resolve(tx, &*live.chain, &cache, self.spec(), self.now()).map_err(|error| match error {
                ResolveError::Invalid(error) => TxRefusal::Admit(error),
                ResolveError::View(error) => Fault::from(error).into(),
            })?
        };
        Ok(candidate.verify(verify_serial)?)
    }

    /// Declares a block invalid, as an operator may.
    ///
    /// # Errors
    /// The reason in words, if the block is unknown or the genesis block.
    pub async fn invalidate(&self, id: BlockHash) -> Result<(), InvalidateError> {
        self.ask(|reply| Command::Invalidate { id, reply }).await?
    }

    /// Forgets that a block was found or declared invalid, and tries it again.
    ///
    /// # Errors
    /// As [`Node::invalidate`].
    pub async fn reconsider(&self, id: BlockHash) -> Result<(), InvalidateError> {
        self.ask(|reply| Command::Reconsider { id, reply }).await?
    }

    /// Removes the witnesses and bodies of blocks below a height, as far as reorgs allow, and returns below which they are gone.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn prune(&self, below: Height) -> Result<Height, Fault> {
        loop {
            // Between two steps the chain moves on.
            let pruned = self.ask(|reply| Command::Prune { below, reply }).await??;
            if pruned.is_done {
                return Ok(pruned.below);
            }
        }
    }

    /// Values a transaction by so many quanta above what it pays, or below: see [`Mempool::prioritise`](qbtc_core::mempool::Mempool::prioritise).
    ///
    /// # Errors
    /// [`PrioritiseError`].
    pub async fn prioritise(&self, txid: Txid, fee_delta: i64) -> Result<(), PrioritiseError> {
        Ok(self.ask(|reply| Command::Prioritise { txid, fee_delta, reply }).await??)
    }

    /// Writes the mempool to the disk, and returns how many transactions it has.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn save_mempool(&self) -> Result<usize, Fault> {
        self.ask(|reply| Command::SaveMempool { reply }).await?
    }

    /// Why nobody answers.
    fn stopped(&self) -> Fault {
        self.fault().cloned().unwrap_or(Fault::Stopping)
    }

    /// Tells the driver that the mempool of the last run has been restored, so that it may be written over.
    pub(crate) async fn mempool_restored(&self) {
        // If the node stops meanwhile, what is stored stays as it is.
        let _ = self.0.commands.send(Command::MempoolRestored).await;
    }

    pub(crate) async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Fault> {
        let (reply, answer) = oneshot::channel();
        self.0.commands.send(command(reply)).await.map_err(|_| self.stopped())?;
        answer.await.map_err(|_| self.stopped())
    }
}

/// Why a block cannot be declared invalid or valid.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InvalidateError {
    /// It is unknown, or the genesis block.
    #[error(transparent)]
    Tree(#[from] qbtc_core::chain::TreeError),
    /// To undo the chain down to it takes blocks that are pruned.
    #[error("block at height {height} is pruned, as are all below height {below}: the chain cannot be undone so deep")]
    Pruned {
        /// The block's height.
        height: Height,
        /// From which height on blocks are whole.
        below: Height,
    },
    /// Our own fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Runs what takes a while on a thread of its own.
async fn off_the_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    // It fails only if the work panics, which has been reported by then, or the runtime ends.
    tokio::task::spawn_blocking(work).await.map_err(|_| Fault::Stopping)
}
