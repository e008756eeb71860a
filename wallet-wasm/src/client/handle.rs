//! The client as whoever uses it holds it.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::Poll;

use qbtc_core::net::browser::Address;
use qbtc_core::net::seal::SealId;
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::light::{
    Event, Input, LightClient, Outcome, Query, QueryError, QueryId, StateError, Status, TipInfo, Traffic,
};
use wasm_bindgen_futures::spawn_local;

use super::book::Book;
use super::driver::{Inner, Node, Waiting, at, run};
use super::store::{Store, StoreError};
use crate::transport::{Cancel, Dialer, Health, Signs, TransportError};

/// What a client is started with.
pub struct ClientOptions {
    /// The chain.
    pub spec: Arc<ChainSpec>,
    /// Who makes connections: this page, or, for a worker, the page that has started it.
    pub dialer: Dialer,
    /// Nodes to begin with.
    pub addresses: Vec<Address>,
    /// Where its state is kept, and under which key. None: it begins anew each time.
    pub store: Option<(Store, String)>,
}

/// What whoever uses the client is told.
#[derive(Clone, Debug)]
pub enum Notice {
    /// By the machine.
    Event(Event),
    /// What was stored cannot be used, so that the client has begun anew.
    StateRefused(StateError),
    /// The state cannot be stored, or read.
    StoreFailed(String),
    /// A node could not be connected with, or was left.
    NodeFailed {
        /// Where it is.
        address: Address,
        /// Why.
        error: String,
    },
}

/// A node that the client is connected with.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// Where it is.
    pub address: Address,
    /// What it runs, in its own words.
    pub user_agent: String,
    /// How long the last ping took.
    pub ping_ms: Option<f64>,
    /// What the browser says of the connection.
    pub health: Health,
    /// The seal under which it is asked, which the node shows too (`seal` in `getpeerinfo`).
    pub seal: SealId,
}

/// A light client that runs. Clones are the same; it stops when it is closed, or when the last one is dropped.
#[derive(Clone)]
pub struct Client(Rc<Handle>);

