//! Peers show who they are beside their peer ids, and are shown who this node is.
//!
//! Every node is asked; whether the answer matters is the operator's choice. If it does, a peer that has said hello is not up before it has shown
//! a key that is admitted.

use libp2p::PeerId;
use libp2p::request_response::{Event, Message, OutboundFailure, OutboundRequestId};
use libp2p::swarm::ConnectionId;
use qbtc_core::net::{Claim, Hello, IdentityAnswer, IdentityQuestion, Services};

use super::Service;
use super::meeting::Refusal;
use crate::p2p::allowance::Kind;
use crate::p2p::node_key::RequiredIdentity;
use crate::p2p::wire::{ExchangeEvent, Malformed};

/// A peer that was asked to show who it is.
#[derive(Clone, Debug)]
pub(in crate::p2p) struct Asked {
    request: OutboundRequestId,
    nonce: [u8; 32],
    /// What it said, if it is not up before it has answered.
    pub(super) hello: Option<Hello>,
}

impl Service {
    /// Asks a peer that has said its first hello to show who it is. Returns the hello, if it need not wait for that.
    pub(super) fn ask_identity(&mut self, id: &PeerId, hello: Hello) -> Option<Hello> {
        let is_required = self.required_identity != RequiredIdentity::None;
        // Light clients have no keys.
        if !is_required && !hello.services.has(Services::NODE) {
            return Some(hello);
        }
        let mut nonce = [0; 32];
        if getrandom::fill(&mut nonce).is_err() {
            return Some(hello).filter(|_| !is_required);
        }
        let request = self.swarm.behaviour_mut().identity.send_request(id, Ok(IdentityQuestion { nonce }));
        let peer = self.peers.by_id(id)?;
        let (waiting, up) = if is_required { (Some(hello), None) } else { (None, Some(hello)) };
        peer.asked_identity = Some(Asked { request, nonce, hello: waiting });
        up
    }

    pub(super) fn identity_event(&mut self, event: ExchangeEvent<IdentityQuestion, IdentityAnswer>) {
        match event {
            Event::Message { peer, connection_id, message: Message::Request { request, channel, .. } } => match request
            {
                Ok(IdentityQuestion { nonce }) => {
                    if self.admits(&peer, Kind::Identify, 0) {
                        let claim = self.claim(&peer, connection_id, |own, theirs| (theirs, own));
                        let answer = self.node_key.answer(&claim.of(&nonce));
                        // The peer may be gone by now.
                        let _ = self.swarm.behaviour_mut().identity.send_response(channel, answer);
                    }
                }
                Err(Malformed) => self.refuse(&peer, &Refusal::Malformed),
            },
            Event::Message { peer, connection_id, message: Message::Response { request_id, response } } => {
                let Some(asked) = self.asked_identity(&peer, request_id) else { return };
                let claim = self.claim(&peer, connection_id, |own, theirs| (own, theirs));
                match response.check(&claim.of(&asked.nonce)) {
                    Ok(key) if self.required_identity.admits(key) => {
                        if let Some(peer) = self.peers.by_id(&peer) {
                            peer.identity = Some(key);
                        }
                        if let Some(hello) = asked.hello {
                            self.up(&peer, hello);
                        }
                    }
                    Ok(found) => self.refuse(&peer, &Refusal::OtherIdentity { found }),
                    Err(error) => self.refuse(&peer, &Refusal::FalseIdentity { error }),
                }
            }
            Event::OutboundFailure { peer, connection_id, request_id, error } => {
                let Some(asked) = self.asked_identity(&peer, request_id) else { return };
                let is_lost = matches!(error, OutboundFailure::ConnectionClosed)
                    && self.is_there_beside(&peer, connection_id, &error);
                let said = || self.peers.by_id(&peer).and_then(|peer| peer.hello.clone());
                match asked.hello.clone().or_else(said) {
                    // As often as a connection ends.
                    Some(hello) if is_lost => drop(self.ask_identity(&peer, hello)),
                    _ if asked.hello.is_some() => self.refuse(&peer, &Refusal::NoIdentity),
                    _ => {}
                }
            }
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }

    /// What a peer was asked with this question.
    fn asked_identity(&mut self, id: &PeerId, request: OutboundRequestId) -> Option<Asked> {
        let peer = self.peers.by_id(id).filter(|peer| !peer.is_leaving)?;
        peer.asked_identity.take_if(|asked| asked.request == request)
    }

    /// What is signed on a connection, by whoever is the second of the two that `order` returns of this node and the peer.
    fn claim(
        &mut self,
        peer: &PeerId,
        connection: ConnectionId,
        order: impl FnOnce(Vec<u8>, Vec<u8>) -> (Vec<u8>, Vec<u8>),
    ) -> OwnedClaim {
        let known = self.peers.by_id(peer);
        let connections = known.map(|peer| &peer.connections).into_iter().flatten();
        let link = connections.filter(|known| known.id == connection).find_map(|known| known.link.as_ref());
        let channel = link.and_then(|link| link.channel).map_or_else(Vec::new, |channel| channel.to_vec());
        let (asker, answerer) = order(self.swarm.local_peer_id().to_bytes(), peer.to_bytes());
        OwnedClaim { chain: self.node.spec().chain_id(), channel, asker, answerer }
    }
}

/// A [`Claim`] but for the nonce.
struct OwnedClaim {
    chain: qbtc_core::hash::ChainId,
    channel: Vec<u8>,
    asker: Vec<u8>,
    answerer: Vec<u8>,
}

impl OwnedClaim {
    fn of<'a>(&'a self, nonce: &'a [u8; 32]) -> Claim<'a> {
        Claim { chain: &self.chain, channel: &self.channel, asker: &self.asker, answerer: &self.answerer, nonce }
    }
}
