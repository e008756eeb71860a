//! Starting and stopping a node that keeps many coins: a process of its own, as an operator has it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rayon::prelude::*;

use serde_json::Value;

use super::chain::{BenchNode, Owner};
use super::figure::{Bound, Figure};
use super::{BenchOptions, folder, runtime};
use crate::client::{Client, cookie_login, running_node};
use crate::miner::median;
use crate::paths::{chain_dir, node_file};

/// Coins that one transaction makes.
const COINS_EACH: usize = 5_000;
/// Transactions in a block.
const IN_A_BLOCK: usize = 15;
/// The most that a node may take to start or stop before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn run(options: &BenchOptions, tell: &dyn Fn(&str)) -> anyhow::Result<Vec<Figure>> {
    let folder = folder(options)?;
    let count = (options.coins as usize).div_ceil(COINS_EACH);
    let owner = Owner::new(count);
    tell("making coins");
    runtime()?.block_on(make_coins(&chain_dir(folder.path(), owner.spec.name()), &owner, tell))?;
    let spec = folder.path().join("bench.toml");
    std::fs::write(&spec, owner.spec.to_toml())?;
    tell("starting and stopping");
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(start_and_stop(&spec, folder.path(), owner.spec.name())?);
    }
    let median = |of: fn(&Run) -> f64| median(runs.iter().map(of).collect());
    let coins = count * COINS_EACH;
    Ok(vec![
        Figure::bounded(format!("start with {coins} coins"), median(|run| run.start), "s", Bound::AtMost(1.0)),
        Figure::bounded("memory then", median(|run| run.memory), "MB", Bound::AtMost(400.0)),
        Figure::bounded(
            "memory after one in a hundred was read",
            median(|run| run.memory_read),
            "MB",
            Bound::AtMost(400.0),
        ),
        Figure::bounded("clean stop", median(|run| run.stop), "s", Bound::AtMost(2.0)),
    ])
}

async fn make_coins(home: &Path, owner: &Owner, tell: &dyn Fn(&str)) -> anyhow::Result<()> {
    let maker = BenchNode::start(home, &owner.spec)?;
    let allotments = owner.allotments();
    for (coins, number) in allotments.chunks(IN_A_BLOCK).zip(1..) {
        let transactions = coins.par_iter().map(|coin| owner.pay(std::slice::from_ref(coin), COINS_EACH)).collect();
        maker.submit(transactions).await?;
        let block = maker.mine(owner.address)?;
        anyhow::ensure!(block.transactions().len() == coins.len(), "a block does not hold all transactions");
        maker.node.submit_checked(block).await?;
        tell(&format!("{number} of {} blocks", allotments.len().div_ceil(IN_A_BLOCK)));
    }
    maker.stop().await
}

struct Run {
    start: f64,
    memory: f64,
    memory_read: f64,
    stop: f64,
}

fn start_and_stop(spec: &Path, data_dir: &Path, chain: &str) -> anyhow::Result<Run> {
    let home = chain_dir(data_dir, chain);
    let announced = node_file(&home);
    let started = Instant::now();
    let mut node = Command::new(std::env::current_exe()?)
        .args(["node", "--rpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--p2p", "127.0.0.1:0", "--discover=false"])
        .args(["--log", "error", "--chain"])
        .arg(spec)
        .arg("--data-dir")
        .arg(data_dir)
        .stdout(Stdio::null())
        .spawn()?;
    wait_until(&mut node, || announced.exists()).context("the node does not start")?;
    let start = started.elapsed().as_secs_f64();
    let memory = resident_megabytes(node.id())?;
    read_coins(&home)?;
    let memory_read = resident_megabytes(node.id())?;
    let stopping = Instant::now();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(node.id())?);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;
    let status = node.wait()?;
    anyhow::ensure!(status.success(), "the node ended with {status}");
    Ok(Run { start, memory, memory_read, stop: stopping.elapsed().as_secs_f64() })
}

/// Asks for one coin in a hundred, so that about each page of coins is read.
fn read_coins(home: &Path) -> anyhow::Result<()> {
    let addresses = running_node(home).context("the node does not say where it listens")?;
    let rpc = addresses.rpc.context("the node has no JSON-RPC")?;
    let client = Client::new(&rpc, &cookie_login(home), Some(PATIENCE))?;
    let tip: u32 = client.call("getblockcount", [(); 0])?;
    for height in 1..=tip {
        let id: String = client.call("getblockhash", [height])?;
        let block: Value = client.call("getblock", [&id])?;
        // The coinbase comes first.
        for txid in block["tx"].as_array().into_iter().flatten().skip(1) {
            for place in (0..COINS_EACH).step_by(100) {
                client.call::<Value>("gettxout", (txid, place))?;
            }
        }
    }
    Ok(())
}

fn wait_until(node: &mut Child, mut is_done: impl FnMut() -> bool) -> anyhow::Result<()> {
    let started = Instant::now();
    while !is_done() {
        if let Some(status) = node.try_wait()? {
            bail!("it ended with {status}");
        }
        if started.elapsed() > PATIENCE {
            node.kill()?;
            node.wait()?;
            bail!("it took more than {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// What the process has in memory, as Linux tells it.
fn resident_megabytes(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}
