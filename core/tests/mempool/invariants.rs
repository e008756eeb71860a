//! What must hold of every pool after every call, counted anew from what the pool shows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use qbtc_core::hash::Txid;
use qbtc_core::mempool::{Mempool, MempoolEntry, Package, TemplateTx};
use qbtc_core::tx::OutPoint;
use qbtc_core::units::{Amount, Height};
use qbtc_core::utxo::CoinView;
use qbtc_core::verify::{VerifiedCache, resolve_transaction};

use super::world::{World, quanta};

/// Checks all invariants.
pub(crate) fn check(world: &World) {
    let pool = &world.pool;
    let entries: BTreeMap<Txid, &MempoolEntry> = pool.entries().map(|entry| (entry.txid(), entry)).collect();
    assert_eq!(entries.len(), pool.len());
    assert!(pool.usage_bytes() <= pool.policy().pool_bytes_max);
    assert_eq!(pool.size_bytes(), entries.values().map(|entry| u64::from(entry.size_bytes())).sum::<u64>());
    let mut spent = BTreeSet::new();
    for entry in entries.values() {
        check_inputs(world, entry, &entries, &mut spent);
        check_relatives(world, entry, &entries);
        assert_eq!(pool.entry_by_wtxid(&entry.wtxid()).unwrap().txid(), entry.txid());
        let expiry = entry.tx().body().expiry_height;
        assert!(expiry == Height(0) || expiry >= pool.height());
    }
    assert!(pool.entries().is_sorted_by_key(MempoolEntry::sequence));
    check_view(world, &entries);
}

/// Each input is at the tip or made in the pool, and nobody else spends it; and the transaction is valid when looked at afresh.
fn check_inputs(
    world: &World,
    entry: &MempoolEntry,
    entries: &BTreeMap<Txid, &MempoolEntry>,
    spent: &mut BTreeSet<OutPoint>,
) {
    for outpoint in &entry.tx().body().inputs {
        assert!(spent.insert(*outpoint), "two transactions spend {outpoint:?}");
        assert_eq!(world.pool.spender(outpoint).unwrap().txid(), entry.txid());
        let Ok(at_tip) = world.coins.coin(outpoint);
        assert!(at_tip.is_some() != entries.contains_key(&outpoint.txid), "{outpoint:?} is at the tip or in the pool");
    }
    // A view in which the entry's own coins are not spent yet: that of the coins that it is known to spend.
    let view = Known(entry);
    let afresh =
        resolve_transaction(entry.tx(), world.pool.height(), &view, &VerifiedCache::new(1), &world.spec).unwrap();
    assert_eq!(afresh.fee(), entry.fee());
}

struct Known<'a>(&'a MempoolEntry);

impl CoinView for Known<'_> {
    type Error = std::convert::Infallible;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<qbtc_core::utxo::Coin>, Self::Error> {
        let place = self.0.tx().body().inputs.iter().position(|input| input == outpoint);
        Ok(place.map(|place| self.0.spent()[place]))
    }
}

fn check_relatives(world: &World, entry: &MempoolEntry, entries: &BTreeMap<Txid, &MempoolEntry>) {
    let parents = |entry: &MempoolEntry| -> BTreeSet<Txid> {
        let inputs = entry.tx().body().inputs.iter().map(|outpoint| outpoint.txid);
        inputs.filter(|txid| entries.contains_key(txid)).collect()
    };
    let shown: BTreeSet<_> = world.pool.parents(entry).map(MempoolEntry::txid).collect();
    assert_eq!(shown, parents(entry));
    for parent in &shown {
        let children = world.pool.children(entries[parent]);
        assert!(children.map(MempoolEntry::txid).any(|child| child == entry.txid()));
    }
    let mut ancestors = BTreeSet::from([entry.txid()]);
    let mut open = vec![entry.txid()];
    while let Some(txid) = open.pop() {
        open.extend(parents(entries[&txid]).into_iter().filter(|parent| ancestors.insert(*parent)));
    }
    let mut descendants = BTreeSet::from([entry.txid()]);
    let mut open = vec![entry.txid()];
    while let Some(txid) = open.pop() {
        let children = world.pool.children(entries[&txid]).map(MempoolEntry::txid);
        open.extend(children.filter(|child| descendants.insert(*child)));
    }
    let sum = |of: &BTreeSet<Txid>| Package {
        count: u32::try_from(of.len()).unwrap(),
        size_bytes: of.iter().map(|txid| u64::from(entries[txid].size_bytes())).sum(),
        fees: of.iter().fold(Amount::ZERO, |sum, txid| sum.checked_add(entries[txid].fee()).unwrap()),
        modified_fees: of.iter().map(|txid| worth(&world.pool, entries[txid])).sum(),
    };
    assert_eq!(*entry.ancestors(), sum(&ancestors));
    assert_eq!(*entry.descendants(), sum(&descendants));
    let policy = world.pool.policy();
    assert!(entry.ancestors().count <= policy.ancestors_max && entry.descendants().count <= policy.descendants_max);
    assert!(entry.ancestors().size_bytes <= policy.ancestor_bytes_max);
    assert!(entry.descendants().size_bytes <= policy.descendant_bytes_max);
}

