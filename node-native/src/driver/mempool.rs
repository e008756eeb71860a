//! What the driver does with the mempool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use qbtc_core::hash::Txid;
use qbtc_core::mempool::{AdmitError, PriorityError, Removal};
use qbtc_core::units::BlockTime;
use qbtc_core::verify::{CheckedTx, ResolveError};

use super::{Driver, SAVE_DELAY, SAVE_DELAY_MAX, SAVE_SHARE};
use crate::node::{Admission, Event, Fault, now};
use crate::parallel::verify_in_parallel;
use crate::store::MempoolChange;

/// Which transactions of the mempool are on the disk.
#[derive(Debug)]
pub(super) enum SavedMempool {
    /// Those of the last run, which are still being taken back.
    Restoring,
    /// None of this run.
    Never,
    /// These.
    Saved(Saved),
}

/// What is on the disk of the mempool.
#[derive(Debug, Default)]
pub(super) struct Saved {
    /// The places of its transactions.
    places: BTreeSet<u64>,
    priorities: BTreeMap<Txid, i64>,
    /// Which of them were handed in here, and whether others know them.
    own: BTreeMap<Txid, bool>,
}

impl Driver {
    /// Gives transactions to the mempool, and answers whoever sent them.
    pub(super) fn take_transactions(&mut self, admissions: Vec<Admission>) -> Result<(), Fault> {
        let inserted: Vec<_> = {
            let mut live = self.node.shared().live.write();
            let insert = |Admission { candidate, reply }| {
                let tx = Arc::clone(candidate.tx());
                (tx, live.pool.insert(*candidate, &mut self.cache, now()), reply)
            };
            admissions.into_iter().map(insert).collect()
        };
        for (tx, outcome, reply) in inserted {
            let outcome = match outcome {
                // The tip moved, or a parent left, while the signatures were verified. They are remembered, so this costs little.
                Err(AdmitError::TipMoved | AdmitError::ParentLeft { .. }) => self.insert_anew(&tx)?,
                outcome => outcome,
            };
            let answer = match outcome {
                Ok(removed) => {
                    self.mempool_changed();
                    self.tell_removed(removed);
                    // An error would mean that nobody listens.
                    let _ = self.node.shared().events.send(Event::Added(Arc::clone(&tx)));
                    Ok(tx.txid())
                }
                Err(error) => Err(error.into()),
            };
            // That nobody waits for it any more is no fault.
            let _ = reply.send(answer);
        }
        Ok(())
    }

    fn insert_anew(&mut self, tx: &Arc<CheckedTx>) -> Result<Result<Vec<Removal>, AdmitError>, Fault> {
        let resolved = {
            let live = self.node.live();
            live.pool.resolve(tx, &*live.chain, &self.cache, self.node.spec(), now())
        };
        let candidate = match resolved {
            Ok(candidate) => candidate.verify(verify_in_parallel),
            Err(ResolveError::Invalid(error)) => Err(error),
            Err(ResolveError::View(error)) => return Err(error.into()),
        };
        Ok(candidate
            .and_then(|candidate| self.node.shared().live.write().pool.insert(candidate, &mut self.cache, now())))
    }

    pub(super) fn prioritise(&mut self, txid: Txid, fee_delta: i64) -> Result<(), PriorityError> {
        self.mempool_changed();
        self.node.shared().live.write().pool.prioritise(txid, fee_delta)
    }

    /// Has the mempool written before long.
    pub(super) fn mempool_changed(&mut self) {
        self.save_due.get_or_insert_with(|| Instant::now() + self.save_delay);
    }

    pub(super) fn expire(&mut self) {
        let removed = self.node.shared().live.write().pool.expire(now());
        self.tell_removed(removed);
    }

    pub(super) fn tell_removed(&self, removed: Vec<Removal>) {
        for removal in removed {
            self.node.metrics().mempool_removal(&removal.reason);
            self.node.own().remove(&removal.tx.txid());
            // An error would mean that nobody listens.
            let _ = self.node.shared().events.send(Event::Removed(removal));
        }
    }

    /// Writes what has changed in the mempool since the last time, and returns how many transactions it has. Before the transactions of
    /// the last run have been taken back, it leaves what is stored as it is.
    pub(super) fn save_mempool(&mut self) -> Result<usize, Fault> {
        let started = Instant::now();
        self.save_due = None;
        let (now, priorities) = {
            let live = self.node.live();
            let entries = live.pool.entries();
            let now: BTreeMap<u64, (BlockTime, Arc<CheckedTx>)> =
                entries.map(|entry| (entry.sequence().0, (entry.time(), Arc::clone(entry.tx())))).collect();
            let priorities: BTreeMap<Txid, i64> = live.pool.priorities().map(|(txid, delta)| (*txid, delta)).collect();
            (now, priorities)
        };
        let nothing = Saved::default();
        let (is_first, saved) = match &self.saved_mempool {
            SavedMempool::Restoring => return Ok(now.len()),
            SavedMempool::Never => (true, &nothing),
            SavedMempool::Saved(saved) => (false, saved),
        };
        let (places, own): (BTreeSet<u64>, _) = (now.keys().copied().collect(), self.node.own().all());
        let (is_valued_anew, is_own_anew) = (priorities != saved.priorities, own != saved.own);
        if is_first || places != saved.places || is_valued_anew || is_own_anew {
            let came = now.iter().filter(|(place, _)| !saved.places.contains(place));
            self.store.save_mempool(&MempoolChange {
                is_first,
                left: saved.places.difference(&places).copied().collect(),
                came: came.map(|(place, (time, tx))| (*place, *time, tx.transaction())).collect(),
                priorities: (is_first || is_valued_anew).then_some(&priorities),
                own: (is_first || is_own_anew).then_some(&own),
            })?;
        }
        let count = places.len();
        self.saved_mempool = SavedMempool::Saved(Saved { places, priorities, own });
        self.save_delay = started.elapsed().saturating_mul(SAVE_SHARE).clamp(SAVE_DELAY, SAVE_DELAY_MAX);
        Ok(count)
    }
}
