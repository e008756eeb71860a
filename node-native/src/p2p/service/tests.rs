//! Networks over loopback: nodes that meet, and peers that do what they must not.

use std::future::Future;

use libp2p::request_response::{Event, Message};
use qbtc_core::hash::ChainId;
use qbtc_core::net::{BlockBytes, Fault, Hello, SyncAnswer, SyncQuestion};
use qbtc_core::sync::{Input, PeerKey, RequestId};
use tokio::task::JoinHandle;

use super::raw_peer::{RawEvent, answered, framed, greeted, is_closed, raw_peer, until};
use super::*;
use crate::api::testing::TestNode;
use crate::metrics::{Format, Reading};
use crate::p2p::answers::hello;
use crate::p2p::behaviour::HELLO_TIME_MAX;
use crate::p2p::handle::{PeerInfo, PeerName};
use crate::p2p::transport::link::{Carrier, KeyExchange};

pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// A node with its network.
pub(super) struct Net {
    pub(super) node: TestNode,
    pub(super) p2p: P2p,
    pub(super) link: SyncLink,
    pub(super) task: JoinHandle<()>,
}

impl Net {
    pub(super) async fn start(blocks: u32, options: P2pOptions) -> Self {
        let node = TestNode::with_blocks(blocks).await;
        let Started { p2p, link, service, .. } = start(&node.node, &Identity::random(), options).await.unwrap();
        Self::running(node, p2p, link, service)
    }

    /// A network that was started.
    pub(super) fn running(node: TestNode, p2p: P2p, link: SyncLink, service: Service) -> Self {
        Self { node, p2p, link, task: tokio::spawn(service.run()) }
    }

    /// One that listens here.
    pub(super) async fn at(listen: &str) -> Self {
        Self::start(14, P2pOptions { listen: vec![listen.parse().unwrap()], ..P2pOptions::default() }).await
    }

    /// One that wants to be connected with another.
    async fn wanting(other: &Self) -> Self {
        let wanted = vec![other.p2p.addresses()[0].parse().unwrap()];
        Self::start(14, P2pOptions { wanted, ..P2pOptions::default() }).await
    }

    /// The only peer, once it is there.
    pub(super) async fn peer(&self) -> PeerInfo {
        eventually("a peer is there", async || self.p2p.peers().await.unwrap().into_iter().next()).await
    }

    pub(super) async fn event(&mut self) -> SyncEvent {
        tokio::time::timeout(DEADLINE, self.link.events.recv()).await.expect("nothing happened").expect("it runs")
    }

    pub(super) async fn ask(&self, peer: PeerKey, number: u64, question: SyncQuestion) {
        let request = RequestId(number);
        self.link.commands.send(SyncCommand::Ask { peer, request, question }).await.unwrap();
    }

    pub(super) async fn stop(self) {
        self.node.node.stop();
        tokio::time::timeout(DEADLINE, self.task).await.expect("it does not end").unwrap();
    }

    /// How many peers were parted with for this reason.
    pub(super) fn refused(&self, reason: &str) -> bool {
        let text = self.node.node.metrics().render(&Reading::default(), Format::Prometheus);
        text.contains(&format!("qbtc_refused_peers_total{{reason=\"{reason}\"}} 1"))
    }
}

