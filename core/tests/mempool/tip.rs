//! The chain moves and time passes: what leaves the pool, what comes back to it, and why.

use std::cell::Cell;
use std::sync::Arc;

use qbtc_core::crypto::{CryptoError, Scheme, verify_serial};
use qbtc_core::mempool::{AdmitError, Policy, RemovalReason, TipChange};
use qbtc_core::tx::OutPoint;
use qbtc_core::units::Height;
use qbtc_core::verify::{CheckedTx, SpendError, VerifiedCache, check_transaction};

use super::invariants;
use super::world::{COIN, Owner, Payment, World, child, coin, rate, reasons, simple};
use crate::support::test;

#[test]
fn what_a_block_holds_leaves_and_what_depends_on_it_stays() {
    let mut world = World::new();
    let parent = simple(1, 5_000);
    let dependent = child(&parent, &Owner::new(1), 5_000);
    world.add(&parent);
    world.add(&dependent);
    let block = world.block_of(&[Arc::clone(&parent)]);
    let id = block.block().id();
    let removed = world.connect(block);
    assert_eq!(reasons(removed), [(parent.txid(), RemovalReason::Mined { block: id })]);
    let entry = world.pool.entry(&dependent.txid()).unwrap();
    assert_eq!(entry.ancestors().count, 1);
    assert_eq!(world.pool.height(), Height(2));
    invariants::check(&world);
    invariants::check_template(&world);
}

#[test]
fn what_a_block_contradicts_leaves_with_its_descendants() {
    let mut world = World::new();
    let loses = simple(1, 5_000);
    let dependent = child(&loses, &Owner::new(1), 5_000);
    world.add(&loses);
    world.add(&dependent);
    world.add(&simple(2, 5_000));
    let wins = simple(1, 6_000);
    let block = world.block_of(&[Arc::clone(&wins)]);
    let removed = world.connect(block);
    let conflict = RemovalReason::Conflict { with: wins.txid() };
    assert_eq!(reasons(removed), [(dependent.txid(), conflict.clone()), (loses.txid(), conflict)]);
    assert_eq!(world.pool.len(), 1);
    invariants::check(&world);
}

fn expiring(number: u32, expiry: u32) -> Arc<CheckedTx> {
    let owner = Owner::new(number);
    let mut payment = Payment::new().from(coin(number), &owner).to(&owner, COIN - 5_000);
    payment.body.expiry_height = Height(expiry);
    payment.build()
}

#[test]
fn what_expires_leaves_with_its_descendants() {
    let mut world = World::new();
    let (soon, later) = (expiring(1, 1), expiring(2, 2));
    let dependent = child(&soon, &Owner::new(1), 5_000);
    for tx in [&soon, &later, &dependent] {
        world.add(tx);
    }
    let removed = world.mine_empty();
    let expired = RemovalReason::Expired { height: Height(2) };
    assert_eq!(reasons(removed), [(dependent.txid(), expired.clone()), (soon.txid(), expired)]);
    assert!(world.contains(&later));
    assert_eq!(reasons(world.mine_empty()), [(later.txid(), RemovalReason::Expired { height: Height(3) })]);
}

#[test]
fn what_waits_too_long_leaves_with_its_descendants() {
    let mut world = World::new();
    let start = world.now;
    let age_max_s = world.pool.policy().age_max_s;
    let old = simple(1, 5_000);
    world.add(&old);
    world.now = start.saturating_add(100);
    let (dependent, other) = (child(&old, &Owner::new(1), 5_000), simple(2, 5_000));
    world.add(&dependent);
    world.add(&other);
    assert_eq!(world.pool.expire(start.saturating_add(age_max_s)), []);
    let removed = world.pool.expire(start.saturating_add(age_max_s + 1));
    assert_eq!(reasons(removed), [&dependent, &old].map(|tx| (tx.txid(), RemovalReason::TooOld)));
    assert!(world.contains(&other));
    invariants::check(&world);
}

