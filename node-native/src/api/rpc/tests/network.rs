//! Calls about peers: what they say without a network, and of one without peers. Peers are met in the functional tests.

use super::*;
use crate::p2p::identity::Identity;
use crate::p2p::{P2pOptions, Started};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_that_is_what_is_said() {
    let world = World::new();
    for (method, params) in [
        ("getpeerinfo", json!([])),
        ("getconnectioncount", json!([])),
        ("ping", json!([])),
        ("addnode", json!(["127.0.0.1:1", "add"])),
        ("disconnectnode", json!(["127.0.0.1:1"])),
        ("getaddednodeinfo", json!([])),
        ("setban", json!(["192.0.2.1", "add"])),
        ("listbanned", json!([])),
        ("clearbanned", json!([])),
        ("getnodeaddresses", json!([])),
    ] {
        let (code, message) = world.fails(method, params).await;
        assert_eq!(
            (code, message.as_str()),
            (-31, "Error: Peer-to-peer functionality missing or disabled"),
            "{method}"
        );
    }
    let info = world.ok("getnetworkinfo", json!([])).await;
    assert_eq!((&info["networkactive"], &info["connections"]), (&json!(false), &json!(0)));
    assert_eq!((&info["localservices"], &info["multiaddrs"]), (&json!("0000000000000000"), &json!([])));
    assert_eq!((&info["subversion"], &info["version"]), (&json!("/qbtc:0.1.0/"), &json!(100)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_added_and_removed() {
    let mut world = World::new();
    let options = P2pOptions { listen: vec!["127.0.0.1:0".parse().unwrap()], ..P2pOptions::default() };
    let Started { p2p, service, .. } = crate::p2p::start(&world.node, &Identity::random(), options).await.unwrap();
    let running = tokio::spawn(service.run());
    Arc::get_mut(&mut world.rpc).unwrap().context.p2p = Some(p2p.clone());
    let info = world.ok("getnetworkinfo", json!([])).await;
    assert_eq!((&info["peer_id"], &info["multiaddrs"]), (&json!(p2p.peer_id()), &json!(p2p.addresses())));
    assert_eq!(info["localaddresses"].as_array().unwrap().len(), 2, "TCP and QUIC");
    assert_eq!(info["localaddresses"][0]["address"], "127.0.0.1");
    assert_eq!((&info["localservicesnames"][0], &info["networkactive"]), (&json!("NODE"), &json!(true)));
    assert_eq!(world.ok("getpeerinfo", json!([])).await, json!([]));
    assert_eq!(world.ok("getconnectioncount", json!([])).await, json!(0));
    assert!(world.ok("ping", json!([])).await.is_null());
    // Port 1 answers nobody: the node stays added all the same.
    assert!(world.ok("addnode", json!(["127.0.0.1:1", "add"])).await.is_null());
    assert_eq!(world.code("addnode", json!(["/ip4/127.0.0.1/tcp/1", "add"])).await, -23, "the same");
    let added = json!([{"addednode": "/ip4/127.0.0.1/tcp/1", "connected": false, "addresses": []}]);
    assert_eq!(world.ok("getaddednodeinfo", json!([])).await, added);
    assert_eq!(world.ok("getaddednodeinfo", json!(["127.0.0.1:1"])).await, added);
    assert_eq!(world.code("getaddednodeinfo", json!(["127.0.0.1:2"])).await, -24);
    assert_eq!(world.code("addnode", json!(["127.0.0.1:2", "remove"])).await, -24);
    assert!(world.ok("addnode", json!(["127.0.0.1:1", "remove"])).await.is_null());
    assert!(world.ok("addnode", json!(["127.0.0.1:1", "onetry"])).await.is_null());
    assert_eq!(world.ok("getaddednodeinfo", json!([])).await, json!([]));
    for wrong in [json!(["nowhere", "add"]), json!(["127.0.0.1:1", "keep"])] {
        assert_eq!(world.code("addnode", wrong).await, -8);
    }
    for (params, code) in [
        (json!(["127.0.0.1:1"]), -29),
        (json!({"nodeid": 5}), -29),
        (json!({"nodeid": -5}), -29),
        (json!([]), -8),
        (json!(["127.0.0.1:1", 5]), -8),
    ] {
        assert_eq!(world.code("disconnectnode", params.clone()).await, code, "{params}");
    }
    world.node.stop();
    running.await.unwrap();
    assert_eq!(world.code("getpeerinfo", json!([])).await, -9);
}

#[tokio::test(flavor = "multi_thread")]
async fn bans_have_the_shapes_and_codes_of_bitcoin() {
    let mut world = World::new();
    let Started { p2p, service, .. } =
        crate::p2p::start(&world.node, &Identity::random(), P2pOptions::default()).await.unwrap();
    let running = tokio::spawn(service.run());
    Arc::get_mut(&mut world.rpc).unwrap().context.p2p = Some(p2p.clone());
    assert!(world.ok("setban", json!(["192.0.2.77/24", "add"])).await.is_null());
    let listed = world.ok("listbanned", json!([])).await;
    let ban = &listed[0];
    assert_eq!((&ban["address"], &ban["ban_duration"]), (&json!("192.0.2.0/24"), &json!(86_400)));
    let until = ban["ban_created"].as_u64().unwrap() + 86_400;
    assert_eq!(ban["banned_until"], json!(until));
    assert!(ban["time_remaining"].as_u64().unwrap() > 86_300);
    for (params, code) in [
        (json!(["192.0.2.1/24", "add"]), -23),
        (json!(["192.0.2.1/33", "add"]), -30),
        (json!(["nowhere", "add"]), -30),
        (json!(["192.0.2.1", "keep"]), -8),
        (json!(["192.0.2.1", "remove"]), -30),
        (json!(["192.0.3.1", "add", 5, true]), -8),
        (json!(["192.0.3.1", "add", -5]), -8),
    ] {
        assert_eq!(world.code("setban", params.clone()).await, code, "{params}");
    }
    world.ok("setban", json!(["2001:db8::1", "add", 4_000_000_000u32, true])).await;
    world.ok("setban", json!(["192.0.3.1", "add", 100])).await;
    let listed = world.ok("listbanned", json!([])).await;
    let told: Vec<_> = listed.as_array().unwrap().iter().map(|ban| (&ban["address"], &ban["ban_duration"])).collect();
    assert_eq!(listed[2]["banned_until"], 4_000_000_000u32);
    assert_eq!(told[1], (&json!("192.0.3.1/32"), &json!(100)));
    world.ok("setban", json!(["192.0.2.0/24", "remove"])).await;
    assert_eq!(world.ok("listbanned", json!([])).await.as_array().unwrap().len(), 2);
    world.ok("clearbanned", json!([])).await;
    assert_eq!(world.ok("listbanned", json!([])).await, json!([]));
    assert_eq!(world.ok("getnodeaddresses", json!([])).await, json!([]), "nodes are not looked for here");
    assert_eq!(world.code("getnodeaddresses", json!([-1])).await, -8);
    assert_eq!(world.code("getnodeaddresses", json!([1, "onion"])).await, -8);
    world.node.stop();
    running.await.unwrap();
}
