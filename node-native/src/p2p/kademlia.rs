//! Kademlia as one more source of addresses: peers are asked who is near an id, and what they tell goes into the address book.
//!
//! libp2p asks and answers. Three things are taken from it: it dials nobody (whom it would dial is told, with the addresses that it was told, and
//! the address book decides), it keeps no records, and each peer is answered so often only.
//!
//! Invariant: the table holds connected peers alone, each with at most [`ADDRESSES_MAX`] addresses that were dialled or that lie where the peer
//! connects from: nobody can make this node send others to a third.

use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::kad::{self, BucketInserts, Caching, Config, Mode, StoreInserts};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, DialError, DialFailure, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol};

use super::allowance::{Budget, Rate};
use super::place::host_of;
use super::spent::Spent;

/// The most addresses of one node.
pub(super) const ADDRESSES_MAX: usize = 4;
/// The most nodes whose addresses wait to be taken. What comes beyond is forgotten.
const FOUND_MAX: usize = 256;
/// The most bytes of a message.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// The most questions of a peer that are read and answered at once: a constant of libp2p-kad.
pub(super) const STREAMS_MAX: usize = 32;
/// What a peer may ask, or answer.
const MESSAGES: Rate = Rate { per_minute: 120, at_once: 240 };
/// How often nodes are looked for; also whenever somebody new is there, while few are.
const LOOK_INTERVAL: Duration = Duration::from_secs(600);
/// How long a look may take.
const LOOK_TIME_MAX: Duration = Duration::from_secs(20);

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KademliaEvent {
    /// Somebody has told where this node is.
    Found(PeerId, Vec<Multiaddr>),
    /// A look is over.
    Looked,
    /// A peer asks too much, and a question was not answered.
    Dropped,
}

/// The behaviour.
pub(super) struct Kademlia {
    inner: kad::Behaviour<MemoryStore>,
    waiting: VecDeque<KademliaEvent>,
    budgets: HashMap<PeerId, Budget>,
    spent: Spent<Budget>,
}

impl Kademlia {
    pub(super) fn new(own: PeerId, protocol: StreamProtocol) -> Self {
        let mut config = Config::new(protocol);
        config
            .set_kbucket_inserts(BucketInserts::Manual)
            .set_record_filtering(StoreInserts::FilterBoth)
            .set_caching(Caching::Disabled)
            .set_record_ttl(None)
            .set_replication_interval(None)
            .set_publication_interval(None)
            .set_provider_publication_interval(None)
            .set_max_packet_size(MESSAGE_BYTES_MAX)
            .set_periodic_bootstrap_interval(Some(LOOK_INTERVAL))
            .set_query_timeout(LOOK_TIME_MAX);
        let none =
            MemoryStoreConfig { max_records: 0, max_value_bytes: 0, max_providers_per_key: 0, max_provided_keys: 0 };
        let mut inner = kad::Behaviour::with_config(own, MemoryStore::with_config(own, none), config);
        // Whoever dials only is asked too: it knows others.
        inner.set_mode(Some(Mode::Server));
        Self { inner, waiting: VecDeque::new(), budgets: HashMap::new(), spent: Spent::default() }
    }

    /// A connected peer can be reached there.
    pub(super) fn add(&mut self, peer: &PeerId, addresses: impl IntoIterator<Item = Multiaddr>) {
        // What was told before makes room.
        self.inner.remove_peer(peer);
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            self.inner.add_address(peer, address);
        }
    }

    /// A peer is gone.
    pub(super) fn remove(&mut self, peer: &PeerId) {
        self.inner.remove_peer(peer);
    }

    /// How many peers are in the table.
    #[cfg(test)]
    fn len(&mut self) -> usize {
        self.inner.kbuckets().map(|bucket| bucket.num_entries()).sum()
    }

    fn tell(&mut self, event: KademliaEvent) {
        if self.waiting.len() < FOUND_MAX {
            self.waiting.push_back(event);
        }
    }

    /// Tells whom it would dial, and that nobody answered there.
    fn would_dial(&mut self, dial: &DialOpts) {
        let (connection, peer) = (dial.connection_id(), dial.get_peer_id());
        if let Some(found) = peer {
            let known = self.inner.handle_pending_outbound_connection(connection, peer, &[], Endpoint::Dialer);
            let addresses: Vec<Multiaddr> = known.unwrap_or_default().into_iter().take(ADDRESSES_MAX).collect();
            if !addresses.is_empty() {
                self.tell(KademliaEvent::Found(found, addresses));
            }
        }
        let failure = DialFailure { peer_id: peer, error: &DialError::Aborted, connection_id: connection };
        self.inner.on_swarm_event(FromSwarm::DialFailure(failure));
    }
}

