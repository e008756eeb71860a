//! What happens to the pool when the chain moves, and when time passes.
//!
//! A block on top costs as much as its transactions: what it holds leaves, what it contradicts leaves, what expires leaves; all else
//! stays valid, since locks, maturity and schemes only open with rising height. A reorg is rarer and undoes all that, so the pool is then
//! built anew, through the same rules as at first: the transactions of the blocks that left, then those of the pool. What was
//! verified before costs no signature.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashMap;

use super::admission::check_relatives;
use super::entry::{Arrival, MempoolEntry, Package};
use super::graph::Graph;
use super::pool::Mempool;
use super::removal::{Removal, RemovalReason};
use super::view::MempoolView;
use crate::crypto::{CryptoError, SignatureJob};
use crate::hash::{BlockHash, Txid};
use crate::spec::ChainSpec;
use crate::tx::OutPoint;
use crate::units::{BlockTime, Height};
use crate::utxo::CoinView;
use crate::verify::{
    CheckedBlock, CheckedTx, ResolveError, SpendError, VerifiedBlock, VerifiedCache, resolve_transaction,
};

/// How the chain moved.
#[derive(Clone, Copy, Debug)]
pub struct TipChange<'a> {
    /// The blocks that left the chain, the old tip first.
    pub disconnected: &'a [CheckedBlock],
    /// The blocks that entered the chain, the lowest first.
    pub connected: &'a [VerifiedBlock],
}

/// What the new blocks took.
struct Taken {
    mined: HashMap<Txid, BlockHash>,
    spent: HashMap<OutPoint, Txid>,
}

impl TipChange<'_> {
    /// The height of the next block; `None` if nothing moved.
    fn next_height(&self) -> Option<Height> {
        let above = |height: Height| height.next().unwrap_or(Height(u32::MAX));
        let connected = self.connected.last().map(|block| above(block.height()));
        // The next block takes the place of the lowest that left.
        connected.or_else(|| self.disconnected.last().map(|block| block.coinbase().height))
    }

    fn taken(&self) -> Taken {
        let mut taken = Taken { mined: HashMap::new(), spent: HashMap::new() };
        for block in self.connected.iter().map(VerifiedBlock::block) {
            for tx in block.transactions() {
                taken.mined.insert(tx.txid(), block.id());
                taken.spent.extend(tx.body().inputs.iter().map(|outpoint| (*outpoint, tx.txid())));
            }
        }
        taken
    }
}

