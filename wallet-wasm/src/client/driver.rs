//! The loop: hands the machine what happened, and does what it wants.
//!
//! Timers of pages in the background fire late. Nothing here relies on them: time is asked anew each time, and when more has passed than a timer
//! can explain, the machine has slept, and every node is asked whether it is still there.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::{Rc, Weak};
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::{Future as _, poll_fn};
use core::pin::Pin;
use core::task::{Poll, Waker};

use hashbrown::HashMap;
use qbtc_core::net::LightQuestion;
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::light::{At, Event, Input, LightClient, Outcome, Output, QueryId};
use qbtc_core::sync::{Moment, PeerKey, RequestId};
use qbtc_core::units::BlockTime;
use wasm_bindgen_futures::spawn_local;

use super::book::Book;
use super::handle::Notice;
use super::link::Link;
use super::nodes::{PING_INTERVAL_MS, PING_TIME_MAX_MS};
use super::store::Store;
use crate::transport::{CloseReason, Dialer, Sleep, now_ms};
use qbtc_core::net::browser::Address;

/// The longest sleep of the loop.
const ROUND_MS: u64 = 2_000;
/// By how much a round may be late before the machine must have slept.
const SLEPT_MS: f64 = 15_000.0;
/// How often the state is stored at most.
const SAVE_INTERVAL_MS: f64 = 5_000.0;

/// A node that the client is connected with.
pub(super) struct Node {
    pub(super) link: Rc<Link>,
    pub(super) address: Address,
    pub(super) user_agent: String,
    pub(super) ping_ms: Option<f64>,
    pub(super) pinged_ms: f64,
    pub(super) is_pinging: bool,
}

/// The client.
pub(super) struct Inner {
    pub(super) spec: Arc<ChainSpec>,
    pub(super) dialer: Dialer,
    pub(super) machine: RefCell<LightClient>,
    pub(super) nodes: RefCell<BTreeMap<PeerKey, Node>>,
    pub(super) book: RefCell<Book>,
    pub(super) dials: Cell<usize>,
    pub(super) last_key: Cell<u64>,
    pub(super) last_query: Cell<u64>,
    pub(super) queries: RefCell<HashMap<QueryId, Waiting>>,
    pub(super) notices: RefCell<VecDeque<Notice>>,
    pub(super) reader: RefCell<Option<Waker>>,
    pub(super) bell: RefCell<(bool, Option<Waker>)>,
    pub(super) store: Option<(Store, String)>,
    pub(super) is_dirty: Cell<bool>,
    pub(super) saved_ms: Cell<f64>,
    pub(super) is_stopped: Cell<bool>,
}

/// One who waits for a query.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) outcome: Option<Outcome>,
    pub(super) waker: Option<Waker>,
}

/// The loop. It holds the client only while it does something, so that dropping the client ends it.
pub(super) async fn run(inner: Weak<Inner>) {
    let mut last = (now_ms(), js_sys::Date::now());
    while let Some(client) = inner.upgrade().filter(|client| !client.is_stopped.get()) {
        // Some clocks stand still while the machine sleeps; the other tells then.
        let now = (now_ms(), js_sys::Date::now());
        let passed = (now.0 - last.0).max(now.1 - last.1);
        last = now;
        if passed > SLEPT_MS {
            client.wake();
        }
        if client.machine.borrow().deadline() <= moment() {
            client.handle(Input::Tick);
        }
        client.heartbeat(PING_INTERVAL_MS, PING_TIME_MAX_MS);
        client.dial();
        if client.is_dirty.get() && now.0 - client.saved_ms.get() >= SAVE_INTERVAL_MS {
            client.save().await;
        }
        let deadline = client.machine.borrow().deadline();
        let wait = deadline.since(moment()).clamp(10, ROUND_MS);
        let mut timer = Sleep::new(u32::try_from(wait).unwrap_or(1_000));
        drop(client);
        poll_fn(|cx| {
            let Some(client) = inner.upgrade() else { return Poll::Ready(()) };
            let mut bell = client.bell.borrow_mut();
            if core::mem::take(&mut bell.0) {
                return Poll::Ready(());
            }
            bell.1 = Some(cx.waker().clone());
            Pin::new(&mut timer).poll(cx)
        })
        .await;
    }
}

