//! Peers that say much over gossipsub of which nothing comes.

use libp2p::gossipsub;
use tokio::task::JoinHandle;

use super::raw_peer::framed;
use super::slow_tests::{deaf, part, spoken, told, wish};
use super::tests::{Net, eventually};
use super::*;
use crate::p2p::answers::hello;
use crate::p2p::gossip;
use crate::p2p::heard::{GossipEvent, Heard};
use crate::p2p::transport::transport;

/// Says one list of messages to whoever listens there, after its hello if there is one, and stays.
fn say(
    chain: &qbtc_core::hash::ChainId,
    at: Multiaddr,
    to: PeerId,
    own_hello: Option<Vec<u8>>,
    list: Vec<u8>,
) -> JoinHandle<()> {
    let mut swarm = deaf(chain);
    swarm.dial(at).unwrap();
    tokio::spawn(async move {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { .. } => {
                    if let Some(own_hello) = &own_hello {
                        swarm.behaviour_mut().hello.send_request(&to, own_hello.clone());
                    }
                    swarm.behaviour_mut().gossip.send_request(&to, list.clone());
                }
                SwarmEvent::ConnectionClosed { .. } => return,
                // To drop a question would be to turn it down.
                event => std::mem::forget(event),
            }
        }
    })
}

#[tokio::test]
async fn of_other_topics_nothing_is_remembered_and_all_that_is_said_is_counted() {
    let spec = qbtc_core::spec::ChainSpec::dev();
    let (chain, identity) = (spec.chain_id(), Identity::random());
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_TIME_MAX);
    let mut swarm = Swarm::new(
        transport(&identity, &Links::default()).unwrap(),
        gossip::behaviour(&spec),
        identity.peer_id(),
        config,
    );
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    let own = Topics::new(&chain).transactions;
    let own_name = own.to_string();
    // A list has so much room for wishes.
    let wishes =
        (0..20).map(|list| (0..500).flat_map(|number| wish(&format!("topic {list} {number}"))).collect::<Vec<u8>>());
    let mut said = wishes.flat_map(|wishes| spoken(&wishes)).collect::<Vec<u8>>();
    let talk = [told(&own_name, b"again"), told("topic 7", b"nothing")].concat();
    // Nobody is named as the source of a message.
    let malformed = part(2, &[part(1, b"source"), part(2, b"malformed"), part(4, own_name.as_bytes())].concat());
    said.extend(spoken(&[wish(&own_name), talk.repeat(3), malformed].concat()));
    let (mut messages, mut heard, mut talking) = (0, Heard::default(), None);
    let listened = async {
        while heard.foreign < 3 || messages < 1 {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => {
                    talking = Some(say(&chain, address, identity.peer_id(), None, said.clone()));
                }
                SwarmEvent::Behaviour(GossipEvent::Gossip(gossipsub::Event::Message { message, .. })) => {
                    assert_eq!((message.topic, &message.data[..]), (own.hash(), &b"again"[..]));
                    messages += 1;
                }
                SwarmEvent::Behaviour(GossipEvent::Heard(_, more)) => {
                    heard.messages += more.messages;
                    heard.bytes += more.bytes;
                    heard.foreign += more.foreign;
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), listened).await.expect("all of it is heard");
    assert_eq!((messages, heard.bytes, heard.foreign), (1, 24, 3));
    // Four messages, and each wish.
    assert_eq!(heard.messages, 10_005);
    let topics: Vec<Vec<_>> =
        swarm.behaviour().inner.all_peers().map(|(_, topics)| topics.into_iter().cloned().collect()).collect();
    assert_eq!(topics, [vec![own.hash()]]);
    talking.expect("it listens").abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_talks_of_other_things_all_the_time_is_parted_with() {
    let net = Net::at("/ip4/127.0.0.1/tcp/0").await;
    let chain = net.node.node.spec().chain_id();
    let own_hello = framed(&hello(&net.node.node).to_bytes());
    let list = spoken(&told("another topic", b"nothing").repeat(100)).repeat(40);
    let at = net.p2p.addresses()[0].parse().unwrap();
    let talking = say(&chain, at, net.p2p.peer_id().parse().unwrap(), Some(own_hello), list);
    eventually("it is parted with", async || net.refused("too_much").then_some(())).await;
    tokio::time::timeout(Duration::from_secs(10), talking).await.expect("it is told").unwrap();
    net.stop().await;
}
