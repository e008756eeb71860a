//! A connection with one node: questions, pings, and its end.
//!
//! It is held by this page, or by the page that has started this worker. Which of the two, is a table of functions and no enum: so a worker's program
//! does not carry what only a page can do, nor a page's what only a worker needs.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::pin::Pin;

use hashbrown::HashMap;
use qbtc_core::net::browser::{Address, PeerId};

use super::error::{CloseReason, TransportError};
use super::exchange::Framing;
use super::life::{Health, Life};
use super::local::{self, LocalConnection};
use super::noise::Identity;
use super::remote::{Page, RemoteConnection};
use super::time::{Cancel, Sleep};

/// How long it may take until the node has proved its id.
pub const CONNECT_TIME_MAX_MS: u32 = 10_000;

/// What is waited for.
type Waiting<'a, T> = Pin<Box<dyn Future<Output = Result<T, TransportError>> + 'a>>;

/// A question to a node.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The protocol's name.
    pub protocol: &'a str,
    /// Where messages end.
    pub framing: Framing,
    /// What is asked.
    pub bytes: &'a [u8],
    /// The most bytes of an answer.
    pub answer_max: usize,
    /// How long it may take.
    pub limit_ms: u32,
}

/// Makes connections.
trait Dial {
    fn dial<'a>(
        &'a self,
        address: &'a Address,
        answers: HashMap<String, Vec<u8>>,
        cancel: &'a Cancel,
    ) -> Waiting<'a, Connection>;

    /// Whether this kind of address can be dialled.
    fn can_dial(&self, address: &Address) -> bool;

    /// Takes what is to be called when connections may be gone.
    fn set_wake(&self, wake: Box<dyn Fn()>);
}

impl Dial for Identity {
    fn dial<'a>(
        &'a self,
        address: &'a Address,
        answers: HashMap<String, Vec<u8>>,
        cancel: &'a Cancel,
    ) -> Waiting<'a, Connection> {
        Box::pin(async move {
            let connection = LocalConnection::dial(address, self, answers, cancel).await?;
            Ok(Connection(Rc::new(connection)))
        })
    }

    fn can_dial(&self, address: &Address) -> bool {
        local::can_dial(address)
    }

    // A page sees the signs by itself.
    fn set_wake(&self, _: Box<dyn Fn()>) {}
}

impl Dial for Page {
    fn dial<'a>(
        &'a self,
        address: &'a Address,
        answers: HashMap<String, Vec<u8>>,
        cancel: &'a Cancel,
    ) -> Waiting<'a, Connection> {
        Box::pin(async move { Ok(Connection(Rc::new(Self::dial(self, address, answers, cancel).await?))) })
    }

    // What a page can, it knows itself.
    fn can_dial(&self, _: &Address) -> bool {
        true
    }

    fn set_wake(&self, wake: Box<dyn Fn()>) {
        Self::set_wake(self, wake);
    }
}

/// Who makes connections.
#[derive(Clone)]
pub struct Dialer(Rc<dyn Dial>);

impl Dialer {
    /// This page, under its own id.
    #[must_use]
    pub fn here(identity: Identity) -> Self {
        Self(Rc::new(identity))
    }

    /// A page, for this worker.
    #[must_use]
    pub fn page(page: Page) -> Self {
        Self(Rc::new(page))
    }

    /// Is to be called when the page that holds the connections sees a sign that they may be gone.
    pub(crate) fn set_wake(&self, wake: impl Fn() + 'static) {
        self.0.set_wake(Box::new(wake));
    }

    /// Checks that at least one of these addresses is of a kind that can be dialled from here. Of none, nothing is said.
    ///
    /// # Errors
    /// [`TransportError::NoWay`].
    pub fn check_any(&self, addresses: &[Address]) -> Result<(), TransportError> {
        let can_any = addresses.is_empty() || addresses.iter().any(|address| self.can_dial(address));
        if can_any { Ok(()) } else { Err(TransportError::NoWay) }
    }

