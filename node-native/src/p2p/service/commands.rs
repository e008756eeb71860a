//! What the operator and the synchronisation want.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use libp2p::multiaddr::Protocol;
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId};
use qbtc_core::net::seal::Answerer;
use qbtc_core::sync::Input;

use super::Service;
use super::answering::Question;
use super::meeting::Refusal;
use crate::p2p::address::{NodeAddress, peer_id};
use crate::p2p::answers::hello;
use crate::p2p::handle::{Command, PeerInfo, PeerName, WantedInfo};
use crate::p2p::peers::Peer;
use crate::p2p::place::{ip_of, socket};
use crate::p2p::sync_link::SyncCommand;

/// How often peers are pinged by hand: well below the hellos that they bear.
const PING_INTERVAL_MIN: Duration = Duration::from_secs(5);

impl Service {
    pub(super) fn obey(&mut self, command: Command) {
        // Whoever asked may be gone.
        match command {
            Command::Peers(reply) => drop(reply.send(self.peer_infos())),
            Command::Wanted(reply) => drop(reply.send(self.wanted_infos())),
            Command::Add(address, reply) => {
                let is_added = self.wanted.add(address, Instant::now());
                self.dial_wanted(Instant::now());
                let _ = reply.send(is_added);
            }
            Command::Remove(address, reply) => drop(reply.send(self.wanted.remove(&address))),
            Command::Dial(address, reply) => {
                if let Err(error) = self.dial(&address) {
                    tracing::debug!(%address, "a peer is not dialled: {error}");
                }
                let _ = reply.send(());
            }
            Command::Disconnect(name, reply) => {
                let peer = self.named(&name);
                let is_there = peer.is_some_and(|peer| self.swarm.disconnect_peer_id(peer).is_ok());
                let _ = reply.send(is_there);
            }
            Command::BansChanged(reply) => {
                self.part_with_the_banned();
                let _ = reply.send(());
            }
            Command::Nodes(most, reply) => drop(reply.send(self.known_nodes(most))),
            Command::Ping(reply) => {
                self.ping_all(Instant::now());
                let _ = reply.send(());
            }
        }
    }

    /// Says hello to all peers once more: pings by libp2p come when they come.
    fn ping_all(&mut self, now: Instant) {
        if self.last_ping.is_some_and(|last| now.duration_since(last) < PING_INTERVAL_MIN) {
            return;
        }
        self.last_ping = Some(now);
        let (own, hello) = (hello(&self.node), &mut self.swarm.behaviour_mut().hello);
        for peer in self.peers.iter().filter(|peer| peer.hello.is_some() && !peer.is_leaving) {
            self.pinged.insert(hello.send_request(&peer.id, Ok(own.clone())), now);
        }
    }

    pub(super) fn obey_sync(&mut self, command: SyncCommand) {
        match command {
            SyncCommand::Ask { peer, request, question } => match self.peers.by_key(peer) {
                Some(id) => self.ask(&id, Question { peer, request, question, is_again: false }),
                None => self.tell(Input::Unanswered { request }),
            },
            SyncCommand::Verdict { announcement, verdict } => {
                let giver =
                    self.undecided.decide(announcement.0, verdict, &mut self.swarm.behaviour_mut().gossip.inner);
                if let Some(peer) = giver.and_then(|id| self.peers.by_id(&id)) {
                    peer.last_block = Some(Instant::now());
                }
            }
            SyncCommand::Disconnect { peer, fault, is_banned } => {
                let why = Refusal::Fault { fault, is_banned };
                match self.peers.by_key(peer) {
                    Some(id) => self.refuse(&id, &why),
                    None => self.blame(peer, &why),
                }
            }
        }
    }

