//! What the mempool takes, after Bitcoin Core's `mempool_accept.py` and `mempool_packages.py`: testmempoolaccept tells without a
//! change what sendrawtransaction then does.

use qbtc_core::lock::{Lock, Proof};
use qbtc_core::tx::{Transaction, TxOut};
use qbtc_core::units::{Amount, Height};
use serde_json::{Value, json};

use crate::mining::{empty_block, submit};
use crate::support::money::{amount, body, hex_of, made};
use crate::support::{NodeProcess, Owner, Place};

/// What the node says to a transaction without taking it.
fn test(node: &NodeProcess, transaction: &Transaction) -> Value {
    let before = node.waiting();
    let verdict = node.ok("testmempoolaccept", json!([[hex_of(transaction)]]))[0].take();
    assert_eq!(verdict["txid"], transaction.txid().to_string());
    assert_eq!(verdict["wtxid"], transaction.wtxid().to_string());
    assert_eq!(node.waiting(), before);
    verdict
}

/// Both calls refuse it with these words and this code.
fn refused(node: &NodeProcess, transaction: &Transaction, tested: &str, (code, sent): (i64, &str)) {
    let verdict = test(node, transaction);
    assert_eq!((&verdict["allowed"], &verdict["reject-reason"]), (&json!(false), &json!(tested)), "{verdict}");
    assert!(verdict["reject-details"].as_str().unwrap().len() > 20, "{verdict}");
    let (found, message) = node.refuses(transaction);
    assert!(found == code && message.starts_with(sent), "{sent}: {message} ({found})");
}

#[test]
fn a_transaction_is_tested_sent_and_mined() {
    let place = Place::new();
    let node = place.start(&[]);
    let coins = node.coins(2, Owner(1));
    let payment = Owner(1).spend(&coins[..1], Owner(2), 10_000);
    let verdict = test(&node, &payment);
    assert_eq!((&verdict["allowed"], &verdict["vsize"]), (&json!(true), &json!(hex_of(&payment).len() / 2)));
    assert_eq!(amount(&verdict["fees"]["base"]).quanta(), 10_000);
    assert!(verdict.get("reject-reason").is_none());
    let child = Owner(2).spend(&made(&payment), Owner(3), 10_000);
    refused(&node, &child, "missing-inputs", (-25, "bad-txns-inputs-missingorspent"));

    assert_eq!(node.send(&payment), payment.txid().to_string());
    assert_eq!(node.send(&payment), payment.txid().to_string(), "once more is no mistake");
    assert_eq!(test(&node, &payment)["reject-reason"], "txn-already-in-mempool");
    assert_eq!(test(&node, &child)["allowed"], true);
    let mut other = payment.clone();
    other.witnesses[0].proofs = vec![Proof::Preimage([9].into())];
    refused(&node, &other, "txn-same-nonwitness-data-in-mempool", (-26, "txn-same-nonwitness-data-in-mempool"));

    node.mine(1, Owner(9));
    assert_eq!(test(&node, &payment)["reject-reason"], "txn-already-known");
    assert_eq!(node.refuses(&payment).0, -27);
    let late = Owner(1).spend(&coins[..1], Owner(4), 50_000);
    refused(&node, &late, "missing-inputs", (-25, "bad-txns-inputs-missingorspent"));
}

