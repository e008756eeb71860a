//! In the place of [`websocket`](super), for programs without it: a page whose policy lets it open no socket to other hosts, as the web app's, does
//! not carry the code. There is no such connection, which the types say.

use alloc::vec::Vec;

use super::arrivals::Arrivals;
use super::error::TransportError;
use super::life::Life;
use super::noise::Identity;
use super::stream::Stream;
use qbtc_core::net::browser::PeerId;

/// Whether sockets can be opened.
pub(super) const fn is_supported() -> bool {
    false
}

/// A connection that there is not.
pub(super) enum SocketConnection {}

impl SocketConnection {
    pub(super) async fn connect(_: &str, _: &Identity, _: &Life) -> Result<(Self, PeerId), TransportError> {
        Err(TransportError::Unsupported { what: "WebSocket" })
    }

    pub(super) fn open(&self) -> Result<Stream, TransportError> {
        match *self {}
    }

    pub(super) fn arrived(&self) -> &Arrivals {
        match *self {}
    }

    pub(super) fn close(&self) {
        match *self {}
    }
}

/// A stream of none.
pub(super) enum SocketStream {}

impl SocketStream {
    pub(super) async fn send(&self, _: &[u8]) -> Result<(), TransportError> {
        match *self {}
    }

    pub(super) fn finish(&self) -> Result<(), TransportError> {
        match *self {}
    }

    pub(super) async fn read(&self) -> Result<Option<Vec<u8>>, TransportError> {
        match *self {}
    }

    pub(super) async fn gone(&self) {
        match *self {}
    }
}
