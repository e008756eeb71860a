//! The peers that are connected, and what is known of each.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;
use qbtc_core::net::seal::Answerer;
use qbtc_core::net::{Hello, KeyHash};
use qbtc_core::sync::PeerKey;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::answers::ANSWERS_PER_PEER_MAX;
use super::service::Asked;
use super::spent::Left;
use super::transport::link::{Carrier, Link};

/// A peer with at least one connection.
pub(super) struct Peer {
    pub(super) key: PeerKey,
    pub(super) id: PeerId,
    /// The oldest first.
    pub(super) connections: Vec<Connection>,
    pub(super) since: Instant,
    pub(super) since_clock: SystemTime,
    /// What it said last.
    pub(super) hello: Option<Hello>,
    /// How far its clock was ahead then, in seconds.
    pub(super) time_offset: i64,
    pub(super) ping: Option<Duration>,
    pub(super) ping_least: Option<Duration>,
    /// The key that it has shown.
    pub(super) identity: Option<KeyHash>,
    /// What it was asked to show that.
    pub(super) asked_identity: Option<Asked>,
    /// A permit for each answer that is on its way to it.
    pub(super) answers: Arc<Semaphore>,
    /// Cancelled once it is gone: what waits to be answered ends then.
    pub(super) gone: CancellationToken,
    /// What is left of what it may send, and be told.
    pub(super) left: Left,
    /// When it last gave a transaction, or a block, that was new here.
    pub(super) last_transaction: Option<Instant>,
    pub(super) last_block: Option<Instant>,
    /// Since when gossip for it has found no room.
    pub(super) slow_since: Option<Instant>,
    /// When that was noted last.
    pub(super) slow_at: Option<Instant>,
    /// Whether an end was put to it, and it only has to go.
    pub(super) is_leaving: bool,
    /// Whether it has earned a ban: one is enough for what comes to light of it.
    pub(super) is_punished: bool,
}

/// One of a peer's connections.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) point: ConnectedPoint,
    pub(super) link: Option<Link>,
    /// Under which it asks as a light client, if it has asked for one.
    pub(super) seal: Option<Answerer>,
}

/// All peers, by their id and by their number.
#[derive(Default)]
pub(super) struct Peers {
    all: HashMap<PeerId, Peer>,
    ids: HashMap<PeerKey, PeerId>,
    last_key: u64,
    /// Bytes that came and went over connections that have ended.
    ended: BTreeMap<Carrier, (u64, u64)>,
}

/// The most peers that are remembered once they are gone.
const DEPARTED_MAX: usize = 1_024;

/// Peers that went a while ago, since what they did may come to light only now. The oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Departed(VecDeque<(PeerKey, IpAddr)>);

impl Departed {
    /// A peer is gone that was at this address.
    pub(super) fn add(&mut self, peer: PeerKey, ip: IpAddr) {
        if self.0.len() >= DEPARTED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((peer, ip));
    }

    /// Where a peer was. It is forgotten.
    pub(super) fn take(&mut self, peer: PeerKey) -> Option<IpAddr> {
        let index = self.0.iter().position(|(key, _)| *key == peer)?;
        self.0.remove(index).map(|(_, ip)| ip)
    }
}

impl Peer {
    /// Whether this node made the first connection.
    pub(super) fn is_outbound(&self) -> bool {
        self.connections.first().is_some_and(|connection| connection.point.is_dialer())
    }
}

impl Peers {
    /// Notes a connection; `left` tells what its peer may still do if it is that one's first. Whether it is.
    pub(super) fn connect(
        &mut self,
        id: PeerId,
        connection: Connection,
        now: Instant,
        left: impl FnOnce() -> Left,
    ) -> bool {
        if let Some(peer) = self.all.get_mut(&id) {
            peer.connections.push(connection);
            return false;
        }
        self.last_key += 1;
        let key = PeerKey(self.last_key);
        let peer = Peer {
            key,
            id,
            connections: vec![connection],
            since: now,
            since_clock: SystemTime::now(),
            hello: None,
            time_offset: 0,
            ping: None,
            ping_least: None,
            identity: None,
            asked_identity: None,
            answers: Arc::new(Semaphore::new(ANSWERS_PER_PEER_MAX)),
            gone: CancellationToken::new(),
            left: left(),
            last_transaction: None,
            last_block: None,
            slow_since: None,
            slow_at: None,
            is_leaving: false,
            is_punished: false,
        };
        self.ids.insert(key, id);
        self.all.insert(id, peer);
        true
    }

