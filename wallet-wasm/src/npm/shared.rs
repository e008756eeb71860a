//! One light client for several tabs: the tab that holds the browser's lock runs it, the others ask that tab.
//!
//! ```text
//! every tab   waits for the lock; hears events; sends what it asks over a `BroadcastChannel`
//! the leader  has the lock; runs the client; answers; tells events to all
//! ```
//! When the leader closes, the browser gives the lock to the next tab, which starts the client from what was stored, and what waits for an answer is
//! asked again there. Nothing that passes here is trusted less than the page itself: a channel is of one origin.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use js_sys::{Array, Promise, Reflect};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::convert::TryFromJsValue as _;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::{BroadcastChannel, MessageEvent};

use super::light::LightClient;
use crate::client::Leadership;
use crate::failure::Failure;
use crate::transport::Sleep;

/// The most questions of this tab that wait, and the most events that wait to be read.
const CALLS_MAX: usize = 256;
const EVENTS_MAX: usize = 4_096;
/// How long a question may wait for a leader and its answer.
const CALL_TIME_MAX_MS: u32 = 90_000;

const ASK: &str = "ask";
const ANSWER: &str = "answer";
const EVENT: &str = "event";
const LEADER: &str = "leader";

/// A light client that several tabs share.
#[wasm_bindgen]
pub struct SharedLightClient(Rc<Inner>);

type OnMessage = Closure<dyn FnMut(MessageEvent)>;

struct Inner {
    channel: BroadcastChannel,
    /// Tells this tab from the others.
    own: String,
    last: Cell<u32>,
    calls: RefCell<BTreeMap<u32, Call>>,
    events: RefCell<(VecDeque<JsValue>, Option<Waker>)>,
    leader: RefCell<Option<(Rc<LightClient>, Leadership)>>,
    is_closed: Cell<bool>,
    on_message: RefCell<Option<OnMessage>>,
}

struct Call {
    method: String,
    arguments: Array,
    answer: Option<Result<JsValue, JsValue>>,
    waker: Option<Waker>,
}

#[wasm_bindgen]
impl SharedLightClient {
    /// Joins the tabs of this name. `start` is called where this tab becomes the leader, and gives a promise of a `LightClient`.
    #[wasm_bindgen(constructor)]
    pub fn new(name: String, start: js_sys::Function) -> Result<Self, Failure> {
        let refused = |error: JsValue| Failure::new("unsupported", format!("tabs cannot share a client: {error:?}"));
        let channel = BroadcastChannel::new(&name).map_err(refused)?;
        let mut own = [0; 16];
        getrandom::fill(&mut own).map_err(|error| Failure::new("unsupported", error.to_string()))?;
        let inner = Rc::new(Inner {
            channel,
            own: hex::encode(own),
            last: Cell::new(0),
            calls: RefCell::default(),
            events: RefCell::default(),
            leader: RefCell::default(),
            is_closed: Cell::new(false),
            on_message: RefCell::default(),
        });
        let weak = Rc::downgrade(&inner);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let (Some(inner), Ok(message)) = (weak.upgrade(), event.data().dyn_into::<Array>()) {
                inner.receive(&message);
            }
        });
        inner.channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        *inner.on_message.borrow_mut() = Some(on_message);
        spawn_local(lead(Rc::downgrade(&inner), name, start));
        Ok(Self(inner))
    }

    /// Whether this tab runs the client.
    #[wasm_bindgen(getter, js_name = isLeader)]
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0.leader.borrow().is_some()
    }

    /// Calls a method of the client, wherever it runs.
    pub fn call(&self, method: String, arguments: Array) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(async move { inner.call(method, arguments).await })
    }

    /// The next event; undefined once this tab has left.
    pub fn next(&self) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(poll_fn(move |cx| {
            let mut events = inner.events.borrow_mut();
            if let Some(event) = events.0.pop_front() {
                return Poll::Ready(Ok(event));
            }
            if inner.is_closed.get() {
                return Poll::Ready(Ok(JsValue::UNDEFINED));
            }
            events.1 = Some(cx.waker().clone());
            Poll::Pending
        }))
    }

    /// Leaves. If this tab leads, the client's state is stored before the next tab leads.
    pub fn close(&self) -> Promise {
        let inner = Rc::clone(&self.0);
        future_to_promise(async move {
            inner.close().await;
            Ok(JsValue::UNDEFINED)
        })
    }
}

impl Drop for SharedLightClient {
    fn drop(&mut self) {
        let inner = Rc::clone(&self.0);
        spawn_local(async move { inner.close().await });
    }
}

/// Waits for the lock, then leads until this tab leaves.
async fn lead(inner: Weak<Inner>, name: String, start: js_sys::Function) {
    let leadership = Leadership::wait(&name).await;
    let Some(tab) = inner.upgrade().filter(|tab| !tab.is_closed.get()) else { return };
    let leadership = match leadership {
        Ok(leadership) => leadership,
        Err(error) => return tab.tell(super::light::failed("leadership", &error.to_string())),
    };
    let started = match start.call0(&JsValue::UNDEFINED).map(JsCast::dyn_into::<Promise>) {
        Ok(Ok(promise)) => JsFuture::from(promise).await,
        Ok(Err(other)) => Ok(other),
        Err(error) => Err(error),
    };
    let client = started.ok().and_then(|client| LightClient::try_from_js_value(client).ok());
    let Some(client) = client.map(Rc::new) else {
        return tab.tell(super::light::failed("leadership", "the light client cannot be started here"));
    };
    *tab.leader.borrow_mut() = Some((Rc::clone(&client), leadership));
    tab.post(&[LEADER.into()]);
    // What this tab has asked before there was a leader, or of the one that is gone.
    tab.ask_again();
    drop(tab);
    loop {
        let event = client.next_event().await;
        let Some(tab) = inner.upgrade() else { return };
        match event {
            Some(event) => {
                tab.post(&[EVENT.into(), event.clone()]);
                tab.tell(event);
            }
            None => return,
        }
    }
}

