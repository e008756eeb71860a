//! What the node is for, from an empty folder on: a wallet is made, coins are mined to it by the built-in miner, over getblocktemplate
//! and over Stratum, a payment is sent, mined and proven, and nothing of it is lost when the node is killed.

#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use qbtc_tests::gbt;
use qbtc_tests::stratum::Client as StratumMiner;
use serde_json::{Value, json};
use support::{DEADLINE, NodeProcess, qbtc};

/// The dev chain lets a coinbase be spent in the tenth block after it.
const MATURITY: u32 = 10;

#[test]
fn mine_pay_prove_and_survive() {
    let folder = tempfile::tempdir().unwrap();
    let home = User(folder.path());
    std::fs::write(folder.path().join("pass"), "correct horse\n").unwrap();
    let alice = home.wallet(&["create", "alice"])["address"].as_str().unwrap().to_owned();
    let bob = home.wallet(&["create", "bob"])["address"].as_str().unwrap().to_owned();

    let stratum = ["--stratum", "127.0.0.1:0", "--txindex"];
    let node = NodeProcess::start("dev", folder.path(), &stratum);
    mine_over_gbt(&node, &alice);
    mine_over_stratum(&node, &alice);
    assert_eq!(node.stop().code(), Some(0));
    let node = NodeProcess::start(
        "dev",
        folder.path(),
        &["--mine", "--threads", "1", "--reward", &alice, "--block-interval", "1", "--txindex"],
    );
    wait_for_height(&node, 2 + MATURITY);
    assert_eq!(node.stop().code(), Some(0));

    let node = NodeProcess::start("dev", folder.path(), &stratum);
    let sent = home.wallet(&["-w", "alice", "send", &format!("{bob}=1.25"), "--yes"]);
    let txid = sent["txid"].as_str().unwrap();
    assert_eq!(node.call::<Value>("getmempoolinfo", [(); 0])["size"], 1);
    node.kill();

    // The payment was not mined when the node died, but the wallet knows it.
    let node = NodeProcess::start("dev", folder.path(), &stratum);
    home.wallet(&["-w", "alice", "sync"]);
    let height: u32 = node.call("getblockcount", [(); 0]);
    assert!(height >= 2 + MATURITY, "{height}");
    mine_over_gbt(&node, &alice);
    assert_eq!(home.wallet(&["-w", "bob", "balance"])["available"], "1.25");
    let proof: String = node.call("gettxoutproof", ([txid],));
    assert_eq!(node.call::<Value>("verifytxoutproof", [&proof]), json!([txid]));
    let tip: String = node.call("getbestblockhash", [(); 0]);
    node.kill();

    let node = NodeProcess::start("dev", folder.path(), &stratum);
    assert_eq!(node.call::<String>("getbestblockhash", [(); 0]), tip);
    assert_eq!(node.call::<Value>("getrawtransaction", (txid, true))["confirmations"], 1);
    assert_eq!(home.wallet(&["-w", "bob", "balance"])["available"], "1.25");
    assert_eq!(node.stop().code(), Some(0));
}

fn mine_over_gbt(node: &NodeProcess, address: &str) {
    let before: u32 = node.call("getblockcount", [(); 0]);
    let template: Value = node.call("getblocktemplate", [json!({"rules": ["segwit"], "address": address})]);
    let (block, hash) = gbt::solve(&template);
    assert_eq!(node.call::<Value>("submitblock", [&block]), Value::Null);
    assert_eq!(node.call::<Value>("submitblock", [&block]), "duplicate");
    assert_eq!(node.call::<String>("getbestblockhash", [(); 0]), hash);
    assert_eq!(node.call::<u32>("getblockcount", [(); 0]), before + 1);
}

fn mine_over_stratum(node: &NodeProcess, address: &str) {
    let before: u32 = node.call("getblockcount", [(); 0]);
    let server = node.addresses.stratum.as_ref().unwrap().parse().unwrap();
    let mut miner = StratumMiner::connect(server, &format!("{address}.rig"), DEADLINE);
    miner.log_in("x");
    let share = miner.miner.mine_block();
    assert_eq!(miner.submit(&share), (true.into(), Value::Null));
    wait_for_height(node, before + 1);
}

fn wait_for_height(node: &NodeProcess, height: u32) {
    let started = Instant::now();
    while node.call::<u32>("getblockcount", [(); 0]) < height {
        assert!(started.elapsed() < DEADLINE, "no block {height}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whoever sits at the command line.
struct User<'a>(&'a Path);

impl User<'_> {
    fn wallet(&self, args: &[&str]) -> Value {
        let mut command = qbtc();
        command.args(["wallet", "--json", "--chain", "dev", "--data-dir"]).arg(self.0);
        command.arg("--passphrase-file").arg(self.0.join("pass")).args(args);
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {told}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {told}"))
    }
}
