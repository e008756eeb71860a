//! A stream of a connection, whatever carries it.

use alloc::vec::Vec;

use super::channel::Channel;
use super::error::TransportError;
use super::websocket::SocketStream;

/// A stream. Dropping it gives it up.
pub(super) enum Stream {
    /// A data channel of WebRTC.
    Rtc(Channel),
    /// One of many on a WebSocket.
    Socket(SocketStream),
}

impl Stream {
    /// Waits until it can be used.
    pub(super) async fn opened(&self) -> Result<(), TransportError> {
        match self {
            Self::Rtc(channel) => channel.opened().await,
            Self::Socket(_) => Ok(()),
        }
    }

    /// Sends bytes. Waits while much waits to leave.
    pub(super) async fn send(&self, bytes: &[u8]) -> Result<(), TransportError> {
        match self {
            Self::Rtc(channel) => channel.send(bytes).await,
            Self::Socket(stream) => stream.send(bytes).await,
        }
    }

    /// Says that nothing more follows.
    pub(super) fn finish(&self) -> Result<(), TransportError> {
        match self {
            Self::Rtc(channel) => channel.finish(),
            Self::Socket(stream) => stream.finish(),
        }
    }

    /// The bytes that have come, at least one; none when the node has sent all.
    pub(super) async fn read(&self) -> Result<Option<Vec<u8>>, TransportError> {
        match self {
            Self::Rtc(channel) => channel.read().await,
            Self::Socket(stream) => stream.read().await,
        }
    }

    /// Waits until the node has ended it.
    pub(super) async fn gone(&self) {
        match self {
            Self::Rtc(channel) => channel.gone().await,
            Self::Socket(stream) => stream.gone().await,
        }
    }
}
