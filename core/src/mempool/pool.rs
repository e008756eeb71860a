//! The pool: how transactions come in, and what can be asked.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::admission::{self, Plan};
use super::candidate::{Candidate, VerifiedCandidate};
use super::entry::{Arrival, MempoolEntry, Sequence};
use super::estimate::Estimator;
use super::floor::Floor;
use super::graph::Graph;
use super::priority::Priorities;
use super::removal::{Removal, RemovalReason};
use super::view::MempoolView;
use super::{AdmitError, Policy};
use crate::hash::{Txid, Wtxid};
use crate::spec::ChainSpec;
use crate::tx::OutPoint;
use crate::units::{BlockTime, FeeRate, Height};
use crate::utxo::CoinView;
use crate::verify::{CheckedTx, ResolveError, ResolvedTx, VerifiedCache, resolve_transaction};

/// The unconfirmed transactions of a node: each valid in the next block after those it depends on, none in conflict with another.
#[derive(Clone, Debug)]
pub struct Mempool {
    pub(super) policy: Policy,
    pub(super) graph: Graph,
    /// The height of the next block.
    pub(super) height: Height,
    pub(super) tip_moves: u64,
    pub(super) estimator: Estimator,
    pub(super) priorities: Priorities,
    floor: Floor,
    revision: u64,
    next_sequence: u64,
}

impl Mempool {
    /// An empty pool for blocks of this height, the one above the tip's.
    #[must_use]
    pub fn new(policy: Policy, height: Height) -> Self {
        Self {
            policy,
            graph: Graph::default(),
            height,
            tip_moves: 0,
            estimator: Estimator::default(),
            priorities: Priorities::default(),
            floor: Floor::default(),
            revision: 0,
            next_sequence: 0,
        }
    }

    /// Checks everything about a transaction but its signatures: rules, policy, conflicts. The coins are those at the tip.
    ///
    /// What costs little comes first, so that a transaction that is refused costs no signature.
    ///
    /// # Errors
    /// [`ResolveError::Invalid`] with the reason why the pool would not take it; [`ResolveError::View`], if the coins cannot be
    /// read.
    pub fn resolve<V: CoinView>(
        &self,
        tx: &Arc<CheckedTx>,
        coins: &V,
        cache: &VerifiedCache,
        spec: &ChainSpec,
        now: BlockTime,
    ) -> Result<Candidate, ResolveError<AdmitError, V::Error>> {
        self.check_unknown(tx).map_err(ResolveError::Invalid)?;
        self.policy.check_alone(tx).map_err(ResolveError::Invalid)?;
        let view = MempoolView::replaceable(&self.graph, coins, self.height);
        let resolved = resolve_transaction(tx, self.height, &view, cache, spec).map_err(|error| match error {
            ResolveError::Invalid(error) => ResolveError::Invalid(AdmitError::Spend(error)),
            ResolveError::View(error) => ResolveError::View(error),
        })?;
        self.plan(&resolved, now).map_err(ResolveError::Invalid)?;
        let parents = self.graph.parents_of(tx.body());
        let parents = parents.into_iter().map(|parent| self.graph.entry(parent).txid()).collect();
        Ok(Candidate { resolved, parents, tip_moves: self.tip_moves })
    }

    /// Takes a transaction in, and returns what it pushed out. Its witnesses are remembered, whatever becomes of it.
    ///
    /// # Errors
    /// [`AdmitError`], if the pool changed in the meantime so that it takes the transaction no more; after [`AdmitError::TipMoved`]
    /// it should be resolved again, which costs no signature now. The pool is left as it was.
    pub fn insert(
        &mut self,
        candidate: VerifiedCandidate,
        cache: &mut VerifiedCache,
        now: BlockTime,
    ) -> Result<Vec<Removal>, AdmitError> {
        candidate.remember(cache);
        let VerifiedCandidate(Candidate { resolved, parents, tip_moves }) = candidate;
        self.check_unknown(resolved.tx())?;
        if tip_moves != self.tip_moves {
            return Err(AdmitError::TipMoved);
        }
        if let Some(txid) = parents.into_iter().find(|parent| self.graph.by_txid(parent).is_none()) {
            return Err(AdmitError::ParentLeft { txid });
        }
        let plan = self.plan(&resolved, now)?;
        Ok(self.apply(plan, resolved, now))
    }

