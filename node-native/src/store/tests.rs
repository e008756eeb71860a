//! The store against disks that fail, files that are not its own, and a model.

mod damage;
pub(crate) mod disk;

use std::sync::Arc;

use qbtc_core::chain::{ChainStore, HeaderTree, reorg};
use qbtc_core::commit::filter::Filter;
use qbtc_core::commit::flyclient::Opening;
use qbtc_core::crypto::verify_serial;
use qbtc_core::hash::BlockHash;
use qbtc_core::lock::Address;
use qbtc_core::mempool::{EXTRANONCE_BYTES, Mempool, Payout, Policy, Solution, TemplateContext};
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::{BlockTime, Height};
use qbtc_core::utxo::MemoryCoins;
use qbtc_core::verify::{CheckedBlock, VerifiedCache, genesis_block};
use redb::ReadableDatabase;

use super::*;
use disk::{Disk, Fault};

fn spec() -> Arc<ChainSpec> {
    let text = ChainSpec::dev().to_toml().replace(&0x1f00_ffff_u32.to_string(), &0x207f_ffff_u32.to_string());
    Arc::new(ChainSpec::from_toml(&text).unwrap())
}

/// A chain that grows on a store, and what must be found there.
struct Growing {
    spec: Arc<ChainSpec>,
    tree: HeaderTree,
    ids: Vec<BlockHash>,
    coins: MemoryCoins,
}

/// Long after anything here was mined.
const NOW: BlockTime = BlockTime(2_000_000_000);

impl Growing {
    fn new(spec: &Arc<ChainSpec>) -> Self {
        let mut coins = MemoryCoins::default();
        coins.apply(genesis_block(spec).diff()).unwrap();
        Self { spec: Arc::clone(spec), tree: HeaderTree::new(spec), ids: vec![spec.genesis().id()], coins }
    }

    /// The batch that puts one more block on the chain.
    fn next_batch(&mut self, view: &ChainView) -> Batch {
        let block = self.mine(view);
        let id = block.id();
        self.tree.insert(*block.header(), NOW, &self.spec).unwrap();
        self.tree.add_body(&id).unwrap();
        let path = self.tree.path(&view.state().tip(), &id, 9).unwrap();
        let store = With { view, block };
        let change = reorg(view.state(), &path, &store, &mut VerifiedCache::new(1), &self.spec, verify_serial).unwrap();
        let mut batch = Batch::new(view.state().clone());
        batch.push_header(*store.block.header());
        batch.push(change).unwrap();
        batch
    }

    /// Mines so many blocks, each of which is stored by itself.
    fn grow(&mut self, store: &Store, blocks: usize) {
        for _ in 0..blocks {
            let batch = self.next_batch(&store.view().unwrap());
            self.follow(&batch);
            store.commit(&batch).unwrap();
        }
    }

    fn follow(&mut self, batch: &Batch) {
        self.ids.push(batch.state().tip());
        self.coins.apply(batch.coins()).unwrap();
    }

    fn mine(&self, view: &ChainView) -> CheckedBlock {
        let (state, parent) = (view.state(), view.state().tip());
        let context = TemplateContext {
            parent,
            height: state.height().next().unwrap(),
            version: 1,
            bits: self.tree.next_bits(&parent, &self.spec).unwrap(),
            median_time_past: self.tree.median_time(&parent).unwrap(),
            history_root: state.history_root(),
        };
        let pool = Mempool::new(Policy::default(), context.height);
        let template = pool.template(&context, &Payout::to(Address::from_bytes([1; 32])), &self.spec).unwrap();
        let (time, extranonce) = (template.time_min(), [0; EXTRANONCE_BYTES]);
        let blocks = (0..).map(|nonce| Solution { version: 1, time, nonce, extranonce });
        blocks.map(|solution| template.checked_block(&solution, &self.spec)).find_map(Result::ok).unwrap()
    }

    /// Whether the store is exactly at a height of this chain.
    fn check(&self, view: &ChainView) {
        let height = view.state().height();
        assert_eq!(view.state().tip(), self.ids[height.0 as usize]);
        assert_eq!(view.history(height.0 + 1).unwrap(), *view.state().history());
        assert_eq!(view.block_id(height.next().unwrap()).unwrap(), None);
        for (id, at) in self.ids[..=height.0 as usize].iter().zip(0..) {
            assert_eq!(view.block_id(Height(at)).unwrap(), Some(*id));
            assert_eq!(view.block(id).unwrap().id(), *id);
        }
        // This chain has only coinbases: one coin a block, beside those of the genesis block.
        let stored: MemoryCoins = view.coins().unwrap().map(Result::unwrap).collect();
        let expected = self.coins.iter().filter(|(_, coin)| coin.height <= height);
        assert_eq!(stored, expected.map(|(at, coin)| (*at, *coin)).collect());
    }
}

