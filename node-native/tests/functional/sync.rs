//! Chains and payments that travel between nodes, after Bitcoin Core's `p2p_initial_headers_sync.py`, `feature_reindex.py`'s network and
//! `mempool_reorg.py`: real processes on loopback.

use std::net::TcpListener;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::dns::{DnsServer, a, srv};
use crate::support::{DEADLINE, NodeProcess, Owner, Place, eventually, within};

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn agree(nodes: &[&NodeProcess], tip: &str) {
    for node in nodes {
        eventually("all have the same tip", || node.tip() == tip);
    }
}

fn peers(node: &NodeProcess) -> usize {
    node.ok("getpeerinfo", json!([])).as_array().unwrap().len()
}

/// Makes one node be connected with the other.
fn connect(from: &NodeProcess, to: &NodeProcess) {
    from.ok("addnode", json!([to.addresses.p2p[0], "add"]));
    eventually("they are connected", || peers(from) > 0 && peers(to) > 0);
}

#[test]
fn nodes_with_nothing_but_a_seed_have_the_chain_pay_and_bear_the_loss_of_one() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let port = free_port();
    let records = [srv("_qbtc._tcp.seed.example.", 0, port, "maker.example."), a("maker.example.", "127.0.0.1")];
    let dns = runtime.block_on(DnsServer::start(records));
    let dns_at = dns.at.to_string();
    let seeds = ["--dns-seed", "seed.example", "--dns-server", &dns_at, "--allow-private-addresses"];
    let places = [Place::new(), Place::new(), Place::new(), Place::new()];
    let log = "info,qbtc_node::p2p::relay=debug";
    let start = |place: &Place, listen: &str| place.start(&[&["--p2p", listen, "--log", log], &seeds[..]].concat());
    let maker = start(&places[0], &format!("127.0.0.1:{port}"));
    let mut coins = maker.coins(5, Owner(1)).into_iter();
    let mut pay = |from: &NodeProcess| from.send(&Owner(1).spend(&[coins.next().unwrap()], Owner(3), 100_000));
    maker.mine(150, Owner(2));
    let mut fresh: Vec<NodeProcess> = places[1..].iter().map(|place| start(place, "127.0.0.1:0")).collect();
    let all: Vec<&NodeProcess> = fresh.iter().chain([&maker]).collect();
    agree(&all, &maker.tip());
    for node in &all {
        eventually("everybody knows everybody", || peers(node) == 3);
        for peer in node.ok("getpeerinfo", json!([])).as_array().unwrap() {
            assert_eq!(peer["key_exchange"], "X25519MLKEM768", "{peer}");
        }
    }
    // A payment that starts at one of them reaches all, first along the stem and then everywhere.
    let paid = pay(&fresh[2]);
    for node in &all {
        eventually("all have heard of the payment", || node.waiting() == [paid.clone()]);
    }
    let log = fresh[2].log();
    let along = log.find("along the stem").expect("it begins along the stem");
    assert!(log.find("to everybody").is_none_or(|everywhere| along < everywhere), "{log}");
    assert!(all.iter().any(|node| node.log().contains("to everybody")), "somebody gives it to everybody");
    // The node that everything came from is killed; the others go on.
    maker.kill();
    let block = fresh[0].mine(1, Owner(2)).remove(0);
    agree(&fresh.iter().collect::<Vec<_>>(), &block);
    for node in &fresh {
        assert_eq!(node.waiting(), Vec::<String>::new(), "it is mined");
    }
    // So they do when it is one of them, each in turn. Whoever was killed comes back, to the seed that is known to all.
    fresh.push(start(&places[0], &format!("127.0.0.1:{port}")));
    agree(&fresh.iter().collect::<Vec<_>>(), &block);
    for place in &places[1..] {
        fresh.remove(0).kill();
        let paid = pay(&fresh[0]);
        eventually("the next payment travels as well", || fresh.iter().all(|node| node.waiting() == [paid.clone()]));
        let block = fresh[1].mine(1, Owner(2)).remove(0);
        fresh.push(start(place, "127.0.0.1:0"));
        agree(&fresh.iter().collect::<Vec<_>>(), &block);
        eventually("it is found again", || fresh.iter().all(|node| peers(node) > 1));
    }
    for node in fresh {
        assert!(node.stop().success());
    }
}

#[test]
fn parted_networks_agree_again() {
    let places = [Place::new(), Place::new(), Place::new()];
    let [one, two, three] = places.each_ref().map(|place| place.start(&["--p2p", "127.0.0.1:0", "--log", "info"]));
    connect(&two, &one);
    connect(&three, &two);
    let coins = one.coins(1, Owner(1));
    agree(&[&two, &three], &one.tip());
    let common = one.height();
    // The line breaks between the first and the second.
    two.ok("addnode", json!([one.addresses.p2p[0], "remove"]));
    two.ok("disconnectnode", json!({"nodeid": one_outbound(&two)}));
    eventually("the first one is alone", || peers(&one) == 0);
    let paid = one.send(&Owner(1).spend(&coins, Owner(3), 100_000));
    one.mine(3, Owner(2));
    let tip = two.mine(5, Owner(4)).pop().unwrap();
    agree(&[&three], &tip);
    assert_eq!(one.height(), common + 3);
    // And is whole again: three blocks are taken back, and the payment in them waits once more.
    connect(&two, &one);
    agree(&[&one, &two, &three], &tip);
    assert_eq!(one.waiting(), [paid]);
    let tips = one.ok("getchaintips", json!([]));
    let left = tips.as_array().unwrap().iter().find(|tip| tip["status"] == "valid-fork").unwrap();
    assert_eq!(left["branchlen"], 3, "{tips}");
    assert!(one.stop().success() && two.stop().success() && three.stop().success());
}

#[test]
fn who_neither_reads_nor_answers_is_parted_with_and_taken_back() {
    let places = [Place::new(), Place::new(), Place::new(), Place::new()];
    let hub = places[0].start(&["--p2p", "127.0.0.1:0", "--log", "info"]);
    let at = |way: &str| hub.addresses.p2p.iter().find(|address| address.contains(way)).unwrap().as_str();
    let dialler = |place: &Place, way| place.start(&["--connect", at(way), "--log", "info"]);
    let frozen = [dialler(&places[1], "/tcp/"), dialler(&places[2], "/quic-v1")];
    let honest = dialler(&places[3], "/tcp/");
    eventually("all are connected", || peers(&hub) == 3);
    for node in &frozen {
        node.signal(Signal::SIGSTOP);
    }
    // Two thirds of the peers take nothing any more, and nobody waits for them.
    hub.mine(20, Owner(1));
    agree(&[&honest], &hub.tip());
    // Two pings in a row that nobody answers, or half a minute of silence over QUIC.
    within(2 * DEADLINE, "those that are frozen are parted with", || peers(&hub) == 1);
    assert_eq!(peers(&honest), 1);
    for node in &frozen {
        node.signal(Signal::SIGCONT);
    }
    agree(&[&frozen[0], &frozen[1]], &hub.tip());
    assert_eq!(hub.ok("listbanned", json!([])), json!([]), "it was no lie");
    for node in frozen.into_iter().chain([honest, hub]) {
        assert!(node.stop().success());
    }
}

/// The number of the only peer that a node dialled.
fn one_outbound(node: &NodeProcess) -> u64 {
    let peers = node.ok("getpeerinfo", json!([]));
    let mut dialled = peers.as_array().unwrap().iter().filter(|peer| peer["inbound"] == false);
    let id = dialled.next().unwrap()["id"].as_u64().unwrap();
    assert!(dialled.next().is_none(), "{peers}");
    id
}
