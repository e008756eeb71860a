//! Questions of peers, and answers to this node's.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::request_response::{Event, InboundRequestId, Message, OutboundFailure, ResponseChannel};
use libp2p::swarm::ConnectionId;
use qbtc_core::codec;
use qbtc_core::net::{Fault, SyncAnswer, SyncQuestion};
use qbtc_core::sync::{Input, PeerKey, RequestId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::Service;
use super::meeting::Refusal;
use crate::p2p::allowance::Kind;
use crate::p2p::answers::answer;
use crate::p2p::peers::Peer;
use crate::p2p::sync_link::SyncEvent;
use crate::p2p::wire::{ExchangeEvent, Malformed, is_malformed};
use crate::store::StoreError;

/// A question of this node.
pub(super) struct Question {
    pub(super) peer: PeerKey,
    pub(super) request: RequestId,
    pub(super) question: SyncQuestion,
    /// Whether it was asked before, on a connection that is gone.
    pub(super) is_again: bool,
}

/// An answer that is being made.
pub(super) type Answering = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// An answer that is made, if the question can be answered.
pub(super) struct Answered {
    peer: PeerId,
    id: InboundRequestId,
    channel: ResponseChannel<SyncAnswer>,
    answer: Option<Result<(SyncAnswer, usize), StoreError>>,
    slot: OwnedSemaphorePermit,
}

/// Answers that are on their way, each with its place among the peer's: whoever takes them slowly keeps nobody else waiting.
pub(super) type Sending = HashMap<InboundRequestId, OwnedSemaphorePermit>;

impl Service {
    pub(super) fn sync_event(&mut self, event: ExchangeEvent<SyncQuestion, SyncAnswer>) {
        match event {
            Event::Message { peer, message: Message::Request { request_id, request, channel }, .. } => match request {
                Ok(question) => self.questioned(peer, request_id, question, channel),
                Err(Malformed) => self.refuse(&peer, &Refusal::Malformed),
            },
            Event::Message { message: Message::Response { request_id, response }, .. } => {
                if let Some(Question { request, .. }) = self.asked.remove(&request_id) {
                    self.tell(Input::Answer { request, answer: response });
                }
            }
            Event::OutboundFailure { peer, connection_id, request_id, error } => {
                let Some(asked) = self.asked.remove(&request_id) else { return };
                let is_malformed = matches!(&error, OutboundFailure::Io(error) if is_malformed(error));
                if is_malformed {
                    self.tell(SyncEvent::Misbehaved { peer: asked.peer, fault: Fault::Malformed });
                } else if !asked.is_again && self.is_there_beside(&peer, connection_id, &error) {
                    return self.ask(&peer, Question { is_again: true, ..asked });
                }
                self.tell(Input::Unanswered { request: asked.request });
            }
            Event::InboundFailure { request_id, .. } => drop(self.sending.remove(&request_id)),
            Event::ResponseSent { request_id, .. } => drop(self.sending.remove(&request_id)),
        }
    }

    pub(super) fn ask(&mut self, id: &PeerId, question: Question) {
        let asked = self.swarm.behaviour_mut().sync.send_request(id, Ok(question.question.clone()));
        self.asked.insert(asked, question);
    }

    /// Whether a peer has another connection than the one on which a question came to nothing, and that connection's end may be the reason: then
    /// the peer has not kept its answer back.
    pub(super) fn is_there_beside(&mut self, id: &PeerId, failed: ConnectionId, error: &OutboundFailure) -> bool {
        let has_other = |peer: &Peer| !peer.is_leaving && peer.connections.iter().any(|known| known.id != failed);
        matches!(error, OutboundFailure::ConnectionClosed | OutboundFailure::Io(_))
            && self.peers.by_id(id).is_some_and(|peer| has_other(peer))
    }

    /// Sees to a question, at once or when those before it are paid for. Dropping the channel turns it down.
    fn questioned(
        &mut self,
        id: PeerId,
        request: InboundRequestId,
        question: SyncQuestion,
        channel: ResponseChannel<SyncAnswer>,
    ) {
        let Some(peer) = self.peers.by_id(&id).filter(|peer| !peer.is_leaving) else { return };
        let own = peer.answers.clone().try_acquire_owned().ok().filter(|_| peer.hello.is_some());
        let Some(own) = own else { return self.turn_down(&id, Kind::Sync) };
        let now = Instant::now();
        let delay = peer.left.allowance.delay(Kind::Sync, codec::encoded_len(&question), now);
        let wait = delay.max(peer.left.told.wait(now));
        let (node, at_hand, all) = (self.node.clone(), self.at_hand.clone(), self.answers.clone());
        let gone = peer.gone.clone();
        self.answering.push(Box::pin(async move {
            let Some(_making) = turn(&gone, wait, all).await else {
                return Answered { peer: id, id: request, channel, answer: None, slot: own };
            };
            let made = tokio::task::spawn_blocking(move || {
                let answer = answer(&node, &at_hand, question)?;
                let bytes = codec::encoded_len(&answer);
                Ok((answer, bytes))
            });
            // None, if the runtime ends.
            Answered { peer: id, id: request, channel, answer: made.await.ok(), slot: own }
        }));
    }

    pub(super) fn answered(&mut self, answered: Answered) {
        let Answered { peer, id, channel, answer, slot } = answered;
        match answer {
            Some(Ok((answer, bytes))) => {
                if let Some(peer) = self.peers.by_id(&peer) {
                    peer.left.told.spend(bytes, Instant::now());
                }
                if self.swarm.behaviour_mut().sync.send_response(channel, answer).is_ok() {
                    self.sending.insert(id, slot);
                }
            }
            Some(Err(error)) => tracing::error!("a peer's question cannot be answered: {error}"),
            None => {}
        }
    }
}

/// Waits until what came before is paid for, and there is a place among those that are answered; not once the peer is gone, so that no more wait
/// than those who are there may ask: [`ANSWERS_PER_PEER_MAX`](crate::p2p::answers::ANSWERS_PER_PEER_MAX) each.
pub(super) async fn turn(
    gone: &CancellationToken,
    wait: Duration,
    all: Arc<Semaphore>,
) -> Option<OwnedSemaphorePermit> {
    let waiting = async {
        tokio::time::sleep(wait).await;
        all.acquire_owned().await.expect("it is never closed")
    };
    gone.run_until_cancelled(waiting).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_who_is_gone_waits() {
        let (gone, all) = (CancellationToken::new(), Arc::new(Semaphore::new(1)));
        let place = turn(&gone, Duration::ZERO, Arc::clone(&all)).await.expect("it is free");
        let for_a_place = tokio::spawn({
            let (gone, all) = (gone.clone(), Arc::clone(&all));
            async move { turn(&gone, Duration::ZERO, all).await }
        });
        let for_its_time = tokio::spawn({
            let (gone, all) = (gone.clone(), Arc::clone(&all));
            async move { turn(&gone, Duration::from_secs(3_600), all).await }
        });
        tokio::task::yield_now().await;
        assert!(!for_a_place.is_finished() && !for_its_time.is_finished());
        gone.cancel();
        assert!(for_a_place.await.unwrap().is_none() && for_its_time.await.unwrap().is_none());
        drop(place);
        assert!(turn(&gone, Duration::ZERO, Arc::clone(&all)).await.is_none());
        assert_eq!(all.available_permits(), 1);
    }
}
