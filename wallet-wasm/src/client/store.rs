//! What is kept over a reload: the light client's state, in `IndexedDB`.
//!
//! Everything here can fail: private windows, refused or full storage, a browser that evicts. A failure is an error for whoever asked; nothing is
//! kept in memory instead and called stored.
//!
//! A state has one writer: who has claimed its key last. Whoever claimed it before writes nothing any more, although it may not know: a tab that was
//! frozen goes on where it stood. So each transaction that writes looks first whose the key is.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use js_sys::{Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DomException, IdbDatabase, IdbFactory, IdbOpenDbRequest, IdbRequest, IdbTransaction, IdbTransactionMode,
};

use crate::transport::said;

/// The database's version. A later one upgrades what it finds.
const VERSION: u32 = 1;
const STATES: &str = "states";

/// Nothing can be stored, or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the browser's storage cannot be used: {0}")]
pub struct StoreError(String);

/// What the browser throws.
impl From<JsValue> for StoreError {
    fn from(thrown: JsValue) -> Self {
        Self(said(&thrown))
    }
}

/// A database of light clients' states, by key.
pub struct Store {
    database: IdbDatabase,
    /// What says that the claimed key is this store's; nothing, before it has claimed one and once it has given it up.
    claim: Cell<Option<f64>>,
    /// What writes now.
    writing: RefCell<Vec<IdbTransaction>>,
    /// Held as long as the browser may call it.
    _on_version_change: Closure<dyn FnMut()>,
}

impl Store {
    /// Opens a database, or makes it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(name: &str) -> Result<Self, StoreError> {
        let factory = Reflect::get(&js_sys::global(), &"indexedDB".into())?;
        let factory: IdbFactory =
            factory.dyn_into().map_err(|_| StoreError("there is no IndexedDB here".to_owned()))?;
        let request = factory.open_with_u32(name, VERSION)?;
        let on_upgrade = {
            let request = request.clone();
            // What fails here fails the whole opening, which is told below.
            Closure::<dyn FnMut()>::new(move || {
                let _ = make_states(&request);
            })
        };
        request.set_onupgradeneeded(Some(on_upgrade.as_ref().unchecked_ref()));
        let opened = result_of(&request).await;
        request.set_onupgradeneeded(None);
        let database: IdbDatabase = opened?.dyn_into()?;
        // Another tab with a later version may upgrade; this one is then told by its next error.
        let on_version_change = {
            let database = database.clone();
            Closure::<dyn FnMut()>::new(move || database.close())
        };
        database.set_onversionchange(Some(on_version_change.as_ref().unchecked_ref()));
        Ok(Self {
            database,
            claim: Cell::default(),
            writing: RefCell::default(),
            _on_version_change: on_version_change,
        })
    }

    /// Makes this store the only one that writes what a key holds, and all below it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim(&self, key: &str) -> Result<(), StoreError> {
        let (transaction, claim) = (self.writing()?, js_sys::Math::random());
        transaction.object_store(STATES)?.put_with_key(&claim.into(), &owner_of(key))?;
        committed(&transaction).await?;
        self.claim.set(Some(claim));
        Ok(())
    }

    /// Writes nothing from now on, and takes back what is being written.
    pub fn give_up(&self) {
        self.claim.set(None);
        for transaction in self.writing.take() {
            // One that is through already stays.
            let _ = transaction.abort();
        }
    }

    /// What is kept under a key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let states = self.database.transaction_with_str(STATES)?.object_store(STATES)?;
        let found = result_of(&states.get(&key.into())?).await?;
        Ok(found.dyn_into::<Uint8Array>().ok().map(|bytes| bytes.to_vec()))
    }

    /// Keeps bytes under a name below the key that was claimed, or under the key itself. They are on the disk, or as good as, when this is done.
    ///
    /// # Errors
    /// [`StoreError`]; also if another store has claimed the key since.
    pub async fn save(&self, key: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let claim = self.claim.get().ok_or_else(|| StoreError("what is kept there is not claimed".to_owned()))?;
        let transaction = self.writing()?;
        self.writing.borrow_mut().push(transaction.clone());
        let saved = save_in(&transaction, claim, key, name, bytes).await;
        self.writing.borrow_mut().retain(|other| *other != transaction);
        saved
    }

    fn writing(&self) -> Result<IdbTransaction, StoreError> {
        Ok(self.database.transaction_with_str_and_mode(STATES, IdbTransactionMode::Readwrite)?)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.database.set_onversionchange(None);
        self.database.close();
    }
}

/// Writes, if the key is still whose claim this is.
async fn save_in(
    transaction: &IdbTransaction,
    claim: f64,
    key: &str,
    name: &str,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let states = transaction.object_store(STATES)?;
    let owner = result_of(&states.get(&owner_of(key))?).await?;
    if owner.as_f64() != Some(claim) {
        return Err(taken_over());
    }
    states.put_with_key(&Uint8Array::from(bytes), &format!("{key}{name}").into())?;
    committed(transaction).await
}

/// Under which key stands who writes.
fn owner_of(key: &str) -> JsValue {
    format!("{key}/owner").into()
}

fn taken_over() -> StoreError {
    StoreError("another client has taken over what is kept there".to_owned())
}

/// Makes the store of states. There is none yet: it came with the first version.
fn make_states(request: &IdbOpenDbRequest) -> Result<(), JsValue> {
    request.result()?.dyn_into::<IdbDatabase>()?.create_object_store(STATES).map(drop)
}

/// What a request results in.
async fn result_of(request: &IdbRequest) -> Result<JsValue, StoreError> {
    let ended = event(|resolve, reject| {
        request.set_onsuccess(Some(resolve));
        request.set_onerror(Some(reject));
    });
    match ended.await {
        Ok(_) => Ok(request.result()?),
        Err(_) => Err(failed(request.error()?)),
    }
}

/// Waits until a transaction is through, which commits by itself once it has nothing left to do.
async fn committed(transaction: &IdbTransaction) -> Result<(), StoreError> {
    let ended = event(|resolve, reject| {
        transaction.set_oncomplete(Some(resolve));
        transaction.set_onabort(Some(reject));
    });
    ended.await.map(drop).map_err(|_| failed(transaction.error()))
}

/// A promise of one of two events, whose listeners `listen` is given.
fn event(listen: impl Fn(&Function, &Function)) -> JsFuture {
    Promise::new(&mut |resolve, reject| listen(&resolve, &reject)).into()
}

fn failed(error: Option<DomException>) -> StoreError {
    error.map_or_else(|| StoreError("no reason was given".to_owned()), |error| JsValue::from(error).into())
}

/// Asks the browser not to evict what is stored. Whether it has agreed; None where it cannot be asked.
pub async fn persist() -> Option<bool> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    let storage = Reflect::get(&navigator, &"storage".into()).ok()?;
    let persist: Function = Reflect::get(&storage, &"persist".into()).ok()?.dyn_into().ok()?;
    let asked: Promise = persist.call0(&storage).ok()?.dyn_into().ok()?;
    JsFuture::from(asked).await.ok()?.as_bool()
}
