//! The one task that owns the swarm: it meets peers, answers them, asks them what it is told to, and parts with those that misbehave.
//!
//! ```text
//! connection → hello, asked by both → up (told to the synchronisation) → questions both ways → down
//! ```
//!
//! Invariants: a peer that has not said a hello of this chain within ten seconds is gone, and has been told nothing of the chain but this
//! node's own hello: beside it only what libp2p's protocols say (identify, Kademlia, gossipsub's topics), and a proof of this node's
//! identity; whatever waits here (events, answers, commands) has a named bound, and while too many events wait nothing is read from peers. Beyond that bound
//! wait only what the synchronisation's own questions come to, of which it has few under way.

mod answering;
mod commands;
mod discovering;
mod identifying;
mod light;
mod meeting;
mod reaching;
mod relaying;
mod sealing;
mod room;

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::RandomState;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use libp2p::core::transport::{ListenerId, TransportError as Refused};
use libp2p::multiaddr::Protocol;
use libp2p::request_response::OutboundRequestId;
use libp2p::swarm::{self, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, relay};
use parking_lot::RwLock;
use qbtc_core::hash::BlockHash;
use qbtc_core::net::BanList;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::MissedTickBehavior;

use super::address::{ListenAddress, NodeAddress};
use super::answers::{ANSWERS_MAX, BlocksAtHand};
use super::behaviour::{Behaviour, BehaviourEvent, ConnectionsMax};
use super::discovery::{Discovery, DiscoveryOptions};
use super::gate::Bans;
use super::gossip::{Topics, Undecided};
use super::handle::{COMMANDS_WAITING_MAX, Command, P2p, Shared};
use super::identity::Identity;
use super::inbound::InboundMax;
use super::node_key::{NodeKey, RequiredIdentity};
use super::peers::{Departed, Peers};
use super::reach::ReachOptions;
use super::relay::{RelayCommand, RelayEvent, RelayLink};
use super::spent::{Left, Spent};
use super::sync_link::{SyncCommand, SyncEvent, SyncLink, WAITING_MAX};
use super::transport::entrance::{Callers, entrance};
use super::transport::link::Links;
use super::transport::webrtc::{Certificate, Counters, Limits, WebRtcTransport};
use super::transport::{TransportError, Ways, transport_with};
use super::wanted::Wanted;
use crate::node::{Node, StopOnPanic};
use answering::{Answering, Question, Sending};
use discovering::asked_seeds;
pub(super) use identifying::Asked;
use light::{LightSending, Lighting};
use reaching::Relays;

/// What a network is started with.
#[derive(Clone, Debug, Default)]
pub struct P2pOptions {
    /// Where to listen. Each must be free.
    pub listen: Vec<ListenAddress>,
    /// Where to listen too, if this machine has such addresses.
    pub listen_if_possible: Vec<ListenAddress>,
    /// Nodes to be connected with.
    pub wanted: Vec<NodeAddress>,
    /// How many connections there may be.
    pub connections: ConnectionsMax,
    /// How many of those that others make may come from one place.
    pub inbound: InboundMax,
    /// What this node shows to peers that ask who it is; nothing: a key that is kept nowhere.
    pub node_key: Option<NodeKey>,
    /// What peers must show.
    pub required_identity: RequiredIdentity,
    /// Where others can reach this node beside where it listens.
    pub external: Vec<NodeAddress>,
    /// Whether there is nothing to mine on before a peer has told its headers.
    pub waits_for_peers: bool,
    /// Blocks that are not stored yet.
    pub at_hand: BlocksAtHand,
    /// What browsers know the node by, if they are to reach it by WebRTC.
    pub webrtc: Option<Certificate>,
    /// How nodes are looked for. None: only those that are wanted are dialled, and nothing is kept.
    pub discovery: Option<DiscoveryOptions>,
    /// Whether peers are also asked by Kademlia who is near an id.
    pub kademlia: bool,
    /// How this node is to be reached.
    pub reach: ReachOptions,
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum P2pError {
    /// The transport.
    #[error("cannot set up the network: {0}")]
    Transport(#[from] TransportError),
    /// An address.
    #[error(
        "cannot listen on {address} for p2p: {error}; choose another address with --p2p, or port 0 for any free one"
    )]
    Listen {
        /// Which.
        address: Multiaddr,
        /// Why.
        error: io::Error,
    },
}

/// A network that is started: whoever has it must run it.
pub struct Started {
    /// The handle.
    pub p2p: P2p,
    /// For what drives the synchronisation.
    pub link: SyncLink,
    /// For what spreads transactions.
    pub(crate) relay: RelayLink,
    /// The task.
    pub service: Service,
}

