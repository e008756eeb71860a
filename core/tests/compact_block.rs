//! Compact blocks between two nodes: what arrives is the block, and whatever a sender does wrong is told apart from chance.

use std::sync::Arc;

use crate::support::{ALLOTTED, TestChain, TestKey, pay, test};
use qbtc_core::net::{CompactBlock, CompactBlockBytesError, CompactBlockError, Reconstruction};
use qbtc_core::tx::Transaction;
use qbtc_core::units::Amount;
use qbtc_core::verify::{BlockError, CheckedBlock, CheckedTx, check_block, check_transaction};

const LIMIT: usize = 4 << 20;

/// A chain, and a block of it with five payments.
struct Scene {
    chain: TestChain,
    block: CheckedBlock,
}

impl Scene {
    fn new() -> Self {
        let mut chain = TestChain::new();
        let mut parent = chain.genesis();
        for _ in 0..4 {
            parent = chain.extend(&parent, vec![]).id();
        }
        let owner = TestKey::new(0);
        let coins = chain.tip(&parent).spendable(owner.address(), &chain.spec);
        let payments = coins.iter().take(5).zip(1..).map(|(coin, number)| {
            let amount = ALLOTTED.checked_sub(Amount::from_coins(number)).unwrap();
            owner.spend(std::slice::from_ref(coin), vec![pay(TestKey::new(9).address(), amount)], &chain.spec)
        });
        let payments = payments.collect();
        let block = check_block(chain.extend(&parent, payments), &chain.spec).unwrap();
        Self { chain, block }
    }

    fn compact(&self, prefilled: &[usize]) -> CompactBlock {
        let wtxids: Vec<_> = prefilled.iter().map(|index| self.block.transactions()[*index].wtxid()).collect();
        let compact = CompactBlock::new(&self.block, 42, |tx| wtxids.contains(&tx.wtxid()));
        // What is used is what came over the wire.
        let bytes = compact.to_bytes();
        let read = CompactBlock::from_bytes(&bytes, LIMIT).unwrap();
        assert_eq!((&read, read.to_bytes()), (&compact, bytes));
        assert_eq!((read.id(), read.transactions()), (self.block.id(), 5));
        read
    }

    fn begin(&self, compact: CompactBlock, at_hand: &[usize]) -> Result<Reconstruction, CompactBlockError> {
        let at_hand: Vec<Arc<CheckedTx>> =
            at_hand.iter().map(|index| Arc::clone(&self.block.transactions()[*index])).collect();
        Reconstruction::begin(compact, &at_hand, &self.chain.spec)
    }

    fn transactions(&self, indexes: &[u32]) -> Vec<Transaction> {
        let all = self.block.transactions();
        indexes.iter().map(|index| all[usize::try_from(*index).unwrap()].transaction().clone()).collect()
    }

    fn assert_whole(&self, found: &CheckedBlock) {
        assert_eq!(found.to_block().to_bytes(), self.block.to_block().to_bytes());
    }
}

#[test]
fn what_is_at_hand_costs_nothing_and_the_rest_is_asked_for() {
    let scene = Scene::new();
    for (prefilled, at_hand, missing) in [
        (&[][..], &[4, 2, 0, 3, 1][..], &[][..]),
        (&[], &[], &[0, 1, 2, 3, 4]),
        (&[], &[1, 3], &[0, 2, 4]),
        (&[0, 4], &[1, 2, 3], &[]),
        (&[2], &[0], &[1, 3, 4]),
        (&[0, 1, 2, 3, 4], &[], &[]),
        (&[1, 3], &[1, 3], &[0, 2, 4]),
    ] {
        let rebuilding = scene.begin(scene.compact(prefilled), at_hand).unwrap();
        assert_eq!(rebuilding.missing(), missing);
        scene.assert_whole(&rebuilding.finish(scene.transactions(missing), &scene.chain.spec).unwrap());
    }
}

#[test]
fn a_block_without_payments_needs_nothing() {
    let mut chain = TestChain::new();
    let block = check_block(chain.extend(&chain.genesis(), vec![]), &chain.spec).unwrap();
    let compact = CompactBlock::new(&block, 0, |_| false);
    let none: [Arc<CheckedTx>; 0] = [];
    let rebuilding = Reconstruction::begin(compact, &none, &chain.spec).unwrap();
    assert_eq!(rebuilding.finish(vec![], &chain.spec).unwrap().id(), block.id());
}

/// What is named costs less than a hundredth of what it names.
#[test]
fn names_are_short() {
    let scene = Scene::new();
    let none = scene.compact(&[]).to_bytes().len();
    let one = CompactBlock::new(&scene.block, 42, |tx| tx.wtxid() == scene.block.transactions()[0].wtxid());
    assert_eq!(none, 80 + scene.block.coinbase().to_bytes().len() + 128 + 1 + 1 + 5 * 6 + 1);
    assert_eq!(
        one.to_bytes().len() - none,
        1 + usize::try_from(scene.block.transactions()[0].size_bytes()).unwrap() - 6
    );
}

#[test]
fn other_senders_give_other_names() {
    let scene = Scene::new();
    let other = CompactBlock::new(&scene.block, 43, |_| false);
    assert_ne!(other.to_bytes()[300..], scene.compact(&[]).to_bytes()[300..]);
    scene.assert_whole(&scene.begin(other, &[0, 1, 2, 3, 4]).unwrap().finish(vec![], &scene.chain.spec).unwrap());
}

