//! What goes to everybody: new blocks and transactions, over gossipsub.
//!
//! Messages say nothing of who sent them first. None is passed on before this node has said so, and a peer that sends what is rejected
//! loses its place in the mesh, and its connection in the end.

use qbtc_core::mempool::Policy;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use libp2p::PeerId;
use libp2p::gossipsub::{
    ConfigBuilder, IdentTopic, Message, MessageAcceptance, MessageId, PeerScoreParams, PeerScoreThresholds, TopicHash,
    TopicScoreParams, ValidationMode,
};
use qbtc_core::hash::ChainId;
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::Verdict;
use sha2::{Digest as _, Sha256};

use super::heard::{Gossip, Inner};
use super::wire::protocol;

/// The most bytes of a compact block that goes to everybody: the short ids of 170,000 transactions.
const COMPACT_BLOCK_BYTES_MAX: usize = 1 << 20;
/// The most bytes of a transaction that goes to everybody: no mempool takes longer ones.
const TRANSACTION_BYTES_MAX: usize = Policy::TX_BYTES_MAX as usize;
/// What gossipsub writes around a message.
const AROUND_MESSAGE_BYTES: usize = 1 << 10;
/// How often the mesh is looked after.
const HEARTBEAT: Duration = Duration::from_millis(700);
/// How long a message is remembered, so as not to look at it twice.
const REMEMBERED_FOR: Duration = Duration::from_secs(120);
/// The most messages that wait to be sent to one peer.
const QUEUE_MAX: usize = 64;
/// The most of them that are blocks: each has cost the work of one.
const QUEUED_BLOCKS_MAX: usize = 4;
/// The most messages that wait for a verdict; the oldest is then of no use any more.
const UNDECIDED_MAX: usize = 512;

/// The topics of a chain.
pub(super) struct Topics {
    pub(super) blocks: IdentTopic,
    pub(super) transactions: IdentTopic,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Blocks,
    Transactions,
}

impl Topics {
    pub(super) fn new(chain: &ChainId) -> Self {
        let topic = |what| IdentTopic::new(protocol(chain, what, 1).to_string());
        Self { blocks: topic("blocks"), transactions: topic("transactions") }
    }

    pub(super) fn of(&self, topic: &TopicHash) -> Option<Topic> {
        if *topic == self.blocks.hash() {
            Some(Topic::Blocks)
        } else if *topic == self.transactions.hash() {
            Some(Topic::Transactions)
        } else {
            None
        }
    }
}

/// The most bytes of a message.
pub(super) const fn message_bytes_max(spec: &ChainSpec) -> usize {
    let transaction = spec.consensus().limits.tx_bytes as usize;
    if transaction > COMPACT_BLOCK_BYTES_MAX { transaction } else { COMPACT_BLOCK_BYTES_MAX }
}

/// The most bytes of a transaction: what the mempool takes.
pub(super) const fn transaction_bytes_max(spec: &ChainSpec) -> usize {
    let (rule, policy) = (spec.consensus().limits.tx_bytes as usize, TRANSACTION_BYTES_MAX);
    if rule < policy { rule } else { policy }
}

/// The most bytes that wait to be sent to one peer.
pub(super) const fn queue_bytes_max(spec: &ChainSpec) -> usize {
    (QUEUE_MAX - QUEUED_BLOCKS_MAX) * transaction_bytes_max(spec) + QUEUED_BLOCKS_MAX * message_bytes_max(spec)
}

/// Gossip about a chain, subscribed to its topics.
pub(super) fn behaviour(spec: &ChainSpec) -> Gossip {
    let chain = spec.chain_id();
    let topics = Topics::new(&chain);
    let config = ConfigBuilder::default()
        .protocol_id_prefix(protocol(&chain, "gossip", 1).to_string())
        .heartbeat_interval(HEARTBEAT)
        .heartbeat_initial_delay(HEARTBEAT)
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(message_id)
        .max_transmit_size(message_bytes_max(spec) + AROUND_MESSAGE_BYTES)
        .max_transmit_size_for_topic(transaction_bytes_max(spec) + AROUND_MESSAGE_BYTES, topics.transactions.hash())
        .duplicate_cache_time(REMEMBERED_FOR)
        .connection_handler_queue_len(QUEUE_MAX)
        .build()
        .expect("these settings fit together");
    let own = [&topics.blocks, &topics.transactions];
    let mut gossip = Gossip::new(config, own.map(IdentTopic::hash).into());
    let inner = &mut gossip.inner;
    inner.with_peer_score(scores(&topics), PeerScoreThresholds::default()).expect("these scores are sound");
    for topic in own {
        inner.subscribe(topic).expect("these are not filtered out");
    }
    gossip
}

