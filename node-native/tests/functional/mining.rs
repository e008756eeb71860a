//! Mining over JSON-RPC, after Bitcoin Core's `mining_basic.py`: a miner that knows 80 bytes of header, ids of transactions, Bitcoin's
//! merkle tree and opaque data, and nothing of this chain.

use qbtc_core::block::Block;
use qbtc_core::utxo::Coin;
use qbtc_tests::gbt::Work;
use serde_json::{Value, json};

use crate::blocks::Draft;
use crate::support::money::amount;
use crate::support::{NodeProcess, Owner, Place};

/// A template that pays an owner.
pub(crate) fn template(node: &NodeProcess, owner: Owner) -> Value {
    node.ok("getblocktemplate", json!([{"rules": ["segwit"], "address": owner.text(&node.spec)}]))
}

/// The parts of a template's block, whose transactions spend these coins.
pub(crate) fn draft(template: &Value, spent: Vec<Coin>) -> Draft {
    let bytes = hex::decode(Work::new(template).block(0)).unwrap();
    let Block { header, coinbase, commitments, transactions } = Block::from_bytes(&bytes, bytes.len()).unwrap();
    Draft { header, coinbase, commitments, transactions, spent }
}

/// The next block, of a miner that takes no transactions.
pub(crate) fn empty_block(node: &NodeProcess, owner: Owner) -> String {
    let mut draft = draft(&template(node, owner), Vec::new());
    draft.transactions.clear();
    draft.coinbase.outputs[0].amount = node.spec.consensus().subsidy(draft.coinbase.height);
    hex::encode(draft.commit().seal().to_bytes())
}

/// What the node says to a block.
pub(crate) fn submit(node: &NodeProcess, block: &str) -> Value {
    node.ok("submitblock", json!([block]))
}

#[test]
fn miners_of_one_node_mine_for_themselves_and_are_paid() {
    let place = Place::new();
    let reward = Owner(7).text(&place.spec);
    let node = place.start(&["--reward", &reward, "--txindex"]);
    let coins = node.coins(3, Owner(1));
    let sent = coins.chunks(1).map(|coin| node.send(&Owner(1).spend(coin, Owner(2), 10_000)));
    let mut sent: Vec<String> = sent.collect();
    let own = node.ok("getblocktemplate", json!([{"rules": ["segwit"], "capabilities": ["coinbasetxn", "longpoll"]}]));
    let (mine, yours) = (template(&node, Owner(8)), template(&node, Owner(8)));
    assert_ne!(mine["coinbasetxn"]["txid"], yours["coinbasetxn"]["txid"], "no two miners do the same work");
    assert_eq!(own["coinbasevalue"], json!(400_030_000));

    let mut work = Work::new(&own);
    work.append(b"/pool/");
    work.version |= 0x0123_4000;
    work.time += 1;
    assert_eq!(submit(&node, &work.solved()), Value::Null);
    assert!(node.waiting().is_empty());
    let block = node.ok("getblock", json!([node.tip(), 2]));
    assert_eq!(block["hash"], work.hash(work.nonce(true)));
    assert_eq!((&block["version"], &block["time"]), (&json!(work.version), &json!(work.time)));
    let mut mined: Vec<&str> = block["tx"].as_array().unwrap().iter().map(|tx| tx["txid"].as_str().unwrap()).collect();
    let coinbase = mined.remove(0).to_owned();
    mined.sort_unstable();
    sent.sort();
    assert_eq!(mined, sent);
    let paid = node.ok("gettxout", json!([coinbase, 0]));
    assert_eq!((&paid["scriptPubKey"]["address"], &paid["coinbase"]), (&json!(reward), &json!(true)));
    assert_eq!(amount(&paid["value"]).quanta(), 400_030_000);

    // The others' work is on the parent, and stays beside the chain.
    assert_eq!(submit(&node, &Work::new(&mine).solved()), "inconclusive");
    assert_eq!(submit(&node, &Work::new(&template(&node, Owner(8))).solved()), Value::Null);
    let tips = node.ok("getchaintips", json!([]));
    let statuses: Vec<_> = tips.as_array().unwrap().iter().map(|tip| (&tip["status"], &tip["branchlen"])).collect();
    assert_eq!(
        statuses,
        [(&json!("active"), &json!(0)), (&json!("valid-headers"), &json!(1))],
        "never connected, so never checked whole"
    );
}

