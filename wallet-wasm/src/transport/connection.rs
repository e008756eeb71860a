//! A connection with one node: questions, pings, and its end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use qbtc_core::net::browser::{Address, PeerId};
use wasm_bindgen_futures::spawn_local;

use super::channel::Channel;
use super::error::{CloseReason, TransportError};
use super::exchange::{self, Framing, PING, PING_BYTES};
use super::inbound::{self, Answers};
use super::noise::Identity;
use super::time::{Cancel, Limit, now_ms};
use super::webrtc::PeerConnection;

/// How long it may take until the node has proved its id.
pub const CONNECT_TIME_MAX_MS: u32 = 10_000;
/// The most questions that are under way; more wait for one of them.
const QUESTIONS_MAX: usize = 64;
/// The most streams of the node that are served at the same time.
const SERVED_MAX: usize = 32;

/// What the browser says of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// As far as it knows, all is well.
    Open,
    /// Nothing has come for some seconds. It may come back; a ping tells.
    Suspect,
    /// It has ended.
    Closed(CloseReason),
}

/// The life of a connection, which whoever waits for something on it watches too. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Life(Rc<RefCell<LifeState>>);

#[derive(Default)]
struct LifeState {
    is_suspect: bool,
    reason: Option<CloseReason>,
    watchers: HashMap<u64, Waker>,
    last_watcher: u64,
}

/// One who watches. Dropping it forgets it.
struct Watcher<'a> {
    life: &'a Life,
    id: u64,
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        self.life.0.borrow_mut().watchers.remove(&self.id);
    }
}

impl Life {
    pub(super) fn end(&self, reason: CloseReason) {
        let watchers = {
            let mut state = self.0.borrow_mut();
            state.reason.get_or_insert(reason);
            std::mem::take(&mut state.watchers)
        };
        watchers.into_values().for_each(Waker::wake);
    }

    pub(super) fn set_health(&self, health: Health) {
        self.0.borrow_mut().is_suspect = health == Health::Suspect;
    }

    fn health(&self) -> Health {
        let state = self.0.borrow();
        match state.reason {
            Some(reason) => Health::Closed(reason),
            None if state.is_suspect => Health::Suspect,
            None => Health::Open,
        }
    }

    fn watch(&self) -> Watcher<'_> {
        let mut state = self.0.borrow_mut();
        state.last_watcher += 1;
        Watcher { life: self, id: state.last_watcher }
    }

    /// Waits for the end.
    async fn ended(&self) -> CloseReason {
        let watcher = self.watch();
        poll_fn(|cx| watcher.poll(cx)).await
    }

    /// Waits for a future, but not beyond the end.
    async fn during<T>(&self, future: impl Future<Output = Result<T, TransportError>>) -> Result<T, TransportError> {
        let (mut future, watcher) = (pin!(future), self.watch());
        poll_fn(|cx| match watcher.poll(cx) {
            // Asked first: on a closed connection the browser throws at whatever is tried.
            Poll::Ready(reason) => Poll::Ready(Err(TransportError::Closed(reason))),
            Poll::Pending => future.as_mut().poll(cx),
        })
        .await
    }
}