    /// Whether an address is of a kind that can be dialled from here. What a page can, it knows itself.
    pub(crate) fn can_dial(&self, address: &Address) -> bool {
        self.0.can_dial(address)
    }

    /// Connects with the node at an address. The answers are what the node is told when it asks in a protocol, whatever it asks: it does so
    /// at once.
    ///
    /// # Errors
    /// [`TransportError`]; then nothing is left of it.
    pub async fn dial(
        &self,
        address: &Address,
        answers: HashMap<String, Vec<u8>>,
        cancel: &Cancel,
    ) -> Result<Connection, TransportError> {
        self.0.dial(address, answers, cancel).await
    }
}

/// What a connection does, wherever it is held.
trait Held {
    fn node(&self) -> PeerId;
    fn own(&self) -> PeerId;
    fn life(&self) -> &Life;
    fn close(&self, reason: CloseReason);
    fn ask<'a>(&'a self, question: Question<'a>, cancel: &'a Cancel) -> Waiting<'a, Vec<u8>>;
    fn ping<'a>(&'a self, limit_ms: u32, cancel: &'a Cancel) -> Waiting<'a, f64>;
}

impl Held for LocalConnection {
    fn node(&self) -> PeerId {
        Self::node(self)
    }

    fn own(&self) -> PeerId {
        Self::own(self)
    }

    fn life(&self) -> &Life {
        Self::life(self)
    }

    fn close(&self, reason: CloseReason) {
        Self::close(self, reason);
    }

    fn ask<'a>(&'a self, question: Question<'a>, cancel: &'a Cancel) -> Waiting<'a, Vec<u8>> {
        Box::pin(Self::ask(self, question, cancel))
    }

    fn ping<'a>(&'a self, limit_ms: u32, cancel: &'a Cancel) -> Waiting<'a, f64> {
        Box::pin(Self::ping(self, limit_ms, cancel))
    }
}

impl Held for RemoteConnection {
    fn node(&self) -> PeerId {
        Self::node(self)
    }

    fn own(&self) -> PeerId {
        Self::own(self)
    }

    fn life(&self) -> &Life {
        Self::life(self)
    }

    fn close(&self, reason: CloseReason) {
        Self::close(self, reason);
    }

    fn ask<'a>(&'a self, question: Question<'a>, cancel: &'a Cancel) -> Waiting<'a, Vec<u8>> {
        Box::pin(Self::ask(self, question, cancel))
    }

    fn ping<'a>(&'a self, limit_ms: u32, cancel: &'a Cancel) -> Waiting<'a, f64> {
        Box::pin(Self::ping(self, limit_ms, cancel))
    }
}

/// A connection with a node that has proved its id. Clones are the same; it is closed when the last one is dropped.
#[derive(Clone)]
pub struct Connection(Rc<dyn Held>);

impl Connection {
    /// The node.
    #[must_use]
    pub fn node(&self) -> PeerId {
        self.0.node()
    }

    /// This side, as the node knows it.
    #[must_use]
    pub fn own(&self) -> PeerId {
        self.0.own()
    }

    /// What the browser says of it.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.life().health()
    }

    /// Waits until it has ended.
    pub async fn closed(&self) -> CloseReason {
        self.0.life().clone().ended().await
    }

    /// Waits until it has ended, but no longer than a timer.
    pub(super) async fn closed_within(&self, timer: Sleep) {
        self.0.life().ended_within(timer).await;
    }

    /// Closes it.
    pub fn close(&self, reason: CloseReason) {
        self.0.close(reason);
    }

    /// Asks a question, and waits for its answer.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn ask(&self, question: Question<'_>, cancel: &Cancel) -> Result<Vec<u8>, TransportError> {
        self.0.ask(question, cancel).await
    }

    /// Asks whether the node is there. How long the answer took, in milliseconds.
    ///
    /// # Errors
    /// [`TransportError`]. The connection is not closed by that.
    pub async fn ping(&self, limit_ms: u32, cancel: &Cancel) -> Result<f64, TransportError> {
        self.0.ping(limit_ms, cancel).await
    }
}
