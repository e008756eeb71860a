//! The rules of replacement, each at its edge; and a storm of replacements.

use std::sync::Arc;

use qbtc_core::mempool::{AdmitError, Policy, RemovalReason};
use qbtc_core::verify::CheckedTx;

use super::invariants;
use super::world::{COIN, Owner, Payment, World, child, coin, output, quanta, rate, reasons, simple};
use crate::support::test;

/// Spends these of the first coins together, for a fee.
fn gather(numbers: impl IntoIterator<Item = u32>, fee: u64) -> Arc<CheckedTx> {
    let mut payment = Payment::new();
    let mut total = 0;
    for number in numbers {
        payment = payment.from(coin(number), &Owner::new(number));
        total += COIN;
    }
    payment.to(&Owner::new(0), total - fee).build()
}

fn replaced_by(by: &CheckedTx) -> RemovalReason {
    RemovalReason::Replaced { by: by.txid() }
}

#[test]
fn a_better_one_takes_the_place_with_all_descendants() {
    let mut world = World::new();
    let first = simple(1, 1_000);
    let second = child(&first, &Owner::new(1), 1_000);
    world.add(&first);
    world.add(&second);
    let better = simple(1, 4_000);
    let removed = world.submit(&better).unwrap();
    assert_eq!(reasons(removed), [&second, &first].map(|tx| (tx.txid(), replaced_by(&better))));
    assert!(world.contains(&better) && world.pool.len() == 1);
    invariants::check(&world);
}

/// Rule 3, and rule 4 above it: the fees of all that goes, and the own bytes at one quantum a byte.
#[test]
fn fees_cover_what_goes_and_the_relay() {
    let mut world = World::new();
    let first = simple(1, 1_000);
    let second = child(&first, &Owner::new(1), 1_000);
    world.add(&first);
    world.add(&second);
    let size = u64::from(first.size_bytes());
    let submit = |world: &mut World, fee| {
        let tx = simple(1, fee);
        assert_eq!(u64::from(tx.size_bytes()), size);
        world.submit(&tx)
    };
    let refused = AdmitError::ReplacementFee { found: quanta(1_999), replaced: quanta(2_000) };
    assert_eq!(submit(&mut world, 1_999), Err(refused));
    let relay = |found| AdmitError::ReplacementRelayFee { found: quanta(found), least: quanta(2_000 + size) };
    assert_eq!(submit(&mut world, 2_000), Err(relay(2_000)));
    assert_eq!(submit(&mut world, 2_000 + size - 1), Err(relay(2_000 + size - 1)));
    assert!(world.contains(&second), "what is refused changes nothing");
    assert_eq!(submit(&mut world, 2_000 + size).unwrap().len(), 2);
}

#[test]
fn the_rate_exceeds_that_of_each_conflict() {
    let mut world = World::new();
    let small = simple(1, 1_000);
    world.add(&small);
    let conflict_rate = world.pool.entry(&small.txid()).unwrap().fee_rate();
    // Large, so that a higher fee is not yet a higher rate.
    let large = Owner::large(7, 5_000);
    let outpoint = world.endow(7, &large);
    let submit = |world: &mut World, fee| {
        let payment = Payment::new().from(coin(1), &Owner::new(1)).from(outpoint, &large);
        let tx = payment.to(&large, 2 * COIN - fee).build();
        (world.submit(&tx), tx)
    };
    let size = u64::from(submit(&mut world, 0).1.size_bytes());
    // The least fee that reaches a rate; one quantum less does not.
    let beating = rate(conflict_rate.quanta_per_1000_bytes() + 1).fee(size).unwrap().quanta();
    let refused = AdmitError::ReplacementFeeRate { txid: small.txid(), found: conflict_rate, replaced: conflict_rate };
    assert_eq!(submit(&mut world, beating - 1).0, Err(refused));
    assert_eq!(submit(&mut world, beating).0.unwrap().len(), 1);
}

