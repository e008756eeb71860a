//! All blocks of a world, and the verdict on each: found once, by core's own rules, and shared by all nodes.
//!
//! Whether a block is valid depends on its bytes and on the chain below it, which its id fixes both. So the first node that wants to
//! connect a block has it verified in full, signatures included, on a reference chain that [`qbtc_core::chain::reorg`] moves; every other
//! node gets the same verdict by the block's id. That is what lets hundreds of nodes live on one processor. Signatures of transactions are
//! shared in the same way, by one [`VerifiedCache`].
//!
//! Nothing here knows which node holds what: that is in each node's header tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use qbtc_core::block::Block;
use qbtc_core::chain::{ChainState, ChainStore, ChangeSet, HeaderTree, ReorgError, reorg};
use qbtc_core::commit::mmr::{HistoryError, Node, Peaks, nodes_len};
use qbtc_core::crypto::verify_serial;
use qbtc_core::hash::{BlockHash, sha256};
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::BlockOutcome;
use qbtc_core::tx::OutPoint;
use qbtc_core::units::BlockTime;
use qbtc_core::utxo::{Coin, CoinView, MemoryCoins, Undo};
use qbtc_core::verify::{BlockError, CheckedBlock, VerifiedBlock, VerifiedCache, check_block, genesis_block};

/// A clock that no header is ahead of: each node has looked at its own already.
const NO_CLOCK: BlockTime = BlockTime(u32::MAX);
/// More signatures than any world makes.
const SIGNATURES_MAX: usize = 1 << 20;

/// The blocks of a world.
pub(super) struct Library {
    spec: ChainSpec,
    pub(super) cache: VerifiedCache,
    bodies: BTreeMap<BlockHash, Arc<CheckedBlock>>,
    encoded: BTreeMap<BlockHash, Arc<[u8]>>,
    /// What bytes turned out to be, by their hash.
    read: BTreeMap<[u8; 32], Result<Arc<CheckedBlock>, BlockOutcome>>,
    verdicts: BTreeMap<BlockHash, Result<Arc<Valid>, BlockError>>,
    reference: Reference,
}

/// A valid block with the state of the chain that ends in it.
pub(super) struct Valid {
    pub(super) block: VerifiedBlock,
    pub(super) state: ChainState,
}

/// A stored chain that goes wherever a block is to be verified.
struct Reference {
    tree: HeaderTree,
    coins: MemoryCoins,
    history: Vec<Node>,
    undo: BTreeMap<BlockHash, Undo>,
    state: ChainState,
}

/// The reference chain with the bodies of all blocks: a store as core asks for it.
struct Store<'a> {
    reference: &'a Reference,
    bodies: &'a BTreeMap<BlockHash, Arc<CheckedBlock>>,
}

/// Why the store has no answer: never, unless the simulator is wrong.
#[derive(Debug)]
pub(super) struct Missing;

impl Library {
    pub(super) fn new(spec: ChainSpec) -> Self {
        let genesis = Valid { block: genesis_block(&spec), state: ChainState::genesis(&spec) };
        let id = genesis.state.tip();
        Self {
            cache: VerifiedCache::new(SIGNATURES_MAX),
            bodies: BTreeMap::from([(id, Arc::new(genesis.block.block().clone()))]),
            encoded: BTreeMap::new(),
            read: BTreeMap::new(),
            verdicts: BTreeMap::from([(id, Ok(Arc::new(genesis)))]),
            reference: Reference::new(&spec),
            spec,
        }
    }

    pub(super) const fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// Adds a block that is right by itself.
    pub(super) fn add(&mut self, block: &Arc<CheckedBlock>) {
        self.bodies.entry(block.id()).or_insert_with(|| Arc::clone(block));
    }

    pub(super) fn body(&self, id: &BlockHash) -> Option<&Arc<CheckedBlock>> {
        self.bodies.get(id)
    }

    /// A block's bytes.
    pub(super) fn bytes(&mut self, block: &CheckedBlock) -> Arc<[u8]> {
        let encode = || block.to_block().to_bytes().into();
        Arc::clone(self.encoded.entry(block.id()).or_insert_with(encode))
    }