#[test]
fn rules_and_policy_have_their_words() {
    let place = Place::new();
    let node = place.start(&[]);
    let coins = node.coins(1, Owner(1));
    let young = node.coinbase_of(&node.mine(1, Owner(1))[0]);
    let changed = |change: &dyn Fn(&mut Transaction)| {
        let mut payment = Owner(1).spend(&coins, Owner(2), 100_000);
        change(&mut payment);
        payment
    };
    let data = |bytes: usize| TxOut { amount: Amount::ZERO, lock: Lock::Data(vec![7; bytes].into()) };
    let cases: [(&str, Transaction); 17] = [
        ("version", changed(&|tx| tx.body.version = 2)),
        ("bad-txns-vin-empty", changed(&|tx| tx.body.inputs.clear())),
        ("bad-txns-vout-empty", changed(&|tx| tx.body.outputs.clear())),
        ("bad-txns-inputs-duplicate", changed(&|tx| tx.body.inputs.push(tx.body.inputs[0]))),
        ("bad-txns-data-length", changed(&|tx| tx.body.outputs.push(data(81)))),
        ("multi-op-return", changed(&|tx| tx.body.outputs.extend([data(8), data(8)]))),
        ("bad-txns-in-belowout", changed(&|tx| tx.body.outputs.push(tx.body.outputs[0].clone()))),
        ("bad-txns-never-final", changed(&|tx| (tx.body.lock_height, tx.body.expiry_height) = (Height(9), Height(8)))),
        ("non-final", changed(&|tx| tx.body.lock_height = Height(1_000))),
        ("tx-expired", changed(&|tx| tx.body.expiry_height = Height(1))),
        ("bad-witness-count", changed(&|tx| tx.witnesses.clear())),
        ("bad-witness-address", changed(&|tx| tx.witnesses = vec![Owner(2).witness()])),
        ("bad-witness-preimage", changed(&|tx| tx.witnesses[0].proofs = vec![Proof::Preimage([2].into())])),
        ("bad-txns-premature-spend-of-coinbase", Owner(1).spend(&[young], Owner(2), 10_000)),
        ("min relay fee not met", Owner(1).spend(&coins, Owner(2), 100)),
        ("dust", Owner(1).split(&coins, Owner(2), 2, coins[0].1.quanta() - 2_000)),
        ("tx-size", Owner(1).split(&coins, Owner(2), 7_500, 1_000_000)),
    ];
    for (word, transaction) in &cases {
        refused(&node, transaction, word, (-26, word));
    }
    // What may be in a block, but is not meant.
    let generous = Owner(1).spend(&coins, Owner(2), 300_000_000);
    assert_eq!(test(&node, &generous)["reject-reason"], "max-fee-exceeded");
    let (code, message) = node.fails("sendrawtransaction", json!([hex_of(&generous)]));
    assert!(code == -25 && message.contains("maxfeerate"), "{message}");
    // Both ends of what is in time.
    let next = node.height() + 1;
    let in_time = changed(&|tx| (tx.body.lock_height, tx.body.expiry_height) = (Height(next), Height(next)));
    assert_eq!(test(&node, &in_time)["allowed"], true);
    assert!(node.waiting().is_empty());
    assert_eq!(node.ok("sendrawtransaction", json!([hex_of(&generous), 0])), generous.txid().to_string());
}

#[test]
fn what_is_no_transaction_is_told_apart() {
    let place = Place::new();
    let node = place.start(&[]);
    let empty = hex::encode(qbtc_core::codec::encode(&Transaction { body: body(vec![], vec![]), witnesses: vec![] }));
    for wrong in ["", "00", "zz", &(empty.clone() + "00")] {
        let (code, message) = node.fails("sendrawtransaction", json!([wrong]));
        assert!(code == -22 && message.contains("TX decode failed"), "{message}");
        assert_eq!(node.fails("testmempoolaccept", json!([[wrong]])).0, -22);
    }
    for (wrong, code) in [
        (json!([[]]), -8),
        (json!([vec![empty.clone(); 26]]), -8),
        (json!([[5]]), -3),
        (json!([empty.clone()]), -3),
        (json!([[empty.clone()], 1]), -8),
        (json!([[empty.clone()], -1]), -3),
    ] {
        assert_eq!(node.fails("testmempoolaccept", wrong.clone()).0, code, "{wrong}");
    }
    let all = node.ok("testmempoolaccept", json!([vec![empty; 25]]));
    assert!(all.as_array().unwrap().iter().all(|verdict| verdict["reject-reason"] == "bad-txns-vin-empty"), "{all}");
}

/// A transaction that is valid until some height leaves when that is passed.
#[test]
fn what_has_expired_leaves() {
    let place = Place::new();
    let node = place.start(&[]);
    let coins = node.coins(1, Owner(1));
    let mut payment = Owner(1).spend(&coins, Owner(2), 10_000);
    payment.body.expiry_height = Height(node.height() + 2);
    node.send(&payment);
    let child = Owner(2).spend(&made(&payment), Owner(3), 10_000);
    node.send(&child);
    assert_eq!(node.waiting().len(), 2);
    // Two blocks by a miner that takes no transactions.
    for left in [2, 0] {
        assert_eq!(submit(&node, &empty_block(&node, Owner(9))), Value::Null);
        assert_eq!(node.waiting().len(), left);
    }
    refused(&node, &payment, "tx-expired", (-26, "tx-expired"));
}
