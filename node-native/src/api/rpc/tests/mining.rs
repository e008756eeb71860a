//! Calls of miners, after Bitcoin Core's `mining_basic.py` and `rpc_generate.py`.
//!
//! Here is what a call answers; that miners can work with it is tested with real nodes, in tests/functional.

use std::time::Duration;

use qbtc_tests::gbt::Work;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::metrics::{Format, Reading};

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// A hash as it is shown, in the order in which it is hashed.
fn reversed(value: &Value) -> Vec<u8> {
    bytes(value).into_iter().rev().collect()
}

fn sha256d(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(Sha256::digest(bytes)).to_vec()
}

async fn template(world: &World) -> Value {
    world.ok("getblocktemplate", json!([{"capabilities": ["coinbasetxn", "longpoll"], "rules": ["segwit"]}])).await
}

async fn submit(world: &World, block: &str) -> Value {
    world.ok("submitblock", json!([block])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_has_what_mining_software_asks_for() {
    let world = World::new();
    let coins = world.coins(1, Owner(1)).await;
    let parent = Owner(1).spend(&coins, Owner(2), 10_000);
    let made = (OutPoint { txid: parent.txid(), index: 0 }, parent.body.outputs[0].amount);
    let child = Owner(2).spend(&[made], Owner(3), 30_000);
    world.send(&parent).await;
    world.send(&child).await;
    let template = template(&world).await;
    assert_eq!(template["previousblockhash"], world.ok("getbestblockhash", json!([])).await);
    assert_eq!(template["height"], json!(2 + MATURITY));
    assert_eq!(
        (&template["bits"], &template["target"]),
        (&json!("207fffff"), &json!(format!("7fffff{}", "0".repeat(58))))
    );
    assert_eq!((&template["version"], &template["rules"]), (&json!(0x2000_0000), &json!(["!segwit"])));
    assert_eq!(template["capabilities"], json!(["proposal"]));
    assert_eq!(template["mutable"], json!(["time/increment", "version/force", "coinbase/append"]));
    assert_eq!((&template["coinbaseaux"], &template["vbavailable"]), (&json!({}), &json!({})));
    assert_eq!((&template["noncerange"], &template["sizelimit"]), (&json!("00000000ffffffff"), &json!(4_194_304)));
    assert!(template["curtime"].as_u64() >= template["mintime"].as_u64());
    for (name, is_right) in [
        ("sigoplimit", Value::is_u64 as fn(&Value) -> bool),
        ("weightlimit", Value::is_u64),
        ("expires", Value::is_u64),
        ("vbrequired", Value::is_u64),
        ("longpollid", Value::is_string),
        ("workid", Value::is_string),
    ] {
        assert!(is_right(&template[name]), "{name}");
    }
    assert_eq!(template["coinbasevalue"], json!(400_040_000));
    let coinbase = &template["coinbasetxn"];
    assert!(bytes(&coinbase["data"]).len() >= 60);
    assert_eq!(reversed(&coinbase["txid"]), sha256d(&bytes(&coinbase["data"])));
    assert_eq!(coinbase["fee"], json!(-40_000));
    let transactions = template["transactions"].as_array().unwrap();
    assert_eq!(transactions.len(), 3);
    assert_eq!((bytes(&transactions[0]["data"]).len(), &transactions[0]["fee"]), (128, &json!(0)));
    for (entry, (transaction, fee, depends)) in
        transactions[1..].iter().zip([(&parent, 10_000, json!([])), (&child, 30_000, json!([2]))])
    {
        assert_eq!(entry["data"], json!(hex_of(transaction)));
        assert_eq!((&entry["txid"], &entry["hash"]), (&json!(transaction.txid().to_string()), &entry["txid"]));
        assert_eq!((&entry["fee"], &entry["depends"], &entry["sigops"]), (&json!(fee), &depends, &json!(0)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_template_is_work_of_its_own() {
    let world = World::new();
    let (first, second) = (template(&world).await, template(&world).await);
    assert_ne!(first["coinbasetxn"]["txid"], second["coinbasetxn"]["txid"]);
    let other = json!([{"rules": ["segwit"], "address": world.text_of(Owner(5))}]);
    let other = world.ok("getblocktemplate", other).await;
    assert_eq!(submit(&world, &Work::new(&other).solved()).await, Value::Null);
    let counted = world.node.metrics().render(&Reading::default(), Format::Prometheus);
    assert!(counted.contains("qbtc_blocks_found_total{source=\"rpc\"} 1\n"), "{counted}");
    let tip = world.ok("getbestblockhash", json!([])).await;
    let shown = world.ok("getblock", json!([tip, 2])).await;
    assert_eq!(shown["tx"][0]["vout"][0]["scriptPubKey"]["address"], json!(world.text_of(Owner(5))));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_templates_are_checked() {
    let world = World::new();
    let (code, message) = world.fails("getblocktemplate", json!([{}])).await;
    assert!(code == -8 && message.contains("segwit rule set"), "{message}");
    for (request, code) in [
        (json!({"rules": "segwit"}), -3),
        (json!({"rules": ["segwit"], "mode": "other"}), -8),
        (json!({"rules": ["segwit"], "mode": 5}), -3),
        (json!({"rules": ["segwit"], "longpollid": "x"}), -8),
        (json!({"rules": ["segwit"], "longpollid": "zz".repeat(32) + "1"}), -8),
        (json!({"rules": ["segwit"], "longpollid": 5}), -3),
        (json!({"rules": ["segwit"], "address": "nobody"}), -5),
    ] {
        assert_eq!(world.code("getblocktemplate", json!([request])).await, code, "{request}");
    }
    let world = World::with(Indexes::default(), |context| context.reward = None);
    let (code, message) = world.fails("getblocktemplate", json!([{"rules": ["segwit"]}])).await;
    assert!(code == -8 && message.contains("--reward"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_work_before_the_node_has_caught_up() {
    let world = World::new();
    world.node.set_synced(false);
    let (status, reply) = world.reply("getblocktemplate", json!([{"rules": ["segwit"]}])).await;
    // Any other status than 500 makes minerd give up this way of mining for good.
    assert_eq!((status, &reply["error"]["code"]), (500, &json!(-10)));
    assert_eq!(world.ok("getblockchaininfo", json!([])).await["initialblockdownload"], json!(true));
}

/// A long poll in progress.
fn long_poll(world: &World, known: &Value) -> tokio::task::JoinHandle<Value> {
    let request =
        json!({"method": "getblocktemplate", "params": [{"rules": ["segwit"], "longpollid": known}], "id": 1});
    let request = Request::post("/").header("authorization", LOGIN).body(Body::from(request.to_string())).unwrap();
    let answer = router(Arc::clone(&world.rpc)).oneshot(request);
    tokio::spawn(async move {
        let bytes = to_bytes(answer.await.unwrap().into_body(), usize::MAX).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_ends_by_itself() {
    let world = World::with(Indexes::default(), |context| context.long_poll.most = Duration::from_millis(50));
    let first = template(&world).await;
    let next = long_poll(&world, &first["longpollid"]).await.unwrap();
    assert_eq!(next["result"]["longpollid"], first["longpollid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn miners_are_told_of_the_chain() {
    let world = World::new();
    world.mine(3, Owner(1)).await;
    let info = world.ok("getmininginfo", json!([])).await;
    assert_eq!((&info["blocks"], &info["chain"], &info["pooledtx"]), (&json!(3), &json!("dev"), &json!(0)));
    assert_eq!((&info["bits"], &info["next"]["height"]), (&json!("207fffff"), &json!(4)));
    assert_eq!(info["next"]["target"], info["target"]);
    assert_eq!(info["next"]["difficulty"], info["difficulty"]);
    let rate = world.ok("getnetworkhashps", json!([])).await;
    assert_eq!(info["networkhashps"], rate);
    // Three blocks of two hashes each, over the time from the first to the last.
    let times = [0, 3].map(|height| {
        world.node.headers().ancestor(&world.node.chain().state().tip(), Height(height)).unwrap().header().time
    });
    let expected = 6.0 / f64::from(times[1].0 - times[0].0);
    assert!((rate.as_f64().unwrap() - expected).abs() < 1e-9 * expected, "{rate} {expected}");
    assert_eq!(world.ok("getnetworkhashps", json!([120, 0])).await, json!(0.0));
    for wrong in [json!([0]), json!([-2]), json!([1, 4]), json!([1, -2])] {
        assert_eq!(world.code("getnetworkhashps", wrong.clone()).await, -8, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_generated_where_that_is_meant() {
    let world = World::new();
    let ids = world.mine(5, Owner(1)).await;
    assert_eq!(world.ok("getblockhash", json!([5])).await, json!(ids[4]));
    assert_eq!(world.ok("generatetoaddress", json!([1, world.text_of(Owner(1)), 0])).await, json!([]));
    assert_eq!(world.ok("generatetoaddress", json!([0, world.text_of(Owner(1))])).await, json!([]));
    assert_eq!(world.code("generatetoaddress", json!([1, "nobody"])).await, -5);
    assert_eq!(world.code("generatetoaddress", json!([10_001, world.text_of(Owner(1))])).await, -8);
    assert_eq!(world.code("generatetoaddress", json!([-1, world.text_of(Owner(1))])).await, -8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_valued_by_the_operator() {
    let world = World::new();
    let coins = world.coins(2, Owner(1)).await;
    let dear = world.send(&Owner(1).spend(&coins[..1], Owner(2), 90_000)).await;
    let cheap = world.send(&Owner(1).spend(&coins[1..], Owner(2), 10_000)).await;
    let order = async || {
        let template = world.ok("getblocktemplate", json!([{"rules": ["segwit"]}])).await;
        // The first leaf after the coinbase is that of the commitments.
        let transactions = template["transactions"].as_array().unwrap()[1..].to_vec();
        (transactions.iter().map(|tx| tx["txid"].clone()).collect::<Vec<_>>(), template["coinbasevalue"].clone())
    };
    let (before, value) = order().await;
    assert_eq!(before, [&dear[..], &cheap[..]]);
    assert_eq!(world.ok("prioritisetransaction", json!([cheap, 0, 100_000])).await, json!(true));
    assert_eq!(order().await, (vec![json!(cheap), json!(dear)], value), "no money has changed");
    let entry = world.ok("getmempoolentry", json!([cheap])).await;
    assert_eq!((&entry["fees"]["base"], &entry["fees"]["modified"]), (&json!(0.0001), &json!(0.0011)));
    world.ok("prioritisetransaction", json!({"txid": cheap, "fee_delta": -200_000})).await;
    assert_eq!(world.ok("getmempoolentry", json!([cheap])).await["fees"]["modified"], json!(-0.0009));
    assert_eq!(order().await.0, [&dear[..]]);
    let unknown = "7".repeat(64);
    world.ok("prioritisetransaction", json!([unknown, null, 5])).await;
    let listed = world.ok("getprioritisedtransactions", json!([])).await;
    let in_mempool = json!({"fee_delta": -100_000, "in_mempool": true, "modified_fee": -90_000});
    assert_eq!(listed, json!({&cheap: in_mempool, &unknown: {"fee_delta": 5, "in_mempool": false}}));
    assert_eq!(world.code("prioritisetransaction", json!([cheap, 1, 5])).await, -8);
    assert_eq!(world.code("prioritisetransaction", json!([cheap, 0])).await, -1);
    assert_eq!(world.code("prioritisetransaction", json!([cheap, 0, i64::MIN])).await, -8);
    assert_eq!(world.code("prioritisetransaction", json!([cheap, 0, 0.5])).await, -1);
}
