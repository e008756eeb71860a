//! What the owner of the chain, and the threads that verify transactions for it, can be asked to do.

use std::sync::Arc;

use qbtc_core::chain::Inserted;
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::header::Header;
use qbtc_core::mempool::{PriorityError, VerifiedCandidate};
use qbtc_core::tx::Transaction;
use qbtc_core::units::Height;
use qbtc_core::verify::CheckedBlock;
use tokio::sync::oneshot;

use super::{BlockRefusal, Fault, HeaderRefusal, InvalidateError, Submitted, Tested, TxRefusal, Verified};

/// When a block must be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    /// Before the answer.
    Now,
    /// Some time later, together with others.
    Later,
}

/// What one step of pruning came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pruned {
    /// Below which height witnesses are gone.
    pub(crate) below: Height,
    /// Whether nothing is left to do.
    pub(crate) is_done: bool,
}

type Reply<T> = oneshot::Sender<T>;

/// A transaction for the mempool.
pub(crate) struct Admission {
    pub(crate) candidate: Box<VerifiedCandidate>,
    pub(crate) reply: Reply<Result<Txid, TxRefusal>>,
}

/// A request to the driver. Whoever asked may be gone by the time of the answer.
pub(crate) enum Command {
    /// Blocks, parents before children.
    Blocks {
        blocks: Vec<Arc<CheckedBlock>>,
        /// Those of their transactions whose witnesses are known to hold.
        verified: Vec<Verified>,
        commit: Commit,
        /// What became of each.
        reply: Reply<Vec<Result<Submitted, BlockRefusal>>>,
    },
    Header {
        header: Header,
        reply: Reply<Result<Inserted, HeaderRefusal>>,
    },
    /// Headers that follow each other. Those before the first that is refused are taken.
    Headers {
        headers: Vec<Header>,
        reply: Reply<Result<(), HeaderRefusal>>,
    },
    /// Transactions that were verified together.
    Transactions(Vec<Admission>),
    Invalidate {
        id: BlockHash,
        reply: Reply<Result<(), InvalidateError>>,
    },
    Reconsider {
        id: BlockHash,
        reply: Reply<Result<(), InvalidateError>>,
    },
    Prune {
        below: Height,
        reply: Reply<Result<Pruned, Fault>>,
    },
    Prioritise {
        txid: Txid,
        fee_delta: i64,
        reply: Reply<Result<(), PriorityError>>,
    },
    SaveMempool {
        reply: Reply<Result<usize, Fault>>,
    },
    /// The transactions of the last run have been offered to the mempool.
    MempoolRestored,
    /// Time has passed.
    Expire,
    /// The node stops.
    Stop,
}

/// What the threads that verify transactions can be asked to do.
pub(crate) enum Unverified {
    /// Verify a transaction and give it to the mempool.
    Admit(Box<Transaction>, oneshot::Sender<Result<Txid, TxRefusal>>),
    /// Verify a transaction only.
    Test(Box<Transaction>, oneshot::Sender<Result<Tested, TxRefusal>>),
    /// End one thread.
    Stop,
}
