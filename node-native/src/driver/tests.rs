//! The chain over restarts and reorgs, on a real database.

use std::path::Path;
use std::sync::Arc;

use qbtc_core::chain::ChainStore;
use qbtc_core::hash::BlockHash;
use qbtc_core::lock::Address;
use qbtc_core::mempool::{EXTRANONCE_BYTES, Payout, Solution};
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::utxo::CoinView;
use qbtc_core::verify::CheckedBlock;

use super::*;
use crate::node::Submitted;
use crate::store::{Indexes, StoreOptions};

fn open(folder: &Path) -> (Node, DriverThread) {
    let indexes = Indexes { txids: true, addresses: true };
    let options = StoreOptions { indexes, ..StoreOptions::default() };
    let store = Store::open(&folder.join("chain.redb"), Arc::new(ChainSpec::dev()), &options).unwrap();
    start(store, Arc::new(Metrics::new("dev")), DriverOptions::default()).unwrap()
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