#[test]
fn at_most_a_hundred_go() {
    let all = |world: &mut World| (0..101).for_each(|number| world.add(&simple(number, 1_000)));
    let mut world = World::new();
    all(&mut world);
    let refused = AdmitError::ReplacementCount { found: 101, limit: 100 };
    assert_eq!(world.submit(&gather(0..101, 10_000_000)), Err(refused));
    let removed = world.submit(&gather(0..100, 10_000_000)).unwrap();
    assert_eq!(removed.len(), 100);
    assert_eq!(world.pool.len(), 2);
    invariants::check(&world);
    // Descendants count as well.
    let mut world = World::with(Policy { replaced_max: 1, ..Policy::default() });
    let first = simple(1, 1_000);
    world.add(&first);
    world.add(&child(&first, &Owner::new(1), 1_000));
    let refused = AdmitError::ReplacementCount { found: 2, limit: 1 };
    assert_eq!(world.submit(&simple(1, 1_000_000)), Err(refused));
}

#[test]
fn no_new_unconfirmed_parents() {
    let mut world = World::new();
    let owner = Owner::new(1);
    let parent = Payment::new().from(coin(1), &owner).to(&owner, COIN / 4).to(&owner, COIN / 4).build();
    world.add(&parent);
    let confirmed_only = simple(2, 1_000);
    world.add(&confirmed_only);
    let with_parent = |index: u32| {
        let payment = Payment::new().from(coin(2), &Owner::new(2)).from(output(&parent, index), &owner);
        payment.to(&owner, COIN).build()
    };
    let refused = AdmitError::ReplacementUnconfirmed { outpoint: output(&parent, 0) };
    assert_eq!(world.submit(&with_parent(0)), Err(refused));
    // The same parent is fine where a conflict has it too, be it for another output.
    let spends_it = Payment::new().from(output(&parent, 0), &owner).to(&owner, COIN / 4 - 1_000).build();
    world.add(&spends_it);
    let both = Payment::new().from(output(&parent, 0), &owner).from(output(&parent, 1), &owner);
    let both = both.to(&owner, COIN / 4).build();
    assert_eq!(reasons(world.submit(&both).unwrap()), [(spends_it.txid(), replaced_by(&both))]);
    invariants::check(&world);
}

#[test]
fn none_spends_what_it_replaces() {
    let mut world = World::new();
    let first = simple(1, 1_000);
    world.add(&first);
    let second = child(&first, &Owner::new(1), 1_000);
    world.add(&second);
    for made_by in [&first, &second] {
        let payment = Payment::new().from(coin(1), &Owner::new(1)).from(output(made_by, 0), &Owner::new(1));
        let tx = payment.to(&Owner::new(1), COIN).build();
        assert!(matches!(world.submit(&tx), Err(AdmitError::SpendsReplaced { .. })), "{tx:?}");
    }
    assert_eq!(world.pool.len(), 2);
}

/// Whoever replaces the same payment over and over pays for each time; the pool never holds more than one.
#[test]
fn a_storm_of_replacements() {
    let mut world = World::new();
    world.add(&simple(1, 1_000));
    let size = u64::from(simple(1, 1_000).size_bytes());
    let (mut paid, mut taken) = (1_000, 0);
    for fee in (1_000..100_000).step_by(50) {
        match world.submit(&simple(1, fee)) {
            Ok(removed) => {
                assert_eq!(removed.len(), 1);
                assert!(fee >= paid + size, "each relay is paid for");
                (paid, taken) = (fee, taken + 1);
            }
            Err(error) => assert!(!error.is_senders_fault(), "{error}"),
        }
        assert_eq!(world.pool.len(), 1);
    }
    assert!(taken > 500 && taken <= 99_000 / size);
    invariants::check(&world);
    // Two payments that take turns: each replaces what the other has gathered.
    let mut fee = 300_000;
    for turn in 0..100 {
        fee += 10_000;
        let tx = if turn % 2 == 0 { gather([1, 2, 3], fee) } else { gather([3, 4, 5], fee) };
        world.submit(&tx).unwrap();
        invariants::check(&world);
    }
    assert_eq!(world.pool.len(), 1);
}
