//! What the driver does with the mempool.

use qbtc_core::hash::Txid;
use qbtc_core::mempool::{AdmitError, Removal, VerifiedCandidate};
use qbtc_core::verify::ResolveError;

use super::{Driver, verify_in_parallel};
use crate::node::{Event, Fault, TxRefusal, now};

impl Driver {
    pub(super) fn take_transaction(&mut self, candidate: VerifiedCandidate) -> Result<Result<Txid, TxRefusal>, Fault> {
        let tx = std::sync::Arc::clone(candidate.tx());
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
                let _ = self.node.shared().events.send(Event::Added(std::sync::Arc::clone(&tx)));
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

    pub(super) fn save_mempool(&mut self) -> Result<usize, Fault> {
        let waiting: Vec<_> = {
            let live = self.node.live();
            live.pool.entries().map(|entry| (entry.time(), std::sync::Arc::clone(entry.tx()))).collect()
        };
        self.store.save_mempool(waiting.iter().map(|(time, tx)| (*time, tx.transaction())))?;
        Ok(waiting.len())
    }
}
