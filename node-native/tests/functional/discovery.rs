//! Nodes that are given nothing but a DNS seed, after Bitcoin Core's `p2p_dns_seeds.py`, `feature_addrman.py` and `feature_anchors.py`.

use std::net::{TcpListener, UdpSocket};

use serde_json::{Value, json};

use crate::dns::{DnsServer, a, srv};
use crate::support::{Ended, NodeProcess, Owner, Place, eventually, qbtc};

fn has_peers(node: &NodeProcess, count: u64) -> bool {
    node.ok("getconnectioncount", json!([])) == json!(count)
}

/// A port that was free a moment ago, by TCP and UDP.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

#[test]
fn three_nodes_find_each_other_by_a_seed_alone_and_again_without_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let port = free_port();
    let records = [srv("_qbtc._tcp.seed.example.", 0, port, "first.example."), a("first.example.", "127.0.0.1")];
    let dns = runtime.block_on(DnsServer::start(records));
    let never_answers = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (dns_at, silent_at) = (dns.at.to_string(), never_answers.local_addr().unwrap().to_string());
    let places = [Place::new(), Place::new(), Place::new()];
    let start = |place: &Place, listen: &str, dns: &str| {
        let seeds = ["--dns-seed", "missing.example,seed.example", "--dns-server", dns, "--allow-private-addresses"];
        place.start(&[&["--p2p", listen, "--log", "info"], &seeds[..]].concat())
    };
    let first = start(&places[0], &format!("127.0.0.1:{port}"), &dns_at);
    let second = start(&places[1], "127.0.0.1:0", &dns_at);
    let third = start(&places[2], "127.0.0.1:0", &dns_at);
    for node in [&first, &second, &third] {
        eventually("all three are connected", || has_peers(node, 2));
    }
    let known = third.ok("getnodeaddresses", json!([0]));
    let ports: Vec<&Value> = known.as_array().unwrap().iter().map(|node| &node["port"]).collect();
    assert!(ports.contains(&&json!(port)), "{known}");
    let counts =
        |node: &NodeProcess, line: &str| node.get("/metrics").body.lines().any(|other| other.starts_with(line));
    // Which of the two seeds is asked first is chance, and the other is not needed then.
    assert!(counts(&third, "qbtc_dns_seeds_asked_total{outcome=\"found\"} "), "{}", third.get("/metrics").body);
    third.ok("setban", json!(["192.0.2.0/24", "add", 3_600]));
    eventually("the ban is counted", || counts(&third, "qbtc_banned_subnets 1"));
    assert!(third.stop().success());
    // Nobody tells it where the others are now.
    let third = start(&places[2], "127.0.0.1:0", &silent_at);
    eventually("the third one finds the others again", || has_peers(&third, 2));
    let banned = third.ok("listbanned", json!([]));
    assert_eq!((&banned[0]["address"], banned.as_array().unwrap().len()), (&json!("192.0.2.0/24"), 1));
    // The others do without the one that all of them began with.
    assert!(first.stop().success());
    eventually("the others stay together", || has_peers(&third, 1) && has_peers(&second, 1));
}

#[test]
fn a_light_client_finds_nodes_by_a_seed_alone() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let place = Place::new();
    let node = place.start(&["--p2p", "127.0.0.1:0"]);
    node.mine(5, Owner(1));
    let tcp = node.addresses.p2p.iter().find(|address| address.contains("/tcp/")).unwrap();
    let port = tcp.split('/').nth(4).unwrap().parse().unwrap();
    let records = [srv("_qbtc._tcp.seed.example.", 0, port, "first.example."), a("first.example.", "127.0.0.1")];
    let dns = runtime.block_on(DnsServer::start(records));
    let dns_at = dns.at.to_string();
    let folder = tempfile::tempdir().unwrap();
    let ask = |more: &[&str]| {
        let (chain, folder) = (place.chain(), folder.path().to_str().unwrap());
        let seeds = ["--dns-seed", "missing.example,seed.example", "--dns-server", &dns_at, "--timeout", "20"];
        let global = ["light", "--json", "--chain", &chain, "--data-dir", folder, "tip", "--anew"];
        Ended::of(qbtc().args(global).args(seeds).args(more))
    };
    let found = ask(&["--allow-private-addresses"]);
    assert_eq!(found.code, Some(0), "{}", found.stderr);
    let tip: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!((&tip["height"], &tip["id"]), (&json!(5), &json!(node.tip())));
    // An address of this machine, told by a stranger, is not taken.
    let refused = ask(&["--allow-private-addresses=false"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("the DNS seed seed.example is of no use"), "{}", refused.stderr);
    assert!(refused.stderr.contains("no node to ask"), "{}", refused.stderr);
}