#[test]
fn miners_are_told_how_the_chain_stands() {
    let place = Place::new();
    let node = place.start(&[]);
    let refused = node.fails("getblocktemplate", json!([{"rules": ["segwit"]}]));
    assert!(refused.0 == -8 && refused.1.contains("--reward"), "{refused:?}");
    node.mine(20, Owner(1));
    let coin = node.coinbase_of(node.ok("getblockhash", json!([1])).as_str().unwrap());
    node.send(&Owner(1).spend(&[coin], Owner(2), 10_000));
    let info = node.ok("getmininginfo", json!([]));
    assert_eq!((&info["blocks"], &info["pooledtx"], &info["chain"]), (&json!(20), &json!(1), &json!("quick")));
    assert_eq!((&info["bits"], &info["next"]["height"]), (&json!("207fffff"), &json!(21)));
    assert_eq!(info["difficulty"], node.ok("getdifficulty", json!([])));
    assert_eq!(info["networkhashps"], node.ok("getnetworkhashps", json!([])));
    assert!(info["networkhashps"].as_f64().unwrap() > 0.0);
    let template = template(&node, Owner(1));
    assert_eq!((&template["height"], &template["bits"]), (&json!(21), &info["bits"]));
    assert_eq!((&template["target"], &template["previousblockhash"]), (&info["target"], &json!(node.tip())));
}

#[test]
fn headers_come_before_their_blocks() {
    let place = Place::new();
    let node = place.start(&[]);
    let work = Work::new(&template(&node, Owner(1)));
    let header = |work: &Work| hex::encode(work.header(work.nonce(true)));
    for malformed in ["", "zz", "00", &(header(&work) + "00")] {
        assert_eq!(node.fails("submitheader", json!([malformed])).0, -22, "{malformed}");
    }
    let idle = hex::encode(work.header(work.nonce(false)));
    let late = header(&Work { time: u32::MAX, ..work.clone() });
    let early = header(&Work { time: 1_000_000_000, ..work.clone() });
    let easy = header(&Work { bits: 0x2100_ffff, target: vec![0xff; 32], ..work.clone() });
    let orphan = header(&Work { parent: vec![7; 32], ..work.clone() });
    for (header, word) in [
        (&idle, "high-hash"),
        (&late, "time-too-new"),
        (&early, "time-too-old"),
        (&easy, "bad-diffbits"),
        (&orphan, "Must submit previous header (0707"),
    ] {
        let (code, message) = node.fails("submitheader", json!([header]));
        assert!(code == -25 && message.starts_with(word), "{message}");
    }
    for _ in 0..2 {
        assert_eq!(node.ok("submitheader", json!([header(&work)])), Value::Null);
    }
    let tips = |node: &NodeProcess| node.ok("getchaintips", json!([]));
    assert_eq!(tips(&node)[0]["status"], "headers-only");
    assert_eq!(node.ok("getblockchaininfo", json!([]))["headers"], json!(1));
    assert_eq!(node.height(), 0);
    let id = work.hash(work.nonce(true));
    assert_eq!(node.ok("getblockheader", json!([id]))["confirmations"], json!(-1));
    assert_eq!(node.fails("getblock", json!([id])).0, -1);
    // Its block may come after a restart.
    assert!(node.stop().success());
    let node = place.start(&[]);
    assert_eq!(submit(&node, &work.solved()), Value::Null);
    assert_eq!((node.height(), node.tip()), (1, id));
    assert_eq!(tips(&node).as_array().unwrap().len(), 1);
}
