//! How nodes behind routers are reached: AutoNAT, UPnP, relays and hole punching, all of libp2p.
//!
//! Invariants: what strangers say this node's addresses are is bounded and only a candidate until somebody else has reached it there; what
//! strangers ask this node to dial is a public IP address (or any, where private ones are taken), and few at a time.

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroU32;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, autonat, dcutr, relay, upnp};
use qbtc_core::net::addresses::{Group, PeerAddress, Reach};

use super::address::NodeAddress;
use super::candidates::Candidates;
use super::place::is_circuit;

/// How a node is to be reached. By default, where it listens and no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReachOptions {
    /// Peers are asked whether they can reach this node, and are told whether it can reach them.
    pub autonat: bool,
    /// The router is asked to pass ports on. This sends multicast.
    pub upnp: bool,
    /// Others may be reached through this node.
    pub relay: bool,
    /// Connections through relays are made direct where routers let them.
    pub hole_punching: bool,
    /// Nodes through which this one can be reached.
    pub relays: Vec<NodeAddress>,
}

/// The most dials at once that strangers ask for.
const DIALS_MAX: usize = 4;
/// How many peers may be reached through this node.
const RESERVATIONS_MAX: usize = 128;
const RESERVATIONS_PER_PEER_MAX: usize = 1;
const RESERVATION_TIME: Duration = Duration::from_secs(3_600);
/// How many connections go through this node at once, for how long, and how many bytes each may carry one way: enough to follow a chain, not to
/// fetch one.
const CIRCUITS_MAX: usize = 32;
pub(super) const CIRCUITS_PER_PEER_MAX: usize = 4;
const CIRCUIT_TIME_MAX: Duration = Duration::from_secs(3_600);
const CIRCUIT_BYTES_MAX: u64 = 256 << 20;
/// How many reservations and circuits one peer, and one address, may ask for in an hour.
const ASKED_PER_PEER_MAX: NonZeroU32 = NonZeroU32::new(30).expect("it is not zero");
const ASKED_PER_ADDRESS_MAX: NonZeroU32 = NonZeroU32::new(60).expect("it is not zero");
const HOUR: Duration = Duration::from_secs(3_600);
/// What a circuit holds of what it carries, one way: a constant of libp2p-relay.
pub(super) const CIRCUIT_BUFFER_BYTES: usize = 8 << 10;
/// The most bytes of a message of relays, hole punching or AutoNAT, and the most that are read at once of each, on a connection; libp2p's constants.
pub(super) const MESSAGE_BYTES_MAX: usize = 8 << 10;
pub(super) const STREAMS_MAX: usize = 10;

/// What libp2p does for it.
#[derive(NetworkBehaviour)]
pub(super) struct Reaching {
    asking: Toggle<autonat::v2::client::Behaviour>,
    pub(super) answering: Toggle<autonat::v2::server::Behaviour>,
    upnp: Toggle<upnp::tokio::Behaviour>,
    relay: Toggle<relay::Behaviour>,
    holes: Toggle<dcutr::Behaviour>,
}

impl Reaching {
    fn new(own: PeerId, options: &ReachOptions) -> Self {
        Self {
            asking: options.autonat.then(autonat::v2::client::Behaviour::default).into(),
            answering: options.autonat.then(autonat::v2::server::Behaviour::default).into(),
            upnp: options.upnp.then(upnp::tokio::Behaviour::default).into(),
            relay: options.relay.then(|| relay::Behaviour::new(own, limits())).into(),
            holes: options.hole_punching.then(|| dcutr::Behaviour::new(own)).into(),
        }
    }
}

fn limits() -> relay::Config {
    let none = relay::Config {
        reservation_rate_limiters: Vec::new(),
        circuit_src_rate_limiters: Vec::new(),
        ..relay::Config::default()
    };
    let limited = relay::Config {
        max_reservations: RESERVATIONS_MAX,
        max_reservations_per_peer: RESERVATIONS_PER_PEER_MAX,
        reservation_duration: RESERVATION_TIME,
        max_circuits: CIRCUITS_MAX,
        max_circuits_per_peer: CIRCUITS_PER_PEER_MAX,
        max_circuit_duration: CIRCUIT_TIME_MAX,
        max_circuit_bytes: CIRCUIT_BYTES_MAX,
        ..none
    };
    limited
        .reservation_rate_per_peer(ASKED_PER_PEER_MAX, HOUR)
        .reservation_rate_per_ip(ASKED_PER_ADDRESS_MAX, HOUR)
        .circuit_src_per_peer(ASKED_PER_PEER_MAX, HOUR)
        .circuit_src_per_ip(ASKED_PER_ADDRESS_MAX, HOUR)
}

/// [`Reaching`], with bounds on what strangers can make of it.
pub(super) struct Bounded {
    inner: Reaching,
    takes_private: bool,
    candidates: Candidates,
    /// Who has last said where this node is.
    speaker: Group,
    /// Where this node is taken to be no more.
    ended: VecDeque<Multiaddr>,
    /// Dials that strangers asked for and that are under way.
    dials: HashSet<ConnectionId>,
}

/// This node does not dial whatever strangers name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a peer asked for a dial that is not for it to ask")]
struct NotForStrangers;

