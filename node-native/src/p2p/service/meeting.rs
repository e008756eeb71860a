//! Peers come, say hello, and go.

use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::ping;
use libp2p::request_response::{Event, Message, OutboundFailure};
use libp2p::swarm::{ConnectionId, DialError};
use qbtc_core::net::{Fault, Hello, IdentityError, KeyHash, PROTOCOL_VERSION};
use qbtc_core::sync::Input;

use super::{REFUSED_MAX, Service};
use crate::metrics::Direction;
use crate::p2p::allowance::Kind;
use crate::p2p::answers::hello;
use crate::p2p::behaviour::HELLO_TIME_MAX;
use crate::p2p::peers::{Connection, Peer};
use crate::p2p::place::host_of;
use crate::p2p::relay::RelayEvent;
use crate::p2p::spent::Left;
use crate::p2p::wire::{ExchangeEvent, Malformed};

/// The lowest version of the protocol that is understood here.
const VERSION_MIN: u32 = PROTOCOL_VERSION;

/// How often peers are told of a new tip at most: no more often than they bear.
const TELL_TIP_INTERVAL: Duration = Duration::from_secs(5);

/// Why this node parts with a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it is on another chain, {found}")]
    OtherChain { found: qbtc_core::hash::ChainId },
    #[error("it speaks version {found}: expected {VERSION_MIN} or above")]
    OldVersion { found: u32 },
    #[error("it has not said hello within {HELLO_TIME_MAX:?}, or cannot on this chain")]
    NoHello,
    #[error("it has not shown who it is, as all peers here must")]
    NoIdentity,
    #[error("it does not have the key that it shows: {error}")]
    FalseIdentity { error: IdentityError },
    #[error("its key {found} is none of those that are admitted")]
    OtherIdentity { found: KeyHash },
    #[error("it says hello all the time")]
    TooManyHellos,
    #[error("it sends more {kind} messages than anybody has to say")]
    TooMuch { kind: &'static str },
    #[error("it does not take what it is sent")]
    Slow,
    #[error("another peer is in greater need of its place")]
    Evicted,
    #[error("all places are taken")]
    Full,
    #[error("it sent what is no message")]
    Malformed,
    #[error("{fault}")]
    Fault { fault: Fault, is_banned: bool },
}

impl Refusal {
    /// Whether its address may not come back for a while. Of faults, the scores say so.
    pub(super) const fn earns_ban(&self) -> bool {
        match self {
            Self::FalseIdentity { .. } | Self::TooManyHellos | Self::TooMuch { .. } | Self::Malformed => true,
            Self::Fault { is_banned, .. } => *is_banned,
            Self::OtherChain { .. }
            | Self::OldVersion { .. }
            | Self::NoHello
            | Self::NoIdentity
            | Self::OtherIdentity { .. }
            | Self::Slow
            | Self::Evicted
            | Self::Full => false,
        }
    }

    /// One word, for a label.
    const fn label(&self) -> &'static str {
        match self {
            Self::OtherChain { .. } => "chain",
            Self::OldVersion { .. } => "version",
            Self::NoHello => "no_hello",
            Self::NoIdentity => "no_identity",
            Self::FalseIdentity { .. } => "false_identity",
            Self::OtherIdentity { .. } => "other_identity",
            Self::TooManyHellos => "hellos",
            Self::TooMuch { .. } => "too_much",
            Self::Slow => "slow",
            Self::Evicted => "evicted",
            Self::Full => "full",
            Self::Malformed => "malformed",
            Self::Fault { .. } => "fault",
        }
    }
}

impl Service {
    pub(super) fn connected(&mut self, id: PeerId, connection: ConnectionId, point: ConnectedPoint) {
        let link = self.links.take(&id, &point);
        let is_wanted = self.wanted.connected(connection, id);
        self.node.metrics().peer_connected(direction(&point), link.as_ref().map(|link| link.carrier.name()));
        let known = self.peers.by_id(&id);
        // Of two connections in the same direction one is too many; but one through a relay may become direct.
        let is_alike = |peer: &Peer| peer.connections.iter().any(|known| is_alike(&known.point, &point));
        let is_up =
            |peer: &Peer| peer.hello.is_some() && peer.connections.iter().any(|known| !known.point.is_relayed());
        let (is_up, is_again) = known.map_or((false, false), |peer| {
            // Whoever is parted with gets no more of them.
            (is_up(peer) && !peer.is_leaving, is_alike(peer) || peer.is_leaving)
        });
        // Who is there at an address that names nobody is known only now, and may be here already.
        let is_found = is_up && (self.led_to(&id, connection) || is_wanted);
        let is_inbound = point.is_listener();
        let (now, host) = (Instant::now(), host_of(point.get_remote_address()));
        let left = || self.spent.take(host, now).unwrap_or_else(|| Left::new(now));
        let is_first = self.peers.connect(id, Connection { id: connection, point, link, seal: None }, now, left);
        if is_again || is_found {
            self.swarm.close_connection(connection);
        } else if is_first {
            let own = hello(&self.node);
            self.swarm.behaviour_mut().hello.send_request(&id, Ok(own));
            if is_inbound {
                self.make_room(&id);
            }
        }
    }

