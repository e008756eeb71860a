//! What is kept over a reload: the light client's state, in `IndexedDB`.
//!
//! Everything here can fail: private windows, refused or full storage, a browser that evicts. A failure is an error for whoever asked; nothing is
//! kept in memory instead and called stored.

use idb::{Database, DatabaseEvent as _, Factory, ObjectStoreParams, TransactionMode};
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast as _, JsValue};

/// The database's version. A later one upgrades what it finds.
const VERSION: u32 = 1;
const STATES: &str = "states";

/// Nothing can be stored, or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the browser's storage cannot be used: {0}")]
pub struct StoreError(String);

impl From<idb::Error> for StoreError {
    fn from(error: idb::Error) -> Self {
        Self(error.to_string())
    }
}

/// A database of light clients' states, by key.
pub struct Store {
    database: Database,
}

impl Store {
    /// Opens a database, or makes it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(name: &str) -> Result<Self, StoreError> {
        let mut request = Factory::new()?.open(name, Some(VERSION))?;
        request.on_upgrade_needed(|event| {
            // What fails here fails the whole opening, which is told below.
            if let Ok(database) = event.database()
                && !database.store_names().iter().any(|known| known == STATES)
            {
                let _ = database.create_object_store(STATES, ObjectStoreParams::new());
            }
        });
        let mut database = request.await?;
        // Another tab with a later version may upgrade; this one is then told by its next error.
        database.on_version_change(|event| {
            let database = event.target().and_then(|target| target.dyn_into::<web_sys::IdbDatabase>().ok());
            if let Some(database) = database {
                database.close();
            }
        });
        Ok(Self { database })
    }

    /// What is kept under a key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let transaction = self.database.transaction(&[STATES], TransactionMode::ReadOnly)?;
        let found = transaction.object_store(STATES)?.get(JsValue::from_str(key))?.await?;
        Ok(found.and_then(|value| value.dyn_into::<Uint8Array>().ok()).map(|bytes| bytes.to_vec()))
    }

    /// Keeps bytes under a key. They are on the disk, or as good as, when this is done.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn save(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let transaction = self.database.transaction(&[STATES], TransactionMode::ReadWrite)?;
        let value = Uint8Array::from(bytes);
        transaction.object_store(STATES)?.put(&value, Some(&JsValue::from_str(key)))?.await?;
        transaction.commit()?.await?;
        Ok(())
    }

    /// Forgets what is kept under a key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove(&self, key: &str) -> Result<(), StoreError> {
        let transaction = self.database.transaction(&[STATES], TransactionMode::ReadWrite)?;
        transaction.object_store(STATES)?.delete(JsValue::from_str(key))?.await?;
        transaction.commit()?.await?;
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.database.close();
    }
}

/// Asks the browser not to evict what is stored. Whether it has agreed; None where it cannot be asked.
pub async fn persist() -> Option<bool> {
    let navigator = js_sys::Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    let storage = js_sys::Reflect::get(&navigator, &"storage".into()).ok()?;
    let persist: js_sys::Function = js_sys::Reflect::get(&storage, &"persist".into()).ok()?.dyn_into().ok()?;
    let asked: js_sys::Promise = persist.call0(&storage).ok()?.dyn_into().ok()?;
    wasm_bindgen_futures::JsFuture::from(asked).await.ok()?.as_bool()
}
