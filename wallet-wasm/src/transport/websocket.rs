//! A connection over one WebSocket: Noise, and under it yamux for the streams.
//!
//! For networks that let no UDP through, and for hosts without WebRTC. What comes is bounded: by Noise's longest message before it is opened, by
//! yamux's windows afterwards. Whoever breaks the protocol ends the connection.

use alloc::rc::{Rc, Weak};
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};

use js_sys::{ArrayBuffer, Function, Reflect, Uint8Array};
use qbtc_core::net::browser::PeerId;
use qbtc_core::net::browser::multistream::{Proposal, propose};
use qbtc_core::net::browser::noise::HANDSHAKE_BYTES_MAX;
use qbtc_core::net::browser::yamux::{self, Muxer, StreamId, Unread, YamuxError};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{BinaryType, MessageEvent, WebSocket};

use super::arrivals::Arrivals;
use super::error::{CloseReason, TransportError};
use super::life::Life;
use super::noise::{Handshake, Identity, Session};
use super::stream::Stream;
use super::time::Sleep;

/// The protocol of the handshake.
const NOISE: &str = "/noise";
/// Bytes of a message's length.
const LENGTH_BYTES: usize = 2;
/// The most bytes that have come and are not taken apart: the longest message of the node's WebSocket, and a part of one of Noise.
const HELD_BYTES_MAX: usize = (1 << 18) + (1 << 16);
/// The most bytes of a message that is sent: well below what the node takes.
const SENT_BYTES_MAX: usize = 1 << 16;
/// From so many unsent bytes on, whoever sends waits, and looks again after so long: a WebSocket does not tell when they have left.
const UNSENT_BYTES_MAX: u32 = 256 * 1024;
const UNSENT_PAUSE_MS: u32 = 20;

/// A WebSocket. Dropping it closes it and leaves no handler behind.
pub(super) struct SocketConnection {
    inner: Rc<Inner>,
    _on_event: Closure<dyn FnMut(JsValue)>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

struct Inner {
    socket: WebSocket,
    life: Life,
    arrived: Arrivals,
    state: RefCell<State>,
    is_closed: Cell<bool>,
}

#[derive(Default)]
struct State {
    /// What has come and is not taken apart.
    held: Vec<u8>,
    is_gone: bool,
    /// Once both sides have agreed on streams.
    session: Option<Session>,
    muxer: Muxer,
    waiting: Vec<Waker>,
}

impl SocketConnection {
    /// Connects, and lets the node prove its id.
    pub(super) async fn connect(url: &str, identity: &Identity, life: &Life) -> Result<(Self, PeerId), TransportError> {
        if !is_supported() {
            return Err(TransportError::Unsupported { what: "WebSocket" });
        }
        let socket = WebSocket::new(url)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let inner = Rc::new(Inner {
            socket,
            life: life.clone(),
            arrived: Arrivals::default(),
            state: RefCell::default(),
            is_closed: Cell::new(false),
        });
        let this = Self::listen(inner);
        let peer = this.inner.agree(identity).await?;
        // What has come behind the handshake is of the streams.
        this.inner.advance();
        Ok((this, peer))
    }

    fn listen(inner: Rc<Inner>) -> Self {
        let weak = Rc::downgrade(&inner);
        let on_event = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
            if let Some(inner) = weak.upgrade() {
                inner.happened(&event);
            }
        });
        let weak: Weak<Inner> = Rc::downgrade(&inner);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(inner) = weak.upgrade() {
                inner.receive(&event);
            }
        });
        let handler = Some(on_event.as_ref().unchecked_ref());
        inner.socket.set_onopen(handler);
        inner.socket.set_onclose(handler);
        inner.socket.set_onerror(handler);
        inner.socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Self { inner, _on_event: on_event, _on_message: on_message }
    }

    /// A new stream.
    pub(super) fn open(&self) -> Result<Stream, TransportError> {
        let opened = self.inner.state.borrow_mut().muxer.open();
        let id = opened.map_err(|error| TransportError::Browser(error.to_string()))?;
        self.inner.flush();
        Ok(Stream::Socket(SocketStream { inner: Rc::clone(&self.inner), id }))
    }

    /// Streams that the node has opened.
    pub(super) fn arrived(&self) -> &Arrivals {
        &self.inner.arrived
    }

    /// Closes it.
    pub(super) fn close(&self) {
        self.inner.arrived.clear();
        self.inner.state.borrow_mut().muxer.close();
        self.inner.flush();
        self.inner.shut();
    }
}

