//! Time in a page or a worker, and waits that end: by a deadline, by the caller's signal.
//!
//! Timers of pages in the background fire late, by up to a minute. So nothing here counts by adding timers up: whoever measures time asks
//! [`now_ms`].

use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::AbortSignal;

use super::error::TransportError;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(handler: &js_sys::Function, delay_ms: u32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// Milliseconds since some moment. Does not go back when the clock is set.
#[must_use]
pub fn now_ms() -> f64 {
    performance_now()
}

/// Something that happens once: a flag and whoever waits for it.
#[derive(Debug, Default)]
struct Once {
    is_done: bool,
    waker: Option<Waker>,
}

impl Once {
    fn handler(once: &Rc<RefCell<Self>>) -> Closure<dyn FnMut()> {
        let once = Rc::clone(once);
        Closure::new(move || {
            let waker = {
                let mut once = once.borrow_mut();
                once.is_done = true;
                once.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        })
    }

    fn poll(once: &RefCell<Self>, cx: &Context<'_>) -> Poll<()> {
        let mut once = once.borrow_mut();
        if once.is_done {
            return Poll::Ready(());
        }
        once.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// A timer. Dropping it stops it.
#[derive(Debug)]
pub struct Sleep {
    once: Rc<RefCell<Once>>,
    id: JsValue,
    _handler: Closure<dyn FnMut()>,
}

impl Sleep {
    /// A timer of so many milliseconds.
    #[must_use]
    pub fn new(delay_ms: u32) -> Self {
        let once = Rc::default();
        let handler = Once::handler(&once);
        let id = set_timeout(handler.as_ref().unchecked_ref(), delay_ms);
        Self { once, id, _handler: handler }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Once::poll(&self.once, cx)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        clear_timeout(&self.id);
    }
}

/// A caller's `AbortSignal`, or none.
#[derive(Debug, Default)]
pub struct Cancel(Option<Listening>);

#[derive(Debug)]
struct Listening {
    signal: AbortSignal,
    once: Rc<RefCell<Once>>,
    handler: Closure<dyn FnMut()>,
}

impl Cancel {
    /// Listens to a signal.
    #[must_use]
    pub fn new(signal: Option<AbortSignal>) -> Self {
        Self(signal.map(|signal| {
            let once = Rc::default();
            let handler = Once::handler(&once);
            once.borrow_mut().is_done = signal.aborted();
            // It fails for nothing that is an event target.
            let _ = signal.add_event_listener_with_callback("abort", handler.as_ref().unchecked_ref());
            Listening { signal, once, handler }
        }))
    }

    /// Waits for a future, unless the signal comes first: once it has come, the future does nothing any more, and one that was never polled has
    /// done nothing.
    ///
    /// # Errors
    /// [`TransportError::Aborted`].
    pub async fn during<T>(&self, future: impl Future<Output = T>) -> Result<T, TransportError> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if self.poll(cx).is_ready() {
                return Poll::Ready(Err(TransportError::Aborted));
            }
            future.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        self.0.as_ref().map_or(Poll::Pending, |listening| Once::poll(&listening.once, cx))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let handler = self.handler.as_ref().unchecked_ref();
        let _ = self.signal.remove_event_listener_with_callback("abort", handler);
    }
}

/// How long something may take, and whose signal ends it earlier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit<'a> {
    pub(super) what: &'static str,
    pub(super) limit_ms: u32,
    pub(super) cancel: &'a Cancel,
}

impl Limit<'_> {
    /// Waits for a future, but no longer than that.
    pub(super) async fn wait<T>(
        &self,
        future: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        let (mut future, mut timer) = (pin!(future), Sleep::new(self.limit_ms));
        poll_fn(|cx| {
            if self.cancel.poll(cx).is_ready() {
                return Poll::Ready(Err(TransportError::Aborted));
            }
            if let Poll::Ready(result) = future.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            let is_over = Pin::new(&mut timer).poll(cx).is_ready();
            let Self { what, limit_ms, .. } = *self;
            if is_over { Poll::Ready(Err(TransportError::Timeout { what, limit_ms })) } else { Poll::Pending }
        })
        .await
    }
}
