//! A full mempool, after Bitcoin Core's `mempool_limit.py`: the cheapest leave, the floor rises, and the memory is kept to.

use qbtc_core::tx::Transaction;
use serde_json::{Value, json};

use crate::support::money::{Money, amount, hex_of};
use crate::support::{NodeProcess, Owner, Place, eventually};

/// A payment of about 200 kB, at a fee rate in quanta for each byte.
fn large(coin: &Money, rate: u64) -> Transaction {
    const OUTPUTS: usize = 5_000;
    let size = hex_of(&Owner(1).split(&[*coin], Owner(2), OUTPUTS, 1)).len() as u64 / 2;
    Owner(1).split(&[*coin], Owner(2), OUTPUTS, rate * size)
}

fn info(node: &NodeProcess) -> Value {
    node.ok("getmempoolinfo", json!([]))
}

#[test]
fn a_full_pool_keeps_those_that_pay() {
    let place = Place::new();
    let node = place.start(&["--mempool", "8"]);
    let coins = node.coins(60, Owner(1));
    let empty = info(&node);
    assert_eq!((&empty["maxmempool"], &empty["mempoolminfee"]), (&json!(8 << 20), &empty["minrelaytxfee"]));
    let mut ids = Vec::new();
    // Each pays more than those before.
    for (coin, rate) in coins[..55].iter().zip(2..) {
        ids.push(node.call::<String>("sendrawtransaction", json!([hex_of(&large(coin, rate)), 0])));
        assert!(info(&node)["usage"].as_u64() <= info(&node)["maxmempool"].as_u64());
    }
    let full = info(&node);
    let waiting = node.waiting();
    assert!(waiting.len() > 20 && waiting.len() < 55, "{full}");
    assert_eq!(waiting, ids[55 - waiting.len()..], "the cheapest are gone");
    assert!(amount(&full["mempoolminfee"]) > amount(&full["minrelaytxfee"]), "{full}");
    // Who pays what those paid that are gone comes no more; who pays more does.
    let (code, message) = node.refuses(&large(&coins[55], 2));
    assert!(code == -26 && message.starts_with("min relay fee not met"), "{message}");
    let verdict = node.ok("testmempoolaccept", json!([[hex_of(&large(&coins[55], 2))], 0]))[0].take();
    assert_eq!(verdict["reject-reason"], "min relay fee not met");
    node.call::<String>("sendrawtransaction", json!([hex_of(&large(&coins[55], 99)), 0]));

    // After a restart with more room everything is there.
    let waiting = node.waiting();
    assert!(node.stop().success());
    let node = place.start(&[]);
    eventually("the mempool is back", || node.waiting().len() == waiting.len());
    // And with less, the best.
    assert!(node.stop().success());
    let node = place.start(&["--mempool", "8"]);
    eventually("the mempool is back", || node.waiting().last() == waiting.last());
    assert!(info(&node)["usage"].as_u64() <= info(&node)["maxmempool"].as_u64());
}
