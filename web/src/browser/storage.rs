//! What stays in the browser when the tab closes: `IndexedDB`, one database for each chain.
//!
//! A failure is an error that the user sees: a wallet that only seems to be kept is worse than none. Each write is one transaction, done
//! when the browser says that it is complete.

use std::rc::Rc;

use idb::{Database, DatabaseEvent as _, Factory, ObjectStoreParams, TransactionMode, TransactionResult};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

/// The table that holds everything, by name.
const TABLE: &str = "wallet";

/// A chain's database.
#[derive(Clone)]
pub(crate) struct Storage {
    database: Rc<Database>,
}

/// Why something is not kept, or not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StorageError(pub(crate) String);

impl From<idb::Error> for StorageError {
    fn from(error: idb::Error) -> Self {
        Self(error.to_string())
    }
}

impl Storage {
    /// Opens the database of a chain, or makes it.
    ///
    /// # Errors
    /// [`StorageError`], as in windows that keep nothing.
    pub(crate) async fn open(chain_id: &str) -> Result<Self, StorageError> {
        let mut request = Factory::new()?.open(&format!("qbtc-{chain_id}"), Some(1))?;
        request.on_upgrade_needed(|event| {
            // A failure here makes the opening fail, which is what is reported.
            if let Ok(database) = event.database() {
                let _ = database.create_object_store(TABLE, ObjectStoreParams::new());
            }
        });
        Ok(Self { database: Rc::new(request.await?) })
    }

    /// The bytes under a name.
    ///
    /// # Errors
    /// [`StorageError`].
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let transaction = self.database.transaction(&[TABLE], TransactionMode::ReadOnly)?;
        let value = transaction.object_store(TABLE)?.get(JsValue::from_str(name))?.await?;
        let bytes = value.and_then(|value| value.dyn_into::<js_sys::Uint8Array>().ok());
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }

    /// Keeps all of these, or none.
    ///
    /// # Errors
    /// [`StorageError`], as of a full disk.
    pub(crate) async fn put(&self, entries: &[(&str, &[u8])]) -> Result<(), StorageError> {
        let transaction = self.database.transaction(&[TABLE], TransactionMode::ReadWrite)?;
        let table = transaction.object_store(TABLE)?;
        for (name, bytes) in entries {
            table.put(&js_sys::Uint8Array::from(*bytes), Some(&JsValue::from_str(name)))?.await?;
        }
        complete(transaction).await
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// [`StorageError`].
    pub(crate) async fn clear(&self) -> Result<(), StorageError> {
        let transaction = self.database.transaction(&[TABLE], TransactionMode::ReadWrite)?;
        transaction.object_store(TABLE)?.clear()?.await?;
        complete(transaction).await
    }
}

async fn complete(transaction: idb::Transaction) -> Result<(), StorageError> {
    match transaction.commit()?.await? {
        TransactionResult::Committed => Ok(()),
        TransactionResult::Aborted => Err(StorageError("the browser gave the change up".to_owned())),
    }
}

/// Whether the browser has promised to keep what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// It has.
    Promised,
    /// It may throw it away when the disk is full, or after a while.
    Refused,
    /// It cannot be asked.
    Unknown,
}

/// Asks the browser to keep what is stored.
pub(crate) async fn persist() -> Persistence {
    let asked = web_sys::window().and_then(|window| window.navigator().storage().persist().ok());
    let Some(asked) = asked else { return Persistence::Unknown };
    match JsFuture::from(asked).await.ok().and_then(|answer| answer.as_bool()) {
        Some(true) => Persistence::Promised,
        Some(false) => Persistence::Refused,
        None => Persistence::Unknown,
    }
}

/// A small setting of this device, such as the colours; losing it is no harm.
pub(crate) fn setting(name: &str) -> Option<String> {
    web_sys::window()?.local_storage().ok()??.get_item(name).ok()?
}

/// Keeps a small setting; `None` forgets it.
pub(crate) fn set_setting(name: &str, value: Option<&str>) {
    let Some(storage) = web_sys::window().and_then(|window| window.local_storage().ok().flatten()) else { return };
    // Losing it is no harm.
    let _ = match value {
        Some(value) => storage.set_item(name, value),
        None => storage.remove_item(name),
    };
}