/// What a transaction is to the operator of the pool, in quanta.
fn worth(pool: &Mempool, entry: &MempoolEntry) -> i128 {
    let fee_delta = pool.priorities().find(|(txid, _)| **txid == entry.txid()).map_or(0, |(_, fee_delta)| fee_delta);
    let worth = i128::from(entry.fee().quanta()) + i128::from(fee_delta);
    assert_eq!(entry.modified_fee(), worth);
    worth
}

/// The view shows what is made and hides what is spent.
fn check_view(world: &World, entries: &BTreeMap<Txid, &MempoolEntry>) {
    let view = world.pool.view(&world.coins);
    for entry in entries.values() {
        for (output, index) in entry.tx().body().outputs.iter().zip(0..) {
            let outpoint = OutPoint { txid: entry.txid(), index };
            let Ok(seen) = view.coin(&outpoint);
            let is_unspent = output.lock.address().is_some() && world.pool.spender(&outpoint).is_none();
            assert_eq!(seen.map(|coin| coin.amount), is_unspent.then_some(output.amount));
        }
        for outpoint in &entry.tx().body().inputs {
            assert_eq!(view.coin(outpoint), Ok(None));
        }
    }
}

/// A template is valid under every rule of verification, within its limit, and says the truth about itself.
pub(crate) fn check_template(world: &World) {
    let template = world.template();
    let block = world.solve(&template);
    assert!(block.to_bytes().len() as u64 <= u64::from(template.size_bytes()));
    assert!(template.size_bytes() <= world.spec.consensus().limits.block_bytes);
    let ids: Vec<_> = template.transactions().iter().map(TemplateTx::txid).collect();
    assert_eq!(block.leaves()[2..], ids);
    if world.pool.size_bytes() < u64::from(world.spec.consensus().limits.block_bytes) / 2 {
        assert_eq!(ids, greedy(world));
    }
    let verified = world.verify(block);
    assert_eq!(verified.fees(), template.fees());
    let subsidy = world.spec.consensus().subsidy(world.pool.height());
    assert_eq!(template.value(), quanta(subsidy.quanta() + template.fees().quanta()));
    assert!(
        template
            .transactions()
            .iter()
            .all(|tx| world.pool.entry(&tx.txid()).is_some_and(|entry| Arc::ptr_eq(entry.tx(), tx.tx())))
    );
}

/// What a template should hold if all fits, found the slow way: again and again the package with the highest rate.
fn greedy(world: &World) -> Vec<Txid> {
    let pool = &world.pool;
    let mut left: BTreeMap<Txid, &MempoolEntry> = pool.entries().map(|entry| (entry.txid(), entry)).collect();
    let mut chosen = Vec::new();
    while !left.is_empty() {
        let package = |entry: &MempoolEntry| {
            let mut package = BTreeSet::from([entry.txid()]);
            let mut open = vec![entry.txid()];
            while let Some(txid) = open.pop() {
                let parents = pool.parents(left[&txid]).map(MempoolEntry::txid);
                let waiting: Vec<_> = parents.filter(|parent| left.contains_key(parent)).collect();
                open.extend(waiting.into_iter().filter(|parent| package.insert(*parent)));
            }
            package
        };
        let fees = |package: &BTreeSet<Txid>| package.iter().map(|txid| worth(pool, left[txid])).sum::<i128>();
        let rate = |package: &BTreeSet<Txid>| {
            let size: u64 = package.iter().map(|txid| u64::from(left[txid].size_bytes())).sum();
            fees(package) * 1_000 / i128::from(size)
        };
        let packages = left.values().map(|entry| (package(entry), entry.sequence()));
        let worth_it = packages.filter(|(package, _)| fees(package) >= 0);
        let Some((best, _)) = worth_it.max_by_key(|(package, sequence)| (rate(package), Reverse(*sequence))) else {
            break;
        };
        let mut best: Vec<_> = best.into_iter().collect();
        best.sort_by_key(|txid| (left[txid].ancestors().count, left[txid].sequence()));
        left.retain(|txid, _| !best.contains(txid));
        chosen.extend(best);
    }
    chosen
}