/// Who sends what is rejected is left out; who is quiet is not, since there may be nothing to say.
fn scores(topics: &Topics) -> PeerScoreParams {
    let topic = TopicScoreParams {
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -20.0,
        invalid_message_deliveries_decay: 0.97,
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: [&topics.blocks, &topics.transactions].into_iter().map(|name| (name.hash(), topic.clone())).collect(),
        // How many come from one place is limited where they connect.
        ip_colocation_factor_weight: 0.0,
        ..PeerScoreParams::default()
    }
}

/// A message is what it says: the same bytes about the same thing are the same message, whoever sends them.
fn message_id(message: &Message) -> MessageId {
    let topic = message.topic.as_str().as_bytes();
    let id = Sha256::new().chain_update(topic).chain_update([0]).chain_update(&message.data).finalize();
    MessageId::from(id.to_vec())
}

/// Messages that wait for a verdict, by the number under which they were told.
#[derive(Default)]
pub(super) struct Undecided {
    waiting: HashMap<u64, (MessageId, PeerId)>,
    order: VecDeque<u64>,
    last: u64,
}

impl Undecided {
    pub(super) fn add(&mut self, message: MessageId, from: PeerId) -> u64 {
        self.last += 1;
        if self.order.len() == UNDECIDED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.waiting.remove(&oldest);
        }
        self.order.push_back(self.last);
        self.waiting.insert(self.last, (message, from));
        self.last
    }

    /// Passes a message on, or not, as the verdict is.
    ///
    /// Returns who gave it, if it was new and good.
    pub(super) fn decide(&mut self, number: u64, verdict: Verdict, gossip: &mut Inner) -> Option<PeerId> {
        let (message, from) = self.waiting.remove(&number)?;
        self.order.retain(|waiting| *waiting != number);
        report(&message, &from, verdict, gossip);
        (verdict == Verdict::Accept).then_some(from)
    }
}

/// Tells gossipsub what becomes of a message.
pub(super) fn report(message: &MessageId, from: &PeerId, verdict: Verdict, gossip: &mut Inner) {
    let acceptance = match verdict {
        Verdict::Accept => MessageAcceptance::Accept,
        Verdict::Ignore => MessageAcceptance::Ignore,
        Verdict::Reject => MessageAcceptance::Reject,
    };
    // It says whether the message is still there to be passed on.
    let _ = gossip.report_message_validation_result(message, from, acceptance);
}

#[cfg(test)]
mod tests {
    use qbtc_core::mempool::Policy;

    use super::*;

    #[test]
    fn the_settings_fit_together_on_every_chain() {
        for spec in [ChainSpec::main(), ChainSpec::test(), ChainSpec::local(), ChainSpec::dev()] {
            let topics = Topics::new(&spec.chain_id());
            let subscribed: Vec<TopicHash> = behaviour(&spec).inner.topics().cloned().collect();
            assert_eq!(subscribed.len(), 2);
            assert_eq!(topics.of(&topics.blocks.hash()), Some(Topic::Blocks));
            assert_eq!(topics.of(&topics.transactions.hash()), Some(Topic::Transactions));
            assert!(subscribed.iter().all(|topic| topics.of(topic).is_some()));
            let other = Topics::new(&ChainId::from_bytes([9; 32]));
            assert_eq!(topics.of(&other.blocks.hash()), None);
        }
    }

    #[test]
    fn messages_without_a_verdict_are_bounded() {
        let mut undecided = Undecided::default();
        for number in 0..2 * UNDECIDED_MAX {
            undecided.add(MessageId::from(number.to_le_bytes().to_vec()), PeerId::random());
        }
        assert_eq!(TRANSACTION_BYTES_MAX, Policy::default().tx_bytes_max as usize);
        assert_eq!((undecided.waiting.len(), undecided.order.len()), (UNDECIDED_MAX, UNDECIDED_MAX));
    }
}
