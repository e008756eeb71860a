//! What libp2p does for the node on each connection, and how much of it.

use std::sync::Arc;
use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{identify, memory_connection_limits, ping, relay};
use qbtc_core::net::addresses::{AddressesAnswer, AddressesQuestion};
use qbtc_core::net::seal::{ANSWER_BYTES, OFFER_BYTES};
use qbtc_core::net::{Hello, IdentityAnswer, IdentityQuestion, LightAnswer, LightQuestion, SyncAnswer, SyncQuestion};
use qbtc_core::relay::StemMessage;
use qbtc_core::spec::ChainSpec;

use super::answers::{ANSWERS_PER_PEER_MAX, user_agent};
use super::gate::{Bans, Gate};
use super::gossip;
use super::heard::Gossip;
use super::identity::Identity;
use super::kademlia::Kademlia;
use super::reach::Bounded;
use super::sending::Sending;
use super::service::P2pOptions;
use super::wire::{Exchange, Message, MessageCodec, Sealed, Sealing, protocol};
use crate::node::Node;

/// The protocol in which a light client and a node agree on a seal.
pub(super) const SEAL: &str = "seal";

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionsMax {
    /// That others made.
    pub inbound: u32,
    /// That this node made.
    pub outbound: u32,
}

impl Default for ConnectionsMax {
    /// As many as Bitcoin Core has, or a little more.
    fn default() -> Self {
        Self { inbound: 117, outbound: 12 }
    }
}

/// The most connections with one peer: two nodes may dial each other at the same time.
pub(super) const CONNECTIONS_PER_PEER_MAX: u32 = 2;
/// The most connections whose handshake is not over, for each direction.
const HANDSHAKES_MAX: u32 = 64;
/// The part of the machine's memory from which on the process takes no more connections.
const MEMORY_PART_MAX: f64 = 0.9;
/// How long a hello may take, there and back.
pub(super) const HELLO_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a question may take, there and back: the largest answer over a slow line.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// The most questions of both sides on a connection, and more than either side has under way.
pub(super) const QUESTIONS_MAX: usize = 2 * ANSWERS_PER_PEER_MAX;
/// How long it may take to pass a transaction on along the stem, and how many of them may be under way on a connection.
const STEM_TIME_MAX: Duration = Duration::from_secs(10);
pub(super) const STEM_MAX: usize = 8;
/// How many hellos may be under way on a connection, and how many questions for addresses.
pub(super) const SMALL_MAX: usize = 4;
/// So many more connections than there may be are let in, for as long as it takes to see who makes room.
const NEWCOMERS_MAX: u32 = 4;
/// How often a peer is asked whether it is there, and how long it may take to say so. libp2p forgives the first time that it does not: who is
/// silent is gone after a minute.
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING_TIME_MAX: Duration = Duration::from_secs(15);

/// What is done on each connection. What comes first can refuse a connection before the others hear of it.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) gate: Gate,
    pub(super) limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) hello: Exchange<Hello, Hello>,
    pub(super) sync: Exchange<SyncQuestion, SyncAnswer>,
    pub(super) stem: Exchange<StemMessage, ()>,
    pub(super) light: Exchange<LightQuestion, LightAnswer>,
    pub(super) seal: Exchange<Sealing<OFFER_BYTES>, Sealing<ANSWER_BYTES>>,
    pub(super) sealed_light: Exchange<Sealed<LightQuestion>, Sealed<LightAnswer>>,
    pub(super) identity: Exchange<IdentityQuestion, IdentityAnswer>,
    pub(super) gossip: Gossip,
    pub(super) addresses: Exchange<AddressesQuestion, AddressesAnswer>,
    pub(super) kademlia: Toggle<Kademlia>,
    circuits: relay::client::Behaviour,
    pub(super) reach: Bounded,
}

