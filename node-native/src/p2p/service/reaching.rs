//! How this node is reached, and what Kademlia finds: what libp2p tells of both.

use std::time::{Duration, Instant};

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, relay, upnp};
use qbtc_core::net::Services;
use qbtc_core::net::addresses::{AddressNews, Group, PeerAddress};

use super::Service;
use super::commands::remote_address;
use crate::metrics::Reached;
use crate::p2p::address::NodeAddress;
use crate::p2p::kademlia::KademliaEvent;
use crate::p2p::place::socket;
use crate::p2p::reach::ReachingEvent;

/// How long a relay that was lost is left alone.
const RELAY_PAUSE: Duration = Duration::from_secs(10);

/// The nodes through which this one is to be reached.
#[derive(Debug, Default)]
pub(super) struct Relays(Vec<Relay>);

#[derive(Debug)]
struct Relay {
    address: NodeAddress,
    listener: Option<ListenerId>,
    next_try: Instant,
}

impl Relays {
    pub(super) fn new(addresses: Vec<NodeAddress>, now: Instant) -> Self {
        Self(addresses.into_iter().map(|address| Relay { address, listener: None, next_try: now }).collect())
    }

    /// A listener is gone. Whether it was at a relay.
    pub(super) fn lost(&mut self, listener: ListenerId, now: Instant) -> bool {
        let Some(relay) = self.0.iter_mut().find(|relay| relay.listener == Some(listener)) else { return false };
        (relay.listener, relay.next_try) = (None, now + RELAY_PAUSE);
        true
    }
}

impl Service {
    /// Asks those relays for a place that have given none.
    pub(super) fn listen_through_relays(&mut self, now: Instant) {
        for relay in self.relays.0.iter_mut().filter(|relay| relay.listener.is_none() && relay.next_try <= now) {
            relay.next_try = now + RELAY_PAUSE;
            match self.swarm.listen_on(relay.address.0.clone().with(Protocol::P2pCircuit)) {
                Ok(listener) => relay.listener = Some(listener),
                Err(error) => tracing::warn!(relay = %relay.address, "not reached through a relay: {error}"),
            }
        }
    }

    pub(super) fn kademlia_event(&mut self, event: KademliaEvent) {
        match event {
            KademliaEvent::Found(peer, addresses) => self.found(peer, addresses),
            KademliaEvent::Looked => tracing::debug!("Kademlia has looked for nodes"),
            KademliaEvent::Dropped => self.node.metrics().message_dropped("kademlia"),
        }
    }

    /// Takes what Kademlia has found, if it is what others may tell. Who told it is not known: all of it counts as told by one.
    fn found(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let clock = self.node.now();
        let Some(discovery) = &mut self.discovery else { return };
        let whole = addresses.into_iter().filter_map(|address| address.with_p2p(peer).ok());
        let parsed = whole.filter_map(|address| address.to_string().parse::<PeerAddress>().ok());
        let news = parsed.map(|address| AddressNews { address, services: Services::NODE, last_seen: clock });
        let told: Vec<AddressNews> = news.collect();
        let count = told.len() as u64;
        let refused = discovery.learn(told, Group::Name, clock);
        self.node.metrics().addresses_refused(refused);
        self.node.metrics().network().found_by_kademlia(count - refused);
    }

    /// A peer that was dialled can be reached where it was dialled. Anchors are told to nobody.
    pub(super) fn offer_dialled(&mut self, id: &PeerId) {
        let Some(peer) = self.peers.by_id(id).filter(|peer| peer.is_outbound()) else { return };
        let (key, address) = (peer.key, remote_address(peer));
        if socket(&address).is_some() && !self.is_anchor(key) {
            self.offer(id, vec![address]);
        }
    }

    /// A peer says where it can be reached. It is believed where it connects from there.
    pub(super) fn offer_told(&mut self, id: &PeerId, told: &[PeerAddress]) {
        let Some(at) = self.peers.by_id(id).and_then(|peer| socket(&remote_address(peer))) else { return };
        let Some(discovery) = &self.discovery else { return };
        let is_there = |address: &&PeerAddress| {
            address.ip().is_some_and(|ip| ip.to_canonical() == at.ip().to_canonical()) && discovery.admits(address)
        };
        let told = told.iter().filter(is_there).filter_map(|address| address.as_str().parse().ok());
        let told: Vec<Multiaddr> = told.collect();
        if !told.is_empty() {
            self.offer(id, told);
        }
    }

