//! The chain over restarts and reorgs, on a real database.

use std::path::Path;
use std::sync::Arc;

use qbtc_core::chain::{ChainStore, InsertError};
use qbtc_core::hash::BlockHash;
use qbtc_core::lock::Address;
use qbtc_core::mempool::{EXTRANONCE_BYTES, Payout, Solution};
use qbtc_core::units::Height;
use qbtc_core::utxo::CoinView;
use qbtc_core::verify::CheckedBlock;

use super::*;
use crate::api::testing::easy_chain;
use crate::node::{BlockRefusal, Submitted, Unfollowed};
use crate::store::tests::disk::{Disk, Fault as DiskFault};
use crate::store::{Indexes, StoreOptions};

fn open(folder: &Path) -> (Node, DriverThread) {
    open_with(folder, DriverOptions::default())
}

fn open_with(folder: &Path, driver: DriverOptions) -> (Node, DriverThread) {
    let indexes = Indexes { txids: true, addresses: true };
    let options = StoreOptions { indexes, ..StoreOptions::default() };
    let store = Store::open(&folder.join("chain.redb"), Arc::new(easy_chain()), &options).unwrap();
    start(store, Arc::new(Metrics::new("dev")), driver).unwrap()
}

fn payout(miner: u8) -> Payout {
    Payout::to(Address::from_bytes([miner; 32]))
}

/// A block on the tip.
fn mine(node: &Node, miner: u8) -> CheckedBlock {
    let template = node.template(&payout(miner)).unwrap();
    let mut extranonce = [0; EXTRANONCE_BYTES];
    extranonce[..8].copy_from_slice(&node.extranonce().to_le_bytes());
    let time = template.time_min().max(node.now());
    let mut solution = Solution { version: template.context().version, time, nonce: 0, extranonce };
    loop {
        match template.checked_block(&solution, node.spec()) {
            Ok(block) => return block,
            Err(_) => solution.nonce += 1,
        }
    }
}

async fn mine_and_submit(node: &Node, miner: u8) -> BlockHash {
    let block = mine(node, miner);
    let id = block.id();
    assert_eq!(node.submit_checked(block).await.unwrap(), Submitted::Connected);
    id
}

