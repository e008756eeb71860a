//! The streams of a connection, as libp2p sees them and as the connection's task does.
//!
//! Both sides meet under one short lock: the task puts in what came and takes out what is to be sent, the streams do the reverse. Nothing in here
//! waits or does I/O. Invariant: the number of streams, what waits to be read and what waits to be sent are bounded at every moment.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::futures::{AsyncRead, AsyncWrite};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::error::ConnectionError;
use super::limits::{Budget, Charge, Counters, Limits};
use super::stream::{Origin, Read, Stream};

/// What waits to be sent on one stream.
const UNSENT_PER_STREAM_BYTES_MAX: usize = 64 * 1024;
/// What waits to be sent on all streams of a connection.
const UNSENT_BYTES_MAX: usize = 512 * 1024;
/// Beyond this many unread bytes the task takes packets more slowly, so that readers catch up.
const BEHIND_BYTES: usize = 256 * 1024;
/// How long a stream of ours that has ended waits for the peer to say that it got everything.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// A stream's name inside its connection; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u64);

/// The stream of the handshake.
pub(super) const HANDSHAKE: Key = Key(0);

/// What the task and the streams share.
#[derive(Debug)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    /// There is something to do for the task.
    pub(super) wake: Notify,
    limits: Limits,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Inner {
    streams: HashMap<Key, Stream>,
    next_key: u64,
    streams_in: usize,
    streams_out: usize,
    /// Opened by the peer and not yet taken.
    arrived: VecDeque<Key>,
    /// Opened by us and not yet known to the task.
    to_open: VecDeque<Key>,
    to_send: VecDeque<Key>,
    /// Ended on both sides; when they are closed at the latest.
    retired: VecDeque<(Instant, Key)>,
    unread: Charge,
    unsent_bytes: usize,
    knows_acks: bool,
    is_authenticated: bool,
    is_closing: bool,
    ended: Option<ConnectionError>,
    acceptor: Option<Waker>,
    opener: Option<Waker>,
    watcher: Option<Waker>,
    closer: Option<Waker>,
}

impl Shared {
    /// With the handshake's stream.
    pub(super) fn new(limits: Limits, unread: &Arc<Budget>, counters: Arc<Counters>) -> Arc<Self> {
        let inner = Inner {
            streams: HashMap::from([(HANDSHAKE, Stream::new(Origin::Handshake))]),
            next_key: HANDSHAKE.0 + 1,
            streams_in: 0,
            streams_out: 0,
            arrived: VecDeque::new(),
            to_open: VecDeque::new(),
            to_send: VecDeque::new(),
            retired: VecDeque::new(),
            unread: unread.charge(0).expect("nothing is always to be had"),
            unsent_bytes: 0,
            knows_acks: false,
            is_authenticated: false,
            is_closing: false,
            ended: None,
            acceptor: None,
            opener: None,
            watcher: None,
            closer: None,
        };
        Arc::new(Self { inner: Mutex::new(inner), wake: Notify::new(), limits, counters })
    }

    /// The peer has opened a stream.
    pub(super) fn arrived(&self) -> Result<Key, ConnectionError> {
        let mut inner = self.inner.lock();
        if inner.streams_in >= self.limits.streams_in_max {
            return Err(ConnectionError::TooManyStreams(self.limits.streams_in_max));
        }
        inner.streams_in += 1;
        let key = inner.insert(Origin::Theirs);
        inner.arrived.push_back(key);
        wake(&mut inner.acceptor);
        Ok(key)
    }

    /// Something came on a stream.
    pub(super) fn received(&self, key: Key, bytes: &[u8]) {
        let mut inner = self.inner.lock();
        let max = self.limits.unread_per_stream_bytes_max;
        inner.change(key, self.limits.linger, |stream, unread| {
            let before = stream.unread_bytes();
            let result = stream.receive(bytes, |held, more| held + more <= max && unread.grow(more));
            if stream.unread_bytes() > before {
                wake(&mut stream.reader);
            }
            if result.is_err() {
                Counters::add(&self.counters.streams_reset);
                stream.reset();
            }
        });
    }

    /// A stream's data channel is gone.
    pub(super) fn channel_closed(&self, key: Key) {
        let linger = self.limits.linger;
        self.inner.lock().change(key, linger, |stream, _| stream.channel_closed());
    }

    /// A stream that needs a data channel.
    pub(super) fn next_to_open(&self) -> Option<Key> {
        self.inner.lock().to_open.pop_front()
    }

