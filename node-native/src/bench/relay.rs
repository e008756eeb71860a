//! A block and a transaction on their way through twenty nodes over loopback: all real, in one process.

use std::path::Path;
use std::time::{Duration, Instant};

use qbtc_core::hash::{BlockHash, Wtxid};
use qbtc_core::lock::Address;
use qbtc_core::tx::Transaction;
use rayon::prelude::*;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::chain::{BenchNode, Owned, Owner};
use super::figure::{Bound, Figure};
use super::{BenchOptions, folder, runtime};
use crate::miner::median;
use crate::p2p::identity::Identity;
use crate::p2p::{P2p, P2pOptions, launch};

/// How many nodes there are, and which earlier ones each of them dials.
const NODES: usize = 20;
const DIALS: [usize; 4] = [1, 2, 5, 11];
/// Payments in a block: as many as fit into 4 MiB.
const PAYMENTS: usize = 550;
/// How many blocks and transactions go round.
const ROUNDS: usize = 7;
/// How long anything may take.
const TIME_MAX: Duration = Duration::from_secs(120);
/// How long after a block what follows it still counts.
const AFTER: Duration = Duration::from_millis(500);

/// Nodes that are connected. The first dials nobody, so that what starts there has no stem.
struct Network {
    nodes: Vec<BenchNode>,
    networks: Vec<P2p>,
    tasks: TaskTracker,
}

/// What a block took.
#[derive(Clone, Copy)]
struct Round {
    /// From the first node to the last, in milliseconds.
    spread_ms: f64,
    /// Bytes a link, over the block's.
    cost: f64,
}

pub(super) fn run(options: &BenchOptions, tell: &dyn Fn(&str)) -> anyhow::Result<Vec<Figure>> {
    let folder = folder(options)?;
    runtime()?.block_on(async {
        let owner = Owner::new(PAYMENTS);
        tell("starting nodes");
        let network = Network::start(folder.path(), &owner).await?;
        let mut coins: Vec<Owned> = owner.allotments();
        // Whatever has to be agreed on between nodes is, once two blocks have gone round.
        for _ in 0..2 {
            network.block(&[]).await?;
        }
        let (mut blocks, mut transactions) = (Vec::new(), Vec::new());
        for number in 1..=ROUNDS {
            tell(&format!("round {number} of {ROUNDS}"));
            let mut payments: Vec<Transaction> =
                coins.par_iter().map(|coin| owner.pay(std::slice::from_ref(coin), 1)).collect();
            let height = network.nodes[0].node.live().pool.height();
            coins = payments.iter().flat_map(|payment| owner.made(payment, height)).collect();
            let last = payments.pop().ok_or_else(|| anyhow::anyhow!("the owner has no coins"))?;
            transactions.push(network.transaction(&last).await?);
            for node in &network.nodes {
                node.submit(payments.clone()).await?;
            }
            blocks.push(network.block(&payments).await?);
        }
        let links = network.links().await?;
        network.stop().await?;
        let spreads: Vec<f64> = blocks.iter().map(|round| round.spread_ms).collect();
        let costs: Vec<f64> = blocks.iter().map(|round| round.cost).collect();
        Ok(vec![
            Figure::plain(format!("links among {NODES} nodes"), links as f64, ""),
            Figure::bounded("block of 4 MiB: bytes on a link / its own", median(costs), "", Bound::AtMost(0.03)),
            Figure::bounded("block of 4 MiB: from the first to the last", median(spreads), "ms", Bound::AtMost(500.0)),
            Figure::bounded(
                "transaction in fluff: from the first to the last",
                median(transactions),
                "ms",
                Bound::AtMost(1_000.0),
            ),
        ])
    })
}

