//! Peers that send junk, as many and as fast as they are told to, and a sink that takes it and does nothing: for `qbtc bench junk`.
//!
//! What they send is well formed and of no use: payments of coins that nobody has, along the stem and to everybody; questions for blocks that
//! nobody has, and for addresses. Whoever sends what is not well formed is banned at the first message.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use libp2p::swarm::{self, NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId};
use qbtc_core::codec;
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::net::addresses::{AddressesAnswer, AddressesQuestion};
use qbtc_core::net::{Hello, Services, SyncAnswer, SyncQuestion};
use qbtc_core::relay::StemMessage;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::Transaction;
use tokio_util::sync::CancellationToken;

use super::behaviour::Exchanges;
use super::gossip::{self, Topics};
use super::heard::Gossip;
use super::identity::Identity;
use super::transport::link::Links;
use super::transport::{TransportError, transport};
use super::wire::Exchange;
use crate::node::Node;

/// How often a peer sends some messages.
const TURN: Duration = Duration::from_millis(50);
/// How long connections without streams stay.
const IDLE_TIME_MAX: Duration = Duration::from_secs(3_600);
/// How long a question may wait for its answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How many questions of a kind may be under way on a connection.
const STREAMS_MAX: usize = 100;

/// What such a peer can say.
#[derive(NetworkBehaviour)]
struct Junk {
    hello: Exchange<Hello, Hello>,
    sync: Exchange<SyncQuestion, SyncAnswer>,
    addresses: Exchange<AddressesQuestion, AddressesAnswer>,
    stem: Exchange<StemMessage, ()>,
    gossip: Gossip,
}

/// What is sent, and how fast.
#[derive(Clone)]
pub(crate) struct JunkOptions {
    pub(crate) spec: Arc<ChainSpec>,
    /// What the peers say of themselves.
    pub(crate) hello: Hello,
    /// A payment, whose coin is replaced each time.
    pub(crate) payment: Transaction,
    /// How many peers there are.
    pub(crate) peers: usize,
    /// How many messages all of them send together in a second.
    pub(crate) messages_per_second: usize,
}

/// Peers that send junk. They end when this is dropped.
pub(crate) struct JunkPeers {
    sent: Arc<AtomicU64>,
    connected: Arc<AtomicU64>,
    stopping: CancellationToken,
}

impl Drop for JunkPeers {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

impl JunkOptions {
    /// Peers as this node is, which have nothing to give.
    pub(crate) fn of(node: &Node, payment: Transaction, peers: usize, messages_per_second: usize) -> Self {
        let hello = Hello { services: Services::default(), ..super::hello(node) };
        Self { spec: Arc::clone(node.spec()), hello, payment, peers, messages_per_second }
    }

    fn swarm(&self) -> Result<Swarm<Junk>, TransportError> {
        let (identity, exchanges) = (Identity::random(), Exchanges::new(&self.spec));
        let junk = Junk {
            hello: exchanges.both("hello", ANSWER_TIME_MAX, STREAMS_MAX),
            sync: exchanges.both("sync", ANSWER_TIME_MAX, STREAMS_MAX),
            addresses: exchanges.both("addresses", ANSWER_TIME_MAX, STREAMS_MAX),
            stem: exchanges.both("stem", ANSWER_TIME_MAX, STREAMS_MAX),
            gossip: gossip::behaviour(&self.spec),
        };
        let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_TIME_MAX);
        Ok(Swarm::new(transport(&identity, &Links::default())?, junk, identity.peer_id(), config))
    }

    /// Starts a sink, which takes everything and does nothing; it ends with the token. Returns where it is.
    pub(crate) async fn sink(&self, stopping: CancellationToken) -> io::Result<Multiaddr> {
        let mut swarm = self.swarm().map_err(io::Error::other)?;
        let listen = "/ip4/127.0.0.1/tcp/0".parse().map_err(io::Error::other)?;
        swarm.listen_on(listen).map_err(io::Error::other)?;
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    _ = swarm.select_next_some() => {}
                }
            }
        });
        Ok(address)
    }

    /// Starts the peers, each on its way to this address.
    pub(crate) fn start(&self, to: &Multiaddr) -> io::Result<JunkPeers> {
        let peers = JunkPeers { sent: Arc::default(), connected: Arc::default(), stopping: CancellationToken::new() };
        for number in 0..self.peers {
            let sender = Sender {
                options: self.clone(),
                swarm: self.swarm().map_err(io::Error::other)?,
                topics: Topics::new(&self.spec.chain_id()),
                to: to.clone(),
                peer: None,
                number: (number as u64) << 32,
                sent: Arc::clone(&peers.sent),
                connected: Arc::clone(&peers.connected),
            };
            tokio::spawn(sender.run(peers.stopping.clone()));
        }
        Ok(peers)
    }
}

impl JunkPeers {
    /// How many messages were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many peers are connected.
    pub(crate) fn connected(&self) -> u64 {
        self.connected.load(Ordering::Relaxed)
    }
}

struct Sender {
    options: JunkOptions,
    swarm: Swarm<Junk>,
    topics: Topics,
    to: Multiaddr,
    peer: Option<PeerId>,
    /// Of the last message, so that no two are the same.
    number: u64,
    sent: Arc<AtomicU64>,
    connected: Arc<AtomicU64>,
}

impl Sender {
    async fn run(mut self, stopping: CancellationToken) {
        let turns_per_second = 1_000 / TURN.as_millis() as usize;
        let in_a_turn = self.options.messages_per_second / self.options.peers / turns_per_second;
        let mut turn = tokio::time::interval(TURN);
        // It fails only for an address that is none.
        let _ = self.swarm.dial(self.to.clone());
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                event = self.swarm.select_next_some() => self.heard(&event),
                _ = turn.tick() => if let Some(peer) = self.peer {
                    (0..in_a_turn).for_each(|_| self.send(&peer));
                },
            }
        }
    }

    fn heard(&mut self, event: &SwarmEvent<JunkEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                self.peer = Some(*peer_id);
                self.connected.fetch_add(1, Ordering::Relaxed);
                let hello = self.options.hello.clone();
                self.swarm.behaviour_mut().hello.send_request(peer_id, Ok(hello));
            }
            SwarmEvent::ConnectionClosed { .. } => {
                self.peer = None;
                self.connected.fetch_sub(1, Ordering::Relaxed);
                let _ = self.swarm.dial(self.to.clone());
            }
            _ => {}
        }
    }

    fn send(&mut self, peer: &PeerId) {
        self.number += 1;
        self.sent.fetch_add(1, Ordering::Relaxed);
        let mut id = [7; 32];
        id[..8].copy_from_slice(&self.number.to_le_bytes());
        let mut payment = self.options.payment.clone();
        payment.body.inputs[0].txid = Txid::from_bytes(id);
        let junk = self.swarm.behaviour_mut();
        match self.number % 10 {
            0..4 => {
                // It fails while the other end is not known to take gossip.
                let _ = junk.gossip.inner.publish(self.topics.transactions.clone(), codec::encode(&payment));
            }
            4..6 => drop(junk.stem.send_request(peer, Ok(StemMessage(payment)))),
            6..9 => {
                let ids = vec![BlockHash::from_bytes(id)];
                junk.sync.send_request(peer, Ok(SyncQuestion::Blocks { ids }));
            }
            _ => {
                junk.addresses.send_request(peer, Ok(AddressesQuestion::default()));
            }
        }
    }
}
