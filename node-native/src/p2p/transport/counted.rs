//! Counts what goes over the streams of a connection, whatever carries it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{AsyncRead, AsyncWrite};
use libp2p::core::StreamMuxer;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerEvent, SubstreamBox};
use tokio::time::{Sleep, sleep};

use super::link::Traffic;

/// How long the goodbye of a connection may take. Whoever reads nothing takes none, and would keep its place for ever.
const CLOSING_TIME_MAX: Duration = Duration::from_secs(5);

/// A connection whose streams are counted.
pub(super) struct Counted {
    muxer: StreamMuxerBox,
    traffic: Arc<Traffic>,
    /// Since it is being closed.
    closing: Option<Pin<Box<Sleep>>>,
}

/// A stream that is counted.
pub(super) struct CountedStream {
    stream: SubstreamBox,
    traffic: Arc<Traffic>,
}

impl Counted {
    pub(super) const fn new(muxer: StreamMuxerBox, traffic: Arc<Traffic>) -> Self {
        Self { muxer, traffic, closing: None }
    }

    fn stream(&self, stream: SubstreamBox) -> CountedStream {
        CountedStream { stream, traffic: Arc::clone(&self.traffic) }
    }
}

impl StreamMuxer for Counted {
    type Substream = CountedStream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<CountedStream>> {
        let stream = ready!(Pin::new(&mut self.muxer).poll_inbound(cx))?;
        Poll::Ready(Ok(self.stream(stream)))
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<CountedStream>> {
        let stream = ready!(Pin::new(&mut self.muxer).poll_outbound(cx))?;
        Poll::Ready(Ok(self.stream(stream)))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(CLOSING_TIME_MAX)));
        if closing.as_mut().poll(cx).is_ready() {
            // Whoever closes it drops it then.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.muxer).poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.muxer).poll(cx)
    }
}

impl AsyncRead for CountedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let bytes = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.traffic.add_received(bytes);
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let bytes = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.traffic.add_sent(bytes);
        Poll::Ready(Ok(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use libp2p::core::muxing::StreamMuxerExt as _;

    use super::*;

    /// One whose other end takes nothing any more.
    struct Stuck;

    impl StreamMuxer for Stuck {
        type Substream = futures_util::io::Cursor<Vec<u8>>;
        type Error = io::Error;

        fn poll_inbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Self::Substream, Self::Error>> {
            Poll::Pending
        }

        fn poll_outbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<Self::Substream, Self::Error>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Pending
        }

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_goodbye_that_nobody_takes_ends() {
        let connection = Counted::new(StreamMuxerBox::new(Stuck), Arc::default());
        let closed = tokio::time::timeout(4 * CLOSING_TIME_MAX, connection.close()).await;
        closed.expect("it ends").unwrap();
    }
}
