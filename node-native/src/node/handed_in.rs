//! What is handed in here, not by a peer, on its way to the one who has others hear of it: each of them once, and none is lost. Whoever hands in
//! more than is passed on waits.

use std::sync::Arc;

use parking_lot::Mutex;
use qbtc_core::tx::Transaction;
use qbtc_core::verify::CheckedBlock;
use tokio::sync::mpsc;

/// The most transactions, and the most blocks, that wait.
const TRANSACTIONS_WAITING_MAX: usize = 256;
const BLOCKS_WAITING_MAX: usize = 16;

/// What was handed in, from the moment on at which this was made.
#[derive(Debug)]
pub(crate) struct HandedIn {
    /// They are in the mempool, or were a moment ago.
    pub(crate) transactions: mpsc::Receiver<Arc<Transaction>>,
    /// They are in the chain.
    pub(crate) blocks: mpsc::Receiver<Arc<CheckedBlock>>,
}

/// The way in, to the latest [`HandedIn`]. While there is none, nobody is to hear of anything.
#[derive(Debug, Default)]
pub(super) struct Outlet(Mutex<Option<Senders>>);

#[derive(Clone, Debug)]
struct Senders {
    transactions: mpsc::Sender<Arc<Transaction>>,
    blocks: mpsc::Sender<Arc<CheckedBlock>>,
}

impl Outlet {
    pub(super) fn open(&self) -> HandedIn {
        let (transactions_in, transactions) = mpsc::channel(TRANSACTIONS_WAITING_MAX);
        let (blocks_in, blocks) = mpsc::channel(BLOCKS_WAITING_MAX);
        *self.0.lock() = Some(Senders { transactions: transactions_in, blocks: blocks_in });
        HandedIn { transactions, blocks }
    }

    /// Waits for room.
    pub(super) async fn spread(&self, transaction: Transaction) {
        let senders = self.0.lock().clone();
        if let Some(senders) = senders {
            // It fails if nobody listens any more.
            let _ = senders.transactions.send(Arc::new(transaction)).await;
        }
    }

    /// Waits for room.
    pub(super) async fn found(&self, block: Arc<CheckedBlock>) {
        let senders = self.0.lock().clone();
        if let Some(senders) = senders {
            // It fails if nobody listens any more.
            let _ = senders.blocks.send(block).await;
        }
    }
}