    /// Writes the next frame into `out`. Streams take turns.
    pub(super) fn next_frame(&self, is_open: &mut dyn FnMut(Key) -> bool, out: &mut Vec<u8>) -> Option<Key> {
        let mut inner = self.inner.lock();
        let knows_acks = inner.knows_acks;
        for _ in 0..inner.to_send.len() {
            let key = inner.to_send.pop_front()?;
            let Some(stream) = inner.streams.get_mut(&key) else { continue };
            if !stream.has_frame(knows_acks) {
                stream.is_queued = false;
            } else if is_open(key) {
                stream.is_queued = false;
                inner.change(key, self.limits.linger, |stream, _| stream.next_frame(knows_acks, out));
                return Some(key);
            } else {
                // Its channel opens later.
                inner.to_send.push_back(key);
            }
        }
        None
    }

    /// A stream whose channel is to be closed now.
    pub(super) fn next_to_close(&self, now: Instant) -> Option<Key> {
        let mut inner = self.inner.lock();
        let is_crowded = inner.streams_in * 2 > self.limits.streams_in_max;
        let Inner { retired, streams, .. } = &mut *inner;
        retired.retain(|(_, key)| streams.contains_key(key));
        let is_due = |(due, key): &(Instant, Key)| {
            let stream = &streams[key];
            *due <= now || if stream.origin() == Origin::Ours { stream.has_acked() } else { is_crowded }
        };
        let index = retired.iter().position(is_due)?;
        retired.remove(index).map(|(_, key)| key)
    }

    /// When [`Shared::next_to_close`] has something at the latest.
    pub(super) fn close_deadline(&self) -> Option<Instant> {
        let inner = self.inner.lock();
        inner.retired.iter().filter(|(_, key)| inner.streams.contains_key(key)).map(|(due, _)| *due).min()
    }

    /// Whether readers should get time to catch up.
    pub(super) fn is_behind(&self) -> bool {
        self.inner.lock().unread.bytes() > BEHIND_BYTES
    }

    /// The peer has proved its id.
    pub(super) fn set_authenticated(&self) {
        self.inner.lock().is_authenticated = true;
    }

    pub(super) fn is_authenticated(&self) -> bool {
        self.inner.lock().is_authenticated
    }

    /// Whether libp2p wants no more of it.
    pub(super) fn is_closing(&self) -> bool {
        self.inner.lock().is_closing
    }

    /// The task is over.
    pub(super) fn end(&self, reason: ConnectionError) {
        let mut inner = self.inner.lock();
        inner.ended.get_or_insert(reason);
        let keys: Vec<Key> = inner.streams.keys().copied().collect();
        for key in keys {
            inner.change(key, self.limits.linger, |stream, _| stream.channel_closed());
        }
        let Inner { acceptor, opener, watcher, closer, .. } = &mut *inner;
        [acceptor, opener, watcher, closer].into_iter().for_each(wake);
    }
}