impl NetworkBehaviour for Kademlia {
    type ConnectionHandler = <kad::Behaviour<MemoryStore> as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = KademliaEvent;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
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
        match event {
            FromSwarm::ConnectionEstablished(made) if made.other_established == 0 => {
                let now = Instant::now();
                let left = self.spent.take(host_of(made.endpoint.get_remote_address()), now);
                self.budgets.insert(made.peer_id, left.unwrap_or_else(|| Budget::new(MESSAGES, now)));
            }
            FromSwarm::ConnectionClosed(closed) if closed.remaining_established == 0 => {
                let left = self.budgets.remove(&closed.peer_id);
                if let Some((ip, left)) = host_of(closed.endpoint.get_remote_address()).zip(left) {
                    self.spent.keep(ip, left, Instant::now());
                }
            }
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        let now = Instant::now();
        let Some(budget) = self.budgets.get_mut(&peer) else { return };
        if !budget.has(now) {
            return self.tell(KademliaEvent::Dropped);
        }
        budget.spend(1, now);
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Poll::Ready(ToSwarm::GenerateEvent(event));
            }
            match ready!(self.inner.poll(cx)) {
                ToSwarm::Dial { opts } => self.would_dial(&opts),
                ToSwarm::GenerateEvent(kad::Event::OutboundQueryProgressed { step, .. }) if step.last => {
                    return Poll::Ready(ToSwarm::GenerateEvent(KademliaEvent::Looked));
                }
                // Where peers are is nobody else's business.
                ToSwarm::GenerateEvent(_) | ToSwarm::NewExternalAddrOfPeer { .. } => {}
                other => return Poll::Ready(other.map_out(|_| KademliaEvent::Looked)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use libp2p::core::ConnectedPoint;
    use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};

    use super::*;

    fn kademlia() -> Kademlia {
        Kademlia::new(PeerId::random(), StreamProtocol::new("/qbtc/test/kad/1"))
    }

    #[test]
    fn a_peer_has_few_addresses_and_the_last_ones_told() {
        let (mut kademlia, peer) = (kademlia(), PeerId::random());
        for round in 0..3 {
            let told = (0..20).map(|port| format!("/ip4/192.0.2.1/tcp/{}", 100 * (round + 1) + port).parse().unwrap());
            kademlia.add(&peer, told);
        }
        assert_eq!(kademlia.len(), 1);
        let known = kademlia.inner.remove_peer(&peer).unwrap().node.value.into_vec();
        assert_eq!(known.len(), ADDRESSES_MAX);
        assert!(known.iter().all(|address| address.to_string().starts_with("/ip4/192.0.2.1/tcp/3")), "{known:?}");
    }

    #[test]
    fn who_would_be_dialled_is_told_and_not_dialled() {
        let (mut kademlia, peer) = (kademlia(), PeerId::random());
        kademlia.add(&peer, ["/ip4/192.0.2.1/tcp/1".parse().unwrap()]);
        // In the table, but not connected: libp2p would dial it to ask.
        kademlia.inner.get_closest_peers(PeerId::random());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut events = Vec::new();
        while let Poll::Ready(event) = kademlia.poll(&mut cx) {
            match event {
                ToSwarm::GenerateEvent(event) => events.push(event),
                other => panic!("{other:?}"),
            }
        }
        let at = format!("/ip4/192.0.2.1/tcp/1/p2p/{peer}").parse().unwrap();
        assert_eq!(events, [KademliaEvent::Found(peer, vec![at]), KademliaEvent::Looked]);
    }

    #[test]
    fn whoever_comes_again_goes_on_with_what_was_left() {
        let (mut kademlia, connection) = (kademlia(), ConnectionId::new_unchecked(1));
        let point = |host: &str| ConnectedPoint::Listener {
            local_addr: "/ip4/198.51.100.1/tcp/1".parse().unwrap(),
            send_back_addr: format!("/ip4/{host}/tcp/1").parse().unwrap(),
        };
        let mut come = |host: &str, spends: usize| {
            let (peer_id, endpoint) = (PeerId::random(), &point(host));
            kademlia.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id: connection,
                endpoint,
                failed_addresses: &[],
                other_established: 0,
            }));
            let now = Instant::now();
            let budget = kademlia.budgets.get_mut(&peer_id).unwrap();
            let had = budget.has(now);
            budget.spend(spends, now);
            kademlia.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id,
                connection_id: connection,
                endpoint,
                cause: None,
                remaining_established: 0,
            }));
            had
        };
        let all = 10 * usize::try_from(MESSAGES.at_once).unwrap();
        assert!(come("192.0.2.1", all), "a budget of its own");
        assert!(!come("192.0.2.1", 0), "the same again");
        assert!(come("192.0.2.2", 0));
    }

    #[test]
    fn no_more_is_remembered_than_is_taken() {
        let mut kademlia = kademlia();
        for _ in 0..2 * FOUND_MAX {
            kademlia.tell(KademliaEvent::Dropped);
        }
        assert_eq!(kademlia.waiting.len(), FOUND_MAX);
    }
}
