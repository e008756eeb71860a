//! A peer that answers pings and questions but never reads what goes to everybody.

use futures_util::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use libp2p::ping;
use libp2p::request_response::{self, Codec, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, Swarm};
use qbtc_core::units::Height;

use super::raw_peer::{RawCodec, framed};
use super::tests::{Net, eventually};
use super::*;
use crate::p2p::answers::hello;
use crate::p2p::relay::RelayCommand;
use crate::p2p::transport::transport;
use crate::p2p::wire::protocol;

/// Says what it is given to, and never reads.
#[derive(Clone, Copy)]
pub(super) struct DeafCodec;

impl Codec for DeafCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = ();

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
    ) -> io::Result<Vec<u8>> {
        std::future::pending().await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<()> {
        std::future::pending().await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await?;
        io.flush().await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        (): (),
    ) -> io::Result<()> {
        Ok(())
    }
}

#[derive(NetworkBehaviour)]
pub(super) struct Deaf {
    pub(super) hello: request_response::Behaviour<RawCodec>,
    pub(super) gossip: request_response::Behaviour<DeafCodec>,
    ping: ping::Behaviour,
}

/// What gossipsub says to hear of a topic: a list of one `{ subscribe: true, topic }`, in protocol buffers, after its length.
fn subscription(topic: &str) -> Vec<u8> {
    spoken(&wish(topic))
}

/// Of gossipsub's list of messages, one `{ subscribe: true, topic }`.
pub(super) fn wish(topic: &str) -> Vec<u8> {
    part(1, &[&[0x08, 1], &part(2, topic.as_bytes())[..]].concat())
}

/// Of gossipsub's list of messages, one `{ data, topic }`.
pub(super) fn told(topic: &str, data: &[u8]) -> Vec<u8> {
    part(2, &[part(2, data), part(4, topic.as_bytes())].concat())
}

/// A list as it goes over the connection: after its length.
pub(super) fn spoken(list: &[u8]) -> Vec<u8> {
    [&varint(list.len()), list].concat()
}

pub(super) fn part(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2], &varint(bytes.len())[..], bytes].concat()
}

fn varint(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = number;
    while rest > 0x7f {
        bytes.push(0x80 | u8::try_from(rest & 0x7f).unwrap());
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

pub(super) fn deaf(net_chain: &qbtc_core::hash::ChainId) -> Swarm<Deaf> {
    let identity = Identity::random();
    let patient = || request_response::Config::default().with_request_timeout(Duration::from_secs(600));
    let gossip = StreamProtocol::try_from_owned(format!("{}/1.1.0", protocol(net_chain, "gossip", 1))).unwrap();
    let deaf = Deaf {
        hello: request_response::Behaviour::with_codec(
            RawCodec,
            [(protocol(net_chain, "hello", 1), ProtocolSupport::Full)],
            patient(),
        ),
        gossip: request_response::Behaviour::with_codec(DeafCodec, [(gossip, ProtocolSupport::Full)], patient()),
        ping: ping::Behaviour::default(),
    };
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_TIME_MAX);
    Swarm::new(transport(&identity, &Links::default()).unwrap(), deaf, identity.peer_id(), config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_no_gossip_is_parted_with_and_not_banned() {
    let node = crate::api::testing::TestNode::with_blocks(14).await;
    let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    let options = P2pOptions { listen, ..P2pOptions::default() };
    let Started { p2p, link, service, relay } = start(&node.node, &Identity::random(), options).await.unwrap();
    let chain = node.node.spec().chain_id();
    let (payment, own) = (node.payment(2), framed(&hello(&node.node).to_bytes()));
    let net = Net::running(node, p2p, link, service);
    let mut swarm = deaf(&chain);
    let at: PeerId = net.p2p.peer_id().parse().unwrap();
    swarm.dial(net.p2p.addresses()[0].parse::<Multiaddr>().unwrap()).unwrap();
    let living = tokio::spawn(async move {
        loop {
            let event = swarm.select_next_some().await;
            if matches!(event, SwarmEvent::ConnectionEstablished { .. }) {
                swarm.behaviour_mut().hello.send_request(&at, own.clone());
                let topic = Topics::new(&chain).transactions.to_string();
                swarm.behaviour_mut().gossip.send_request(&at, subscription(&topic));
            }
            if matches!(event, SwarmEvent::ConnectionClosed { .. }) {
                return;
            }
            // To drop a question would be to turn it down.
            std::mem::forget(event);
        }
    });
    net.peer().await;
    // So much goes to everybody that a peer has to read it.
    let flooding = tokio::spawn(async move {
        for number in 1.. {
            let mut other = payment.clone();
            other.body.expiry_height = Height(number);
            if relay.commands.send(RelayCommand::Publish(other)).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    eventually("it is parted with", async || net.refused("slow").then_some(())).await;
    tokio::time::timeout(Duration::from_secs(10), living).await.expect("it is told").unwrap();
    assert!(net.p2p.bans(net.node.node.now()).is_empty(), "bad luck is no lie");
    flooding.abort();
    net.stop().await;
}