/// Ends a connection when its task ends in any way, even by a fault of the library.
pub(super) struct EndOnDrop(pub(super) Arc<Shared>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(ConnectionError::Lost);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl Inner {
    fn insert(&mut self, origin: Origin) -> Key {
        let key = Key(self.next_key);
        self.next_key += 1;
        self.streams.insert(key, Stream::new(origin));
        key
    }

    /// Changes a stream, pays for what waits in it by then, puts it in line for what it needs, and forgets it when nobody needs it.
    fn change<R>(
        &mut self,
        key: Key,
        linger: Duration,
        change: impl FnOnce(&mut Stream, &mut Charge) -> R,
    ) -> Option<R> {
        let stream = self.streams.get_mut(&key)?;
        let (unread, unsent) = (stream.unread_bytes(), stream.unsent_bytes());
        let others_unread = self.unread.bytes() - unread;
        let result = change(stream, &mut self.unread);
        self.unread.shrink(self.unread.bytes() - others_unread - stream.unread_bytes());
        self.unsent_bytes = self.unsent_bytes - unsent + stream.unsent_bytes();
        let is_room_made = stream.unsent_bytes() < unsent;
        self.knows_acks |= stream.has_acked();
        self.settle(key, linger);
        if is_room_made {
            self.wake_writers();
        }
        Some(result)
    }

    fn settle(&mut self, key: Key, linger: Duration) {
        let knows_acks = self.knows_acks;
        let Some(stream) = self.streams.get_mut(&key) else { return };
        if !stream.is_queued && stream.has_frame(knows_acks) {
            stream.is_queued = true;
            self.to_send.push_back(key);
        }
        if !stream.is_retired && stream.is_done() {
            stream.is_retired = true;
            let wait = if stream.origin() == Origin::Ours { ACK_TIMEOUT } else { linger };
            self.retired.push_back((Instant::now() + wait, key));
        }
        if stream.is_channel_closed() && stream.is_released {
            match stream.origin() {
                Origin::Ours => self.streams_out -= 1,
                Origin::Theirs => self.streams_in -= 1,
                Origin::Handshake => {}
            }
            self.streams.remove(&key);
            wake(&mut self.opener);
        }
    }

    /// Who waits for room that all streams share.
    fn wake_writers(&mut self) {
        if self.unsent_bytes < UNSENT_BYTES_MAX {
            for stream in self.streams.values_mut() {
                wake(&mut stream.writer);
            }
        }
    }

    fn closed(&self) -> ConnectionError {
        self.ended.clone().unwrap_or(ConnectionError::Closed)
    }

    fn is_over(&self) -> bool {
        self.is_closing || self.ended.is_some()
    }
}

/// A connection's streams for libp2p. Dropping it closes the connection.
#[derive(Debug)]
pub struct Muxer {
    shared: Arc<Shared>,
}

impl Muxer {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn substream(&self, key: Key) -> Substream {
        Substream { shared: Arc::clone(&self.shared), key }
    }

    /// The stream of the handshake, to be taken once.
    pub(super) fn handshake_stream(&self) -> Substream {
        self.substream(HANDSHAKE)
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        self.shared.inner.lock().is_closing = true;
        self.shared.wake.notify_one();
    }
}

impl StreamMuxer for Muxer {
    type Substream = Substream;
    type Error = ConnectionError;

    fn poll_inbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Substream, ConnectionError>> {
        let mut inner = self.shared.inner.lock();
        if let Some(key) = inner.arrived.pop_front() {
            return Poll::Ready(Ok(self.substream(key)));
        }
        if inner.is_over() {
            return Poll::Ready(Err(inner.closed()));
        }
        inner.acceptor = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_outbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Substream, ConnectionError>> {
        let mut inner = self.shared.inner.lock();
        if inner.is_over() {
            return Poll::Ready(Err(inner.closed()));
        }
        if inner.streams_out >= self.shared.limits.streams_out_max {
            inner.opener = Some(cx.waker().clone());
            return Poll::Pending;
        }
        inner.streams_out += 1;
        let key = inner.insert(Origin::Ours);
        inner.to_open.push_back(key);
        self.shared.wake.notify_one();
        Poll::Ready(Ok(self.substream(key)))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let mut inner = self.shared.inner.lock();
        if inner.ended.is_some() {
            return Poll::Ready(Ok(()));
        }
        inner.is_closing = true;
        inner.closer = Some(cx.waker().clone());
        self.shared.wake.notify_one();
        Poll::Pending
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, ConnectionError>> {
        let mut inner = self.shared.inner.lock();
        if let Some(reason) = &inner.ended {
            return Poll::Ready(Err(reason.clone()));
        }
        inner.watcher = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// One stream. Dropping it before it is closed resets it.
#[derive(Debug)]
pub struct Substream {
    shared: Arc<Shared>,
    key: Key,
}

impl Substream {
    /// Changes the stream and does what follows from that.
    fn with<R>(&self, change: impl FnOnce(&mut Stream, usize) -> R) -> R {
        let mut inner = self.shared.inner.lock();
        let unsent = inner.unsent_bytes;
        let result = inner.change(self.key, self.shared.limits.linger, |stream, _| change(stream, unsent));
        result.expect("a stream stays as long as it is held")
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for Substream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.with(|stream, _| match stream.read(buffer) {
            Read::Bytes(count) => Poll::Ready(Ok(count)),
            Read::Reset => Poll::Ready(Err(reset())),
            Read::Pending => {
                stream.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        })
    }
}

impl AsyncWrite for Substream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = self.with(|stream, unsent| {
            if !stream.can_write() {
                let error = if stream.is_broken() { reset() } else { io::ErrorKind::BrokenPipe.into() };
                return Poll::Ready(Err(error));
            }
            let room = UNSENT_PER_STREAM_BYTES_MAX - stream.unsent_bytes();
            // A stream that has nothing in line may always add a little, so that none waits for ever on the others.
            let shared = UNSENT_BYTES_MAX.saturating_sub(unsent);
            let least = if stream.unsent_bytes() == 0 { 1_024 } else { 0 };
            let count = bytes.len().min(room).min(shared.max(least));
            if count == 0 && !bytes.is_empty() {
                stream.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            stream.write(&bytes[..count]);
            Poll::Ready(Ok(count))
        });
        if result.is_ready() {
            self.shared.wake.notify_one();
        }
        result
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream, _| {
            if stream.is_broken() {
                return Poll::Ready(Err(reset()));
            }
            if stream.is_flushed() {
                return Poll::Ready(Ok(()));
            }
            stream.writer = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = self.with(|stream, _| {
            stream.finish();
            if stream.is_broken() {
                return Poll::Ready(Err(reset()));
            }
            if stream.is_finished() {
                return Poll::Ready(Ok(()));
            }
            stream.writer = Some(cx.waker().clone());
            Poll::Pending
        });
        self.shared.wake.notify_one();
        result
    }
}

impl Drop for Substream {
    fn drop(&mut self) {
        self.with(|stream, _| stream.release());
        self.shared.wake.notify_one();
    }
}

#[cfg(test)]
mod tests;
