//! A stored chain in memory, and a world of valid blocks in which it moves.

use std::collections::HashMap;

use qbtc_core::block::Block;
use qbtc_core::chain::{ChainState, ChainStore, ChangeSet, HeaderTree, Path, ReorgError, reorg};
use qbtc_core::commit::mmr::{HistoryError, Node, Peaks, nodes_len};
use qbtc_core::crypto::verify_serial;
use qbtc_core::hash::BlockHash;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction};
use qbtc_core::units::{Amount, BlockTime, Height};
use qbtc_core::utxo::{Coin, CoinView, MemoryCoins, Undo};
use qbtc_core::verify::{CheckedBlock, VerifiedCache, check_block};

use super::{TestChain, TestKey, outputs, pay, spec_text};

/// A time that no block is ahead of.
const NOW: BlockTime = BlockTime(u32::MAX);

/// Why this store has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing;

impl From<HistoryError> for Missing {
    fn from(_: HistoryError) -> Self {
        Self
    }
}

/// A stored chain, in memory.
#[derive(Clone, Debug)]
pub struct Store {
    pub blocks: HashMap<BlockHash, CheckedBlock>,
    pub undo: HashMap<BlockHash, Undo>,
    pub coins: MemoryCoins,
    pub history: Vec<Node>,
    pub state: ChainState,
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
    pub fn new(chain: &TestChain) -> Self {
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

    pub fn put(&mut self, block: &Block, chain: &TestChain) {
        let checked = check_block(block.clone(), &chain.spec).expect("valid in isolation");
        self.blocks.insert(block.id(), checked);
    }

    /// What a store does in one transaction.
    pub fn apply(&mut self, changes: &ChangeSet) {
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

    pub fn go(&mut self, path: &Path, chain: &TestChain) -> Result<ChangeSet, ReorgError<Missing>> {
        let mut cache = VerifiedCache::new(1);
        let changes = reorg(&self.state, path, self, &mut cache, &chain.spec, verify_serial)?;
        self.apply(&changes);
        Ok(changes)
    }

    pub fn assert_same(&self, other: &Self) {
        assert_eq!(self.state, other.state);
        assert_eq!(self.coins, other.coins);
        assert_eq!(self.history, other.history);
        assert_eq!(self.undo, other.undo);
    }
}

/// Blocks with the tree of their headers, all bodies stored.
pub struct World {
    pub chain: TestChain,
    pub blocks: Vec<Block>,
    pub tree: HeaderTree,
    pub store: Store,
}

impl World {
    pub fn new() -> Self {
        // So that the allotted coins can be spent in the first block.
        let text = spec_text().replace("coinbase_maturity = 3", "coinbase_maturity = 1");
        let chain = TestChain::with_spec(ChainSpec::from_toml(&text).expect("it is sound"));
        let (tree, store) = (HeaderTree::new(&chain.spec), Store::new(&chain));
        Self { blocks: vec![chain.spec.genesis().clone()], chain, tree, store }
    }

    /// Makes a valid block known.
    pub fn extend(&mut self, parent: &BlockHash, transactions: Vec<Transaction>) -> BlockHash {
        let block = self.chain.extend(parent, transactions);
        self.add(block)
    }

    pub fn add(&mut self, block: Block) -> BlockHash {
        let id = block.id();
        self.tree.insert(block.header, NOW, &self.chain.spec).expect("the header fits");
        self.store.put(&block, &self.chain);
        self.tree.add_body(&id).expect("the header is known");
        self.blocks.push(block);
        id
    }

    pub fn path(&self, to: &BlockHash, blocks_max: usize) -> Path {
        self.tree.path(&self.store.state.tip(), to, blocks_max).expect("both are known")
    }

    pub fn go_to(&mut self, to: &BlockHash) -> Result<ChangeSet, ReorgError<Missing>> {
        let path = self.path(to, usize::MAX);
        self.store.go(&path, &self.chain)
    }

    /// The chain up to a block, connected block by block on a new store.
    pub fn replay(&self, to: &BlockHash) -> Store {
        let mut store = Store::new(&self.chain);
        store.blocks.clone_from(&self.store.blocks);
        while store.state.tip() != *to {
            let step = self.tree.path(&store.state.tip(), to, 1).expect("both are known");
            store.go(&step, &self.chain).expect("valid");
        }
        store
    }

    /// Goes to a block in pieces, each of which is a chain of its own and undone by the way back, and asserts that all is as on a
    /// replay, and as the chain of blocks says.
    pub fn travel(&mut self, to: &BlockHash, blocks_max: usize) {
        while self.store.state.tip() != *to {
            let before = self.store.clone();
            let path = self.path(to, blocks_max);
            self.store.go(&path, &self.chain).expect("valid");
            let mut back = self.store.clone();
            let path = self.tree.path(&back.state.tip(), &before.state.tip(), usize::MAX).expect("both are known");
            back.go(&path, &self.chain).expect("valid");
            back.assert_same(&before);
        }
        self.store.assert_same(&self.replay(to));
        let tip = self.chain.tip(to);
        assert_eq!(self.store.coins, tip.coins);
        assert_eq!(*self.store.state.history(), tip.history);
    }

    /// A payment of one of the first key's coins to itself and another, or the same as somewhere before if that can be.
    pub fn payment(&self, parent: &BlockHash, choice: u32) -> Vec<Transaction> {
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
                let made = outputs(first.txid(), &first.body.outputs, Height(tip.height.0 + 1), false).next();
                let quarter = Amount::from_quanta(half.quanta() / 2).expect("less than an amount");
                let outputs = vec![pay(key.address(), quarter)];
                let second = key.spend(&[made.expect("two outputs")], outputs, &self.chain.spec);
                vec![first, second]
            }
        }
    }
}
