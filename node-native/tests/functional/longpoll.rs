//! Long polls of getblocktemplate, after Bitcoin Core's `mining_getblocktemplate_longpoll.py`.

use std::thread::{self, JoinHandle};
use std::time::Instant;

use qbtc_node::client::ClientError;
use qbtc_tests::gbt::Work;
use serde_json::{Value, json};

use crate::mining::{submit, template};
use crate::support::{NodeProcess, Owner, Place, eventually};

/// A call in progress.
type Poll = JoinHandle<Result<Value, ClientError>>;

/// Asks for work that differs from a template, and waits until the node has the call.
fn poll(node: &NodeProcess, known: &Value) -> Poll {
    let before = polls(node);
    let client = node.another_client();
    let request =
        json!([{"rules": ["segwit"], "longpollid": known["longpollid"], "address": Owner(1).text(&node.spec)}]);
    let poll = thread::spawn(move || client.call("getblocktemplate", request));
    eventually("the call waits", || polls(node) > before);
    poll
}

/// How many calls for work wait at the node.
fn polls(node: &NodeProcess) -> usize {
    let active = node.ok("getrpcinfo", json!([]))["active_commands"].take();
    active.as_array().unwrap().iter().filter(|call| call["method"] == "getblocktemplate").count()
}

fn answer(poll: Poll) -> Value {
    poll.join().unwrap().unwrap()
}

#[test]
fn new_work_comes_with_a_block_from_anywhere() {
    let place = Place::new();
    let node = place.start(&[]);
    let first = template(&node, Owner(1));
    let polls: Vec<Poll> = (0..5).map(|_| poll(&node, &first)).collect();
    assert!(polls.iter().all(|poll| !poll.is_finished()));
    // From a miner.
    assert_eq!(submit(&node, &Work::new(&first).solved()), Value::Null);
    for poll in polls {
        let next = answer(poll);
        assert_eq!((&next["height"], &next["previousblockhash"]), (&json!(2), &json!(node.tip())));
        assert_ne!(next["longpollid"], first["longpollid"]);
    }
    // From the node itself, and from a block that is taken back.
    let second = template(&node, Owner(1));
    let waiting = poll(&node, &second);
    let mined = node.mine(1, Owner(2));
    assert_eq!(answer(waiting)["previousblockhash"], json!(mined[0]));
    let waiting = poll(&node, &template(&node, Owner(1)));
    node.ok("invalidateblock", json!([mined[0]]));
    assert_eq!(answer(waiting)["previousblockhash"], second["previousblockhash"]);
    // What is out of date already is answered at once.
    let client = node.another_client();
    let late = json!([{"rules": ["segwit"], "longpollid": first["longpollid"], "address": Owner(1).text(&node.spec)}]);
    assert_eq!(client.call::<Value>("getblocktemplate", late).unwrap()["height"], json!(2));
}

/// A tenth of the time between blocks is a second here.
#[test]
fn new_work_comes_with_a_transaction_but_not_at_once() {
    let place = Place::new();
    let node = place.start(&[]);
    let coins = node.coins(1, Owner(1));
    let first = template(&node, Owner(1));
    let began = Instant::now();
    let waiting = poll(&node, &first);
    let txid = node.send(&Owner(1).spend(&coins, Owner(2), 10_000));
    let next = answer(waiting);
    assert!(began.elapsed().as_secs_f64() >= 1.0, "{:?}", began.elapsed());
    assert_eq!((&next["height"], &next["transactions"][1]["txid"]), (&first["height"], &json!(txid)));
    // It is known now, so the next call waits.
    let waiting = poll(&node, &next);
    assert!(!waiting.is_finished());
    node.mine(1, Owner(2));
    assert_eq!(answer(waiting)["transactions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_node_that_stops_lets_them_go() {
    let place = Place::new();
    let node = place.start(&[]);
    let waiting = poll(&node, &template(&node, Owner(1)));
    assert!(node.stop().success());
    match waiting.join().unwrap() {
        Err(ClientError::Rpc { code: -9, .. }) => {}
        other => panic!("{other:?}"),
    }
}