fn stop(node: &Node, thread: DriverThread) {
    node.stop();
    thread.join();
    assert!(node.fault().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (node, thread) = open(folder.path());
    let mut ids = vec![node.chain().state().tip()];
    for _ in 0..5 {
        ids.push(mine_and_submit(&node, 7).await);
    }
    let again = node.chain().block(ids.last().unwrap()).unwrap();
    assert_eq!(node.submit_checked(again).await.unwrap(), Submitted::Known);
    let (coins, history) = (node.chain().coin_count(), node.chain().state().history_root());
    stop(&node, thread);

    let (node, thread) = open(folder.path());
    let chain = node.chain();
    assert_eq!((chain.state().tip(), chain.state().height()), (ids[5], Height(5)));
    assert_eq!((chain.coin_count(), chain.state().history_root()), (coins, history));
    assert_eq!(chain.history(6).unwrap(), *chain.state().history());
    for (id, height) in ids.iter().zip(0..) {
        assert_eq!(chain.block_id(Height(height)).unwrap(), Some(*id));
        assert_eq!(chain.block(id).unwrap().id(), *id);
        assert!(chain.filter_bytes(id).unwrap().is_some());
    }
    mine_and_submit(&node, 7).await;
    stop(&node, thread);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_moves_coins_and_indexes_together() {
    let folder = tempfile::tempdir().unwrap();
    let (node, thread) = open(folder.path());
    let common = mine_and_submit(&node, 1).await;
    let first = mine_and_submit(&node, 2).await;
    let abandoned = node.chain().block(&first).unwrap().coinbase_id();
    node.invalidate(first).await.unwrap();
    assert_eq!(node.chain().state().tip(), common);
    let better = [mine_and_submit(&node, 3).await, mine_and_submit(&node, 3).await];
    node.reconsider(first).await.unwrap();

    let chain = node.chain();
    assert_eq!(chain.state().tip(), better[1], "the branch with more work wins");
    assert_eq!(chain.transaction_place(&abandoned).unwrap(), None);
    let events = |miner: u8| chain.address_events(&Address::from_bytes([miner; 32]), None, 10).unwrap();
    assert_eq!((events(1).len(), events(2).len(), events(3).len()), (1, 0, 2));
    let coins = chain.address_coins(&Address::from_bytes([3; 32]), None, 10).unwrap();
    assert_eq!(coins.len(), 2);
    for (outpoint, coin) in coins {
        assert_eq!(chain.coin(&outpoint).unwrap(), Some(coin));
    }
    stop(&node, thread);
    let (node, thread) = open(folder.path());
    assert_eq!(node.chain().state().tip(), better[1]);
    stop(&node, thread);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_way_is_gone_and_written_in_parts() {
    const BLOCKS: u32 = 2 * 64 + 10;
    let folder = tempfile::tempdir().unwrap();
    let options = DriverOptions { batch_blocks_max: 8, ..DriverOptions::default() };
    let (node, thread) = open_with(folder.path(), options.clone());
    let mut ids = Vec::new();
    for _ in 0..BLOCKS {
        ids.push(mine_and_submit(&node, 1).await);
    }
    let coins = node.chain().coin_count();
    node.invalidate(ids[0]).await.unwrap();
    assert_eq!(node.chain().state().height(), Height(0));
    node.reconsider(ids[0]).await.unwrap();
    assert_eq!(node.chain().state().tip(), *ids.last().unwrap());
    assert_eq!(node.chain().coin_count(), coins);
    stop(&node, thread);
    let (node, thread) = open_with(folder.path(), options);
    assert_eq!(node.chain().state().tip(), *ids.last().unwrap(), "all of it is on the disk");
    stop(&node, thread);
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_keeps_up_with_blocks_that_come_one_after_the_other() {
    const BLOCKS: u32 = Prune::DEPTH_MIN + 100;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (giver, giving) = open(folders[0].path());
    let prune = Prune { witnesses: Some(0), bodies: None };
    // A batch makes more blocks old than a step prunes.
    let options = DriverOptions { batch_blocks_max: 40, prune_blocks_max: 8, prune, ..DriverOptions::default() };
    let (taker, taking) = open_with(folders[1].path(), options);
    let mut blocks = Vec::new();
    for _ in 0..BLOCKS {
        let id = mine_and_submit(&giver, 1).await;
        blocks.push(giver.chain().block(&id).unwrap());
    }
    for block in blocks {
        let mut importing = taker.import_checked(vec![Arc::new(block)], Vec::new()).await.unwrap();
        let [Ok(outcome)] = importing.finish().await.unwrap()[..] else { panic!("one block, one outcome") };
        assert_eq!(outcome, Submitted::Connected, "also where a batch ends with it");
    }
    // The node has had no pause in which it would have written everything.
    let (shown, pruned) = (taker.chain().state().height().0, taker.chain().pruned_below().0);
    assert!(pruned + Prune::DEPTH_MIN + 16 > shown, "{pruned} of {shown}");
    assert_eq!(taker.prune(Height(u32::MAX)).await.unwrap(), Height(BLOCKS - Prune::DEPTH_MIN));
    stop(&giver, giving);
    stop(&taker, taking);
}

/// So many blocks of a chain of its own.
async fn mined(miner: u8, blocks: u32) -> Vec<Arc<CheckedBlock>> {
    let folder = tempfile::tempdir().unwrap();
    let (node, thread) = open(folder.path());
    let mut mined = Vec::new();
    for _ in 0..blocks {
        let id = mine_and_submit(&node, miner).await;
        mined.push(Arc::new(node.chain().block(&id).unwrap()));
    }
    stop(&node, thread);
    mined
}

#[tokio::test(flavor = "multi_thread")]
async fn a_better_chain_that_leaves_below_what_is_kept_is_not_followed_and_told_of() {
    const BLOCKS: u32 = Prune::DEPTH_MIN + 5;
    let (own, other) = (mined(1, BLOCKS).await, mined(2, BLOCKS + 3).await);
    let folder = tempfile::tempdir().unwrap();
    let (node, thread) = open(folder.path());
    node.import_at_once(own.clone(), Vec::new()).await.unwrap().finish().await.unwrap();
    assert_eq!(node.prune(Height(u32::MAX)).await.unwrap(), Height(5));
    assert_eq!(node.unfollowed(), None);
    let (most, last) = other.split_at(other.len() - 1);
    node.import_at_once(most.to_vec(), Vec::new()).await.unwrap().finish().await.unwrap();
    let work = node.headers().node(&most[most.len() - 1].id()).unwrap().work();
    let unfollowed = Unfollowed { fork: Height(0), first: other[0].id(), below: Height(5), work };
    assert_eq!(node.unfollowed(), Some(unfollowed));
    assert!(node.warnings()[0].contains("blocks below height 5 are pruned"), "{:?}", node.warnings());
    assert_eq!(node.chain().state().tip(), own.last().unwrap().id());
    for _ in 0..2 {
        assert_eq!(node.unfollowed(), Some(unfollowed));
        mine_and_submit(&node, 1).await;
    }
    assert_eq!(node.unfollowed(), None, "this one has as much work");
    node.import_at_once(last.to_vec(), Vec::new()).await.unwrap().finish().await.unwrap();
    let further = node.unfollowed().unwrap();
    assert!(further.work > work && Unfollowed { work, ..further } == unfollowed, "the other one has more again");
    // It says so again, and goes on, after a restart and when it is told to think again.
    stop(&node, thread);
    let (node, thread) = open(folder.path());
    mine_and_submit(&node, 1).await;
    mine_and_submit(&node, 1).await;
    assert_eq!(node.unfollowed(), None, "as long as the other one has not more work");
    for _ in 0..2 {
        node.invalidate(node.chain().state().tip()).await.unwrap();
    }
    assert_eq!(node.unfollowed(), Some(further));
    node.reconsider(other[0].id()).await.unwrap();
    assert_eq!(node.chain().state().height(), Height(BLOCKS + 2));
    // A branch that leaves at the lowest block that is whole is followed.
    let from = own[4].id();
    node.invalidate(own[5].id()).await.unwrap();
    assert_eq!(node.chain().state().tip(), from);
    stop(&node, thread);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_block_of_a_run_has_its_outcome() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (giver, giving) = open(folders[0].path());
    let (taker, taking) = open(folders[1].path());
    let mut blocks = Vec::new();
    for _ in 0..4 {
        let id = mine_and_submit(&giver, 1).await;
        blocks.push(Arc::new(giver.chain().block(&id).unwrap()));
    }
    let run = [0, 1, 0, 3, 2].map(|place: usize| Arc::clone(&blocks[place])).to_vec();
    let outcomes = taker.import_at_once(run, Vec::new()).await.unwrap().finish().await.unwrap();
    let [Ok(first), Ok(second), Ok(again), Err(orphan), Ok(third)] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((first, second, third), (&Submitted::Connected, &Submitted::Connected, &Submitted::Connected));
    assert_eq!(again, &Submitted::Known);
    let unknown = |error: &BlockRefusal| matches!(error, BlockRefusal::Header(InsertError::UnknownParent { .. }));
    assert!(unknown(orphan), "{orphan}");
    assert_eq!(taker.chain().state().tip(), blocks[2].id(), "it is on the disk");
    assert!(taker.import_checked(Vec::new(), Vec::new()).await.unwrap().finish().await.unwrap().is_empty());
    stop(&giver, giving);
    stop(&taker, taking);
}

/// A node on a disk that can fail, from which it reads anew each time.
fn open_on(disk: &Disk) -> (Node, DriverThread) {
    let options = StoreOptions { cache_bytes: 0, ..StoreOptions::default() };
    let store = Store::with_backend(disk.clone(), Arc::new(easy_chain()), &options).unwrap();
    start(store, Arc::new(Metrics::new("dev")), DriverOptions::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_stops_the_node_and_everybody_is_told() {
    for (fault, words) in [
        (DiskFault::Full, "the disk is full"),
        (DiskFault::Write, "an injected fault"),
        (DiskFault::Sync, "an injected fault"),
    ] {
        let disk = Disk::default();
        let (node, thread) = open_on(&disk);
        let kept = mine_and_submit(&node, 1).await;
        disk.fail(fault, 0);
        let said = node.submit_checked(mine(&node, 1)).await.unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
        node.stopping().cancelled().await;
        thread.join();
        assert_eq!(node.fault().unwrap().to_string(), said, "the first cause");
        assert_eq!(node.save_mempool().await.unwrap_err().to_string(), said);
        assert_eq!(node.chain().state().tip(), kept, "what is not on the disk is not shown");
        drop(node);
        disk.crash(7);
        let (node, thread) = open_on(&disk);
        assert!(node.chain().block_id(Height(1)).unwrap() == Some(kept));
        stop(&node, thread);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_cannot_be_read_stops_the_node_whoever_reads() {
    let disk = Disk::default();
    let (node, thread) = open_on(&disk);
    let id = mine_and_submit(&node, 1).await;
    assert!(node.chain().block_bytes(&id).unwrap().is_some());
    disk.fail(DiskFault::Read, 0);
    let said = node.chain().block_bytes(&id).unwrap_err().to_string();
    assert!(said.contains("reading or writing the database") && said.contains("an injected fault"), "{said}");
    node.stopping().cancelled().await;
    thread.join();
    assert_eq!(node.fault().unwrap().to_string(), said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_panics_stops_the_node_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (node, thread) = open(folder.path());
    let held = node.clone();
    let part = std::thread::spawn(move || {
        let _guard = StopOnPanic::new(&held, "part of a test");
        panic!("on purpose");
    });
    assert!(part.join().is_err());
    assert!(node.stopping().is_cancelled());
    assert!(matches!(node.fault(), Some(Fault::Panicked { part: "part of a test" })));
    thread.join();
    let told = node.save_mempool().await.unwrap_err().to_string();
    assert!(told.contains("part of a test"), "{told}");
}

#[test]
fn a_part_that_ends_by_itself_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let (node, thread) = open(folder.path());
    drop(StopOnPanic::new(&node, "part of a test"));
    assert!(node.fault().is_none() && !node.stopping().is_cancelled());
    stop(&node, thread);
}
