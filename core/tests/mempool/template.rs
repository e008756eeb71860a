//! Block templates: what they choose, in which order, whom they pay, and that every one is a valid block.

use std::sync::Arc;

use qbtc_core::block::{Block, Coinbase};
use qbtc_core::hash::sha256d;
use qbtc_core::lock::Lock;
use qbtc_core::mempool::{CoinbaseParts, EXTRANONCE_BYTES, Payout, Solution, TemplateError};
use qbtc_core::tx::TxOut;
use qbtc_core::units::{Amount, BlockTime, Height};
use qbtc_core::verify::{CheckedTx, TxError, check_block};

use super::world::{COIN, Owner, Payment, World, child, output, quanta, simple};
use super::{invariants, world};
use crate::support::test;

fn order(world: &World) -> Vec<qbtc_core::hash::Txid> {
    world.template().transactions().iter().map(qbtc_core::mempool::TemplateTx::txid).collect()
}

#[test]
fn an_empty_pool_makes_an_empty_block() {
    let world = World::new();
    let template = world.template();
    assert_eq!((template.fees(), template.value()), (Amount::ZERO, Amount::from_coins(4)));
    assert_eq!(template.branch().len(), 1);
    assert_eq!(template.branch()[0], template.commitments().id().to_bytes());
    assert_eq!(template.time_min(), world.now.saturating_add(1));
    invariants::check_template(&world);
}

#[test]
fn what_pays_most_comes_first_and_equals_in_order_of_arrival() {
    let mut world = World::new();
    let txs = [(1, 2_000), (2, 4_000), (3, 3_000), (4, 4_000)].map(|(number, fee)| simple(number, fee));
    txs.iter().for_each(|tx| world.add(tx));
    assert_eq!(order(&world), [1, 3, 2, 0].map(|place: usize| txs[place].txid()));
    invariants::check_template(&world);
}

#[test]
fn a_child_that_pays_brings_its_parent_in() {
    let mut world = World::new();
    let cheap = simple(1, 500);
    let pays = child(&cheap, &Owner::new(1), 9_000);
    let also = child(&pays, &Owner::new(1), 400);
    let fair = simple(2, 4_000);
    for tx in [&cheap, &fair, &pays, &also] {
        world.add(tx);
    }
    assert_eq!(order(&world), [&cheap, &pays, &fair, &also].map(|tx| tx.txid()));
    let depends: Vec<_> = world.template().transactions().iter().map(|tx| tx.depends().to_vec()).collect();
    assert_eq!(depends, [vec![], vec![0], vec![], vec![1]]);
    invariants::check_template(&world);
}

/// A parent with two children: once one of them has paid for the parent, the other counts by itself.
#[test]
fn a_parent_is_paid_for_once() {
    let mut world = World::new();
    let owner = Owner::new(1);
    let parent = Payment::new().from(world::coin(1), &owner).to(&owner, COIN / 4).to(&owner, COIN / 4).build();
    // The rest of the coin is the fee: far more than all else.
    world.add(&parent);
    let spend =
        |index: u32, fee: u64| Payment::new().from(output(&parent, index), &owner).to(&owner, COIN / 4 - fee).build();
    let (low, high) = (spend(0, 1_000), spend(1, 3_000));
    let between = simple(2, 2_000);
    for tx in [&low, &high, &between] {
        world.add(tx);
    }
    assert_eq!(order(&world), [&parent, &high, &between, &low].map(|tx| tx.txid()));
}

/// Payments of 10 KB and more in a pool of twice a block.
fn full_world() -> World {
    let mut world = World::new();
    for number in 0..90 {
        let owner = Owner::large(number, 14_900);
        let mut payment = Payment::new();
        // Several owners a payment, so that fewer payments fill a block.
        for part in 0..8 {
            let part_owner = Owner::large(1_000 * (number + 1) + part, 13_000 + 100 * usize::try_from(part).unwrap());
            let outpoint = world.endow(number * 8 + part, &part_owner);
            payment = payment.from(outpoint, &part_owner);
        }
        let tx = payment.to(&owner, 8 * COIN - 300_000 - 1_000 * u64::from(number)).build();
        world.add(&tx);
    }
    world
}