    /// The coins at the tip with the pool's transactions applied: what a wallet may still spend.
    pub const fn view<V: CoinView>(&self, coins: V) -> MempoolView<'_, V> {
        MempoolView::unspent(&self.graph, coins, self.height)
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The height of the next block, in which everything here is valid.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.height
    }

    /// Counts the changes of the pool: as long as it stays the same, so do templates.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// How many transactions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.graph.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.graph.len() == 0
    }

    /// The size of all transactions with witnesses, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.graph.size_bytes()
    }

    /// About how much memory they take, in bytes: what [`Policy::pool_bytes_max`] bounds.
    #[must_use]
    pub fn usage_bytes(&self) -> u64 {
        self.graph.usage_bytes()
    }

    /// The least fee rate that the pool takes now.
    #[must_use]
    pub fn fee_rate_min(&self, now: BlockTime) -> FeeRate {
        let negligible =
            FeeRate::from_quanta_per_1000_bytes(self.policy.incremental_fee_rate.quanta_per_1000_bytes() / 2);
        self.policy.relay_fee_rate_min.max(self.floor.at(now, self.policy.floor_half_life_s, negligible))
    }

    /// The transaction of this id.
    #[must_use]
    pub fn entry(&self, txid: &Txid) -> Option<&MempoolEntry> {
        self.graph.by_txid(txid).map(|sequence| self.graph.entry(sequence))
    }

    /// The transaction of this id with witnesses.
    #[must_use]
    pub fn entry_by_wtxid(&self, wtxid: &Wtxid) -> Option<&MempoolEntry> {
        self.graph.by_wtxid(wtxid).map(|sequence| self.graph.entry(sequence))
    }

    /// The transaction that spends a coin.
    #[must_use]
    pub fn spender(&self, outpoint: &OutPoint) -> Option<&MempoolEntry> {
        self.graph.spender(outpoint).map(|sequence| self.graph.entry(sequence))
    }

    /// The transactions of the pool that an entry spends from, in the order of arrival.
    pub fn parents(&self, entry: &MempoolEntry) -> impl Iterator<Item = &MempoolEntry> {
        self.relatives(entry, Graph::parents)
    }

    /// The transactions of the pool that spend from an entry, in the order of arrival.
    pub fn children(&self, entry: &MempoolEntry) -> impl Iterator<Item = &MempoolEntry> {
        self.relatives(entry, Graph::children)
    }

    /// All transactions in the order of arrival.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &MempoolEntry> {
        self.graph.entries()
    }

    /// The transactions that came after this one, in the order of arrival: what to tell a peer that knows the rest.
    pub fn entries_after(&self, sequence: Sequence) -> impl Iterator<Item = &MempoolEntry> {
        self.graph.entries_after(sequence)
    }

    fn relatives<'a>(
        &'a self,
        entry: &MempoolEntry,
        of: impl Fn(&'a Graph, Sequence) -> &'a [Sequence],
    ) -> impl Iterator<Item = &'a MempoolEntry> {
        // An entry of another pool, or one that left, has no relatives here.
        let here = self.graph.by_txid(&entry.txid());
        let relatives = here.map(|sequence| of(&self.graph, sequence)).unwrap_or_default();
        relatives.iter().map(|relative| self.graph.entry(*relative))
    }

    fn check_unknown(&self, tx: &CheckedTx) -> Result<(), AdmitError> {
        let Some(sequence) = self.graph.by_txid(&tx.txid()) else { return Ok(()) };
        let (found, known) = (tx.wtxid(), self.graph.entry(sequence).wtxid());
        Err(if found == known {
            AdmitError::Known { wtxid: found }
        } else {
            AdmitError::OtherWitnesses { found, known }
        })
    }

    fn plan(&self, resolved: &ResolvedTx, now: BlockTime) -> Result<Plan, AdmitError> {
        let fee_delta = self.priorities.of(&resolved.tx().txid());
        admission::plan(&self.graph, resolved, fee_delta, &self.policy, self.fee_rate_min(now))
    }

    fn apply(&mut self, plan: Plan, resolved: ResolvedTx, now: BlockTime) -> Vec<Removal> {
        let by = resolved.tx().txid();
        let mut removed = self.remove_all(plan.replaced, &RemovalReason::Replaced { by });
        if !plan.evicted.is_empty() {
            removed.extend(self.remove_all(plan.evicted, &RemovalReason::Evicted));
            self.raise_floor(plan.evicted_rate, now);
        }
        let arrival = self.arrival(now);
        self.graph.insert(resolved, self.priorities.of(&by), arrival);
        self.changed();
        removed
    }

    /// The floor rises above what was evicted: what comes next must beat that, and pay for its relay.
    pub(super) fn raise_floor(&mut self, evicted: FeeRate, now: BlockTime) {
        let increment = self.policy.incremental_fee_rate.quanta_per_1000_bytes();
        let raised = evicted.quanta_per_1000_bytes().saturating_add(increment);
        self.floor.raise(FeeRate::from_quanta_per_1000_bytes(raised), now, self.policy.floor_half_life_s);
    }

    pub(super) fn arrival(&mut self, time: BlockTime) -> Arrival {
        self.next_sequence += 1;
        Arrival { sequence: Sequence(self.next_sequence), height: self.height, time }
    }

    pub(super) fn changed(&mut self) {
        self.revision += 1;
    }

    /// Takes out transactions, all descendants of which are among them.
    pub(super) fn remove_all(&mut self, closed: BTreeSet<Sequence>, reason: &RemovalReason) -> Vec<Removal> {
        let removed = self.graph.remove_all(closed).into_iter();
        removed.map(|entry| Removal { tx: Arc::clone(entry.tx()), reason: reason.clone() }).collect()
    }
}
