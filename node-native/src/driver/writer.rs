//! Writing, and showing what is written.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use qbtc_core::mempool::{Mempool, TipChange};

use super::Driver;
use crate::node::{BlockSummary, Event, Fault, Live, Tip, TipMoved, now};
use crate::parallel::verify_in_parallel;
use crate::store::{Batch, StoreError};

/// A batch that another thread writes.
#[derive(Default)]
pub(super) struct Writer(Option<Writing>);

struct Writing {
    batch: Arc<Batch>,
    done: Receiver<Result<(), StoreError>>,
}

impl Writer {
    /// The batch that is being written.
    pub(super) fn batch(&self) -> Option<&Batch> {
        self.0.as_ref().map(|writing| &*writing.batch)
    }
}

impl Driver {
    /// Whether something waits to be written or shown.
    pub(super) fn has_unwritten(&self) -> bool {
        self.writer.0.is_some() || !self.batch.is_empty()
    }

    /// Writes and publishes everything.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        self.finish_writing()?;
        if !self.batch.is_empty() {
            let batch = self.seal();
            let started = Instant::now();
            self.store.commit(&batch)?;
            self.node.metrics().store_committed(started.elapsed(), batch.bytes() as u64);
            self.publish(&batch)?;
            self.prune_old()?;
        }
        Ok(())
    }

    /// Lets another thread write what waits, if that is much.
    pub(super) fn flush_if_large(&mut self) -> Result<(), Fault> {
        let is_large =
            self.batch.bytes() >= self.options.batch_bytes_max || self.batch.blocks() >= self.options.batch_blocks_max;
        if !is_large {
            return Ok(());
        }
        self.finish_writing()?;
        let batch = Arc::new(self.seal());
        let (sender, done) = sync_channel(1);
        let (store, metrics, written) = (self.store.clone(), Arc::clone(self.node.metrics()), Arc::clone(&batch));
        let write = move || {
            let started = Instant::now();
            let outcome = store.commit(&written);
            metrics.store_committed(started.elapsed(), written.bytes() as u64);
            drop(written);
            // The driver waits for this, unless it has failed itself.
            let _ = sender.send(outcome);
        };
        std::thread::Builder::new().name("writer".into()).spawn(write).map_err(StoreError::from)?;
        self.writer.0 = Some(Writing { batch, done });
        Ok(())
    }

    fn finish_writing(&mut self) -> Result<(), Fault> {
        let Some(writing) = &self.writer.0 else { return Ok(()) };
        let died = || StoreError::from(std::io::Error::other("the writing thread died"));
        writing.done.recv().map_err(|_| died())??;
        let Writing { batch, .. } = self.writer.0.take().expect("looked at just now");
        self.publish(&batch)?;
        self.prune_old()
    }

    /// Takes the batch, and begins another on top of it.
    fn seal(&mut self) -> Batch {
        let next = Batch::new(self.batch.state().clone());
        std::mem::replace(&mut self.batch, next)
    }

    pub(super) fn refresh_view(&mut self) -> Result<(), Fault> {
        self.view = Arc::new(self.store.view()?);
        self.node.shared().live.write().chain = Arc::clone(&self.view);
        Ok(())
    }

    /// Shows a batch that is written: the mempool follows, and everybody is told.
    fn publish(&mut self, batch: &Batch) -> Result<(), Fault> {
        if batch.moves_nothing() {
            return self.refresh_view();
        }
        self.view = Arc::new(self.store.view()?);
        let shared = Arc::clone(self.node.shared());
        let change = TipChange { disconnected: batch.left(), connected: batch.chain() };
        let (view, cache) = (&*self.view, &mut self.cache);
        let mut follow =
            |pool: &mut Mempool| pool.move_tip(&change, view, cache, &shared.spec, now(), verify_in_parallel);
        let removed = if change.disconnected.is_empty() {
            let mut live = shared.live.write();
            let removed = follow(&mut live.pool)?;
            live.chain = Arc::clone(&self.view);
            removed
        } else {
            // After a reorg each transaction is looked at anew: beside the pool that others read. Nobody else changes it.
            let mut pool = shared.live.read().pool.clone();
            let removed = follow(&mut pool)?;
            *shared.live.write() = Live { pool, chain: Arc::clone(&self.view) };
            removed
        };
        let state = self.view.state();
        log_tip(batch);
        shared.tip.send_replace(Tip { id: state.tip(), height: state.height() });
        if shared.events.receiver_count() > 0 {
            // An error would mean that the last subscriber has left meanwhile.
            let _ = shared.events.send(Event::Tip(Arc::new(summary(batch))));
        }
        self.tell_removed(removed);
        Ok(())
    }
}

fn log_tip(batch: &Batch) {
    let state = batch.state();
    let transactions: usize = batch.chain().iter().map(|block| block.block().transactions().len() + 1).sum();
    let (height, id, blocks) = (state.height(), state.tip(), batch.chain().len());
    tracing::info!(%height, %id, blocks, transactions, "new tip");
}

fn summary(batch: &Batch) -> TipMoved {
    TipMoved {
        disconnected: batch.left().iter().map(|block| BlockSummary::new(block, &[])).collect(),
        connected: batch.chain().iter().map(|block| BlockSummary::new(block.block(), &block.undo().0)).collect(),
    }
}
