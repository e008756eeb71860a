//! Writing a batch: one transaction.

use qbtc_core::codec;
use qbtc_core::commit::mmr::nodes_len;
use qbtc_core::hash::BlockHash;
use qbtc_core::units::Height;
use qbtc_core::verify::{CheckedBlock, VerifiedBlock};
use redb::{ReadableTable, Table, WriteTransaction};

use super::batch::Batch;
use super::body::SplitBlock;
use super::tables::{
    BODIES, COINS, COMMITMENTS, FILTERS, HEADERS, HEIGHTS, HISTORY, INVALID, META, META_COINS, META_STATE, NUMBERS,
    UNDO, WITNESSES, id_key, outpoint_key,
};
use super::{Store, StoreError, blob, indexes};

impl Store {
    /// Writes a batch. When this returns, it is on the disk, all of it; if it fails, nothing of it is.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Inconsistent`] too, if the batch does not fit what is stored.
    pub fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.gate.pass(|| {
            let transaction = self.begin_write()?;
            self.write(&transaction, batch)?;
            transaction.commit()?;
            Ok(())
        })
    }

    pub(super) fn write(&self, transaction: &WriteTransaction, batch: &Batch) -> Result<(), StoreError> {
        write_headers(transaction, batch)?;
        write_bodies(transaction, batch)?;
        // The index of what leaves needs its undo data, which is never removed here.
        indexes::write(transaction, batch, self.indexes)?;
        write_chain(transaction, batch)?;
        write_coins(transaction, batch)?;
        let mut invalid = transaction.open_table(INVALID)?;
        for (id, is_invalid) in &batch.invalid {
            if *is_invalid {
                invalid.insert(id_key(id), ())?;
            } else {
                invalid.remove(id_key(id))?;
            }
        }
        Ok(())
    }
}

/// The number of a block.
pub(super) fn number_of(
    numbers: &impl ReadableTable<&'static [u8; 32], u64>,
    id: &BlockHash,
) -> Result<u64, StoreError> {
    let unknown = || StoreError::inconsistent(format!("block {id} is stored without its header"));
    Ok(numbers.get(id_key(id))?.ok_or_else(unknown)?.value())
}

fn write_headers(transaction: &WriteTransaction, batch: &Batch) -> Result<(), StoreError> {
    let mut headers = transaction.open_table(HEADERS)?;
    let mut numbers = transaction.open_table(NUMBERS)?;
    let mut next = headers.last()?.map_or(0, |(number, _)| number.value() + 1);
    for header in &batch.headers {
        let id = header.id();
        if numbers.get(id_key(&id))?.is_some() {
            continue;
        }
        headers.insert(next, &header.to_bytes())?;
        numbers.insert(id_key(&id), next)?;
        next += 1;
    }
    Ok(())
}

fn write_bodies(transaction: &WriteTransaction, batch: &Batch) -> Result<(), StoreError> {
    let numbers = transaction.open_table(NUMBERS)?;
    let mut bodies = transaction.open_table(BODIES)?;
    let mut witnesses = transaction.open_table(WITNESSES)?;
    let mut split = SplitBlock::default();
    let mut write = |block: &CheckedBlock| {
        let number = number_of(&numbers, &block.id())?;
        if !blob::has(&witnesses, number)? {
            split.cut(block);
            blob::remove(&mut bodies, number)?;
            blob::put(&mut bodies, number, &split.body)?;
            blob::put(&mut witnesses, number, &split.witnesses)?;
        }
        Ok::<_, StoreError>(())
    };
    batch.aside.values().try_for_each(|block| write(block))?;
    batch.chain.iter().map(VerifiedBlock::block).try_for_each(&mut write)
}

fn write_chain(transaction: &WriteTransaction, batch: &Batch) -> Result<(), StoreError> {
    let mut heights = transaction.open_table(HEIGHTS)?;
    heights.retain_in(batch.keeps.., |_, _| false)?;
    let mut history = transaction.open_table(HISTORY)?;
    history.retain_in(nodes_len(batch.keeps).., |_, _| false)?;
    for (node, position) in batch.nodes.iter().zip(nodes_len(batch.keeps)..) {
        history.insert(position, &node.to_bytes())?;
    }
    let numbers = transaction.open_table(NUMBERS)?;
    let mut undo = transaction.open_table(UNDO)?;
    let mut filters = transaction.open_table(FILTERS)?;
    let mut commitments = transaction.open_table(COMMITMENTS)?;
    for (block, Height(height)) in batch.chain.iter().zip(heights_from(batch.first_height())) {
        let id = block.block().id();
        heights.insert(height, id_key(&id))?;
        let number = number_of(&numbers, &id)?;
        if !blob::has(&undo, number)? {
            blob::put(&mut undo, number, &codec::encode(&block.undo()))?;
        }
        if !blob::has(&filters, number)? {
            blob::put(&mut filters, number, block.filter().as_bytes())?;
        }
        if commitments.get(number)?.is_none() {
            commitments.insert(number, &block.block().commitments_proof().to_bytes()[..])?;
        }
    }
    transaction.open_table(META)?.insert(META_STATE, &codec::encode(&batch.state)[..])?;
    Ok(())
}

fn write_coins(transaction: &WriteTransaction, batch: &Batch) -> Result<(), StoreError> {
    if batch.coins.is_empty() {
        return Ok(());
    }
    let mut coins = transaction.open_table(COINS)?;
    // In the order of their keys, so that neighbours share a page while it is at hand.
    let mut spent: Vec<_> = batch.coins.spent().keys().map(outpoint_key).collect();
    spent.sort_unstable();
    for key in &spent {
        let missing = || StoreError::inconsistent(format!("a coin to be spent is missing: {}", hex::encode(key)));
        coins.remove(key)?.ok_or_else(missing)?;
    }
    let mut created: Vec<_> = batch.coins.created().iter().map(|(at, coin)| (outpoint_key(at), coin)).collect();
    created.sort_unstable_by_key(|(key, _)| *key);
    for (key, coin) in &created {
        if coins.insert(key, &codec::encode(*coin)[..])?.is_some() {
            return Err(StoreError::inconsistent(format!("a coin to be made exists: {}", hex::encode(key))));
        }
    }
    count_coins(&mut transaction.open_table(META)?, created.len(), spent.len())
}

fn count_coins(meta: &mut Table<'_, &str, &[u8]>, created: usize, spent: usize) -> Result<(), StoreError> {
    let before = match meta.get(META_COINS)? {
        Some(bytes) => coin_count(bytes.value())?,
        None => 0,
    };
    let after = (before + created as u64).checked_sub(spent as u64);
    let after = after.ok_or_else(|| StoreError::inconsistent("fewer coins than none"))?;
    meta.insert(META_COINS, &after.to_le_bytes()[..])?;
    Ok(())
}

pub(super) fn coin_count(bytes: &[u8]) -> Result<u64, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::inconsistent("number of coins of odd length"))?;
    Ok(u64::from_le_bytes(bytes))
}

/// A height and those above it.
pub(super) fn heights_from(first: Height) -> impl Iterator<Item = Height> {
    (first.0..).map(Height)
}
