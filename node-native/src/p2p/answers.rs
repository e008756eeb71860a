//! What peers are told: questions answered from the node's chain and mempool.
//!
//! Everything here reads the disk or holds a lock for a moment: it runs on blocking threads. An answer holds no more than one message may
//! have, and a peer has few under way at once ([`ANSWERS_PER_PEER_MAX`]), which bounds what is held for it.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use qbtc_core::hash::{BlockHash, Wtxid};
use qbtc_core::net::{HEADERS_MAX, Hello, PROTOCOL_VERSION, Services, SyncAnswer, SyncQuestion, UserAgent};
use qbtc_core::tx::Transaction;
use qbtc_core::verify::{CheckedBlock, CheckedTx};

use super::allowance::Rate;
use crate::node::Node;
use crate::store::StoreError;

/// The most answers that are made at once, for all peers.
pub(super) const ANSWERS_MAX: usize = 48;
/// The most answers that are made for one peer, or on their way to it. Further questions are turned down.
pub(super) const ANSWERS_PER_PEER_MAX: usize = 8;

/// Blocks that are on their way into the chain and already passed on: who hears of them asks for their transactions, or for them
/// whole, before they are stored.
/// Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct BlocksAtHand(Arc<Mutex<VecDeque<Arc<CheckedBlock>>>>);

impl BlocksAtHand {
    /// The most blocks; the oldest makes room.
    const BLOCKS_MAX: usize = 4;

    /// Keeps a block for a while.
    pub fn put(&self, block: Arc<CheckedBlock>) {
        let mut blocks = self.0.lock();
        if blocks.len() == Self::BLOCKS_MAX {
            blocks.pop_front();
        }
        blocks.push_back(block);
    }

    fn find(&self, id: &BlockHash) -> Option<Arc<CheckedBlock>> {
        self.0.lock().iter().find(|block| block.id() == *id).cloned()
    }
}

/// What this node says of itself.
#[must_use]
pub fn hello(node: &Node) -> Hello {
    let (chain, now) = (node.chain(), node.now());
    let mut services = Services::NODE.and(Services::LIGHT);
    if chain.bodies_pruned_below().0 == 0 {
        services = services.and(Services::ALL_BODIES);
    }
    if chain.pruned_below().0 == 0 {
        services = services.and(Services::ALL_WITNESSES);
    }
    let state = chain.state();
    Hello {
        version: PROTOCOL_VERSION,
        chain_id: node.spec().chain_id(),
        tip: state.tip(),
        height: state.height(),
        work: state.work(),
        services,
        fee_rate_min: node.live().pool.fee_rate_min(now),
        time: now,
        user_agent: user_agent(),
    }
}

/// What this node runs.
pub(super) fn user_agent() -> UserAgent {
    UserAgent::new(concat!("qbtc/", env!("CARGO_PKG_VERSION"))).expect("a short name in ASCII")
}

/// Answers a question.
///
/// # Errors
/// A fault of the store.
pub(super) fn answer(node: &Node, at_hand: &BlocksAtHand, question: SyncQuestion) -> Result<SyncAnswer, StoreError> {
    match question {
        SyncQuestion::Headers { locator } => Ok(headers(node, &locator)),
        SyncQuestion::Blocks { ids } => blocks(node, at_hand, &ids),
        SyncQuestion::Transactions { wtxids } => Ok(transactions(node, &wtxids)),
        SyncQuestion::BlockTransactions { block, places } => block_transactions(node, at_hand, &block, &places),
    }
}

fn headers(node: &Node, locator: &[BlockHash]) -> SyncAnswer {
    let tip = node.chain().state().tip();
    let tree = node.headers();
    let known = tree.locate(locator, &tip).id();
    SyncAnswer::Headers(tree.following(&known, &tip, HEADERS_MAX).into_iter().map(|node| *node.header()).collect())
}

fn blocks(node: &Node, at_hand: &BlocksAtHand, ids: &[BlockHash]) -> Result<SyncAnswer, StoreError> {
    let (chain, mut failed) = (node.chain(), None);
    let found = ids.iter().map_while(|id| {
        if let Some(block) = at_hand.find(id) {
            return Some(block.to_block().to_bytes());
        }
        chain.block_bytes(id).unwrap_or_else(|error| {
            failed = Some(error);
            None
        })
    });
    // No more are read than fit.
    let answer = SyncAnswer::of_blocks(found, node.spec());
    failed.map_or(Ok(answer), Err)
}

fn transactions(node: &Node, wtxids: &[Wtxid]) -> SyncAnswer {
    let waiting: Vec<Arc<CheckedTx>> = {
        let live = node.live();
        let waiting = wtxids.iter().filter_map(|wtxid| live.pool.entry_by_wtxid(wtxid));
        // Whoever has what is still on the stem is where it began.
        let told = waiting.filter(|entry| !node.own().is_secret(&entry.txid()));
        told.map(|entry| Arc::clone(entry.tx())).collect()
    };
    SyncAnswer::of_transactions(waiting.iter().map(|tx| tx.transaction().clone()), node.spec())
}

fn block_transactions(
    node: &Node,
    at_hand: &BlocksAtHand,
    id: &BlockHash,
    places: &[u32],
) -> Result<SyncAnswer, StoreError> {
    let found = match at_hand.find(id) {
        Some(block) => pick(places, |place| block.transactions().get(place).map(|tx| tx.transaction().clone())),
        None => {
            let block = node.chain().plain_block(id)?;
            block.and_then(|block| pick(places, |place| block.transactions.get(place).cloned()))
        }
    };
    Ok(SyncAnswer::BlockTransactions(found.unwrap_or_default()))
}

/// What stands at all of these places. They must rise: then none comes twice, and no answer is longer than its block.
fn pick(places: &[u32], find: impl Fn(usize) -> Option<Transaction>) -> Option<Vec<Transaction>> {
    if !places.is_sorted_by(|a, b| a < b) {
        return None;
    }
    places.iter().map(|place| find(*place as usize)).collect()
}

/// How many bytes of answers a peer may be told.
pub(super) const TOLD: Rate = Rate { per_minute: 60 * (64 << 20), at_once: 256 << 20 };

#[cfg(test)]
mod tests;