/// The task.
pub struct Service {
    node: Node,
    swarm: Swarm<Behaviour>,
    links: Links,
    /// What WebRTC has seen, if there is any.
    webrtc: Option<Arc<Counters>>,
    peers: Peers,
    departed: Departed,
    spent: Spent<Left>,
    connections: ConnectionsMax,
    /// Chooses which networks are kept when there is no room for all.
    secret: RandomState,
    node_key: NodeKey,
    required_identity: RequiredIdentity,
    wanted: Wanted,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    sync_commands: mpsc::Receiver<SyncCommand>,
    sync_events: mpsc::Sender<SyncEvent>,
    /// The tip that peers were told last.
    told_tip: BlockHash,
    told_tip_at: Instant,
    topics: Topics,
    undecided: Undecided,
    relay_commands: mpsc::Receiver<RelayCommand>,
    relay_events: mpsc::Sender<RelayEvent>,
    /// Events that the channel has no room for.
    events: VecDeque<SyncEvent>,
    /// Questions of this node that are not answered yet.
    asked: HashMap<OutboundRequestId, Question>,
    at_hand: BlocksAtHand,
    answers: Arc<Semaphore>,
    answering: FuturesUnordered<Answering>,
    sending: Sending,
    lighting: FuturesUnordered<Lighting>,
    light_sending: LightSending,
    /// Hellos that are said to see how long they take.
    pinged: HashMap<OutboundRequestId, Instant>,
    last_ping: Option<Instant>,
    discovery: Option<Discovery>,
    /// Nodes through which this one is to be reached.
    relays: Relays,
    /// Seeds in a row that told nothing.
    silent_seeds: usize,
    /// The tip, and when it was first seen.
    tip_seen: (BlockHash, Instant),
    /// Peers that were refused, which is logged once for each.
    refused: HashSet<PeerId>,
}

/// The most events that wait for what spreads transactions; transactions, which may be large, leave most of the room for the coming and going of
/// peers.
const RELAY_WAITING_MAX: usize = 320;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long a listener may take to tell its address.
const LISTEN_TIME_MAX: Duration = Duration::from_secs(5);
/// How long connections may take to end once the node stops.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(1);
/// From so many events on that wait beside the channel, nothing is read from peers.
const EVENTS_HELD_MAX: usize = 64;
/// The most refused peers that are remembered, so as not to log each anew.
const REFUSED_MAX: usize = 1_024;
/// Connections with nothing to do are kept: nodes stay together. Whoever does not answer a ping is gone.
const IDLE_TIME_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Starts a network: it listens, and what it will do waits until [`Service::run`]. Must be called within a runtime.
///
/// # Errors
/// [`P2pError`]; then nothing runs.
pub async fn start(node: &Node, identity: &Identity, mut options: P2pOptions) -> Result<Started, P2pError> {
    let links = Links::default();
    let kept = options.discovery.as_ref().map(|discovery| discovery.stored.bans.clone()).unwrap_or_default();
    let bans = Arc::new(RwLock::new(BanList::restore(kept)));
    let (entrance, callers) = entrance();
    let (swarm, webrtc) = swarm(node, identity, &mut options, callers, &bans, &links).await?;
    let (commands_in, commands) = mpsc::channel(COMMANDS_WAITING_MAX);
    let (sync_events, events) = mpsc::channel(WAITING_MAX);
    let (sync_commands_in, sync_commands) = mpsc::channel(WAITING_MAX);
    let (relay_events, relayed) = mpsc::channel(RELAY_WAITING_MAX);
    let (relay_commands_in, relay_commands) = mpsc::channel(WAITING_MAX);
    let node_key = options.node_key.unwrap_or_else(NodeKey::random);
    let shared = Arc::new(Shared {
        peer_id: identity.peer_id().to_string(),
        identity: node_key.hash(),
        addresses: RwLock::default(),
        bans,
        reach: options.reach.clone(),
        kademlia: options.kademlia,
    });
    let mut service = Service {
        node: node.clone(),
        swarm,
        links,
        webrtc,
        peers: Peers::default(),
        departed: Departed::default(),
        spent: Spent::default(),
        connections: options.connections,
        secret: RandomState::new(),
        node_key,
        required_identity: options.required_identity,
        wanted: Wanted::default(),
        shared: Arc::clone(&shared),
        commands,
        sync_commands,
        sync_events,
        told_tip: node.tip().borrow().id,
        told_tip_at: Instant::now(),
        topics: Topics::new(&node.spec().chain_id()),
        undecided: Undecided::default(),
        relay_commands,
        relay_events,
        events: VecDeque::new(),
        asked: HashMap::new(),
        at_hand: options.at_hand,
        answers: Arc::new(Semaphore::new(ANSWERS_MAX)),
        answering: FuturesUnordered::new(),
        sending: Sending::default(),
        lighting: FuturesUnordered::new(),
        light_sending: LightSending::default(),
        pinged: HashMap::new(),
        last_ping: None,
        discovery: options.discovery.map(|discovery| Discovery::new(discovery, &identity.peer_id(), Instant::now())),
        relays: Relays::new(options.reach.relays, Instant::now()),
        silent_seeds: 0,
        tip_seen: (node.chain().state().tip(), Instant::now()),
        refused: HashSet::new(),
    };
    service.note_addresses();
    for address in options.wanted {
        service.wanted.add(address, Instant::now());
    }
    let p2p = P2p { commands: commands_in, entrance, shared };
    let relay = RelayLink { events: relayed, commands: relay_commands_in };
    Ok(Started { p2p, link: SyncLink { events, commands: sync_commands_in }, relay, service })
}

