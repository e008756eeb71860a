//! What light clients are told: proofs, filters, and blocks without witnesses.
//!
//! Everything here reads the disk: it runs on blocking threads. Whatever is about the chain names a tip; if that is not in the best chain
//! any more, the answer says so, and never is about another chain.

use std::sync::Arc;

use qbtc_core::chain::HeaderNode;
use qbtc_core::codec;
use qbtc_core::commit::flyclient::{HistorySource, Opening, ProveError, SampledProof, Sampling};
use qbtc_core::commit::mmr::{self, BlockProof};
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::header::Header;
use qbtc_core::net::{
    CommittedFilter, FoundTransaction, LIGHT_FILTERS_MAX, LIGHT_HEADERS_MAX, LightAnswer, LightQuestion, LightTip,
    ProofBytes, Unavailable,
};
use qbtc_core::units::Height;

use crate::node::Node;
use crate::store::{ChainView, StoreError};

/// What a question costs its asker beside the bytes of the answer: the disk is read for it, in as many places as there are `Filters`, and in thousands for `Work`.
pub(super) fn cost_bytes(question: &LightQuestion) -> usize {
    match question {
        LightQuestion::Work { .. } => 4 << 20,
        LightQuestion::Filters { count, .. } => (64 << 10) + (*count).min(LIGHT_FILTERS_MAX) as usize * (1 << 10),
        LightQuestion::Blocks { .. } | LightQuestion::Submit { .. } => 64 << 10,
        LightQuestion::Tip
        | LightQuestion::NextTip { .. }
        | LightQuestion::Headers { .. }
        | LightQuestion::Block { .. }
        | LightQuestion::Transaction { .. }
        | LightQuestion::Fees { .. } => 8 << 10,
    }
}

/// The node's tip.
pub(super) fn tip(node: &Node) -> LightAnswer {
    let chain = node.chain();
    let state = chain.state();
    let header = node.headers().node(&state.tip()).map(|tip| *tip.header());
    match header {
        Some(header) => LightAnswer::Tip(LightTip { header, height: state.height(), work: state.work() }),
        None => LightAnswer::Unavailable(Unavailable::NotHere),
    }
}

/// Answers what can be read. To [`LightQuestion::Submit`] and [`LightQuestion::NextTip`] there is no answer here.
///
/// # Errors
/// A fault of the store.
pub(super) fn answer(node: &Node, question: &LightQuestion) -> Result<LightAnswer, StoreError> {
    let chain = Chain { node, view: node.chain() };
    let found = match question {
        LightQuestion::Tip => Some(tip(node)),
        LightQuestion::Blocks { ids } => Some(chain.blocks(ids)?),
        LightQuestion::Transaction { txid } => chain.transaction(txid)?,
        LightQuestion::Fees { blocks } => Some(chain.fees(blocks)),
        LightQuestion::Work { tip, seed } => match chain.height_of(tip)? {
            Some(height) => chain.work(*tip, height, *seed)?,
            None => return Ok(LightAnswer::Unavailable(Unavailable::OtherChain)),
        },
        LightQuestion::Headers { tip, start, count } => match chain.height_of(tip)? {
            Some(height) => Some(chain.headers(height, *start, *count)?),
            None => return Ok(LightAnswer::Unavailable(Unavailable::OtherChain)),
        },
        LightQuestion::Block { tip, height } => match chain.height_of(tip)? {
            Some(tip) => chain.block(tip, *height)?,
            None => return Ok(LightAnswer::Unavailable(Unavailable::OtherChain)),
        },
        LightQuestion::Filters { tip, start, count } => match chain.height_of(tip)? {
            Some(height) => chain.filters(height, *start, *count)?,
            None => return Ok(LightAnswer::Unavailable(Unavailable::OtherChain)),
        },
        LightQuestion::NextTip { .. } | LightQuestion::Submit { .. } => None,
    };
    Ok(found.unwrap_or(LightAnswer::Unavailable(Unavailable::NotHere)))
}

/// The chain at one moment.
struct Chain<'a> {
    node: &'a Node,
    view: Arc<ChainView>,
}

/// Why a proof cannot be read from the chain.
enum Unread {
    Store(StoreError),
    Pruned,
}

impl From<StoreError> for Unread {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl HistorySource for Chain<'_> {
    type Error = Unread;

    fn node(&self, position: u64) -> Result<mmr::Node, Unread> {
        Ok(self.view.history_node(position)?)
    }

    fn header(&self, height: Height) -> Result<Header, Unread> {
        Ok(self.header_at(height)?.ok_or_else(|| StoreError::inconsistent(format!("no header at height {height}")))?)
    }

    fn opening(&self, height: Height) -> Result<Opening, Unread> {
        self.view.opening(height)?.ok_or(Unread::Pruned)
    }
}

