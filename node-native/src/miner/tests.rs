//! The miner on a node of its own.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use qbtc_core::lock::Address;
use qbtc_core::mempool::Payout;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;

use super::{MinerOptions, generate, mine};
use crate::driver::{DriverOptions, DriverThread, start};
use crate::metrics::{Format, Metrics, Reading};
use crate::node::Node;
use crate::store::{Indexes, Store, StoreOptions};

/// Longer than anything here takes on a slow machine.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn open(folder: &Path, spec: ChainSpec) -> (Node, DriverThread) {
    let options = StoreOptions { indexes: Indexes { txids: false, addresses: true }, ..StoreOptions::default() };
    let store = Store::open(&folder.join("chain.redb"), Arc::new(spec), &options).unwrap();
    start(store, Arc::new(Metrics::new("dev")), DriverOptions::default()).unwrap()
}

pub(super) fn payout() -> Payout {
    Payout::to(Address::from_bytes([5; 32]))
}

pub(super) fn stop(node: &Node, thread: DriverThread) {
    node.stop();
    thread.join();
    assert!(node.fault().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_mine_one_block_on_each_tip_until_the_node_stops() {
    let folder = tempfile::tempdir().unwrap();
    let (node, thread) = open(folder.path(), ChainSpec::dev());
    let options = MinerOptions { threads: NonZeroUsize::new(3), ..MinerOptions::new(payout()) };
    let miner = tokio::spawn(mine(node.clone(), options));
    let mut tip = node.tip();
    let reached = tokio::time::timeout(DEADLINE, tip.wait_for(|tip| tip.height >= Height(12))).await;
    assert!(reached.unwrap().is_ok());
    node.stop();
    tokio::time::timeout(DEADLINE, miner).await.unwrap().unwrap().unwrap();

    let chain = node.chain();
    let height = chain.state().height();
    assert!(height >= Height(12));
    assert_eq!(node.headers().leaves().count(), 1, "no block beside the chain");
    let coins = chain.address_coins(&payout().address, None, 1_000).unwrap();
    assert_eq!(coins.len(), height.0 as usize, "every block pays the miner");
    let text = node.metrics().render(&Reading::default(), Format::Prometheus);
    let found = format!("qbtc_blocks_found_total{{source=\"miner\"}} {}", height.0);
    // The last block may have been handed in when the miner was told to stop.
    let before = format!("qbtc_blocks_found_total{{source=\"miner\"}} {}", height.0 - 1);
    assert!(text.contains(&found) || text.contains(&before), "{text}");
    stop(&node, thread);
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_blocks_are_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let (node, thread) = open(folder.path(), ChainSpec::dev());
    let ids = generate(&node, &payout(), 25, u64::MAX).await.unwrap();
    assert_eq!((ids.len(), node.chain().state().height()), (25, Height(25)));
    for (id, height) in ids.iter().zip(1..) {
        assert_eq!(node.chain().block_id(Height(height)).unwrap(), Some(*id));
    }
    assert_eq!(generate(&node, &payout(), 0, u64::MAX).await.unwrap(), []);
    assert_eq!(generate(&node, &payout(), 1, 0).await.unwrap(), []);
    // A block takes 65,000 hashes or so.
    let few = generate(&node, &payout(), 1_000, 100_000).await.unwrap();
    assert!(few.len() < 100);
    assert_eq!(node.chain().state().height(), Height(25 + u32::try_from(few.len()).unwrap()));
    let message = vec![0; Payout::MESSAGE_BYTES_MAX + 1].into();
    assert!(generate(&node, &Payout { message, ..payout() }, 1, u64::MAX).await.is_err());
    stop(&node, thread);
    assert!(generate(&node, &payout(), 1, u64::MAX).await.is_err(), "the node has stopped");
}

/// Dev with its genesis this long before now, and this far ahead of the clock allowed.
fn dev_since(seconds: u32, future_limit_s: u32) -> ChainSpec {
    let dev = ChainSpec::dev();
    let (genesis, limit) = (dev.consensus().genesis.time.0, dev.consensus().future_limit_s);
    let text = dev.to_toml();
    let text = text.replace(&format!("time = {genesis}"), &format!("time = {}", crate::node::now().0 - seconds));
    let text = text.replace(&format!("future_limit_s = {limit}"), &format!("future_limit_s = {future_limit_s}"));
    let spec = ChainSpec::from_toml(&text).unwrap();
    assert_ne!(spec.genesis().header.time, dev.genesis().header.time);
    assert_eq!(spec.consensus().future_limit_s, future_limit_s);
    spec
}

/// The median of the last eleven times must be passed, so that it moves a second with each six blocks. A chain that begins now and allows one
/// second ahead of the clock makes the last of these blocks wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn generating_waits_for_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let (node, thread) = open(folder.path(), dev_since(0, 1));
    let began = crate::node::now();
    let ids = generate(&node, &payout(), 32, u64::MAX).await.unwrap();
    assert_eq!(ids.len(), 32);
    let last = node.headers().node(ids.last().unwrap()).unwrap().header().time;
    assert!(last >= began.saturating_add(3), "{last} is some seconds after {began}");
    stop(&node, thread);
}

#[tokio::test(flavor = "multi_thread")]
async fn generated_blocks_are_a_second_apart_until_they_reach_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let spec = dev_since(3_600, 1);
    let genesis = spec.genesis().header.time;
    let (node, thread) = open(folder.path(), spec);
    let ids = generate(&node, &payout(), 40, u64::MAX).await.unwrap();
    for (id, second) in ids.iter().zip(1..) {
        assert_eq!(node.headers().node(id).unwrap().header().time, genesis.saturating_add(second));
    }
    stop(&node, thread);
}
