//! Whether the page runs. The browser says so before it freezes it, or keeps it for whoever goes back, and when it runs again. Within such an event all
//! that waits for it here is done.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use leptos::prelude::{document, window};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::EventTarget;

/// The page's life, as one task looks at it.
#[derive(Clone, Default)]
pub(super) struct Life {
    is_frozen: Rc<Cell<bool>>,
    waker: Rc<RefCell<Option<Waker>>>,
}

impl Life {
    /// Listens for as long as the page lives.
    pub(super) fn listen() -> Self {
        let life = Self::default();
        let (document, window): (EventTarget, EventTarget) = (document().into(), window().into());
        let events = [
            (&document, "freeze", true),
            (&document, "resume", false),
            (&window, "pagehide", true),
            (&window, "pageshow", false),
        ];
        for (target, name, is_frozen) in events {
            let life = life.clone();
            let hear = Closure::<dyn FnMut()>::new(move || life.turn(is_frozen));
            // A target takes any listener.
            let _ = target.add_event_listener_with_callback(name, hear.as_ref().unchecked_ref());
            hear.forget();
        }
        life
    }

    fn turn(&self, is_frozen: bool) {
        self.is_frozen.set(is_frozen);
        let waker = self.waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Works until the page is about to be frozen.
    pub(super) async fn during(&self, work: impl Future<Output = ()>) {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if self.is_frozen.get() {
                return Poll::Ready(());
            }
            self.waker.replace(Some(cx.waker().clone()));
            work.as_mut().poll(cx)
        })
        .await;
    }

    /// Waits until the page runs again.
    pub(super) async fn resumed(&self) {
        poll_fn(|cx| {
            self.waker.replace(Some(cx.waker().clone()));
            if self.is_frozen.get() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}
