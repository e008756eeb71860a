//! What the node pushes: a WebSocket that comes back by itself after a loss, later each time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::set_timeout;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::{MessageEvent, WebSocket};

use crate::node::Event;

/// The longest message that is read, in characters.
const MESSAGE_CHARACTERS_MAX: usize = 64 * 1_024;
/// How long to wait before the first try to connect again.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// How long to wait at most.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What is heard of the node.
pub(crate) enum Heard {
    /// The connection stands: what happened before it is not told.
    Connected,
    /// The connection is lost, or was never there.
    Lost,
    /// Something happened.
    Event(Event),
}

struct Listener {
    then: Box<dyn Fn(Heard)>,
    wait: Cell<Duration>,
    /// Kept as long as the socket lives, since the browser calls them.
    callbacks: RefCell<Vec<super::Callback>>,
}

/// Listens for as long as the page lives.
pub(crate) fn listen(then: impl Fn(Heard) + 'static) {
    let listener = Listener { then: Box::new(then), wait: Cell::new(WAIT_MIN), callbacks: RefCell::default() };
    connect(&Rc::new(listener));
}

fn connect(listener: &Rc<Listener>) {
    let Some(socket) = url().and_then(|url| WebSocket::new(&url).ok()) else { return again(listener) };
    let (opened, messages, closed) = (Rc::clone(listener), Rc::clone(listener), Rc::clone(listener));
    let of_socket = socket.clone();
    let on_open = Closure::<dyn FnMut(MessageEvent)>::new(move |_| {
        for topic in ["blocks", "transactions"] {
            // A socket that closes at once says so by its closing.
            let _ = of_socket.send_with_str(&format!("{{\"subscribe\": \"{topic}\"}}"));
        }
        opened.wait.set(WAIT_MIN);
        (opened.then)(Heard::Connected);
    });
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
        let Some(text) = message.data().as_string().filter(|text| text.len() <= MESSAGE_CHARACTERS_MAX) else { return };
        if let Ok(event) = serde_json::from_str(&text) {
            (messages.then)(Heard::Event(event));
        }
    });
    let on_close = Closure::<dyn FnMut(MessageEvent)>::new(move |_| {
        (closed.then)(Heard::Lost);
        again(&closed);
    });
    socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
    socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
    // Those of the socket before are not called any more once it has closed.
    listener.callbacks.replace(vec![on_open, on_message, on_close]);
}

fn again(listener: &Rc<Listener>) {
    let wait = listener.wait.get();
    listener.wait.set((wait * 2).min(WAIT_MAX));
    let listener = Rc::clone(listener);
    set_timeout(move || connect(&listener), wait);
}

fn url() -> Option<String> {
    let location = web_sys::window()?.location();
    let scheme = if location.protocol().ok()? == "https:" { "wss" } else { "ws" };
    Some(format!("{scheme}://{}/ws", location.host().ok()?))
}