#[test]
fn work_comes_before_everything() {
    let scene = Scene::new();
    let mut compact = scene.compact(&[0]);
    while scene.chain.spec.consensus().pow.check_work(&compact.header).is_ok() {
        compact.header.nonce += 1;
    }
    assert!(matches!(scene.begin(compact, &[]), Err(CompactBlockError::Work(_))));
}

#[test]
fn what_is_sent_must_be_what_is_missing() {
    let scene = Scene::new();
    let rebuilding = || scene.begin(scene.compact(&[]), &[0, 2, 4]).unwrap();
    let finish = |transactions| rebuilding().finish(transactions, &scene.chain.spec).unwrap_err();
    assert_eq!(finish(scene.transactions(&[1])), CompactBlockError::Count { found: 1, expected: 2 });
    assert_eq!(finish(scene.transactions(&[1, 3, 4])), CompactBlockError::Count { found: 3, expected: 2 });
    let swapped = finish(scene.transactions(&[3, 1]));
    assert!(matches!(swapped, CompactBlockError::Other { index: 1, .. }), "{swapped}");
    assert!(!swapped.may_be_chance());
    // The same payment with another signature has another wtxid.
    let mut forged = scene.transactions(&[1, 3]);
    forged[0].witnesses = forged[1].witnesses.clone();
    assert!(matches!(finish(forged), CompactBlockError::Other { index: 1, .. }));
    let mut broken = scene.transactions(&[1, 3]);
    broken[1].body.inputs.clear();
    let broken = finish(broken);
    assert!(matches!(broken, CompactBlockError::Transaction { index: 3, .. }), "{broken}");
    assert!(!broken.may_be_chance());
}

/// A prefilled transaction that is not the block's, or one at hand with the right short id: nobody can tell which.
#[test]
fn roots_that_do_not_fit_may_be_chance() {
    let scene = Scene::new();
    let mut other = TestChain::new();
    let parent = other.extend(&other.genesis(), vec![]).id();
    let foreign = other.extend(&parent, vec![]);
    let mut compact = scene.compact(&[]);
    compact.coinbase = foreign.coinbase;
    let error = scene.begin(compact, &[0, 1, 2, 3, 4]).unwrap().finish(vec![], &scene.chain.spec).unwrap_err();
    assert!(matches!(error, CompactBlockError::Block(BlockError::MerkleRoot { .. })), "{error}");
    assert!(error.may_be_chance());
}

#[test]
fn bytes_are_canonical_and_bounded() {
    let scene = Scene::new();
    let compact = scene.compact(&[1, 3]);
    let bytes = compact.to_bytes();
    for cut in [0, 79, 80, 100, 200, 280, bytes.len() - 1] {
        assert!(CompactBlock::from_bytes(&bytes[..cut], LIMIT).is_err(), "{cut}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(CompactBlock::from_bytes(&longer, LIMIT), Err(CompactBlockBytesError::Names(_))));
    let (found, limit) = (bytes.len(), bytes.len() - 1);
    assert_eq!(CompactBlock::from_bytes(&bytes, limit), Err(CompactBlockBytesError::TooLong { found, limit }));
}

/// Three short ids and two prefilled: places 1 and 3 in the bytes, spoilt.
#[test]
fn prefilled_transactions_stand_in_order_within_the_block() {
    let scene = Scene::new();
    let bytes = scene.compact(&[1, 3]).to_bytes();
    let size = |index: usize| usize::try_from(scene.block.transactions()[index].size_bytes()).unwrap();
    let second = bytes.len() - size(3) - 1;
    let first = second - size(1) - 1;
    assert_eq!((bytes[first], bytes[second]), (1, 3));
    let with = |place: usize, value| {
        let mut bytes = bytes.clone();
        bytes[place] = value;
        CompactBlock::from_bytes(&bytes, LIMIT)
    };
    assert_eq!(with(second, 1), Err(CompactBlockBytesError::Place { found: 1, least: 2, most: 4 }));
    assert_eq!(with(second, 0), Err(CompactBlockBytesError::Place { found: 0, least: 2, most: 4 }));
    assert_eq!(with(second, 5), Err(CompactBlockBytesError::Place { found: 5, least: 2, most: 4 }));
    assert_eq!(with(first, 3), Err(CompactBlockBytesError::Place { found: 3, least: 4, most: 4 }));
    assert!(with(second, 4).is_ok() && with(first, 0).is_ok());
}

/// Twice the same name cannot be told apart, whoever chose it.
#[test]
fn a_name_that_stands_twice_is_a_collision() {
    let scene = Scene::new();
    let mut bytes = scene.compact(&[]).to_bytes();
    let names = bytes.len() - 1 - 5 * 6;
    bytes.copy_within(names..names + 6, names + 6);
    let error = scene.begin(CompactBlock::from_bytes(&bytes, LIMIT).unwrap(), &[]).unwrap_err();
    assert!(matches!(error, CompactBlockError::Collision { .. }), "{error}");
    assert!(error.may_be_chance());
}

/// A mempool may hold the payment with other witnesses: it has another wtxid, so it is asked for.
#[test]
fn other_witnesses_are_not_at_hand() {
    let scene = Scene::new();
    let mut other = scene.transactions(&[0, 1]);
    other[0].witnesses = other[1].witnesses.clone();
    let other = Arc::new(check_transaction(other.remove(0), scene.chain.spec.consensus()).unwrap());
    let rebuilding = Reconstruction::begin(scene.compact(&[]), &[other], &scene.chain.spec).unwrap();
    assert_eq!(rebuilding.missing(), [0, 1, 2, 3, 4]);
}
