//! Calls about transactions as bytes, after Bitcoin Core's `rpc_rawtransaction.py` and `mempool_accept.py`.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_found_in_mempool_and_blocks() {
    let world = World::new();
    let coins = world.coins(1, Owner(1)).await;
    let transaction = Owner(1).spend(&coins, Owner(2), 10_000);
    let txid = world.send(&transaction).await;
    assert_eq!(txid, transaction.txid().to_string());
    assert_eq!(world.ok("getrawtransaction", json!([txid])).await, json!(hex_of(&transaction)));
    let waiting = world.ok("getrawtransaction", json!([txid, 2])).await;
    assert!(waiting.get("blockhash").is_none() && waiting.get("in_active_chain").is_none());
    assert_eq!(waiting["fee"].as_f64().unwrap(), 0.0001);
    assert_eq!(waiting["vin"][0]["prevout"]["value"], json!(4.0));
    let block = world.mine(1, Owner(3)).await.remove(0);
    world.mine(1, Owner(3)).await;
    let mined = world.ok("getrawtransaction", json!([txid, 1])).await;
    assert_eq!((&mined["blockhash"], &mined["confirmations"]), (&json!(block), &json!(2)));
    assert_eq!(mined["hex"], json!(hex_of(&transaction)));
    assert!(mined.get("fee").is_none() && mined["vin"][0].get("prevout").is_none());
    let with_coins = world.ok("getrawtransaction", json!([txid, 2, block])).await;
    assert_eq!((&with_coins["in_active_chain"], &with_coins["fee"]), (&json!(true), &waiting["fee"]));
    assert_eq!(with_coins["vin"], waiting["vin"]);
    let coinbase = world.ok("getrawtransaction", json!([coins[0].0.txid.to_string(), true])).await;
    assert!(coinbase["vin"][0]["coinbase"].is_string());
    world.ok("invalidateblock", json!([block])).await;
    let aside = world.ok("getrawtransaction", json!([txid, 1, block])).await;
    assert_eq!((&aside["in_active_chain"], &aside["confirmations"]), (&json!(false), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_found_says_where_it_was_looked_for() {
    let world = World::with(Indexes::default(), |_| {});
    let block = world.mine(1, Owner(1)).await.remove(0);
    let (coinbase, _) = world.coinbase_of(&block).await;
    let txid = coinbase.txid.to_string();
    let (code, message) = world.fails("getrawtransaction", json!([txid])).await;
    assert!(code == -5 && message.contains("--txindex"), "{message}");
    assert!(world.ok("getrawtransaction", json!([txid, 0, block])).await.is_string());
    let genesis = world.node.spec().genesis().id().to_string();
    let (code, message) = world.fails("getrawtransaction", json!([txid, 0, genesis])).await;
    assert_eq!((code, message.as_str()), (-5, "No such transaction found in the provided block"));
    let (code, message) = world.fails("getrawtransaction", json!([txid, 0, "00".repeat(32)])).await;
    assert_eq!((code, message.as_str()), (-5, "Block hash not found"));
    assert_eq!(world.code("getrawtransaction", json!(["zz"])).await, -8);
    assert_eq!(world.code("getrawtransaction", json!([txid, 3])).await, -8);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_decoded_or_refused() {
    let world = World::new();
    let transaction = Owner(1).spend(&[(OutPoint { txid: Txid::ZERO, index: 7 }, Amount::from_coins(1))], Owner(2), 0);
    let shown = world.ok("decoderawtransaction", json!([hex_of(&transaction)])).await;
    assert_eq!((&shown["txid"], &shown["vin"][0]["vout"]), (&json!(transaction.txid().to_string()), &json!(7)));
    assert_eq!(shown["witnesses"][0]["address"], json!(world.text_of(Owner(1))));
    let trailing = hex_of(&transaction) + "00";
    for malformed in ["", "zz", "0", "00", trailing.as_str()] {
        for method in ["decoderawtransaction", "sendrawtransaction"] {
            let (code, message) = world.fails(method, json!([malformed])).await;
            assert!(code == -22 && message.starts_with("TX decode failed"), "{method} {malformed}: {message}");
        }
        assert_eq!(world.code("testmempoolaccept", json!([[malformed]])).await, -22);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fee_that_cannot_be_meant_is_refused_unless_it_is() {
    let world = World::new();
    let coins = world.coins(1, Owner(1)).await;
    // Some 170 bytes for a tenth of a QBTC.
    let dear = hex_of(&Owner(1).spend(&coins, Owner(2), 10_000_000));
    let (code, message) = world.fails("sendrawtransaction", json!([dear])).await;
    assert!(code == -25 && message.starts_with("Fee exceeds maximum configured by user"), "{message}");
    let verdict = world.ok("testmempoolaccept", json!([[dear]])).await;
    assert_eq!((&verdict[0]["allowed"], &verdict[0]["reject-reason"]), (&json!(false), &json!("max-fee-exceeded")));
    assert_eq!(world.code("sendrawtransaction", json!([dear, 1])).await, -8);
    assert_eq!(world.code("sendrawtransaction", json!([dear, "much"])).await, -3);
    let verdict = world.ok("testmempoolaccept", json!([[dear], "0.99999999"])).await;
    assert_eq!(verdict[0]["allowed"], json!(true), "{verdict}");
    assert!(world.ok("sendrawtransaction", json!([dear, 0])).await.is_string());
}