    fn offer(&mut self, id: &PeerId, addresses: Vec<Multiaddr>) {
        if let Some(kademlia) = self.swarm.behaviour_mut().kademlia.as_mut() {
            kademlia.add(id, addresses);
        }
    }

    /// A peer is told to nobody any more.
    pub(super) fn offer_no_more(&mut self, id: &PeerId) {
        if let Some(kademlia) = self.swarm.behaviour_mut().kademlia.as_mut() {
            kademlia.remove(id);
        }
    }

    /// Others can reach this node there, or cannot any more.
    pub(super) fn is_reachable(&self, address: &Multiaddr, is_so: bool) {
        tracing::info!(%address, "others {} reach this node there", if is_so { "can" } else { "cannot" });
        self.node.metrics().network().reached(if is_so { Reached::Address } else { Reached::AddressLost });
        self.note_addresses();
    }

    pub(super) fn circuit_event(&mut self, event: &relay::client::Event) {
        let what = match event {
            relay::client::Event::ReservationReqAccepted { relay_peer_id, renewal: false, .. } => {
                tracing::info!(relay = %relay_peer_id, "others reach this node through a relay");
                Reached::Reserved
            }
            relay::client::Event::ReservationReqAccepted { .. } => Reached::Renewed,
            relay::client::Event::OutboundCircuitEstablished { .. } => Reached::CircuitOut,
            relay::client::Event::InboundCircuitEstablished { .. } => Reached::CircuitIn,
        };
        self.node.metrics().network().reached(what);
    }

    pub(super) fn reaching_event(&mut self, event: ReachingEvent) {
        let what = match event {
            ReachingEvent::Asking(tested) => {
                tracing::debug!(address = %tested.tested_addr, by = %tested.server, "tested from outside: {:?}", tested.result);
                if tested.result.is_ok() { Reached::TestPassed } else { Reached::TestFailed }
            }
            ReachingEvent::Answering(tested) => {
                self.dialled_back(&tested.client);
                Reached::Tested
            }
            ReachingEvent::Upnp(event) => match event {
                upnp::Event::NewExternalAddr { external_addr, .. } => {
                    tracing::info!(address = %external_addr, "the router passes a port on");
                    Reached::Mapped
                }
                upnp::Event::ExpiredExternalAddr { .. } => Reached::MappingLost,
                upnp::Event::GatewayNotFound | upnp::Event::NonRoutableGateway => {
                    tracing::warn!("no router passes ports on by UPnP: {event:?}");
                    Reached::NoRouter
                }
            },
            ReachingEvent::Relay(event) => match event {
                relay::Event::ReservationReqAccepted { renewed: false, .. } => Reached::ReservationGiven,
                relay::Event::ReservationReqDenied { .. } => Reached::ReservationRefused,
                relay::Event::CircuitReqAccepted { .. } => Reached::CircuitGiven,
                relay::Event::CircuitReqDenied { .. } => Reached::CircuitRefused,
                _ => return,
            },
            ReachingEvent::Holes(event) => {
                tracing::debug!(peer = %event.remote_peer_id, "a direct connection in place of a circuit: {:?}", event.result);
                if event.result.is_ok() { Reached::HolePunched } else { Reached::NoHole }
            }
        };
        self.node.metrics().network().reached(what);
    }

    /// A peer had this node dial it, to see whether it can be reached; now that is seen.
    fn dialled_back(&mut self, client: &PeerId) {
        let Some(peer) = self.peers.by_id(client).filter(|peer| !peer.is_outbound()) else { return };
        let dialled = peer.connections.iter().skip(1).filter(|connection| connection.point.is_dialer());
        for connection in dialled.map(|connection| connection.id).collect::<Vec<_>>() {
            self.swarm.close_connection(connection);
        }
    }

    /// Ends circuits with peers that are connected directly by now, and have said hello: so that no answer to it is lost.
    pub(super) fn leave_circuits(&mut self) {
        let mut left: Vec<ConnectionId> = Vec::new();
        for peer in self.peers.iter().filter(|peer| peer.hello.is_some()) {
            if peer.connections.iter().any(|connection| !connection.point.is_relayed()) {
                let circuits = peer.connections.iter().filter(|connection| connection.point.is_relayed());
                left.extend(circuits.map(|connection| connection.id));
            }
        }
        for connection in left {
            self.swarm.close_connection(connection);
        }
    }
}