impl Drop for SocketConnection {
    fn drop(&mut self) {
        self.close();
    }
}

impl Inner {
    /// Proves both ids and agrees on streams.
    async fn agree(&self, identity: &Identity) -> Result<PeerId, TransportError> {
        let is_open = self.until(|_| (self.socket.ready_state() == WebSocket::OPEN).then_some(Ok(()))).await;
        is_open.map_err(|_| TransportError::Unreachable)?;
        let mut handshake = Handshake::new(identity, &[], true)?;
        let mut opening = Vec::new();
        propose(&mut opening, NOISE);
        write_message(&mut opening, &handshake.first()?)?;
        self.socket.send_with_u8_array(&opening)?;
        let mut proposal = Proposal::new(NOISE);
        self.until(|state| {
            let come = core::mem::take(&mut state.held);
            if come.is_empty() {
                return None;
            }
            match proposal.receive(&come) {
                Ok(None) => None,
                Ok(Some(rest)) => {
                    state.held = rest;
                    Some(Ok(()))
                }
                Err(error) => Some(Err(error.into())),
            }
        })
        .await?;
        let message = self.until(|state| next_message(&mut state.held, HANDSHAKE_BYTES_MAX).transpose()).await?;
        let peer = handshake.check(&message)?;
        let mut proof = Vec::new();
        write_message(&mut proof, &handshake.proof()?)?;
        let mut session = handshake.into_session()?;
        let mut names = Vec::new();
        propose(&mut names, yamux::NAME);
        session.seal(&names, &mut proof)?;
        self.socket.send_with_u8_array(&proof)?;
        let mut proposal = Proposal::new(yamux::NAME);
        let mut session = Some(session);
        self.until(|state| {
            let agreed = agreement(&mut state.held, session.as_mut()?, &mut proposal).transpose()?;
            Some(agreed.and_then(|rest| {
                state.session = session.take();
                state.muxer.receive(&rest).map_err(|_| TransportError::Malformed)
            }))
        })
        .await?;
        Ok(peer)
    }

    /// The socket is open, has failed, or is closed.
    fn happened(&self, event: &JsValue) {
        if self.socket.ready_state() == WebSocket::CLOSED {
            let is_clean =
                Reflect::get(event, &JsValue::from_str("wasClean")).is_ok_and(|is_clean| is_clean.is_truthy());
            self.end(if is_clean { CloseReason::Node } else { CloseReason::Lost });
        }
        self.wake();
    }

    fn receive(self: &Rc<Self>, event: &MessageEvent) {
        let Ok(buffer) = event.data().dyn_into::<ArrayBuffer>() else {
            // Text, which no peer of this protocol sends.
            return self.end(CloseReason::Lost);
        };
        let is_too_much = {
            let state = &mut *self.state.borrow_mut();
            let come = usize::try_from(buffer.byte_length()).unwrap_or(usize::MAX);
            let is_too_much = state.held.len().saturating_add(come) > HELD_BYTES_MAX;
            if !is_too_much {
                state.held.extend_from_slice(&Uint8Array::new(&buffer).to_vec());
            }
            is_too_much
        };
        if is_too_much {
            return self.end(CloseReason::Lost);
        }
        self.advance();
    }

