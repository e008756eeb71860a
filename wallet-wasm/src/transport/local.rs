//! A connection of this page: made, used, and closed here.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};

use hashbrown::HashMap;
use qbtc_core::net::browser::{Address, PeerId};
use wasm_bindgen_futures::spawn_local;

use super::arrivals::Arrivals;
use super::connection::{CONNECT_TIME_MAX_MS, Question};
use super::error::{CloseReason, TransportError};
use super::exchange::{self, Framing, PING, PING_BYTES};
use super::inbound::{self, Answers};
use super::life::Life;
use super::noise::Identity;
use super::stream::Stream;
use super::time::{Cancel, Limit, now_ms};
use super::webrtc::{self, PeerConnection};
use super::websocket::{self, SocketConnection};

/// The most questions that are under way; more wait for one of them.
const QUESTIONS_MAX: usize = 64;
/// The most streams of the node that are served at the same time.
const SERVED_MAX: usize = 32;

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

/// Whether an address is of a kind that can be dialled from here.
pub(super) fn can_dial(address: &Address) -> bool {
    match address {
        Address::WebRtc { .. } => webrtc::is_supported(),
        Address::WebSocket { .. } => websocket::is_supported(),
    }
}

/// A connection of this page. Clones are the same; it is closed when the last one is dropped.
#[derive(Clone)]
pub(super) struct LocalConnection(Rc<Inner>);

struct Inner {
    wire: Wire,
    node: PeerId,
    own: PeerId,
    life: Life,
    places: Places,
}

impl LocalConnection {
    /// Connects with the node at an address. The answers are what the node is told when it asks in a protocol, whatever it asks: it does so
    /// at once.
    ///
    /// # Errors
    /// [`TransportError`]; then nothing is left of it.
    pub(super) async fn dial(
        address: &Address,
        identity: &Identity,
        answers: HashMap<String, Vec<u8>>,
        cancel: &Cancel,
    ) -> Result<Self, TransportError> {
        let life = Life::default();
        let limit = Limit { what: "connecting", limit_ms: CONNECT_TIME_MAX_MS, cancel };
        let (wire, found) = limit.wait(Wire::connect(address, identity, &life)).await?;
        let expected = address.peer();
        if found != expected {
            // Whoever watches its handshake goes too.
            life.end(CloseReason::Here);
            return Err(TransportError::WrongPeer { expected, found });
        }
        let (answers, places): (Answers, _) = (Rc::new(RefCell::new(answers)), Places::default());
        serve(wire.arrived(), &life, &answers);
        Ok(Self(Rc::new(Inner { wire, node: found, own: identity.peer(), life, places })))
    }

    /// The node.
    pub(super) fn node(&self) -> PeerId {
        self.0.node
    }

    /// This side's id.
    pub(super) fn own(&self) -> PeerId {
        self.0.own
    }

    pub(super) fn life(&self) -> &Life {
        &self.0.life
    }

    /// Closes it.
    pub(super) fn close(&self, reason: CloseReason) {
        self.0.life.end(reason);
        self.0.wire.close();
    }

    /// Asks a question, and waits for its answer.
    ///
    /// # Errors
    /// [`TransportError`].
    pub(super) async fn ask(&self, question: Question<'_>, cancel: &Cancel) -> Result<Vec<u8>, TransportError> {
        let Question { protocol, framing, bytes, answer_max, limit_ms } = question;
        let limit = Limit { what: "the answer", limit_ms, cancel };
        limit
            .wait(self.0.life.during(async {
                let _place = self.0.places.take(QUESTIONS_MAX).await;
                // What has come and is not read yet may be a little more than the answer: names, and the message's length.
                let channel = self.0.wire.open(answer_max.saturating_add(1_024))?;
                exchange::ask(&channel, protocol, framing, bytes, answer_max).await
            }))
            .await
    }

    /// Asks whether the node is there. How long the answer took, in milliseconds.
    ///
    /// # Errors
    /// [`TransportError`]. The connection is not closed by that.
    pub(super) async fn ping(&self, limit_ms: u32, cancel: &Cancel) -> Result<f64, TransportError> {
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

/// What carries a connection.
enum Wire {
    Rtc(PeerConnection),
    Socket(SocketConnection),
}

impl Wire {
    /// Connects, and lets the node prove its id.
    async fn connect(address: &Address, identity: &Identity, life: &Life) -> Result<(Self, PeerId), TransportError> {
        match address {
            Address::WebRtc { ip, port, certhash, .. } => {
                let peer = PeerConnection::new(life)?;
                let connected = life.during(peer.connect((*ip, *port, *certhash), identity)).await;
                let (handshake, found) = connected.map_err(|error| match error {
                    TransportError::Closed(CloseReason::Lost) => peer.failure(),
                    error => error,
                })?;
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
                Ok((Self::Rtc(peer), found))
            }
            Address::WebSocket { host, port, is_secure, .. } => {
                let url = format!("{}://{host}:{port}/", if *is_secure { "wss" } else { "ws" });
                let (socket, found) = SocketConnection::connect(&url, identity, life).await?;
                Ok((Self::Socket(socket), found))
            }
        }
    }

    /// A new stream, on which at most so many bytes may wait to be read.
    fn open(&self, unread_max: usize) -> Result<Stream, TransportError> {
        match self {
            Self::Rtc(peer) => peer.open(unread_max),
            Self::Socket(socket) => socket.open(),
        }
    }

    fn arrived(&self) -> &Arrivals {
        match self {
            Self::Rtc(peer) => &peer.arrived,
            Self::Socket(socket) => socket.arrived(),
        }
    }

    fn close(&self) {
        match self {
            Self::Rtc(peer) => peer.close(),
            Self::Socket(socket) => socket.close(),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.life.end(CloseReason::Here);
    }
}

/// Serves the streams that the node opens, those that it has opened already too.
fn serve(arrived: &Arrivals, life: &Life, answers: &Answers) {
    let (life, answers, served) = (life.clone(), Rc::clone(answers), Rc::new(Cell::new(0_usize)));
    let taker = move |stream: Stream| {
        if served.get() >= SERVED_MAX {
            return;
        }
        served.set(served.get() + 1);
        let (life, answers, served) = (life.clone(), Rc::clone(&answers), Rc::clone(&served));
        spawn_local(async move {
            let serving = inbound::serve(stream, answers);
            let _ = life
                .during(async {
                    serving.await;
                    Ok(())
                })
                .await;
            served.set(served.get() - 1);
        });
    };
    arrived.take(taker);
}
