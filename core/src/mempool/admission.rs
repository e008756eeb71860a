//! What a transaction would do to the pool, and whether policy lets it: decided in full before anything changes.

use alloc::collections::{BTreeMap, BTreeSet};

use super::entry::{Package, Sequence, usage_bytes};
use super::graph::Graph;
use super::replacement::replaced_by;
use super::{AdmitError, Policy};
use crate::units::FeeRate;
use crate::verify::ResolvedTx;

/// What has to leave so that a transaction can come.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Those it conflicts with, and their descendants.
    pub(super) replaced: BTreeSet<Sequence>,
    /// Those that make room, and their descendants.
    pub(super) evicted: BTreeSet<Sequence>,
    /// The highest rate among those that make room.
    pub(super) evicted_rate: FeeRate,
}

/// Decides about a transaction that is valid in the next block.
pub(super) fn plan(
    graph: &Graph,
    tx: &ResolvedTx,
    fee_delta: i64,
    policy: &Policy,
    floor: FeeRate,
) -> Result<Plan, AdmitError> {
    // Policy: the transaction by itself pays the floor. That others may pay for it is not looked at: it would have to come together
    // with them.
    let own = Package::of(tx, fee_delta);
    let found = own.modified_fee_rate();
    if found < floor {
        return Err(AdmitError::FeeRate { found, least: floor });
    }
    let parents = graph.parents_of(tx.tx().body());
    let replaced = replaced_by(graph, tx, &own, policy)?;
    if let Some(parent) = parents.iter().find(|parent| replaced.contains(parent)) {
        return Err(AdmitError::SpendsReplaced { txid: graph.entry(*parent).txid() });
    }
    // An ancestor that is replaced takes its descendants along, so it is enough to have looked at the parents.
    let ancestors = check_relatives(graph, tx, &own, &replaced, policy)?;
    let mut plan = Plan { replaced, ..Plan::default() };
    make_room(graph, tx, found, &ancestors, policy.pool_bytes_max, &mut plan)?;
    Ok(plan)
}

/// Checks the limits on ancestors and descendants, which bound every walk through the pool, and returns the ancestors.
pub(super) fn check_relatives(
    graph: &Graph,
    tx: &ResolvedTx,
    own: &Package,
    replaced: &BTreeSet<Sequence>,
    policy: &Policy,
) -> Result<BTreeSet<Sequence>, AdmitError> {
    let parents = graph.parents_of(tx.tx().body());
    // Policy: the number of ancestors. The parents alone first: a transaction may name thousands, each with ancestors of its own.
    let found = u32::try_from(parents.len()).unwrap_or(u32::MAX).saturating_add(1);
    if found > policy.ancestors_max {
        return Err(AdmitError::Ancestors { found, limit: policy.ancestors_max });
    }
    let ancestors = graph.with_ancestors(&parents);
    let above = ancestors.iter().fold(*own, |sum, ancestor| sum.plus(graph.entry(*ancestor).own()));
    if above.count > policy.ancestors_max {
        return Err(AdmitError::Ancestors { found: above.count, limit: policy.ancestors_max });
    }
    // Policy: the size of ancestors.
    if above.size_bytes > policy.ancestor_bytes_max {
        return Err(AdmitError::AncestorBytes { found: above.size_bytes, limit: policy.ancestor_bytes_max });
    }
    let leaving = leaving_descendants(graph, &ancestors, replaced);
    for sequence in &ancestors {
        let ancestor = graph.entry(*sequence);
        let below = ancestor.descendants().plus(*own).minus(leaving.get(sequence).copied().unwrap_or_default());
        // Policy: the number of each ancestor's descendants.
        if below.count > policy.descendants_max {
            let (found, limit) = (below.count, policy.descendants_max);
            return Err(AdmitError::Descendants { ancestor: ancestor.txid(), found, limit });
        }
        // Policy: the size of each ancestor's descendants.
        if below.size_bytes > policy.descendant_bytes_max {
            let (found, limit) = (below.size_bytes, policy.descendant_bytes_max);
            return Err(AdmitError::DescendantBytes { ancestor: ancestor.txid(), found, limit });
        }
    }
    Ok(ancestors)
}

/// What each of the ancestors loses of its descendants.
fn leaving_descendants(
    graph: &Graph,
    ancestors: &BTreeSet<Sequence>,
    replaced: &BTreeSet<Sequence>,
) -> BTreeMap<Sequence, Package> {
    let mut leaving = BTreeMap::<Sequence, Package>::new();
    for gone in replaced {
        let own = graph.entry(*gone).own();
        for above in graph.with_ancestors(&[*gone]).intersection(ancestors) {
            let sum = leaving.entry(*above).or_default();
            *sum = sum.plus(own);
        }
    }
    leaving
}

/// Chooses what leaves a full pool: the lowest [`keep_rate`](super::MempoolEntry) first, each with its descendants, and only what
/// pays less than the newcomer.
fn make_room(
    graph: &Graph,
    tx: &ResolvedTx,
    found: FeeRate,
    ancestors: &BTreeSet<Sequence>,
    limit: u64,
    plan: &mut Plan,
) -> Result<(), AdmitError> {
    let leaves: u64 = plan.replaced.iter().map(|gone| graph.entry(*gone).usage_bytes()).sum();
    let mut usage = graph.usage_bytes() - leaves + usage_bytes(tx.tx());
    let mut cheapest_first = graph.by_keep_rate();
    while usage > limit {
        let Some((lowest, sequence)) = cheapest_first.next() else {
            return Err(AdmitError::Full { found, lowest: found });
        };
        if plan.replaced.contains(&sequence) || plan.evicted.contains(&sequence) {
            continue;
        }
        // Policy: what comes pays more than what goes, and does not depend on it.
        if lowest >= found || ancestors.contains(&sequence) {
            return Err(AdmitError::Full { found, lowest });
        }
        for gone in graph.with_descendants(&[sequence]) {
            if !plan.replaced.contains(&gone) && plan.evicted.insert(gone) {
                usage -= graph.entry(gone).usage_bytes();
            }
        }
        plan.evicted_rate = plan.evicted_rate.max(lowest);
    }
    Ok(())
}
