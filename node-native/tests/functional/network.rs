//! Nodes that meet over loopback, after Bitcoin Core's `rpc_net.py`, `p2p_disconnect_ban.py` and `feature_config_args.py`.

use std::fs;

use serde_json::{Value, json};

use crate::support::{NodeProcess, Owner, Place, eventually};

/// A node that listens for peers on loopback.
fn listening(place: &Place) -> NodeProcess {
    place.start(&["--p2p", "127.0.0.1:0", "--log", "info"])
}

/// Where a node listens: by TCP and by QUIC.
fn address(node: &NodeProcess, way: &str) -> String {
    let all = &node.addresses.p2p;
    all.iter().find(|address| address.contains(way)).unwrap_or_else(|| panic!("no {way} in {all:?}")).clone()
}

/// The only peer of a node, once it is there.
fn peer(node: &NodeProcess) -> Value {
    let mut peers = Value::Null;
    eventually("a peer is there", || {
        peers = node.ok("getpeerinfo", json!([]));
        peers.as_array().unwrap().len() == 1
    });
    peers[0].take()
}

#[test]
fn nodes_meet_by_links_that_no_quantum_computer_reads() {
    for (way, name) in [("/tcp/", "tcp"), ("/quic-v1", "quic")] {
        let (place, other) = (Place::new(), Place::new());
        let node = listening(&place);
        node.mine(3, Owner(1));
        let at = address(&node, way);
        let dialler = other.start(&["--connect", &at, "--log", "info"]);
        assert!(dialler.addresses.p2p.is_empty(), "who is told whom to connect with does not listen");
        let (seen, known) = (peer(&dialler), peer(&node));
        for shown in [&seen, &known] {
            assert_eq!(shown["key_exchange"], "X25519MLKEM768", "{shown}");
            assert_eq!((&shown["post_quantum"], &shown["transport_protocol_type"]), (&json!(true), &json!(name)));
            assert_eq!((&shown["subver"], &shown["version"]), (&json!("qbtc/0.1.0"), &json!(1)));
            assert!(shown["bytessent"].as_u64().unwrap() > 0 && shown["bytesrecv"].as_u64().unwrap() > 0);
            assert!(shown["addr"].as_str().unwrap().starts_with("127.0.0.1:"), "{shown}");
        }
        assert_eq!((&seen["connection_type"], &known["connection_type"]), (&json!("manual"), &json!("inbound")));
        assert_eq!((&seen["startingheight"], &known["startingheight"]), (&json!(3), &json!(0)));
        assert!(at.ends_with(seen["peer_id"].as_str().unwrap()));
        let info = node.ok("getnetworkinfo", json!([]));
        assert_eq!((&info["connections_in"], &info["connections_out"]), (&json!(1), &json!(0)));
        assert_eq!(node.ok("getconnectioncount", json!([])), 1);
        for node in [&node, &dialler] {
            assert!(node.log().contains("X25519MLKEM768"), "{}", node.log());
        }
        dialler.ok("ping", json!([]));
        eventually("the ping is measured", || peer(&dialler)["minping"].as_f64().is_some_and(|took| took > 0.0));
        assert!(dialler.stop().success());
        eventually("the peer has gone", || node.ok("getconnectioncount", json!([])) == 0);
    }
}

/// Whoever has nothing but the address of the web app: browsers dial so, and a node can.
#[test]
fn a_node_is_met_at_the_address_of_its_http_interface() {
    let (place, other) = (Place::new(), Place::new());
    let node = listening(&place);
    node.mine(3, Owner(1));
    let told = node.get("/api/v1/network").json();
    let id = told["peer_id"].as_str().unwrap();
    assert!(address(&node, "/tcp/").ends_with(id));
    let (_, port) = node.http().rsplit_once(':').unwrap();
    let at = format!("/ip4/127.0.0.1/tcp/{port}/ws/p2p/{id}");
    let dialler = other.start(&["--connect", &at]);
    for shown in [peer(&dialler), peer(&node)] {
        assert_eq!(shown["transport_protocol_type"], "websocket", "{shown}");
        assert!(shown["addr"].as_str().unwrap().starts_with("127.0.0.1:"), "{shown}");
    }
    eventually("the blocks have come", || dialler.ok("getblockcount", json!([])) == 3);
    node.ok("disconnectnode", json!([peer(&node)["addr"]]));
    eventually("it comes back", || node.ok("getconnectioncount", json!([])) == 1);
    assert!(node.stop().success());
    eventually("the other one sees that it has gone", || dialler.ok("getconnectioncount", json!([])) == 0);
}

#[test]
fn peers_are_added_parted_with_and_found_again() {
    let (place, other) = (Place::new(), Place::new());
    let (node, second) = (listening(&place), listening(&other));
    let at = address(&second, "/tcp/");
    node.ok("addnode", json!([at, "add"]));
    let first = peer(&node);
    let added = node.ok("getaddednodeinfo", json!([at]));
    assert_eq!((&added[0]["connected"], &added[0]["addresses"][0]["connected"]), (&json!(true), &json!("outbound")));
    // The other one throws it out, and it comes back: the same node under another number.
    second.ok("disconnectnode", json!({"nodeid": peer(&second)["id"]}));
    let mut again = Value::Null;
    eventually("it comes back", || {
        let peers = node.ok("getpeerinfo", json!([]));
        again = peers.get(0).cloned().unwrap_or_default();
        again["id"].is_u64() && again["id"] != first["id"]
    });
    assert_eq!(again["peer_id"], first["peer_id"]);
    // Once it is not wanted any more, it stays until it is thrown out, and then away.
    node.ok("addnode", json!([at, "remove"]));
    node.ok("disconnectnode", json!([again["addr"]]));
    eventually("they have parted", || second.ok("getconnectioncount", json!([])) == 0);
    node.ok("addnode", json!([at, "onetry"]));
    assert_eq!(peer(&node)["connection_type"], "outbound-full-relay");
    assert!(node.stop().success() && second.stop().success());
}

#[test]
fn a_node_is_known_again_after_a_restart() {
    let place = Place::new();
    let node = listening(&place);
    let id = node.ok("getnetworkinfo", json!([]))["peer_id"].clone();
    assert!(node.stop().success());
    let node = listening(&place);
    assert_eq!(node.ok("getnetworkinfo", json!([]))["peer_id"], id);
    assert!(node.stop().success());
    let key = place.chain_dir().join("p2p.key");
    let bytes = fs::read(&key).unwrap();
    fs::write(&key, &bytes[1..]).unwrap();
    let said = place.refused(&["--p2p", "127.0.0.1:0"]);
    assert!(said.contains("p2p.key is damaged") && !said.contains("panicked"), "{said}");
    fs::write(&key, bytes).unwrap();
    assert_eq!(listening(&place).ok("getnetworkinfo", json!([]))["peer_id"], id);
}

#[test]
fn nodes_of_other_chains_do_not_stay() {
    let (place, other) = (Place::new(), Place::with(qbtc_core::spec::ChainSpec::dev()));
    let node = listening(&place);
    let stranger = other.start(&["--connect", &address(&node, "/tcp/"), "--log", "info"]);
    eventually("they part", || {
        node.log().contains("parting with a peer") || stranger.log().contains("parting with a peer")
    });
    assert_eq!(node.ok("getpeerinfo", json!([])), json!([]));
    assert_eq!(stranger.ok("getpeerinfo", json!([])), json!([]));
}