    pub(super) fn disconnected(&mut self, id: PeerId, connection: ConnectionId, point: &ConnectedPoint) {
        // Whoever was dialled and has said no hello was not met.
        self.discovery_failed(connection, false);
        let link = self.peers.by_id(&id).and_then(|peer| {
            peer.connections.iter().find(|known| known.id == connection).and_then(|known| known.link.clone())
        });
        self.node.metrics().peer_disconnected(direction(point), link.map(|link| link.carrier.name()));
        let Some(peer) = self.peers.disconnect(&id, connection) else { return };
        let host = host_of(point.get_remote_address());
        if let Some(ip) = host {
            self.spent.keep(ip, peer.left, Instant::now());
        }
        let is_wanted = self.wanted.has(&id);
        self.wanted.gone(&id, peer.hello.is_some(), Instant::now());
        if peer.hello.is_some() {
            if let Some(ip) = host.filter(|_| !is_wanted && !peer.is_punished) {
                self.departed.add(peer.key, ip);
            }
            tracing::info!(peer = peer.key.0, id = %id, "peer disconnected");
            self.tell_relay(RelayEvent::Down { peer: peer.key });
            self.gone(&id, peer.key);
            self.tell(Input::PeerDown { peer: peer.key });
            self.count_peers();
        }
    }

    pub(super) fn dial_failed(&mut self, connection: ConnectionId, error: &DialError) {
        self.wanted.failed(connection, Instant::now());
        self.discovery_failed(connection, matches!(error, DialError::LocalPeerId { .. }));
        self.node.metrics().dial_failed();
        if matches!(error, DialError::LocalPeerId { .. }) {
            self.node.metrics().peer_refused("self");
        }
        tracing::debug!("a peer cannot be reached: {error}");
    }