#[test]
fn a_reorg_brings_transactions_back_before_their_children() {
    let mut world = World::new();
    let parent = simple(1, 5_000);
    world.add(&parent);
    world.add(&simple(2, 5_000));
    world.mine();
    let dependent = child(&parent, &Owner::new(1), 5_000);
    world.add(&dependent);
    let arrived = world.pool.entry(&dependent.txid()).unwrap().sequence();
    // Two blocks, of which the second holds one of the two again.
    let removed = world.reorganize(1, |fork| {
        let mut fork = fork.clone();
        let empty = fork.block_of(&[]);
        fork.connect(empty.clone());
        vec![empty, fork.block_of(&[simple(2, 5_000)])]
    });
    assert_eq!(reasons(removed), []);
    assert_eq!(world.pool.height(), Height(3));
    let (parent, dependent) = (world.pool.entry(&parent.txid()).unwrap(), world.pool.entry(&dependent.txid()).unwrap());
    assert_eq!((parent.descendants().count, dependent.ancestors().count), (2, 2));
    assert_eq!(dependent.sequence(), arrived, "those that stayed keep their place");
    assert!(parent.sequence() > arrived);
    assert_eq!(world.pool.len(), 2);
    invariants::check(&world);
    invariants::check_template(&world);
}

#[test]
fn transactions_of_several_blocks_come_back_in_the_order_of_the_chain() {
    let mut world = World::new();
    let parent = simple(1, 5_000);
    let dependent = child(&parent, &Owner::new(1), 5_000);
    for tx in [&parent, &dependent] {
        let block = world.block_of(&[Arc::clone(tx)]);
        world.connect(block);
    }
    assert_eq!(world.reorganize(2, |_| vec![]), []);
    assert_eq!(world.pool.entry(&dependent.txid()).unwrap().ancestors().count, 2);
    invariants::check(&world);
}

/// Blocks may also be taken back without any in their place.
#[test]
fn a_tip_that_is_taken_back_brings_all_of_it_back() {
    let mut world = World::new();
    world.add(&simple(1, 5_000));
    world.mine();
    world.mine_empty();
    assert_eq!(reasons(world.reorganize(2, |_| vec![])), []);
    assert_eq!(world.pool.height(), Height(1));
    assert!(world.contains(&simple(1, 5_000)));
    invariants::check(&world);
}

#[test]
fn a_reorg_drops_what_is_valid_no_more() {
    let mut world = World::new();
    for _ in 0..4 {
        world.mine_empty();
    }
    let miner = Owner::new(9_999);
    let matured = OutPoint { txid: world.blocks[0].block().coinbase_id(), index: 0 };
    let spends_coinbase = Payment::new().from(matured, &miner).to(&miner, 100_000_000).build();
    let mut locked = Payment::new().from(coin(1), &Owner::new(1)).to(&Owner::new(1), COIN - 5_000);
    locked.body.lock_height = Height(5);
    let locked = locked.build();
    let (stays, loses) = (simple(2, 5_000), simple(3, 5_000));
    for tx in [&spends_coinbase, &locked, &stays, &loses] {
        world.add(tx);
    }
    let orphan = child(&loses, &Owner::new(3), 5_000);
    world.add(&orphan);
    let wins = simple(3, 6_000);
    let removed = world.reorganize(3, |fork| vec![fork.block_of(&[Arc::clone(&wins)])]);
    let height = Height(3);
    assert_eq!(world.pool.height(), height);
    let immature = SpendError::Immature { outpoint: matured, matures: Height(4), height };
    let missing = SpendError::MissingCoin { outpoint: orphan.body().inputs[0] };
    let expected = [
        (spends_coinbase.txid(), RemovalReason::Invalid(immature)),
        (locked.txid(), RemovalReason::Invalid(SpendError::Locked { lock: Height(5), height })),
        (loses.txid(), RemovalReason::Conflict { with: wins.txid() }),
        (orphan.txid(), RemovalReason::Invalid(missing)),
    ];
    assert_eq!(reasons(removed), expected);
    assert!(world.contains(&stays) && world.pool.len() == 1);
    invariants::check(&world);
}