impl Inner {
    /// Hands the machine an input and does all that it wants then.
    pub(super) fn handle(self: &Rc<Self>, input: Input) {
        if self.is_stopped.get() {
            return;
        }
        self.machine.borrow_mut().handle(input, at());
        loop {
            // The borrow must not last into what is done.
            let output = self.machine.borrow_mut().poll();
            match output {
                None => break,
                Some(Output::Ask { peer, request, question }) => self.ask(peer, request, question),
                Some(Output::Fault { .. }) => {}
                Some(Output::Leave { peer, why }) => self.leave(peer, why),
                Some(Output::Event(Event::Answered { query, outcome })) => self.answer(query, outcome),
                Some(Output::Event(event)) => {
                    if matches!(event, Event::Tip { .. } | Event::Scanned { .. } | Event::RolledBack { .. }) {
                        self.is_dirty.set(true);
                    }
                    self.tell(Notice::Event(event));
                }
            }
        }
        self.ring();
    }

    /// A notice that only renews the one before takes its place, so that little waits for one who does not read.
    pub(super) fn tell(&self, notice: Notice) {
        const WAITING_MAX: usize = 1_024;
        let mut notices = self.notices.borrow_mut();
        let is_renewed = match (notices.back(), &notice) {
            (Some(Notice::Event(Event::Status(_))), Notice::Event(Event::Status(_)))
            | (Some(Notice::Event(Event::Tip { fork: None, .. })), Notice::Event(Event::Tip { fork: None, .. }))
            | (
                Some(Notice::Event(Event::Scanned { found: None, .. })),
                Notice::Event(Event::Scanned { found: None, .. }),
            ) => true,
            // What goes wrong with nodes is news, no fact that anybody relies on.
            (_, Notice::NodeFailed { .. }) if notices.len() >= WAITING_MAX => return,
            _ => false,
        };
        if is_renewed {
            notices.pop_back();
        }
        notices.push_back(notice);
        drop(notices);
        let reader = self.reader.borrow_mut().take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    pub(super) fn answer(&self, query: QueryId, outcome: Outcome) {
        let waker = match self.queries.borrow_mut().get_mut(&query) {
            Some(waiting) => {
                waiting.outcome = Some(outcome);
                waiting.waker.take()
            }
            None => None,
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn ring(&self) {
        let waker = {
            let mut bell = self.bell.borrow_mut();
            bell.0 = true;
            bell.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn ask(self: &Rc<Self>, peer: PeerKey, request: RequestId, question: LightQuestion) {
        let link = self.nodes.borrow().get(&peer).map(|node| Rc::clone(&node.link));
        let client = Rc::downgrade(self);
        spawn_local(async move {
            let input = match link {
                None => Input::Unanswered { request },
                Some(link) => match link.ask(&question).await {
                    Ok(answer) => Input::Answer { request, answer },
                    Err(error) if error.is_fault() => Input::Malformed { request },
                    Err(_) => Input::Unanswered { request },
                },
            };
            if let Some(client) = client.upgrade() {
                client.handle(input);
            }
        });
    }

    pub(super) async fn save(&self) {
        let Some((store, key)) = &self.store else { return };
        self.is_dirty.set(false);
        self.saved_ms.set(now_ms());
        let bytes = self.machine.borrow().save();
        if let Err(error) = store.save(key, "", &bytes).await {
            self.tell(Notice::StoreFailed(error.to_string()));
        }
    }

    pub(super) fn stop(&self) {
        self.is_stopped.set(true);
        let nodes = core::mem::take(&mut *self.nodes.borrow_mut());
        nodes.into_values().for_each(|node| node.link.connection.close(CloseReason::Here));
        let waiting: Vec<Waker> =
            self.queries.borrow_mut().values_mut().filter_map(|waiting| waiting.waker.take()).collect();
        waiting.into_iter().for_each(Waker::wake);
        let reader = self.reader.borrow_mut().take();
        if let Some(reader) = reader {
            reader.wake();
        }
        self.ring();
    }
}

pub(super) fn moment() -> Moment {
    // Positive, and far below 2^53.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "floats saturate")]
    Moment(now_ms() as u64)
}

pub(super) fn at() -> At {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "floats saturate")]
    let clock = BlockTime((js_sys::Date::now() / 1_000.0) as u32);
    At { now: moment(), clock }
}
