//! The mempool outlives its node: after a clean stop, and after a kill as far as it was written.

#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

mod support;

use std::time::{Duration, Instant};

use qbtc_core::codec;
use qbtc_core::verify::genesis_block;
use serde_json::Value;
use support::{DEADLINE, NodeProcess, TestKey, quick_spec};

#[test]
fn transactions_wait_over_a_restart_and_over_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let spec = quick_spec();
    let chain = folder.path().join("quick.toml");
    std::fs::write(&chain, spec.to_toml()).unwrap();
    let start = || NodeProcess::start(chain.to_str().unwrap(), folder.path(), &[]);
    let genesis = genesis_block(&spec);
    let (outpoint, coin) = genesis.diff().created().iter().next().unwrap();
    let payment = TestKey::new().pay((*outpoint, *coin), 2, &spec);
    let txid = payment.txid().to_string();

    let node = start();
    let miner = TestKey::new().address().to_text(&spec.network().address_prefix);
    // The coins of the genesis block are a coinbase's.
    node.call::<Value>("generatetoaddress", (spec.consensus().coinbase_maturity, &miner));
    assert_eq!(node.call::<String>("sendrawtransaction", [hex::encode(codec::encode(&payment))]), txid);
    node.call::<Value>("savemempool", [(); 0]);
    node.kill();
    let node = start();
    wait_for(&node, &txid);
    assert!(node.stop().success());
    let node = start();
    wait_for(&node, &txid);
    node.call::<Value>("generatetoaddress", (1, &miner));
    assert!(node.stop().success());
    let node = start();
    assert_eq!(node.call::<Vec<String>>("getrawmempool", [(); 0]), [""; 0], "it is in a block now");
    assert!(node.stop().success());
}

fn wait_for(node: &NodeProcess, txid: &str) {
    let started = Instant::now();
    while node.call::<Vec<String>>("getrawmempool", [(); 0]) != [txid] {
        assert!(started.elapsed() < DEADLINE, "{txid} does not come back");
        std::thread::sleep(Duration::from_millis(10));
    }
}
