//! One data channel as a stream of bytes: frames are taken apart and put together here, and what waits to be read is bounded.
//!
//! A data channel knows no back-pressure: what the node sends is in this page's memory whether somebody reads it or not. So a channel takes
//! no more than its reader has allowed, and all channels of a connection no more than the connection's; beyond, the stream is given up.

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::mem;
use core::task::{Poll, Waker};

use js_sys::{ArrayBuffer, Uint8Array};
use qbtc_core::net::browser::frame::{DATA_BYTES_MAX, Decoder, Flag, encode};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::{MessageEvent, RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

use super::error::TransportError;

/// From so many unsent bytes on, whoever sends waits.
const UNSENT_BYTES_MAX: u32 = 256 * 1024;
/// The most bytes that wait to be read on all streams of a connection: two of the longest answers and some.
const UNREAD_BYTES_MAX: usize = 16 << 20;

/// What waits to be read on all channels of a connection.
pub(super) type Unread = Rc<Cell<usize>>;

/// How a stream has ended for the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// The node has sent all.
    Finished,
    /// The node has given it up, or the channel is gone before all was sent.
    Broken,
    /// What came is no frame.
    Malformed,
    /// More came than was allowed.
    TooLong(usize),
}

struct State {
    decoder: Decoder,
    unread: Vec<u8>,
    unread_max: usize,
    unread_in_all: Unread,
    end: Option<End>,
    is_gone: bool,
    waker: Option<Waker>,
}

/// A stream. Dropping it gives it up: the channel is closed, and no handler stays.
pub(super) struct Channel {
    inner: RtcDataChannel,
    state: Rc<RefCell<State>>,
    is_finished: Cell<bool>,
    _on_event: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl State {
    fn receive(&mut self, bytes: &[u8]) {
        if self.end.is_some() {
            return;
        }
        let mut decoder = mem::take(&mut self.decoder);
        let decoded = decoder.decode(bytes, |frame| {
            self.take(frame.message);
            match frame.flag {
                Some(Flag::Fin) if self.end.is_none() => self.end = Some(End::Finished),
                Some(Flag::Reset) if self.end.is_none() => self.end = Some(End::Broken),
                _ => {}
            }
        });
        self.decoder = decoder;
        if decoded.is_err() {
            self.end = Some(End::Malformed);
        }
    }

    fn take(&mut self, message: &[u8]) {
        if self.end.is_some() || message.is_empty() {
            return;
        }
        let in_all = self.unread_in_all.get() + message.len();
        if self.unread.len() + message.len() > self.unread_max {
            self.end = Some(End::TooLong(self.unread_max));
        } else if in_all > UNREAD_BYTES_MAX {
            self.end = Some(End::TooLong(UNREAD_BYTES_MAX));
        } else {
            self.unread_in_all.set(in_all);
            self.unread.extend_from_slice(message);
        }
    }

    fn take_unread(&mut self) -> Vec<u8> {
        self.unread_in_all.set(self.unread_in_all.get() - self.unread.len());
        mem::take(&mut self.unread)
    }
}

impl Channel {
    /// Takes a channel over, before anything can have come on it. At most so many bytes may wait to be read.
    pub(super) fn new(inner: RtcDataChannel, unread_max: usize, unread_in_all: &Unread) -> Self {
        inner.set_binary_type(RtcDataChannelType::Arraybuffer);
        inner.set_buffered_amount_low_threshold(UNSENT_BYTES_MAX / 2);
        let state = Rc::new(RefCell::new(State {
            decoder: Decoder::default(),
            unread: Vec::new(),
            unread_max,
            unread_in_all: Rc::clone(unread_in_all),
            end: None,
            is_gone: false,
            waker: None,
        }));
        let (shared, channel) = (Rc::clone(&state), inner.clone());
        let on_event = Closure::<dyn FnMut()>::new(move || {
            let is_gone = channel.ready_state() == RtcDataChannelState::Closed;
            wake(&shared, |state| state.is_gone |= is_gone);
        });
        let shared = Rc::clone(&state);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let bytes = match event.data().dyn_into::<ArrayBuffer>() {
                Ok(buffer) => Uint8Array::new(&buffer).to_vec(),
                // Text, which no peer of this protocol sends.
                Err(_) => vec![0xff; 4],
            };
            wake(&shared, |state| state.receive(&bytes));
        });
        inner.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let handler = Some(on_event.as_ref().unchecked_ref());
        inner.set_onopen(handler);
        inner.set_onclose(handler);
        inner.set_onbufferedamountlow(handler);
        Self { inner, state, is_finished: Cell::new(false), _on_event: on_event, _on_message: on_message }
    }

    /// Waits until the channel can be used.
    pub(super) async fn opened(&self) -> Result<(), TransportError> {
        self.until(|_| (self.inner.ready_state() == RtcDataChannelState::Open).then_some(Ok(()))).await
    }

    /// Sends bytes, in frames as long as they may be. Waits while much waits to leave.
    pub(super) async fn send(&self, bytes: &[u8]) -> Result<(), TransportError> {
        for part in bytes.chunks(DATA_BYTES_MAX) {
            self.until(|_| (self.inner.buffered_amount() < UNSENT_BYTES_MAX).then_some(Ok(()))).await?;
            self.send_frame(None, part)?;
        }
        Ok(())
    }

    /// Says that nothing more follows.
    pub(super) fn finish(&self) -> Result<(), TransportError> {
        self.is_finished.set(true);
        self.send_frame(Some(Flag::Fin), &[])
    }

    fn send_frame(&self, flag: Option<Flag>, data: &[u8]) -> Result<(), TransportError> {
        let mut frame = Vec::with_capacity(data.len() + 16);
        encode(&mut frame, flag, [data, &[]]);
        Ok(self.inner.send_with_u8_array(&frame)?)
    }

    /// The bytes that have come, at least one; none when the node has sent all.
    pub(super) async fn read(&self) -> Result<Option<Vec<u8>>, TransportError> {
        self.until(|state| {
            if !state.unread.is_empty() {
                return Some(Ok(Some(state.take_unread())));
            }
            state.end.as_ref().map(|end| match end {
                End::Finished => Ok(None),
                End::Broken => Err(TransportError::TurnedDown),
                End::Malformed => Err(TransportError::Malformed),
                End::TooLong(limit) => Err(TransportError::TooLong { limit: *limit }),
            })
        })
        .await
    }

    /// Waits until the node has closed the channel.
    pub(super) async fn gone(&self) {
        // Everything that ends it is what is waited for.
        let _ = self.until::<()>(|_| None).await;
    }

    /// Waits for something of the channel; its end ends the wait, but what has come before is given out first.
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
            state.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.inner.set_onmessage(None);
        self.inner.set_onopen(None);
        self.inner.set_onclose(None);
        self.inner.set_onbufferedamountlow(None);
        self.state.borrow_mut().take_unread();
        let is_complete = self.is_finished.get() && self.state.borrow().end == Some(End::Finished);
        if !is_complete && self.inner.ready_state() == RtcDataChannelState::Open {
            // The node needs not go on; a channel that closes meanwhile says the same.
            let _ = self.send_frame(Some(Flag::Reset), &[]);
        }
        self.inner.close();
    }
}

fn wake(state: &RefCell<State>, change: impl FnOnce(&mut State)) {
    let waker = {
        let mut state = state.borrow_mut();
        change(&mut state);
        state.waker.take()
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}
