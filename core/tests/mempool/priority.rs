//! What an operator's valuation changes, and what it leaves.

use qbtc_core::hash::Txid;
use qbtc_core::mempool::{AdmitError, PRIORITIES_MAX, Policy, PriorityError, TemplateTx};
use qbtc_core::verify::CheckedTx;

use super::invariants;
use super::world::{Owner, World, child, rate, simple};
use crate::support::test;

/// The transactions of a template, in its order.
fn mined_order(world: &World) -> Vec<Txid> {
    world.template().transactions().iter().map(TemplateTx::txid).collect()
}

fn delta(world: &World, tx: &CheckedTx) -> Option<i64> {
    world.pool.priorities().find(|(txid, _)| **txid == tx.txid()).map(|(_, fee_delta)| fee_delta)
}

#[test]
fn what_is_worth_more_is_mined_first_and_pays_no_more() {
    let mut world = World::new();
    let (cheap, dear) = (simple(1, 1_000), simple(2, 9_000));
    world.add(&cheap);
    world.add(&dear);
    assert_eq!(mined_order(&world), [dear.txid(), cheap.txid()]);
    let (revision, fees) = (world.pool.revision(), world.template().fees());
    world.pool.prioritise(cheap.txid(), 8_001).unwrap();
    assert_ne!(world.pool.revision(), revision, "templates are old");
    assert_eq!(mined_order(&world), [cheap.txid(), dear.txid()]);
    assert_eq!(world.template().fees(), fees);
    let entry = world.pool.entry(&cheap.txid()).unwrap();
    assert_eq!((entry.fee().quanta(), entry.modified_fee()), (1_000, 9_001));
    invariants::check(&world);
    invariants::check_template(&world);
    // Sums up, and goes when it comes to nothing.
    world.pool.prioritise(cheap.txid(), -8_001).unwrap();
    assert_eq!(delta(&world, &cheap), None);
    assert_eq!(mined_order(&world), [dear.txid(), cheap.txid()]);
    invariants::check(&world);
}

#[test]
fn a_child_that_is_worth_more_brings_its_parent() {
    let mut world = World::new();
    let parent = simple(1, 1_000);
    let (child, other) = (child(&parent, &Owner::new(1), 1_000), simple(2, 2_000));
    [&parent, &child, &other].iter().for_each(|tx| {
        world.add(tx);
    });
    assert_eq!(mined_order(&world)[0], other.txid());
    world.pool.prioritise(child.txid(), 5_000).unwrap();
    assert_eq!(mined_order(&world), [parent.txid(), child.txid(), other.txid()]);
    invariants::check_template(&world);
}

#[test]
fn what_is_worth_less_than_nothing_is_mined_only_for_others() {
    let mut world = World::new();
    let parent = simple(1, 1_000);
    let child = child(&parent, &Owner::new(1), 3_000);
    world.add(&parent);
    world.add(&child);
    world.pool.prioritise(parent.txid(), -3_000).unwrap();
    assert_eq!(mined_order(&world), [parent.txid(), child.txid()], "together they are worth 1,000");
    world.pool.prioritise(parent.txid(), -2_000).unwrap();
    assert!(mined_order(&world).is_empty());
    invariants::check_template(&world);
    world.pool.prioritise(child.txid(), -10_000).unwrap();
    world.pool.prioritise(parent.txid(), 5_000).unwrap();
    assert_eq!(mined_order(&world), [parent.txid()], "a worthless child does not hold its parent back");
    invariants::check_template(&world);
}

/// Whoever is known to be wanted gets in below the floor, and is neither replaced nor pushed out by what only pays more.
#[test]
fn it_may_be_said_before_the_transaction_comes() {
    let mut world = World::new();
    let wanted = simple(1, 1);
    assert!(matches!(world.submit(&wanted), Err(AdmitError::FeeRate { .. })));
    world.pool.prioritise(wanted.txid(), 50_000).unwrap();
    world.add(&wanted);
    assert_eq!(world.pool.entry(&wanted.txid()).unwrap().modified_fee(), 50_001);
    assert!(matches!(world.submit(&simple(1, 40_000)), Err(AdmitError::ReplacementFeeRate { .. })));
    world.submit(&simple(1, 60_000)).unwrap();
    assert!(!world.contains(&wanted));
    invariants::check(&world);
}

#[test]
fn a_full_pool_keeps_what_it_is_told_to() {
    let usage = {
        let mut world = World::new();
        world.add(&simple(1, 1_000));
        world.pool.usage_bytes()
    };
    let mut world = World::with(Policy { pool_bytes_max: usage * 2, ..Policy::default() });
    let (low, high) = (simple(1, 1_000), simple(2, 2_000));
    world.add(&low);
    world.add(&high);
    world.pool.prioritise(low.txid(), 5_000).unwrap();
    world.submit(&simple(3, 4_000)).unwrap();
    assert!(world.contains(&low) && !world.contains(&high));
    // What others would have to pay is told by what was worth less, not by what this operator likes.
    assert!(world.pool.fee_rate_min(world.now) > rate(1_000));
    invariants::check(&world);
}

#[test]
fn a_block_settles_it_and_a_reorg_keeps_the_rest() {
    let mut world = World::new();
    let (mined, waiting) = (simple(1, 1_000), simple(2, 1_000));
    let never_seen = simple(3, 1_000);
    world.add(&mined);
    world.add(&waiting);
    for tx in [&mined, &waiting, &never_seen] {
        world.pool.prioritise(tx.txid(), 7).unwrap();
    }
    let block = world.block_of(&[mined.clone(), never_seen.clone()]);
    world.connect(block);
    assert_eq!([&mined, &waiting, &never_seen].map(|tx| delta(&world, tx)), [None, Some(7), None]);
    world.reorganize(1, |_| vec![]);
    assert!(world.contains(&mined));
    assert_eq!(world.pool.entry(&mined.txid()).unwrap().modified_fee(), 1_000);
    assert_eq!(world.pool.entry(&waiting.txid()).unwrap().modified_fee(), 1_007);
    invariants::check(&world);
}

#[test]
fn numbers_and_sums_are_bounded() {
    let mut world = World::new();
    let tx = simple(1, 1_000);
    world.add(&tx);
    world.pool.prioritise(tx.txid(), i64::MAX).unwrap();
    let refused = PriorityError::Overflow { found: 1, sum: i64::MAX };
    assert_eq!(world.pool.prioritise(tx.txid(), 1), Err(refused));
    let grandchild = child(&tx, &Owner::new(1), 1_000);
    world.add(&grandchild);
    world.pool.prioritise(grandchild.txid(), i64::MAX).unwrap();
    invariants::check(&world);
    invariants::check_template(&world);
    let number =
        |number: usize| Txid::from_bytes(core::array::from_fn(|at| number.to_le_bytes().get(at).copied().unwrap_or(9)));
    for other in 2..PRIORITIES_MAX {
        world.pool.prioritise(number(other), -1).unwrap();
    }
    assert_eq!(world.pool.prioritise(number(0), -1), Err(PriorityError::TooMany));
    world.pool.prioritise(number(2), -1).unwrap();
    world.pool.prioritise(number(2), 2).unwrap();
    world.pool.prioritise(number(0), -1).unwrap();
    assert_eq!(world.pool.priorities().len(), PRIORITIES_MAX);
}
