//! What the driver does with the mempool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use qbtc_core::hash::Txid;
use qbtc_core::mempool::{AdmitError, Removal, VerifiedCandidate};
use qbtc_core::units::BlockTime;
use qbtc_core::verify::{CheckedTx, ResolveError};

use super::{Driver, verify_in_parallel};
use crate::node::{Event, Fault, TxRefusal, now};

/// Which transactions of the mempool are on the disk.
#[derive(Debug)]
pub(super) enum SavedMempool {
    /// Those of the last run, which are still being taken back.
    Restoring,
    /// None of this run.
    Never,
    /// Those in these places.
    Places(BTreeSet<u64>),
}

impl Driver {
    pub(super) fn take_transaction(&mut self, candidate: VerifiedCandidate) -> Result<Result<Txid, TxRefusal>, Fault> {
        let tx = Arc::clone(candidate.tx());
        let outcome = match self.insert(candidate) {
            // The tip moved, or a parent left, while the signatures were verified. They are remembered, so this costs little.
            Err(AdmitError::TipMoved | AdmitError::ParentLeft { .. }) => {
                let resolved = {
                    let live = self.node.live();
                    live.pool.resolve(&tx, &*live.chain, &self.cache, self.node.spec(), now())
                };
                match resolved {
                    Ok(candidate) => candidate.verify(verify_in_parallel).and_then(|candidate| self.insert(candidate)),
                    Err(ResolveError::Invalid(error)) => Err(error),
                    Err(ResolveError::View(error)) => return Err(error.into()),
                }
            }
            outcome => outcome,
        };
        Ok(match outcome {
            Ok(removed) => {
                self.tell_removed(removed);
                // An error would mean that nobody listens.
                let _ = self.node.shared().events.send(Event::Added(Arc::clone(&tx)));
                Ok(tx.txid())
            }
            Err(error) => Err(error.into()),
        })
    }

    fn insert(&mut self, candidate: VerifiedCandidate) -> Result<Vec<Removal>, AdmitError> {
        self.node.shared().live.write().pool.insert(candidate, &mut self.cache, now())
    }

    pub(super) fn expire(&mut self) {
        let removed = self.node.shared().live.write().pool.expire(now());
        self.tell_removed(removed);
    }

    pub(super) fn tell_removed(&self, removed: Vec<Removal>) {
        for removal in removed {
            self.node.metrics().mempool_removal(&removal.reason);
            // An error would mean that nobody listens.
            let _ = self.node.shared().events.send(Event::Removed(removal));
        }
    }

    /// Writes what has changed in the mempool since the last time, and returns how many transactions it has. Before the transactions of
    /// the last run have been taken back, it leaves what is stored as it is.
    pub(super) fn save_mempool(&mut self) -> Result<usize, Fault> {
        let now: BTreeMap<u64, (BlockTime, Arc<CheckedTx>)> = {
            let live = self.node.live();
            let entries = live.pool.entries();
            entries.map(|entry| (entry.sequence().0, (entry.time(), Arc::clone(entry.tx())))).collect()
        };
        let (is_first, saved) = match &self.saved_mempool {
            SavedMempool::Restoring => return Ok(now.len()),
            SavedMempool::Never => (true, BTreeSet::new()),
            SavedMempool::Places(places) => (false, places.clone()),
        };
        let places: BTreeSet<u64> = now.keys().copied().collect();
        if is_first || places != saved {
            let came = now.iter().filter(|(place, _)| !saved.contains(place));
            let came = came.map(|(place, (time, tx))| (*place, *time, tx.transaction()));
            self.store.save_mempool(is_first, saved.difference(&places).copied(), came)?;
        }
        let count = places.len();
        self.saved_mempool = SavedMempool::Places(places);
        Ok(count)
    }
}
