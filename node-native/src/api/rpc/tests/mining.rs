//! Calls of miners, after Bitcoin Core's `mining_basic.py`, `mining_template_verification.py`, `mining_getblocktemplate_longpoll.py`
//! and `rpc_generate.py`.
//!
//! The miner here knows what mining software knows and nothing of this chain: 80 bytes of header, ids of transactions, Bitcoin's merkle
//! tree, opaque data.

use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::super::LongPoll;
use super::*;
use crate::metrics::{Format, Reading};

/// A block that a miner puts together from a template.
#[derive(Clone)]
struct Work {
    version: u32,
    parent: Vec<u8>,
    time: u32,
    bits: u32,
    target: Vec<u8>,
    coinbase: Vec<u8>,
    /// Data and id of each transaction.
    transactions: Vec<(Vec<u8>, Vec<u8>)>,
}

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

fn merkle_root(mut nodes: Vec<Vec<u8>>) -> Vec<u8> {
    while nodes.len() > 1 {
        let pair = |pair: &[Vec<u8>]| sha256d(&[&pair[0][..], pair.last().unwrap()].concat());
        nodes = nodes.chunks(2).map(pair).collect();
    }
    nodes.remove(0)
}

impl Work {
    fn new(template: &Value) -> Self {
        let transaction = |each: &Value| (bytes(&each["data"]), reversed(&each["txid"]));
        Self {
            version: u32::try_from(template["version"].as_u64().unwrap()).unwrap(),
            parent: reversed(&template["previousblockhash"]),
            time: u32::try_from(template["curtime"].as_u64().unwrap()).unwrap(),
            bits: u32::from_str_radix(template["bits"].as_str().unwrap(), 16).unwrap(),
            target: bytes(&template["target"]),
            coinbase: bytes(&template["coinbasetxn"]["data"]),
            transactions: template["transactions"].as_array().unwrap().iter().map(transaction).collect(),
        }
    }

    /// Adds bytes to the coinbase, as `coinbase/append` lets a miner do.
    fn append(&mut self, added: &[u8]) {
        let end = 42 + usize::from(self.coinbase[41]);
        self.coinbase[41] += u8::try_from(added.len()).unwrap();
        self.coinbase.splice(end..end, added.iter().copied());
    }

    fn header(&self, nonce: u32) -> Vec<u8> {
        let ids = self.transactions.iter().map(|(_, id)| id.clone());
        let root = merkle_root([sha256d(&self.coinbase)].into_iter().chain(ids).collect());
        let numbers = [self.time.to_le_bytes(), self.bits.to_le_bytes(), nonce.to_le_bytes()].concat();
        [&self.version.to_le_bytes()[..], &self.parent, &root, &numbers].concat()
    }

    /// The first nonce whose hash reaches the target, or misses it.
    fn nonce(&self, reaches: bool) -> u32 {
        let meets = |nonce: &u32| {
            let hash: Vec<u8> = sha256d(&self.header(*nonce)).into_iter().rev().collect();
            (hash <= self.target) == reaches
        };
        (0..).find(meets).unwrap()
    }

    fn block(&self, nonce: u32) -> String {
        let mut block = self.header(nonce);
        block.push(u8::try_from(self.transactions.len() + 1).unwrap());
        block.extend(&self.coinbase);
        self.transactions.iter().for_each(|(data, _)| block.extend(data));
        hex::encode(block)
    }

    fn solved(&self) -> String {
        self.block(self.nonce(true))
    }
}

async fn template(world: &World) -> Value {
    world.ok("getblocktemplate", json!([{"capabilities": ["coinbasetxn", "longpoll"], "rules": ["segwit"]}])).await
}

async fn submit(world: &World, block: &str) -> Value {
    world.ok("submitblock", json!([block])).await
}