/// A view, and a block that came in just now.
struct With<'a> {
    view: &'a ChainView,
    block: CheckedBlock,
}

impl qbtc_core::utxo::CoinView for With<'_> {
    type Error = StoreError;

    fn coin(&self, outpoint: &qbtc_core::tx::OutPoint) -> Result<Option<qbtc_core::utxo::Coin>, StoreError> {
        self.view.coin(outpoint)
    }
}

impl ChainStore for With<'_> {
    fn block(&self, _: &BlockHash) -> Result<CheckedBlock, StoreError> {
        Ok(self.block.clone())
    }

    fn undo(&self, id: &BlockHash) -> Result<qbtc_core::utxo::Undo, StoreError> {
        self.view.undo(id)
    }

    fn history(&self, blocks: u32) -> Result<qbtc_core::commit::mmr::Peaks, StoreError> {
        self.view.history(blocks)
    }
}

fn open(disk: &Disk, spec: &Arc<ChainSpec>) -> Result<Store, StoreError> {
    Store::with_backend(disk.clone(), Arc::clone(spec), &StoreOptions::default())
}

/// A disk that fails after so many writes or syncs, then loses a random part of what it had not been told to keep.
#[test]
fn a_disk_that_fails_loses_nothing_that_was_committed() {
    let spec = spec();
    let faults = [Fault::Full, Fault::Sync, Fault::Full, Fault::Write];
    for (seed, fault) in (0..120).zip(faults.into_iter().cycle()) {
        let disk = Disk::default();
        let mut chain = Growing::new(&spec);
        drop(open(&disk, &spec).unwrap());
        let mut committed = 0;
        for round in 0..3 {
            let store = open(&disk, &spec).unwrap();
            chain.check(&store.view().unwrap());
            let height = store.view().unwrap().state().height().0;
            assert!(height == committed || height == committed + 1, "{height}, committed {committed}");
            chain.truncate(height);
            committed = height;
            disk.fail(fault, (seed * 7 + round * 13) % if fault == Fault::Sync { 9 } else { 90 });
            loop {
                let Ok(view) = store.view() else { break };
                let batch = chain.next_batch(&view);
                chain.follow(&batch);
                match store.commit(&batch) {
                    Ok(()) => committed += 1,
                    Err(StoreError::DiskFull) if fault == Fault::Full => break,
                    Err(StoreError::Io { .. }) if fault != Fault::Full => break,
                    Err(error) => panic!("{error}"),
                }
            }
            drop(store);
            disk.crash(seed ^ round);
        }
    }
}

impl Growing {
    /// Forgets blocks above a height, which were never committed.
    fn truncate(&mut self, height: u32) {
        self.ids.truncate(height as usize + 1);
        self.coins =
            self.coins.iter().filter(|(_, coin)| coin.height.0 <= height).map(|(at, coin)| (*at, *coin)).collect();
    }
}

#[test]
fn a_merged_batch_is_what_its_blocks_are_one_by_one() {
    let spec = spec();
    let (one_by_one, merged) = (Disk::default(), Disk::default());
    let (first, second) = (open(&one_by_one, &spec).unwrap(), open(&merged, &spec).unwrap());
    let mut chain = Growing::new(&spec);
    let mut whole = Batch::new(second.view().unwrap().state().clone());
    for _ in 0..5 {
        let view = first.view().unwrap();
        let batch = chain.next_batch(&view);
        chain.follow(&batch);
        first.commit(&batch).unwrap();
        let path = chain.tree.path(&view.state().tip(), &batch.state().tip(), 9).unwrap();
        let store = With { view: &view, block: batch.chain()[0].block().clone() };
        let change = reorg(view.state(), &path, &store, &mut VerifiedCache::new(1), &spec, verify_serial).unwrap();
        whole.push_header(*store.block.header());
        whole.push(change).unwrap();
    }
    second.commit(&whole).unwrap();
    for store in [first, second] {
        assert_eq!(store.view().unwrap().state().height(), Height(5));
        chain.check(&store.view().unwrap());
        assert_eq!(store.load_tree().unwrap().tree.best_complete().id(), chain.ids[5]);
    }
}