impl Bounded {
    pub(super) fn new(own: PeerId, options: &ReachOptions, takes_private: bool) -> Self {
        let inner = Reaching::new(own, options);
        Self {
            inner,
            takes_private,
            candidates: Candidates::default(),
            speaker: Group::Name,
            ended: VecDeque::new(),
            dials: HashSet::new(),
        }
    }

    /// What is said next of where this node is, somebody of this group says.
    pub(super) fn listen_to(&mut self, group: Group) {
        self.speaker = group;
    }

    /// Whether an address that a stranger named is looked into: an IP address and a port, and no way through others.
    fn admits(&self, address: &Multiaddr) -> bool {
        let named = address.to_string().parse::<PeerAddress>().ok();
        let is_direct = !is_circuit(address);
        let may = |at: PeerAddress| at.ip().is_some() && (self.takes_private || at.reach() == Reach::Public);
        is_direct && named.is_some_and(may)
    }

    /// Whether it may be this node's own.
    fn is_candidate(&mut self, address: &Multiaddr) -> bool {
        self.admits(address) && self.candidates.named(address, self.speaker, Instant::now())
    }
}

impl NetworkBehaviour for Bounded {
    type ConnectionHandler = <Reaching as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = ReachingEvent;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(connection, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let is_asked_for = self.dials.contains(&connection);
        if is_asked_for && (self.dials.len() > DIALS_MAX || !addresses.iter().all(|address| self.admits(address))) {
            return Err(ConnectionDenied::new(NotForStrangers));
        }
        self.inner.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::NewExternalAddrCandidate(candidate) if !self.is_candidate(candidate.addr) => return,
            FromSwarm::ExternalAddrConfirmed(confirmed) => self.ended.extend(self.candidates.confirmed(confirmed.addr)),
            FromSwarm::DialFailure(failure) => drop(self.dials.remove(&failure.connection_id)),
            FromSwarm::ConnectionEstablished(made) => drop(self.dials.remove(&made.connection_id)),
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(address) = self.ended.pop_front() {
            return Poll::Ready(ToSwarm::ExternalAddrExpired(address));
        }
        let step = self.inner.poll(cx);
        if let Poll::Ready(ToSwarm::Dial { opts }) = &step {
            self.dials.insert(opts.connection_id());
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use libp2p::swarm::NewExternalAddrCandidate;

    use super::*;

    fn bounded(takes_private: bool) -> Bounded {
        let options = ReachOptions { autonat: true, hole_punching: true, relay: true, ..ReachOptions::default() };
        Bounded::new(PeerId::random(), &options, takes_private)
    }

    #[tokio::test]
    async fn strangers_do_not_choose_what_is_dialled() {
        let (mut public, mut any) = (bounded(false), bounded(true));
        let mut check = |address: &str| {
            let addresses = [address.parse::<Multiaddr>().unwrap()];
            [&mut public, &mut any].map(|bounded| {
                let id = ConnectionId::new_unchecked(1);
                bounded.dials = HashSet::from([id]);
                bounded.handle_pending_outbound_connection(id, None, &addresses, Endpoint::Dialer).is_ok()
            })
        };
        assert_eq!(check("/ip4/8.8.8.8/tcp/1"), [true, true]);
        assert_eq!(check("/ip4/127.0.0.1/tcp/22"), [false, true]);
        assert_eq!(check("/ip4/10.0.0.1/udp/53/quic-v1"), [false, true]);
        assert_eq!(check("/ip6/::ffff:10.0.0.1/tcp/1"), [false, true]);
        assert_eq!(check("/dns/victim.example/tcp/443"), [false, false]);
        let relay = PeerId::random();
        assert_eq!(check(&format!("/ip4/8.8.8.8/tcp/1/p2p/{relay}/p2p-circuit")), [false, false]);
        // What the node dials by itself is not asked about here.
        let own = ["/ip4/10.0.0.1/tcp/1".parse().unwrap()];
        let id = ConnectionId::new_unchecked(2);
        assert!(public.handle_pending_outbound_connection(id, None, &own, Endpoint::Dialer).is_ok());
    }

    #[tokio::test]
    async fn strangers_dial_a_few_at_a_time() {
        let mut bounded = bounded(false);
        bounded.dials = (0..=DIALS_MAX).map(ConnectionId::new_unchecked).collect();
        let (id, to) = (ConnectionId::new_unchecked(0), ["/ip4/8.8.8.8/tcp/1".parse().unwrap()]);
        assert!(bounded.handle_pending_outbound_connection(id, None, &to, Endpoint::Dialer).is_err());
        bounded.dials.remove(&ConnectionId::new_unchecked(1));
        assert!(bounded.handle_pending_outbound_connection(id, None, &to, Endpoint::Dialer).is_ok());
    }

    #[tokio::test]
    async fn few_addresses_are_looked_into() {
        let mut bounded = bounded(false);
        for group in 0..=u8::MAX {
            bounded.listen_to(Group::Ip4([8, group]));
            for port in 1..=100 {
                for address in [format!("/ip4/8.8.{group}.8/tcp/{port}"), format!("/ip4/10.0.0.1/tcp/{port}")] {
                    let addr = &address.parse().unwrap();
                    bounded.on_swarm_event(FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr }));
                }
            }
        }
        assert_eq!(bounded.candidates.count(|address| address.to_string().starts_with("/ip4/8.8.")), 64);
        assert_eq!(bounded.candidates.count(|_| true), 64);
    }
}