#[test]
fn a_block_is_filled_to_its_limit() {
    let world = full_world();
    let limit = world.spec.consensus().limits.block_bytes;
    assert!(world.pool.size_bytes() > u64::from(limit) * 2);
    let template = world.template();
    let largest = world.pool.entries().map(qbtc_core::mempool::MempoolEntry::size_bytes).max().unwrap();
    assert!(template.size_bytes() <= limit && template.size_bytes() > limit - 1_000 - 300 - largest);
    let fees: Vec<_> = template.transactions().iter().map(qbtc_core::mempool::TemplateTx::fee).collect();
    assert!(fees.is_sorted_by(|a, b| a >= b), "all are about as large, so the highest fees come first");
    invariants::check_template(&world);
    // A coinbase with many outputs takes its room from the transactions.
    let outputs = vec![TxOut { amount: quanta(1_000), lock: Lock::Address(Owner::new(1).address()) }; 5_000];
    let payout = Payout { outputs, ..Payout::to(Owner::new(2).address()) };
    let shared = world.pool.template(&world.context(), &payout, &world.spec).unwrap();
    assert!(shared.size_bytes() <= limit);
    world.verify(world.solve(&shared));
    // Where the room is given away already, such a payout is too large.
    let refused = template.with_payout(&payout, &world.spec).unwrap_err();
    assert!(matches!(refused, TemplateError::Size { found, limit: allowed } if found > u64::from(allowed)));
}

#[test]
fn the_payout_is_shared_as_asked() {
    let mut world = World::new();
    world.add(&simple(1, 5_000));
    let share = TxOut { amount: quanta(100_000_000), lock: Lock::Address(Owner::new(7).address()) };
    let data = TxOut { amount: Amount::ZERO, lock: Lock::Data((*b"pool").into()) };
    let payout = Payout {
        address: Owner::new(8).address(),
        outputs: vec![share.clone(), data.clone()],
        message: (*b"hello").into(),
    };
    let template = world.pool.template(&world.context(), &payout, &world.spec).unwrap();
    let rest = TxOut { amount: quanta(300_005_000), lock: Lock::Address(Owner::new(8).address()) };
    assert_eq!(template.coinbase().outputs, [share, data, rest]);
    assert_eq!(template.coinbase().extra[EXTRANONCE_BYTES..], *b"hello");
    world.verify(world.solve(&template));
    // The same transactions for somebody else.
    let other = template.with_payout(&Payout::to(Owner::new(9).address()), &world.spec).unwrap();
    assert_eq!(other.coinbase().outputs[0].amount, template.value());
    assert_ne!(other.commitments().filter_hash, template.commitments().filter_hash);
    world.verify(world.solve(&other));
}

#[test]
fn payouts_that_no_block_may_have_are_refused() {
    let world = World::new();
    let template = |payout: &Payout| world.pool.template(&world.context(), payout, &world.spec).map(|_| ());
    let address = Owner::new(1).address();
    let paying = |amount: Amount| Payout {
        outputs: vec![TxOut { amount, lock: Lock::Address(address) }],
        ..Payout::to(address)
    };
    let subsidy = Amount::from_coins(4);
    assert_eq!(template(&paying(subsidy)), Ok(()));
    let found = quanta(subsidy.quanta() + 1);
    assert_eq!(template(&paying(found)), Err(TemplateError::Payout { found, limit: subsidy }));
    let saying = |bytes: usize| Payout { message: vec![0; bytes].into(), ..Payout::to(address) };
    assert_eq!(template(&saying(Payout::MESSAGE_BYTES_MAX)), Ok(()));
    assert_eq!(template(&saying(89)), Err(TemplateError::Message { found: 89 }));
    let telling = |bytes: usize| Payout {
        outputs: vec![TxOut { amount: Amount::ZERO, lock: Lock::Data(vec![0; bytes].into()) }],
        ..Payout::to(address)
    };
    assert_eq!(template(&telling(80)), Ok(()));
    let too_much = TemplateError::Outputs(TxError::Data { index: 0, found: 81, limit: 80 });
    assert_eq!(template(&telling(81)), Err(too_much));
}

#[test]
fn a_template_is_for_the_tip_that_the_pool_follows() {
    let mut world = World::new();
    let before = world.context();
    world.mine_empty();
    let refused = world.pool.template(&before, &Payout::to(Owner::new(1).address()), &world.spec).unwrap_err();
    assert_eq!(refused, TemplateError::Height { found: Height(1), expected: Height(2) });
}

#[test]
fn what_a_miner_varies_changes_neither_transactions_nor_branch() {
    let mut world = World::new();
    (1..8).for_each(|number| world.add(&simple(number, 5_000)));
    let template = world.template();
    let solution = |extranonce: u8| Solution {
        version: 0x3fff_e000,
        time: BlockTime(world.now.0 + u32::from(extranonce)),
        nonce: 7,
        extranonce: [extranonce; EXTRANONCE_BYTES],
    };
    let (one, other) = (template.block(&solution(1)), template.block(&solution(2)));
    assert_ne!(one.header.merkle_root, other.header.merkle_root);
    assert_eq!((one.transactions, one.commitments), (other.transactions.clone(), other.commitments));
    assert_eq!(other.header, template.header(&solution(2)));
    assert_eq!(
        (other.header.version, other.header.time, other.header.nonce),
        (0x3fff_e000, BlockTime(world.now.0 + 2), 7)
    );
}

