//! `qbtc light` against real nodes on loopback: the proven tip, coins by filters, a transaction with its proof, a payment sent, and nodes that
//! die in between.

use std::fs;

use qbtc_core::codec;
use qbtc_core::sync::light::PlaceProof;
use qbtc_core::tx::Transaction;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::money::hex_of;
use crate::support::{Ended, NodeProcess, Owner, Place, eventually, qbtc};

/// More blocks than are fetched without a proof of work.
const BLOCKS: u32 = 1_050;

/// Somebody without a node.
struct Client {
    folder: TempDir,
    chain: String,
}

impl Client {
    fn new(place: &Place) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), chain: place.chain() }
    }

    fn run(&self, peers: &[String], args: &[&str]) -> Ended {
        let mut command = qbtc();
        command.args(["light", "--json", "--chain", &self.chain, "--data-dir", self.folder.path().to_str().unwrap()]);
        for peer in peers {
            command.args(["--peer", peer]);
        }
        Ended::of(command.args(args))
    }

    fn shows(&self, peers: &[String], args: &[&str]) -> Value {
        let ended = self.run(peers, args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    fn fails(&self, peers: &[String], args: &[&str]) -> String {
        self.fails_with(1, peers, args)
    }

    fn fails_with(&self, code: i32, peers: &[String], args: &[&str]) -> String {
        let ended = self.run(peers, args);
        assert_eq!(ended.code, Some(code), "{args:?}: {} {}", ended.stdout, ended.stderr);
        let told: Value = serde_json::from_str(ended.stderr.lines().last().unwrap()).unwrap();
        told["error"]["message"].as_str().unwrap().to_owned()
    }
}

/// Where nodes listen: one after the other by TCP and by QUIC.
fn addresses(nodes: &[&NodeProcess]) -> Vec<String> {
    let ways = ["/tcp/", "/quic-v1"].iter().cycle();
    let found = nodes
        .iter()
        .zip(ways)
        .map(|(node, way)| node.addresses.p2p.iter().find(|address| address.contains(way)).unwrap().clone());
    found.collect()
}

#[test]
fn a_light_client_knows_the_tip_its_coins_and_its_payments_whoever_dies() {
    let places = [Place::new(), Place::new(), Place::new()];
    let maker = places[0].start(&["--p2p", "127.0.0.1:0", "--txindex"]);
    let coins = maker.coins(2, Owner(1));
    maker.mine(BLOCKS - maker.height(), Owner(2));
    let others = [&places[1], &places[2]]
        .map(|place| place.start(&["--p2p", "127.0.0.1:0", "--txindex", "--connect", &maker.addresses.p2p[0]]));
    for node in &others {
        eventually("it has the chain", || node.tip() == maker.tip());
    }
    let all = addresses(&[&maker, &others[0], &others[1]]);
    let (user, spec) = (Client::new(&places[0]), &places[0].spec);
    // Cold: by a proof of the work.
    let tip = user.shows(&all, &["tip"]);
    assert_eq!((&tip["height"], &tip["id"]), (&json!(BLOCKS), &json!(maker.tip())));
    assert_eq!((&tip["level"], &tip["resumed"], &tip["nodes"]), (&json!("header"), &json!(false), &json!(3)));
    // Blocks of this chain were made faster than its clock goes.
    assert!(tip["warnings"].as_array().unwrap().iter().all(|told| told.as_str().unwrap().contains("stale")), "{tip}");
    // Warm: hardly anything.
    maker.mine(2, Owner(3));
    let again = user.shows(&all, &["tip"]);
    assert_eq!((&again["height"], &again["resumed"]), (&json!(BLOCKS + 2), &json!(true)));
    assert!(again["bytes"].as_u64() < Some(2_000) && tip["bytes"].as_u64() > Some(10_000), "{tip} {again}");
    // A payment that it sends itself, once with too little for a fee.
    let poor = Owner(1).spend(&coins, Owner(4), 0);
    let refused = user.fails(&all, &["send", &hex_of(&poor)]);
    assert!(refused.contains("not taken"), "{refused}");
    let paid = Owner(1).spend(&coins, Owner(4), 100_000);
    let sent = user.shows(&all, &["send", &hex_of(&paid)]);
    assert_eq!((&sent["txid"], &sent["nodes"]), (&json!(paid.txid().to_string()), &json!(3)));
    let waits = user.shows(&all, &["tx", &paid.txid().to_string()]);
    assert_eq!((&waits["level"], &waits["confirmations"]), (&Value::Null, &json!(0)));
    eventually("it waits at the maker", || maker.waiting().contains(&paid.txid().to_string()));
    maker.mine(1, Owner(3));
    for node in &others {
        eventually("the others have it too", || node.height() == BLOCKS + 3);
    }
    maker.kill();
    // The first one does not answer any more.
    let balance = user.shows(&all, &["balance", &Owner(4).text(spec), &Owner(1).text(spec), "--from", "1"]);
    assert_eq!((&balance["level"], &balance["height"]), (&json!("filter"), &json!(BLOCKS + 3)));
    assert_eq!(balance["coins"].as_array().unwrap().len(), 1, "{balance}");
    assert_eq!(balance["coins"][0]["txid"], json!(paid.txid().to_string()));
    assert_eq!(balance["confirmed"], json!(paid.body.outputs[0].amount.to_string()));
    assert!(balance["warnings"].to_string().contains("possible eclipse: 2 of at least 3 nodes"), "{balance}");
    let found = user.shows(&all, &["tx", &paid.txid().to_string()]);
    assert_eq!((&found["level"], &found["height"]), (&json!("header"), &json!(BLOCKS + 3)));
    let body: Transaction = codec::decode(&hex::decode(found["hex"].as_str().unwrap()).unwrap(), 1 << 20).unwrap();
    let proof = PlaceProof::from_bytes(&hex::decode(found["proof"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(proof.check_transaction(&body.body).unwrap().height.0, BLOCKS + 3);
    assert!(user.fails(&all, &["tx", &"00".repeat(32)]).contains("nodes has it"));
}

#[test]
fn what_cannot_be_is_said() {
    let place = Place::new();
    let user = Client::new(&place);
    assert!(user.fails(&[], &["tip"]).contains("--peer"));
    let nobody = ["/ip4/127.0.0.1/tcp/9".to_owned()];
    let said = user.fails_with(3, &nobody, &["tip", "--timeout", "2"]);
    assert!(said.contains("no node can be asked: /ip4/127.0.0.1/tcp/9"), "{said}");
    let node = place.start(&["--p2p", "127.0.0.1:0"]);
    node.mine(5, Owner(1));
    let peers = addresses(&[&node]);
    assert!(user.fails(&peers, &["balance", "dqbs1x"]).contains("dqbs1x"));
    assert!(user.fails(&peers, &["balance", &Owner(1).text(&node.spec), "--from", "9"]).contains("ends at height 5"));
    assert!(user.fails(&peers, &["send", "00"]).contains("no transaction"));
    // A node on this machine is found by itself.
    let beside = Client { folder: tempfile::tempdir().unwrap(), chain: place.chain() };
    let written = fs::read(qbtc_node::paths::node_file(&place.chain_dir())).unwrap();
    let chain_dir = qbtc_node::paths::chain_dir(beside.folder.path(), node.spec.name());
    fs::create_dir_all(&chain_dir).unwrap();
    fs::write(qbtc_node::paths::node_file(&chain_dir), written).unwrap();
    assert_eq!(beside.shows(&[], &["tip"])["height"], json!(5));
    // A state that is damaged is said, and the client starts anew.
    let state = qbtc_node::paths::light_file(&chain_dir);
    let mut bytes = fs::read(&state).unwrap();
    bytes[100] ^= 1;
    fs::write(&state, bytes).unwrap();
    let ended = beside.run(&[], &["tip"]);
    assert!(ended.stderr.contains("starting anew") && ended.stderr.contains("damaged"), "{}", ended.stderr);
    let shown: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&shown["resumed"], &shown["height"]), (&json!(false), &json!(5)));
    // Nodes of another chain have nothing to say.
    let other = Client::new(&Place::with(qbtc_core::spec::ChainSpec::dev()));
    let other = Client { chain: "dev".to_owned(), ..other };
    let said = other.fails_with(3, &peers, &["tip", "--timeout", "3"]);
    assert!(said.contains("no node can be asked"), "{said}");
}
