//! What goes to everybody, and what goes along the stem.

use std::time::Instant;

use libp2p::PeerId;
use libp2p::gossipsub::{self, MessageId, PublishError};
use libp2p::request_response::{self, Message};
use qbtc_core::codec;
use qbtc_core::net::{CompactBlock, Fault};
use qbtc_core::relay::StemMessage;
use qbtc_core::sync::{Announcement, Input, PeerKey, Verdict};
use qbtc_core::tx::Transaction;

use super::Service;
use super::meeting::Refusal;
use crate::p2p::allowance::Kind;
use crate::p2p::gossip::{Topic, message_bytes_max, report};
use crate::p2p::heard::{GossipEvent, Heard};
use crate::p2p::relay::{MessageKey, RelayCommand, RelayEvent};
use crate::p2p::sync_link::SyncEvent;
use crate::p2p::wire::{ExchangeEvent, Malformed};

/// So much room is left for the coming and going of peers when transactions come faster than they are verified.
const ROOM_FOR_PEERS: usize = 256;

impl Service {
    pub(super) fn gossip_event(&mut self, event: GossipEvent) {
        match event {
            GossipEvent::Gossip(event) => self.gossip_told(event),
            GossipEvent::Heard(peer, heard) => self.heard(&peer, heard),
        }
    }

    /// What a peer has said is counted, also where nothing comes of it: what was heard before, and what is about nothing here.
    fn heard(&mut self, id: &PeerId, heard: Heard) {
        for _ in 0..heard.foreign {
            self.turn_down(id, Kind::Gossip);
        }
        let now = Instant::now();
        let Some(peer) = self.peers.by_id(id).filter(|peer| !peer.is_leaving) else { return };
        let surplus = peer.left.allowance.charge(Kind::Gossip, heard.messages, heard.bytes, now);
        for _ in 0..surplus {
            self.turn_down(id, Kind::Gossip);
        }
    }