/// A swarm that listens where it is to, and what its WebRTC sees, if it has any.
async fn swarm(
    node: &Node,
    identity: &Identity,
    options: &mut P2pOptions,
    callers: Callers,
    bans: &Bans,
    links: &Links,
) -> Result<(Swarm<Behaviour>, Option<Arc<Counters>>), P2pError> {
    let (circuits, relayed) = relay::client::new(identity.peer_id());
    let behaviour = Behaviour::new(node, identity, options, Arc::clone(bans), relayed);
    let webrtc = options.webrtc.take();
    let webrtc =
        webrtc.map(|certificate| WebRtcTransport::new(identity.keypair().clone(), certificate, Limits::default()));
    let counters = webrtc.as_ref().map(WebRtcTransport::counters);
    let transport = transport_with(identity, Ways { webrtc, callers: Some(callers), circuits: Some(circuits) }, links)?;
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_TIME_MAX);
    let swarm = Swarm::new(transport, behaviour, identity.peer_id(), config);
    Ok((listening(swarm, options).await?, counters))
}

/// Listens where it is to.
async fn listening(mut swarm: Swarm<Behaviour>, options: &mut P2pOptions) -> Result<Swarm<Behaviour>, P2pError> {
    let mut listeners = HashSet::new();
    for address in std::mem::take(&mut options.listen).into_iter().flat_map(|ListenAddress(all)| all) {
        listeners.insert(listen(&mut swarm, &address).map_err(|error| P2pError::Listen { address, error })?);
    }
    for address in std::mem::take(&mut options.listen_if_possible).into_iter().flat_map(|ListenAddress(all)| all) {
        match listen(&mut swarm, &address) {
            Ok(listener) => drop(listeners.insert(listener)),
            Err(error) => tracing::warn!(%address, "not listening for peers: {error}"),
        }
    }
    for address in &options.external {
        swarm.add_external_address(address.0.clone());
    }
    tell_addresses(&mut swarm, listeners).await;
    Ok(swarm)
}

fn listen(swarm: &mut Swarm<Behaviour>, address: &Multiaddr) -> io::Result<ListenerId> {
    swarm.listen_on(address.clone()).map_err(|error| match error {
        Refused::MultiaddrNotSupported(_) => io::Error::new(
            io::ErrorKind::Unsupported,
            "expected /tcp/PORT, /tcp/PORT/ws, /udp/PORT/quic-v1 or /udp/PORT/webrtc-direct",
        ),
        Refused::Other(error) => error,
    })
}

/// Waits until each listener has an address.
async fn tell_addresses(swarm: &mut Swarm<Behaviour>, mut listeners: HashSet<ListenerId>) {
    let telling = async {
        while !listeners.is_empty() {
            if let SwarmEvent::NewListenAddr { listener_id, .. } | SwarmEvent::ListenerClosed { listener_id, .. } =
                swarm.select_next_some().await
            {
                listeners.remove(&listener_id);
            }
        }
    };
    // A machine whose interfaces are all down listens later.
    let _ = tokio::time::timeout(LISTEN_TIME_MAX, telling).await;
}

