//! Peers that show who they are, and some that do not.

use libp2p::request_response::{Event, Message};
use qbtc_core::net::{Claim, IdentityAnswer, IdentityQuestion};

use super::raw_peer::{RawEvent, framed, is_closed, raw_peer, until};
use super::tests::{DEADLINE, Net, eventually};
use super::*;
use crate::p2p::answers::hello;

fn requiring(required_identity: RequiredIdentity) -> P2pOptions {
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    P2pOptions { listen, required_identity, ..P2pOptions::default() }
}

async fn wanting(other: &Net, place: usize, required_identity: RequiredIdentity) -> Net {
    let wanted = vec![other.p2p.addresses()[place].parse().unwrap()];
    Net::start(14, P2pOptions { wanted, required_identity, ..P2pOptions::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_show_each_other_who_they_are() {
    let listener = Net::start(14, requiring(RequiredIdentity::Any)).await;
    let only = RequiredIdentity::Only([listener.p2p.identity()].into());
    // Over TCP, and over QUIC.
    for place in 0..2 {
        let dialler = wanting(&listener, place, only.clone()).await;
        assert_eq!(dialler.peer().await.identity, Some(listener.p2p.identity()));
        assert_eq!(listener.peer().await.identity, Some(dialler.p2p.identity()));
        dialler.stop().await;
        eventually("it is gone", async || listener.p2p.peers().await.unwrap().is_empty().then_some(())).await;
    }
    // Nobody asks for it, and it is shown all the same.
    let dialler = wanting(&listener, 0, RequiredIdentity::None).await;
    eventually("the identity is known", async || dialler.peer().await.identity).await;
    dialler.stop().await;
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_is_not_admitted() {
    let listener = Net::start(14, requiring(RequiredIdentity::None)).await;
    let other = RequiredIdentity::Only([NodeKey::random().hash()].into());
    let dialler = wanting(&listener, 0, other).await;
    eventually("it is counted", async || dialler.refused("other_identity").then_some(())).await;
    assert!(dialler.p2p.peers().await.unwrap().is_empty(), "it was never up");
    dialler.stop().await;
    listener.stop().await;
}

/// Says hello to a node that requires an identity, and answers its question so; the node's reason to part is this.
async fn is_refused(reason: &str, answer: impl Fn(&Claim<'_>) -> Option<IdentityAnswer>) {
    let net = Net::start(14, requiring(RequiredIdentity::Any)).await;
    let chain = net.node.node.spec().chain_id();
    let (mut swarm, node) = raw_peer(&net, chain).await;
    let own = framed(&hello(&net.node.node).to_bytes());
    swarm.behaviour_mut().hello.send_request(&node, own);
    let asked = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::Behaviour(RawEvent::Identity(Event::Message {
                    message: Message::Request { request, channel, .. },
                    ..
                })) => return (request, channel),
                // To drop a question of the node would be to turn it down.
                event => std::mem::forget(event),
            }
        }
    };
    let (request, channel) = tokio::time::timeout(DEADLINE, asked).await.expect("it asks");
    assert!(net.p2p.peers().await.unwrap().is_empty(), "it is not up before it has shown who it is");
    let IdentityQuestion { nonce } = IdentityQuestion::from_bytes(&request[4..]).unwrap();
    let (asker, answerer) = (node.to_bytes(), swarm.local_peer_id().to_bytes());
    let claim = Claim { chain: &chain, channel: &[], asker: &asker, answerer: &answerer, nonce: &nonce };
    match answer(&claim) {
        Some(answer) => {
            let answer = framed(&answer.to_bytes());
            swarm.behaviour_mut().identity.send_response(channel, answer).unwrap();
        }
        None => drop(channel),
    }
    until(&mut swarm, is_closed).await;
    eventually(reason, async || net.refused(reason).then_some(())).await;
    assert!(net.p2p.peers().await.unwrap().is_empty());
    net.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_answer_has_to_go() {
    is_refused("no_identity", |_| None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_signed_for_another_link_or_time_proves_nothing() {
    let key = NodeKey::random();
    // All is as it should be, but for what the two ends of the link have in common.
    is_refused("false_identity", |claim| Some(key.answer(claim))).await;
    is_refused("false_identity", |claim| Some(key.answer(&Claim { nonce: &[0; 32], ..*claim }))).await;
}
