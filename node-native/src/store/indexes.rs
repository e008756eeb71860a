//! The optional indexes: where each transaction is, and what happened to each address.

use qbtc_core::chain::ChainStore;
use qbtc_core::codec;
use qbtc_core::tx::OutPoint;
use qbtc_core::units::Height;
use qbtc_core::utxo::{Coin, Undo};
use qbtc_core::verify::CheckedBlock;
use redb::WriteTransaction;

use super::address_rows::address_rows;
use super::batch::Batch;
use super::commit::{heights_from, number_of};
use super::tables::{
    ADDRESS_COINS, ADDRESS_EVENTS, COINS, NUMBERS, TXIDS, UNDO, address_coin_key, event_key, outpoint_of_key,
};
use super::{ChainView, Indexes, StoreError, blob};

/// Writes what a batch changes.
pub(super) fn write(transaction: &WriteTransaction, batch: &Batch, indexes: Indexes) -> Result<(), StoreError> {
    if indexes.txids {
        write_txids(transaction, batch)?;
    }
    if indexes.addresses {
        write_events(transaction, batch)?;
        let coins = &batch.coins;
        write_coins(transaction, coins.spent().iter(), coins.created().iter())?;
    }
    Ok(())
}

fn write_txids(transaction: &WriteTransaction, batch: &Batch) -> Result<(), StoreError> {
    let mut txids = transaction.open_table(TXIDS)?;
    for block in &batch.left {
        txids.remove(block.coinbase_id().as_bytes())?;
        for tx in block.transactions() {
            txids.remove(tx.txid().as_bytes())?;
        }
    }
    for (block, height) in batch.chain.iter().zip(heights_from(batch.first_height())) {
        insert_txids(&mut txids, block.block(), height)?;
    }
    Ok(())
}

fn insert_txids(
    txids: &mut redb::Table<'_, &'static [u8; 32], (u32, u32)>,
    block: &CheckedBlock,
    height: Height,
) -> Result<(), StoreError> {
    txids.insert(block.coinbase_id().as_bytes(), (height.0, 0))?;
    for (tx, place) in block.transactions().iter().zip(1..) {
        txids.insert(tx.txid().as_bytes(), (height.0, place))?;
    }
    Ok(())
}

fn write_events(transaction: &WriteTransaction, batch: &Batch) -> Result<(), StoreError> {
    let mut events = transaction.open_table(ADDRESS_EVENTS)?;
    if !batch.left.is_empty() {
        let numbers = transaction.open_table(NUMBERS)?;
        let undo = transaction.open_table(UNDO)?;
        for block in &batch.left {
            let bytes = blob::read(&undo, number_of(&numbers, &block.id())?)?;
            let missing = || StoreError::inconsistent(format!("no undo data of block {}", block.id()));
            let spent = decode_undo(&bytes.ok_or_else(missing)?)?;
            for row in address_rows(block, &spent.0) {
                events.remove(&event_key(&row.address, block.coinbase().height.0, row.place))?;
            }
        }
    }
    for (block, height) in batch.chain.iter().zip(heights_from(batch.first_height())) {
        insert_events(&mut events, block.block(), &block.undo(), height)?;
    }
    Ok(())
}

fn insert_events(
    events: &mut redb::Table<'_, &'static [u8; 40], (&'static [u8; 32], u64, u64)>,
    block: &CheckedBlock,
    undo: &Undo,
    height: Height,
) -> Result<(), StoreError> {
    for row in address_rows(block, &undo.0) {
        let key = event_key(&row.address, height.0, row.place);
        events.insert(&key, (row.txid.as_bytes(), row.received, row.spent))?;
    }
    Ok(())
}

fn write_coins<'a>(
    transaction: &WriteTransaction,
    spent: impl Iterator<Item = (&'a OutPoint, &'a Coin)>,
    created: impl Iterator<Item = (&'a OutPoint, &'a Coin)>,
) -> Result<(), StoreError> {
    let mut coins = transaction.open_table(ADDRESS_COINS)?;
    for (outpoint, coin) in spent {
        coins.remove(&address_coin_key(&coin.address, outpoint))?;
    }
    for (outpoint, coin) in created {
        coins.insert(&address_coin_key(&coin.address, outpoint), ())?;
    }
    Ok(())
}

/// Builds what is wanted and not there, and drops what is there and not wanted.
pub(super) fn adapt(
    transaction: &WriteTransaction,
    view: &ChainView,
    stored: Indexes,
    wanted: Indexes,
) -> Result<(), StoreError> {
    if stored.txids && !wanted.txids {
        transaction.delete_table(TXIDS)?;
    }
    if stored.addresses && !wanted.addresses {
        transaction.delete_table(ADDRESS_EVENTS)?;
        transaction.delete_table(ADDRESS_COINS)?;
    }
    let (txids, addresses) = (wanted.txids && !stored.txids, wanted.addresses && !stored.addresses);
    if !txids && !addresses {
        return Ok(());
    }
    if let Height(below @ 1..) = view.pruned_below() {
        let index = if txids { "--txindex" } else { "--addressindex" };
        return Err(StoreError::IndexNeedsBlocks { index, below });
    }
    let tip = view.state().height().0;
    tracing::info!(blocks = tip, "building indexes");
    let mut txid_table = if txids { Some(transaction.open_table(TXIDS)?) } else { None };
    let mut events = if addresses { Some(transaction.open_table(ADDRESS_EVENTS)?) } else { None };
    for height in (0..=tip).map(Height) {
        let missing = || StoreError::inconsistent(format!("no block at height {height}"));
        let id = view.block_id(height)?.ok_or_else(missing)?;
        let block = view.block(&id)?;
        if let Some(table) = &mut txid_table {
            insert_txids(table, &block, height)?;
        }
        if let Some(table) = &mut events {
            insert_events(table, &block, &view.undo(&id)?, height)?;
        }
        if height.0 % 10_000 == 9_999 {
            tracing::info!(height = height.0, of = tip, "building indexes");
        }
    }
    drop((txid_table, events));
    if addresses {
        build_address_coins(transaction)?;
    }
    Ok(())
}

fn build_address_coins(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let coins = transaction.open_table(COINS)?;
    let mut index = transaction.open_table(ADDRESS_COINS)?;
    for row in redb::ReadableTable::iter(&coins)? {
        let (key, coin) = row?;
        let coin = decode_coin(coin.value())?;
        index.insert(&address_coin_key(&coin.address, &outpoint_of_key(key.value())), ())?;
    }
    Ok(())
}

pub(super) fn decode_undo(bytes: &[u8]) -> Result<Undo, StoreError> {
    codec::decode(bytes, bytes.len()).map_err(|error| StoreError::inconsistent(format!("undo data: {error}")))
}

pub(super) fn decode_coin(bytes: &[u8]) -> Result<Coin, StoreError> {
    codec::decode(bytes, bytes.len()).map_err(|error| StoreError::inconsistent(format!("coin: {error}")))
}