async fn propose(world: &World, block: &str) -> Value {
    world.ok("getblocktemplate", json!([{"mode": "proposal", "data": block, "rules": ["segwit"]}])).await
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
async fn a_miner_that_knows_nothing_of_the_chain_mines_it() {
    let world = World::new();
    let coins = world.coins(3, Owner(1)).await;
    let mut sent = Vec::new();
    for coin in coins.chunks(1) {
        sent.push(world.send(&Owner(1).spend(coin, Owner(2), 10_000)).await);
    }
    let mut work = Work::new(&template(&world).await);
    work.append(b"/pool/");
    work.version |= 0x0123_4000;
    work.time += 1;
    assert_eq!(submit(&world, &work.solved()).await, Value::Null);
    assert_eq!(world.ok("getrawmempool", json!([])).await, json!([]));
    let tip = world.ok("getbestblockhash", json!([])).await;
    let shown = world.ok("getblock", json!([tip])).await;
    let mut mined: Vec<String> = serde_json::from_value(shown["tx"].clone()).unwrap();
    assert_eq!(mined.len(), 4);
    mined.sort();
    assert!(sent.iter().all(|sent| mined.binary_search(sent).is_ok()));
    let (reward, _) = world.coinbase_of(tip.as_str().unwrap()).await;
    let coin = world.ok("gettxout", json!([reward.txid.to_string(), 0])).await;
    assert_eq!(coin["scriptPubKey"]["address"], json!(world.text_of(Owner(1))), "the node's --reward is paid");
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
async fn blocks_are_refused_in_the_words_of_bip_22() {
    let world = World::new();
    world.mine(12, Owner(1)).await;
    let work = Work::new(&template(&world).await);
    assert_eq!(submit(&world, &work.block(work.nonce(false))).await, json!("high-hash"));
    let mut tampered = work.clone();
    tampered.transactions[0].0[5] ^= 1;
    assert_eq!(submit(&world, &tampered.solved()).await, json!("bad-txnmrklroot"));
    let mut orphan = work.clone();
    orphan.parent = vec![7; 32];
    assert_eq!(submit(&world, &orphan.solved()).await, json!("bad-cb-parent"));
    let mut greedy = work.clone();
    // The amount of the only output: four QBTC as a number of variable length, right behind the count of outputs.
    let at = 42 + usize::from(greedy.coinbase[41]) + 1;
    greedy.coinbase[at] += 1;
    assert_eq!(submit(&world, &greedy.solved()).await, json!("bad-cb-amount"));
    assert_eq!(submit(&world, &greedy.solved()).await, json!("duplicate-invalid"));
    for (time, reason) in [(u32::MAX, "time-too-new"), (1_000_000_000, "time-too-old")] {
        assert_eq!(submit(&world, &Work { time, ..work.clone() }.solved()).await, json!(reason));
    }
    let easier = Work { bits: 0x2100_ffff, target: vec![0xff; 32], ..work.clone() };
    assert_eq!(submit(&world, &easier.solved()).await, json!("bad-diffbits"));
    let mut height = work.clone();
    height.coinbase[5] += 1;
    assert_eq!(submit(&world, &height.solved()).await, json!("bad-cb-height"));
    let mut chain = work.clone();
    chain.coinbase[1] ^= 1;
    assert_eq!(submit(&world, &chain.solved()).await, json!("bad-cb-chain"));
    let block = work.solved();
    assert_eq!(submit(&world, &block).await, Value::Null);
    assert_eq!(submit(&world, &block).await, json!("duplicate"));
    let late = Work { time: work.time + 1, ..work };
    assert_eq!(submit(&world, &late.solved()).await, json!("inconclusive"), "beside the chain");
    for malformed in ["", "zz", "00", &block[..block.len() - 2], &(block.clone() + "00")] {
        let (code, message) = world.fails("submitblock", json!([malformed])).await;
        assert!(code == -22 && message.starts_with("Block decode failed"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_is_checked_without_work_and_without_change() {
    let world = World::new();
    world.mine(3, Owner(1)).await;
    let work = Work::new(&template(&world).await);
    let idle = work.block(work.nonce(false));
    assert_eq!(propose(&world, &idle).await, Value::Null);
    assert_eq!(world.ok("getblockcount", json!([])).await, json!(3));
    assert_eq!(world.ok("getchaintips", json!([])).await.as_array().unwrap().len(), 1);
    let mut greedy = work.clone();
    let at = 42 + usize::from(greedy.coinbase[41]) + 1;
    greedy.coinbase[at] += 1;
    assert_eq!(propose(&world, &greedy.block(0)).await, json!("bad-cb-amount"));
    let mut tampered = work.clone();
    tampered.transactions[0].0[5] ^= 1;
    assert_eq!(propose(&world, &tampered.block(0)).await, json!("bad-txnmrklroot"));
    let mut aside = work.clone();
    aside.parent = vec![7; 32];
    assert_eq!(propose(&world, &aside.block(0)).await, json!("inconclusive-not-best-prevblk"));
    assert_eq!(world.code("getblocktemplate", json!([{"mode": "proposal", "data": "00"}])).await, -22);
    assert_eq!(world.code("getblocktemplate", json!([{"mode": "proposal"}])).await, -3);
    let block = work.solved();
    assert_eq!(submit(&world, &block).await, Value::Null);
    assert_eq!(propose(&world, &block).await, json!("duplicate"));
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
    world.node.shared().is_synced.store(false, std::sync::atomic::Ordering::Relaxed);
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

async fn until_waiting(world: &World) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while world.rpc.active().is_empty() {
        assert!(Instant::now() < deadline, "the call never began");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_ends_when_the_tip_moves() {
    let world = World::new();
    let first = template(&world).await;
    let waiting = long_poll(&world, &first["longpollid"]);
    until_waiting(&world).await;
    assert!(!waiting.is_finished());
    assert_eq!(submit(&world, &Work::new(&first).solved()).await, Value::Null);
    let next = waiting.await.unwrap();
    assert_eq!(next["result"]["height"], json!(2));
    assert_ne!(next["result"]["longpollid"], first["longpollid"]);
    // What is out of date already is answered at once.
    let late = long_poll(&world, &first["longpollid"]).await.unwrap();
    assert_eq!(late["result"]["previousblockhash"], next["result"]["previousblockhash"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_ends_when_the_mempool_has_changed_for_a_while() {
    let quick = LongPoll {
        mempool_after: Duration::from_millis(50),
        mempool_every: Duration::from_millis(20),
        most: Duration::from_secs(600),
    };
    let world = World::with(Indexes::default(), |context| context.long_poll = quick);
    let coins = world.coins(1, Owner(1)).await;
    let first = template(&world).await;
    let waiting = long_poll(&world, &first["longpollid"]);
    until_waiting(&world).await;
    let txid = world.send(&Owner(1).spend(&coins, Owner(2), 10_000)).await;
    let next = waiting.await.unwrap();
    assert_eq!(next["result"]["transactions"][1]["txid"], json!(txid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_ends_by_itself_and_when_the_node_stops() {
    let brief = LongPoll { most: Duration::from_millis(50), ..LongPoll::default() };
    let world = World::with(Indexes::default(), |context| context.long_poll = brief);
    let first = template(&world).await;
    let next = long_poll(&world, &first["longpollid"]).await.unwrap();
    assert_eq!(next["result"]["longpollid"], first["longpollid"]);
    let world = World::new();
    let waiting = long_poll(&world, &template(&world).await["longpollid"]);
    until_waiting(&world).await;
    world.node.stop();
    assert_eq!(waiting.await.unwrap()["error"]["code"], json!(-9));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_come_before_their_blocks() {
    let world = World::new();
    let work = Work::new(&template(&world).await);
    let (good, idle) = (work.header(work.nonce(true)), work.header(work.nonce(false)));
    for malformed in ["", "zz", "00"] {
        assert_eq!(world.code("submitheader", json!([malformed])).await, -22);
    }
    let (code, message) = world.fails("submitheader", json!([hex::encode(idle)])).await;
    assert!(code == -25 && message.starts_with("high-hash"), "{message}");
    let orphan = Work { parent: vec![7; 32], ..work.clone() };
    let (code, message) = world.fails("submitheader", json!([hex::encode(orphan.header(0))])).await;
    assert!(code == -25 && message.starts_with("Must submit previous header (0707"), "{message}");
    assert_eq!(world.ok("submitheader", json!([hex::encode(&good)])).await, Value::Null);
    assert_eq!(world.ok("getblockchaininfo", json!([])).await["headers"], json!(1));
    assert_eq!(world.ok("getblockcount", json!([])).await, json!(0));
    assert_eq!(submit(&world, &work.solved()).await, Value::Null);
    assert_eq!(world.ok("getblockcount", json!([])).await, json!(1));
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
