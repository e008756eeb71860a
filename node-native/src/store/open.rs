//! Opening the store, and what it is asked to keep.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use qbtc_core::chain::ChangeSet;
use qbtc_core::hash::ChainId;
use qbtc_core::spec::ChainSpec;
use redb::{Database, DatabaseError, ReadableDatabase, StorageBackend, TableError, WriteTransaction};

use super::batch::Batch;
use super::gate::{Gate, caught};
use super::tables::{
    COINS, INDEX_ADDRESSES, INDEX_TXIDS, INVALID, MEMPOOL, META, META_CHAIN, META_COINS, META_INDEXES, META_PRUNED,
    META_SCHEMA, SCHEMA_VERSION, SCHEMA_WITHOUT_COMMITMENTS,
};
use super::{ChainView, StoreError, indexes, upgrade};

/// The chain on disk. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) database: Arc<Opened>,
    pub(super) spec: Arc<ChainSpec>,
    pub(super) indexes: Indexes,
    pub(super) gate: Arc<Gate>,
}

/// redb's database, which may fail to be closed: then the next start repairs it.
#[derive(Debug)]
pub(super) struct Opened(Option<Database>);

impl Deref for Opened {
    type Target = Database;

    fn deref(&self) -> &Database {
        self.0.as_ref().expect("taken only by the drop")
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let database = self.0.take();
        if let Err(said) = caught(move || drop(database)) {
            tracing::error!("the database was not closed well: {said}");
        }
    }
}

/// Which optional indexes are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indexes {
    /// Where in the chain each transaction is.
    pub txids: bool,
    /// What happened to each address, and its coins.
    pub addresses: bool,
}

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// The indexes to keep. One that is new is built from the blocks, one that is gone is dropped.
    pub indexes: Indexes,
    /// The memory that redb may take for pages, in bytes.
    pub cache_bytes: usize,
    /// Whether every page is read and held against its checksum first.
    pub is_checked: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { indexes: Indexes::default(), cache_bytes: 128 << 20, is_checked: false }
    }
}

impl Indexes {
    fn to_byte(self) -> u8 {
        (u8::from(self.txids) * INDEX_TXIDS) | (u8::from(self.addresses) * INDEX_ADDRESSES)
    }

    fn from_byte(byte: u8) -> Self {
        Self { txids: byte & INDEX_TXIDS != 0, addresses: byte & INDEX_ADDRESSES != 0 }
    }
}

impl Store {
    /// Opens the database in this file, or begins one with the genesis block.
    ///
    /// # Errors
    /// [`StoreError`], which says what to do. Nothing that was stored is lost by it.
    pub fn open(path: &Path, spec: Arc<ChainSpec>, options: &StoreOptions) -> Result<Self, StoreError> {
        let gate = Gate::new(path.into());
        let opened = gate.pass(|| Self::open_file(path, options));
        Self::begin(opened?, gate, spec, options)
    }

