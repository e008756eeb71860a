//! The worker's end: connections that a page holds.

use alloc::rc::Rc;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};

use hashbrown::{HashMap, HashSet};
use js_sys::{Array, Map, Uint8Array};
use qbtc_core::net::browser::{Address, PeerId};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{MessageEvent, MessagePort};

use super::connection::{CONNECT_TIME_MAX_MS, Question};
use super::error::{CloseReason, TransportError};
use super::life::{Health, Life};
use super::port::{
    ABORT, ASK, CLOSE, CLOSED, DIAL, HEALTH, PING, WAKE, number, post, read_error, read_reason, text, write_framing,
    write_reason,
};
use super::time::{Cancel, Limit};

/// By how much longer the worker waits than the page does, whose limit is the one that is told.
const GRACE_MS: u32 = 5_000;

/// A page that holds connections. Clones are the same.
#[derive(Clone)]
pub struct Page(Rc<Inner>);

struct Inner {
    port: MessagePort,
    last: Cell<u32>,
    waiting: Rc<RefCell<Waiting>>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

#[derive(Default)]
struct Waiting {
    answers: HashMap<u32, Slot>,
    /// Dials that nobody waits for any more, and that the page has not answered: it may be done before it hears.
    dropped: HashSet<u32>,
    lives: HashMap<u32, Life>,
    wake: Option<Rc<dyn Fn()>>,
}

#[derive(Default)]
struct Slot {
    answer: Option<Array>,
    waker: Option<Waker>,
}

impl Page {
    /// The page at the other end of a port.
    #[must_use]
    pub fn new(port: MessagePort) -> Self {
        let waiting: Rc<RefCell<Waiting>> = Rc::default();
        let (shared, back) = (Rc::clone(&waiting), port.clone());
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Ok(message) = event.data().dyn_into::<Array>() {
                receive(&shared, &back, message);
            }
        });
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Self(Rc::new(Inner { port, last: Cell::new(0), waiting, _on_message: on_message }))
    }

    /// Is called when the page sees a sign that connections may be gone.
    pub(super) fn set_wake(&self, wake: impl Fn() + 'static) {
        self.0.waiting.borrow_mut().wake = Some(Rc::new(wake));
    }

    /// Lets the page connect with a node.
    pub(super) async fn dial(
        &self,
        address: &Address,
        answers: HashMap<String, Vec<u8>>,
        cancel: &Cancel,
    ) -> Result<RemoteConnection, TransportError> {
        let known = Map::new();
        for (protocol, answer) in answers {
            known.set(&JsValue::from_str(&protocol), &Uint8Array::from(&answer[..]));
        }
        let parts = [JsValue::from_str(DIAL), JsValue::from_str(&address.to_string()), known.into()];
        let message = self.ask(true, &parts, CONNECT_TIME_MAX_MS, "connecting", cancel).await?;
        let key = number(&message, 2);
        let life = Life::default();
        self.0.waiting.borrow_mut().lives.insert(key, life.clone());
        let peer = |index| text(&message, index).parse::<PeerId>();
        let (Ok(node), Ok(own)) = (peer(3), peer(4)) else {
            return Err(TransportError::Malformed);
        };
        Ok(RemoteConnection(Rc::new(Remote { page: self.clone(), key, node, own, life })))
    }

    /// Sends a question to the page and waits for what comes of it.
    async fn ask(
        &self,
        is_dial: bool,
        parts: &[JsValue],
        limit_ms: u32,
        what: &'static str,
        cancel: &Cancel,
    ) -> Result<Array, TransportError> {
        let number = self.0.last.get().wrapping_add(1).max(1);
        self.0.last.set(number);
        self.0.waiting.borrow_mut().answers.insert(number, Slot::default());
        let asked = Asked { page: self, number, is_dial, is_answered: Cell::new(false) };
        post(&self.0.port, &[&[JsValue::from(number)], parts].concat());
        let limit = Limit { what, limit_ms: limit_ms.saturating_add(GRACE_MS), cancel };
        let message = limit.wait(asked.answer()).await?;
        if message.get(1).is_truthy() { Ok(message) } else { Err(read_error(&message)) }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
        self.port.close();
    }
}

/// A question that waits. Dropping it before its answer tells the page, and closes what the page may have opened for it.
struct Asked<'a> {
    page: &'a Page,
    number: u32,
    is_dial: bool,
    is_answered: Cell<bool>,
}

