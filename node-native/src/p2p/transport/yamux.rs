//! Many streams over one connection of TCP: yamux, with a bound on what waits unread.
//!
//! libp2p-yamux speaks the same protocol, but its windows may grow to 1 GiB a connection, and its settings do not let that be changed: a peer that
//! is read quickly for a while could then make the node hold as much.

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};

use super::tcp::STREAMS_MAX;

/// The most bytes that one connection's streams may hold unread: yamux gives each stream 256 KiB, and these 4 MiB to those that are read.
pub(in crate::p2p) const CONNECTION_BYTES_MAX: usize = STREAMS_MAX as usize * (256 << 10) + (4 << 20);

/// The protocol's name.
pub(super) const NAME: &str = "/yamux/1.0.0";

/// Makes connections of streams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Yamux;

/// A connection of streams.
pub(super) struct Muxer<C> {
    connection: yamux::Connection<C>,
    /// Streams that the peer opened while nobody asked for them: yamux only goes on by telling the next one.
    opened: VecDeque<yamux::Stream>,
    waiting: Option<Waker>,
}

impl UpgradeInfo for Yamux {
    type Info = &'static str;
    type InfoIter = std::iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(NAME)
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> InboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_inbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(Muxer::new(io, yamux::Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> OutboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_outbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(Muxer::new(io, yamux::Mode::Client)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    pub(super) fn new(io: C, mode: yamux::Mode) -> Self {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(STREAMS_MAX as usize);
        config.set_max_connection_receive_window(Some(CONNECTION_BYTES_MAX));
        Self { connection: yamux::Connection::new(io, config, mode), opened: VecDeque::new(), waiting: None }
    }

    fn poll_opened(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        let closed = || io::Error::from(io::ErrorKind::ConnectionReset);
        self.connection.poll_next_inbound(cx).map(|next| next.ok_or_else(closed)?.map_err(io::Error::other))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = yamux::Stream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        if let Some(stream) = self.opened.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let opened = self.poll_opened(cx);
        if opened.is_pending() {
            self.waiting = Some(cx.waker().clone());
        }
        opened
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        self.connection.poll_new_outbound(cx).map_err(io::Error::other)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.poll_close(cx).map_err(io::Error::other)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        let stream = std::task::ready!(self.poll_opened(cx))?;
        // There are never more than these: further ones are turned down by yamux.
        self.opened.push_back(stream);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        // Others have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
