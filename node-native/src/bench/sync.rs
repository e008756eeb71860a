//! Fetching a chain from a peer over loopback, beside importing the same blocks from a file.

use std::path::Path;
use std::time::{Duration, Instant};

use qbtc_core::verify::VerifiedCache;
use tokio_util::task::TaskTracker;

use super::chain::{BenchNode, MadeChain, Owner, make_chain};
use super::figure::{Bound, Figure};
use super::import::time_import;
use super::{BenchOptions, folder, runtime};
use crate::driver::VERIFIED_CACHE_ENTRIES;
use crate::miner::median;
use crate::p2p::identity::Identity;
use crate::p2p::{P2pOptions, launch};

/// Payments in each block.
const PAYMENTS: usize = 1;
/// How often each is done, in turns: a disk and processors that are shared are not as fast at one moment as at another.
const ROUNDS: usize = 5;
/// What peers are connected by.
const LINKS: [(&str, &str); 2] = [("QUIC", "/ip4/127.0.0.1/udp/0/quic-v1"), ("TCP", "/ip4/127.0.0.1/tcp/0")];
/// How long a chain may take to come.
const TIME_MAX: Duration = Duration::from_secs(3_600);

pub(super) fn run(options: &BenchOptions, tell: &dyn Fn(&str)) -> anyhow::Result<Vec<Figure>> {
    let folder = folder(options)?;
    runtime()?.block_on(async {
        let owner = Owner::new(PAYMENTS);
        let groups = owner.allotments().into_iter().map(|coin| vec![coin]).collect();
        let chain = make_chain(folder.path(), &owner, groups, options.sync_blocks, tell).await?;
        let (mut import, mut fetching) = (Vec::new(), LINKS.map(|_| Vec::new()));
        for round in 1..=ROUNDS {
            tell(&format!("importing, round {round} of {ROUNDS}"));
            let cache = VerifiedCache::new(VERIFIED_CACHE_ENTRIES);
            import.push(time_import(folder.path(), &owner, &chain, cache).await?.seconds);
            for ((name, listen), seconds) in LINKS.iter().zip(&mut fetching) {
                tell(&format!("synchronising over {name}, round {round} of {ROUNDS}"));
                seconds.push(time_sync(folder.path(), &owner, &chain, listen).await?);
            }
        }
        let import = median(import);
        let mut figures = vec![Figure::plain("import of the same blocks from a file", import, "s")];
        for ((name, _), seconds) in LINKS.iter().zip(fetching) {
            let claim = format!("speed of synchronising over {name} / of importing");
            figures.push(Figure::bounded(claim, import / median(seconds), "", Bound::AtLeast(0.9)));
        }
        Ok(figures)
    })
}

/// What it takes until a fresh node has fetched and written everything.
async fn time_sync(folder: &Path, owner: &Owner, chain: &MadeChain, listen: &str) -> anyhow::Result<f64> {
    let tasks = TaskTracker::new();
    let giver = BenchNode::with_chain(&folder.join("giver"), &owner.spec, chain).await?;
    let options = P2pOptions { listen: vec![listen.parse()?], ..P2pOptions::default() };
    let given = launch(&giver.node, &Identity::random(), options, &tasks).await?;
    let target = giver.node.chain().state().tip();

    let taker = BenchNode::start(&folder.join("taker"), &owner.spec)?;
    let started = Instant::now();
    let address = given.addresses().first().map(|address| address.parse());
    let wanted = vec![address.ok_or_else(|| anyhow::anyhow!("the giver listens nowhere"))??];
    launch(&taker.node, &Identity::random(), P2pOptions { wanted, ..P2pOptions::default() }, &tasks).await?;
    let mut tips = taker.node.tip();
    // What is shown is written.
    tokio::time::timeout(TIME_MAX, tips.wait_for(|tip| tip.id == target)).await??;
    let seconds = started.elapsed().as_secs_f64();
    taker.stop().await?;
    giver.stop().await?;
    tasks.close();
    tasks.wait().await;
    for home in ["giver", "taker"] {
        std::fs::remove_dir_all(folder.join(home))?;
    }
    Ok(seconds)
}
