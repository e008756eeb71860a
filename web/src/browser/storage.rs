//! What stays in the browser when the tab closes: `IndexedDB`, one database for each chain.
//!
//! A failure is an error that the user sees: a wallet that only seems to be kept is worse than none. Each write is one transaction, done
//! when the browser says that it is complete. It begins with a look at the keystore: where that is not the writer's own, another tab has made or removed a
//! wallet meanwhile, and nothing is written. So no tab overwrites a key that it does not know of.
//!
//! What one tab alone may write is claimed by it ([`Storage::claim`]): a tab that was overtaken while it hung writes nothing over what came after it.

use std::rc::Rc;

use idb::{Database, DatabaseEvent as _, Factory, ObjectStore, ObjectStoreParams, TransactionMode, TransactionResult};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

/// The table that holds everything, by name.
const TABLE: &str = "wallet";
/// Where the keystore is kept.
pub(crate) const KEYSTORE: &str = "keystore";

/// Where stands who keeps the accounts.
const KEEPER: &str = "keeper";

/// Says in the database who keeps the accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    own: [u8; 8],
    /// What stood there before: it still does where the disk is full, until the first write for which there is room again.
    before: Option<Vec<u8>>,
}

/// A chain's database.
#[derive(Clone)]
pub(crate) struct Storage {
    database: Rc<Database>,
}

/// Why something is not kept, or not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StorageError {
    /// What the browser says.
    Browser(String),
    /// The browser keeps nothing for this page.
    Refused,
    /// What is kept is of no use: a sentence.
    Useless(String),
    /// The keystore is not the one that was expected.
    OtherWallet,
    /// Another tab has claimed the accounts since.
    OtherKeeper,
}

impl From<idb::Error> for StorageError {
    fn from(error: idb::Error) -> Self {
        Self::Browser(error.to_string())
    }
}

impl StorageError {
    /// A sentence for people.
    pub(crate) fn sentence(self) -> String {
        match self {
            Self::Browser(error) => crate::text::storage_fault(&error),
            Self::Refused => crate::text::STORAGE_REFUSED.to_owned(),
            Self::Useless(sentence) => sentence,
            Self::OtherWallet => crate::text::OTHER_WALLET.to_owned(),
            Self::OtherKeeper => crate::text::OTHER_KEEPER.to_owned(),
        }
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
        read(&transaction.object_store(TABLE)?, name).await
    }

    /// Keeps all of these beside the rest, or none.
    ///
    /// # Errors
    /// [`StorageError`], as of a full disk, or if the keystore is not this one.
    pub(crate) async fn put(&self, keystore: &[u8], entries: &[(&str, &[u8])]) -> Result<(), StorageError> {
        let transaction = self.change(Some(keystore)).await?;
        write(&transaction.object_store(TABLE)?, entries).await?;
        complete(transaction).await
    }

    /// The same, for what was claimed.
    ///
    /// # Errors
    /// [`StorageError`], also if another has claimed it since.
    pub(crate) async fn put_claimed(
        &self,
        keystore: &[u8],
        claim: &Claim,
        entries: &[(&str, &[u8])],
    ) -> Result<(), StorageError> {
        let transaction = self.change(Some(keystore)).await?;
        let table = transaction.object_store(TABLE)?;
        let found = read(&table, KEEPER).await?;
        let is_written = found.as_deref() == Some(&claim.own[..]);
        if !is_written && found != claim.before {
            return Err(StorageError::OtherKeeper);
        }
        if !is_written {
            write(&table, &[(KEEPER, &claim.own)]).await?;
        }
        write(&table, entries).await?;
        complete(transaction).await
    }

    /// Claims the accounts of a keystore: whoever has claimed them before writes them no more, although he may not know.
    ///
    /// # Errors
    /// [`StorageError`], but not for a disk that is full.
    pub(crate) async fn claim(&self, keystore: &[u8]) -> Result<Claim, StorageError> {
        let transaction = self.change(Some(keystore)).await?;
        let table = transaction.object_store(TABLE)?;
        let claim = Claim { own: js_sys::Math::random().to_le_bytes(), before: read(&table, KEEPER).await? };
        // One that cannot be written goes with the first write that can.
        if write(&table, &[(KEEPER, &claim.own)]).await.is_ok() {
            drop(complete(transaction).await);
        }
        Ok(claim)
    }

    /// Keeps these and forgets everything else, or nothing happens.
    ///
    /// # Errors
    /// [`StorageError`], as of a full disk, or if the keystore is not this one; `None` stands for there being none.
    pub(crate) async fn replace(&self, keystore: Option<&[u8]>, entries: &[(&str, &[u8])]) -> Result<(), StorageError> {
        let transaction = self.change(keystore).await?;
        let table = transaction.object_store(TABLE)?;
        table.clear()?.await?;
        write(&table, entries).await?;
        complete(transaction).await
    }

    /// Begins a change of what belongs to a keystore, or of what belongs to none.
    async fn change(&self, keystore: Option<&[u8]>) -> Result<idb::Transaction, StorageError> {
        let transaction = self.database.transaction(&[TABLE], TransactionMode::ReadWrite)?;
        let found = read(&transaction.object_store(TABLE)?, KEYSTORE).await?;
        if found.as_deref() == keystore { Ok(transaction) } else { Err(StorageError::OtherWallet) }
    }
}

async fn read(table: &ObjectStore, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
    let value = table.get(JsValue::from_str(name))?.await?;
    let bytes = value.and_then(|value| value.dyn_into::<js_sys::Uint8Array>().ok());
    Ok(bytes.map(|bytes| bytes.to_vec()))
}

async fn write(table: &ObjectStore, entries: &[(&str, &[u8])]) -> Result<(), StorageError> {
    for (name, bytes) in entries {
        table.put(&js_sys::Uint8Array::from(*bytes), Some(&JsValue::from_str(name)))?.await?;
    }
    Ok(())
}

async fn complete(transaction: idb::Transaction) -> Result<(), StorageError> {
    match transaction.commit()?.await? {
        TransactionResult::Committed => Ok(()),
        TransactionResult::Aborted => Err(StorageError::Browser("the browser gave the change up".to_owned())),
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
