//! Real nodes on loopback: what one has, the others get.

use std::future::Future;
use std::time::{Duration, Instant};

use qbtc_core::hash::{BlockHash, Wtxid};

use super::*;
use crate::api::public::PublicOptions;
use crate::api::testing::{ALL_INDEXES, TestNode};

const DEADLINE: Duration = Duration::from_secs(60);

struct Net {
    test: TestNode,
    p2p: P2p,
    tasks: TaskTracker,
}

impl Net {
    async fn start(blocks: u32, others: &[&Self]) -> Self {
        let test = match blocks {
            0 => TestNode::start(ALL_INDEXES, PublicOptions::default()),
            blocks => TestNode::with_blocks(blocks).await,
        };
        let tasks = TaskTracker::new();
        let options = P2pOptions {
            listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()],
            wanted: others.iter().map(|other| other.p2p.addresses()[0].parse().unwrap()).collect(),
            ..P2pOptions::default()
        };
        let p2p = launch(&test.node, &Identity::random(), options, &tasks).await.unwrap();
        Self { test, p2p, tasks }
    }

    fn tip(&self) -> BlockHash {
        self.test.node.tip().borrow().id
    }

    fn has(&self, wtxid: &Wtxid) -> bool {
        self.test.node.live().pool.entry_by_wtxid(wtxid).is_some()
    }

    async fn stop(self) {
        self.test.node.stop();
        self.tasks.close();
        tokio::time::timeout(DEADLINE, self.tasks.wait()).await.expect("it ends");
    }
}

async fn eventually<F: Future<Output = bool>>(what: &str, look: impl Fn() -> F) {
    let until = Instant::now() + DEADLINE;
    while !look().await {
        assert!(Instant::now() < until, "{what}: not within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_and_transactions_reach_everybody() {
    let first = Net::start(14, &[]).await;
    // A line: what the last one gets has come through the second.
    let second = Net::start(0, &[&first]).await;
    let third = Net::start(0, &[&second]).await;
    for net in [&second, &third] {
        eventually("the chain is there", async || net.tip() == first.tip()).await;
        eventually("it has caught up", async || net.test.node.is_synced()).await;
    }
    // A payment that starts at the end of the line.
    let payment = first.test.payment(2);
    third.test.node.spread_transaction(payment.clone()).await.unwrap();
    for net in [&second, &first] {
        eventually("the payment is there", async || net.has(&payment.wtxid())).await;
    }
    // And a block with it, made at the other end.
    first.test.mine().await;
    for net in [&second, &third] {
        eventually("the block is there", async || net.tip() == first.tip()).await;
        assert!(!net.has(&payment.wtxid()), "it is mined");
    }
    for net in [third, second, first] {
        net.stop().await;
    }
}