struct Handle(Rc<Inner>, #[expect(dead_code, reason = "it listens as long as it is held")] Signs);

impl Client {
    /// Starts a client, from what was kept if it can be used.
    ///
    /// # Errors
    /// [`TransportError::Unsupported`]: there is no randomness.
    pub async fn start(options: ClientOptions) -> Result<Self, TransportError> {
        let ClientOptions { spec, dialer, addresses, store } = options;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| TransportError::Unsupported { what: "randomness" })?;
        let mut notices = VecDeque::new();
        let kept = match &store {
            None => None,
            Some((store, key)) => match store.claim(key).await {
                Ok(()) => store.load(key).await,
                Err(error) => Err(error),
            }
            .unwrap_or_else(|error| {
                notices.push_back(Notice::StoreFailed(error.to_string()));
                None
            }),
        };
        let resumed = kept.and_then(|bytes| match LightClient::resume(Arc::clone(&spec), secret, &bytes, at()) {
            Ok(machine) => Some(machine),
            Err(error) => {
                notices.push_back(Notice::StateRefused(error));
                None
            }
        });
        let machine = resumed.unwrap_or_else(|| LightClient::new(Arc::clone(&spec), secret, at()));
        let mut book = Book::default();
        let ways = addresses.into_iter().filter(|address| dialer.can_dial(address));
        ways.for_each(|address| book.add(address, true));
        let inner = Rc::new(Inner {
            spec,
            dialer,
            machine: RefCell::new(machine),
            nodes: RefCell::default(),
            book: RefCell::new(book),
            dials: Cell::new(0),
            last_key: Cell::new(0),
            last_query: Cell::new(0),
            queries: RefCell::default(),
            notices: RefCell::new(notices),
            reader: RefCell::default(),
            bell: RefCell::default(),
            store,
            is_dirty: Cell::new(false),
            saved_ms: Cell::new(0.0),
            is_stopped: Cell::new(false),
        });
        spawn_local(run(Rc::downgrade(&inner)));
        let wake = {
            let inner = Rc::downgrade(&inner);
            move || {
                if let Some(inner) = inner.upgrade() {
                    inner.wake();
                }
            }
        };
        // A page tells the worker that it serves, since a worker is never seen.
        inner.dialer.set_wake(wake.clone());
        Ok(Self(Rc::new(Handle(inner, Signs::new(wake)))))
    }

    /// The next thing that whoever uses the client is told; none once it is closed.
    pub async fn next(&self) -> Option<Notice> {
        let inner = &self.0.0;
        poll_fn(|cx| {
            if let Some(notice) = inner.notices.borrow_mut().pop_front() {
                return Poll::Ready(Some(notice));
            }
            if inner.is_stopped.get() {
                return Poll::Ready(None);
            }
            *inner.reader.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Hands the machine an input of whoever uses it: [`Input::Scan`], [`Input::Watch`], [`Input::Taken`].
    pub fn input(&self, input: Input) {
        self.0.0.handle(input);
    }

    /// Asks for something once.
    ///
    /// # Errors
    /// [`TransportError::Aborted`], by the caller's signal: one that was there before asks nothing. [`TransportError::Ended`], by the client's end.
    pub async fn query(&self, what: Query, cancel: &Cancel) -> Result<Outcome, TransportError> {
        cancel.during(self.answer(what)).await?
    }

    async fn answer(&self, what: Query) -> Result<Outcome, TransportError> {
        let inner = &self.0.0;
        inner.last_query.set(inner.last_query.get() + 1);
        let query = QueryId(inner.last_query.get());
        inner.queries.borrow_mut().insert(query, Waiting::default());
        let waiting = Asking { inner, query };
        inner.handle(Input::Query { query, what });
        poll_fn(|cx| {
            if inner.is_stopped.get() {
                return Poll::Ready(Err(TransportError::Ended));
            }
            let mut queries = inner.queries.borrow_mut();
            let Some(known) = queries.get_mut(&waiting.query) else {
                return Poll::Ready(Ok(Outcome::Failed(QueryError::TimedOut)));
            };
            if let Some(outcome) = known.outcome.take() {
                return Poll::Ready(Ok(outcome));
            }
            known.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// What the client is doing, and what it warns of.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.0.machine.borrow().status()
    }

    /// The tip of the chain that is followed.
    #[must_use]
    pub fn tip(&self) -> TipInfo {
        self.0.0.machine.borrow().tip()
    }

    /// What the client has asked and got.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.0.0.machine.borrow().traffic()
    }

    /// The nodes that it is connected with.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeInfo> {
        let info = |node: &Node| NodeInfo {
            address: node.address.clone(),
            user_agent: node.user_agent.clone(),
            ping_ms: node.ping_ms,
            health: node.link.connection.health(),
            seal: node.link.seal_id(),
        };
        self.0.0.nodes.borrow().values().map(info).collect()
    }

    /// What was kept beside the client's own state under a name; none without a store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((store, key)) = &self.0.0.store else { return Ok(None) };
        store.load(&format!("{key}/{name}")).await
    }

    /// Keeps bytes beside the client's own state under a name; without a store, nothing is kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let Some((store, key)) = &self.0.0.store else { return Ok(()) };
        store.save(key, &format!("/{name}"), bytes).await
    }

    /// Tries this node as well.
    pub fn add(&self, address: Address) {
        self.0.0.book.borrow_mut().add(address, true);
        self.0.0.ring();
    }

    /// The page was seen again, or the network has changed: every node is asked whether it is there, and those that were left alone may be
    /// tried at once.
    pub fn wake(&self) {
        self.0.0.wake();
    }

    /// Stores what is to be kept, and stops.
    pub async fn close(&self) {
        self.0.0.save().await;
        self.0.0.stop();
    }

    /// Stops at once, and stores nothing any more: another tab has the client now, or this one is about to be frozen.
    pub fn halt(&self) {
        if let Some((store, _)) = &self.0.0.store {
            store.give_up();
        }
        self.0.0.stop();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// One who waits for a query. Dropping it tells the machine.
struct Asking<'a> {
    inner: &'a Rc<Inner>,
    query: QueryId,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.inner.queries.borrow_mut().remove(&self.query);
        self.inner.handle(Input::Forget { query: self.query });
    }
}