    /// Takes apart what has come, once there are streams.
    fn advance(self: &Rc<Self>) {
        let taken = self.state.borrow_mut().take();
        match taken {
            Ok(()) => {}
            Err(TakeError::Streams(YamuxError::GoAway { .. })) => self.end(CloseReason::Node),
            Err(_) => self.end(CloseReason::Lost),
        }
        loop {
            let arrived = self.state.borrow_mut().muxer.arrived();
            let Some(id) = arrived else { break };
            self.arrived.put(Stream::Socket(SocketStream { inner: Rc::clone(self), id }));
        }
        self.flush();
        self.wake();
    }

    /// Sends what waits to be sent.
    fn flush(&self) {
        let sealed = {
            let state = &mut *self.state.borrow_mut();
            let Some(session) = &mut state.session else { return };
            let (out, mut sealed) = (state.muxer.take_out(), Vec::new());
            let mut parts = out.chunks(Session::CONTENT_BYTES_MAX);
            parts.try_for_each(|part| session.seal(part, &mut sealed)).map(|()| sealed)
        };
        let sent = sealed.and_then(|sealed| {
            if sealed.is_empty() || self.socket.ready_state() != WebSocket::OPEN {
                return Ok(());
            }
            let mut parts = sealed.chunks(SENT_BYTES_MAX);
            Ok(parts.try_for_each(|part| self.socket.send_with_u8_array(part))?)
        });
        if sent.is_err() {
            self.end(CloseReason::Lost);
        }
    }

    fn end(&self, reason: CloseReason) {
        self.state.borrow_mut().is_gone = true;
        self.life.end(reason);
        self.shut();
        self.wake();
    }

    fn shut(&self) {
        if self.is_closed.replace(true) {
            return;
        }
        self.socket.set_onopen(None);
        self.socket.set_onclose(None);
        self.socket.set_onerror(None);
        self.socket.set_onmessage(None);
        // Closing twice is nothing.
        let _ = self.socket.close();
    }

