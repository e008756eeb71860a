//! What a transaction replaces, and whether it may: the rules of BIP 125, adapted.
//!
//! Every unconfirmed transaction can be replaced; none has to signal it (BIP 125's first rule), since miners take the higher fee
//! anyway and a payee who trusts an unconfirmed payment must not be led to believe otherwise. The other rules stand:
//!
//! - *No new unconfirmed parents* (rule 2). A replacement spends from an unconfirmed transaction only if something it conflicts with
//!   does too. Its rate would otherwise say little about when it is mined: a cheap parent may hold it back.
//! - *A higher rate* than each transaction it conflicts with, so that the miner's next block gets better, not only the pool.
//! - *More fees* than all that it pushes out, descendants included (rule 3), *and its own bytes* at the incremental rate on top
//!   (rule 4), so that bandwidth is paid for each time.
//! - *At most so many* transactions pushed out (rule 5).

use alloc::collections::BTreeSet;

use super::entry::{Package, Sequence, shown};
use super::graph::Graph;
use super::{AdmitError, Policy};
use crate::tx::OutPoint;
use crate::units::Amount;
use crate::verify::ResolvedTx;

/// The transactions that a new one conflicts with, and all their descendants; none for most transactions.
///
/// `own` is the new one by itself; all fees are modified ones.
pub(super) fn replaced_by(
    graph: &Graph,
    tx: &ResolvedTx,
    own: &Package,
    policy: &Policy,
) -> Result<BTreeSet<Sequence>, AdmitError> {
    let inputs = &tx.tx().body().inputs;
    let direct: BTreeSet<_> = inputs.iter().filter_map(|outpoint| graph.spender(outpoint)).collect();
    if direct.is_empty() {
        return Ok(direct);
    }
    let replaced = check_count(graph, &direct, policy.replaced_max)?;
    check_unconfirmed(graph, inputs, &direct, &replaced)?;
    check_rates(graph, own, &direct)?;
    check_fees(graph, own, &replaced, policy)?;
    Ok(replaced)
}

fn check_count(graph: &Graph, direct: &BTreeSet<Sequence>, limit: u32) -> Result<BTreeSet<Sequence>, AdmitError> {
    let mut replaced = BTreeSet::new();
    for conflict in direct {
        replaced.extend(graph.with_descendants(&[*conflict]));
        // Policy: rule 5.
        let found = u32::try_from(replaced.len()).unwrap_or(u32::MAX);
        if found > limit {
            return Err(AdmitError::ReplacementCount { found, limit });
        }
    }
    Ok(replaced)
}

fn check_unconfirmed(
    graph: &Graph,
    inputs: &[OutPoint],
    direct: &BTreeSet<Sequence>,
    replaced: &BTreeSet<Sequence>,
) -> Result<(), AdmitError> {
    let spent_from: BTreeSet<_> = direct.iter().flat_map(|conflict| graph.parents(*conflict)).copied().collect();
    let is_new = |outpoint: &&OutPoint| {
        // To spend from what is replaced is an error of its own.
        let made_by = graph.by_txid(&outpoint.txid).filter(|maker| !replaced.contains(maker));
        made_by.is_some_and(|maker| !spent_from.contains(&maker))
    };
    // Policy: rule 2.
    match inputs.iter().find(is_new) {
        Some(outpoint) => Err(AdmitError::ReplacementUnconfirmed { outpoint: *outpoint }),
        None => Ok(()),
    }
}

fn check_rates(graph: &Graph, own: &Package, direct: &BTreeSet<Sequence>) -> Result<(), AdmitError> {
    let found = own.modified_fee_rate();
    for conflict in direct {
        let entry = graph.entry(*conflict);
        let replaced = entry.own().modified_fee_rate();
        // Policy: a higher rate than each conflict.
        if found <= replaced {
            return Err(AdmitError::ReplacementFeeRate { txid: entry.txid(), found, replaced });
        }
    }
    Ok(())
}

fn check_fees(graph: &Graph, own: &Package, replaced: &BTreeSet<Sequence>, policy: &Policy) -> Result<(), AdmitError> {
    let found = own.modified_fees;
    let fees: i128 = replaced.iter().map(|gone| graph.entry(*gone).modified_fee()).sum();
    // Policy: rule 3.
    if found < fees {
        return Err(AdmitError::ReplacementFee { found: shown(found), replaced: shown(fees) });
    }
    let relay = policy.incremental_fee_rate.fee(own.size_bytes).unwrap_or(Amount::MAX);
    let least = fees + i128::from(relay.quanta());
    // Policy: rule 4.
    if found < least {
        return Err(AdmitError::ReplacementRelayFee { found: shown(found), least: shown(least) });
    }
    Ok(())
}
