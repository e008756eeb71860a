//! Fetching a chain from one honest peer while fifty others send junk.
//!
//! Whoever sends the junk works on the same processors. So the chain is fetched twice beside the same senders: once they send to a sink, which
//! takes messages as libp2p does and forgets them, and once to the node itself. What the node does with them is the difference.

use std::path::Path;
use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::chain::{BenchNode, MadeChain, Owner, make_chain};
use super::figure::{Bound, Figure};
use super::{BenchOptions, folder, runtime};
use crate::p2p::identity::Identity;
use crate::p2p::junk::{JunkOptions, JunkPeers};
use crate::p2p::{P2p, P2pOptions, launch};

/// Payments in each block.
const PAYMENTS: usize = 1;
/// Who sends junk, and how fast.
const PEERS: usize = 50;
const MESSAGES_PER_SECOND: usize = 10_000;
/// How long junk goes on when the chain is there, to see whether memory grows.
const GOES_ON: Duration = Duration::from_secs(15);
/// How long anything may take.
const TIME_MAX: Duration = Duration::from_secs(1_800);

/// Where the junk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Junk {
    Nowhere,
    Sink,
    Node,
}

/// What fetching a chain took.
#[derive(Clone, Copy, Default)]
struct Took {
    seconds: f64,
    /// Junk a second meanwhile.
    messages: f64,
    /// The process's memory after more junk, over that before.
    memory: f64,
}

pub(super) fn run(options: &BenchOptions, tell: &dyn Fn(&str)) -> anyhow::Result<Vec<Figure>> {
    let folder = folder(options)?;
    runtime()?.block_on(async {
        let owner = Owner::new(PAYMENTS);
        let groups = owner.allotments().into_iter().map(|coin| vec![coin]).collect();
        let chain = make_chain(folder.path(), &owner, groups, options.sync_blocks, tell).await?;
        tell("fetching in peace");
        let peace = fetch(folder.path(), &owner, &chain, Junk::Nowhere).await?;
        tell("fetching while junk goes elsewhere");
        let elsewhere = fetch(folder.path(), &owner, &chain, Junk::Sink).await?;
        tell("fetching while junk comes");
        let here = fetch(folder.path(), &owner, &chain, Junk::Node).await?;
        Ok(vec![
            Figure::plain("fetching the chain in peace", peace.seconds, "s"),
            Figure::plain("junk that went elsewhere", elsewhere.messages, "/s"),
            Figure::plain("junk that came", here.messages, "/s"),
            Figure::bounded(
                "speed of fetching while junk comes / goes elsewhere",
                elsewhere.seconds / here.seconds,
                "",
                Bound::AtLeast(0.8),
            ),
            Figure::plain("speed of fetching while junk comes / in peace", peace.seconds / here.seconds, ""),
            Figure::bounded("memory after more junk / before", here.memory, "", Bound::AtMost(1.1)),
        ])
    })
}

async fn fetch(folder: &Path, owner: &Owner, chain: &MadeChain, junk: Junk) -> anyhow::Result<Took> {
    let tasks = TaskTracker::new();
    let giver = BenchNode::with_chain(&folder.join("giver"), &owner.spec, chain).await?;
    let given = launch(&giver.node, &Identity::random(), listening()?, &tasks).await?;
    let target = giver.node.chain().state().tip();
    let taker = BenchNode::start(&folder.join("taker"), &owner.spec)?;
    let taken = launch(&taker.node, &Identity::random(), listening()?, &tasks).await?;
    let payment = owner.pay(&owner.allotments()[..1], 1);
    let sending = JunkOptions::of(&taker.node, payment, PEERS, MESSAGES_PER_SECOND);
    let stopping = CancellationToken::new();
    let peers = match junk {
        Junk::Nowhere => None,
        Junk::Sink => Some(sending.start(&sending.sink(stopping.clone()).await?)?),
        Junk::Node => Some(sending.start(&address(&taken)?.parse::<Multiaddr>()?)?),
    };
    if let Some(peers) = &peers {
        meet(peers).await?;
    }
    let (started, before) = (Instant::now(), peers.as_ref().map_or(0, JunkPeers::sent));
    anyhow::ensure!(taken.add(address(&given)?.parse()?).await?, "the giver is not wanted");
    let mut tips = taker.node.tip();
    tokio::time::timeout(TIME_MAX, tips.wait_for(|tip| tip.id == target)).await??;
    let seconds = started.elapsed().as_secs_f64();
    let sent = peers.as_ref().map_or(0, JunkPeers::sent) - before;
    let memory = if junk == Junk::Node { growth().await? } else { 1.0 };
    drop(peers);
    stopping.cancel();
    taker.stop().await?;
    giver.stop().await?;
    tasks.close();
    tasks.wait().await;
    for home in ["giver", "taker"] {
        std::fs::remove_dir_all(folder.join(home))?;
    }
    Ok(Took { seconds, messages: sent as f64 / seconds, memory })
}

fn listening() -> anyhow::Result<P2pOptions> {
    Ok(P2pOptions { listen: vec!["/ip4/127.0.0.1/tcp/0".parse()?], ..P2pOptions::default() })
}

fn address(p2p: &P2p) -> anyhow::Result<String> {
    p2p.addresses().into_iter().next().ok_or_else(|| anyhow::anyhow!("a node listens nowhere"))
}

/// Waits until all are connected, and a while longer, until they are known to take gossip.
async fn meet(peers: &JunkPeers) -> anyhow::Result<()> {
    let limit = Instant::now() + TIME_MAX;
    while peers.connected() < PEERS as u64 {
        anyhow::ensure!(Instant::now() < limit, "only {} peers are connected", peers.connected());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(())
}

/// By how much this process's memory grows while junk goes on.
async fn growth() -> anyhow::Result<f64> {
    // What the chain took is given back in part.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = resident_pages()?;
    tokio::time::sleep(GOES_ON).await;
    Ok(resident_pages()? / before)
}

fn resident_pages() -> anyhow::Result<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let resident = statm.split(' ').nth(1).ok_or_else(|| anyhow::anyhow!("/proc/self/statm has no second number"))?;
    Ok(resident.parse()?)
}