impl Service {
    /// Runs until the node stops.
    pub async fn run(mut self) {
        let _guard = StopOnPanic::new(&self.node, "network");
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (stopping, sync_events) = (self.node.stopping().clone(), self.sync_events.clone());
        loop {
            tokio::select! {
                () = stopping.cancelled() => break,
                room = sync_events.reserve(), if !self.events.is_empty() => match (room, self.events.pop_front()) {
                    (Ok(room), Some(event)) => room.send(event),
                    // Nobody listens.
                    _ => self.events.clear(),
                },
                event = self.swarm.select_next_some(), if self.events.len() < EVENTS_HELD_MAX => self.handle(event),
                Some(answered) = self.answering.next() => self.answered(answered),
                Some(lit) = self.lighting.next() => self.lit(lit),
                Some((seed, found)) = asked_seeds(&mut self.discovery) => self.seed_told(&seed, found),
                Some(command) = self.commands.recv() => self.obey(command),
                // Always: whoever gives them may wait for that before it takes events. Each makes at most one event, for a question, of which
                // the machine has few under way.
                Some(command) = self.sync_commands.recv() => self.obey_sync(command),
                Some(command) = self.relay_commands.recv(), if self.events.len() < EVENTS_HELD_MAX => {
                    self.obey_relay(command);
                }
                _ = tick.tick() => self.tick(Instant::now()),
            }
        }
        self.close().await;
    }

    fn handle(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Hello(event)) => self.hello_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Sync(event)) => self.sync_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identity(event)) => self.identity_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Stem(event)) => self.stem_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Light(event)) => self.light_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Seal(event)) => self.seal_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::SealedLight(event)) => self.sealed_light_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.gossip_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Addresses(event)) => self.addresses_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Kademlia(event)) => self.kademlia_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Circuits(event)) => self.circuit_event(&event),
            SwarmEvent::Behaviour(BehaviourEvent::Reach(event)) => self.reaching_event(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.pinged(&event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.identified(&event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.connected(peer_id, connection_id, endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, endpoint, .. } => {
                self.disconnected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.dial_failed(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(address = %send_back_addr, "a connection was not made: {error}");
            }
            SwarmEvent::NewListenAddr { .. } | SwarmEvent::ExpiredListenAddr { .. } => self.note_addresses(),
            SwarmEvent::ExternalAddrConfirmed { address } => self.is_reachable(&address, true),
            SwarmEvent::ExternalAddrExpired { address } => self.is_reachable(&address, false),
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                let reason = reason.err().map_or_else(|| "closed".to_owned(), |error| error.to_string());
                if self.relays.lost(listener_id, Instant::now()) {
                    tracing::info!(?addresses, "not reached through a relay any more: {reason}");
                } else {
                    tracing::error!(?addresses, "not listening for peers any more: {reason}");
                }
                self.note_addresses();
            }
            SwarmEvent::ListenerError { error, .. } => tracing::debug!("a listener: {error}"),
            _ => {}
        }
    }

    fn note_addresses(&self) {
        let own = *self.swarm.local_peer_id();
        let is_own = |part: &Protocol<'_>| *part == Protocol::P2p(own);
        let addresses = self.swarm.listeners().chain(self.swarm.external_addresses());
        let bare = addresses.map(|address| address.iter().filter(|part| !is_own(part)).collect::<Multiaddr>());
        let mut all: Vec<String> = bare.map(|address| address.with(Protocol::P2p(own)).to_string()).collect();
        all.sort_unstable();
        *self.shared.addresses.write() = all;
    }

    /// What waits for the synchronisation comes in order.
    fn tell(&mut self, event: impl Into<SyncEvent>) {
        if !self.sync_events.is_closed() {
            self.events.push_back(event.into());
        }
    }

    fn tick(&mut self, now: Instant) {
        self.part_with_the_silent(now);
        self.dial_wanted(now);
        self.listen_through_relays(now);
        self.leave_circuits();
        self.tell_tip(now);
        self.discover(now);
        self.count_network();
        if let Some(webrtc) = &self.webrtc {
            self.node.metrics().network().webrtc(&webrtc.reading());
        }
    }

    /// Parts with everybody in good form.
    async fn close(mut self) {
        let all: Vec<PeerId> = self.peers.iter().map(|peer| peer.id).collect();
        for peer in all {
            // It fails only for those that have gone already.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let keeping = self.keep_network();
        let closing = async {
            while !self.peers.is_empty() {
                let event = self.swarm.select_next_some().await;
                self.handle(event);
            }
        };
        let _ = tokio::time::timeout(CLOSE_TIME_MAX, closing).await;
        if let Some(keeping) = keeping {
            // A panic in it has been told.
            let _ = keeping.await;
        }
        self.node.metrics().set_peers(0);
    }
}

#[cfg(test)]
mod discovery_tests;
#[cfg(test)]
mod identity_tests;
#[cfg(test)]
mod lost_tests;
#[cfg(test)]
mod raw_peer;
#[cfg(test)]
mod reaching_tests;
#[cfg(test)]
mod room_tests;
#[cfg(test)]
mod sealing_tests;
#[cfg(test)]
mod gossip_tests;
#[cfg(test)]
mod slow_tests;
#[cfg(test)]
mod stem_tests;
#[cfg(test)]
mod tests;
