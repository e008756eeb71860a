//! The chain as the driver sees it: what is stored, what is being written, what waits, what came in just now.

use std::collections::HashMap;
use std::sync::Arc;

use qbtc_core::chain::ChainStore;
use qbtc_core::commit::mmr::{Node, Peaks};
use qbtc_core::hash::BlockHash;
use qbtc_core::tx::OutPoint;
use qbtc_core::utxo::{Coin, CoinView, Undo};
use qbtc_core::verify::CheckedBlock;

use crate::store::{Batch, ChainView, StoreError};

/// Layers of one chain, each on top of the next. The uppermost that knows the answer gives it.
pub(super) struct Stack<'a> {
    pub(super) incoming: &'a HashMap<BlockHash, Arc<CheckedBlock>>,
    /// The uppermost first.
    pub(super) batches: [Option<&'a Batch>; 2],
    pub(super) view: &'a ChainView,
}

impl<'a> Stack<'a> {
    fn batches(&self) -> impl Iterator<Item = &'a Batch> {
        self.batches.into_iter().flatten()
    }

    fn node(&self, position: u64) -> Result<Node, StoreError> {
        match self.batches().find_map(|batch| batch.node(position)) {
            Some(Some(node)) => Ok(node),
            // A batch that cut the node off would not be asked for it.
            Some(None) | None => self.view.history_node(position),
        }
    }
}

impl CoinView for Stack<'_> {
    type Error = StoreError;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        for batch in self.batches() {
            if let Some(coin) = batch.coins().created().get(outpoint) {
                return Ok(Some(*coin));
            }
            if batch.coins().spent().contains_key(outpoint) {
                return Ok(None);
            }
        }
        self.view.coin(outpoint)
    }
}

impl ChainStore for Stack<'_> {
    fn block(&self, id: &BlockHash) -> Result<CheckedBlock, StoreError> {
        let incoming = self.incoming.get(id).map(|block| &**block);
        match incoming.or_else(|| self.batches().find_map(|batch| batch.block(id))) {
            Some(block) => Ok(block.clone()),
            None => self.view.block(id),
        }
    }

    fn undo(&self, id: &BlockHash) -> Result<Undo, StoreError> {
        match self.batches().find_map(|batch| batch.connected(id)) {
            Some(block) => Ok(block.undo()),
            None => self.view.undo(id),
        }
    }

    fn history(&self, blocks: u32) -> Result<Peaks, StoreError> {
        Peaks::load(blocks, |position| self.node(position))
    }
}
