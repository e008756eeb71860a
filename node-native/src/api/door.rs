//! The network at the address of the HTTP interface: pages that the node has served reach it there by WebSocket, where no other way gets through, or where TLS
//! ends before the node. Anything but a WebSocket gets the web app's page.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Extension, Router};
use futures_util::{AsyncRead, AsyncWrite, Sink as _, Stream as _};

use super::rate::{Cost, RateLimiter};
use super::rest::Problem;
use super::web;
use crate::p2p::P2p;
use crate::p2p::transport::WEBSOCKET_MESSAGE_BYTES_MAX;

/// The most bytes that are sent in one message.
const SENT_BYTES_MAX: usize = 64 * 1_024;
/// The most bytes that wait to be written to a client.
const WRITE_BYTES_MAX: usize = 4 * SENT_BYTES_MAX;

/// The route.
pub(super) fn router(p2p: Option<P2p>, rate: &Arc<RateLimiter>) -> Router {
    Router::new().route("/", any(enter)).route_layer(rate.layer(Cost::LIGHT)).with_state(p2p)
}

async fn enter(
    State(p2p): State<Option<P2p>>,
    from: Option<Extension<ConnectInfo<SocketAddr>>>,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    (method, uri, headers): (Method, Uri, HeaderMap),
) -> Response {
    let Ok(socket) = socket else { return web::serve(method, uri, headers).await };
    let (Some(p2p), Some(Extension(ConnectInfo(from)))) = (p2p, from) else {
        return Problem::not_found("this node has no network".to_owned()).into_response();
    };
    let socket = socket
        .max_message_size(WEBSOCKET_MESSAGE_BYTES_MAX)
        .max_frame_size(WEBSOCKET_MESSAGE_BYTES_MAX)
        .write_buffer_size(SENT_BYTES_MAX)
        .max_write_buffer_size(WRITE_BYTES_MAX);
    let handed_in = async move |socket| p2p.door().hand_in(SocketBytes::new(socket), from).await;
    socket.on_upgrade(handed_in).into_response()
}

/// The bytes of a WebSocket's binary messages, one after the other.
struct SocketBytes {
    socket: WebSocket,
    unread: Bytes,
}

impl SocketBytes {
    fn new(socket: WebSocket) -> Self {
        Self { socket, unread: Bytes::new() }
    }

    fn socket(self: Pin<&mut Self>) -> Pin<&mut WebSocket> {
        Pin::new(&mut self.get_mut().socket)
    }
}

impl AsyncRead for SocketBytes {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        while self.unread.is_empty() {
            match ready!(self.as_mut().socket().poll_next(cx)).transpose().map_err(io::Error::other)? {
                Some(Message::Binary(bytes)) => self.unread = bytes,
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                Some(Message::Text(_)) => {
                    let error = "expected binary messages, found one of text";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
                Some(Message::Close(_)) | None => return Poll::Ready(Ok(0)),
            }
        }
        let taken = self.unread.len().min(into.len());
        into[..taken].copy_from_slice(&self.unread.split_to(taken));
        Poll::Ready(Ok(taken))
    }
}

impl AsyncWrite for SocketBytes {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.as_mut().socket().poll_ready(cx)).map_err(io::Error::other)?;
        let bytes = &bytes[..bytes.len().min(SENT_BYTES_MAX)];
        self.socket().start_send(Message::Binary(Bytes::copy_from_slice(bytes))).map_err(io::Error::other)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_flush(cx).map_err(io::Error::other)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_close(cx).map_err(io::Error::other)
    }
}