    fn open_file(path: &Path, options: &StoreOptions) -> Result<Database, StoreError> {
        let opened = Database::builder()
            .set_cache_size(options.cache_bytes)
            .set_repair_callback(|repair| {
                let done = format!("{:.0} %", 100.0 * repair.progress());
                tracing::warn!(done, "repairing the database after a crash");
            })
            .create(path);
        opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.into() },
            DatabaseError::UpgradeRequired(version) => StoreError::Damaged {
                path: path.into(),
                detail: format!("file format {version}, which this program cannot read"),
            },
            other => redb::Error::from(other).into(),
        })
    }

    /// Opens the database on something that behaves like a file: for tests with faults.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn with_backend(
        backend: impl StorageBackend,
        spec: Arc<ChainSpec>,
        options: &StoreOptions,
    ) -> Result<Self, StoreError> {
        let gate = Gate::new(PathBuf::from("of a backend"));
        let database = gate.pass(|| {
            let mut builder = Database::builder();
            let database = builder.set_cache_size(options.cache_bytes).create_with_backend(backend);
            Ok(database.map_err(redb::Error::from)?)
        });
        Self::begin(database?, gate, spec, options)
    }

    fn begin(database: Database, gate: Gate, spec: Arc<ChainSpec>, options: &StoreOptions) -> Result<Self, StoreError> {
        let (mut database, gate) = (Opened(Some(database)), Arc::new(gate));
        gate.pass(|| {
            if options.is_checked {
                check(database.0.as_mut().expect("opened just now"))?;
            }
            let store = Self { database: Arc::new(database), spec, indexes: options.indexes, gate: Arc::clone(&gate) };
            store.prepare()?;
            Ok(store)
        })
    }

    /// Brings what was opened to what is asked for.
    fn prepare(&self) -> Result<(), StoreError> {
        match self.stored_schema()? {
            None => self.create()?,
            Some(found @ (SCHEMA_WITHOUT_COMMITMENTS | SCHEMA_VERSION)) => {
                self.check_chain()?;
                if found < SCHEMA_VERSION {
                    self.upgrade()?;
                }
                self.adapt_indexes()?;
            }
            Some(found) if found > SCHEMA_VERSION => {
                return Err(StoreError::Newer { found, known: SCHEMA_VERSION });
            }
            Some(found) => return Err(StoreError::inconsistent(format!("schema version {found} was never in use"))),
        }
        Ok(())
    }

    /// Has somebody told of each failure of the disk or the database from now on, whoever meets it.
    pub(crate) fn tell_of_failures(&self, alarm: impl Fn(&StoreError) + Send + Sync + 'static) {
        self.gate.tell(alarm);
    }

    /// Something stored that cannot be.
    pub(crate) fn inconsistent(&self, detail: impl Into<String>) -> StoreError {
        self.gate.inconsistent(detail)
    }

    /// The chain's rules.
    #[must_use]
    pub fn spec(&self) -> &Arc<ChainSpec> {
        &self.spec
    }

    /// The optional indexes that are kept.
    #[must_use]
    pub const fn indexes(&self) -> Indexes {
        self.indexes
    }

    /// A snapshot of what is stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn view(&self) -> Result<ChainView, StoreError> {
        self.gate.pass(|| self.view_with(self.indexes))
    }

    fn view_with(&self, indexes: Indexes) -> Result<ChainView, StoreError> {
        ChainView::new(&self.database.begin_read()?, Arc::clone(&self.spec), indexes, Arc::clone(&self.gate))
    }

    /// A transaction that is on the disk once it is committed, and after which a crash needs no repair.
    pub(super) fn begin_write(&self) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_quick_repair(true);
        Ok(transaction)
    }

    fn stored_schema(&self) -> Result<Option<u32>, StoreError> {
        let meta = match self.database.begin_read()?.open_table(META) {
            Ok(meta) => meta,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let bytes = meta.get(META_SCHEMA)?.ok_or_else(|| StoreError::inconsistent("no schema version"))?;
        let bytes = bytes.value().try_into().map_err(|_| StoreError::inconsistent("schema version of odd length"))?;
        Ok(Some(u32::from_le_bytes(bytes)))
    }

    fn create(&self) -> Result<(), StoreError> {
        let transaction = self.begin_write()?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert(META_SCHEMA, &SCHEMA_VERSION.to_le_bytes()[..])?;
            meta.insert(META_CHAIN, &self.spec.chain_id().as_bytes()[..])?;
            meta.insert(META_PRUNED, &[0; 8][..])?;
            meta.insert(META_INDEXES, &[self.indexes.to_byte()][..])?;
            // A genesis block without allocations makes no coins, and writes none.
            meta.insert(META_COINS, &0u64.to_le_bytes()[..])?;
            transaction.open_table(COINS)?;
            transaction.open_table(INVALID)?;
            transaction.open_table(MEMPOOL)?;
        }
        self.write(&transaction, &Batch::genesis(ChangeSet::genesis(&self.spec)))?;
        transaction.commit()?;
        Ok(())
    }

    fn check_chain(&self) -> Result<(), StoreError> {
        let meta = self.database.begin_read()?.open_table(META)?;
        let bytes = meta.get(META_CHAIN)?.ok_or_else(|| StoreError::inconsistent("no chain id"))?;
        let bytes = bytes.value().try_into().map_err(|_| StoreError::inconsistent("chain id of odd length"))?;
        let (found, expected) = (ChainId::from_bytes(bytes), self.spec.chain_id());
        if found == expected { Ok(()) } else { Err(StoreError::OtherChain { found, expected }) }
    }

    /// Brings the database to today's format: all of it, or nothing.
    fn upgrade(&self) -> Result<(), StoreError> {
        let transaction = self.begin_write()?;
        upgrade::write_commitments(&transaction)?;
        transaction.open_table(META)?.insert(META_SCHEMA, &SCHEMA_VERSION.to_le_bytes()[..])?;
        transaction.commit()?;
        Ok(())
    }

    /// Builds the indexes that are new, and drops those that are gone.
    fn adapt_indexes(&self) -> Result<(), StoreError> {
        let stored = {
            let meta = self.database.begin_read()?.open_table(META)?;
            let byte = meta.get(META_INDEXES)?.and_then(|bytes| bytes.value().first().copied());
            Indexes::from_byte(byte.ok_or_else(|| StoreError::inconsistent("no list of indexes"))?)
        };
        if stored == self.indexes {
            return Ok(());
        }
        let view = self.view_with(stored)?;
        let transaction = self.begin_write()?;
        indexes::adapt(&transaction, &view, stored, self.indexes)?;
        transaction.open_table(META)?.insert(META_INDEXES, &[self.indexes.to_byte()][..])?;
        transaction.commit()?;
        Ok(())
    }
}

/// Reads every page and holds it against its checksum.
fn check(database: &mut Database) -> Result<(), StoreError> {
    tracing::info!("checking the database, all of it");
    match database.check_integrity() {
        Ok(true) => tracing::info!("the database is whole"),
        Ok(false) => tracing::warn!("the database was repaired: it stands where it was last whole"),
        Err(error) => return Err(redb::Error::from(error).into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;

    /// Whatever the genesis block allots, and it may be nothing.
    #[test]
    fn every_chain_can_be_begun() {
        for spec in [ChainSpec::main(), ChainSpec::test(), ChainSpec::local(), ChainSpec::dev()] {
            for all in [false, true] {
                let options =
                    StoreOptions { indexes: Indexes { txids: all, addresses: all }, ..StoreOptions::default() };
                let spec = Arc::new(spec.clone());
                let store = Store::with_backend(InMemoryBackend::new(), Arc::clone(&spec), &options).unwrap();
                let view = store.view().unwrap();
                assert_eq!(view.state().tip(), spec.genesis().id());
                assert_eq!(view.coin_count(), spec.consensus().genesis.allocations.len() as u64);
            }
        }
    }
}
