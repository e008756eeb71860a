//! Questions of light clients under a seal: the exchange that begins it, and the questions themselves.
//!
//! The codec hands both over as bytes, since only the connection that they come on tells under which seal they are. A connection has one seal, the
//! last that was agreed on; it ends with the connection.

use libp2p::PeerId;
use libp2p::request_response::{Event, Message};
use libp2p::swarm::ConnectionId;
use qbtc_core::net::seal::{ANSWER_BYTES, ANSWER_ENTROPY_BYTES, Ends, OFFER_BYTES, SealError, answer_offer};
use qbtc_core::net::{LightAnswer, LightQuestion};

use super::Service;
use super::light::{LightId, Way};
use super::meeting::Refusal;
use crate::p2p::allowance::Kind;
use crate::p2p::behaviour::SEAL;
use crate::p2p::peers::Connection;
use crate::p2p::wire::{ExchangeEvent, Malformed, Sealed, Sealing, protocol};

impl Service {
    pub(super) fn seal_event(&mut self, event: ExchangeEvent<Sealing<OFFER_BYTES>, Sealing<ANSWER_BYTES>>) {
        let Event::Message { peer, connection_id, message: Message::Request { request, channel, .. } } = event else {
            // Of what was answered, nothing more is to be known; this node asks nothing of the kind.
            return;
        };
        match request.map(|Sealing(offer)| self.answer_seal(&peer, connection_id, &offer)) {
            Ok(Some(Ok(answer))) => {
                // The peer may be gone by now.
                let _ = self.swarm.behaviour_mut().seal.send_response(channel, Sealing(answer));
            }
            // Dropping the channel turns it down.
            Ok(None) => {}
            Ok(Some(Err(_))) | Err(Malformed) => self.refuse(&peer, &Refusal::Malformed),
        }
    }

    /// Agrees on a seal. None: the peer has not said hello, asks too often, or is gone.
    fn answer_seal(
        &mut self,
        id: &PeerId,
        connection: ConnectionId,
        offer: &[u8],
    ) -> Option<Result<Vec<u8>, SealError>> {
        if !self.admits(id, Kind::Light, offer.len()) {
            return None;
        }
        let mut entropy = zeroize::Zeroizing::new([0; ANSWER_ENTROPY_BYTES]);
        if let Err(error) = getrandom::fill(&mut *entropy) {
            tracing::error!("a light client gets no seal: {error}");
            return None;
        }
        let name = protocol(&self.node.spec().chain_id(), SEAL, 1);
        let (asker, answerer) = (id.to_bytes(), self.swarm.local_peer_id().to_bytes());
        let ends = Ends { protocol: name.as_ref(), asker: &asker, answerer: &answerer };
        let connection = self.sealable(id, connection)?;
        Some(answer_offer(offer, &entropy, &ends).map(|(answer, seal)| {
            connection.seal = Some(seal);
            answer
        }))
    }

    pub(super) fn sealed_light_event(&mut self, event: ExchangeEvent<Sealed<LightQuestion>, Sealed<LightAnswer>>) {
        match event {
            Event::Message { peer, connection_id, message: Message::Request { request_id, request, channel } } => {
                let opened = match &request {
                    Ok(sealed) => self.open_sealed(&peer, connection_id, &sealed.bytes),
                    Err(Malformed) => Some(Err(Malformed)),
                };
                match opened {
                    Some(Ok((question, reply))) => {
                        let way = Way::Sealed(channel, reply);
                        self.light_questioned(peer, LightId::Sealed(request_id), question, way);
                    }
                    Some(Err(Malformed)) => self.refuse(&peer, &Refusal::Malformed),
                    None => {}
                }
            }
            Event::InboundFailure { request_id, .. } | Event::ResponseSent { request_id, .. } => {
                self.light_sending.remove(&LightId::Sealed(request_id));
            }
            Event::Message { .. } | Event::OutboundFailure { .. } => {}
        }
    }

    /// The question. None: there is no seal, or the question is not under it. It may have been asked under the seal before this one, so that is
    /// no reason to part.
    fn open_sealed(
        &mut self,
        id: &PeerId,
        connection: ConnectionId,
        bytes: &[u8],
    ) -> Option<Result<(LightQuestion, qbtc_core::net::seal::Reply), Malformed>> {
        let spec = self.node.spec().clone();
        let seal = self.sealable(id, connection)?.seal.as_mut()?;
        match seal.open(bytes) {
            Ok((question, reply)) => Some(
                LightQuestion::from_bytes(&question, &spec).map(|question| (question, reply)).map_err(|_| Malformed),
            ),
            Err(error) => {
                tracing::debug!(%id, "a question is not under the seal: {error}");
                None
            }
        }
    }

    /// A connection of a peer that has said hello.
    fn sealable(&mut self, id: &PeerId, connection: ConnectionId) -> Option<&mut Connection> {
        let peer = self.peers.by_id(id).filter(|peer| peer.hello.is_some() && !peer.is_leaving)?;
        peer.connections.iter_mut().find(|known| known.id == connection)
    }
}
