//! What the node is for, from an empty folder on: a wallet is made, coins are mined to it by the built-in miner, over getblocktemplate
//! and over Stratum, a payment is sent, mined and proven, and nothing of it is lost when the node is killed.

use qbtc_tests::gbt;
use qbtc_tests::stratum::Client as StratumMiner;
use serde_json::{Value, json};

use crate::support::{DEADLINE, NodeProcess, User, eventually};

/// The dev chain lets a coinbase be spent in the tenth block after it.
const MATURITY: u32 = 10;

#[test]
fn mine_pay_prove_and_survive() {
    let home = User::new();
    let alice = home.wallet(&["create", "alice"])["address"].as_str().unwrap().to_owned();
    let bob = home.wallet(&["create", "bob"])["address"].as_str().unwrap().to_owned();

    let stratum = ["--stratum", "127.0.0.1:0", "--txindex"];
    let node = home.start_node(&stratum);
    mine_over_gbt(&node, &alice);
    mine_over_stratum(&node, &alice);
    assert_eq!(node.stop().code(), Some(0));
    let node = home.start_node(&["--mine", "--threads", "1", "--reward", &alice, "--block-interval", "1", "--txindex"]);
    wait_for_height(&node, 2 + MATURITY);
    assert_eq!(node.stop().code(), Some(0));

    let node = home.start_node(&stratum);
    let sent = home.wallet(&["-w", "alice", "send", &format!("{bob}=1.25"), "--yes"]);
    let txid = sent["txid"].as_str().unwrap();
    assert_eq!(node.call::<Value>("getmempoolinfo", [(); 0])["size"], 1);
    node.kill();

    // The payment was not mined when the node died, but the wallet knows it.
    let node = home.start_node(&stratum);
    home.wallet(&["-w", "alice", "sync"]);
    let height = node.height();
    assert!(height >= 2 + MATURITY, "{height}");
    mine_over_gbt(&node, &alice);
    assert_eq!(home.wallet(&["-w", "bob", "balance"])["available"], "1.25");
    let proof: String = node.call("gettxoutproof", ([txid],));
    assert_eq!(node.call::<Value>("verifytxoutproof", [&proof]), json!([txid]));
    let tip: String = node.call("getbestblockhash", [(); 0]);
    node.kill();

    let node = home.start_node(&stratum);
    assert_eq!(node.call::<String>("getbestblockhash", [(); 0]), tip);
    assert_eq!(node.call::<Value>("getrawtransaction", (txid, true))["confirmations"], 1);
    assert_eq!(home.wallet(&["-w", "bob", "balance"])["available"], "1.25");
    assert_eq!(node.stop().code(), Some(0));
}

fn mine_over_gbt(node: &NodeProcess, address: &str) {
    let before = node.height();
    let template: Value = node.call("getblocktemplate", [json!({"rules": ["segwit"], "address": address})]);
    let (block, hash) = gbt::solve(&template);
    assert_eq!(node.call::<Value>("submitblock", [&block]), Value::Null);
    assert_eq!(node.call::<Value>("submitblock", [&block]), "duplicate");
    assert_eq!(node.call::<String>("getbestblockhash", [(); 0]), hash);
    assert_eq!(node.height(), before + 1);
}

fn mine_over_stratum(node: &NodeProcess, address: &str) {
    let before = node.height();
    let server = node.addresses.stratum.as_ref().unwrap().parse().unwrap();
    let mut miner = StratumMiner::connect(server, &format!("{address}.rig"), DEADLINE);
    miner.log_in("x");
    let share = miner.miner.mine_block();
    assert_eq!(miner.submit(&share), (true.into(), Value::Null));
    wait_for_height(node, before + 1);
}

fn wait_for_height(node: &NodeProcess, height: u32) {
    eventually(&format!("block {height}"), || node.height() >= height);
}
