//! Nodes that find each other by Kademlia, and nodes that are reached through a relay.

use libp2p::upnp;
use qbtc_core::net::{SyncAnswer, SyncQuestion};
use qbtc_core::sync::Input;

use super::discovery_tests::{at, looking, store};
use super::tests::{Net, eventually};
use super::*;
use crate::api::testing::TestNode;
use crate::metrics::{Format, Reading};
use crate::p2p::discovery::dns::testing::DnsServer;
use crate::p2p::reach::ReachingEvent;
use crate::p2p::transport::link::{Carrier, KeyExchange};
use crate::store::Store;

impl Net {
    /// Whether a line of the metrics reads so.
    fn counts(&self, line: &str) -> bool {
        self.metrics().lines().any(|other| other == line)
    }

    fn metrics(&self) -> String {
        self.node.node.metrics().render(&Reading::default(), Format::Prometheus)
    }

    /// How many peers there are by this carrier.
    async fn by(&self, carrier: Carrier) -> usize {
        self.p2p.peers().await.unwrap().iter().filter(|peer| peer.carrier == Some(carrier)).count()
    }

    async fn started(mut options: P2pOptions, reach: ReachOptions) -> Self {
        options.reach = reach;
        Self::start(14, options).await
    }
}

fn listening_at(listen: &str) -> P2pOptions {
    P2pOptions { listen: vec![listen.parse().unwrap()], ..P2pOptions::default() }
}

/// A relay that knows where it can be reached, as AutoNAT or its operator tells others.
async fn relay() -> Net {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let own = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    drop(taken);
    let options = P2pOptions { external: vec![own.parse().unwrap()], ..listening_at(&own) };
    Net::started(options, ReachOptions { relay: true, ..ReachOptions::default() }).await
}

fn through(relay: &Net) -> ReachOptions {
    ReachOptions { relays: vec![relay.p2p.addresses()[0].parse().unwrap()], ..ReachOptions::default() }
}