impl Asked<'_> {
    async fn answer(&self) -> Result<Array, TransportError> {
        poll_fn(|cx| {
            let mut waiting = self.page.0.waiting.borrow_mut();
            let Some(slot) = waiting.answers.get_mut(&self.number) else {
                return Poll::Ready(Err(TransportError::Closed(CloseReason::Lost)));
            };
            if let Some(answer) = slot.answer.take() {
                self.is_answered.set(true);
                return Poll::Ready(Ok(answer));
            }
            slot.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let Inner { port, waiting, .. } = &*self.page.0;
        let slot = waiting.borrow_mut().answers.remove(&self.number);
        if self.is_answered.get() {
            return;
        }
        match slot.and_then(|slot| slot.answer) {
            Some(answer) if self.is_dial => close_late(port, &answer),
            Some(_) => {}
            None => {
                if self.is_dial {
                    waiting.borrow_mut().dropped.insert(self.number);
                }
                post(port, &[0.into(), JsValue::from_str(ABORT), self.number.into()]);
            }
        }
    }
}

/// Closes the connection of a dial whose answer nobody waits for any more.
fn close_late(port: &MessagePort, answer: &Array) {
    if answer.get(1).is_truthy() {
        say_close(port, number(answer, 2), CloseReason::Here);
    }
}

fn say_close(port: &MessagePort, key: u32, reason: CloseReason) {
    post(port, &[0.into(), JsValue::from_str(CLOSE), key.into(), write_reason(reason).into()]);
}

fn receive(waiting: &RefCell<Waiting>, port: &MessagePort, message: Array) {
    let answered = number(&message, 0);
    if answered > 0 {
        if waiting.borrow_mut().dropped.remove(&answered) {
            return close_late(port, &message);
        }
        let waker = match waiting.borrow_mut().answers.get_mut(&answered) {
            Some(slot) => {
                slot.answer = Some(message);
                slot.waker.take()
            }
            None => None,
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        return;
    }
    if text(&message, 1) == WAKE {
        let wake = waiting.borrow().wake.clone();
        if let Some(wake) = wake {
            wake();
        }
        return;
    }
    let life = waiting.borrow().lives.get(&number(&message, 2)).cloned();
    let Some(life) = life else { return };
    match text(&message, 1).as_str() {
        HEALTH if number(&message, 3) == 1 => life.set_health(Health::Suspect),
        HEALTH => life.set_health(Health::Open),
        CLOSED => life.end(read_reason(number(&message, 3))),
        _ => {}
    }
}

/// A connection that a page holds. Clones are the same; it is closed when the last one is dropped.
#[derive(Clone)]
pub(super) struct RemoteConnection(Rc<Remote>);

struct Remote {
    page: Page,
    key: u32,
    node: PeerId,
    own: PeerId,
    life: Life,
}

impl RemoteConnection {
    pub(super) fn node(&self) -> PeerId {
        self.0.node
    }

    pub(super) fn own(&self) -> PeerId {
        self.0.own
    }

    pub(super) fn life(&self) -> &Life {
        &self.0.life
    }

    pub(super) fn close(&self, reason: CloseReason) {
        self.0.life.end(reason);
        self.0.say_close(reason);
    }

    pub(super) async fn ask(&self, question: Question<'_>, cancel: &Cancel) -> Result<Vec<u8>, TransportError> {
        let Question { protocol, framing, bytes, answer_max, limit_ms } = question;
        let [kind, length] = write_framing(framing);
        let answer_max = u32::try_from(answer_max).unwrap_or(u32::MAX);
        let parts = [
            JsValue::from_str(ASK),
            self.0.key.into(),
            JsValue::from_str(protocol),
            kind,
            length,
            Uint8Array::from(bytes).into(),
            answer_max.into(),
            limit_ms.into(),
        ];
        let asked = self.0.page.ask(false, &parts, limit_ms, "the answer", cancel);
        Ok(super::port::bytes(&self.0.life.during(asked).await?, 2))
    }

    pub(super) async fn ping(&self, limit_ms: u32, cancel: &Cancel) -> Result<f64, TransportError> {
        let parts = [JsValue::from_str(PING), self.0.key.into(), limit_ms.into()];
        let message = self.0.life.during(self.0.page.ask(false, &parts, limit_ms, "a ping", cancel)).await?;
        message.get(2).as_f64().ok_or(TransportError::Malformed)
    }
}

impl Remote {
    fn say_close(&self, reason: CloseReason) {
        say_close(&self.page.0.port, self.key, reason);
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.page.0.waiting.borrow_mut().lives.remove(&self.key);
        self.say_close(CloseReason::Here);
    }
}