/// Looks until something is there.
pub(super) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> F) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "{what}: not within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_meet_and_ask_each_other() {
    for (at, carrier) in [("/ip4/127.0.0.1/tcp/0", Carrier::Tcp), ("/ip4/127.0.0.1/udp/0/quic-v1", Carrier::Quic)] {
        let mut listener = Net::at(at).await;
        let mut dialler = Net::wanting(&listener).await;
        let (seen, known) = (dialler.peer().await, listener.peer().await);
        assert_eq!((seen.id.as_str(), known.id.as_str()), (listener.p2p.peer_id(), dialler.p2p.peer_id()));
        assert!(seen.is_outbound && seen.is_wanted && !known.is_outbound && !known.is_wanted);
        for peer in [&seen, &known] {
            assert_eq!((peer.carrier, peer.key_exchange), (Some(carrier), Some(KeyExchange::X25519MlKem768)));
            assert_eq!(peer.hello.as_ref().unwrap().height.0, 14);
            assert!(peer.received > 0 && peer.sent > 0 && peer.socket.unwrap().ip().is_loopback());
        }
        let SyncEvent::Input(Input::PeerUp { peer, hello, is_outbound: true }) = dialler.event().await else {
            panic!()
        };
        assert_eq!((peer, hello.tip), (seen.key, listener.node.node.chain().state().tip()));
        assert!(matches!(listener.event().await, SyncEvent::Input(Input::PeerUp { is_outbound: false, .. })));
        // Questions both ways over one connection.
        let tip = listener.node.node.chain().state().tip();
        dialler.ask(peer, 7, SyncQuestion::Headers { locator: Vec::new() }).await;
        let SyncEvent::Input(Input::Answer { request: RequestId(7), answer: SyncAnswer::Headers(headers) }) =
            dialler.event().await
        else {
            panic!()
        };
        assert_eq!((headers.len(), headers.last().unwrap().id()), (14, tip));
        dialler.ask(peer, 8, SyncQuestion::Blocks { ids: vec![tip] }).await;
        let block = BlockBytes(listener.node.node.chain().block_bytes(&tip).unwrap().unwrap().into());
        let SyncEvent::Input(Input::Answer { request: RequestId(8), answer }) = dialler.event().await else { panic!() };
        assert_eq!(answer, SyncAnswer::Blocks(vec![block]));
        listener.ask(known.key, 9, SyncQuestion::Transactions { wtxids: Vec::new() }).await;
        assert!(matches!(listener.event().await, SyncEvent::Input(Input::Answer { request: RequestId(9), .. })));
        listener.ask(PeerKey(999), 10, SyncQuestion::Transactions { wtxids: Vec::new() }).await;
        assert!(matches!(listener.event().await, SyncEvent::Input(Input::Unanswered { request: RequestId(10) })));
        // Who is wanted comes back.
        assert!(listener.p2p.disconnect(PeerName::Text(known.id.clone())).await.unwrap());
        assert!(matches!(listener.event().await, SyncEvent::Input(Input::PeerDown { peer }) if peer == known.key));
        assert!(matches!(dialler.event().await, SyncEvent::Input(Input::PeerDown { peer }) if peer == seen.key));
        let SyncEvent::Input(Input::PeerUp { peer, .. }) = dialler.event().await else { panic!() };
        assert_ne!(peer, seen.key, "a number is used once");
        assert!(matches!(listener.event().await, SyncEvent::Input(Input::PeerUp { .. })));
        dialler.stop().await;
        assert!(matches!(listener.event().await, SyncEvent::Input(Input::PeerDown { .. })), "who stops says so");
        listener.stop().await;
    }
}

