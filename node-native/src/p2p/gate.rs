//! Who is banned gets no connection, neither in nor out; and from one place come only so many.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};
use libp2p::{Multiaddr, PeerId};
use parking_lot::RwLock;
use qbtc_core::net::BanList;

use super::inbound::{Inbound, InboundMax};
use super::place::{ip_of, is_circuit};
use crate::node::Node;

/// The bans of a running node. Clones are the same.
pub(super) type Bans = Arc<RwLock<BanList>>;

/// What refuses connections.
pub(super) struct Gate {
    node: Node,
    bans: Bans,
    inbound: Inbound,
    /// Dials of nodes that the operator wants.
    wanted: HashSet<ConnectionId>,
}

/// Too many connections come from one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("enough connections come from {0} and its network")]
pub(super) struct Crowded(IpAddr);

/// An address is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is banned")]
pub(super) struct Banned(IpAddr);

impl Gate {
    pub(super) fn new(node: &Node, bans: Bans, inbound: InboundMax) -> Self {
        Self { node: node.clone(), bans, inbound: Inbound::new(inbound), wanted: HashSet::new() }
    }

    /// This connection is to be with a node that the operator wants.
    pub(super) fn wants(&mut self, connection: ConnectionId) {
        self.wanted.insert(connection);
    }

    /// It is made, or came to nothing.
    pub(super) fn wants_no_more(&mut self, connection: ConnectionId) {
        self.wanted.remove(&connection);
    }

    fn check(&self, address: &Multiaddr, is_wanted: bool) -> Result<(), ConnectionDenied> {
        let Some(ip) = ip_of(address) else { return Ok(()) };
        if !self.bans.read().refuses(ip, is_wanted, self.node.now()) {
            return Ok(());
        }
        self.node.metrics().peer_refused("banned");
        Err(ConnectionDenied::new(Banned(ip)))
    }
}

/// Where a connection comes from. Of those that come through a relay only the relay's address is known: all of them come from there.
fn origin<'a>(local: &'a Multiaddr, remote: &'a Multiaddr) -> &'a Multiaddr {
    if is_circuit(local) { local } else { remote }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = std::convert::Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let from = origin(local, remote);
        self.check(from, false)?;
        match ip_of(from) {
            Some(ip) if !self.inbound.begin(connection, ip) => {
                self.node.metrics().peer_refused("crowded");
                Err(ConnectionDenied::new(Crowded(ip)))
            }
            _ => Ok(()),
        }
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        // A ban may have come during the handshake.
        self.check(origin(local, remote), false).map(|()| dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let is_wanted = self.wanted.contains(&connection);
        addresses.iter().try_for_each(|address| self.check(address, is_wanted)).map(|()| Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(address, self.wanted.contains(&connection)).map(|()| dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ListenFailure(failure) => self.inbound.end(failure.connection_id),
            FromSwarm::DialFailure(failure) => self.wants_no_more(failure.connection_id),
            FromSwarm::ConnectionEstablished(made) => self.wants_no_more(made.connection_id),
            FromSwarm::ConnectionClosed(closed) => self.inbound.end(closed.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
