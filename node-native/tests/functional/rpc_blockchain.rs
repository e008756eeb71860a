//! Calls about the chain and its transactions, after Bitcoin Core's `rpc_blockchain.py`, `rpc_rawtransaction.py`,
//! `rpc_txoutproof.py` and `feature_pruning.py`: what one call tells fits what the others tell, and a restart changes none of it.

use qbtc_core::block::Block;
use qbtc_core::units::Amount;
use serde_json::{Value, json};

use crate::support::money::{amount, hex_of, made};
use crate::support::{NodeProcess, Owner, Place, eventually};

/// The ids of the chain's blocks, from the first.
fn chain(node: &NodeProcess) -> Vec<Value> {
    (0..=node.height()).map(|height| node.ok("getblockhash", json!([height]))).collect()
}

/// All that the calls tell of the chain.
fn told(node: &NodeProcess) -> Vec<Value> {
    let mut all = vec![node.ok("getchaintips", json!([])), node.ok("getdifficulty", json!([]))];
    for id in chain(node) {
        for params in [json!([id, 0]), json!([id, 1]), json!([id, 3])] {
            all.push(node.ok("getblock", params));
        }
        all.push(node.ok("getblockheader", json!([id])));
        all.push(node.ok("getblockheader", json!([id, false])));
        all.push(node.ok("getblockfilter", json!([id])));
    }
    all
}

#[test]
fn the_calls_agree_about_the_chain() {
    let place = Place::new();
    let node = place.start(&["--txindex"]);
    let coins = node.coins(3, Owner(1));
    let payment = Owner(1).split(&coins[..2], Owner(2), 3, 20_000);
    let child = Owner(2).spend(&made(&payment)[..1], Owner(3), 10_000);
    node.send(&payment);
    node.send(&child);
    node.mine(2, Owner(4));

    let ids = chain(&node);
    let mut issued = 0;
    for (height, id) in ids.iter().enumerate() {
        let [shown, header] = ["getblock", "getblockheader"].map(|call| node.ok(call, json!([id])));
        assert_eq!((&shown["height"], &shown["confirmations"]), (&json!(height), &json!(ids.len() - height)));
        assert_eq!(header["confirmations"], shown["confirmations"]);
        assert_eq!(header.get("previousblockhash"), height.checked_sub(1).map(|below| &ids[below]));
        assert_eq!(header.get("nextblockhash"), ids.get(height + 1));
        let raw = node.call::<String>("getblock", (id, 0));
        let block = Block::from_bytes(&hex::decode(&raw).unwrap(), raw.len()).unwrap();
        assert_eq!(json!(block.id().to_string()), *id);
        assert_eq!(node.ok("getblockheader", json!([id, false])), raw[..160]);
        assert_eq!((&shown["size"], &shown["nTx"]), (&json!(raw.len() / 2), &json!(1 + block.transactions.len())));
        let full = node.ok("getblock", json!([id, 3]));
        let txids: Vec<&Value> = full["tx"].as_array().unwrap().iter().map(|tx| &tx["txid"]).collect();
        assert_eq!(json!(txids), shown["tx"]);
        for (tx, txid) in full["tx"].as_array().unwrap().iter().zip(txids).skip(1) {
            let alone = node.ok("getrawtransaction", json!([txid, 2]));
            assert_eq!((&alone["hex"], &alone["fee"], &alone["vin"]), (&tx["hex"], &tx["fee"], &tx["vin"]));
            assert_eq!((&alone["blockhash"], &alone["confirmations"]), (id, &shown["confirmations"]));
            let decoded = node.ok("decoderawtransaction", json!([tx["hex"]]));
            assert_eq!((&decoded["txid"], &decoded["vout"]), (txid, &tx["vout"]));
        }
        if height > 0 {
            let paid = full["tx"][0]["vout"].as_array().unwrap().iter().map(|out| amount(&out["value"]).quanta());
            let fees = full["tx"].as_array().unwrap().iter().skip(1).map(|tx| amount(&tx["fee"]).quanta());
            issued += paid.sum::<u64>() - fees.sum::<u64>();
        }
    }
    assert_eq!(issued, (ids.len() as u64 - 1) * Amount::from_coins(4).quanta());
    let info = node.ok("getblockchaininfo", json!([]));
    assert_eq!((&info["blocks"], &info["bestblockhash"]), (&json!(ids.len() - 1), ids.last().unwrap()));
    assert_eq!(info["chainwork"], node.ok("getblockheader", json!([node.tip()]))["chainwork"]);

    let before = told(&node);
    assert!(node.stop().success());
    let node = place.start(&["--txindex"]);
    assert_eq!(told(&node), before, "after a stop");
    node.kill();
    assert_eq!(told(&place.start(&[])), before, "after a kill, without the index");
}

