//! Moves from tip to tip: random trees of valid blocks against a replay from the genesis block, identity of there and back, and what
//! happens to invalid blocks and broken stores.
#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

mod support;

use std::collections::HashMap;

use proptest::prelude::*;
use qbtc_core::block::Block;
use qbtc_core::chain::{ChainState, ChainStore, ChangeSet, HeaderTree, Inconsistency, Path, ReorgError, reorg};
use qbtc_core::commit::mmr::{HistoryError, Node, Peaks, nodes_len};
use qbtc_core::crypto::verify_serial;
use qbtc_core::hash::BlockHash;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction};
use qbtc_core::units::{Amount, BlockTime, Height};
use qbtc_core::utxo::{Coin, CoinView, MemoryCoins, Undo, UndoError};
use qbtc_core::verify::{BlockError, CheckedBlock, SpendError, VerifiedCache, check_block};
use support::{ALLOTTED, TestChain, TestKey, pay, test};

const NOW: BlockTime = BlockTime(u32::MAX);

/// Why this store has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Missing;

impl From<HistoryError> for Missing {
    fn from(_: HistoryError) -> Self {
        Self
    }
}

/// A stored chain, in memory.
#[derive(Clone, Debug)]
struct Store {
    blocks: HashMap<BlockHash, CheckedBlock>,
    undo: HashMap<BlockHash, Undo>,
    coins: MemoryCoins,
    history: Vec<Node>,
    state: ChainState,
}

impl CoinView for Store {
    type Error = Missing;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Missing> {
        let Ok(coin) = self.coins.coin(outpoint);
        Ok(coin)
    }
}

impl ChainStore for Store {
    fn block(&self, id: &BlockHash) -> Result<CheckedBlock, Missing> {
        self.blocks.get(id).cloned().ok_or(Missing)
    }

    fn undo(&self, id: &BlockHash) -> Result<Undo, Missing> {
        self.undo.get(id).cloned().ok_or(Missing)
    }

    fn history(&self, blocks: u32) -> Result<Peaks, Missing> {
        let node = |position| self.history.get(usize::try_from(position).expect("short")).copied().ok_or(Missing);
        Peaks::load(blocks, node)
    }
}

impl Store {
    fn new(chain: &TestChain) -> Self {
        let genesis = ChangeSet::genesis(&chain.spec);
        let mut store = Self {
            blocks: HashMap::new(),
            undo: HashMap::new(),
            coins: MemoryCoins::default(),
            history: Vec::new(),
            state: ChainState::genesis(&chain.spec),
        };
        store.apply(&genesis);
        store
    }

    fn put(&mut self, block: &Block, chain: &TestChain) {
        let checked = check_block(block.clone(), &chain.spec).expect("valid in isolation");
        self.blocks.insert(block.id(), checked);
    }

    /// What a store does in one transaction.
    fn apply(&mut self, changes: &ChangeSet) {
        self.coins.apply(&changes.coins).expect("changes start from what is stored");
        self.history.truncate(usize::try_from(nodes_len(changes.history_keeps)).expect("short"));
        self.history.extend(&changes.history_nodes);
        for block in &changes.disconnected {
            self.undo.remove(&block.id());
        }
        for block in &changes.connected {
            self.undo.insert(block.block().id(), block.undo());
        }
        self.state = changes.state.clone();
    }

    fn go(&mut self, path: &Path, chain: &TestChain) -> Result<ChangeSet, ReorgError<Missing>> {
        let mut cache = VerifiedCache::new(1);
        let changes = reorg(&self.state, path, self, &mut cache, &chain.spec, verify_serial)?;
        self.apply(&changes);
        Ok(changes)
    }

    fn assert_same(&self, other: &Self) {
        assert_eq!(self.state, other.state);
        assert_eq!(self.coins, other.coins);
        assert_eq!(self.history, other.history);
        assert_eq!(self.undo, other.undo);
    }
}

/// Blocks with the tree of their headers, all bodies stored.
struct World {
    chain: TestChain,
    blocks: Vec<Block>,
    tree: HeaderTree,
    store: Store,
}

