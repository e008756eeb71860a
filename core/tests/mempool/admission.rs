//! How transactions come in: the same door for all, rules of validity first seen from here, races while signatures are verified.

use std::cell::Cell;
use std::sync::Arc;

use qbtc_core::crypto::{CryptoError, Scheme, verify_serial};
use qbtc_core::lock::{AddressTree, Conditions, Witness};
use qbtc_core::mempool::AdmitError;
use qbtc_core::tx::{OutPoint, Transaction};
use qbtc_core::units::Height;
use qbtc_core::utxo::{Coin, CoinDiff, CoinView};
use qbtc_core::verify::{SpendError, WitnessError, check_transaction};

use super::invariants;
use super::world::{COIN, Owner, Payment, World, child, coin, output, quanta, simple};
use crate::support::test;

#[test]
fn what_comes_in_can_be_found() {
    let mut world = World::new();
    let (first, second) = (simple(1, 5_000), simple(2, 6_000));
    let third = child(&first, &Owner::new(1), 7_000);
    for tx in [&first, &second, &third] {
        world.add(tx);
        invariants::check(&world);
    }
    let pool = &world.pool;
    assert_eq!(
        pool.entries().map(qbtc_core::mempool::MempoolEntry::txid).collect::<Vec<_>>(),
        [&first, &second, &third].map(|tx| tx.txid())
    );
    let entry = pool.entry(&third.txid()).unwrap();
    assert_eq!((entry.fee(), entry.size_bytes(), entry.height()), (quanta(7_000), third.size_bytes(), Height(1)));
    assert_eq!(entry.time(), world.now);
    assert_eq!(entry.ancestors().fees, quanta(12_000));
    assert_eq!(pool.spender(&coin(2)).unwrap().wtxid(), second.wtxid());
    let after_first = pool.entries_after(pool.entry(&first.txid()).unwrap().sequence());
    assert_eq!(
        after_first.map(qbtc_core::mempool::MempoolEntry::txid).collect::<Vec<_>>(),
        [second.txid(), third.txid()]
    );
    assert_eq!(pool.revision(), 3);
}

#[test]
fn what_is_known_is_told_apart_from_other_witnesses() {
    let mut world = World::new();
    let (one, other) = (Owner::new(1), Owner::new(2));
    let tree = AddressTree::new(vec![conditions(&one), conditions(&other)]).unwrap();
    let outpoint = world.endow(0, &one);
    let address = tree.address();
    let moved = Coin { amount: quanta(COIN), address, height: Height(0), is_coinbase: false };
    let mut diff = CoinDiff::default();
    let Ok(Some(before)) = world.coins.coin(&outpoint) else { panic!("the coin is there") };
    diff.spend(outpoint, before).unwrap();
    let at_both = OutPoint { index: 77, ..outpoint };
    diff.create(at_both, moved).unwrap();
    world.coins.apply(&diff).unwrap();

    let body = Payment::new().from(at_both, &one).to(&one, COIN - 9_000).body;
    let [by_one, by_other] = [(&one, 0), (&other, 1)].map(|(owner, place)| {
        let (conditions, path) = tree.alternatives()[place].clone();
        let witness = Witness { conditions, path, ..owner.witness() };
        let transaction = Transaction { body: body.clone(), witnesses: vec![witness] };
        Arc::new(check_transaction(transaction, world.spec.consensus()).unwrap())
    });
    world.add(&by_one);
    assert_eq!(world.submit(&by_one), Err(AdmitError::Known { wtxid: by_one.wtxid() }));
    let expected = AdmitError::OtherWitnesses { found: by_other.wtxid(), known: by_one.wtxid() };
    assert_eq!(world.submit(&by_other), Err(expected));
}

fn conditions(owner: &Owner) -> Conditions {
    owner.witness().conditions
}

#[test]
fn coins_are_those_at_the_tip_and_in_the_pool() {
    let mut world = World::new();
    let parent = simple(1, 5_000);
    let spends_it = child(&parent, &Owner::new(1), 5_000);
    let error = world.submit(&spends_it).unwrap_err();
    assert_eq!(error, AdmitError::Spend(SpendError::MissingCoin { outpoint: output(&parent, 0) }));
    assert_eq!(error.missing_coin(), Some(output(&parent, 0)));
    assert!(!error.is_senders_fault());
    world.add(&parent);
    world.add(&spends_it);
    // Neither an output that the parent does not have, nor its data.
    let with_data = Payment::new().from(coin(2), &Owner::new(2)).to(&Owner::new(2), COIN - 9_000).data(b"x").build();
    world.add(&with_data);
    for index in [1, 2] {
        let outpoint = output(&with_data, index);
        let tx = Payment::new().from(outpoint, &Owner::new(2)).to(&Owner::new(2), 10_000).build();
        assert_eq!(world.submit(&tx).unwrap_err().missing_coin(), Some(outpoint));
    }
}

#[test]
fn heights_are_those_of_the_next_block() {
    let mut world = World::new();
    world.mine_empty();
    assert_eq!(world.pool.height(), Height(2));
    let at = |number: u32, lock: u32, expiry: u32| {
        let mut payment = Payment::new().from(coin(number), &Owner::new(number)).to(&Owner::new(number), COIN - 9_000);
        payment.body.lock_height = Height(lock);
        payment.body.expiry_height = Height(expiry);
        payment.build()
    };
    world.add(&at(1, 2, 0));
    world.add(&at(2, 0, 2));
    let locked = AdmitError::Spend(SpendError::Locked { lock: Height(3), height: Height(2) });
    assert_eq!(world.submit(&at(3, 3, 0)), Err(locked));
    let expired = AdmitError::Spend(SpendError::Expired { expiry: Height(1), height: Height(2) });
    assert_eq!(world.submit(&at(3, 0, 1)), Err(expired.clone()));
    assert!(!expired.is_senders_fault());
}

