//! What becomes of transactions when blocks leave the chain, after Bitcoin Core's `mempool_reorg.py` and `rpc_invalidateblock.py`.

use qbtc_core::units::Height;
use serde_json::{Value, json};

use crate::mining::{empty_block, submit};
use crate::support::money::{hex_of, made};
use crate::support::{NodeProcess, Owner, Place, eventually};

/// The ids of what waits, in order of their text.
fn waiting(node: &NodeProcess) -> Vec<String> {
    let mut ids = node.waiting();
    ids.sort();
    ids
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

#[test]
fn payments_of_undone_blocks_wait_again() {
    let place = Place::new();
    let node = place.start(&["--txindex", "--addressindex"]);
    let coins = node.coins(2, Owner(1));
    let (before, height) = (node.tip(), node.height());
    let payment = Owner(1).spend(&coins[..1], Owner(2), 10_000);
    let child = Owner(2).spend(&made(&payment), Owner(3), 10_000);
    let other = Owner(1).spend(&coins[1..], Owner(4), 10_000);
    let first = node.send(&payment);
    let undone = node.mine(1, Owner(9))[0].clone();
    let rest = [node.send(&child), node.send(&other)];
    node.mine(2, Owner(9));
    let tip = node.tip();

    node.ok("invalidateblock", json!([undone]));
    assert_eq!((node.tip(), node.height()), (before.clone(), height));
    assert_eq!(waiting(&node), sorted([vec![first.clone()], rest.to_vec()].concat()));
    assert_eq!(node.ok("getmempoolentry", json!([rest[0]]))["depends"], json!([first]));
    assert_eq!(node.ok("getrawtransaction", json!([first, true])).get("confirmations"), None);
    let tips = node.ok("getchaintips", json!([]));
    assert!(tips.as_array().unwrap().iter().any(|each| each["hash"] == json!(tip) && each["status"] == "invalid"));
    // It stays so when the node stops, however it does.
    node.kill();
    let node = place.start(&["--txindex", "--addressindex"]);
    assert_eq!(node.tip(), before);
    assert!(node.stop().success());
    let node = place.start(&["--txindex", "--addressindex"]);
    assert_eq!(node.tip(), before);

    node.ok("reconsiderblock", json!([undone]));
    assert_eq!(node.tip(), tip);
    eventually("what is mined again does not wait", || node.waiting().is_empty());
    assert_eq!(node.ok("getrawtransaction", json!([first, true]))["confirmations"], json!(3));
    assert_eq!(node.ok("gettxout", json!([first, 0])), Value::Null, "spent by its child");
    for (call, code) in [("invalidateblock", -5), ("reconsiderblock", -5)] {
        assert_eq!(node.fails(call, json!(["00".repeat(32)])).0, code);
    }
    let genesis = node.ok("getblockhash", json!([0]));
    assert!(node.fails("invalidateblock", json!([genesis])).0 < 0);
    assert_eq!(node.tip(), tip);
}

#[test]
fn what_a_lower_tip_does_not_allow_leaves() {
    let place = Place::new();
    let node = place.start(&[]);
    let maturity = node.spec.consensus().coinbase_maturity;
    let coins = node.coins(1, Owner(1));
    let young = node.mine(1, Owner(1))[0].clone();
    let fresh = node.coinbase_of(&young);
    let top = node.mine(maturity - 1, Owner(9)).last().unwrap().clone();
    // In the next block, and in no earlier one: the coin is mature then; the other says so itself.
    let spends_young = Owner(1).spend(&[fresh], Owner(2), 10_000);
    let child = Owner(2).spend(&made(&spends_young), Owner(3), 10_000);
    let mut locked = Owner(1).spend(&coins, Owner(2), 10_000);
    locked.body.lock_height = Height(node.height() + 1);
    for transaction in [&spends_young, &child, &locked] {
        node.send(transaction);
    }
    node.ok("invalidateblock", json!([top]));
    assert!(node.waiting().is_empty(), "{:?}", node.waiting());
    for (transaction, word) in [(&spends_young, "bad-txns-premature-spend-of-coinbase"), (&locked, "non-final")] {
        let (code, message) = node.refuses(transaction);
        assert!(code == -26 && message.starts_with(word), "{message}");
    }
    node.mine(1, Owner(9));
    assert_eq!(node.send(&locked), locked.txid().to_string());
}

/// A longer chain takes the place of the tip: what it leaves out waits again, what conflicts with it is gone.
#[test]
fn another_chain_with_more_work_wins() {
    let place = Place::new();
    let [here, there] = ["here", "there"].map(|name| NodeProcess::start(&place.chain(), &place.path().join(name), &[]));
    let coins = here.coins(2, Owner(1));
    let raw = |height: u32| here.ok("getblock", json!([here.ok("getblockhash", json!([height])), 0]));
    for height in 1..=here.height() {
        assert_eq!(there.ok("submitblock", json!([raw(height)])), Value::Null);
    }
    assert_eq!(here.tip(), there.tip());
    let (kept, twice) = (Owner(1).spend(&coins[..1], Owner(2), 10_000), Owner(1).spend(&coins[1..], Owner(2), 10_000));
    here.send(&kept);
    here.send(&twice);
    here.mine(1, Owner(9));
    // There the same coin goes elsewhere.
    let other = Owner(1).spend(&coins[1..], Owner(5), 20_000);
    there.send(&other);
    there.mine(1, Owner(8));
    assert_eq!(submit(&there, &empty_block(&there, Owner(8))), Value::Null);
    let blocks: Vec<Value> = [1, 0]
        .map(|depth| {
            let id = there.ok("getblockhash", json!([there.height() - depth]));
            there.ok("getblock", json!([id, 0]))
        })
        .into();
    assert_eq!(here.ok("submitblock", json!([blocks[1]])), json!("bad-prevblk"));
    assert_eq!(here.ok("submitblock", json!([blocks[0]])), json!("inconclusive"));
    assert_eq!(here.ok("submitblock", json!([blocks[1]])), Value::Null);
    assert_eq!(here.tip(), there.tip());
    assert_eq!(here.waiting(), [kept.txid().to_string()], "the other is spent elsewhere");
    assert_eq!(here.ok("testmempoolaccept", json!([[hex_of(&twice)]]))[0]["reject-reason"], "missing-inputs");
}
