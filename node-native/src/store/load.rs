//! What a node reads back when it starts: the headers, and the mempool of its last run.

use qbtc_core::chain::{HeaderNode, HeaderTree};
use qbtc_core::codec;
use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use qbtc_core::tx::Transaction;
use qbtc_core::units::BlockTime;
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::tables::{BODIES, HEADERS, INVALID, MEMPOOL};
use super::{Store, StoreError, blob};

/// The header tree as it was.
#[derive(Debug)]
pub struct LoadedTree {
    /// The tree.
    pub tree: HeaderTree,
    /// Headers that are left out, since they are no longer valid: their time is in the future, or a checkpoint is new.
    pub left_out: usize,
}

impl Store {
    /// Reads all headers back. Each is checked as on the day it came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load_tree(&self, now: BlockTime) -> Result<LoadedTree, StoreError> {
        let view = self.view()?;
        let transaction = self.database.begin_read()?;
        let headers = transaction.open_table(HEADERS)?;
        let bodies = transaction.open_table(BODIES)?;
        // A pruned block of the chain was there, and all that build on it are as complete as on that day.
        let is_pruned = |node: &HeaderNode| match node.height() < view.bodies_pruned_below() {
            true => Ok(view.block_id(node.height())? == Some(node.id())),
            false => Ok::<_, StoreError>(false),
        };
        let mut tree = HeaderTree::new(&self.spec);
        let mut left_out = 0;
        for row in headers.iter()? {
            let (number, header) = row?;
            let header = Header::from_bytes(header.value());
            let id = header.id();
            if tree.insert(header, now, &self.spec).is_err() {
                left_out += 1;
            } else if blob::has(&bodies, number.value())? || tree.node(&id).map_or(Ok(false), is_pruned)? {
                tree.add_body(&id).expect("the header was inserted just now");
            }
        }
        for row in transaction.open_table(INVALID)?.iter()? {
            // A block that is not in the tree needs no mark.
            let _ = tree.mark_invalid(&BlockHash::from_bytes(*row?.0.value()));
        }
        Ok(LoadedTree { tree, left_out })
    }

    /// The blocks that were found invalid; those that build on them are not listed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn invalid_blocks(&self) -> Result<Vec<BlockHash>, StoreError> {
        let table = self.database.begin_read()?.open_table(INVALID)?;
        table.iter()?.map(|row| Ok(BlockHash::from_bytes(*row?.0.value()))).collect()
    }

    /// Whether a mempool of the last run is stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_mempool(&self) -> Result<bool, StoreError> {
        Ok(!self.database.begin_read()?.open_table(MEMPOOL)?.is_empty()?)
    }

    /// The transactions of the mempool of the last run, with the times of their arrival, in its order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load_mempool(&self) -> Result<Vec<(BlockTime, Transaction)>, StoreError> {
        let table = self.database.begin_read()?.open_table(MEMPOOL)?;
        let mut transactions = Vec::with_capacity(usize::try_from(table.len()?).unwrap_or(0));
        for row in table.iter()? {
            let (_, value) = row?;
            let (time, bytes) = value.value();
            let transaction = codec::decode(bytes, bytes.len());
            let damaged = |error| StoreError::inconsistent(format!("transaction of the mempool: {error}"));
            transactions.push((BlockTime(time), transaction.map_err(damaged)?));
        }
        Ok(transactions)
    }

    /// Writes what has changed in the mempool: the places of transactions that left, and those that came with their places. With
    /// `is_first`, all that is stored from an earlier run goes first.
    ///
    /// # Errors
    /// [`StoreError`]; then what was stored before is still there.
    pub fn save_mempool<'a>(
        &self,
        is_first: bool,
        left: impl Iterator<Item = u64>,
        came: impl Iterator<Item = (u64, BlockTime, &'a Transaction)>,
    ) -> Result<(), StoreError> {
        let transaction = self.begin_write()?;
        {
            let mut table = transaction.open_table(MEMPOOL)?;
            if is_first {
                table.retain(|_, _| false)?;
            }
            for place in left {
                table.remove(place)?;
            }
            for (place, time, tx) in came {
                table.insert(place, (time.0, &codec::encode(tx)[..]))?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
