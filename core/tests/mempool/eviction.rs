//! A full pool: what goes, what is turned away, and the floor that rises and falls.

use qbtc_core::mempool::{AdmitError, Policy, RemovalReason};
use qbtc_core::units::FeeRate;

use super::invariants;
use super::world::{COIN, Owner, Payment, World, child, rate, reasons, simple};
use crate::support::test;

/// A world whose pool has room for so many payments of [`simple`], to the byte.
fn room_for(payments: u64) -> World {
    let mut world = World::new();
    world.add(&simple(1, 1_000));
    let pool_bytes_max = payments * world.pool.usage_bytes();
    World::with(Policy { pool_bytes_max, ..Policy::default() })
}

fn fee_rate(world: &World, number: u32, fee: u64) -> FeeRate {
    let tx = simple(number, fee);
    world.pool.entry(&tx.txid()).unwrap().fee_rate()
}

#[test]
fn the_lowest_rate_goes_and_the_floor_rises_above_it() {
    let mut world = room_for(3);
    for (number, fee) in [(1, 3_000), (2, 2_000), (3, 4_000)] {
        world.add(&simple(number, fee));
    }
    let lowest = fee_rate(&world, 2, 2_000);
    let equal = world.submit(&simple(4, 2_000));
    assert_eq!(equal, Err(AdmitError::Full { found: lowest, lowest }));
    assert_eq!(world.pool.fee_rate_min(world.now), rate(1_000), "nothing was pushed out yet");
    let removed = world.submit(&simple(4, 2_001)).unwrap();
    assert_eq!(reasons(removed), [(simple(2, 2_000).txid(), RemovalReason::Evicted)]);
    invariants::check(&world);

    let floor = rate(lowest.quanta_per_1000_bytes() + 1_000);
    assert_eq!(world.pool.fee_rate_min(world.now), floor);
    let too_cheap = simple(5, 2_050);
    assert!(matches!(world.submit(&too_cheap), Err(AdmitError::FeeRate { least, .. }) if least == floor));
    // It halves in each half-life, down to what is always asked.
    let half_life_s = world.pool.policy().floor_half_life_s;
    world.now = world.now.saturating_add(half_life_s);
    assert_eq!(world.pool.fee_rate_min(world.now), rate(floor.quanta_per_1000_bytes() / 2));
    world.now = world.now.saturating_add(20 * half_life_s);
    assert_eq!(world.pool.fee_rate_min(world.now), rate(1_000));
}

#[test]
fn a_child_that_pays_protects_its_parent_and_a_cheap_one_does_no_harm() {
    let mut world = room_for(4);
    let cheap = simple(1, 500);
    world.add(&cheap);
    world.add(&child(&cheap, &Owner::new(1), 9_000));
    let fair = simple(2, 3_000);
    world.add(&fair);
    let cheap_child = child(&fair, &Owner::new(2), 200);
    world.add(&cheap_child);
    // The parent of the one that pays 9,000 counts for 4,750, the fair one for its own 3,000: only the cheap child goes.
    let removed = world.submit(&simple(3, 2_000)).unwrap();
    assert_eq!(reasons(removed), [(cheap_child.txid(), RemovalReason::Evicted)]);
    let removed = world.submit(&simple(4, 2_500)).unwrap();
    assert_eq!(reasons(removed), [(simple(3, 2_000).txid(), RemovalReason::Evicted)]);
    invariants::check(&world);
}

/// One that needs the room of two: the cheap child goes, then what is really cheap, not the parent that the child makes look so.
#[test]
fn a_parent_is_not_judged_by_a_cheap_child() {
    let mut world = room_for(3);
    let fair = simple(1, 3_000);
    let cheap_child = child(&fair, &Owner::new(1), 200);
    let cheaper = simple(2, 2_000);
    for tx in [&fair, &cheap_child, &cheaper] {
        world.add(tx);
    }
    let owner = Owner::large(7, 1_000);
    let outpoint = world.endow(1, &owner);
    let payment = Payment::new().from(outpoint, &owner);
    let size = u64::from(payment.clone().to(&owner, COIN / 2).build().size_bytes());
    let large = payment.to(&owner, COIN - 20 * size).build();
    let removed = world.submit(&large).unwrap();
    assert_eq!(reasons(removed), [&cheap_child, &cheaper].map(|tx| (tx.txid(), RemovalReason::Evicted)));
    assert!(world.contains(&fair));
    invariants::check(&world);
}

#[test]
fn a_package_goes_whole() {
    let mut world = room_for(3);
    let parent = simple(1, 500);
    world.add(&parent);
    let dependent = child(&parent, &Owner::new(1), 600);
    world.add(&dependent);
    world.add(&simple(2, 5_000));
    let removed = world.submit(&simple(3, 700)).unwrap();
    assert_eq!(reasons(removed), [(dependent.txid(), RemovalReason::Evicted), (parent.txid(), RemovalReason::Evicted)]);
    invariants::check(&world);
}

#[test]
fn a_newcomer_does_not_push_out_what_it_depends_on() {
    let mut world = room_for(2);
    let parent = simple(1, 500);
    world.add(&parent);
    world.add(&simple(2, 5_000));
    let refused = world.submit(&child(&parent, &Owner::new(1), 600));
    let lowest = fee_rate(&world, 1, 500);
    assert!(matches!(refused, Err(AdmitError::Full { lowest: found, .. }) if found == lowest));
    assert_eq!(world.pool.len(), 2);
}

#[test]
fn what_is_replaced_makes_room_first() {
    let mut world = room_for(2);
    world.add(&simple(1, 500));
    world.add(&simple(2, 5_000));
    let removed = world.submit(&simple(2, 6_000)).unwrap();
    assert_eq!(removed.len(), 1);
    assert!(world.contains(&simple(1, 500)));
    assert_eq!(world.pool.fee_rate_min(world.now), rate(1_000));
    invariants::check(&world);
}

/// Memory is bounded whatever comes: many small ones, then a large one that pushes out several.
#[test]
fn a_flood_does_not_grow_the_pool() {
    let mut world = room_for(50);
    for number in 0..200 {
        let _ = world.submit(&simple(number, 1_000 + u64::from(number) * 7));
        assert!(world.pool.usage_bytes() <= world.pool.policy().pool_bytes_max);
    }
    let owner = Owner::large(7, 10_000);
    let outpoint = world.endow(1, &owner);
    let large = Payment::new().from(outpoint, &owner).to(&owner, COIN - 1_000_000).build();
    let removed = world.submit(&large).unwrap();
    assert!(removed.len() > 5 && removed.iter().all(|removal| removal.reason == RemovalReason::Evicted));
    invariants::check(&world);
    // One that alone exceeds the pool is turned away.
    let mut tiny = World::with(Policy { pool_bytes_max: 1_000, ..Policy::default() });
    assert!(matches!(tiny.submit(&simple(1, 5_000)), Err(AdmitError::Full { .. })));
}