#[test]
fn a_reorg_tells_of_what_both_the_chain_and_the_pool_lost() {
    let mut world = World::new();
    let (mined, waits) = (simple(1, 5_000), simple(2, 5_000));
    let block = world.block_of(&[Arc::clone(&mined)]);
    world.connect(block);
    world.add(&waits);
    let wins = simple(1, 6_000);
    let mut taken_by = None;
    let removed = world.reorganize(1, |fork| {
        let block = fork.block_of(&[Arc::clone(&wins), Arc::clone(&waits)]);
        taken_by = Some(block.block().id());
        vec![block]
    });
    let expected = [
        (mined.txid(), RemovalReason::Conflict { with: wins.txid() }),
        (waits.txid(), RemovalReason::Mined { block: taken_by.unwrap() }),
    ];
    assert_eq!(reasons(removed), expected);
    assert!(world.pool.is_empty());
}

/// What comes back from a block need not pay the floor, but must keep the limits on relatives and fit into the pool.
#[test]
fn what_comes_back_keeps_the_limits() {
    let mut world = World::with(Policy { ancestors_max: 2, ..Policy::default() });
    let free = simple(1, 0);
    let mut txs = vec![Arc::clone(&free)];
    for _ in 0..2 {
        txs.push(child(txs.last().unwrap(), &Owner::new(1), 5_000));
    }
    assert!(matches!(world.submit(&free), Err(AdmitError::FeeRate { .. })));
    let block = world.block_of(&txs);
    world.connect(block);
    let removed = world.reorganize(1, |_| vec![]);
    let limit = RemovalReason::Relatives(AdmitError::Ancestors { found: 3, limit: 2 });
    assert_eq!(reasons(removed), [(txs[2].txid(), limit)]);
    assert!(world.contains(&free));
    invariants::check(&world);

    let usage = world.pool.usage_bytes();
    let mut world = World::with(Policy { pool_bytes_max: usage - 1, ..Policy::default() });
    let block = world.block_of(&txs[..2]);
    world.connect(block);
    let removed = world.reorganize(1, |_| vec![]);
    // The child pays for its parent too: together they are the cheapest package.
    assert_eq!(reasons(removed), [&txs[1], &free].map(|tx| (tx.txid(), RemovalReason::Evicted)));
    assert!(world.pool.fee_rate_min(world.now) > rate(1_000), "the floor rises above what was evicted");
    invariants::check(&world);
}

#[test]
fn a_reorg_runs_only_the_signatures_that_were_forgotten() {
    let mut world = World::new();
    let transaction = world.signed(10_000);
    let tx = Arc::new(check_transaction(transaction, world.spec.consensus()).unwrap());
    world.add(&tx);
    world.mine();
    let block = world.blocks.pop().unwrap();
    world.coins.apply(&block.diff().clone().reversed()).unwrap();
    let left = [block.block().clone()];
    let change = TipChange { disconnected: &left, connected: &[] };
    let move_tip = |mut cache: VerifiedCache, verdict: Result<(), (usize, CryptoError)>| {
        let mut pool = world.pool.clone();
        let runs = Cell::new(0);
        let Ok(removed) = pool.move_tip(&change, &world.coins, &mut cache, &world.spec, world.now, |jobs| {
            runs.set(runs.get() + 1);
            verify_serial(jobs).and(verdict.clone())
        });
        assert_eq!(pool.len() + removed.len(), 1);
        (runs.get(), reasons(removed), cache.holds_at(&tx.wtxid(), Height(1)))
    };
    assert_eq!(move_tip(world.cache.clone(), Ok(())), (0, vec![], true));
    assert_eq!(move_tip(VerifiedCache::new(10), Ok(())), (1, vec![], true));
    let error = CryptoError::InvalidSignature { scheme: Scheme::MlDsa44 };
    let refused = vec![(tx.txid(), RemovalReason::Signature(error.clone()))];
    assert_eq!(move_tip(VerifiedCache::new(10), Err((0, error))), (1, refused, false));
}

#[test]
fn nothing_moved_changes_nothing() {
    let mut world = World::new();
    world.add(&simple(1, 5_000));
    let revision = world.pool.revision();
    assert_eq!(world.reorganize(0, |_| vec![]), []);
    assert_eq!(world.pool.revision(), revision);
}
