//! A connection with one node: questions, pings, and its end.

use std::collections::HashMap;

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

/// Who makes connections.
#[derive(Clone)]
pub enum Dialer {
    /// This page, under its own id.
    Here(Box<Identity>),
    /// A page, for this worker.
    Page(Page),
}

impl Dialer {
    /// Is to be called when the page that holds the connections sees a sign that they may be gone.
    pub(crate) fn set_wake(&self, wake: impl Fn() + 'static) {
        if let Self::Page(page) = self {
            page.set_wake(wake);
        }
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
        matches!(self, Self::Page(_)) || local::can_dial(address)
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
        Ok(Connection(match self {
            Self::Here(identity) => Place::Here(LocalConnection::dial(address, identity, answers, cancel).await?),
            Self::Page(page) => Place::Page(page.dial(address, answers, cancel).await?),
        }))
    }
}

/// A connection with a node that has proved its id. Clones are the same; it is closed when the last one is dropped.
#[derive(Clone)]
pub struct Connection(Place);

#[derive(Clone)]
enum Place {
    Here(LocalConnection),
    Page(RemoteConnection),
}

impl Connection {
    /// The node.
    #[must_use]
    pub fn node(&self) -> PeerId {
        match &self.0 {
            Place::Here(connection) => connection.node(),
            Place::Page(connection) => connection.node(),
        }
    }

    /// This side, as the node knows it.
    #[must_use]
    pub fn own(&self) -> PeerId {
        match &self.0 {
            Place::Here(connection) => connection.own(),
            Place::Page(connection) => connection.own(),
        }
    }

    /// What the browser says of it.
    #[must_use]
    pub fn health(&self) -> Health {
        self.life().health()
    }

    /// Waits until it has ended.
    pub async fn closed(&self) -> CloseReason {
        self.life().clone().ended().await
    }

    /// Waits until it has ended, but no longer than a timer.
    pub(super) async fn closed_within(&self, timer: Sleep) {
        self.life().ended_within(timer).await;
    }

    /// Closes it.
    pub fn close(&self, reason: CloseReason) {
        match &self.0 {
            Place::Here(connection) => connection.close(reason),
            Place::Page(connection) => connection.close(reason),
        }
    }

    /// Asks a question, and waits for its answer.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn ask(&self, question: Question<'_>, cancel: &Cancel) -> Result<Vec<u8>, TransportError> {
        match &self.0 {
            Place::Here(connection) => connection.ask(question, cancel).await,
            Place::Page(connection) => connection.ask(question, cancel).await,
        }
    }

    /// Asks whether the node is there. How long the answer took, in milliseconds.
    ///
    /// # Errors
    /// [`TransportError`]. The connection is not closed by that.
    pub async fn ping(&self, limit_ms: u32, cancel: &Cancel) -> Result<f64, TransportError> {
        match &self.0 {
            Place::Here(connection) => connection.ping(limit_ms, cancel).await,
            Place::Page(connection) => connection.ping(limit_ms, cancel).await,
        }
    }

    fn life(&self) -> &Life {
        match &self.0 {
            Place::Here(connection) => connection.life(),
            Place::Page(connection) => connection.life(),
        }
    }
}