impl Watcher<'_> {
    fn poll(&self, cx: &Context<'_>) -> Poll<CloseReason> {
        let mut state = self.life.0.borrow_mut();
        match state.reason {
            Some(reason) => Poll::Ready(reason),
            None => {
                state.watchers.insert(self.id, cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Places for questions. Clones are the same.
#[derive(Clone, Default)]
struct Places(Rc<(Cell<usize>, RefCell<Vec<Waker>>)>);

/// A place, which is free again when this is dropped.
struct Place(Places);

impl Places {
    async fn take(&self, places_max: usize) -> Place {
        poll_fn(|cx| {
            let (taken, waiting) = &*self.0;
            if taken.get() < places_max {
                taken.set(taken.get() + 1);
                return Poll::Ready(Place(self.clone()));
            }
            waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (taken, waiting) = &*self.0.0;
        taken.set(taken.get() - 1);
        // All of them: who was first may not want it any more.
        waiting.take().into_iter().for_each(Waker::wake);
    }
}

/// A connection with a node that has proved its id. Clones are the same; it is closed when the last one is dropped.
#[derive(Clone)]
pub struct Connection(Rc<Inner>);

struct Inner {
    peer: PeerConnection,
    node: PeerId,
    life: Life,
    answers: Answers,
    places: Places,
}

impl Connection {
    /// Connects with the node at an address. The answers are what the node is told when it asks in a protocol, whatever it asks: it does so
    /// at once.
    ///
    /// # Errors
    /// [`TransportError`]; then nothing is left of it.
    pub async fn dial(
        address: &Address,
        identity: &Identity,
        answers: HashMap<String, Vec<u8>>,
        cancel: &Cancel,
    ) -> Result<Self, TransportError> {
        let Address::WebRtc { ip, port, certhash, peer: expected } = *address else {
            return Err(TransportError::Unsupported { what: "WebSocket" });
        };
        let life = Life::default();
        let peer = PeerConnection::new(&life)?;
        let limit = Limit { what: "connecting", limit_ms: CONNECT_TIME_MAX_MS, cancel };
        let connected = limit.wait(life.during(peer.connect((ip, port, certhash), identity))).await;
        let (handshake, found) = connected.map_err(|error| match error {
            TransportError::Closed(CloseReason::Lost) => peer.failure(),
            error => error,
        })?;
        if found != expected {
            return Err(TransportError::WrongPeer { expected, found });
        }
        let (answers, places): (Answers, _) = (Rc::new(RefCell::new(answers)), Places::default());
        serve(&peer, &life, &answers);
        let watched = life.clone();
        spawn_local(async move {
            // The node says goodbye by closing the channel of the handshake, and in no other way.
            let gone = watched.during(async {
                handshake.gone().await;
                Ok(())
            });
            if gone.await.is_ok() {
                watched.end(CloseReason::Node);
            }
        });
        Ok(Self(Rc::new(Inner { peer, node: found, life, answers, places })))
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> PeerId {
        self.0.node
    }

    /// What the browser says of it.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.life.health()
    }

    /// Waits until it has ended.
    pub async fn closed(&self) -> CloseReason {
        let life = self.0.life.clone();
        life.ended().await
    }

    /// Closes it.
    pub fn close(&self, reason: CloseReason) {
        self.0.life.end(reason);
        self.0.peer.close();
    }

    /// What the node is answered when it asks in this protocol, whatever it asks.
    pub fn set_answer(&self, protocol: &str, answer: Vec<u8>) {
        self.0.answers.borrow_mut().insert(protocol.to_owned(), answer);
    }

    /// Asks a question, and waits for its answer.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn ask(&self, question: Question<'_>, cancel: &Cancel) -> Result<Vec<u8>, TransportError> {
        let Question { protocol, framing, bytes, answer_max, limit_ms } = question;
        let limit = Limit { what: "the answer", limit_ms, cancel };
        limit
            .wait(self.0.life.during(async {
                let _place = self.0.places.take(QUESTIONS_MAX).await;
                // What has come and is not read yet may be a little more than the answer: names, and the message's length.
                let channel = self.0.peer.open(answer_max.saturating_add(1_024))?;
                exchange::ask(&channel, protocol, framing, bytes, answer_max).await
            }))
            .await
    }

    /// Asks whether the node is there. How long the answer took, in milliseconds.
    ///
    /// # Errors
    /// [`TransportError`]. The connection is not closed by that.
    pub async fn ping(&self, limit_ms: u32, cancel: &Cancel) -> Result<f64, TransportError> {
        let mut bytes = [0; PING_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| TransportError::Unsupported { what: "randomness" })?;
        let asked = now_ms();
        let question = Question {
            protocol: PING,
            framing: Framing::Fixed(PING_BYTES),
            bytes: &bytes,
            answer_max: PING_BYTES,
            limit_ms,
        };
        let answer = self.ask(question, cancel).await?;
        if answer == bytes { Ok(now_ms() - asked) } else { Err(TransportError::Malformed) }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.life.end(CloseReason::Here);
    }
}

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

/// Serves the streams that the node opens, those that it has opened already too.
fn serve(peer: &PeerConnection, life: &Life, answers: &Answers) {
    let (life, answers, served) = (life.clone(), Rc::clone(answers), Rc::new(Cell::new(0_usize)));
    let taker = move |channel: Channel| {
        if served.get() >= SERVED_MAX {
            return;
        }
        served.set(served.get() + 1);
        let (life, answers, served) = (life.clone(), Rc::clone(&answers), Rc::clone(&served));
        spawn_local(async move {
            let serving = inbound::serve(channel, answers);
            let _ = life
                .during(async {
                    serving.await;
                    Ok(())
                })
                .await;
            served.set(served.get() - 1);
        });
    };
    let mut arrived = peer.arrived.borrow_mut();
    std::mem::take(&mut arrived.waiting).into_iter().for_each(&taker);
    arrived.taker = Some(Box::new(taker));
}