    /// The block of these bytes, if it is right by itself; else what a node makes of it.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Arc<CheckedBlock>, BlockOutcome> {
        let (key, spec) = (sha256(bytes), &self.spec);
        let read = self.read.entry(key).or_insert_with(|| read(bytes, spec)).clone();
        if let Ok(block) = &read {
            self.bodies.entry(block.id()).or_insert_with(|| Arc::clone(block));
        }
        read
    }

    /// Whether a block is valid whose ancestors are known to be. Its body must have been added.
    pub(super) fn verify(&mut self, id: &BlockHash) -> Result<Arc<Valid>, BlockError> {
        if let Some(verdict) = self.verdicts.get(id) {
            return verdict.clone();
        }
        let verdict = self.reference.go(id, &self.bodies, &mut self.cache, &self.spec);
        self.verdicts.insert(*id, verdict.clone());
        verdict
    }

    /// A block that was found valid before.
    pub(super) fn valid(&self, id: &BlockHash) -> Option<&Arc<Valid>> {
        self.verdicts.get(id).and_then(|verdict| verdict.as_ref().ok())
    }

    /// The coins after a block, by verifying the whole chain anew: no verdict and no signature is taken from before.
    pub(super) fn replay(&self, tip: &BlockHash) -> Result<MemoryCoins, BlockError> {
        let mut chain = vec![*tip];
        while let Some(block) = chain.last().and_then(|id| self.body(id))
            && block.header().parent != BlockHash::ZERO
        {
            chain.push(block.header().parent);
        }
        let mut reference = Reference::new(&self.spec);
        // The last is the genesis block.
        for id in chain.iter().rev().skip(1) {
            reference.go(id, &self.bodies, &mut VerifiedCache::new(1), &self.spec)?;
        }
        Ok(reference.coins)
    }
}

fn read(bytes: &[u8], spec: &ChainSpec) -> Result<Arc<CheckedBlock>, BlockOutcome> {
    let limit = spec.consensus().limits.block_bytes as usize;
    let block = Block::from_bytes(bytes, limit).map_err(|_| BlockOutcome::WrongBody)?;
    match check_block(block, spec) {
        Ok(block) => Ok(Arc::new(block)),
        Err(error) if error.condemns_header() => Err(BlockOutcome::Invalid),
        Err(_) => Err(BlockOutcome::WrongBody),
    }
}

impl Reference {
    fn new(spec: &ChainSpec) -> Self {
        let mut reference = Self {
            tree: HeaderTree::new(spec),
            coins: MemoryCoins::default(),
            history: Vec::new(),
            undo: BTreeMap::new(),
            state: ChainState::genesis(spec),
        };
        reference.apply(&ChangeSet::genesis(spec));
        reference
    }

    /// Goes to a block, which is verified on the way. If it is not valid, nothing has changed.
    fn go(
        &mut self,
        id: &BlockHash,
        bodies: &BTreeMap<BlockHash, Arc<CheckedBlock>>,
        cache: &mut VerifiedCache,
        spec: &ChainSpec,
    ) -> Result<Arc<Valid>, BlockError> {
        let header = bodies[id].header();
        self.tree.insert(*header, NO_CLOCK, spec).expect("a node has this header in its tree");
        let path = self.tree.path(&self.state.tip(), id, usize::MAX).expect("both are in the tree");
        let store = Store { reference: self, bodies };
        let changes = match reorg(&self.state, &path, &store, cache, spec, verify_serial) {
            Ok(changes) => changes,
            Err(ReorgError::Invalid { id: found, error }) => {
                assert_eq!(found, *id, "blocks are verified after their parents");
                return Err(error);
            }
            Err(error) => panic!("the reference chain broke: {error}"),
        };
        self.apply(&changes);
        let block = changes.connected.into_iter().last().expect("a path to a block that is not the tip ends in it");
        Ok(Arc::new(Valid { block, state: changes.state }))
    }

    fn apply(&mut self, changes: &ChangeSet) {
        self.coins.apply(&changes.coins).expect("changes start from what is stored");
        self.history.truncate(usize::try_from(nodes_len(changes.history_keeps)).expect("fits the memory"));
        self.history.extend(&changes.history_nodes);
        for block in &changes.connected {
            self.undo.insert(block.block().id(), block.undo());
        }
        self.state = changes.state.clone();
    }
}

impl CoinView for Store<'_> {
    type Error = Missing;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Missing> {
        let Ok(coin) = self.reference.coins.coin(outpoint);
        Ok(coin)
    }
}

impl ChainStore for Store<'_> {
    fn block(&self, id: &BlockHash) -> Result<CheckedBlock, Missing> {
        self.bodies.get(id).map(|block| CheckedBlock::clone(block)).ok_or(Missing)
    }

    fn undo(&self, id: &BlockHash) -> Result<Undo, Missing> {
        self.reference.undo.get(id).cloned().ok_or(Missing)
    }

    fn history(&self, blocks: u32) -> Result<Peaks, Missing> {
        let node = |position| {
            let place = usize::try_from(position).map_err(|_| Missing)?;
            self.reference.history.get(place).copied().ok_or(Missing)
        };
        Peaks::load(blocks, node)
    }
}

impl From<HistoryError> for Missing {
    fn from(_: HistoryError) -> Self {
        Self
    }
}