    /// Forgets a connection. The peer, if it was its last.
    pub(super) fn disconnect(&mut self, id: &PeerId, connection: ConnectionId) -> Option<Peer> {
        let peer = self.all.get_mut(id)?;
        for gone in peer.connections.extract_if(.., |known| known.id == connection) {
            count(&gone, &mut self.ended);
        }
        if !peer.connections.is_empty() {
            return None;
        }
        peer.gone.cancel();
        self.ids.remove(&peer.key);
        self.all.remove(id)
    }

    pub(super) fn by_id(&mut self, id: &PeerId) -> Option<&mut Peer> {
        self.all.get_mut(id)
    }

    pub(super) fn by_key(&self, key: PeerKey) -> Option<PeerId> {
        self.ids.get(&key).copied()
    }

    pub(super) fn has(&self, id: &PeerId) -> bool {
        self.all.contains_key(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.all.values()
    }

    /// The bytes that came and went so far, by what carried them.
    pub(super) fn bytes(&self) -> BTreeMap<Carrier, (u64, u64)> {
        let mut bytes = self.ended.clone();
        self.all.values().flat_map(|peer| &peer.connections).for_each(|connection| count(connection, &mut bytes));
        bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// Adds what went over a connection.
fn count(connection: &Connection, bytes: &mut BTreeMap<Carrier, (u64, u64)>) {
    if let Some(link) = &connection.link {
        let (received, sent) = bytes.entry(link.carrier).or_default();
        *received += link.traffic.received();
        *sent += link.traffic.sent();
    }
}

#[cfg(test)]
mod tests {
    use libp2p::core::Endpoint;
    use libp2p::core::transport::PortUse;

    use super::super::transport::link::KeyExchange;
    use super::*;

    #[test]
    fn who_has_no_connection_left_is_gone() {
        let (mut peers, id) = (Peers::default(), PeerId::random());
        let address: libp2p::Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
        for number in [1, 2] {
            let point = ConnectedPoint::Dialer {
                address: address.clone(),
                role_override: Endpoint::Dialer,
                port_use: PortUse::New,
            };
            let connection = Connection { id: ConnectionId::new_unchecked(number), point, link: None, seal: None };
            peers.connect(id, connection, Instant::now(), || Left::new(Instant::now()));
        }
        let gone = peers.by_id(&id).unwrap().gone.clone();
        assert!(peers.disconnect(&id, ConnectionId::new_unchecked(1)).is_none() && !gone.is_cancelled());
        assert!(peers.disconnect(&id, ConnectionId::new_unchecked(2)).is_some() && gone.is_cancelled());
    }

    #[test]
    fn what_went_over_connections_is_counted_also_once_they_have_ended() {
        let (mut peers, id) = (Peers::default(), PeerId::random());
        for (number, carrier) in [(1, Carrier::Quic), (2, Carrier::Tcp), (3, Carrier::Quic)] {
            let point = ConnectedPoint::Listener {
                local_addr: "/ip4/192.0.2.1/tcp/1".parse().unwrap(),
                send_back_addr: "/ip4/192.0.2.2/tcp/1".parse().unwrap(),
            };
            let link = Link::new(carrier, KeyExchange::X25519MlKem768);
            link.traffic.add_received(number);
            link.traffic.add_sent(10 * number);
            let connection =
                Connection { id: ConnectionId::new_unchecked(number), point, link: Some(link), seal: None };
            peers.connect(id, connection, Instant::now(), || Left::new(Instant::now()));
        }
        let all = BTreeMap::from([(Carrier::Tcp, (2, 20)), (Carrier::Quic, (4, 40))]);
        assert_eq!(peers.bytes(), all);
        for number in 1..=3 {
            peers.disconnect(&id, ConnectionId::new_unchecked(number));
            assert_eq!(peers.bytes(), all);
        }
    }

    #[test]
    fn the_oldest_of_the_departed_are_forgotten() {
        let (mut departed, ip) = (Departed::default(), IpAddr::from([192, 0, 2, 1]));
        for number in 0..=DEPARTED_MAX as u64 {
            departed.add(PeerKey(number), ip);
        }
        assert_eq!((departed.take(PeerKey(0)), departed.0.len()), (None, DEPARTED_MAX));
        assert_eq!((departed.take(PeerKey(1)), departed.take(PeerKey(1))), (Some(ip), None));
    }
}
