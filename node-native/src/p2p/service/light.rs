//! Questions of light clients.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::request_response::{Event, InboundRequestId, Message, ResponseChannel};
use qbtc_core::codec;
use qbtc_core::hash::BlockHash;
use qbtc_core::mempool::AdmitError;
use qbtc_core::net::seal::Reply;
use qbtc_core::net::{LightAnswer, LightQuestion, Reason, Unavailable};
use qbtc_core::tx::Transaction;
use tokio::sync::OwnedSemaphorePermit;

use super::Service;
use super::answering::turn;
use super::meeting::Refusal;
use crate::node::{Node, TxRefusal};
use crate::p2p::allowance::Kind;
use crate::p2p::light::{answer, cost_bytes, tip};
use crate::p2p::wire::{ExchangeEvent, Malformed, Sealed};

/// How long a client waits for the next tip before it hears the same one again.
const NEXT_TIP_TIME_MAX: Duration = Duration::from_secs(30);

/// An answer that is being made.
pub(super) type Lighting = Pin<Box<dyn Future<Output = Lit> + Send>>;

/// An answer that is made.
pub(super) struct Lit {
    peer: PeerId,
    id: LightId,
    answer: Answer,
    slot: OwnedSemaphorePermit,
}

/// A question: the open ones and those under a seal are numbered each for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum LightId {
    Open(InboundRequestId),
    Sealed(InboundRequestId),
}

/// How a question is to be answered.
pub(super) enum Way {
    Open(ResponseChannel<LightAnswer>),
    Sealed(ResponseChannel<Sealed<LightAnswer>>, Reply),
}

/// An answer, and where it goes.
enum Answer {
    Open(ResponseChannel<LightAnswer>, LightAnswer),
    Sealed(ResponseChannel<Sealed<LightAnswer>>, Vec<u8>),
}

/// Answers that are on their way, each with its place among the peer's.
pub(super) type LightSending = HashMap<LightId, OwnedSemaphorePermit>;

impl Service {
    pub(super) fn light_event(&mut self, event: ExchangeEvent<LightQuestion, LightAnswer>) {
        match event {
            Event::Message { peer, message: Message::Request { request_id, request, channel }, .. } => match request {
                Ok(question) => {
                    self.light_questioned(peer, LightId::Open(request_id), question, Way::Open(channel));
                }
                Err(Malformed) => self.refuse(&peer, &Refusal::Malformed),
            },
            Event::InboundFailure { request_id, .. } | Event::ResponseSent { request_id, .. } => {
                self.light_sending.remove(&LightId::Open(request_id));
            }
            // This node asks nothing of the kind.
            Event::Message { .. } | Event::OutboundFailure { .. } => {}
        }
    }

    pub(super) fn light_questioned(&mut self, id: PeerId, request: LightId, question: LightQuestion, way: Way) {
        let is_admitted = self.admits(&id, Kind::Light, codec::encoded_len(&question));
        let Some(peer) = self.peers.by_id(&id).filter(|peer| peer.hello.is_some()) else { return };
        let Some(slot) = peer.answers.clone().try_acquire_owned().ok().filter(|_| is_admitted) else {
            self.send_light(way.answer_briefly(LightAnswer::Unavailable(Unavailable::Busy)));
            return;
        };
        let now = Instant::now();
        let wait = peer.left.told.wait(now);
        peer.left.told.spend(cost_bytes(&question), now);
        let (node, all, gone) = (self.node.clone(), self.answers.clone(), peer.gone.clone());
        self.lighting.push(Box::pin(async move {
            let answer = match question {
                // Whoever only waits takes no place among those that read the disk.
                LightQuestion::NextTip { known } => {
                    let waiting = async {
                        tokio::time::sleep(wait).await;
                        next_tip(&node, known).await
                    };
                    gone.run_until_cancelled(waiting).await
                }
                LightQuestion::Submit { transaction } => {
                    match gone.run_until_cancelled(tokio::time::sleep(wait)).await {
                        Some(()) => Some(submit(&node, *transaction).await),
                        None => None,
                    }
                }
                question => match turn(&gone, wait, all).await {
                    Some(_slot) => Some(read(node, question).await),
                    None => None,
                },
            };
            // Whoever is gone does not hear it.
            let answer = way.answer(answer.unwrap_or(LightAnswer::Unavailable(Unavailable::Busy))).await;
            Lit { peer: id, id: request, answer, slot }
        }));
    }

    pub(super) fn lit(&mut self, lit: Lit) {
        let Lit { peer, id, answer, slot } = lit;
        if let Some(peer) = self.peers.by_id(&peer) {
            peer.left.told.spend(answer.bytes_len(), Instant::now());
        }
        if self.send_light(answer) {
            self.light_sending.insert(id, slot);
        }
    }

    /// Sends an answer. Not, if the peer is gone by now.
    fn send_light(&mut self, answer: Answer) -> bool {
        let behaviour = self.swarm.behaviour_mut();
        match answer {
            Answer::Open(channel, answer) => behaviour.light.send_response(channel, answer).is_ok(),
            Answer::Sealed(channel, bytes) => behaviour.sealed_light.send_response(channel, Sealed::new(bytes)).is_ok(),
        }
    }
}

impl Way {
    /// For answers of a few bytes.
    fn answer_briefly(self, answer: LightAnswer) -> Answer {
        match self {
            Self::Open(channel) => Answer::Open(channel, answer),
            Self::Sealed(channel, reply) => Answer::Sealed(channel, reply.seal(answer.to_bytes())),
        }
    }

    /// For answers of any length: what a seal takes of the processor leaves the event loop.
    async fn answer(self, answer: LightAnswer) -> Answer {
        match self {
            Self::Open(channel) => Answer::Open(channel, answer),
            Self::Sealed(channel, reply) => {
                let sealed = tokio::task::spawn_blocking(move || reply.seal(answer.to_bytes()));
                // Nothing, if the runtime ends.
                Answer::Sealed(channel, sealed.await.unwrap_or_default())
            }
        }
    }
}

impl Answer {
    fn bytes_len(&self) -> usize {
        match self {
            Self::Open(_, answer) => codec::encoded_len(answer),
            Self::Sealed(_, bytes) => bytes.len(),
        }
    }
}

async fn next_tip(node: &Node, known: BlockHash) -> LightAnswer {
    let mut tips = node.tip();
    // In time, or the same one once more.
    let _ = tokio::time::timeout(NEXT_TIP_TIME_MAX, tips.wait_for(|tip| tip.id != known)).await;
    tip(node)
}

async fn submit(node: &Node, transaction: Transaction) -> LightAnswer {
    let txid = transaction.txid();
    match node.spread_transaction(transaction).await {
        Ok(_) | Err(TxRefusal::Admit(AdmitError::Known { .. })) => LightAnswer::Submitted(txid),
        Err(TxRefusal::Fault(_)) => LightAnswer::Unavailable(Unavailable::NotHere),
        Err(refusal) => LightAnswer::Refused(Reason::new(&refusal.to_string())),
    }
}

async fn read(node: Node, question: LightQuestion) -> LightAnswer {
    let read = tokio::task::spawn_blocking(move || answer(&node, &question)).await;
    match read {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::error!("a light client's question cannot be answered: {error}");
            LightAnswer::Unavailable(Unavailable::NotHere)
        }
        // The runtime ends.
        Err(_) => LightAnswer::Unavailable(Unavailable::NotHere),
    }
}