impl World {
    fn new() -> Self {
        // So that the allotted coins can be spent in the first block.
        let text = support::spec_text().replace("coinbase_maturity = 3", "coinbase_maturity = 1");
        let chain = TestChain::with_spec(ChainSpec::from_toml(&text).expect("it is sound"));
        let (tree, store) = (HeaderTree::new(&chain.spec), Store::new(&chain));
        Self { blocks: vec![chain.spec.genesis().clone()], chain, tree, store }
    }

    /// Makes a valid block known.
    fn extend(&mut self, parent: &BlockHash, transactions: Vec<Transaction>) -> BlockHash {
        let block = self.chain.extend(parent, transactions);
        self.add(block)
    }

    fn add(&mut self, block: Block) -> BlockHash {
        let id = block.id();
        self.tree.insert(block.header, NOW, &self.chain.spec).expect("the header fits");
        self.store.put(&block, &self.chain);
        self.tree.add_body(&id).expect("the header is known");
        self.blocks.push(block);
        id
    }

    fn path(&self, to: &BlockHash, blocks_max: usize) -> Path {
        self.tree.path(&self.store.state.tip(), to, blocks_max).expect("both are known")
    }

    fn go_to(&mut self, to: &BlockHash) -> Result<ChangeSet, ReorgError<Missing>> {
        let path = self.path(to, usize::MAX);
        self.store.go(&path, &self.chain)
    }

    /// The chain up to a block, connected block by block on a new store.
    fn replay(&self, to: &BlockHash) -> Store {
        let mut store = Store::new(&self.chain);
        store.blocks.clone_from(&self.store.blocks);
        while store.state.tip() != *to {
            let step = self.tree.path(&store.state.tip(), to, 1).expect("both are known");
            store.go(&step, &self.chain).expect("valid");
        }
        store
    }

    /// A payment of one of the first key's coins to itself and another, or the same as somewhere before if that can be.
    fn payment(&self, parent: &BlockHash, choice: u32) -> Vec<Transaction> {
        let (key, tip) = (TestKey::new(0), self.chain.tip(parent));
        let old = self.blocks.iter().flat_map(|block| &block.transactions).filter(|old| {
            let mut inputs = old.body.inputs.iter();
            inputs.all(|outpoint| tip.spendable(key.address(), &self.chain.spec).iter().any(|(at, _)| at == outpoint))
        });
        let old: Vec<_> = old.collect();
        let coins = tip.spendable(key.address(), &self.chain.spec);
        let pick = usize::try_from(choice / 4).expect("at least 32 bits");
        match choice % 4 {
            0 => Vec::new(),
            1 if !old.is_empty() => vec![old[pick % old.len()].clone()],
            _ if coins.is_empty() => Vec::new(),
            kind => {
                let coin = coins[pick % coins.len()];
                let half = Amount::from_quanta(coin.1.amount.quanta() / 2).expect("less than an amount");
                let to_both = vec![pay(key.address(), half), pay(TestKey::new(2).address(), Amount::ZERO)];
                let first = key.spend(&[coin], to_both, &self.chain.spec);
                if kind == 2 {
                    return vec![first];
                }
                // A second transaction spends the first one's output within the block.
                let made = support::outputs(first.txid(), &first.body.outputs, Height(tip.height.0 + 1), false).next();
                let quarter = Amount::from_quanta(half.quanta() / 2).expect("less than an amount");
                let outputs = vec![pay(key.address(), quarter)];
                let second = key.spend(&[made.expect("two outputs")], outputs, &self.chain.spec);
                vec![first, second]
            }
        }
    }
}

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
            // In pieces, each of which is a chain of its own and undone by the way back.
            while world.store.state.tip() != to {
                let before = world.store.clone();
                let path = world.path(&to, blocks_max);
                world.store.go(&path, &world.chain).unwrap();
                let mut back = world.store.clone();
                let path = world.tree.path(&back.state.tip(), &before.state.tip(), usize::MAX).unwrap();
                back.go(&path, &world.chain).unwrap();
                back.assert_same(&before);
            }
            world.store.assert_same(&world.replay(&to));
            let tip = world.chain.tip(&to);
            prop_assert_eq!(&world.store.coins, &tip.coins);
            prop_assert_eq!(world.store.state.history(), &tip.history);
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