impl Chain<'_> {
    /// The height of a block of the best chain.
    fn height_of(&self, id: &BlockHash) -> Result<Option<Height>, StoreError> {
        let height = self.node.headers().node(id).map(HeaderNode::height);
        let Some(height) = height else { return Ok(None) };
        Ok((self.view.block_id(height)? == Some(*id)).then_some(height))
    }

    fn header_at(&self, height: Height) -> Result<Option<Header>, StoreError> {
        let Some(id) = self.view.block_id(height)? else { return Ok(None) };
        Ok(self.node.headers().node(&id).map(|node| *node.header()))
    }

    fn work(&self, tip: BlockHash, height: Height, seed: [u8; 32]) -> Result<Option<LightAnswer>, StoreError> {
        match SampledProof::new(self, height, &Sampling::live(seed, tip)) {
            Ok(proof) => Ok(Some(LightAnswer::Work(ProofBytes(codec::encode(&proof).into())))),
            Err(ProveError::Source(Unread::Store(error))) => Err(error),
            // The genesis block needs no proof.
            Err(ProveError::Source(Unread::Pruned) | ProveError::Genesis | ProveError::Tip { .. }) => Ok(None),
            Err(ProveError::Target(error)) => Err(StoreError::inconsistent(error.to_string())),
            Err(ProveError::History(error)) => Err(StoreError::inconsistent(error.to_string())),
            Err(ProveError::Uncovered { point }) => {
                Err(StoreError::inconsistent(format!("no block covers the work {point}")))
            }
        }
    }

    fn headers(&self, tip: Height, start: Height, count: u32) -> Result<LightAnswer, StoreError> {
        let heights = heights(tip, start, count.min(LIGHT_HEADERS_MAX));
        let headers: Result<Vec<Option<Header>>, StoreError> = heights.map(|height| self.header_at(height)).collect();
        Ok(LightAnswer::Headers(headers?.into_iter().flatten().collect()))
    }

    fn block(&self, tip: Height, height: Height) -> Result<Option<LightAnswer>, StoreError> {
        let Some(header) = self.header_at(height)?.filter(|_| height <= tip) else { return Ok(None) };
        let Some(blocks) = tip.0.checked_add(1) else { return Ok(None) };
        let proof = BlockProof::new(header, height, blocks, |position| self.view.history_node(position))?;
        Ok(Some(LightAnswer::Block(Box::new(proof))))
    }

    /// `None`, if the first one cannot be proven: the block was pruned before nodes kept proofs.
    fn filters(&self, tip: Height, start: Height, count: u32) -> Result<Option<LightAnswer>, StoreError> {
        let (mut failed, mut is_first_missing) = (None, false);
        let filters = heights(tip, start, count.min(LIGHT_FILTERS_MAX)).map_while(|height| {
            let filter = self.filter_at(height).unwrap_or_else(|error| {
                failed = Some(error);
                None
            });
            is_first_missing |= filter.is_none() && height == start;
            filter
        });
        // No more are read than fit.
        let answer = LightAnswer::of_filters(filters, self.node.spec());
        failed.map_or(Ok((!is_first_missing).then_some(answer)), Err)
    }

    fn filter_at(&self, height: Height) -> Result<Option<CommittedFilter>, StoreError> {
        let Some(id) = self.view.block_id(height)? else { return Ok(None) };
        let filter = self.view.filter_bytes(&id)?;
        let Some((filter, commitments)) = filter.zip(self.view.commitments_proof(&id)?) else { return Ok(None) };
        Ok(Some(CommittedFilter { filter: filter.into(), commitments }))
    }

    fn blocks(&self, ids: &[BlockHash]) -> Result<LightAnswer, StoreError> {
        let mut failed = None;
        let blocks = ids.iter().map_while(|id| {
            self.view.stripped_block_bytes(id).unwrap_or_else(|error| {
                failed = Some(error);
                None
            })
        });
        let answer = LightAnswer::of_blocks(blocks, self.node.spec());
        failed.map_or(Ok(answer), Err)
    }

    fn transaction(&self, txid: &Txid) -> Result<Option<LightAnswer>, StoreError> {
        // The mempool and the chain of one moment.
        let (waiting, view) = {
            let live = self.node.live();
            (live.pool.entry(txid).map(|entry| entry.tx().body().clone()), Arc::clone(&live.chain))
        };
        // Whoever has what is still on the stem is where it began.
        if let Some(body) = waiting.filter(|_| !self.node.own().is_secret(txid)) {
            return Ok(Some(LightAnswer::Transaction(Box::new(FoundTransaction::Waiting(body)))));
        }
        let Some(place) = view.transaction_place(txid)? else { return Ok(None) };
        let Some(found) = view.proven_transaction(&place)? else { return Ok(None) };
        let mined = FoundTransaction::Mined {
            header: found.header,
            height: place.height,
            body: found.body,
            proof: found.proof,
        };
        Ok(Some(LightAnswer::Transaction(Box::new(mined))))
    }

    fn fees(&self, blocks: &[u32]) -> LightAnswer {
        LightAnswer::Fees(blocks.iter().map(|blocks| self.node.recent_fee_estimate(*blocks).rate).collect())
    }
}

/// So many heights from the first on, up to the tip's.
fn heights(tip: Height, start: Height, count: u32) -> impl Iterator<Item = Height> {
    let end = start.0.saturating_add(count).min(tip.0.saturating_add(1));
    (start.0..end).map(Height)
}

#[cfg(test)]
mod tests;
