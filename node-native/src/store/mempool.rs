//! The mempool over a restart. Nothing of it belongs to the chain: losing it costs fees, not coins.

use std::collections::BTreeMap;

use qbtc_core::codec;
use qbtc_core::hash::Txid;
use qbtc_core::tx::Transaction;
use qbtc_core::units::BlockTime;
use redb::{
    ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, TableError, Value,
    WriteTransaction,
};

use super::tables::{MEMPOOL, OWN, PRIORITIES};
use super::{Store, StoreError};

/// The mempool of the last run.
#[derive(Clone, Debug, Default)]
pub struct StoredMempool {
    /// Its transactions with the times of their arrival, in its order.
    pub transactions: Vec<(BlockTime, Transaction)>,
    /// Those that its operator valued otherwise, and by how many quanta.
    pub priorities: BTreeMap<Txid, i64>,
    /// Those that were handed in here, and whether others know them.
    pub own: BTreeMap<Txid, bool>,
}

/// What has changed in the mempool since it was written. A transaction's place is its number in the order of arrival.
#[derive(Clone, Debug)]
pub struct MempoolChange<'a> {
    /// Whether all that is stored is of an earlier run, and goes.
    pub is_first: bool,
    /// The places of transactions that left.
    pub left: Vec<u64>,
    /// The transactions that came.
    pub came: Vec<(u64, BlockTime, &'a Transaction)>,
    /// All transactions that are valued otherwise, if that changed.
    pub priorities: Option<&'a BTreeMap<Txid, i64>>,
    /// All transactions that were handed in here, and whether others know them, if that changed.
    pub own: Option<&'a BTreeMap<Txid, bool>>,
}

impl Store {
    /// Whether a mempool of the last run is stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_mempool(&self) -> Result<bool, StoreError> {
        self.gate.pass(|| {
            let transaction = self.database.begin_read()?;
            let has_priorities = match transaction.open_table(PRIORITIES) {
                Ok(table) => !table.is_empty()?,
                Err(TableError::TableDoesNotExist(_)) => false,
                Err(error) => return Err(error.into()),
            };
            Ok(has_priorities || !transaction.open_table(MEMPOOL)?.is_empty()?)
        })
    }

    /// The mempool of the last run.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load_mempool(&self) -> Result<StoredMempool, StoreError> {
        self.gate.pass(|| {
            let transaction = self.database.begin_read()?;
            let table = transaction.open_table(MEMPOOL)?;
            let mut stored = StoredMempool::default();
            for row in table.iter()? {
                let (_, value) = row?;
                let (time, bytes) = value.value();
                let transaction = codec::decode(bytes, bytes.len());
                let damaged = |error| StoreError::inconsistent(format!("transaction of the mempool: {error}"));
                stored.transactions.push((BlockTime(time), transaction.map_err(damaged)?));
            }
            stored.priorities = by_txid(&transaction, PRIORITIES)?;
            stored.own = by_txid(&transaction, OWN)?;
            Ok(stored)
        })
    }

    /// Writes what has changed in the mempool.
    ///
    /// # Errors
    /// [`StoreError`]; then what was stored before is still there.
    pub fn save_mempool(&self, change: &MempoolChange<'_>) -> Result<(), StoreError> {
        self.gate.pass(|| {
            let transaction = self.begin_write()?;
            {
                let mut table = transaction.open_table(MEMPOOL)?;
                if change.is_first {
                    table.retain(|_, _| false)?;
                }
                for place in &change.left {
                    table.remove(place)?;
                }
                for (place, time, tx) in &change.came {
                    table.insert(place, (time.0, &codec::encode(*tx)[..]))?;
                }
            }
            replace(&transaction, PRIORITIES, change.priorities)?;
            replace(&transaction, OWN, change.own)?;
            transaction.commit()?;
            Ok(())
        })
    }
}

/// A table by the ids of transactions, which may never have been made.
type TxidTable<V> = TableDefinition<'static, &'static [u8; 32], V>;

fn by_txid<V>(transaction: &ReadTransaction, table: TxidTable<V>) -> Result<BTreeMap<Txid, V>, StoreError>
where
    V: for<'a> Value<SelfType<'a> = V> + 'static,
{
    match transaction.open_table(table) {
        Ok(table) => table
            .iter()?
            .map(|row| row.map(|(txid, value)| (Txid::from_bytes(*txid.value()), value.value())))
            .collect::<Result<_, _>>()
            .map_err(StoreError::from),
        Err(TableError::TableDoesNotExist(_)) => Ok(BTreeMap::new()),
        Err(error) => Err(error.into()),
    }
}

fn replace<V>(
    transaction: &WriteTransaction,
    table: TxidTable<V>,
    values: Option<&BTreeMap<Txid, V>>,
) -> Result<(), StoreError>
where
    V: for<'a> Value<SelfType<'a> = V> + 'static,
{
    let Some(values) = values else { return Ok(()) };
    let mut table = transaction.open_table(table)?;
    table.retain(|_, _| false)?;
    for (txid, value) in values {
        table.insert(txid.as_bytes(), value)?;
    }
    Ok(())
}