/// As one that fetches a chain of small blocks may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_too_fast_has_its_answers_later() {
    const QUESTIONS: u64 = 2_400;
    const AT_A_TIME: u64 = 4;
    let listener = Net::at("127.0.0.1:0").await;
    let mut dialler = Net::wanting(&listener).await;
    let SyncEvent::Input(Input::PeerUp { peer, .. }) = dialler.event().await else { panic!() };
    let begin = Instant::now();
    for number in 0..QUESTIONS + AT_A_TIME {
        if number < QUESTIONS {
            dialler.ask(peer, number, SyncQuestion::Transactions { wtxids: Vec::new() }).await;
        }
        if number >= AT_A_TIME {
            let event = dialler.event().await;
            assert!(matches!(event, SyncEvent::Input(Input::Answer { .. })), "{event:?}");
        }
    }
    assert!(begin.elapsed() >= Duration::from_secs(1), "2,000 at once, then 200 a second");
    dialler.stop().await;
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_adds_names_and_removes() {
    let (one, two) = (Net::at("127.0.0.1:0").await, Net::at("127.0.0.1:0").await);
    assert_eq!(one.p2p.addresses().len(), 2, "TCP and QUIC: {:?}", one.p2p.addresses());
    let address: NodeAddress = two.p2p.addresses()[0].parse().unwrap();
    assert!(one.p2p.add(address.clone()).await.unwrap() && !one.p2p.add(address.clone()).await.unwrap());
    let peer = one.peer().await;
    let wanted = one.p2p.wanted().await.unwrap();
    assert_eq!((wanted.len(), &wanted[0].connected), (1, &Some((peer.address.clone(), true))));
    assert!(one.p2p.remove(address.clone()).await.unwrap() && !one.p2p.remove(address.clone()).await.unwrap());
    assert!(!one.p2p.disconnect(PeerName::Text("127.0.0.1:1".to_owned())).await.unwrap());
    assert!(one.p2p.disconnect(PeerName::Text(peer.socket.unwrap().to_string())).await.unwrap());
    for net in [&one, &two] {
        eventually("they have parted", async || net.p2p.peers().await.unwrap().is_empty().then_some(())).await;
    }
    one.p2p.dial(address).await.unwrap();
    assert!(!one.peer().await.is_wanted);
    assert!(one.p2p.disconnect(PeerName::Key(one.peer().await.key)).await.unwrap());
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_peer_than_the_wanted_one_is_not_met() {
    let listener = Net::at("127.0.0.1:0").await;
    for address in listener.p2p.addresses() {
        let place = address.rsplit_once('/').unwrap().0;
        let wanted = vec![format!("{place}/{}", PeerId::random()).parse().unwrap()];
        let dialler = Net::start(14, P2pOptions { wanted, ..P2pOptions::default() }).await;
        eventually("the dial has failed", async || {
            let text = dialler.node.node.metrics().render(&Reading::default(), Format::Prometheus);
            text.contains("qbtc_failed_dials_total 1").then_some(())
        })
        .await;
        assert!(dialler.p2p.peers().await.unwrap().is_empty() && listener.p2p.peers().await.unwrap().is_empty());
        dialler.stop().await;
    }
    listener.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_told() {
    let node = TestNode::with_blocks(14).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = vec![taken.local_addr().unwrap().to_string().parse().unwrap()];
    let options = P2pOptions { listen: listen.clone(), ..P2pOptions::default() };
    let told = start(&node.node, &Identity::random(), options).await.err().unwrap().to_string();
    assert!(told.contains("--p2p") && told.contains("port 0"), "{told}");
    let options = P2pOptions { listen_if_possible: listen, ..P2pOptions::default() };
    let Started { p2p, .. } = start(&node.node, &Identity::random(), options).await.unwrap();
    assert_eq!(p2p.addresses().len(), 1, "QUIC has the port all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_belong_here_is_parted_with() {
    let own = |net: &Net| hello(&net.node.node);
    let other_chain = |net: &Net| Hello { chain_id: ChainId::from_bytes([9; 32]), ..own(net) }.to_bytes();
    let old = |net: &Net| Hello { version: 0, ..own(net) }.to_bytes();
    for reason in ["chain", "version"] {
        let net = Net::at("127.0.0.1:0").await;
        let (mut swarm, node) = raw_peer(&net, net.node.node.spec().chain_id()).await;
        let said = framed(&if reason == "chain" { other_chain(&net) } else { old(&net) });
        swarm.behaviour_mut().hello.send_request(&node, said);
        until(&mut swarm, is_closed).await;
        eventually(reason, async || net.refused(reason).then_some(())).await;
        assert!(net.p2p.peers().await.unwrap().is_empty());
        net.stop().await;
    }
    // A node of another chain has other protocols.
    let net = Net::at("127.0.0.1:0").await;
    let (mut swarm, _) = raw_peer(&net, ChainId::from_bytes([9; 32])).await;
    until(&mut swarm, is_closed).await;
    eventually("no hello", async || net.refused("no_hello").then_some(())).await;
    net.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_is_parted_with() {
    let node = TestNode::with_blocks(14).await;
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    let options = P2pOptions { listen, ..P2pOptions::default() };
    // It is driven by hand, so that the ten seconds need not pass.
    let Started { p2p, link, mut service, .. } = start(&node.node, &Identity::random(), options).await.unwrap();
    let net = Net { node, p2p, link, task: tokio::spawn(async {}) };
    let connecting = raw_peer(&net, net.node.node.spec().chain_id());
    tokio::pin!(connecting);
    let (mut swarm, _) = loop {
        tokio::select! {
            connected = &mut connecting => break connected,
            event = service.swarm.select_next_some() => service.handle(event),
        }
    };
    // The node's hello is taken, and never answered.
    let mut kept = Vec::new();
    let mut step = async |service: &mut Service| {
        let stepping = async {
            tokio::select! {
                event = service.swarm.select_next_some() => service.handle(event),
                event = swarm.select_next_some() => kept.push(event),
            }
        };
        tokio::time::timeout(DEADLINE, stepping).await.expect("nothing happens");
    };
    while service.peers.is_empty() {
        step(&mut service).await;
    }
    let start = Instant::now();
    service.tick(start + HELLO_TIME_MAX / 2);
    assert!(service.peers.iter().all(|peer| !peer.is_leaving), "it has time");
    service.tick(start + HELLO_TIME_MAX * 2);
    while !service.peers.is_empty() {
        step(&mut service).await;
    }
    assert!(net.refused("no_hello"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_are_answered_after_a_hello_and_only_if_they_are_some() {
    let net = Net::at("127.0.0.1:0").await;
    let (mut swarm, node) = raw_peer(&net, net.node.node.spec().chain_id()).await;
    let question = framed(&SyncQuestion::Headers { locator: Vec::new() }.to_bytes());
    // Before a hello.
    swarm.behaviour_mut().sync.send_request(&node, question.clone());
    let bytes = until(&mut swarm, answered).await;
    assert!(bytes.is_empty(), "{bytes:?}");
    let own = framed(&hello(&net.node.node).to_bytes());
    swarm.behaviour_mut().hello.send_request(&node, own.clone());
    assert_eq!(Hello::from_bytes(&until(&mut swarm, greeted).await[4..]).unwrap().height.0, 14);
    swarm.behaviour_mut().sync.send_request(&node, question.clone());
    let bytes = until(&mut swarm, answered).await;
    let answer = SyncAnswer::from_bytes(&bytes[4..], net.node.node.spec()).unwrap();
    assert!(matches!(answer, SyncAnswer::Headers(headers) if headers.len() == 14));
    // A length that no question has, and nothing behind it.
    let too_long = u32::try_from(SyncQuestion::BYTES_MAX + 1).unwrap().to_be_bytes().to_vec();
    swarm.behaviour_mut().sync.send_request(&node, too_long);
    until(&mut swarm, is_closed).await;
    eventually("it is counted", async || net.refused("malformed").then_some(())).await;
    net.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_hello_all_the_time_is_parted_with() {
    let net = Net::at("127.0.0.1:0").await;
    let (mut swarm, node) = raw_peer(&net, net.node.node.spec().chain_id()).await;
    let own = framed(&hello(&net.node.node).to_bytes());
    for _ in 0..30 {
        swarm.behaviour_mut().hello.send_request(&node, own.clone());
        assert!(!until(&mut swarm, greeted).await.is_empty());
    }
    swarm.behaviour_mut().hello.send_request(&node, own);
    until(&mut swarm, is_closed).await;
    eventually("it is counted", async || net.refused("hellos").then_some(())).await;
    net.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_have_addresses_with_the_certificate() {
    let node = TestNode::with_blocks(14).await;
    let listen: Vec<ListenAddress> = vec!["/ip4/127.0.0.1/udp/0/webrtc-direct".parse().unwrap()];
    let refused = P2pOptions { listen: listen.clone(), ..P2pOptions::default() };
    let told = start(&node.node, &Identity::random(), refused).await.err().unwrap().to_string();
    assert!(told.contains("webrtc-direct"), "without a certificate: {told}");
    let webrtc = Some(Certificate::generate().unwrap());
    let options = P2pOptions { listen, webrtc, ..P2pOptions::default() };
    let Started { p2p, .. } = start(&node.node, &Identity::random(), options).await.unwrap();
    let [address] = &p2p.addresses()[..] else { panic!("{:?}", p2p.addresses()) };
    assert!(address.contains("/webrtc-direct/certhash/") && address.ends_with(p2p.peer_id()), "{address}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_none_is_held_against_the_peer() {
    let mut net = Net::at("127.0.0.1:0").await;
    let (mut swarm, node) = raw_peer(&net, net.node.node.spec().chain_id()).await;
    let own = framed(&hello(&net.node.node).to_bytes());
    swarm.behaviour_mut().hello.send_request(&node, own);
    until(&mut swarm, greeted).await;
    let SyncEvent::Input(Input::PeerUp { peer, .. }) = net.event().await else { panic!() };
    for (number, said) in [(1, framed(&[0xff; 40])), (2, vec![0xff; 40])] {
        net.ask(peer, number, SyncQuestion::Headers { locator: Vec::new() }).await;
        let event = {
            let event = net.event();
            tokio::pin!(event);
            loop {
                tokio::select! {
                    event = &mut event => break event,
                    asked = swarm.select_next_some() => if let SwarmEvent::Behaviour(RawEvent::Sync(Event::Message {
                        message: Message::Request { channel, .. }, ..
                    })) = asked {
                        swarm.behaviour_mut().sync.send_response(channel, said.clone()).unwrap();
                    },
                }
            }
        };
        assert!(matches!(event, SyncEvent::Misbehaved { peer: who, fault: Fault::Malformed } if who == peer));
        assert!(
            matches!(net.event().await, SyncEvent::Input(Input::Unanswered { request }) if request == RequestId(number))
        );
    }
    // What becomes of it, others decide.
    net.link.commands.send(SyncCommand::Disconnect { peer, fault: Fault::Malformed, is_banned: true }).await.unwrap();
    until(&mut swarm, is_closed).await;
    eventually("it is counted", async || net.refused("fault").then_some(())).await;
    net.stop().await;
}