    /// Dials those of the wanted nodes whose time has come.
    pub(super) fn dial_wanted(&mut self, now: Instant) {
        for node in self.wanted.due(now) {
            let peer = node.address.peer();
            if let Some(peer) = peer.filter(|peer| self.peers.has(peer)) {
                node.found(peer);
                continue;
            }
            let options = node.address.dial_options();
            let connection = options.connection_id();
            node.dialling(connection);
            self.swarm.behaviour_mut().gate.wants(connection);
            if let Err(error) = self.swarm.dial(options) {
                self.swarm.behaviour_mut().gate.wants_no_more(connection);
                tracing::debug!(address = %node.address, "a peer is not dialled: {error}");
                node.fail(now);
            }
        }
    }

    fn dial(&mut self, address: &NodeAddress) -> Result<ConnectionId, DialError> {
        let options = address.dial_options();
        let connection = options.connection_id();
        self.swarm.dial(options).map(|()| connection)
    }

    fn named(&self, name: &PeerName) -> Option<PeerId> {
        match name {
            PeerName::Key(key) => self.peers.by_key(*key),
            PeerName::Text(text) => {
                if let Some(id) = peer_id(text) {
                    return Some(id).filter(|id| self.peers.has(id));
                }
                let address: Option<SocketAddr> = text.parse().ok();
                let is_meant = |peer: &&Peer| {
                    let remote = remote_address(peer);
                    remote.to_string() == *text || address.is_some() && socket(&remote) == address
                };
                self.peers.iter().find(is_meant).map(|peer| peer.id)
            }
        }
    }

    fn peer_infos(&self) -> Vec<PeerInfo> {
        let mut all: Vec<PeerInfo> =
            self.peers.iter().filter(|peer| peer.hello.is_some()).map(|peer| self.info(peer)).collect();
        all.sort_unstable_by_key(|peer| peer.key);
        all
    }

    fn info(&self, peer: &Peer) -> PeerInfo {
        let links = || peer.connections.iter().filter_map(|connection| connection.link.as_ref());
        let address = remote_address(peer);
        let reached = peer.connections.first().and_then(|connection| match &connection.point {
            // Where a connection was handed in, its own end is not known.
            libp2p::core::ConnectedPoint::Listener { local_addr, .. } => {
                ip_of(local_addr).is_none_or(|ip| !ip.is_unspecified()).then(|| local_addr.to_string())
            }
            libp2p::core::ConnectedPoint::Dialer { .. } => None,
        });
        PeerInfo {
            key: peer.key,
            id: peer.id.to_string(),
            socket: socket(&address),
            address: address.to_string(),
            reached,
            is_outbound: peer.is_outbound(),
            is_wanted: self.wanted.has(&peer.id),
            identity: peer.identity,
            carrier: links().next().map(|link| link.carrier),
            key_exchange: links().next().map(|link| link.key_exchange),
            seal: peer.connections.iter().find_map(|connection| connection.seal.as_ref().map(Answerer::id)),
            hello: peer.hello.clone(),
            time_offset: peer.time_offset,
            received: links().map(|link| link.traffic.received()).sum(),
            sent: links().map(|link| link.traffic.sent()).sum(),
            ping: peer.ping,
            ping_least: peer.ping_least,
            since: peer.since_clock,
        }
    }

    fn wanted_infos(&mut self) -> Vec<WantedInfo> {
        let wanted: Vec<_> = self.wanted.iter().map(|node| (node.address.clone(), node.peer())).collect();
        let found = wanted.into_iter().map(|(address, peer)| {
            let peer = peer.and_then(|peer| self.peers.by_id(&peer)).filter(|peer| peer.hello.is_some());
            WantedInfo { address, connected: peer.map(|peer| (remote_address(peer).to_string(), peer.is_outbound())) }
        });
        found.collect()
    }
}

/// Where a peer is, without its id.
pub(super) fn remote_address(peer: &Peer) -> Multiaddr {
    let first = peer.connections.first().map(|connection| connection.point.get_remote_address().clone());
    first.unwrap_or_else(Multiaddr::empty).iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect()
}