    fn gossip_told(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let verdict = match self.greeted_key(&propagation_source) {
                    Some(peer) => self.gossiped(peer, propagation_source, &message_id, &message),
                    // It has not said hello yet.
                    None => Some(Verdict::Ignore),
                };
                if let Some(verdict) = verdict {
                    report(&message_id, &propagation_source, verdict, &mut self.swarm.behaviour_mut().gossip.inner);
                }
            }
            gossipsub::Event::SlowPeer { peer_id, .. } => {
                tracing::debug!(id = %peer_id, "a peer takes gossip more slowly than it comes");
                self.is_slow(&peer_id);
            }
            gossipsub::Event::Subscribed { .. }
            | gossipsub::Event::Unsubscribed { .. }
            | gossipsub::Event::GossipsubNotSupported { .. } => {}
        }
    }

    /// Hands a message on to whoever decides about it; or decides at once.
    fn gossiped(
        &mut self,
        peer: PeerKey,
        from: PeerId,
        id: &MessageId,
        message: &gossipsub::Message,
    ) -> Option<Verdict> {
        let topic = self.topics.of(&message.topic)?;
        let kind = match topic {
            Topic::Blocks => Kind::Block,
            Topic::Transactions => Kind::Transaction,
        };
        if !self.admits(&from, kind, message.data.len()) {
            return Some(Verdict::Ignore);
        }
        let spec = self.node.spec();
        match topic {
            Topic::Blocks => match CompactBlock::from_bytes(&message.data, message_bytes_max(spec)) {
                // Whatever waits here has cost work.
                Ok(block) if spec.consensus().pow.check_work(&block.header).is_err() => {
                    self.tell(SyncEvent::Misbehaved { peer, fault: Fault::NoWork });
                    Some(Verdict::Reject)
                }
                Ok(block) => {
                    let announcement = Announcement(self.undecided.add(id.clone(), from));
                    self.tell(Input::Announced { peer, block, announcement });
                    None
                }
                Err(_) => self.malformed(peer),
            },
            // What the chain is about to confirm or forbid is not looked at before.
            Topic::Transactions if !self.node.is_synced() => Some(Verdict::Ignore),
            Topic::Transactions => {
                match codec::decode::<Transaction>(&message.data, spec.consensus().limits.tx_bytes as usize) {
                    Ok(_) if self.relay_events.capacity() < ROOM_FOR_PEERS => Some(Verdict::Ignore),
                    Ok(transaction) => {
                        let message = MessageKey(self.undecided.add(id.clone(), from));
                        self.tell_relay(RelayEvent::Gossiped { peer, message, transaction });
                        None
                    }
                    Err(_) => self.malformed(peer),
                }
            }
        }
    }

    fn malformed(&mut self, peer: PeerKey) -> Option<Verdict> {
        self.tell(SyncEvent::Misbehaved { peer, fault: Fault::Malformed });
        Some(Verdict::Reject)
    }

    pub(super) fn stem_event(&mut self, event: ExchangeEvent<StemMessage, ()>) {
        let request_response::Event::Message { peer, message: Message::Request { request, channel, .. }, .. } = event
        else {
            return;
        };
        let Some(key) = self.greeted_key(&peer) else { return };
        match request {
            Ok(StemMessage(transaction)) if self.admits(&peer, Kind::Stem, codec::encoded_len(&transaction)) => {
                // The peer may be gone by now.
                let _ = self.swarm.behaviour_mut().stem.send_response(channel, ());
                if self.node.is_synced() && self.relay_events.capacity() >= ROOM_FOR_PEERS {
                    self.tell_relay(RelayEvent::Stemmed { peer: key, transaction });
                }
            }
            Ok(_) => {}
            Err(Malformed) => self.refuse(&peer, &Refusal::Malformed),
        }
    }

    pub(super) fn obey_relay(&mut self, command: RelayCommand) {
        match command {
            RelayCommand::Verdict { message, verdict } => {
                let giver = self.undecided.decide(message.0, verdict, &mut self.swarm.behaviour_mut().gossip.inner);
                if let Some(peer) = giver.and_then(|id| self.peers.by_id(&id)) {
                    peer.last_transaction = Some(Instant::now());
                }
            }
            RelayCommand::Publish(transaction) => {
                self.publish(Topic::Transactions, codec::encode(&transaction));
            }
            RelayCommand::PublishBlock(block) => self.publish(Topic::Blocks, block.to_bytes()),
            RelayCommand::Stem { peer, transaction } => {
                if let Some(id) = self.peers.by_key(peer) {
                    self.swarm.behaviour_mut().stem.send_request(&id, Ok(StemMessage(transaction)));
                }
            }
            RelayCommand::Fault { peer, fault } => self.tell(SyncEvent::Misbehaved { peer, fault }),
        }
    }

    fn publish(&mut self, topic: Topic, data: Vec<u8>) {
        let name = match topic {
            Topic::Blocks => self.topics.blocks.clone(),
            Topic::Transactions => self.topics.transactions.clone(),
        };
        match self.swarm.behaviour_mut().gossip.inner.publish(name, data) {
            // Nobody is there yet, or all have heard of it.
            Ok(_) | Err(PublishError::NoPeersSubscribedToTopic | PublishError::Duplicate) => {}
            Err(error) => tracing::warn!(?topic, "not given to everybody: {error}"),
        }
    }

    pub(super) fn tell_relay(&self, event: RelayEvent) {
        // It fails if nothing spreads transactions, and else not: see the room that is kept free.
        if let Err(error) = self.relay_events.try_send(event) {
            tracing::debug!("an event for the relay is lost: {error}");
        }
    }

    /// The number of a peer that has said hello.
    fn greeted_key(&mut self, id: &PeerId) -> Option<PeerKey> {
        self.peers.by_id(id).filter(|peer| peer.hello.is_some() && !peer.is_leaving).map(|peer| peer.key)
    }
}
