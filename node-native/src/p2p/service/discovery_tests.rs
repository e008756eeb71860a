//! Nodes that find each other over loopback, and some that lie about where nodes are.

use std::sync::Arc;

use qbtc_core::net::addresses::{AddressNews, Group, PeerAddress};
use qbtc_core::net::{Ban, Services, SyncQuestion};
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::Input;

use super::tests::{DEADLINE, Net, eventually};
use super::*;
use crate::api::testing::TestNode;
use crate::metrics::{Format, Reading};
use crate::p2p::discovery::dialer::Slots;
use crate::p2p::discovery::dns::testing::{DnsServer, srv, txt};
use crate::store::{Store, StoreOptions, StoredNetwork};

/// Where a node keeps what it knows, apart from its chain.
pub(super) fn store() -> Store {
    let backend = redb::backends::InMemoryBackend::new();
    Store::with_backend(backend, Arc::new(ChainSpec::dev()), &StoreOptions::default()).unwrap()
}

pub(super) fn looking(store: &Store, dns: &DnsServer) -> P2pOptions {
    let discovery = DiscoveryOptions {
        seeds: vec!["missing.example".into(), "seed.example".into()],
        dns_servers: vec![dns.at],
        bootstrap: Vec::new(),
        port: 1,
        takes_private: true,
        slots: Slots::default(),
        store: store.clone(),
        stored: store.load_network().unwrap(),
    };
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    P2pOptions { listen, discovery: Some(discovery), ..P2pOptions::default() }
}