impl Behaviour {
    pub(super) fn new(
        node: &Node,
        identity: &Identity,
        options: &P2pOptions,
        bans: Bans,
        circuits: relay::client::Behaviour,
    ) -> Self {
        let chain = node.spec().chain_id();
        let takes_private = options.discovery.as_ref().is_some_and(|discovery| discovery.takes_private);
        let kademlia = || Kademlia::new(identity.peer_id(), protocol(&chain, "kad", 1));
        let connections = options.connections;
        let inbound = if connections.inbound == 0 { 0 } else { connections.inbound.saturating_add(NEWCOMERS_MAX) };
        let limits = ConnectionLimits::default()
            .with_max_pending_incoming(Some(HANDSHAKES_MAX))
            .with_max_pending_outgoing(Some(HANDSHAKES_MAX))
            .with_max_established_incoming(Some(inbound))
            .with_max_established_outgoing(Some(connections.outbound))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
        let family = protocol(&chain, "node", 1).to_string();
        let identify = identify::Config::new(family, identity.keypair().public())
            .with_agent_version(user_agent().as_str().to_owned())
            // Those that may be told are told where addresses are asked for.
            .with_hide_listen_addrs(true)
            .with_cache_size(0);
        let exchanges = Exchanges::new(node.spec());
        Self {
            gate: Gate::new(node, bans, options.inbound),
            limits: connection_limits::Behaviour::new(limits),
            memory: memory_connection_limits::Behaviour::with_max_percentage(MEMORY_PART_MAX),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIME_MAX)),
            hello: exchanges.both("hello", HELLO_TIME_MAX, SMALL_MAX),
            sync: exchanges.both("sync", ANSWER_TIME_MAX, QUESTIONS_MAX),
            identity: exchanges.both("identity", HELLO_TIME_MAX, SMALL_MAX),
            stem: exchanges.both("stem", STEM_TIME_MAX, STEM_MAX),
            light: exchanges.answering("light", ANSWER_TIME_MAX, QUESTIONS_MAX),
            seal: exchanges.answering(SEAL, HELLO_TIME_MAX, SMALL_MAX),
            sealed_light: exchanges.answering("sealed-light", ANSWER_TIME_MAX, QUESTIONS_MAX),
            addresses: exchanges.both("addresses", HELLO_TIME_MAX, SMALL_MAX),
            gossip: gossip::behaviour(node.spec()),
            kademlia: options.kademlia.then(kademlia).into(),
            circuits,
            reach: Bounded::new(identity.peer_id(), &options.reach, takes_private),
        }
    }
}

/// Makes what questions of one kind need: the protocol's name, how long an answer may take, and how many streams a connection may have for them.
pub(super) struct Exchanges<'a> {
    spec: &'a Arc<ChainSpec>,
    sending: Sending,
}

impl<'a> Exchanges<'a> {
    pub(super) fn new(spec: &'a Arc<ChainSpec>) -> Self {
        Self { spec, sending: Sending::default() }
    }

    pub(super) fn both<Q: Message, A: Message>(
        &self,
        what: &str,
        time_max: Duration,
        streams_max: usize,
    ) -> Exchange<Q, A> {
        self.exchange(what, ProtocolSupport::Full, time_max, streams_max)
    }

    /// Where nothing is answered.
    pub(super) fn asking<Q: Message, A: Message>(
        &self,
        what: &str,
        time_max: Duration,
        streams_max: usize,
    ) -> Exchange<Q, A> {
        self.exchange(what, ProtocolSupport::Outbound, time_max, streams_max)
    }

    /// Where this node asks nothing.
    fn answering<Q: Message, A: Message>(&self, what: &str, time_max: Duration, streams_max: usize) -> Exchange<Q, A> {
        self.exchange(what, ProtocolSupport::Inbound, time_max, streams_max)
    }

    fn exchange<Q: Message, A: Message>(
        &self,
        what: &str,
        support: ProtocolSupport,
        time_max: Duration,
        streams_max: usize,
    ) -> Exchange<Q, A> {
        let config =
            request_response::Config::default().with_request_timeout(time_max).with_max_concurrent_streams(streams_max);
        let name = protocol(&self.spec.chain_id(), what, 1);
        Exchange::with_codec(MessageCodec::new(Arc::clone(self.spec), self.sending.clone()), [(name, support)], config)
    }
}
