//! More peers than there are places for.

use super::raw_peer::{is_closed, raw_dialler, raw_peer, until};
use super::tests::{Net, eventually};
use super::*;
use crate::p2p::address::ListenAddress;

fn listening(inbound: InboundMax, connections: ConnectionsMax) -> P2pOptions {
    let at: ListenAddress = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
    P2pOptions { listen: vec![at], inbound, connections, ..P2pOptions::default() }
}

/// Whether one more peer may connect.
async fn is_let_in(net: &Net) -> bool {
    let mut swarm = raw_dialler(net, net.node.node.spec().chain_id());
    let outcome = |_: &mut _, event: &SwarmEvent<_>| match event {
        SwarmEvent::ConnectionEstablished { .. } => Some(true),
        SwarmEvent::OutgoingConnectionError { .. } => Some(false),
        _ => None,
    };
    until(&mut swarm, outcome).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_place_has_so_many_connections() {
    let inbound = InboundMax { per_address: 1, per_group: 2, counts_loopback: true };
    let net = Net::start(14, listening(inbound, ConnectionsMax::default())).await;
    let chain = net.node.node.spec().chain_id();
    let (first, _) = raw_peer(&net, chain).await;
    assert!(!is_let_in(&net).await);
    assert!(net.refused("crowded"));
    drop(first);
    eventually("the place is free again", async || is_let_in(&net).await.then_some(())).await;
    net.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_has_to_go_if_all_others_are_worth_keeping() {
    let connections = ConnectionsMax { inbound: 2, ..ConnectionsMax::default() };
    let net = Net::start(14, listening(InboundMax::default(), connections)).await;
    let chain = net.node.node.spec().chain_id();
    let _kept = [raw_peer(&net, chain).await, raw_peer(&net, chain).await];
    let (mut third, _) = raw_peer(&net, chain).await;
    until(&mut third, is_closed).await;
    eventually("it is counted", async || net.refused("full").then_some(())).await;
    assert!(!net.refused("evicted"));
    net.stop().await;
}
