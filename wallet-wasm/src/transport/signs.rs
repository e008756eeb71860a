//! Signs of the browser that connections may be gone without anybody having told: the network is back, the page is seen again.

use alloc::vec::Vec;

use js_sys::{Function, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::EventTarget;

/// Listens to the signs. Dropping it leaves no handler behind.
pub(crate) struct Signs {
    listened: Vec<(EventTarget, &'static str)>,
    handler: Closure<dyn FnMut()>,
}

impl Signs {
    /// Calls `tell` at each sign. Where there is no document, as in a worker, only the network gives any.
    pub(crate) fn new(mut tell: impl FnMut() + 'static) -> Self {
        let global = js_sys::global();
        let document = Reflect::get(&global, &JsValue::from_str("document")).unwrap_or_default();
        let seen = document.clone();
        let handler = Closure::<dyn FnMut()>::new(move || {
            let state = Reflect::get(&seen, &JsValue::from_str("visibilityState")).unwrap_or_default();
            // A page that hides is no sign.
            if state.as_string().as_deref() != Some("hidden") {
                tell();
            }
        });
        let mut listened = Vec::new();
        for (target, name) in [(JsValue::from(global), "online"), (document, "visibilitychange")] {
            // Node has neither.
            if !Reflect::has(&target, &JsValue::from_str("addEventListener")).unwrap_or(false) {
                continue;
            }
            let target: EventTarget = target.unchecked_into();
            if target.add_event_listener_with_callback(name, function(&handler)).is_ok() {
                listened.push((target, name));
            }
        }
        Self { listened, handler }
    }
}

impl Drop for Signs {
    fn drop(&mut self) {
        for (target, name) in &self.listened {
            // What was added can be removed.
            let _ = target.remove_event_listener_with_callback(name, function(&self.handler));
        }
    }
}

fn function(handler: &Closure<dyn FnMut()>) -> &Function {
    handler.as_ref().unchecked_ref()
}
