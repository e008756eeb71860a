//! Asking nodes as a light client does: connections that this side makes, a hello each way, and questions of the light protocol.
//!
//! There is no chain here and nothing to give, so nobody can connect and whatever others ask but a hello finds no protocol. What is answered
//! is bounded by its message and not believed: it goes to the light client as it came.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use libp2p::request_response::{Event, Message, OutboundFailure, OutboundRequestId};
use libp2p::swarm::{self, ConnectionId, DialError, NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, ping};
use qbtc_core::net::addresses::Group;
use qbtc_core::net::{Hello, LightAnswer, LightQuestion, PROTOCOL_VERSION, Services};
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::light::AddressGroup;
use qbtc_core::sync::{PeerKey, RequestId};
use qbtc_core::units::{BlockTime, FeeRate, Height, Work};

use super::address::NodeAddress;
use super::answers::user_agent;
use super::behaviour::{ANSWER_TIME_MAX, Exchanges, HELLO_TIME_MAX};
use super::identity::Identity;
use super::place::ip_of;
use super::transport::link::Links;
use super::transport::{TransportError, transport};
use super::wanted::Wanted;
use super::wire::{Exchange, ExchangeEvent, is_malformed};

/// The most questions on a connection: more than a light client has under way.
const QUESTIONS_MAX: usize = 16;
/// A connection without questions is kept for so long; the client always waits for the next tip.
const IDLE_TIME_MAX: Duration = Duration::from_secs(120);
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// What happened.
#[derive(Debug)]
pub enum Asked {
    /// A node is connected and has said hello.
    Up {
        /// Its number.
        peer: PeerKey,
        /// What it said.
        hello: Box<Hello>,
        /// Where it is.
        group: Option<AddressGroup>,
        /// Its address.
        address: String,
    },
    /// A node is gone.
    Down {
        /// Which.
        peer: PeerKey,
    },
    /// A node answered.
    Answer {
        /// The question.
        request: RequestId,
        /// The answer.
        answer: Box<LightAnswer>,
    },
    /// What came is no answer.
    Malformed {
        /// The question.
        request: RequestId,
    },
    /// No answer came.
    Unanswered {
        /// The question.
        request: RequestId,
    },
    /// A node cannot be reached, or says no hello of this chain. It is tried again.
    Unreachable {
        /// Its address.
        address: String,
        /// Why.
        why: String,
    },
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    hello: Exchange<Hello, Hello>,
    light: Exchange<LightQuestion, LightAnswer>,
    ping: ping::Behaviour,
}

/// The task's part that knows libp2p.
pub struct Asker {
    spec: Arc<ChainSpec>,
    swarm: Swarm<Behaviour>,
    wanted: Wanted,
    /// Those that are connected, and their numbers once they have said hello.
    peers: BTreeMap<PeerKey, PeerId>,
    known: HashMap<PeerId, Known>,
    asked: HashMap<OutboundRequestId, RequestId>,
    events: VecDeque<Asked>,
    last_key: u64,
}

/// A connection.
struct Known {
    connection: ConnectionId,
    address: Multiaddr,
    key: Option<PeerKey>,
}