#[test]
fn a_transaction_is_found_where_it_was_looked_for() {
    let place = Place::new();
    let node = place.start(&[]);
    let coins = node.coins(1, Owner(1));
    let payment = Owner(1).spend(&coins, Owner(2), 10_000);
    let txid = node.send(&payment);
    assert_eq!(node.ok("getrawtransaction", json!([txid])), hex_of(&payment));
    assert_eq!(amount(&node.ok("getrawtransaction", json!([txid, 2]))["fee"]).quanta(), 10_000);
    let (spent, index) = (coins[0].0.txid.to_string(), coins[0].0.index);
    assert_eq!(node.ok("gettxout", json!([spent, index])), Value::Null, "spent by what waits");
    assert_eq!(node.ok("gettxout", json!([spent, index, false]))["coinbase"], json!(true));
    assert_eq!(node.ok("gettxout", json!([txid, 0]))["confirmations"], json!(0));
    let block = node.mine(1, Owner(3))[0].clone();
    assert_eq!(node.ok("gettxout", json!([spent, index, false])), Value::Null);
    assert_eq!(node.ok("gettxout", json!([txid, 0]))["confirmations"], json!(1));
    let (code, message) = node.fails("getrawtransaction", json!([txid]));
    assert!(code == -5 && message.contains("--txindex"), "{message}");
    assert_eq!(node.ok("getrawtransaction", json!([txid, 0, block])), hex_of(&payment));
    // The index can be had later, and be given up.
    assert!(node.stop().success());
    let node = place.start(&["--txindex"]);
    assert_eq!(node.ok("getrawtransaction", json!([txid, 1]))["blockhash"], json!(block));
    assert!(node.stop().success());
    let node = place.start(&[]);
    assert_eq!(node.fails("getrawtransaction", json!([txid])).0, -5);
}

#[test]
fn proofs_hold_for_this_chain_as_long_as_it_does() {
    let place = Place::new();
    let node = place.start(&["--txindex"]);
    let coins = node.coins(5, Owner(1));
    let sent: Vec<String> = coins.chunks(1).map(|coin| node.send(&Owner(1).spend(coin, Owner(2), 10_000))).collect();
    let block = node.mine(1, Owner(3))[0].clone();
    node.mine(1, Owner(3));
    for proven in [&sent[..1], &sent[1..3], &sent[..]] {
        let proof: String = node.call("gettxoutproof", (proven,));
        assert_eq!(node.ok("verifytxoutproof", json!([proof])), json!(proven));
        assert_eq!(node.ok("gettxoutproof", json!([proven, block])), proof);
        // No byte can be another.
        let bytes = hex::decode(&proof).unwrap();
        for place in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let verified = node.client.call::<Vec<String>>("verifytxoutproof", [hex::encode(changed)]);
            assert!(verified.is_err() || verified.unwrap().is_empty(), "{place}");
        }
    }
    let other = node.ok("getblock", json!([node.tip()]))["tx"][0].clone();
    for (params, code) in [
        (json!([[sent[0], other]]), -5),
        (json!([[sent[0]], node.tip()]), -5),
        (json!([[sent[0], sent[0]]]), -8),
        (json!([[]]), -8),
        (json!([["00".repeat(32)]]), -5),
        (json!([["00"]]), -8),
        (json!([[5]]), -3),
    ] {
        assert_eq!(node.fails("gettxoutproof", &params).0, code, "{params}");
    }
    for malformed in ["", "00", "zz"] {
        assert_eq!(node.fails("verifytxoutproof", [malformed]).0, -22);
    }
    let proof: String = node.call("gettxoutproof", ([&sent[0]],));
    node.ok("invalidateblock", json!([block]));
    assert_eq!(node.fails("verifytxoutproof", [&proof]).0, -5);
    assert_eq!(node.fails("gettxoutproof", json!([[sent[0]]])).0, -5);
    node.ok("reconsiderblock", json!([block]));
    assert_eq!(node.ok("verifytxoutproof", json!([proof])), json!([sent[0]]));
}

