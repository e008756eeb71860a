//! What ends before it is answered: connections with questions on them, peers of whom something comes to light, and room for events.

use libp2p::request_response::{Event, Message};
use qbtc_core::net::{Fault, SyncAnswer, SyncQuestion};
use qbtc_core::sync::{Input, PeerKey, RequestId};

use super::raw_peer::{RawEvent, framed, greeted, raw_peer, until};
use super::tests::{DEADLINE, Net};
use super::*;
use crate::api::testing::TestNode;
use crate::p2p::answers::hello;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_on_a_connection_that_ends_is_asked_on_the_other() {
    let mut net = Net::at("127.0.0.1:0").await;
    let (mut swarm, node) = raw_peer(&net, net.node.node.spec().chain_id()).await;
    let own = framed(&hello(&net.node.node).to_bytes());
    swarm.behaviour_mut().hello.send_request(&node, own);
    until(&mut swarm, greeted).await;
    let SyncEvent::Input(Input::PeerUp { peer, .. }) = net.event().await else { panic!() };
    // The node connects with it, too.
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    let at = until(&mut swarm, |_, event| match event {
        SwarmEvent::NewListenAddr { address, .. } => Some(address.to_string()),
        _ => None,
    });
    net.p2p.dial(at.await.parse().unwrap()).await.unwrap();
    until(&mut swarm, |_, event| matches!(event, SwarmEvent::ConnectionEstablished { .. }).then_some(())).await;
    net.ask(peer, 1, SyncQuestion::Headers { locator: Vec::new() }).await;
    let mut closed = None;
    let event = {
        let event = net.event();
        tokio::pin!(event);
        loop {
            let asked = tokio::select! {
                event = &mut event => break event,
                asked = swarm.select_next_some() => asked,
            };
            let SwarmEvent::Behaviour(RawEvent::Sync(Event::Message {
                connection_id,
                message: Message::Request { channel, .. },
                ..
            })) = asked
            else {
                std::mem::forget(asked);
                continue;
            };
            if closed.is_none() {
                closed = Some(connection_id);
                swarm.close_connection(connection_id);
                std::mem::forget(channel);
            } else {
                assert_ne!(closed, Some(connection_id));
                let answer = framed(&SyncAnswer::Headers(Vec::new()).to_bytes());
                swarm.behaviour_mut().sync.send_response(channel, answer).unwrap();
            }
        }
    };
    let SyncEvent::Input(Input::Answer { request: RequestId(1), answer: SyncAnswer::Headers(_) }) = event else {
        panic!("{event:?}")
    };
    assert!(closed.is_some() && net.p2p.peers().await.unwrap().len() == 1);
    net.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_taken_however_many_events_wait() {
    const COMMANDS: u64 = 3 * WAITING_MAX as u64;
    let mut net = Net::at("127.0.0.1:0").await;
    let asking = async {
        for number in 0..COMMANDS {
            net.ask(PeerKey(999), number, SyncQuestion::Transactions { wtxids: Vec::new() }).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.expect("nobody takes events, since nobody takes commands");
    for number in 0..COMMANDS {
        let event = net.event().await;
        assert!(matches!(event, SyncEvent::Input(Input::Unanswered { request }) if request == RequestId(number)));
    }
    net.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_to_light_of_whoever_is_gone_bans_its_address_once() {
    let node = TestNode::with_blocks(14).await;
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    let options = P2pOptions { listen, ..P2pOptions::default() };
    let Started { p2p, link, mut service, .. } = start(&node.node, &Identity::random(), options).await.unwrap();
    let net = Net { node, p2p, link, task: tokio::spawn(async {}) };
    let wanted = vec![net.p2p.addresses()[0].parse().unwrap()];
    let other = Net::start(14, P2pOptions { wanted, ..P2pOptions::default() }).await;
    while !service.peers.iter().any(|peer| peer.hello.is_some()) {
        let event = service.swarm.select_next_some().await;
        service.handle(event);
    }
    let key = service.peers.iter().next().unwrap().key;
    other.stop().await;
    while !service.peers.is_empty() {
        let event = service.swarm.select_next_some().await;
        service.handle(event);
    }
    // Loopback earns no bans, so it was elsewhere.
    let (loopback, ip, now) = ([127, 0, 0, 1].into(), [192, 0, 2, 1].into(), net.node.node.now());
    assert_eq!(service.departed.take(key), Some(loopback));
    service.departed.add(key, ip);
    let disconnect = |is_banned| SyncCommand::Disconnect { peer: key, fault: Fault::Body, is_banned };
    service.obey_sync(disconnect(false));
    assert_eq!(service.shared.bans.read().on(now).count(), 0, "there is nothing to part with");
    for _ in 0..3 {
        service.obey_sync(disconnect(true));
        let bans = service.shared.bans.read();
        assert_eq!(bans.find(ip, now).map(|(_, ban)| ban.times), Some(1));
    }
}
