//! Gossipsub, with an eye on what each peer says: messages of other topics are none, and what comes twice, or of which nothing comes, is counted too.
//!
//! By itself gossipsub remembers each topic that a peer names, keeps messages of topics that nobody here hears, and is silent about those that it
//! has heard before: a peer could fill this node's memory, or keep it busy, and nobody would be told.

use std::collections::{BTreeMap, HashSet};
use std::io;
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
    topics: HashSet<TopicHash>,
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
    /// How many messages of this node's topics, subscriptions and notes on messages, and how often it spoke without any. A note lists up to
    /// thousands of ids, which libp2p does not show.
    pub(super) messages: u64,
    /// The bytes of the messages.
    pub(super) bytes: u64,
    /// How many messages of other topics, which nobody asked for.
    pub(super) foreign: u64,
}

/// What a connection has told.
type Told = THandlerOutEvent<Inner>;

/// Takes messages of these topics, as they are. Gossipsub asks it about each message before it remembers anything of it.
pub(super) struct Taken(HashSet<TopicHash>);

impl DataTransform for Taken {
    fn inbound_transform(&self, raw: RawMessage) -> Result<Message, io::Error> {
        if !self.0.contains(&raw.topic) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let RawMessage { source, data, sequence_number, topic, .. } = raw;
        Ok(Message { source, data, sequence_number, topic })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> Result<Vec<u8>, io::Error> {
        Ok(data)
    }
}

impl Gossip {
    /// Gossip about these topics.
    pub(super) fn new(config: Config, topics: HashSet<TopicHash>) -> Self {
        let (taken, filter) = (Taken(topics.clone()), WhitelistSubscriptionFilter(topics.clone()));
        let inner =
            Inner::new_with_subscription_filter_and_transform(MessageAuthenticity::Anonymous, config, filter, taken);
        Self { inner: inner.expect("anonymous both ways"), topics, heard: BTreeMap::new() }
    }

    /// Counts what a peer says, also what gossipsub does not look at: of peers that it does not listen to, or malformed.
    fn count(&mut self, peer: PeerId, told: &Told) {
        let Told::Message { rpc, invalid_messages } = told else { return };
        let invalid = invalid_messages.iter().map(|(message, _)| message);
        let (own, foreign): (Vec<_>, Vec<_>) =
            rpc.messages.iter().chain(invalid).partition(|message| self.topics.contains(&message.topic));
        let is_silent = own.is_empty() && foreign.is_empty();
        // The last note of each stands for what the peer can do besides, whether it said so or not.
        let notes = rpc.control_msgs.len().saturating_sub(1) + rpc.subscriptions.len();
        let notes = notes.max(usize::from(is_silent));
        let heard = self.heard.entry(peer).or_default();
        heard.messages += (own.len() + notes) as u64;
        heard.bytes += own.iter().map(|message| message.data.len() as u64).sum::<u64>();
        heard.foreign += foreign.len() as u64;
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
        self.count(peer, &event);
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some((peer, heard)) = self.heard.pop_first() {
            return Poll::Ready(ToSwarm::GenerateEvent(GossipEvent::Heard(peer, heard)));
        }
        self.inner.poll(cx).map(|event| event.map_out(GossipEvent::Gossip))
    }
}