#[test]
fn what_is_pruned_is_gone_and_nothing_else() {
    let place = Place::new();
    let node = place.start(&[]);
    let coins = node.coins(1, Owner(1));
    node.send(&Owner(1).spend(&coins, Owner(2), 10_000));
    let early = node.mine(1, Owner(2))[0].clone();
    node.mine(400, Owner(3));
    for (height, code) in [(json!(9_999), -8), (json!(-1), -8), (json!("5"), -3)] {
        assert_eq!(node.fails("pruneblockchain", json!([height])).0, code);
    }
    assert_eq!(node.ok("getblock", json!([early]))["nTx"], json!(2));
    let headers =
        |node: &NodeProcess| chain(node).iter().map(|id| node.ok("getblockheader", json!([id]))).collect::<Vec<_>>();
    let (before, filter) = (headers(&node), node.ok("getblockfilter", json!([early])));
    let coin = node.ok("gettxout", json!([node.coinbase_of(&early).0.txid.to_string(), 0]));
    let reached = node.ok("pruneblockchain", json!([100]));
    assert!(reached.as_u64().is_some_and(|height| (50..=100).contains(&height)), "{reached}");
    let gone = |node: &NodeProcess| {
        let (code, message) = node.fails("getblock", json!([early]));
        assert!(code == -1 && message.contains("pruned data"), "{message}");
        assert_eq!(headers(node), before);
        let kept = node.ok("getblockfilter", json!([early]));
        assert_eq!(kept, filter, "with its proof");
        assert!(coin["value"].is_number());
        let info = node.ok("getblockchaininfo", json!([]));
        assert_eq!((&info["pruned"], info["pruneheight"].is_u64()), (&json!(true), true), "{info}");
    };
    gone(&node);
    // The chain can be undone as deep as it is kept, and no deeper.
    let tip = node.tip();
    let (code, message) = node.fails("invalidateblock", json!([early]));
    assert!(code < 0 && message.contains("prune"), "{message} ({code})");
    assert_eq!(node.tip(), tip);
    let undone = node.ok("getblockhash", json!([node.height() - 50]));
    node.ok("invalidateblock", json!([undone]));
    node.ok("reconsiderblock", json!([undone]));
    gone(&node);
    assert!(node.stop().success());
    let said = place.refused(&["--txindex"]);
    assert!(said.contains("needs all blocks") && said.contains("start without it"), "{said}");
    let node = place.start(&[]);
    // The chain goes on from where it is.
    let next = node.mine(1, Owner(3));
    assert_eq!((node.tip(), node.ok("getchaintips", json!([])).as_array().unwrap().len()), (next[0].clone(), 1));
    node.ok("invalidateblock", json!([next[0]]));
    gone(&node);
}

#[test]
fn a_node_prunes_by_itself() {
    let place = Place::new();
    let node = place.start(&["--prune", "288", "--prune-bodies", "288"]);
    let first = node.mine(1, Owner(1))[0].clone();
    node.mine(400, Owner(1));
    eventually("the first block goes", || node.client.call::<Value>("getblock", [&first]).is_err());
    let kept = node.ok("getblockhash", json!([node.height() - 287]));
    assert_eq!(node.ok("getblock", json!([kept]))["nTx"], json!(1));
}