    fn wake(&self) {
        let waiting = core::mem::take(&mut self.state.borrow_mut().waiting);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits for something; the end ends the wait.
    async fn until<T>(
        &self,
        mut look: impl FnMut(&mut State) -> Option<Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        poll_fn(|cx| {
            let mut state = self.state.borrow_mut();
            if let Some(found) = look(&mut state) {
                return Poll::Ready(found);
            }
            if state.is_gone {
                return Poll::Ready(Err(TransportError::TurnedDown));
            }
            // Whoever looks again without having been woken waits once.
            if !state.waiting.iter().any(|waiting| waiting.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

impl State {
    /// Opens the messages that are whole.
    fn take(&mut self) -> Result<(), TakeError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let mut taken = 0;
        while let Some(message) = first_message(&self.held[taken..]) {
            taken += LENGTH_BYTES + message.len();
            self.muxer.receive(&session.open(message)?)?;
        }
        // Once for all of them: many short ones must not be moved one by one.
        self.held.drain(..taken);
        Ok(())
    }
}

/// Why what has come is of no use.
#[derive(Debug, thiserror::Error)]
enum TakeError {
    #[error(transparent)]
    Sealed(#[from] TransportError),
    #[error(transparent)]
    Streams(#[from] YamuxError),
}

/// Opens messages until streams are agreed on: what follows that.
fn agreement(
    held: &mut Vec<u8>,
    session: &mut Session,
    proposal: &mut Proposal,
) -> Result<Option<Vec<u8>>, TransportError> {
    while let Some(message) = next_message(held, usize::from(u16::MAX))? {
        if let Some(rest) = proposal.receive(&session.open(&message)?)? {
            return Ok(Some(rest));
        }
    }
    Ok(None)
}

/// A stream of a WebSocket. Dropping it gives it up.
pub(super) struct SocketStream {
    inner: Rc<Inner>,
    id: StreamId,
}

impl SocketStream {
    /// Sends bytes. Waits while much waits to leave, or to be read by the node.
    pub(super) async fn send(&self, mut bytes: &[u8]) -> Result<(), TransportError> {
        while !bytes.is_empty() {
            // What a closed socket has not sent stays counted: its end is seen below.
            while self.inner.socket.buffered_amount() > UNSENT_BYTES_MAX && !self.inner.state.borrow().is_gone {
                Sleep::new(UNSENT_PAUSE_MS).await;
            }
            let sent = self.inner.until(|state| match state.muxer.write(self.id, bytes) {
                _ if state.is_gone => Some(Err(TransportError::TurnedDown)),
                0 if state.muxer.is_broken(self.id) => Some(Err(TransportError::TurnedDown)),
                0 => None,
                count => Some(Ok(count)),
            });
            bytes = &bytes[sent.await?..];
            self.inner.flush();
        }
        Ok(())
    }

    /// Says that nothing more follows.
    pub(super) fn finish(&self) -> Result<(), TransportError> {
        self.inner.state.borrow_mut().muxer.finish(self.id);
        self.inner.flush();
        Ok(())
    }

    /// The bytes that have come, at least one; none when the node has sent all.
    pub(super) async fn read(&self) -> Result<Option<Vec<u8>>, TransportError> {
        let read = self.inner.until(|state| match state.muxer.read(self.id) {
            Unread::Bytes(bytes) => Some(Ok(Some(bytes))),
            Unread::Finished => Some(Ok(None)),
            Unread::Broken => Some(Err(TransportError::TurnedDown)),
            Unread::Nothing => None,
        });
        let read = read.await;
        // The peer is told that it may send more.
        self.inner.flush();
        read
    }

    /// Waits until the node has ended it.
    pub(super) async fn gone(&self) {
        // Everything that ends it is what is waited for.
        let _ = self.inner.until(|state| state.muxer.is_ended_there(self.id).then_some(Ok(()))).await;
    }
}

impl Drop for SocketStream {
    fn drop(&mut self) {
        self.inner.state.borrow_mut().muxer.forget(self.id);
        self.inner.flush();
    }
}

/// Whether this host has sockets of that kind.
pub(super) fn is_supported() -> bool {
    let constructor = Reflect::get(&js_sys::global(), &JsValue::from_str("WebSocket"));
    constructor.is_ok_and(|constructor| constructor.is_instance_of::<Function>())
}

fn write_message(out: &mut Vec<u8>, message: &[u8]) -> Result<(), TransportError> {
    let length = u16::try_from(message.len()).map_err(|_| TransportError::Malformed)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(message);
    Ok(())
}

/// The first message, if it is whole.
fn next_message(held: &mut Vec<u8>, bytes_max: usize) -> Result<Option<Vec<u8>>, TransportError> {
    let length = held.first_chunk::<LENGTH_BYTES>().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
    if length > bytes_max {
        return Err(TransportError::TooLong { limit: bytes_max });
    }
    let Some(message) = first_message(held).map(<[u8]>::to_vec) else { return Ok(None) };
    held.drain(..LENGTH_BYTES + message.len());
    Ok(Some(message))
}

/// The first message of bytes, without its length, if it is whole.
fn first_message(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_end_where_they_should() {
        let mut held = Vec::new();
        write_message(&mut held, b"one").unwrap();
        write_message(&mut held, b"").unwrap();
        held.extend_from_slice(&[0, 4, 9]);
        for length in 0..5 {
            assert_eq!(first_message(&held[..length]), None, "{length}");
        }
        assert_eq!(next_message(&mut held, 3), Ok(Some(b"one".to_vec())));
        assert_eq!(next_message(&mut held, 3), Ok(Some(Vec::new())));
        assert_eq!(next_message(&mut held, 3), Err(TransportError::TooLong { limit: 3 }));
        assert_eq!((next_message(&mut held, 4), &held[..]), (Ok(None), &[0, 4, 9][..]));
        assert!(write_message(&mut held, &vec![0; 1 << 16]).is_err());
    }
}
