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

/// After Bitcoin Core's `mining_prioritisetransaction.py`.
#[test]
fn what_an_operator_values_is_mined_first_and_what_not_never() {
    let place = Place::new();
    let node = place.start(&[]);
    let coins = node.coins(3, Owner(1));
    let [free, cheap, dear] = [(0, 0), (1, 10_000), (2, 90_000)].map(|(coin, fee)| {
        let payment = Owner(1).spend(&coins[coin..=coin], Owner(2), fee);
        (payment.txid().to_string(), payment)
    });
    assert!(node.refuses(&free.1).1.starts_with("min relay fee not met"));
    // It may be valued before it comes.
    assert_eq!(node.ok("prioritisetransaction", json!([free.0, 0, 500_000])), true);
    for (txid, payment) in [&free, &cheap, &dear] {
        assert_eq!(node.send(payment), *txid);
    }
    node.ok("prioritisetransaction", json!([dear.0, null, -100_000]));
    let chosen = || {
        let template = template(&node, Owner(9));
        let transactions = template["transactions"].as_array().unwrap().iter().skip(1);
        let ids: Vec<String> = transactions.map(|each| each["txid"].as_str().unwrap().to_owned()).collect();
        (ids, template["coinbasevalue"].as_u64().unwrap())
    };
    assert_eq!(chosen(), (vec![free.0.clone(), cheap.0.clone()], 400_010_000), "no money is made of it");
    let fees = node.ok("getmempoolentry", json!([dear.0]))["fees"].take();
    assert_eq!((amount(&fees["base"]).quanta(), fees["modified"].as_f64()), (90_000, Some(-0.0001)));
    node.mine(1, Owner(9));
    assert_eq!(node.waiting(), [dear.0.as_str()]);
    let valued = node.ok("getprioritisedtransactions", json!([]));
    assert_eq!(valued, json!({&dear.0: {"fee_delta": -100_000, "in_mempool": true, "modified_fee": -10_000}}));
    node.ok("prioritisetransaction", json!([dear.0, 0, 100_000]));
    assert_eq!(chosen().0, [dear.0.as_str()]);
    for wrong in [json!(["00", 0, 1]), json!([dear.0, 5, 1])] {
        assert_eq!(node.fails("prioritisetransaction", wrong).0, -8);
    }
}