impl Asker {
    /// Dials these addresses, and again whenever they are gone. Must be called within a runtime.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn new(spec: &Arc<ChainSpec>, addresses: &[NodeAddress]) -> Result<Self, TransportError> {
        // Whoever only asks needs no name that stays.
        let identity = Identity::random();
        let exchanges = Exchanges::new(spec);
        let behaviour = Behaviour {
            hello: exchanges.both("hello", HELLO_TIME_MAX, 4),
            light: exchanges.asking("light", ANSWER_TIME_MAX, QUESTIONS_MAX),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL)),
        };
        let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_TIME_MAX);
        let transport = transport(&identity, &Links::default())?;
        let swarm = Swarm::new(transport, behaviour, identity.peer_id(), config);
        let mut wanted = Wanted::default();
        for address in addresses {
            wanted.add(address.clone(), Instant::now());
        }
        Ok(Self {
            spec: Arc::clone(spec),
            swarm,
            wanted,
            peers: BTreeMap::new(),
            known: HashMap::new(),
            asked: HashMap::new(),
            events: VecDeque::new(),
            last_key: 0,
        })
    }

    /// Asks a node.
    pub fn ask(&mut self, peer: PeerKey, request: RequestId, question: LightQuestion) {
        match self.peers.get(&peer) {
            Some(id) => {
                let number = self.swarm.behaviour_mut().light.send_request(id, Ok(question));
                self.asked.insert(number, request);
            }
            None => self.events.push_back(Asked::Unanswered { request }),
        }
    }

    /// Disconnects a node. Of one that is not to come back the address is forgotten.
    pub fn leave(&mut self, peer: PeerKey, may_come_back: bool) {
        let Some(id) = self.peers.remove(&peer) else { return };
        if !may_come_back {
            let addresses: Vec<_> =
                self.wanted.iter().filter(|node| node.peer() == Some(id)).map(|node| node.address.clone()).collect();
            for address in addresses {
                self.wanted.remove(&address);
            }
        }
        // It may be gone already.
        let _ = self.swarm.disconnect_peer_id(id);
    }

    /// Waits for what happens next. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> Asked {
        loop {
            self.dial();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            // Due addresses are dialled again without anything having happened.
            if let Ok(event) = tokio::time::timeout(Duration::from_secs(1), self.swarm.select_next_some()).await {
                self.swarm_event(event);
            }
        }
    }

    fn dial(&mut self) {
        let now = Instant::now();
        for node in self.wanted.due(now) {
            let options = node.address.dial_options();
            node.dialling(options.connection_id());
            if let Err(error) = self.swarm.dial(options) {
                node.fail(now);
                self.events.push_back(Asked::Unreachable { address: node.address.to_string(), why: error.to_string() });
            }
        }
    }

    fn swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.wanted.connected(connection_id, peer_id);
                if self.known.contains_key(&peer_id) {
                    // Two addresses of one node.
                    self.swarm.close_connection(connection_id);
                    return;
                }
                let address = endpoint.get_remote_address().clone();
                self.known.insert(peer_id, Known { connection: connection_id, address, key: None });
                let own = self.own_hello();
                self.swarm.behaviour_mut().hello.send_request(&peer_id, Ok(own));
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => self.closed(&peer_id, connection_id),
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => self.not_reached(connection_id, &error),
            SwarmEvent::Behaviour(BehaviourEvent::Hello(event)) => self.hello_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Light(event)) => self.light_event(event),
            // A ping that fails closes nothing by itself, but the questions under way end by their own time.
            _ => {}
        }
    }

    fn closed(&mut self, id: &PeerId, connection: ConnectionId) {
        if self.known.get(id).is_none_or(|known| known.connection != connection) {
            return;
        }
        let Some(Known { key, address, .. }) = self.known.remove(id) else { return };
        self.wanted.gone(id, key.is_some(), Instant::now());
        match key {
            Some(peer) => {
                self.peers.remove(&peer);
                self.events.push_back(Asked::Down { peer });
            }
            None => {
                let why = "it ended the connection without a hello: it may be on another chain".to_owned();
                self.events.push_back(Asked::Unreachable { address: address.to_string(), why });
            }
        }
    }

    fn not_reached(&mut self, connection: ConnectionId, error: &DialError) {
        let address = self.wanted.dialled_by(connection).map(ToString::to_string);
        self.wanted.failed(connection, Instant::now());
        if let Some(address) = address {
            self.events.push_back(Asked::Unreachable { address, why: error.to_string() });
        }
    }

    fn hello_event(&mut self, event: ExchangeEvent<Hello, Hello>) {
        match event {
            Event::Message { message: Message::Request { channel, .. }, .. } => {
                let own = self.own_hello();
                // The node may be gone by now.
                let _ = self.swarm.behaviour_mut().hello.send_response(channel, own);
            }
            Event::Message { peer, message: Message::Response { response, .. }, .. } => self.greeted(&peer, response),
            Event::OutboundFailure { peer, .. } => {
                // Whoever cannot say hello on this chain has nothing to say.
                let _ = self.swarm.disconnect_peer_id(peer);
            }
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }

    fn greeted(&mut self, id: &PeerId, hello: Hello) {
        let Some(known) = self.known.get_mut(id).filter(|known| known.key.is_none()) else { return };
        self.last_key += 1;
        let peer = PeerKey(self.last_key);
        known.key = Some(peer);
        self.peers.insert(peer, *id);
        let group = ip_of(&known.address).and_then(group);
        let address = known.address.to_string();
        self.events.push_back(Asked::Up { peer, hello: Box::new(hello), group, address });
    }

    fn light_event(&mut self, event: ExchangeEvent<LightQuestion, LightAnswer>) {
        match event {
            Event::Message { message: Message::Response { request_id, response }, .. } => {
                if let Some(request) = self.asked.remove(&request_id) {
                    self.events.push_back(Asked::Answer { request, answer: Box::new(response) });
                }
            }
            Event::OutboundFailure { request_id, error, .. } => {
                let Some(request) = self.asked.remove(&request_id) else { return };
                if matches!(error, OutboundFailure::ConnectionClosed) {
                    // That the node is gone is told at once, and ends all its questions.
                    return;
                }
                let is_malformed = matches!(&error, OutboundFailure::Io(error) if is_malformed(error));
                self.events.push_back(if is_malformed {
                    Asked::Malformed { request }
                } else {
                    Asked::Unanswered { request }
                });
            }
            // Nobody is answered here.
            Event::Message { .. } | Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }

    /// What is said of oneself: nothing to give.
    fn own_hello(&self) -> Hello {
        let genesis = self.spec.genesis();
        Hello {
            version: PROTOCOL_VERSION,
            chain_id: self.spec.chain_id(),
            tip: genesis.id(),
            height: Height::GENESIS,
            work: Work::ZERO,
            services: Services::default(),
            // No transaction is wanted.
            fee_rate_min: FeeRate::from_quanta_per_1000_bytes(u64::MAX),
            time: BlockTime(0),
            user_agent: user_agent(),
        }
    }
}

/// The group of addresses in which a node is. On this machine, everything is one's own.
fn group(ip: IpAddr) -> Option<AddressGroup> {
    if ip.to_canonical().is_loopback() { None } else { AddressGroup::of(Group::of(ip)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_group() {
        let of = |text: &str| group(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("192.0.77.9"));
        assert_ne!(of("192.0.2.1"), of("192.1.2.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8:ffff::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db9::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_eq!((of("127.0.0.1"), of("::1")), (None, None));
    }
}
