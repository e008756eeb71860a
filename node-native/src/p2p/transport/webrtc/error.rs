//! Why connections end.

use std::io;

/// Why a connection has ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// This node has closed it.
    #[error("closed by this node")]
    Closed,
    /// The peer has closed it.
    #[error("closed by the peer")]
    ClosedByPeer,
    /// Nothing came any more.
    #[error("the peer is gone")]
    Lost,
    /// The peer's id was not proved in time.
    #[error("the handshake took too long")]
    HandshakeTimeout,
    /// The peer keeps too many streams open.
    #[error("the peer has opened more than {0} streams")]
    TooManyStreams(usize),
    /// There are too many connections that wait to be taken.
    #[error("too many connections wait to be taken")]
    Busy,
    /// What the library reports.
    #[error("WebRTC: {0}")]
    Protocol(String),
}

impl From<ConnectionError> for io::Error {
    fn from(error: ConnectionError) -> Self {
        Self::new(io::ErrorKind::ConnectionAborted, error)
    }
}
