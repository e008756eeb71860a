//! A light client that asks under a seal, and what one may try that must not.

use std::sync::Arc;

use libp2p::StreamProtocol;
use libp2p::request_response::{Event, Message, OutboundRequestId};
use libp2p::swarm::NetworkBehaviour;
use qbtc_core::hash::BlockHash;
use qbtc_core::net::seal::{ANSWER_BYTES, Asker, Ends, OFFER_BYTES, OFFER_ENTROPY_BYTES, Offer};
use qbtc_core::net::{Hello, LightAnswer, LightQuestion};

use super::tests::{DEADLINE, Net};
use super::*;
use crate::p2p::answers::hello;
use crate::p2p::behaviour::{ANSWER_TIME_MAX, Exchanges, HELLO_TIME_MAX, SEAL};
use crate::p2p::transport::transport;
use crate::p2p::wire::{Exchange, Sealed, Sealing, protocol};

#[derive(NetworkBehaviour)]
struct Client {
    hello: Exchange<Hello, Hello>,
    seal: Exchange<Sealing<OFFER_BYTES>, Sealing<ANSWER_BYTES>>,
    sealed_light: Exchange<Sealed<LightQuestion>, Sealed<LightAnswer>>,
}

/// A client that has said hello to a node.
struct Browser {
    swarm: Swarm<Client>,
    node: PeerId,
    seal_name: StreamProtocol,
    own: Hello,
}

impl Browser {
    async fn greet(net: &Net) -> Self {
        let identity = Identity::random();
        let exchanges = Exchanges::new(net.node.node.spec());
        let behaviour = Client {
            hello: exchanges.both("hello", HELLO_TIME_MAX, 4),
            seal: exchanges.asking(SEAL, HELLO_TIME_MAX, 4),
            sealed_light: exchanges.asking("sealed-light", ANSWER_TIME_MAX, 16),
        };
        let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(DEADLINE);
        let transport = transport(&identity, &Links::default()).unwrap();
        let mut swarm = Swarm::new(transport, behaviour, identity.peer_id(), config);
        swarm.dial(net.p2p.addresses()[0].parse::<Multiaddr>().unwrap()).unwrap();
        let node = tokio::time::timeout(DEADLINE, async {
            loop {
                if let SwarmEvent::ConnectionEstablished { peer_id, .. } = swarm.select_next_some().await {
                    return peer_id;
                }
            }
        });
        let node = node.await.unwrap();
        let seal_name = protocol(&net.node.node.spec().chain_id(), SEAL, 1);
        let own = hello(&net.node.node);
        swarm.behaviour_mut().hello.send_request(&node, Ok(own.clone()));
        let mut browser = Self { swarm, node, seal_name, own };
        browser
            .until(|event| {
                matches!(event, ClientEvent::Hello(Event::Message { message: Message::Response { .. }, .. }))
                    .then_some(())
            })
            .await;
        browser
    }

