//! A thread that searches for blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use qbtc_core::mempool::BlockTemplate;
use qbtc_core::verify::{BlockError, CheckedBlock};
use tokio::sync::mpsc;

use super::desk::{Desk, Ticket};
use super::kernel::Kernel;
use super::search::Search;
use crate::node::Node;

/// What a worker hands to the foreman. An error is a fault of ours: a solution that is none.
pub(super) type Found = Result<CheckedBlock, BlockError>;

/// What all workers share.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) node: Node,
    pub(super) desk: Arc<Desk>,
    pub(super) hashes: Arc<AtomicU64>,
    pub(super) found: mpsc::Sender<Found>,
}

impl Worker {
    /// Works until the desk is closed.
    pub(super) fn run(&self) {
        let kernel = Kernel::fastest();
        while let Some((ticket, template)) = self.desk.wait() {
            let Some(found) = self.search(kernel, ticket, &template) else { continue };
            // The foreman waits for a block whenever it waits for anything, so that this does not last. It fails only if the foreman is
            // gone, and then the desk is closed.
            let _ = self.found.blocking_send(found);
        }
    }

    /// Searches until there is a block or other work.
    fn search(&self, kernel: Kernel, ticket: Ticket, template: &Arc<BlockTemplate>) -> Option<Found> {
        let mut search = Search::new(self.node.extranonce(), Arc::clone(template));
        while self.desk.is_current(ticket) {
            let Some(searched) = search.next_chunk(kernel, self.node.now(), u64::MAX) else {
                search = Search::new(self.node.extranonce(), Arc::clone(template));
                continue;
            };
            self.hashes.fetch_add(searched.hashes, Ordering::Relaxed);
            if let Some(solution) = searched.solution {
                return self.desk.claim(ticket).then(|| search.template().checked_block(&solution, self.node.spec()));
            }
        }
        None
    }
}
