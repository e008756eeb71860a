//! Limits on ancestors and descendants, each at its edge; and what a hostile chain of a thousand meets.

use std::sync::Arc;

use qbtc_core::mempool::{AdmitError, Policy};
use qbtc_core::verify::CheckedTx;

use super::world::{COIN, Owner, Payment, World, child, coin, output, simple};
use super::{invariants, world};
use crate::support::test;

/// A chain of payments, each spending the one before.
fn chain(number: u32, length: usize) -> Vec<Arc<CheckedTx>> {
    let mut txs = vec![simple(number, 5_000)];
    while txs.len() < length {
        txs.push(child(txs.last().unwrap(), &Owner::new(number), 5_000));
    }
    txs
}

#[test]
fn number_of_ancestors() {
    let mut world = World::with(Policy { descendants_max: 1_000, ..Policy::default() });
    let txs = chain(1, 26);
    txs[..25].iter().for_each(|tx| world.add(tx));
    assert_eq!(world.submit(&txs[25]), Err(AdmitError::Ancestors { found: 26, limit: 25 }));
    invariants::check(&world);
}

#[test]
fn bytes_of_ancestors() {
    let txs = chain(1, 3);
    let bytes: u64 = txs.iter().map(|tx| u64::from(tx.size_bytes())).sum();
    let mut world = World::with(Policy { ancestor_bytes_max: bytes, ..Policy::default() });
    txs.iter().for_each(|tx| world.add(tx));
    let mut world = World::with(Policy { ancestor_bytes_max: bytes - 1, ..Policy::default() });
    txs[..2].iter().for_each(|tx| world.add(tx));
    assert_eq!(world.submit(&txs[2]), Err(AdmitError::AncestorBytes { found: bytes, limit: bytes - 1 }));
}

/// Parents count before their own ancestors are looked for.
#[test]
fn number_of_parents() {
    let gather = |parents: u32| {
        let mut world = World::new();
        let mut payment = Payment::new();
        for number in 0..parents {
            let parent = simple(number, 5_000);
            world.add(&parent);
            payment = payment.from(output(&parent, 0), &Owner::new(number));
        }
        let taken = world.submit(&payment.to(&Owner::new(0), COIN / 2).build());
        invariants::check(&world);
        taken
    };
    assert_eq!(gather(24), Ok(vec![]));
    assert_eq!(gather(30), Err(AdmitError::Ancestors { found: 31, limit: 25 }));
}

/// One payment with many outputs, and a child for each.
fn fan(number: u32, children: u32) -> (Arc<CheckedTx>, Vec<Arc<CheckedTx>>) {
    let owner = Owner::new(number);
    let payment = (0..children).fold(Payment::new().from(coin(number), &owner), |tx, _| tx.to(&owner, 1_000_000));
    let parent = payment.to(&owner, COIN - u64::from(children) * 1_000_000 - 50_000).build();
    let spend = |index| Payment::new().from(output(&parent, index), &owner).to(&owner, 990_000).build();
    let children = (0..children).map(spend).collect();
    (parent, children)
}

#[test]
fn number_of_descendants() {
    let mut world = World::new();
    let (parent, children) = fan(1, 25);
    world.add(&parent);
    children[..24].iter().for_each(|tx| world.add(tx));
    let refused = AdmitError::Descendants { ancestor: parent.txid(), found: 26, limit: 25 };
    assert_eq!(world.submit(&children[24]), Err(refused));
    invariants::check(&world);
}

#[test]
fn bytes_of_descendants() {
    let (parent, children) = fan(1, 2);
    let bytes: u64 = [&parent, &children[0], &children[1]].map(|tx| u64::from(tx.size_bytes())).iter().sum();
    let submit_all = |limit| {
        let mut world = World::with(Policy { descendant_bytes_max: limit, ..Policy::default() });
        world.add(&parent);
        world.add(&children[0]);
        world.submit(&children[1])
    };
    assert_eq!(submit_all(bytes), Ok(vec![]));
    let refused = AdmitError::DescendantBytes { ancestor: parent.txid(), found: bytes, limit: bytes - 1 };
    assert_eq!(submit_all(bytes - 1), Err(refused));
}

/// A replacement makes room for itself among its ancestors' descendants.
#[test]
fn what_is_replaced_is_no_descendant_any_more() {
    let mut world = World::new();
    let (parent, children) = fan(1, 24);
    world.add(&parent);
    children.iter().for_each(|tx| world.add(tx));
    let owner = Owner::new(1);
    let better = Payment::new().from(output(&parent, 7), &owner).to(&owner, 980_000).build();
    let removed = world.submit(&better).unwrap();
    assert_eq!(world::reasons(removed).len(), 1);
    invariants::check(&world);
}

/// A thousand transactions one after the other: the pool takes 25 and pays for each of the others with two look-ups.
#[test]
fn a_hostile_chain_of_a_thousand() {
    let mut world = World::new();
    for (place, tx) in chain(1, 1_000).iter().enumerate() {
        let taken = world.submit(tx);
        match place {
            0..25 => assert_eq!(taken, Ok(vec![])),
            25 => assert!(matches!(taken, Err(AdmitError::Ancestors { .. }))),
            _ => assert!(taken.unwrap_err().missing_coin().is_some()),
        }
    }
    assert_eq!(world.pool.len(), 25);
    invariants::check(&world);
    invariants::check_template(&world);
    // A thousand children of one payment.
    let (parent, children) = fan(2, 900);
    world.add(&parent);
    let taken = children.iter().filter(|tx| world.submit(tx).is_ok()).count();
    assert_eq!(taken, 24);
    invariants::check(&world);
}
