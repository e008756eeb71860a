//! A connection of QUIC, and its streams.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use futures_util::{AsyncRead, AsyncWrite, FutureExt as _};
use libp2p::PeerId;
use libp2p::core::StreamMuxer;
use libp2p::core::muxing::StreamMuxerEvent;
use quinn::{ConnectionError, RecvStream, SendStream, VarInt};
use rustls::pki_types::CertificateDer;

use super::QuicError;
use crate::p2p::transport::link::{CHANNEL_LABEL, Channel};
use crate::p2p::transport::tcp::HANDSHAKE_TIME_MAX;
use crate::p2p::transport::tls;

type Opened = BoxFuture<'static, Result<(SendStream, RecvStream), ConnectionError>>;

/// A connection with a peer whose id is known.
pub(in crate::p2p::transport) struct Connection {
    connection: quinn::Connection,
    /// The next stream of the peer.
    inbound: Option<Opened>,
    /// The next stream of this node.
    outbound: Option<Opened>,
    closed: Option<BoxFuture<'static, ConnectionError>>,
}

/// A stream.
pub(in crate::p2p::transport) struct QuicStream {
    send: SendStream,
    receive: RecvStream,
    is_closed: bool,
}

/// Waits for the end of a handshake.
pub(super) async fn established(connecting: quinn::Connecting) -> Result<(PeerId, Connection), QuicError> {
    let connection = tokio::time::timeout(HANDSHAKE_TIME_MAX, connecting).await.map_err(|_| QuicError::Slow)??;
    let certificates = connection.peer_identity().and_then(|identity| identity.downcast::<Vec<CertificateDer>>().ok());
    let peer = tls::peer_id(certificates.as_deref().map(Vec::as_slice))?;
    Ok((peer, Connection { connection, inbound: None, outbound: None, closed: None }))
}

impl Connection {
    /// What only the two ends have in common.
    pub(in crate::p2p::transport) fn channel(&self) -> Option<Channel> {
        let mut channel = Channel::default();
        self.connection.export_keying_material(&mut channel, CHANNEL_LABEL, &[]).ok().map(|()| channel)
    }
}

impl StreamMuxer for Connection {
    type Substream = QuicStream;
    type Error = QuicError;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<QuicStream, QuicError>> {
        let connection = self.connection.clone();
        let accepting = move || async move { connection.accept_bi().await }.boxed();
        let opened = ready!(self.inbound.get_or_insert_with(accepting).poll_unpin(cx));
        self.inbound = None;
        Poll::Ready(Ok(opened?.into()))
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<QuicStream, QuicError>> {
        let connection = self.connection.clone();
        let opening = move || async move { connection.open_bi().await }.boxed();
        let opened = ready!(self.outbound.get_or_insert_with(opening).poll_unpin(cx));
        self.outbound = None;
        Poll::Ready(Ok(opened?.into()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), QuicError>> {
        let connection = self.connection.clone();
        let closing = move || {
            connection.close(VarInt::from_u32(0), &[]);
            async move { connection.closed().await }.boxed()
        };
        match ready!(self.closed.get_or_insert_with(closing).poll_unpin(cx)) {
            ConnectionError::LocallyClosed => Poll::Ready(Ok(())),
            error => Poll::Ready(Err(error.into())),
        }
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, QuicError>> {
        // The only event would be another address, and connections do not move.
        Poll::Pending
    }
}

impl From<(SendStream, RecvStream)> for QuicStream {
    fn from((send, receive): (SendStream, RecvStream)) -> Self {
        Self { send, receive, is_closed: false }
    }
}

impl AsyncRead for QuicStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.receive.poll_read(cx, buffer).map_err(Into::into)
    }
}

impl AsyncWrite for QuicStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.send).poll_write(cx, bytes).map_err(Into::into)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was written is on its way.
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_closed {
            self.is_closed = true;
            self.send.finish()?;
        }
        Poll::Ready(Ok(()))
    }
}
