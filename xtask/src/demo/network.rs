//! The three nodes: the first mines, the others are connected with it and with each other.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::PATIENCE;
use super::wallet::Wallet;
use crate::process::{Beside, output_of};

/// The chain of the demo.
pub(super) const CHAIN: &str = "local";
/// How long a node may take to listen.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// A node that runs.
pub(super) struct DemoNode {
    name: String,
    program: PathBuf,
    data_dir: PathBuf,
    log: PathBuf,
    options: Vec<String>,
    process: Beside,
    /// What it has written about where it listens.
    addresses: Value,
}

impl DemoNode {
    fn start(program: &Path, folder: &Path, name: &str, options: Vec<String>) -> Result<Self> {
        let data_dir = folder.join(name);
        let log = folder.join(format!("{name}.log"));
        fs::create_dir_all(&data_dir)?;
        let mut command = Command::new(program);
        command.args(["node", "--chain", CHAIN, "--discover=false", "--txindex", "--addressindex"]);
        command.args(["--rpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        command.args(["--p2p", "/ip4/127.0.0.1/tcp/0", "--p2p", "/ip4/127.0.0.1/udp/0/webrtc-direct"]);
        command.arg("--data-dir").arg(&data_dir).args(&options);
        let mut process = Beside::start(&mut command, &log)?;
        let addresses = addresses(&mut process, &data_dir, &log)?;
        Ok(Self { name: name.to_owned(), program: program.to_owned(), data_dir, log, options, process, addresses })
    }

    /// What a call of its JSON-RPC answers.
    pub(super) fn call(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(&self.program);
        command.args(["rpc", "--chain", CHAIN, "--data-dir"]).arg(&self.data_dir).args(arguments);
        let text =
            output_of(&mut command).with_context(|| format!("{}: `{}` failed", self.name, arguments.join(" ")))?;
        // Strings are printed as they are.
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The height of its tip.
    pub(super) fn height(&self) -> Result<u64> {
        self.call(&["getblockcount"])?.as_u64().context("a height is a number")
    }

    /// Where its HTTP interface listens.
    pub(super) fn http(&self) -> Result<&str> {
        self.addresses["http"].as_str().context("the node has an HTTP interface")
    }

    /// Where its JSON-RPC listens.
    pub(super) fn rpc(&self) -> Result<&str> {
        self.addresses["rpc"].as_str().context("the node has JSON-RPC")
    }

    /// The file with the login of its JSON-RPC.
    pub(super) fn cookie(&self) -> PathBuf {
        self.data_dir.join(CHAIN).join(".cookie")
    }

    /// Where other nodes reach it.
    fn peer_address(&self) -> Result<String> {
        let all = self.addresses["p2p"].as_array().context("the node has peers")?;
        let tcp = all.iter().filter_map(Value::as_str).find(|address| address.contains("/tcp/"));
        Ok(tcp.context("the node listens by TCP")?.to_owned())
    }
}

/// Waits until a node says where it listens.
fn addresses(process: &mut Beside, data_dir: &Path, log: &Path) -> Result<Value> {
    let file = data_dir.join(CHAIN).join("node.json");
    let until = Instant::now() + START_TIME_MAX;
    loop {
        let found = File::open(&file).ok().and_then(|file| serde_json::from_reader::<_, Value>(file).ok());
        match found {
            // The file of one that was killed names another process.
            Some(addresses) if addresses["pid"] == process.id() => return Ok(addresses),
            _ if !process.is_running()? => {
                bail!("a node ended at its start:\n{}", fs::read_to_string(log).unwrap_or_default())
            }
            _ if Instant::now() > until => bail!("a node does not listen; its log: {}", log.display()),
            _ => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// The nodes.
pub(super) struct Network {
    folder: PathBuf,
    nodes: Vec<DemoNode>,
}

impl Network {
    /// Starts them; what is mined is paid to this address.
    ///
    /// # Errors
    /// If one does not start.
    pub(super) fn start(program: &Path, folder: &Path, reward: &str, interval_s: u32) -> Result<Self> {
        let mine = ["--mine", "--threads", "1", "--reward", reward, "--block-interval"].map(str::to_owned);
        let miner = DemoNode::start(program, folder, "node-1", [&mine[..], &[interval_s.to_string()]].concat())?;
        let mut nodes = vec![miner];
        for name in ["node-2", "node-3"] {
            let mut options = Vec::new();
            for node in &nodes {
                options.extend(["--add-node".to_owned(), node.peer_address()?]);
            }
            nodes.push(DemoNode::start(program, folder, name, options)?);
        }
        Ok(Self { folder: folder.to_owned(), nodes })
    }

    /// The one that mines.
    pub(super) fn first(&self) -> &DemoNode {
        &self.nodes[0]
    }

    /// One of the others.
    pub(super) fn last(&self) -> &DemoNode {
        &self.nodes[self.nodes.len() - 1]
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Where the logs are.
    pub(super) fn logs(&self) -> PathBuf {
        self.folder.join("node-*.log")
    }

    /// That all nodes run.
    ///
    /// # Errors
    /// Names the first that does not.
    pub(super) fn check(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            if !node.process.is_running()? {
                bail!("{} has ended; its log: {}", node.name, node.log.display());
            }
        }
        Ok(())
    }

    /// Kills the last node as a power cut would, and starts it again.
    ///
    /// # Errors
    /// If it does not start.
    pub(super) fn kill_and_restart_last(&mut self) -> Result<()> {
        let DemoNode { name, program, options, process, .. } = self.nodes.pop().context("there are nodes")?;
        process.kill()?;
        self.nodes.push(DemoNode::start(&program, &self.folder, &name, options)?);
        Ok(())
    }

    /// Waits until all nodes are at the tip of the first.
    ///
    /// # Errors
    /// If that takes too long.
    pub(super) fn wait_for_agreement(&mut self) -> Result<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            self.check()?;
            let tip = self.first().call(&["getbestblockhash"])?;
            let mut agreed = true;
            for node in &self.nodes {
                agreed &= node.call(&["getbestblockhash"])? == tip;
            }
            if agreed {
                return Ok(tip);
            }
            if Instant::now() > until {
                bail!("the nodes are not at one tip after {} s", PATIENCE.as_secs());
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until the wallet has money that can be spent, and shows how far that is.
    ///
    /// # Errors
    /// If no block comes for too long.
    pub(super) fn wait_for_money(&mut self, wallet: &Wallet) -> Result<()> {
        let mut until = Instant::now() + PATIENCE;
        println!("mining until the wallet has money: coins of a new block can be spent ten blocks later");
        let mut shown = None;
        while !wallet.has_money()? {
            self.check()?;
            let height = self.first().height()?;
            if shown.replace(height) != Some(height) {
                println!("  block {height}");
                until = Instant::now() + PATIENCE;
            }
            if Instant::now() > until {
                bail!("the wallet has no money, and no block came for {} s", PATIENCE.as_secs());
            }
            thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    }
}
