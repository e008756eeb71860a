//! The mempool outlives its node: after a clean stop, and after a kill as far as it was written.

use std::time::Duration;

use qbtc_core::verify::genesis_block;
use serde_json::{Value, json};

use crate::support::{NodeProcess, Owner, Place, TestKey, eventually};

#[test]
fn transactions_wait_over_a_restart_and_over_a_kill() {
    let place = Place::new();
    let genesis = genesis_block(&place.spec);
    let (outpoint, coin) = genesis.diff().created().iter().next().unwrap();
    let payment = TestKey::new().pay((*outpoint, coin.amount), 2, &place.spec);
    let txid = payment.txid().to_string();

    let node = place.start(&[]);
    // The coins of the genesis block are a coinbase's.
    node.mine(place.spec.consensus().coinbase_maturity, Owner(1));
    assert_eq!(node.send(&payment), txid);
    let other = "7".repeat(64);
    assert!(node.call::<bool>("prioritisetransaction", (&txid, 0, 7)));
    assert!(node.call::<bool>("prioritisetransaction", (&other, 0, -7)));
    node.call::<Value>("savemempool", [(); 0]);
    node.kill();
    let node = place.start(&[]);
    wait_for(&node, &txid);
    assert_eq!(unheard(&node), 1, "there was nobody to tell, before nor after");
    let priorities: Value = node.call("getprioritisedtransactions", [(); 0]);
    assert_eq!((&priorities[&txid]["fee_delta"], &priorities[&other]["fee_delta"]), (&json!(7), &json!(-7)));
    assert!(node.stop().success());
    let node = place.start(&[]);
    wait_for(&node, &txid);
    let entry: Value = node.call("getmempoolentry", [&txid]);
    assert_eq!(entry["unbroadcast"], json!(true));
    node.mine(1, Owner(1));
    assert_eq!(unheard(&node), 0);
    assert!(node.stop().success());
    let node = place.start(&[]);
    eventually("the mempool is read", || node.call::<Value>("getmempoolinfo", [(); 0])["loaded"] == json!(true));
    assert_eq!(node.waiting(), [""; 0], "it is in a block now");
    let priorities: Value = node.call("getprioritisedtransactions", [(); 0]);
    assert_eq!(priorities, json!({&other: {"fee_delta": -7, "in_mempool": false}}));
    assert!(node.stop().success());
}

#[test]
fn a_kill_loses_only_what_came_just_before() {
    let place = Place::new();
    let node = place.start(&[]);
    let coin = node.coins(1, Owner(1))[0];
    let txid = node.send(&Owner(1).spend(&[coin], Owner(2), 20_000));
    // Less than the time after which all is written anyway.
    std::thread::sleep(Duration::from_secs(7));
    node.kill();
    let node = place.start(&[]);
    wait_for(&node, &txid);
}

/// After Bitcoin Core's `mempool_unbroadcast.py`.
#[test]
fn what_nobody_has_heard_of_is_told_to_who_comes_after_a_restart() {
    let (place, other) = (Place::new(), Place::new());
    let node = place.start(&[]);
    let coin = node.coins(1, Owner(1))[0];
    let txid = node.send(&Owner(1).spend(&[coin], Owner(2), 20_000));
    assert!(node.stop().success());
    let node = place.start(&["--p2p", "127.0.0.1:0"]);
    wait_for(&node, &txid);
    assert_eq!(unheard(&node), 1);
    let peer = other.start(&["--p2p", "127.0.0.1:0"]);
    let at = peer.addresses.p2p.iter().find(|address| address.contains("/tcp/")).unwrap();
    node.ok("addnode", json!([at, "add"]));
    wait_for(&peer, &txid);
    eventually("the node notices", || unheard(&node) == 0);
    let entry: Value = node.call("getmempoolentry", [&txid]);
    assert_eq!(entry["unbroadcast"], json!(false));
    assert_eq!(unheard(&peer), 0, "it was not handed in there");
    assert!(node.stop().success());
    let node = place.start(&[]);
    wait_for(&node, &txid);
    assert_eq!(unheard(&node), 0, "that others know it is kept as well");
    assert!(node.stop().success() && peer.stop().success());
}

/// How many transactions were handed in that may be known to nobody else.
fn unheard(node: &NodeProcess) -> u64 {
    node.call::<Value>("getmempoolinfo", [(); 0])["unbroadcastcount"].as_u64().unwrap()
}

fn wait_for(node: &NodeProcess, txid: &str) {
    eventually("the payment comes back", || node.waiting() == [txid]);
}