impl Inner {
    fn post(&self, parts: &[JsValue]) {
        let message: Array = parts.iter().collect();
        // Everything in it can be cloned.
        let _ = self.channel.post_message(&message);
    }

    fn receive(self: &Rc<Self>, message: &Array) {
        let text = |index| message.get(index).as_string().unwrap_or_default();
        match text(0).as_str() {
            EVENT => self.tell(message.get(1)),
            LEADER => self.ask_again(),
            ASK => {
                let client = self.leader.borrow().as_ref().map(|(client, _)| Rc::clone(client));
                let Some(client) = client else { return };
                let (inner, tab, number, method) = (Rc::clone(self), message.get(1), message.get(2), text(3));
                let arguments = message.get(4).dyn_into::<Array>().unwrap_or_default();
                spawn_local(async move {
                    let parts = match client.call(&method, &arguments).await {
                        Ok(value) => [ANSWER.into(), tab, number, JsValue::TRUE, value],
                        // Of an error, a channel keeps the sentence and nothing else.
                        Err(error) => [ANSWER.into(), tab, number, code_of(&error), sentence_of(&error)],
                    };
                    inner.post(&parts);
                });
            }
            ANSWER if text(1) == self.own => {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "floats saturate")]
                let number = message.get(2).as_f64().unwrap_or_default() as u32;
                self.answer(
                    number,
                    match message.get(3).as_string() {
                        Some(code) => Err(error(&code, &text(4))),
                        None => Ok(message.get(4)),
                    },
                );
            }
            _ => {}
        }
    }

    /// The newest events are kept where nobody reads them.
    fn tell(&self, event: JsValue) {
        let waker = {
            let mut events = self.events.borrow_mut();
            if events.0.len() >= EVENTS_MAX {
                events.0.pop_front();
            }
            events.0.push_back(event);
            events.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn answer(&self, number: u32, answer: Result<JsValue, JsValue>) {
        let waker = match self.calls.borrow_mut().get_mut(&number) {
            Some(call) if call.answer.is_none() => {
                call.answer = Some(answer);
                call.waker.take()
            }
            _ => None,
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn call(self: &Rc<Self>, method: String, arguments: Array) -> Result<JsValue, JsValue> {
        if self.calls.borrow().len() >= CALLS_MAX {
            return Err(Failure::new("too-many", format!("{CALLS_MAX} questions wait already")).into());
        }
        self.last.set(self.last.get().wrapping_add(1));
        let number = self.last.get();
        self.calls.borrow_mut().insert(number, Call { method, arguments, answer: None, waker: None });
        let waiting = Waiting { inner: self, number };
        self.ask(number);
        let mut timer = Sleep::new(CALL_TIME_MAX_MS);
        poll_fn(|cx| {
            let mut calls = waiting.inner.calls.borrow_mut();
            let Some(call) = calls.get_mut(&waiting.number) else {
                return Poll::Ready(Err(Failure::new("closed", "this tab has left").into()));
            };
            if let Some(answer) = call.answer.take() {
                return Poll::Ready(answer);
            }
            call.waker = Some(cx.waker().clone());
            let over = Pin::new(&mut timer).poll(cx);
            over.map(|()| Err(Failure::new("timeout", "no tab has answered").into()))
        })
        .await
    }

    /// Asks the leader: this tab, or another one.
    fn ask(self: &Rc<Self>, number: u32) {
        let Some((method, arguments)) =
            self.calls.borrow().get(&number).map(|call| (call.method.clone(), call.arguments.clone()))
        else {
            return;
        };
        let client = self.leader.borrow().as_ref().map(|(client, _)| Rc::clone(client));
        let Some(client) = client else {
            return self.post(&[
                ASK.into(),
                JsValue::from_str(&self.own),
                number.into(),
                method.into(),
                arguments.into(),
            ]);
        };
        let inner = Rc::downgrade(self);
        spawn_local(async move {
            let answer = client.call(&method, &arguments).await;
            if let Some(inner) = inner.upgrade() {
                inner.answer(number, answer);
            }
        });
    }

    fn ask_again(self: &Rc<Self>) {
        let waiting: Vec<u32> = self.calls.borrow().keys().copied().collect();
        waiting.into_iter().for_each(|number| self.ask(number));
    }

    async fn close(&self) {
        if self.is_closed.replace(true) {
            return;
        }
        let leader = self.leader.borrow_mut().take();
        if let Some((client, leadership)) = leader {
            client.stop().await;
            drop(leadership);
        }
        self.channel.set_onmessage(None);
        self.channel.close();
        let calls = std::mem::take(&mut *self.calls.borrow_mut());
        calls.into_values().filter_map(|call| call.waker).for_each(Waker::wake);
        let reader = self.events.borrow_mut().1.take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

fn error(code: &str, sentence: &str) -> JsValue {
    let error = js_sys::Error::new(sentence);
    // A fresh object takes any property.
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}

fn code_of(error: &JsValue) -> JsValue {
    let code = Reflect::get(error, &"code".into()).ok().and_then(|code| code.as_string());
    code.unwrap_or_else(|| "fatal".to_owned()).into()
}

fn sentence_of(error: &JsValue) -> JsValue {
    error.dyn_ref::<js_sys::Error>().map_or(JsValue::NULL, |error| error.message().into())
}

/// A call of this tab that waits. Dropping it forgets it.
struct Waiting<'a> {
    inner: &'a Rc<Inner>,
    number: u32,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.inner.calls.borrow_mut().remove(&self.number);
    }
}
