//! Fee estimates: from the floor, from what waits, from what the recent blocks took.

use qbtc_core::mempool::{ESTIMATE_BLOCKS_MAX, EstimateBasis, EstimateError, FeeEstimate};
use qbtc_core::units::FeeRate;

use super::world::{COIN, Owner, Payment, World, rate, simple};
use crate::support::test;

fn estimate(world: &World, blocks: u32) -> FeeEstimate {
    let estimate = world.pool.estimate_fee(blocks, world.now, &world.spec).unwrap();
    assert_eq!(
        world.pool.estimate_fees(world.now, &world.spec)[blocks as usize - 1],
        estimate,
        "one walk for all waits"
    );
    estimate
}

fn floor() -> FeeEstimate {
    FeeEstimate { rate: rate(1_000), basis: EstimateBasis::Floor }
}

#[test]
fn with_room_in_the_blocks_the_floor_is_enough() {
    let mut world = World::new();
    assert_eq!(estimate(&world, 1), floor());
    world.add(&simple(1, 500_000));
    world.mine();
    assert_eq!(estimate(&world, 1), floor());
}

#[test]
fn waits_that_nobody_estimates_are_refused() {
    let world = World::new();
    let estimate = |blocks| world.pool.estimate_fee(blocks, world.now, &world.spec);
    assert_eq!(estimate(0), Err(EstimateError::Blocks { found: 0 }));
    assert!(estimate(1).is_ok() && estimate(ESTIMATE_BLOCKS_MAX).is_ok());
    let beyond = ESTIMATE_BLOCKS_MAX + 1;
    assert_eq!(estimate(beyond), Err(EstimateError::Blocks { found: beyond }));
}

/// Payments of about 100 KB, so that some 40 fill a block; the n-th pays n quanta a byte and a bit.
fn fill(world: &mut World, payments: std::ops::Range<u32>) {
    for number in payments {
        let mut payment = Payment::new();
        for part in 0..7 {
            let owner = Owner::large(1_000 * (number + 1) + part, 14_300);
            let outpoint = world.endow(number * 7 + part, &owner);
            payment = payment.from(outpoint, &owner);
        }
        let change = Owner::new(number);
        let size = u64::from(payment.clone().to(&change, 7 * COIN - 1_000_000).build().size_bytes());
        let fee = rate(1_000 * (2 + u64::from(number))).fee(size).unwrap().quanta();
        world.add(&payment.to(&change, 7 * COIN - fee).build());
    }
}

/// The lowest rate among so many transactions of the highest.
fn lowest_of_best(world: &World, count: usize) -> FeeRate {
    let mut rates: Vec<_> = world.pool.entries().map(qbtc_core::mempool::MempoolEntry::fee_rate).collect();
    rates.sort_unstable_by(|a, b| b.cmp(a));
    rates[count - 1]
}

#[test]
fn what_waits_must_be_outbid() {
    let mut world = World::new();
    fill(&mut world, 0..90);
    let in_a_block = world.template().transactions().len();
    assert!((40..45).contains(&in_a_block));
    let next = estimate(&world, 1);
    assert_eq!(next.basis, EstimateBasis::Pool);
    // Just above the first that does not fit.
    let beaten = lowest_of_best(&world, in_a_block + 1);
    assert_eq!(next.rate, rate(beaten.quanta_per_1000_bytes() + 1));
    let second = estimate(&world, 2);
    assert!(second.basis == EstimateBasis::Pool && second.rate < next.rate);
    assert_eq!(estimate(&world, 3), floor(), "three blocks take all that waits");
    // The rate is enough: such a payment is in the next template.
    let owner = Owner::new(1);
    let plain = simple(1, 5_000);
    let fee = next.rate.fee(plain.size_bytes().into()).unwrap().quanta();
    let tx = Payment::new().from(super::world::coin(1), &owner).to(&owner, COIN - fee).build();
    world.add(&tx);
    assert!(world.template().transactions().iter().any(|chosen| chosen.txid() == tx.txid()));
}

#[test]
fn what_recent_blocks_took_counts_even_if_nothing_waits() {
    let mut world = World::new();
    fill(&mut world, 0..41);
    let cheapest_few = lowest_of_best(&world, 41 - 2);
    world.mine();
    assert!(world.pool.is_empty());
    let estimate = |world: &World, blocks| estimate(world, blocks);
    let full = estimate(&world, 1);
    // The cheapest twentieth does not count: two of 41.
    assert_eq!(full, FeeEstimate { rate: cheapest_few, basis: EstimateBasis::RecentBlocks });
    assert_eq!(estimate(&world, 2), floor(), "there was no time to see two blocks");
    world.mine_empty();
    assert_eq!(estimate(&world, 2), floor(), "one of two was empty");
    assert_eq!(estimate(&world, 1), full, "half of all starts are not enough");
    (0..4).for_each(|_| drop(world.mine_empty()));
    assert_eq!(estimate(&world, 1), full, "of six starts one failed, more than 15 percent");
    world.mine_empty();
    assert_eq!(estimate(&world, 1), floor(), "of seven starts one failed");
    // A reorg forgets the blocks that left.
    world.reorganize(6, |_| vec![]);
    assert_eq!(estimate(&world, 1), full);
}

/// While a node catches up, blocks are full of what it never saw: they do not count as if there had been room in them.
#[test]
fn blocks_full_of_strangers_tell_nothing() {
    let mut world = World::with_small_blocks();
    let pair = |world: &mut World, number: u32, fee: u64| {
        let owners = [Owner::large(2 * number, 14_900), Owner::large(2 * number + 1, 14_900)];
        [0, 1].map(|part: usize| {
            let outpoint = world.endow(2 * number + u32::try_from(part).unwrap(), &owners[part]);
            Payment::new().from(outpoint, &owners[part]).to(&owners[part], COIN - fee).build()
        })
    };
    let known = pair(&mut world, 0, 1_000_000);
    known.iter().for_each(|tx| world.add(tx));
    let paid = world.pool.entry(&known[0].txid()).unwrap().fee_rate();
    world.mine();
    let expected = FeeEstimate { rate: paid, basis: EstimateBasis::RecentBlocks };
    assert_eq!(estimate(&world, 1), expected);
    for number in 1..12 {
        let strangers = pair(&mut world, number, 500_000);
        let block = world.block_of(&strangers);
        world.connect(block);
        assert_eq!(estimate(&world, 1), expected);
    }
}