/// The address of a node behind a relay, once there is one.
async fn circuit(net: &Net) -> String {
    let is_circuit = |address: &String| address.contains("/p2p-circuit");
    eventually("the relay has a place", async || net.p2p.addresses().into_iter().find(is_circuit)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_knows_one_peer_finds_another_by_kademlia() {
    let empty = DnsServer::start([]).await;
    let stores = [store(), store(), store()];
    let finding = |store: &Store| P2pOptions { kademlia: true, ..looking(store, &empty) };
    let hub = Net::start(14, finding(&stores[0])).await;
    let knowing = |store: &Store| {
        let mut options = finding(store);
        options.discovery.as_mut().unwrap().bootstrap = vec![at(&hub)];
        options.discovery.as_mut().unwrap().slots.full = 1;
        options
    };
    // It asks for addresses before there is anybody to tell of, and has a place for one peer, so that it asks nobody again.
    let first =
        Net::start(14, P2pOptions { wanted: vec![at(&hub).as_str().parse().unwrap()], ..knowing(&stores[1]) }).await;
    first.peer().await;
    let second =
        Net::start(14, P2pOptions { wanted: vec![at(&hub).as_str().parse().unwrap()], ..knowing(&stores[2]) }).await;
    second.peer().await;
    eventually("Kademlia finds the second", async || {
        let known = first.p2p.nodes(10).await.unwrap();
        let is_found =
            known.iter().any(|entry| entry.address == at(&second)) && !first.counts("qbtc_kademlia_addresses_total 0");
        is_found.then_some(())
    })
    .await;
    for net in [second, first, hub] {
        net.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_listens_nowhere_is_reached_through_a_relay() {
    let relay = relay().await;
    let hidden = Net::started(P2pOptions::default(), through(&relay)).await;
    let address = circuit(&hidden).await;
    assert!(relay.counts("qbtc_reachability_events_total{event=\"reservation_given\"} 1"), "{}", relay.metrics());
    let wanted = vec![address.parse().unwrap()];
    let mut caller = Net::start(14, P2pOptions { wanted, ..P2pOptions::default() }).await;
    // The relay is a peer of the caller too: the way goes through it.
    let peer = eventually("they meet", async || {
        caller.p2p.peers().await.unwrap().into_iter().find(|peer| peer.carrier == Some(Carrier::Circuit))
    })
    .await;
    assert_eq!((peer.id.as_str(), peer.key_exchange), (hidden.p2p.peer_id(), Some(KeyExchange::X25519MlKem768)));
    assert!(peer.socket.is_none() && peer.address.contains("p2p-circuit"), "{peer:?}");
    eventually("the hidden node knows", async || (hidden.by(Carrier::Circuit).await == 1).then_some(())).await;
    assert!(hidden.counts("qbtc_reachability_events_total{event=\"circuit_in\"} 1"), "{}", hidden.metrics());
    // What is asked goes through it, to the last header.
    caller.ask(peer.key, 7, SyncQuestion::Headers { locator: Vec::new() }).await;
    let headers = loop {
        if let SyncEvent::Input(Input::Answer { answer: SyncAnswer::Headers(headers), .. }) = caller.event().await {
            break headers;
        }
    };
    assert_eq!(headers.last().unwrap().id(), hidden.node.node.chain().state().tip());
    for net in [caller, hidden, relay] {
        net.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_relay_is_asked_again() {
    let first = relay().await;
    let hidden = Net::started(P2pOptions::default(), through(&first)).await;
    circuit(&hidden).await;
    let key = hidden.peer().await.key;
    assert!(hidden.p2p.disconnect(crate::p2p::handle::PeerName::Key(key)).await.unwrap());
    let is_circuit = |address: &String| address.contains("/p2p-circuit");
    eventually("the place is lost", async || (!hidden.p2p.addresses().iter().any(is_circuit)).then_some(())).await;
    circuit(&hidden).await;
    for net in [hidden, first] {
        net.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_reached_through_a_node_that_is_no_relay() {
    let plain = Net::at("/ip4/127.0.0.1/tcp/0").await;
    let hidden = Net::started(P2pOptions::default(), through(&plain)).await;
    hidden.peer().await;
    assert!(!hidden.p2p.addresses().iter().any(|address| address.contains("/p2p-circuit")));
    assert!(!plain.metrics().contains("reservation_given"));
    for net in [hidden, plain] {
        net.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circuit_becomes_direct_where_it_can() {
    let relay = relay().await;
    let empty = DnsServer::start([]).await;
    let stores = [store(), store()];
    // Nobody is looked for; only what strangers may have dialled is wider on loopback.
    let options = |store: &Store| {
        let mut options = looking(store, &empty);
        let discovery = options.discovery.as_mut().unwrap();
        (discovery.seeds, discovery.slots) =
            (Vec::new(), crate::p2p::discovery::dialer::Slots { full: 0, block_relay: 0 });
        options
    };
    let punching = ReachOptions { hole_punching: true, ..ReachOptions::default() };
    let hidden = Net::started(options(&stores[0]), ReachOptions { hole_punching: true, ..through(&relay) }).await;
    let wanted = vec![circuit(&hidden).await.parse().unwrap()];
    let caller = Net::started(P2pOptions { wanted, ..options(&stores[1]) }, punching).await;
    eventually("they are connected directly", async || {
        let peers = caller.p2p.peers().await.unwrap();
        let peer = peers.iter().find(|peer| peer.id == hidden.p2p.peer_id())?;
        (peer.carrier == Some(Carrier::Tcp)).then_some(())
    })
    .await;
    assert!(hidden.metrics().contains("hole_punched") || caller.metrics().contains("hole_punched"));
    for net in [caller, hidden, relay] {
        net.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_counts_once_a_peer_has_reached_it() {
    let empty = DnsServer::start([]).await;
    let stores = [store(), store()];
    let autonat = ReachOptions { autonat: true, ..ReachOptions::default() };
    let server = Net::started(looking(&stores[0], &empty), autonat.clone()).await;
    let wanted = vec![at(&server).as_str().parse().unwrap()];
    let client = Net::started(P2pOptions { wanted, ..looking(&stores[1], &empty) }, autonat).await;
    eventually("it is tested", async || {
        client.counts("qbtc_reachability_events_total{event=\"test_passed\"} 1").then_some(())
    })
    .await;
    assert!(client.counts("qbtc_reachability_events_total{event=\"address\"} 1"), "{}", client.metrics());
    // The connection of the test ends with it.
    eventually("one connection is left", async || {
        let inbound = client.metrics().contains("qbtc_peer_connections{direction=\"inbound\",transport=\"tcp\"} 0");
        inbound.then_some(())
    })
    .await;
    for net in [client, server] {
        net.stop().await;
    }
}

/// No router is asked here: that would be done by multicast. What libp2p tells of one is played.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_router_does_is_counted() {
    let node = TestNode::with_blocks(14).await;
    let Started { p2p, link, mut service, .. } =
        start(&node.node, &Identity::random(), listening_at("127.0.0.1:0")).await.unwrap();
    let net = Net { node, p2p, link, task: tokio::spawn(async {}) };
    let local: Multiaddr = "/ip4/192.168.1.7/tcp/8333".parse().unwrap();
    let external: Multiaddr = "/ip4/203.0.113.7/tcp/8333".parse().unwrap();
    let events = [
        ("mapped", upnp::Event::NewExternalAddr { local_addr: local.clone(), external_addr: external.clone() }),
        ("mapping_lost", upnp::Event::ExpiredExternalAddr { local_addr: local, external_addr: external }),
        ("no_router", upnp::Event::GatewayNotFound),
    ];
    for (what, event) in events {
        let line = format!("qbtc_reachability_events_total{{event=\"{what}\"}} 1");
        assert!(!net.counts(&line), "{what}");
        service.reaching_event(ReachingEvent::Upnp(event));
        assert!(net.counts(&line), "{what}: {}", net.metrics());
    }
    service.reaching_event(ReachingEvent::Upnp(upnp::Event::NonRoutableGateway));
    assert!(net.counts("qbtc_reachability_events_total{event=\"no_router\"} 2"), "a router behind another is none");
}