    pub(super) fn hello_event(&mut self, event: ExchangeEvent<Hello, Hello>) {
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                // One that was on its way when the peer had to go is no flood.
                if self.peers.by_id(&peer).is_none_or(|peer| peer.is_leaving) {
                    return;
                }
                if !self.admits(&peer, Kind::Hello, 0) {
                    self.refuse(&peer, &Refusal::TooManyHellos);
                    return;
                }
                let own = hello(&self.node);
                // The peer may be gone by now.
                let _ = self.swarm.behaviour_mut().hello.send_response(channel, own);
                match request {
                    Ok(hello) => self.greeted(&peer, hello),
                    Err(Malformed) => self.refuse(&peer, &Refusal::Malformed),
                }
            }
            Event::Message { peer, message: Message::Response { request_id, response }, .. } => {
                if let Some(asked) = self.pinged.remove(&request_id) {
                    self.answered_in(&peer, asked.elapsed());
                }
                self.greeted(&peer, response);
            }
            Event::OutboundFailure { peer, connection_id, request_id, error } => {
                self.pinged.remove(&request_id);
                // It may have said hello by itself, or be gone.
                if self.peers.by_id(&peer).is_none_or(|known| known.hello.is_some()) {
                    return;
                }
                if !self.is_there_beside(&peer, connection_id, &error) {
                    self.refuse(&peer, &Refusal::NoHello);
                } else if matches!(error, OutboundFailure::ConnectionClosed) {
                    // As often as a connection ends, and for as long as a hello may take.
                    let own = hello(&self.node);
                    self.swarm.behaviour_mut().hello.send_request(&peer, Ok(own));
                }
            }
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }

    /// A peer has said who it is.
    fn greeted(&mut self, id: &PeerId, hello: Hello) {
        if hello.chain_id != self.node.spec().chain_id() {
            return self.refuse(id, &Refusal::OtherChain { found: hello.chain_id });
        }
        if hello.version < VERSION_MIN {
            return self.refuse(id, &Refusal::OldVersion { found: hello.version });
        }
        let now = self.node.now();
        let Some(peer) = self.peers.by_id(id).filter(|peer| !peer.is_leaving) else { return };
        peer.time_offset = hello.time.seconds_since(now);
        if let Some(known) = &mut peer.hello {
            let (peer, before) = (peer.key, std::mem::replace(known, hello.clone()));
            // Both say hello, and both answer: the second one says nothing new.
            if before.fee_rate_min != hello.fee_rate_min {
                self.tell_relay(RelayEvent::Told { peer, fee_rate_min: hello.fee_rate_min });
            }
            if before.tip != hello.tip {
                self.tell(Input::Told { peer, hello });
            }
        } else if let Some(waiting) = peer.asked_identity.as_mut().and_then(|asked| asked.hello.as_mut()) {
            *waiting = hello;
        } else if let Some(hello) = self.ask_identity(id, hello) {
            self.up(id, hello);
        }
    }

    /// A peer has shown all that it must.
    pub(super) fn up(&mut self, id: &PeerId, hello: Hello) {
        let Some(peer) = self.peers.by_id(id) else { return };
        peer.hello = Some(hello.clone());
        let (key, is_outbound) = (peer.key, peer.is_outbound());
        if let Some(connection) = peer.connections.first() {
            tracing::info!(
                peer = key.0,
                id = %id,
                address = %connection.point.get_remote_address(),
                direction = direction(&connection.point).name(),
                transport = connection.link.as_ref().map_or("?", |link| link.carrier.name()),
                key_exchange = connection.link.as_ref().map_or_else(|| "?".to_owned(), |link| link.key_exchange.to_string()),
                height = hello.height.0,
                runs = hello.user_agent.as_str(),
                "peer connected"
            );
        }
        self.count_peers();
        self.met(id, hello.services);
        self.offer_dialled(id);
        let is_for_stem = is_outbound && !self.is_anchor(key);
        self.tell_relay(RelayEvent::Up { peer: key, is_for_stem, fee_rate_min: hello.fee_rate_min });
        self.tell(Input::PeerUp { peer: key, hello, is_outbound });
    }

    /// Tells all peers of a new tip, now and then: those that are new to them come as compact blocks, but not those that this node has caught
    /// up with.
    pub(super) fn tell_tip(&mut self, now: Instant) {
        let tip = self.node.tip().borrow().id;
        if tip == self.told_tip || now.duration_since(self.told_tip_at) < TELL_TIP_INTERVAL {
            return;
        }
        (self.told_tip, self.told_tip_at) = (tip, now);
        let own = hello(&self.node);
        for peer in self.peers.iter().filter(|peer| peer.hello.is_some() && !peer.is_leaving) {
            self.swarm.behaviour_mut().hello.send_request(&peer.id, Ok(own.clone()));
        }
    }

    pub(super) fn pinged(&mut self, event: &ping::Event) {
        match event.result {
            Ok(took) => self.answered_in(&event.peer, took),
            // Whoever does not know pings is none the worse for it.
            Err(ping::Failure::Unsupported) => {}
            Err(_) => drop(self.swarm.close_connection(event.connection)),
        }
    }

    fn answered_in(&mut self, peer: &PeerId, took: Duration) {
        if let Some(peer) = self.peers.by_id(peer) {
            peer.ping = Some(took);
            peer.ping_least = Some(peer.ping_least.map_or(took, |least| least.min(took)));
        }
    }

    pub(super) fn part_with_the_silent(&mut self, now: Instant) {
        let is_silent = |since: Instant| now.duration_since(since) > HELLO_TIME_MAX;
        let silent = self.peers.iter().filter(|peer| peer.hello.is_none() && is_silent(peer.since) && !peer.is_leaving);
        let why = |is_known: bool| if is_known { Refusal::NoIdentity } else { Refusal::NoHello };
        for (id, why) in silent.map(|peer| (peer.id, why(peer.asked_identity.is_some()))).collect::<Vec<_>>() {
            self.refuse(&id, &why);
        }
    }

    /// Parts with a peer. Logged once, counted each time.
    pub(super) fn refuse(&mut self, id: &PeerId, why: &Refusal) {
        let Some(peer) = self.peers.by_id(id) else { return };
        let is_leaving = std::mem::replace(&mut peer.is_leaving, true);
        if why.earns_ban() {
            // Whoever has to go for another reason has earned it all the same.
            self.punish(id, why);
        }
        if is_leaving {
            return;
        }
        self.node.metrics().peer_refused(why.label());
        if self.refused.len() >= REFUSED_MAX {
            self.refused.clear();
        }
        if self.refused.insert(*id) {
            tracing::info!(%id, "parting with a peer: {why}");
        } else {
            tracing::debug!(%id, "parting with a peer again: {why}");
        }
        // It may be gone by now.
        let _ = self.swarm.disconnect_peer_id(*id);
    }

    /// Shows what adds up by itself.
    pub(super) fn count_network(&self) {
        let counters = self.node.metrics().network();
        counters.set_banned(self.shared.bans.read().on(self.node.now()).count());
        for (carrier, (received, sent)) in self.peers.bytes() {
            counters.set_peer_bytes(carrier.name(), received, sent);
        }
    }

    fn count_peers(&self) {
        let up = self.peers.iter().filter(|peer| peer.hello.is_some()).count();
        self.node.metrics().set_peers(up as u64);
    }
}

fn is_alike(one: &ConnectedPoint, other: &ConnectedPoint) -> bool {
    one.is_dialer() == other.is_dialer() && one.is_relayed() == other.is_relayed()
}

fn direction(point: &ConnectedPoint) -> Direction {
    if point.is_dialer() { Direction::Outbound } else { Direction::Inbound }
}
