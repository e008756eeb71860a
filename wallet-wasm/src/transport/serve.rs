//! The page's end: it makes the connections that a worker wants, and asks on them what the worker asks.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::{Rc, Weak};
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use hashbrown::HashMap;
use js_sys::{Array, Map, Uint8Array};
use qbtc_core::net::browser::Address;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortController, MessageEvent, MessagePort};

use super::connection::{Connection, Dialer, Question};
use super::error::TransportError;
use super::life::Health;
use super::noise::Identity;
use super::port::{
    ABORT, ASK, CLOSE, CLOSED, DIAL, HEALTH, PING, WAKE, bytes, number, post, read_framing, read_reason, text,
    write_error, write_reason,
};
use super::signs::Signs;
use super::time::{Cancel, Sleep};

/// The most connections that a worker may have.
const CONNECTIONS_MAX: usize = 16;
/// How often the browser's opinion of a connection is passed on.
const HEALTH_INTERVAL_MS: u32 = 1_000;

/// Serves a worker. Dropping it closes all that it has opened.
pub struct Server(Rc<Inner>, #[expect(dead_code, reason = "it listens as long as it is held")] Signs);

type OnMessage = Closure<dyn FnMut(MessageEvent)>;

struct Inner {
    port: MessagePort,
    dialer: Dialer,
    may_dial: Box<dyn Fn(&Address) -> bool>,
    connections: RefCell<HashMap<u32, Connection>>,
    asked: RefCell<HashMap<u32, AbortController>>,
    last: Cell<u32>,
    on_message: RefCell<Option<OnMessage>>,
}

impl Server {
    /// Serves the worker at the other end of a port, as far as a page may dial: the policy of some lets them open sockets to few hosts.
    ///
    /// # Errors
    /// [`TransportError::Unsupported`]: there is no randomness.
    pub fn new(port: MessagePort, may_dial: impl Fn(&Address) -> bool + 'static) -> Result<Self, TransportError> {
        let inner = Rc::new(Inner {
            port,
            dialer: Dialer::here(Identity::generate()?),
            may_dial: Box::new(may_dial),
            connections: RefCell::default(),
            asked: RefCell::default(),
            last: Cell::new(0),
            on_message: RefCell::default(),
        });
        let weak = Rc::downgrade(&inner);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let (Some(inner), Ok(message)) = (weak.upgrade(), event.data().dyn_into::<Array>()) {
                inner.receive(message);
            }
        });
        inner.port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        *inner.on_message.borrow_mut() = Some(on_message);
        let port = inner.port.clone();
        let signs = Signs::new(move || post(&port, &[0.into(), JsValue::from_str(WAKE)]));
        Ok(Self(inner, signs))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.port.set_onmessage(None);
        self.0.port.close();
        self.0.asked.borrow().values().for_each(AbortController::abort);
        self.0.connections.borrow_mut().clear();
    }
}

impl Inner {
    fn receive(self: &Rc<Self>, message: Array) {
        let number_of = number(&message, 0);
        match text(&message, 1).as_str() {
            ABORT => {
                if let Some(asked) = self.asked.borrow().get(&number(&message, 2)) {
                    asked.abort();
                }
            }
            CLOSE => {
                let connection = self.connections.borrow_mut().remove(&number(&message, 2));
                if let Some(connection) = connection {
                    connection.close(read_reason(number(&message, 3)));
                }
            }
            what => self.answer(number_of, what.to_owned(), message),
        }
    }

    fn answer(self: &Rc<Self>, number: u32, what: String, message: Array) {
        let Ok(abort) = AbortController::new() else { return };
        let cancel = Cancel::new(Some(abort.signal()));
        self.asked.borrow_mut().insert(number, abort);
        let inner = Rc::clone(self);
        spawn_local(async move {
            let answered = match what.as_str() {
                DIAL => inner.dial(&message, &cancel).await,
                ASK => inner.ask(&message, &cancel).await,
                PING => inner.ping(&message, &cancel).await,
                _ => Err(TransportError::Malformed),
            };
            inner.asked.borrow_mut().remove(&number);
            match answered {
                Ok(values) => post(&inner.port, &[&[number.into(), JsValue::TRUE][..], &values].concat()),
                Err(error) => post(&inner.port, &write_error(number, &error)),
            }
        });
    }

    async fn dial(self: &Rc<Self>, message: &Array, cancel: &Cancel) -> Result<Vec<JsValue>, TransportError> {
        if self.connections.borrow().len() >= CONNECTIONS_MAX {
            return Err(TransportError::Browser(format!("{CONNECTIONS_MAX} connections are open already")));
        }
        let address: Address = text(message, 2).parse()?;
        if !(self.may_dial)(&address) {
            return Err(TransportError::Unsupported { what: "a WebSocket to another host" });
        }
        let mut answers = HashMap::new();
        if let Ok(known) = message.get(3).dyn_into::<Map>() {
            known.for_each(&mut |answer, protocol| {
                if let (Some(protocol), Ok(answer)) = (protocol.as_string(), answer.dyn_into::<Uint8Array>()) {
                    answers.insert(protocol, answer.to_vec());
                }
            });
        }
        let connection = self.dialer.dial(&address, answers, cancel).await?;
        self.last.set(self.last.get() + 1);
        let key = self.last.get();
        spawn_local(watch(Rc::downgrade(self), connection.clone(), key));
        let (node, own) = (connection.node().to_string(), connection.own().to_string());
        self.connections.borrow_mut().insert(key, connection);
        Ok(vec![key.into(), JsValue::from_str(&node), JsValue::from_str(&own)])
    }

    async fn ask(&self, message: &Array, cancel: &Cancel) -> Result<Vec<JsValue>, TransportError> {
        let (protocol, question) = (text(message, 3), bytes(message, 6));
        let question = Question {
            protocol: &protocol,
            framing: read_framing(message, 4),
            bytes: &question,
            answer_max: number(message, 7) as usize,
            limit_ms: number(message, 8),
        };
        let answer = self.connection(message)?.ask(question, cancel).await?;
        Ok(vec![Uint8Array::from(&answer[..]).into()])
    }

    async fn ping(&self, message: &Array, cancel: &Cancel) -> Result<Vec<JsValue>, TransportError> {
        let took = self.connection(message)?.ping(number(message, 3), cancel).await?;
        Ok(vec![took.into()])
    }

    fn connection(&self, message: &Array) -> Result<Connection, TransportError> {
        let connection = self.connections.borrow().get(&number(message, 2)).cloned();
        connection.ok_or(TransportError::Closed(super::error::CloseReason::Lost))
    }
}

/// Tells the worker what the browser thinks of a connection, and its end.
async fn watch(inner: Weak<Inner>, connection: Connection, key: u32) {
    let mut told = Health::Open;
    let tell = |parts: &[JsValue]| {
        if let Some(inner) = inner.upgrade() {
            post(&inner.port, parts);
        }
    };
    loop {
        let health = connection.health();
        if let Health::Closed(reason) = health {
            tell(&[0.into(), JsValue::from_str(CLOSED), key.into(), write_reason(reason).into()]);
            break;
        }
        if health != told {
            told = health;
            let is_suspect = u32::from(health == Health::Suspect);
            tell(&[0.into(), JsValue::from_str(HEALTH), key.into(), is_suspect.into()]);
        }
        // Its end is told at once, what is only suspected a little later.
        connection.closed_within(Sleep::new(HEALTH_INTERVAL_MS)).await;
    }
    if let Some(inner) = inner.upgrade() {
        inner.connections.borrow_mut().remove(&key);
    }
}