impl Mempool {
    /// Follows the chain, and returns what left the pool and what left the chain without coming back to the pool.
    ///
    /// The coins are those at the new tip. `run` verifies signatures as in [`crate::verify::ResolvedBlock::verify`]; it is called
    /// only after a reorg, and only for transactions that the cache has forgotten: it should have room for a full pool.
    ///
    /// # Errors
    /// If the coins cannot be read; then the pool is as it was and no longer fits the tip.
    pub fn move_tip<V: CoinView>(
        &mut self,
        change: &TipChange<'_>,
        coins: &V,
        cache: &mut VerifiedCache,
        spec: &ChainSpec,
        now: BlockTime,
        mut run: impl FnMut(&[SignatureJob<'_>]) -> Result<(), (usize, CryptoError)>,
    ) -> Result<Vec<Removal>, V::Error> {
        let Some(height) = change.next_height() else { return Ok(Vec::new()) };
        let removed = if change.disconnected.is_empty() {
            self.height = height;
            change.connected.iter().flat_map(|block| self.connect(block, spec)).collect()
        } else {
            let rebuild = Rebuild { change, taken: change.taken(), height, coins, spec, removed: Vec::new() };
            let (graph, removed) = rebuild.finish(self, cache, now, &mut run)?;
            self.estimator.forget(change.disconnected.len());
            for block in change.connected.iter().map(VerifiedBlock::block) {
                self.record_block(block, spec);
                block.transactions().iter().for_each(|tx| self.priorities.clear(&tx.txid()));
            }
            self.height = height;
            self.graph = graph;
            removed
        };
        self.tip_moves += 1;
        self.changed();
        Ok(removed.into_iter().chain(self.expire_at_height()).chain(self.shrink(now)).collect())
    }

    /// Drops what has waited too long, with what depends on it.
    pub fn expire(&mut self, now: BlockTime) -> Vec<Removal> {
        let mut removed = Vec::new();
        while let Some(oldest) = self.graph.oldest() {
            if now.seconds_since(oldest.time()) <= i64::from(self.policy.age_max_s) {
                break;
            }
            let closed = self.graph.with_descendants(&[oldest.sequence()]);
            removed.extend(self.remove_all(closed, &RemovalReason::TooOld));
            self.changed();
        }
        removed
    }

    fn connect(&mut self, block: &VerifiedBlock, spec: &ChainSpec) -> Vec<Removal> {
        let mut removed = Vec::new();
        let block = block.block();
        self.record_block(block, spec);
        for tx in block.transactions() {
            self.priorities.clear(&tx.txid());
            if let Some(sequence) = self.graph.by_txid(&tx.txid()) {
                // What it depended on stood before it in the block, so it has no parents here any more.
                let entry = self.graph.remove(sequence);
                let reason = RemovalReason::Mined { block: block.id() };
                removed.push(Removal { tx: Arc::clone(entry.tx()), reason });
                continue;
            }
            for outpoint in &tx.body().inputs {
                if let Some(conflict) = self.graph.spender(outpoint) {
                    let closed = self.graph.with_descendants(&[conflict]);
                    removed.extend(self.remove_all(closed, &RemovalReason::Conflict { with: tx.txid() }));
                }
            }
        }
        removed
    }

    /// Drops what the next block may not hold any more.
    fn expire_at_height(&mut self) -> Vec<Removal> {
        let mut removed = Vec::new();
        let height = self.height;
        while let Some(expired) = self.graph.expired_at(height) {
            let closed = self.graph.with_descendants(&[expired]);
            removed.extend(self.remove_all(closed, &RemovalReason::Expired { height }));
        }
        removed
    }

    /// Brings the pool back under its limit, the lowest rates first.
    fn shrink(&mut self, now: BlockTime) -> Vec<Removal> {
        let mut removed = Vec::new();
        while self.graph.usage_bytes() > self.policy.pool_bytes_max {
            let lowest = self.graph.by_keep_rate().next();
            let (rate, sequence) = lowest.expect("a pool over its limit holds something");
            let closed = self.graph.with_descendants(&[sequence]);
            removed.extend(self.remove_all(closed, &RemovalReason::Evicted));
            self.raise_floor(rate, now);
        }
        removed
    }
}

/// A pool that is built anew after a reorg.
struct Rebuild<'a, V> {
    change: &'a TipChange<'a>,
    taken: Taken,
    height: Height,
    coins: &'a V,
    spec: &'a ChainSpec,
    removed: Vec<Removal>,
}

impl<V: CoinView> Rebuild<'_, V> {
    fn finish(
        mut self,
        pool: &mut Mempool,
        cache: &mut VerifiedCache,
        now: BlockTime,
        run: &mut impl FnMut(&[SignatureJob<'_>]) -> Result<(), (usize, CryptoError)>,
    ) -> Result<(Graph, Vec<Removal>), V::Error> {
        let mut graph = Graph::default();
        // Lowest block first, so that each transaction comes after those it spends from.
        let left_chain = self.change.disconnected.iter().rev().flat_map(CheckedBlock::transactions);
        let mut again: Vec<_> = left_chain.map(|tx| (Arc::clone(tx), None)).collect();
        let kept = pool.graph.in_order(pool.graph.entries().map(MempoolEntry::sequence));
        again.extend(kept.into_iter().map(|sequence| {
            let entry = pool.graph.entry(sequence);
            (Arc::clone(entry.tx()), Some(entry.arrival()))
        }));
        for (tx, arrival) in again {
            if let Some(block) = self.taken.mined.get(&tx.txid()) {
                // Of those that changed from block to block nothing is told: they were not in the pool.
                if arrival.is_some() {
                    self.removed.push(Removal { tx, reason: RemovalReason::Mined { block: *block } });
                }
                continue;
            }
            let arrival = arrival.unwrap_or_else(|| pool.arrival(now));
            if let Some(reason) = self.add(&mut graph, &tx, arrival, pool, cache, run)? {
                self.removed.push(Removal { tx, reason });
            }
        }
        Ok((graph, self.removed))
    }

    /// Adds one transaction, or says why not. The fee floor is not asked: a miner, or this pool, has taken it once. The limits on relatives are.
    fn add(
        &self,
        graph: &mut Graph,
        tx: &Arc<CheckedTx>,
        arrival: Arrival,
        pool: &Mempool,
        cache: &mut VerifiedCache,
        run: &mut impl FnMut(&[SignatureJob<'_>]) -> Result<(), (usize, CryptoError)>,
    ) -> Result<Option<RemovalReason>, V::Error> {
        let view = MempoolView::unspent(graph, self.coins, self.height);
        let resolved = match resolve_transaction(tx, self.height, &view, cache, self.spec) {
            Ok(resolved) => resolved,
            Err(ResolveError::View(error)) => return Err(error),
            Err(ResolveError::Invalid(error)) => return Ok(Some(self.reason(error))),
        };
        let jobs = resolved.jobs();
        if !jobs.is_empty()
            && let Err((_, error)) = run(&jobs)
        {
            return Ok(Some(RemovalReason::Signature(error)));
        }
        drop(jobs);
        resolved.remember(cache);
        let fee_delta = pool.priorities.of(&tx.txid());
        let own = Package::of(&resolved, fee_delta);
        if let Err(error) = check_relatives(graph, &resolved, &own, &BTreeSet::new(), &pool.policy) {
            return Ok(Some(RemovalReason::Relatives(error)));
        }
        graph.insert(resolved, fee_delta, arrival);
        Ok(None)
    }

    fn reason(&self, error: SpendError) -> RemovalReason {
        match error {
            SpendError::Expired { height, .. } => RemovalReason::Expired { height },
            SpendError::MissingCoin { outpoint } => match self.taken.spent.get(&outpoint) {
                Some(with) => RemovalReason::Conflict { with: *with },
                None => RemovalReason::Invalid(SpendError::MissingCoin { outpoint }),
            },
            error => RemovalReason::Invalid(error),
        }
    }
}
