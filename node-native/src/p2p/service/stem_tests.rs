//! What comes along the stem: it is told to the relay once the peer has said hello, and a peer that sends no transaction is parted with.

use libp2p::request_response::{Event, Message};
use qbtc_core::relay::StemMessage;

use super::raw_peer::{Raw, RawEvent, framed, greeted, is_closed, raw_peer, until};
use super::tests::{DEADLINE, Net, eventually};
use super::*;
use crate::api::testing::TestNode;
use crate::p2p::answers::hello;
use crate::p2p::relay::RelayEvent;

/// Whether the node has taken what was sent along the stem, which it says by an empty message, or turned it down, which it does without one.
fn taken(_: &mut Swarm<Raw>, event: &SwarmEvent<RawEvent>) -> Option<bool> {
    let SwarmEvent::Behaviour(RawEvent::Stem(event)) = event else { return None };
    match event {
        Event::Message { message: Message::Response { response, .. }, .. } => Some(*response == framed(&[])),
        Event::OutboundFailure { .. } => Some(false),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_along_the_stem_is_told_after_a_hello_and_only_if_it_is_a_transaction() {
    let node = TestNode::with_blocks(14).await;
    let options = P2pOptions { listen: vec!["127.0.0.1:0".parse().unwrap()], ..P2pOptions::default() };
    let Started { p2p, link, mut relay, service } = start(&node.node, &Identity::random(), options).await.unwrap();
    let net = Net::running(node, p2p, link, service);
    let mut told =
        async || tokio::time::timeout(DEADLINE, relay.events.recv()).await.expect("in time").expect("it runs");
    let (mut swarm, peer) = raw_peer(&net, net.node.node.spec().chain_id()).await;
    let payments = [net.node.payment(2), net.node.payment(3)];
    let [first, second] = [0, 1].map(|place| framed(&StemMessage(payments[place].clone()).to_bytes()));

    swarm.behaviour_mut().stem.send_request(&peer, first.clone());
    assert!(!until(&mut swarm, taken).await, "who has not said hello is turned down");
    let own = framed(&hello(&net.node.node).to_bytes());
    swarm.behaviour_mut().hello.send_request(&peer, own);
    until(&mut swarm, greeted).await;
    assert!(matches!(told().await, RelayEvent::Up { is_for_stem: false, .. }), "it has dialled this node");

    // While the chain is far behind, nothing can be checked: it is taken, and not told.
    net.node.node.set_synced(false);
    swarm.behaviour_mut().stem.send_request(&peer, first);
    assert!(until(&mut swarm, taken).await);
    net.node.node.set_synced(true);
    swarm.behaviour_mut().stem.send_request(&peer, second);
    assert!(until(&mut swarm, taken).await);
    let RelayEvent::Stemmed { transaction, .. } = told().await else { panic!() };
    assert_eq!(transaction, payments[1]);

    // A whole message, padded as it has to be, of no transaction.
    swarm.behaviour_mut().stem.send_request(&peer, framed(&vec![0xff; StemMessage::STEP_BYTES]));
    until(&mut swarm, is_closed).await;
    eventually("it is counted", async || net.refused("malformed").then_some(())).await;
    assert!(matches!(told().await, RelayEvent::Down { .. }));
    net.stop().await;
}
