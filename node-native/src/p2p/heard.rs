//! Gossipsub, with an eye on what each peer says: messages of other topics are none, and what comes twice, or of which nothing comes, is counted too.
//!
//! By itself gossipsub remembers each topic that a peer names, keeps messages of topics that nobody here hears, and is silent about those that it
//! has heard before: a peer could fill this node's memory, or keep it busy, and nobody would be told.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::gossipsub::{
    self, Config, DataTransform, Message, MessageAuthenticity, RawMessage, TopicHash, WhitelistSubscriptionFilter,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

/// Gossipsub that knows its own topics alone.
pub(super) type Inner = gossipsub::Behaviour<Taken, WhitelistSubscriptionFilter>;

/// The behaviour.
pub(super) struct Gossip {
    pub(super) inner: Inner,
    counts: Arc<Counts>,
    /// What connected peers have said since it was told last.
    heard: BTreeMap<PeerId, Heard>,
}

/// What comes of it.
#[derive(Debug)]
pub(super) enum GossipEvent {
    /// Gossipsub's own.
    Gossip(gossipsub::Event),
    /// A peer has said so much, whether or not anything comes of it.
    Heard(PeerId, Heard),
}

/// What a peer has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// How many messages of this node's topics, and how often it spoke without any.
    pub(super) messages: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// How many messages of other topics, which nobody asked for.
    pub(super) foreign: u64,
}

/// What has gone through [`Taken`].
#[derive(Debug, Default)]
struct Counts {
    messages: AtomicU64,
    bytes: AtomicU64,
    foreign: AtomicU64,
}

/// Takes messages of these topics, as they are, and counts all. Gossipsub asks it about each message before it remembers anything of it.
pub(super) struct Taken {
    topics: HashSet<TopicHash>,
    counts: Arc<Counts>,
}

impl DataTransform for Taken {
    fn inbound_transform(&self, raw: RawMessage) -> Result<Message, io::Error> {
        if !self.topics.contains(&raw.topic) {
            self.counts.foreign.fetch_add(1, Ordering::Relaxed);
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.counts.messages.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes.fetch_add(u64::try_from(raw.data.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let RawMessage { source, data, sequence_number, topic, .. } = raw;
        Ok(Message { source, data, sequence_number, topic })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> Result<Vec<u8>, io::Error> {
        Ok(data)
    }
}

impl Counts {
    /// What was counted since this was asked last.
    fn take(&self) -> Heard {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Heard { messages: take(&self.messages), bytes: take(&self.bytes), foreign: take(&self.foreign) }
    }
}

impl Gossip {
    /// Gossip about these topics.
    pub(super) fn new(config: Config, topics: HashSet<TopicHash>) -> Self {
        let counts = Arc::<Counts>::default();
        let taken = Taken { topics: topics.clone(), counts: Arc::clone(&counts) };
        let filter = WhitelistSubscriptionFilter(topics);
        let inner =
            Inner::new_with_subscription_filter_and_transform(MessageAuthenticity::Anonymous, config, filter, taken);
        Self { inner: inner.expect("anonymous both ways"), counts, heard: BTreeMap::new() }
    }
}

impl NetworkBehaviour for Gossip {
    type ConnectionHandler = <Inner as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = GossipEvent;

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
        if let FromSwarm::ConnectionClosed(closed) = &event
            && closed.remaining_established == 0
        {
            self.heard.remove(&closed.peer_id);
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, connection, event);
        let Heard { messages, bytes, foreign } = self.counts.take();
        let heard = self.heard.entry(peer).or_default();
        // What has no message in it has cost something as well.
        heard.messages += if foreign == 0 { messages.max(1) } else { messages };
        heard.bytes += bytes;
        heard.foreign += foreign;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some((peer, heard)) = self.heard.pop_first() {
            return Poll::Ready(ToSwarm::GenerateEvent(GossipEvent::Heard(peer, heard)));
        }
        self.inner.poll(cx).map(|event| event.map_out(GossipEvent::Gossip))
    }
}
