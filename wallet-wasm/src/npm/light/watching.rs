//! Addresses that are watched while the client runs: what it finds is taken in here, kept, and told.

use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::light::{Event, FoundBlock, Input};
use qbtc_core::tx::TxBody;
use qbtc_core::units::Height;
use wasm_bindgen::JsValue;

use super::shown::{shown_entries, shown_notice};
use crate::client::{Client, Notice, TooManyAddresses, Watch};
use crate::failure::Failure;
use crate::npm::shown_mark;
use crate::npm::value::Object;
use crate::transport::now_ms;

/// Under which name the state is kept beside the client's.
const KEPT: &str = "watch";
/// How often it is kept at most.
const KEEP_INTERVAL_MS: f64 = 5_000.0;

/// What is watched, if anything is.
#[derive(Default)]
pub(super) struct Watching {
    watch: RefCell<Option<Watch>>,
    is_dirty: Cell<bool>,
    kept_ms: Cell<f64>,
}

impl Watching {
    /// Begins, from what was kept if it fits. Replaces what was watched before.
    pub(super) async fn start(
        &self,
        client: &Client,
        spec: &ChainSpec,
        birthday: Height,
        addresses: &[Address],
    ) -> Result<(), Failure> {
        let kept = client.kept(KEPT).await.map_err(|error| Failure::new("storage", error.to_string()))?;
        let (watch, new) = Watch::new(spec, birthday, addresses, kept.as_deref())?;
        let (start, marks) = (watch.birthday(), watch.marks().to_vec());
        let known: Vec<Address> =
            watch.addresses().filter(|address| marks.is_empty() || !new.contains(address)).collect();
        let is_behind = !marks.is_empty() && !new.is_empty();
        *self.watch.borrow_mut() = Some(watch);
        client.input(Input::Scan { start, marks, addresses: known });
        if is_behind {
            client.input(Input::Watch { addresses: new, from: birthday });
        }
        Ok(())
    }

    /// Watches more addresses, of which no coin is older than a height.
    pub(super) fn add(&self, client: &Client, from: Height, addresses: &[Address]) -> Result<(), Failure> {
        let new = self.change(|watch| watch.add(addresses))??;
        client.input(Input::Watch { addresses: new, from });
        Ok(())
    }

    /// Notes a transaction that nodes have taken.
    pub(super) fn sent(&self, body: &TxBody) {
        // Whoever watches nothing has sent a transaction of others; one too many is forgotten until it is mined.
        let _ = self.change(|watch| watch.sent(body));
    }

    /// What of it, if something is watched.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Watch) -> T) -> Result<T, Failure> {
        self.watch.borrow().as_ref().map(look).ok_or_else(nothing)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Watch) -> T) -> Result<T, Failure> {
        let changed = self.watch.borrow_mut().as_mut().map(change).ok_or_else(nothing)?;
        self.is_dirty.set(true);
        Ok(changed)
    }

    /// Takes in what the client tells, and says it to whoever uses it.
    pub(super) fn take(&self, client: &Client, notice: Notice) -> Object {
        if self.watch.borrow().is_none() {
            return shown_notice(notice);
        }
        match notice {
            Notice::Event(Event::Scanned { to, found }) => {
                let found: Option<&FoundBlock> = found.as_deref();
                // The machine hands out each block once and in order, and says so before it goes back.
                let touched = self.change(|watch| watch.take(to, found).unwrap_or_default()).unwrap_or_default();
                if found.is_some() {
                    client.input(Input::Taken { id: to.id, addresses: Vec::new() });
                }
                let tip = client.tip();
                let shown = self.look(|watch| shown_entries(watch.ledger(), &touched, watch, &tip));
                shown_mark(&to).text("type", "scanned").set("touched", shown.unwrap_or(JsValue::UNDEFINED))
            }
            Notice::Event(Event::RolledBack { to }) => {
                let _ = self.change(|watch| watch.go_back(to));
                shown_notice(Notice::Event(Event::RolledBack { to }))
            }
            other => shown_notice(other),
        }
    }

    /// Keeps the state if it has changed, but not too often, unless it must be now. What cannot be kept is told.
    pub(super) async fn keep(&self, client: &Client, is_last: bool) -> Option<Notice> {
        if !self.is_dirty.get() || (!is_last && now_ms() - self.kept_ms.get() < KEEP_INTERVAL_MS) {
            return None;
        }
        let bytes = self.look(Watch::to_bytes).ok()?;
        self.is_dirty.set(false);
        self.kept_ms.set(now_ms());
        client.keep(KEPT, &bytes).await.err().map(|error| Notice::StoreFailed(error.to_string()))
    }
}

fn nothing() -> Failure {
    Failure::new("not-watching", "no address is watched: name some when the client is connected")
}

impl From<TooManyAddresses> for Failure {
    fn from(error: TooManyAddresses) -> Self {
        Self::new("watch-too-many", error.to_string()).found(error.found)
    }
}
