//! A helper beside the page, for what would make it stand still: the same program, started where there is no window.
//!
//! One helper for one question. When it has answered, it is ended, and its memory with the secrets in it is gone.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Promise, Uint8Array};
use leptos::prelude::set_timeout;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::wallet::vault::{self, Ask, Told};

/// How long a helper may take: a slow phone needs some seconds.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Asks a helper, and ends it.
pub(crate) async fn ask(ask: &Ask) -> Told {
    match ask_worker(ask).await {
        Ok(told) => told,
        Err(error) => Told::Failed(super::told(&error)),
    }
}

async fn ask_worker(ask: &Ask) -> Result<Told, JsValue> {
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    let worker = Worker::new_with_options("/worker.js", &options)?;
    let question = ask.to_bytes();
    let callbacks: Rc<RefCell<Vec<super::Callback>>> = Rc::default();
    let answer = Promise::new(&mut |resolve, reject| {
        let (to, question) = (worker.clone(), question.clone());
        let failed = reject.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
            let data = message.data();
            let settled = match data.dyn_ref::<Uint8Array>() {
                Some(_) => resolve.call1(&JsValue::NULL, &data).map(drop),
                // The helper says that it is there.
                None => to.post_message(&Uint8Array::from(question.as_slice())),
            };
            if let Err(error) = settled {
                drop(failed.call1(&JsValue::NULL, &error));
            }
        });
        let failed = reject.clone();
        let on_error = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            drop(failed.call1(&JsValue::NULL, event.as_ref()));
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        callbacks.borrow_mut().extend([on_message, on_error]);
        // A promise that is settled already does not care.
        set_timeout(move || drop(reject.call1(&JsValue::NULL, &"the helper does not answer".into())), TIMEOUT);
    });
    let answered = JsFuture::from(answer).await;
    worker.terminate();
    drop(callbacks);
    let bytes = zeroize::Zeroizing::new(answered?.dyn_into::<Uint8Array>()?.to_vec());
    Ok(Told::from_bytes(&bytes))
}

/// Answers in a helper.
pub(crate) fn serve() {
    let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() else { return };
    let to = scope.clone();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
        let Ok(question) = message.data().dyn_into::<Uint8Array>() else { return };
        let question = zeroize::Zeroizing::new(question.to_vec());
        let answer = vault::answer(&question);
        // If the page is gone, nobody misses the answer.
        let _ = to.post_message(&Uint8Array::from(answer.as_slice()));
    });
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // It serves as long as the helper lives.
    on_message.forget();
}