/// What a miner that speaks Stratum does with the parts: coinb1 ‖ extranonces ‖ coinb2, sha256d, then the branch.
#[test]
fn parts_and_branch_make_the_root_as_stratum_has_it() {
    let mut world = World::new();
    (1..6).for_each(|number| world.add(&simple(number, 5_000)));
    let template = world.template();
    let CoinbaseParts { prefix, suffix } = template.coinbase_parts();
    assert_eq!(prefix.len(), 42);
    assert_eq!(usize::from(prefix[41]), template.coinbase().extra.len());
    let extranonce = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let coinbase = [&prefix[..], &extranonce, suffix].concat();
    let root = template.branch().iter().fold(sha256d(&coinbase), |node, sibling| sha256d(&[node, *sibling].concat()));
    let solution = Solution { version: 1, time: template.time_min(), nonce: 0, extranonce };
    assert_eq!(template.header(&solution).merkle_root.to_bytes(), root);
    assert_eq!(Coinbase::from_bytes(&coinbase).unwrap().extra[..], extranonce);
    // What submitblock concatenates is the block.
    let header = template.header(&solution).to_bytes();
    let count = [u8::try_from(2 + template.transactions().len()).unwrap()];
    let commitments = template.commitments().to_bytes();
    let transactions: Vec<u8> =
        template.transactions().iter().flat_map(qbtc_core::mempool::TemplateTx::to_bytes).collect();
    let submitted = [&header[..], &count, &coinbase, &commitments, &transactions].concat();
    assert_eq!(Block::from_bytes(&submitted, 1 << 20).unwrap(), template.block(&solution));
}

/// A miner of the `coinbase/append` kind lengthens the free bytes to as many as there may be. Small blocks and small payments, so that
/// the room that is left takes every size.
#[test]
fn a_full_block_leaves_room_to_append_to_the_coinbase() {
    let mut world = World::with_small_blocks();
    let limit = world.spec.consensus().limits.block_bytes;
    (0..300).for_each(|number| world.add(&simple(number, 5_000)));
    let address = Owner::new(1).address();
    let share = TxOut { amount: quanta(1_000), lock: Lock::Address(address) };
    let solution = Solution { version: 1, time: world.now, nonce: 0, extranonce: [0; 12] };
    let mut least_left = limit;
    for shares in 30..60 {
        let payout = Payout { outputs: vec![share.clone(); shares], ..Payout::to(address) };
        let template = world.pool.template(&world.context(), &payout, &world.spec).unwrap();
        assert!(template.transactions().len() < 300, "the block is full");
        let mut block = template.block(&solution);
        block.coinbase.extra = vec![0xab; Coinbase::EXTRA_BYTES_MAX].into();
        let bytes = u32::try_from(block.to_bytes().len()).unwrap();
        least_left = least_left.min(limit.checked_sub(bytes).expect("the appended block is within the limit"));
    }
    assert!(least_left < 20, "the room is used: {least_left} bytes are left");
}

#[test]
fn a_checked_block_shares_the_transactions_of_the_pool() {
    let mut world = World::new();
    (1..6).for_each(|number| world.add(&simple(number, 5_000)));
    let template = world.template();
    let solved = world.solve(&template);
    let solution = Solution {
        version: solved.header.version,
        time: solved.header.time,
        nonce: solved.header.nonce,
        extranonce: solved.coinbase.extra[..].try_into().unwrap(),
    };
    let checked = template.checked_block(&solution, &world.spec).unwrap();
    assert_eq!(checked, check_block(solved, &world.spec).unwrap());
    let is_shared = |tx: &Arc<CheckedTx>| Arc::ptr_eq(tx, world.pool.entry(&tx.txid()).unwrap().tx());
    assert!(checked.transactions().iter().all(is_shared));
    let without_work = (0..)
        .map(|nonce| Solution { nonce, ..solution })
        .find(|solution| world.spec.consensus().pow.check_work(&template.header(solution)).is_err());
    assert!(template.checked_block(&without_work.unwrap(), &world.spec).is_err());
}

#[test]
fn a_template_stays_what_it_is_while_the_pool_goes_on() {
    let mut world = World::new();
    world.add(&simple(1, 5_000));
    let template = world.template();
    world.add(&simple(2, 9_000));
    world.submit(&simple(1, 8_000)).unwrap();
    assert_eq!(template.transactions().len(), 1);
    world.verify(world.solve(&template));
    assert_eq!(template.context().height, Height(1));
}