#[test]
fn coins_of_a_coinbase_must_mature() {
    let mut world = World::new();
    world.mine_empty();
    let miner = Owner::new(9_999);
    let coinbase = world.blocks[0].block();
    let outpoint = OutPoint { txid: coinbase.coinbase_id(), index: 0 };
    let tx = Payment::new().from(outpoint, &miner).to(&miner, 100_000_000).build();
    world.mine_empty();
    let immature = SpendError::Immature { outpoint, matures: Height(4), height: Height(3) };
    assert_eq!(world.submit(&tx), Err(AdmitError::Spend(immature)));
    world.mine_empty();
    world.add(&tx);
}

#[test]
fn what_no_tip_allows_is_the_senders_fault() {
    let mut world = World::new();
    let owner = Owner::new(1);
    let overspent = Payment::new().from(coin(1), &owner).to(&owner, COIN + 1).build();
    assert!(world.submit(&overspent).unwrap_err().is_senders_fault());
    let stranger = Payment::new().from(coin(1), &Owner::new(2)).to(&owner, 100_000).build();
    let error = world.submit(&stranger).unwrap_err();
    assert!(matches!(error, AdmitError::Spend(SpendError::Witness { error: WitnessError::Address { .. }, .. })));
    assert!(error.is_senders_fault());
    assert!(world.pool.is_empty());
}

#[test]
fn signatures_are_verified_once() {
    let mut world = World::new();
    let transaction = world.signed(10_000);
    let tx = Arc::new(check_transaction(transaction, world.spec.consensus()).unwrap());
    let runs = Cell::new(0);
    let resolve = |world: &mut World, pool_takes_it: bool| {
        let candidate = world.pool.resolve(&tx, &world.coins, &world.cache, &world.spec, world.now).unwrap();
        let verified = candidate.verify(|jobs| {
            runs.set(runs.get() + jobs.len());
            verify_serial(jobs)
        });
        if pool_takes_it {
            world.pool.insert(verified.unwrap(), &mut world.cache, world.now).unwrap();
        } else {
            verified.unwrap().remember(&mut world.cache);
        }
    };
    resolve(&mut world, false);
    assert_eq!(runs.get(), 1);
    resolve(&mut world, true);
    assert_eq!(runs.get(), 1);
    // The block costs no signature either: here every one that is run fails.
    let block = world.solve(&world.template());
    let checked = qbtc_core::verify::check_block(block, &world.spec).unwrap();
    let context = qbtc_core::verify::BlockContext { height: Height(1), history_root: world.context().history_root };
    let resolved =
        qbtc_core::verify::resolve_block(checked, &context, &world.coins, &world.cache, &world.spec).unwrap();
    resolved.verify(|jobs| if jobs.is_empty() { Ok(()) } else { panic!("{} jobs", jobs.len()) }).unwrap();
}

#[test]
fn a_wrong_signature_is_refused() {
    let mut world = World::new();
    let mut transaction = world.signed(10_000);
    transaction.body.outputs[0].amount = quanta(COIN - 20_000);
    let tx = Arc::new(check_transaction(transaction, world.spec.consensus()).unwrap());
    let error = world.submit(&tx).unwrap_err();
    assert_eq!(error, AdmitError::Signature(CryptoError::InvalidSignature { scheme: Scheme::MlDsa44 }));
    assert!(error.is_senders_fault());
    assert!(world.pool.is_empty());
}

#[test]
fn a_tip_that_moves_meanwhile_asks_for_another_look() {
    let mut world = World::new();
    let tx = simple(1, 5_000);
    let resolve = |world: &World| world.pool.resolve(&tx, &world.coins, &world.cache, &world.spec, world.now).unwrap();
    let verified = resolve(&world).verify(verify_serial).unwrap();
    world.mine_empty();
    assert_eq!(world.pool.insert(verified, &mut world.cache, world.now), Err(AdmitError::TipMoved));
    let verified = resolve(&world).verify(verify_serial).unwrap();
    assert_eq!(world.pool.insert(verified, &mut world.cache, world.now), Ok(vec![]));
}

#[test]
fn a_pool_that_changes_meanwhile_is_asked_again() {
    let mut world = World::new();
    let parent = simple(1, 2_000);
    world.add(&parent);
    let resolve = |world: &World, tx: &Arc<_>| {
        let resolved = world.pool.resolve(tx, &world.coins, &world.cache, &world.spec, world.now);
        resolved.unwrap().verify(verify_serial).unwrap()
    };
    // Twice the same: the second comes too late.
    let other = simple(2, 2_000);
    let (once, twice) = (resolve(&world, &other), resolve(&world, &other));
    let mut twin = world.clone();
    assert_eq!(twin.pool.insert(once, &mut twin.cache, twin.now), Ok(vec![]));
    assert_eq!(twin.pool.insert(twice, &mut twin.cache, twin.now), Err(AdmitError::Known { wtxid: other.wtxid() }));
    // The parent is replaced while its child is verified.
    let orphan = resolve(&world, &child(&parent, &Owner::new(1), 9_000));
    world.submit(&simple(1, 8_000)).unwrap();
    let left = AdmitError::ParentLeft { txid: parent.txid() };
    assert_eq!(world.pool.insert(orphan, &mut world.cache, world.now), Err(left));
    // Another takes the same coin for more.
    let rival = resolve(&world, &simple(3, 2_000));
    world.add(&simple(3, 3_000));
    let error = world.pool.insert(rival, &mut world.cache, world.now).unwrap_err();
    assert!(matches!(error, AdmitError::ReplacementFeeRate { .. }));
    invariants::check(&world);
}
