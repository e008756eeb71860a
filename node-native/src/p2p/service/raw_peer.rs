//! A peer that the tests play: it says whatever it likes, and is told whatever comes.

use futures_util::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::StreamProtocol;
use libp2p::request_response::{self, Codec, Event, Message, OutboundFailure, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use qbtc_core::hash::ChainId;

use super::tests::{DEADLINE, Net};
use super::*;
use crate::p2p::transport::transport;
use crate::p2p::wire::protocol;

/// Writes what it is given, without a length, and reads what comes.
#[derive(Clone, Copy)]
pub(super) struct RawCodec;

impl Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await.map(|_| bytes)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await.map(|_| bytes)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }
}

/// A peer that says whatever it likes.
#[derive(NetworkBehaviour)]
pub(super) struct Raw {
    pub(super) hello: request_response::Behaviour<RawCodec>,
    pub(super) sync: request_response::Behaviour<RawCodec>,
    pub(super) identity: request_response::Behaviour<RawCodec>,
    pub(super) stem: request_response::Behaviour<RawCodec>,
}

/// A message with its length before it.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

/// Connects with a node, and tells the node's peer id.
pub(super) async fn raw_peer(net: &Net, chain: ChainId) -> (Swarm<Raw>, PeerId) {
    let mut swarm = raw_dialler(net, chain);
    let peer = net.p2p.peer_id().parse().unwrap();
    until(&mut swarm, |_, event| matches!(event, SwarmEvent::ConnectionEstablished { .. }).then_some(())).await;
    (swarm, peer)
}

/// Begins to connect with a node.
pub(super) fn raw_dialler(net: &Net, chain: ChainId) -> Swarm<Raw> {
    let identity = Identity::random();
    let config = || request_response::Config::default();
    let both = |what| [(protocol(&chain, what, 1), ProtocolSupport::Full)];
    let raw = Raw {
        hello: request_response::Behaviour::with_codec(RawCodec, both("hello"), config()),
        sync: request_response::Behaviour::with_codec(RawCodec, both("sync"), config()),
        identity: request_response::Behaviour::with_codec(RawCodec, both("identity"), config()),
        stem: request_response::Behaviour::with_codec(RawCodec, both("stem"), config()),
    };
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(IDLE_TIME_MAX);
    let transport = transport(&identity, &Links::default()).unwrap();
    let mut swarm = Swarm::new(transport, raw, identity.peer_id(), config);
    swarm.dial(net.p2p.addresses()[0].parse::<Multiaddr>().unwrap()).unwrap();
    swarm
}

/// Lets a peer live until something happens to it. Hellos of the node are neither answered nor turned down.
pub(super) async fn until<T>(
    swarm: &mut Swarm<Raw>,
    mut is_it: impl FnMut(&mut Swarm<Raw>, &SwarmEvent<RawEvent>) -> Option<T>,
) -> T {
    let living = async {
        loop {
            let event = swarm.select_next_some().await;
            if let Some(found) = is_it(swarm, &event) {
                return found;
            }
            // To drop a question of the node would be to turn it down.
            std::mem::forget(event);
        }
    };
    tokio::time::timeout(DEADLINE, living).await.expect("nothing happened")
}

pub(super) fn is_closed(_: &mut Swarm<Raw>, event: &SwarmEvent<RawEvent>) -> Option<()> {
    matches!(event, SwarmEvent::ConnectionClosed { .. }).then_some(())
}

/// What the node answered a question; nothing, if it turned it down.
pub(super) fn answered(_: &mut Swarm<Raw>, event: &SwarmEvent<RawEvent>) -> Option<Vec<u8>> {
    match event {
        SwarmEvent::Behaviour(RawEvent::Sync(event)) => came(event),
        _ => None,
    }
}

/// The node's hello.
pub(super) fn greeted(_: &mut Swarm<Raw>, event: &SwarmEvent<RawEvent>) -> Option<Vec<u8>> {
    match event {
        SwarmEvent::Behaviour(RawEvent::Hello(event)) => came(event),
        _ => None,
    }
}

fn came(event: &Event<Vec<u8>, Vec<u8>>) -> Option<Vec<u8>> {
    match event {
        Event::Message { message: Message::Response { response, .. }, .. } => Some(response.clone()),
        Event::OutboundFailure { error: OutboundFailure::Io(_), .. } => Some(Vec::new()),
        _ => None,
    }
}