#[test]
fn pruned_blocks_keep_what_light_clients_ask_for() {
    let spec = spec();
    let disk = Disk::default();
    let store = open(&disk, &spec).unwrap();
    let mut chain = Growing::new(&spec);
    chain.grow(&store, 6);
    assert!(!store.prune(Height(4), Height(2), 1_000).unwrap());
    assert_eq!(store.load_tree().unwrap().tree.best_complete().id(), chain.ids[6], "it goes on after a restart");
    let view = store.view().unwrap();
    assert_eq!((view.pruned_below(), view.bodies_pruned_below()), (Height(4), Height(2)));
    for (id, height) in chain.ids.iter().zip(0..) {
        let is_whole = height == 0 || height >= 4;
        assert_eq!(view.block_bytes(id).unwrap().is_some(), is_whole, "{height}");
        assert_eq!(view.has_block(id).unwrap(), height == 0 || height >= 2, "{height}");
        let filter = view.filter_bytes(id).unwrap().unwrap();
        // Even without its body the block still proves its filter.
        let proof = view.commitments_proof(id).unwrap().unwrap();
        let root = chain.tree.node(id).unwrap().header().merkle_root;
        let filter = Filter::from_bytes(&filter, filter.len()).unwrap();
        assert_eq!(proof.check(root).unwrap().filter_hash, filter.hash(), "{height}");
        assert_eq!(view.opening(Height(height)).unwrap().unwrap(), Opening::of_proof(&proof));
    }
    // What is gone cannot be indexed any more, and the error says so.
    let indexes = Indexes { txids: true, addresses: false };
    let options = StoreOptions { indexes, ..StoreOptions::default() };
    drop((view, store));
    let error = Store::with_backend(disk, spec, &options).unwrap_err();
    assert!(matches!(error, StoreError::IndexNeedsBlocks { below: 4, .. }), "{error}");
}

#[test]
fn what_version_1_wrote_is_brought_to_today() {
    let spec = spec();
    let disk = Disk::default();
    let store = open(&disk, &spec).unwrap();
    let mut chain = Growing::new(&spec);
    chain.grow(&store, 6);
    let view = store.view().unwrap();
    let kept: Vec<_> = chain.ids.iter().map(|id| view.commitments_proof(id).unwrap()).collect();
    drop(view);
    store.prune(Height(4), Height(2), 1_000).unwrap();
    // As it was then.
    let transaction = store.begin_write().unwrap();
    transaction.delete_table(tables::COMMITMENTS).unwrap();
    let version = tables::SCHEMA_WITHOUT_COMMITMENTS.to_le_bytes();
    transaction.open_table(tables::META).unwrap().insert(tables::META_SCHEMA, &version[..]).unwrap();
    transaction.commit().unwrap();
    drop(store);
    for _ in 0..2 {
        let view = open(&disk, &spec).unwrap().view().unwrap();
        for ((id, kept), height) in chain.ids.iter().zip(&kept).zip(0..) {
            // Whatever was pruned then is not proven now.
            let expected = kept.as_ref().filter(|_| height == 0 || height >= 2);
            assert_eq!(view.commitments_proof(id).unwrap().as_ref(), expected, "{height}");
        }
    }
}

#[test]
fn indexes_are_built_and_dropped_later() {
    let spec = spec();
    let disk = Disk::default();
    let store = open(&disk, &spec).unwrap();
    let mut chain = Growing::new(&spec);
    chain.grow(&store, 3);
    drop(store);
    let miner = Address::from_bytes([1; 32]);
    for wanted in [true, false, true] {
        let indexes = Indexes { txids: wanted, addresses: wanted };
        let options = StoreOptions { indexes, ..StoreOptions::default() };
        let view = Store::with_backend(disk.clone(), Arc::clone(&spec), &options).unwrap().view().unwrap();
        let coinbase = view.block(&chain.ids[2]).unwrap().coinbase_id();
        let place = TxPlace { block: chain.ids[2], height: Height(2), place: 0 };
        assert_eq!(view.transaction_place(&coinbase).unwrap(), wanted.then_some(place));
        assert_eq!(view.address_events(&miner, None, 10).unwrap().len(), if wanted { 3 } else { 0 });
        assert_eq!(view.address_coins(&miner, None, 10).unwrap().len(), if wanted { 3 } else { 0 });
    }
}

#[test]
fn what_is_not_ours_is_refused_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain.redb");
    let open = |spec: ChainSpec| Store::open(&path, Arc::new(spec), &StoreOptions::default());
    std::fs::write(&path, b"something else entirely, which is long enough to look at").unwrap();
    let error = open(ChainSpec::dev()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    std::fs::remove_file(&path).unwrap();

    let store = open(ChainSpec::dev()).unwrap();
    assert!(matches!(open(ChainSpec::dev()).unwrap_err(), StoreError::InUse { .. }));
    drop(store);
    let error = open(ChainSpec::local()).unwrap_err();
    assert!(matches!(error, StoreError::OtherChain { .. }), "{error}");

    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(tables::META).unwrap().insert("schema", &99_u32.to_le_bytes()[..]).unwrap();
    transaction.commit().unwrap();
    assert!(database.begin_read().is_ok());
    drop(database);
    let error = open(ChainSpec::dev()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, known: SCHEMA_VERSION }), "{error}");
}
