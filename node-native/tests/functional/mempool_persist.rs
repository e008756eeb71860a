//! The mempool outlives its node: after a clean stop, and after a kill as far as it was written.

use qbtc_core::verify::genesis_block;
use serde_json::Value;

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
    node.call::<Value>("savemempool", [(); 0]);
    node.kill();
    let node = place.start(&[]);
    wait_for(&node, &txid);
    assert!(node.stop().success());
    let node = place.start(&[]);
    wait_for(&node, &txid);
    node.mine(1, Owner(1));
    assert!(node.stop().success());
    let node = place.start(&[]);
    assert_eq!(node.waiting(), [""; 0], "it is in a block now");
    assert!(node.stop().success());
}

fn wait_for(node: &NodeProcess, txid: &str) {
    eventually("the payment comes back", || node.waiting() == [txid]);
}