impl Network {
    async fn start(folder: &Path, owner: &Owner) -> anyhow::Result<Self> {
        let mut network = Self { nodes: Vec::new(), networks: Vec::new(), tasks: TaskTracker::new() };
        for number in 0..NODES {
            let node = BenchNode::start(&folder.join(number.to_string()), &owner.spec)?;
            let earlier = DIALS.iter().filter_map(|back| network.networks.get(number.checked_sub(*back)?));
            let addresses = earlier.filter_map(|p2p| p2p.addresses().into_iter().next());
            let wanted = addresses.map(|address| address.parse()).collect::<Result<Vec<_>, _>>()?;
            let carrier = if number % 2 == 0 { "udp/0/quic-v1" } else { "tcp/0" };
            let listen = vec![format!("/ip4/127.0.0.1/{carrier}").parse()?];
            let options = P2pOptions { listen, wanted, ..P2pOptions::default() };
            network.networks.push(launch(&node.node, &Identity::random(), options, &network.tasks).await?);
            network.nodes.push(node);
        }
        let wanted: usize = (0..NODES).map(|number| DIALS.iter().filter(|back| **back <= number).count()).sum();
        let limit = Instant::now() + TIME_MAX;
        while network.links().await? < wanted {
            anyhow::ensure!(Instant::now() < limit, "the nodes do not meet");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(network)
    }

    /// Links between two nodes.
    async fn links(&self) -> anyhow::Result<usize> {
        let mut ends = 0;
        for p2p in &self.networks {
            ends += p2p.peers().await?.len();
        }
        Ok(ends / 2)
    }

    async fn sent(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for p2p in &self.networks {
            bytes += p2p.peers().await?.iter().map(|peer| peer.sent).sum::<u64>();
        }
        Ok(bytes)
    }

    /// A block of these payments, which everybody has, from the first node to the last.
    async fn block(&self, payments: &[Transaction]) -> anyhow::Result<Round> {
        let first = &self.nodes[0];
        let block = first.mine(Address::from_bytes([1; 32]))?;
        let (id, bytes) = (block.id(), f64::from(block.size_bytes()));
        anyhow::ensure!(block.transactions().len() >= payments.len(), "a block does not hold all payments");
        let before = self.sent().await?;
        let mut waiting: JoinSet<anyhow::Result<Instant>> =
            self.nodes.iter().map(|node| has_tip(node.node.tip(), id)).collect();
        first.node.submit_checked(block).await?;
        let mut times = Vec::new();
        while let Some(time) = waiting.join_next().await {
            times.push(time??);
        }
        tokio::time::sleep(AFTER).await;
        let sent = self.sent().await?.saturating_sub(before) as f64;
        let links = self.links().await? as f64;
        Ok(Round { spread_ms: spread_ms(&times), cost: sent / links / bytes })
    }

    /// A transaction that starts at the first node, in milliseconds to the last.
    async fn transaction(&self, payment: &Transaction) -> anyhow::Result<f64> {
        let wtxid = payment.wtxid();
        let mut waiting: JoinSet<anyhow::Result<Instant>> =
            self.nodes.iter().map(|node| has_transaction(node.node.clone(), wtxid)).collect();
        self.nodes[0].node.spread_transaction(payment.clone()).await?;
        let mut times = Vec::new();
        while let Some(time) = waiting.join_next().await {
            times.push(time??);
        }
        Ok(spread_ms(&times))
    }

    async fn stop(self) -> anyhow::Result<()> {
        for node in self.nodes {
            node.stop().await?;
        }
        self.tasks.close();
        self.tasks.wait().await;
        Ok(())
    }
}

fn spread_ms(times: &[Instant]) -> f64 {
    let first = times.iter().min();
    let last = times.iter().max();
    first.zip(last).map_or(0.0, |(first, last)| last.duration_since(*first).as_secs_f64() * 1e3)
}

async fn has_tip(mut tips: tokio::sync::watch::Receiver<crate::node::Tip>, id: BlockHash) -> anyhow::Result<Instant> {
    tokio::time::timeout(TIME_MAX, tips.wait_for(|tip| tip.id == id)).await??;
    Ok(Instant::now())
}

async fn has_transaction(node: crate::node::Node, wtxid: Wtxid) -> anyhow::Result<Instant> {
    let limit = Instant::now() + TIME_MAX;
    while node.live().pool.entry_by_wtxid(&wtxid).is_none() {
        anyhow::ensure!(Instant::now() < limit, "a transaction does not come");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(Instant::now())
}
