//! Moves from tip to tip: random trees of valid blocks against a replay from the genesis block, identity of there and back, and what
//! happens to invalid blocks and broken stores.

use crate::support::world::{Missing, Store, World};
use crate::support::{ALLOTTED, TestKey, pay, test};
use proptest::prelude::*;
use qbtc_core::chain::{ChainStore, Inconsistency, ReorgError};
use qbtc_core::tx::OutPoint;
use qbtc_core::units::{BlockTime, Height};
use qbtc_core::utxo::{Undo, UndoError};
use qbtc_core::verify::{BlockError, CheckedBlock, SpendError};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn reorgs_of_random_trees_equal_a_replay_from_genesis(
        shape in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), any::<u32>()), 1..24),
        moves in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..6), 1..8),
    ) {
        let mut world = World::new();
        for (is_near, choice, payment) in shape {
            let known = world.blocks.len();
            let parent = if is_near { known - 1 } else { choice.index(known) };
            let parent = world.blocks[parent].id();
            let transactions = world.payment(&parent, payment);
            world.extend(&parent, transactions);
        }
        for (choice, blocks_max) in moves {
            let to = world.blocks[choice.index(world.blocks.len())].id();
            world.travel(&to, blocks_max);
        }
    }
}

#[test]
fn a_move_tells_what_left_and_what_came() {
    let mut world = World::new();
    let genesis = world.chain.genesis();
    let a1 = world.extend(&genesis, world.payment(&genesis, 2));
    let a2 = world.extend(&a1, Vec::new());
    let b1 = world.extend(&genesis, Vec::new());
    world.go_to(&a2).unwrap();
    let changes = world.go_to(&b1).unwrap();
    assert_eq!(changes.disconnected.iter().map(CheckedBlock::id).collect::<Vec<_>>(), [a2, a1]);
    assert_eq!(changes.connected.iter().map(|block| block.block().id()).collect::<Vec<_>>(), [b1]);
    assert_eq!((changes.state.tip(), changes.state.height()), (b1, Height(1)));
    assert_eq!(world.tree.node(&b1).unwrap().work(), changes.state.work());
    let nowhere = world.go_to(&b1).unwrap();
    assert!(nowhere.coins.is_empty() && nowhere.connected.is_empty() && nowhere.state.tip() == b1);
}

#[test]
fn an_invalid_block_leaves_everything_as_it_was() {
    let mut world = World::new();
    let genesis = world.chain.genesis();
    let a1 = world.extend(&genesis, Vec::new());
    world.go_to(&a1).unwrap();
    let (b1, key) = (world.extend(&genesis, Vec::new()), TestKey::new(0));

    // A block that spends what is not there, and a valid-looking one on top.
    let missing = OutPoint { txid: world.blocks[1].coinbase.id(), index: 1 };
    let coin = *world.chain.tip(&genesis).spendable(key.address(), &world.chain.spec).first().unwrap();
    let spend = key.spend(&[(missing, coin.1)], vec![pay(key.address(), ALLOTTED)], &world.chain.spec);
    let bad = world.chain.draft(&b1, vec![spend]).seal();
    let bad = world.add(bad);
    world.chain.add(world.blocks.last().unwrap());
    let on_bad = world.extend(&bad, Vec::new());
    assert_eq!(world.tree.best_complete().id(), on_bad);

    let before = world.store.clone();
    let error = SpendError::MissingCoin { outpoint: missing };
    let error = BlockError::Spend { index: 0, error };
    assert_eq!(world.go_to(&on_bad).unwrap_err(), ReorgError::Invalid { id: bad, error: error.clone() });
    world.store.assert_same(&before);

    assert!(error.condemns_header());
    world.tree.mark_invalid(&bad).unwrap();
    assert_eq!(world.tree.best_complete().id(), a1, "of equal work, and complete before b1");
    let b2 = world.extend(&b1, Vec::new());
    assert_eq!(world.tree.best_complete().id(), b2);
    world.go_to(&b2).unwrap();
    world.store.assert_same(&world.replay(&b2));
}

#[test]
fn a_store_that_does_not_fit_together_is_noticed() {
    let mut world = World::new();
    let genesis = world.chain.genesis();
    let a1 = world.extend(&genesis, world.payment(&genesis, 2));
    let a2 = world.extend(&a1, Vec::new());
    world.go_to(&a2).unwrap();
    let good = world.store.clone();
    let mut back = |spoil: &dyn Fn(&mut Store)| {
        world.store = good.clone();
        spoil(&mut world.store);
        match world.go_to(&genesis).unwrap_err() {
            ReorgError::Inconsistent(what) => what,
            other => panic!("{other}"),
        }
    };

    let error = UndoError::Count { found: 0, expected: 1 };
    let no_undo = back(&|store| drop(store.undo.insert(a1, Undo::default())));
    assert!(matches!(no_undo, Inconsistency::Undo { id, error: found } if id == a1 && found == error), "{no_undo}");

    let expected = Inconsistency::Block { found: a1, expected: a2 };
    assert_eq!(back(&|store| drop(store.blocks.insert(a2, store.blocks[&a1].clone()))), expected);

    let other_root = |store: &mut Store| store.history[0].first_time = BlockTime(1);
    match back(&other_root) {
        Inconsistency::History { blocks: 1, found, expected } => {
            assert_eq!(expected, good.history(1).unwrap().root());
            assert_ne!(found, expected);
        }
        other => panic!("{other}"),
    }

    let expected = Inconsistency::Start { found: a2, tip: a1 };
    let other_tip = |store: &mut Store| {
        let path = world.tree.path(&a2, &a1, 1).unwrap();
        store.go(&path, &world.chain).unwrap();
    };
    let mut spoilt = good.clone();
    other_tip(&mut spoilt);
    let path = world.tree.path(&a2, &genesis, 2).unwrap();
    assert_eq!(spoilt.go(&path, &world.chain).unwrap_err(), ReorgError::Inconsistent(expected));

    let mut gone = good.clone();
    gone.undo.clear();
    let path = world.tree.path(&a2, &genesis, 2).unwrap();
    assert_eq!(gone.go(&path, &world.chain).unwrap_err(), ReorgError::Store(Missing));
}