    async fn until<T>(&mut self, mut look: impl FnMut(ClientEvent) -> Option<T>) -> T {
        let looking = async {
            loop {
                let SwarmEvent::Behaviour(event) = self.swarm.select_next_some().await else { continue };
                // The node asks for a hello as well, and leaves whoever has none.
                if let ClientEvent::Hello(Event::Message { message: Message::Request { channel, .. }, .. }) = event {
                    let _ = self.swarm.behaviour_mut().hello.send_response(channel, self.own.clone());
                } else if let Some(found) = look(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(DEADLINE, looking).await.expect("nothing happened")
    }

    async fn seal(&mut self) -> Asker {
        let offer = Offer::new(&[7; OFFER_ENTROPY_BYTES]);
        self.swarm.behaviour_mut().seal.send_request(&self.node, Ok(Sealing(offer.bytes().to_vec())));
        let answer = self
            .until(|event| match event {
                ClientEvent::Seal(Event::Message { message: Message::Response { response, .. }, .. }) => {
                    Some(response.0)
                }
                _ => None,
            })
            .await;
        let (asker, answerer) = (self.swarm.local_peer_id().to_bytes(), self.node.to_bytes());
        offer.accept(&answer, &Ends { protocol: self.seal_name.as_ref(), asker: &asker, answerer: &answerer }).unwrap()
    }

    /// Sends sealed bytes.
    fn send(&mut self, bytes: Vec<u8>) -> OutboundRequestId {
        self.swarm.behaviour_mut().sealed_light.send_request(&self.node, Ok(Sealed::new(bytes)))
    }

    /// The sealed answer that comes next, and to what.
    async fn answer(&mut self) -> (OutboundRequestId, Vec<u8>) {
        self.until(|event| match event {
            ClientEvent::SealedLight(Event::Message {
                message: Message::Response { response, request_id }, ..
            }) => Some((request_id, response.bytes)),
            _ => None,
        })
        .await
    }

    /// What comes of sealed bytes: the sealed answer, or none.
    async fn ask(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let asked = self.send(bytes);
        self.until(|event| match event {
            ClientEvent::SealedLight(Event::Message {
                message: Message::Response { response, request_id }, ..
            }) => (request_id == asked).then_some(Some(response.bytes)),
            ClientEvent::SealedLight(Event::OutboundFailure { request_id, .. }) => {
                (request_id == asked).then_some(None)
            }
            _ => None,
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_under_a_seal_are_answered_once() {
    let net = Net::at("/ip4/127.0.0.1/udp/0/quic-v1").await;
    let spec = Arc::clone(net.node.node.spec());
    let mut browser = Browser::greet(&net).await;
    let question = LightQuestion::Tip.to_bytes();
    assert_eq!(browser.ask(vec![0; 40]).await, None, "there is no seal yet");
    assert_eq!(net.peer().await.seal, None);

    let mut seal = browser.seal().await;
    assert_eq!(net.peer().await.seal, Some(seal.id()), "both ends name it alike");
    let (first, asked) = seal.seal(&question).unwrap();
    let answer = asked.open(browser.ask(first.clone()).await.unwrap()).unwrap();
    let answer = LightAnswer::from_bytes(&answer, &spec).unwrap();
    assert!(matches!(answer, LightAnswer::Tip(tip) if tip.header.id() == net.node.node.tip().borrow().id));

    assert_eq!(browser.ask(first).await, None, "a question comes once");
    let (mut altered, _asked) = seal.seal(&question).unwrap();
    *altered.last_mut().unwrap() ^= 1;
    assert_eq!(browser.ask(altered).await, None, "what was altered is not opened");

    let mut second = browser.seal().await;
    let (old, _asked) = seal.seal(&question).unwrap();
    assert_eq!(browser.ask(old).await, None, "the seal before the last is over");
    let (new, asked) = second.seal(&question).unwrap();
    assert!(asked.open(browser.ask(new).await.unwrap()).is_ok(), "and none of that ends the connection");
    net.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_is_none_ends_the_connection() {
    let net = Net::at("/ip4/127.0.0.1/udp/0/quic-v1").await;
    let mut browser = Browser::greet(&net).await;
    let node = browser.node;
    // Every coefficient is above q.
    browser.swarm.behaviour_mut().seal.send_request(&node, Ok(Sealing(vec![0xff; OFFER_BYTES])));
    let ending =
        async { while !matches!(browser.swarm.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {} };
    tokio::time::timeout(DEADLINE, ending).await.expect("it stays");
    assert!(net.refused("malformed"));
    net.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_tip_is_told_when_it_comes() {
    let net = Net::at("/ip4/127.0.0.1/udp/0/quic-v1").await;
    let spec = Arc::clone(net.node.node.spec());
    let mut browser = Browser::greet(&net).await;
    let mut seal = browser.seal().await;
    let known = net.node.node.tip().borrow().id;
    let mut ask = |question: LightQuestion| seal.seal(&question.to_bytes()).unwrap();
    let told = |answer: Vec<u8>| match LightAnswer::from_bytes(&answer, &spec).unwrap() {
        LightAnswer::Tip(tip) => tip.header.id(),
        other => panic!("{other:?}"),
    };
    // Whoever knows another one is told at once.
    let (question, asked) = ask(LightQuestion::NextTip { known: BlockHash::from_bytes([1; 32]) });
    let answer = browser.ask(question).await.unwrap();
    assert_eq!(told(asked.open(answer).unwrap()), known);
    // Whoever knows it waits, and is answered other questions meanwhile.
    let (waiting, asked) = ask(LightQuestion::NextTip { known });
    let (other, asked_too) = ask(LightQuestion::Tip);
    let (waiting, other) = (browser.send(waiting), browser.send(other));
    let (id, answer) = browser.answer().await;
    assert_eq!((id, told(asked_too.open(answer).unwrap())), (other, known));
    let next = net.node.mine().await;
    let (id, answer) = browser.answer().await;
    assert_eq!((id, told(asked.open(answer).unwrap())), (waiting, next));
    net.stop().await;
}
