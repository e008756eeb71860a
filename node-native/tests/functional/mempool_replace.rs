//! Replacing what waits, after Bitcoin Core's `feature_rbf.py` and `mempool_packages.py`.

use qbtc_core::tx::Transaction;
use serde_json::json;

use crate::support::money::{Money, amount, made};
use crate::support::{NodeProcess, Owner, Place};

/// A payment of one coin of [`Owner`] 1 to somebody.
fn payment(coin: &Money, to: u8, fee: u64) -> Transaction {
    Owner(1).spend(&[*coin], Owner(to), fee)
}

fn refused(node: &NodeProcess, transaction: &Transaction, word: &str) {
    let before = node.waiting();
    let (code, message) = node.refuses(transaction);
    assert!(code == -26 && message.starts_with(word), "{word}: {message}");
    assert_eq!(node.waiting(), before);
}

#[test]
fn who_pays_more_goes_first_and_takes_all_that_depended_along() {
    let place = Place::new();
    let node = place.start(&[]);
    let coins = node.coins(3, Owner(1));
    let first = payment(&coins[0], 2, 10_000);
    let child = Owner(2).spend(&made(&first), Owner(3), 10_000);
    let other = payment(&coins[1], 2, 10_000);
    let ids = [&first, &child, &other].map(|transaction| node.send(transaction));
    let size = node.ok("getmempoolentry", json!([ids[0]]))["vsize"].as_u64().unwrap();

    refused(&node, &payment(&coins[0], 4, 10_000), "insufficient fee");
    // As much as both that leave, but nothing for being relayed.
    refused(&node, &payment(&coins[0], 4, 20_000), "insufficient fee");
    refused(&node, &payment(&coins[0], 4, 20_000 + size - 1), "insufficient fee");
    // Not from what it would push out, and from nothing else that waits.
    for (from, word) in [(&first, "bad-txns-spends-conflicting-tx"), (&other, "replacement-adds-unconfirmed")] {
        let mut both = Owner(2).spend(&[made(from)[0], coins[0]], Owner(4), 100_000);
        both.witnesses = vec![Owner(2).witness(), Owner(1).witness()];
        refused(&node, &both, word);
    }

    let replacement = node.send(&payment(&coins[0], 4, 20_000 + size));
    assert_eq!(node.waiting().len(), 2);
    for gone in &ids[..2] {
        assert_eq!(node.fails("getmempoolentry", json!([gone])).0, -5);
    }
    refused(&node, &first, "insufficient fee");
    node.mine(1, Owner(9));
    let mined = node.ok("getblock", json!([node.tip()]))["tx"].take();
    assert!(
        mined.as_array().unwrap().contains(&json!(replacement)) && !mined.as_array().unwrap().contains(&json!(ids[0]))
    );
    assert_eq!(node.refuses(&first).0, -25);
}

#[test]
fn a_replacement_pushes_out_no_more_than_a_hundred() {
    let place = Place::new();
    let node = place.start(&[]);
    let coins = node.coins(1, Owner(1));
    let parts = Owner(1).split(&coins, Owner(1), 101, 100_000);
    node.send(&parts);
    node.mine(1, Owner(9));
    let parts = made(&parts);
    for part in &parts {
        node.send(&payment(part, 2, 1_000));
    }
    let fees = |count: u64| count * 1_000 + 100_000;
    refused(&node, &Owner(1).spend(&parts, Owner(3), fees(101)), "too many potential replacements");
    let replacement = node.send(&Owner(1).spend(&parts[..100], Owner(3), fees(100)));
    assert_eq!(node.waiting().len(), 2);
    let entry = node.ok("getmempoolentry", json!([replacement]));
    assert_eq!(amount(&entry["fees"]["base"]).quanta(), fees(100));
}

#[test]
fn what_waits_hangs_together_only_so_far() {
    let place = Place::new();
    let node = place.start(&[]);
    let coins = node.coins(2, Owner(1));
    // One after the other.
    let mut chain = vec![Owner(1).spend(&coins[..1], Owner(1), 10_000)];
    for _ in 1..25 {
        let next = Owner(1).spend(&made(chain.last().unwrap()), Owner(1), 10_000);
        chain.push(next);
    }
    let ids: Vec<String> = chain.iter().map(|transaction| node.send(transaction)).collect();
    let next = Owner(1).spend(&made(&chain[24]), Owner(1), 10_000);
    refused(&node, &next, "too-long-mempool-chain");
    let entry = |id: &str| node.ok("getmempoolentry", json!([id]));
    let (first, last) = (entry(&ids[0]), entry(&ids[24]));
    assert_eq!((&first["descendantcount"], &first["ancestorcount"]), (&json!(25), &json!(1)));
    assert_eq!((&last["descendantcount"], &last["ancestorcount"]), (&json!(1), &json!(25)));
    assert_eq!(first["descendantsize"], last["ancestorsize"]);
    assert_eq!(amount(&first["fees"]["descendant"]).quanta(), 250_000);
    assert_eq!((&last["depends"], &last["spentby"]), (&json!([ids[23]]), &json!([])));
    // One with many children.
    let parent = Owner(1).split(&coins[1..], Owner(2), 25, 10_000);
    node.send(&parent);
    let children: Vec<Transaction> =
        made(&parent).iter().map(|coin| Owner(2).spend(&[*coin], Owner(3), 10_000)).collect();
    children[..24].iter().for_each(|child| drop(node.send(child)));
    refused(&node, &children[24], "too-long-mempool-chain");
    // A template has parents first, and a block frees the way.
    let template = crate::mining::template(&node, Owner(9));
    let transactions = template["transactions"].as_array().unwrap();
    assert_eq!(transactions.len(), 1 + 25 + 25);
    for (place, each) in transactions.iter().enumerate() {
        let depends = each["depends"].as_array().unwrap();
        assert!(depends.iter().all(|on| on.as_u64().unwrap() <= place as u64), "{place}: {depends:?}");
    }
    node.mine(1, Owner(9));
    node.send(&next);
    node.send(&children[24]);
    assert_eq!(node.ok("getmempoolinfo", json!([]))["size"], json!(2));
}
