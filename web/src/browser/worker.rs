//! Workers beside the page, and the helper among them, which seals and opens keystores: that would make the page stand still.
//!
//! A helper lives for one question. When it has answered, it is ended, and its memory with the secrets in it is gone. One is kept ready, so that a
//! wallet opens although the node that served the page does not answer any more.

use std::cell::{Cell, RefCell};

use js_sys::{Promise, Uint8Array};
use leptos::prelude::set_timeout;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent, Worker, WorkerOptions, WorkerType};
use zeroize::Zeroizing;

use crate::wallet::vault::{self, Ask, Told};

/// How long a helper may take: a slow phone needs some seconds.
const ANSWER_MS: u64 = 90_000;
/// How long a worker may take until it is there.
const START_MS: u64 = 60_000;
/// What a worker says once it is there.
const READY: &str = "ready";
/// The helper's program.
const HELPER: &str = "qbtc-vault";

thread_local! {
    static SPARE: RefCell<Option<Running>> = const { RefCell::new(None) };
    static IS_PREPARING: Cell<bool> = const { Cell::new(false) };
}

/// Keeps a helper ready for the next question.
pub(crate) fn prepare() {
    if IS_PREPARING.replace(true) || SPARE.with_borrow(Option::is_some) {
        return IS_PREPARING.set(false);
    }
    spawn_local(async {
        // Without one, the next question starts its own, and says what is wrong.
        let spare = start(HELPER).await.ok();
        SPARE.set(spare);
        IS_PREPARING.set(false);
    });
}

/// Asks a helper, and ends it.
pub(crate) async fn ask(ask: &Ask) -> Told {
    let told = match ask_helper(ask).await {
        Ok(told) => told,
        Err(error) => Told::Failed(super::told(&error)),
    };
    prepare();
    told
}

async fn ask_helper(ask: &Ask) -> Result<Told, JsValue> {
    let helper = match SPARE.take() {
        Some(spare) => spare,
        None => start(HELPER).await?,
    };
    let question = ask.to_bytes();
    helper.worker().post_message(&Uint8Array::from(question.as_slice()))?;
    let answered = helper.heard(Some(ANSWER_MS)).await?;
    let bytes = Zeroizing::new(answered.dyn_into::<Uint8Array>()?.to_vec());
    Ok(Told::from_bytes(&bytes))
}

/// A worker, which ends when this is dropped.
pub(crate) struct Running(Worker);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.terminate();
    }
}

/// Starts a worker with a program, and waits until it is there.
///
/// # Errors
/// What the browser says.
pub(crate) async fn start(program: &str) -> Result<Running, JsValue> {
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    options.set_name(program);
    let running = Running(Worker::new_with_options("/worker.js", &options)?);
    running.heard(Some(START_MS)).await?;
    Ok(running)
}

impl Running {
    pub(crate) fn worker(&self) -> &Worker {
        &self.0
    }

    /// What it says next.
    ///
    /// # Errors
    /// What the browser says, or that the worker was silent for too long.
    pub(crate) async fn heard(&self, limit_ms: Option<u64>) -> Result<JsValue, JsValue> {
        let mut callbacks: Vec<super::Callback> = Vec::new();
        let said = Promise::new(&mut |resolve, reject| {
            let failed = reject.clone();
            let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
                drop(resolve.call1(&JsValue::NULL, &message.data()));
            });
            let on_error = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
                drop(failed.call1(&JsValue::NULL, event.as_ref()));
            });
            self.0.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
            self.0.set_onerror(Some(on_error.as_ref().unchecked_ref()));
            callbacks.extend([on_message, on_error]);
            if let Some(limit_ms) = limit_ms {
                // A promise that is settled already does not care.
                let give_up = move || drop(reject.call1(&JsValue::NULL, &"the helper does not answer".into()));
                set_timeout(give_up, std::time::Duration::from_millis(limit_ms));
            }
        });
        let said = JsFuture::from(said).await;
        self.0.set_onmessage(None);
        self.0.set_onerror(None);
        drop(callbacks);
        said
    }
}

/// Answers as a helper.
pub(crate) fn serve() {
    listen(|to, question| {
        let Some(question) = question.dyn_ref::<Uint8Array>() else { return };
        let answer = vault::answer(&Zeroizing::new(question.to_vec()));
        // If the page is gone, nobody misses the answer.
        let _ = to.post_message(&Uint8Array::from(answer.as_slice()));
    });
}

/// Hears the page for as long as this worker lives, and says that it does.
pub(crate) fn listen(hear: impl Fn(&DedicatedWorkerGlobalScope, &JsValue) + 'static) {
    let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() else { return };
    let to = scope.clone();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| hear(&to, &message.data()));
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    // The page waits for this, and without it asks nothing.
    let _ = scope.post_message(&JsValue::from_str(READY));
}