pub(super) fn at(net: &Net) -> PeerAddress {
    net.p2p.addresses()[0].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_find_each_other_by_a_seed_and_know_each_other_after_a_restart() {
    let empty = DnsServer::start([]).await;
    let stores = [store(), store(), store()];
    let first = Net::start(14, looking(&stores[0], &empty)).await;
    let seed = DnsServer::start([
        srv("_qbtc._tcp.seed.example.", 0, at(&first).port(), "first.example."),
        crate::p2p::discovery::dns::testing::a("first.example.", "127.0.0.1"),
    ])
    .await;
    let second = Net::start(14, looking(&stores[1], &seed)).await;
    second.peer().await;
    let third = Net::start(14, looking(&stores[2], &seed)).await;
    for (net, name) in [(&first, "first"), (&second, "second"), (&third, "third")] {
        eventually(name, async || (net.p2p.peers().await.unwrap().len() == 2).then_some(())).await;
    }
    let known = third.p2p.nodes(10).await.unwrap();
    assert!(known.iter().any(|entry| entry.address == at(&second) && entry.is_tried), "{known:?}");
    assert!(known.iter().all(|entry| entry.address != at(&third)), "nobody keeps itself");
    // Without a seed the third finds the others again.
    third.stop().await;
    let kept: StoredNetwork = stores[2].load_network().unwrap();
    assert!(kept.entries.iter().filter(|entry| entry.is_tried).count() >= 2);
    let again = Net::start(14, looking(&stores[2], &empty)).await;
    eventually("the others are found again", async || (again.p2p.peers().await.unwrap().len() == 2).then_some(()))
        .await;
    for net in [again, second, first] {
        net.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_does_not_take_its_own_address() {
    let store = store();
    let empty = DnsServer::start([]).await;
    let mut options = looking(&store, &empty);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let seed = DnsServer::start([txt("_dnsaddr.seed.example.", &format!("dnsaddr=/ip4/127.0.0.1/tcp/{port}"))]).await;
    drop(taken);
    options.listen = vec![format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()];
    options.discovery.as_mut().unwrap().dns_servers = vec![seed.at];
    let net = Net::start(14, options).await;
    eventually("its own address is refused", async || {
        let text = net.node.node.metrics().render(&Reading::default(), Format::Prometheus);
        text.contains("qbtc_refused_addresses_total 1").then_some(())
    })
    .await;
    assert!(net.p2p.nodes(10).await.unwrap().is_empty());
    net.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_banned_is_parted_with_and_not_met_again() {
    let (stores, empty) = ([store(), store()], DnsServer::start([]).await);
    let one = Net::start(14, looking(&stores[0], &empty)).await;
    let two =
        Net::start(14, P2pOptions { wanted: vec![at(&one).as_str().parse().unwrap()], ..looking(&stores[1], &empty) })
            .await;
    one.peer().await;
    let now = one.node.node.now();
    one.p2p.ban("127.0.0.0/8".parse().unwrap(), now.saturating_add(600), now).await.unwrap().unwrap();
    eventually("they have parted", async || one.p2p.peers().await.unwrap().is_empty().then_some(())).await;
    // The other one dials again, and is refused.
    eventually("it is refused", async || one.refused("banned").then_some(())).await;
    assert!(one.p2p.peers().await.unwrap().is_empty());
    eventually("the ban is kept", async || (stores[0].load_network().unwrap().bans.len() == 1).then_some(())).await;
    one.p2p.lift_ban("127.0.0.0/8".parse().unwrap(), now).await.unwrap();
    eventually("they meet again", async || (one.p2p.peers().await.unwrap().len() == 1).then_some(())).await;
    for net in [one, two] {
        net.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ban_that_others_earned_does_not_part_with_a_wanted_node() {
    let one = Net::at("/ip4/127.0.0.1/tcp/0").await;
    let options = P2pOptions { wanted: vec![at(&one).as_str().parse().unwrap()], ..P2pOptions::default() };
    let node = TestNode::with_blocks(14).await;
    let now = node.node.now();
    let Started { p2p, link, service, .. } = start(&node.node, &Identity::random(), options).await.unwrap();
    let earned = Ban { since: now, until: now.saturating_add(600), times: 1, why: "somebody else's".into() };
    *service.shared.bans.write() = BanList::restore([("127.0.0.0/8".parse().unwrap(), earned)]);
    let mut two = Net::running(node, p2p, link, service);
    let peer = two.peer().await.key;
    assert!(matches!(two.event().await, SyncEvent::Input(Input::PeerUp { .. })));
    // Nor is it parted with when bans are looked at.
    two.p2p.ban("192.0.2.1".parse().unwrap(), now.saturating_add(600), now).await.unwrap().unwrap();
    two.ask(peer, 1, SyncQuestion::Headers { locator: Vec::new() }).await;
    assert!(matches!(two.event().await, SyncEvent::Input(Input::Answer { .. })));
    // The operator's own bans count.
    two.p2p.ban("127.0.0.1".parse().unwrap(), now.saturating_add(600), now).await.unwrap().unwrap();
    assert!(matches!(two.event().await, SyncEvent::Input(Input::PeerDown { .. })));
    eventually("it is refused", async || two.refused("banned").then_some(())).await;
    for net in [one, two] {
        net.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_without_an_id_that_leads_to_a_peer_that_is_there_takes_no_place() {
    let (store, empty) = (store(), DnsServer::start([]).await);
    let node = TestNode::with_blocks(14).await;
    // It is driven by hand, so that addresses come when they are to.
    let Started { p2p, link: _link, mut service, .. } =
        start(&node.node, &Identity::random(), looking(&store, &empty)).await.unwrap();
    // From where it connects, it does not listen.
    let listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
    let wanted = vec![p2p.addresses()[0].parse().unwrap()];
    let other = Net::start(14, P2pOptions { listen, wanted, ..P2pOptions::default() }).await;
    let living = async |service: &mut Service, is_it: &dyn Fn(&Service) -> bool| {
        let living = async {
            while !is_it(service) {
                let event = service.swarm.select_next_some().await;
                service.handle(event);
            }
        };
        tokio::time::timeout(DEADLINE, living).await.expect("nothing happened");
    };
    let connections = |service: &Service| service.peers.iter().map(|peer| peer.connections.len()).sum::<usize>();
    living(&mut service, &|service| service.peers.iter().any(|peer| peer.hello.is_some())).await;
    let place = other.p2p.addresses()[0].rsplit_once("/p2p/").unwrap().0.to_owned();
    let (address, clock): (PeerAddress, _) = (place.parse().unwrap(), node.node.now());
    let news = AddressNews { address: address.clone(), services: Services::NODE, last_seen: clock };
    service.discovery.as_mut().unwrap().learn([news], Group::Name, clock);
    service.discover(Instant::now());
    assert_eq!(service.discovery.as_ref().unwrap().dials.len(), 1, "nobody knows who is there");
    let is_told = |service: &Service| service.discovery.as_ref().unwrap().dials.is_empty();
    living(&mut service, &|service| is_told(service) && connections(service) == 1).await;
    service.discover(Instant::now());
    assert!(is_told(&service), "it is known now");
    assert!(service.known_nodes(9).iter().any(|entry| entry.address == address && entry.is_tried));
    // So it is with an address that the operator wants.
    service.wanted.add(place.parse().unwrap(), Instant::now());
    service.dial_wanted(Instant::now());
    living(&mut service, &|service| connections(service) == 2).await;
    living(&mut service, &|service| connections(service) == 1).await;
    assert_eq!(
        service.wanted.iter().next().unwrap().peer().map(|id| id.to_string()).as_deref(),
        Some(other.p2p.peer_id())
    );
    other.stop().await;
}
