//! The network at the address of the HTTP interface: pages that the node has served reach it there by WebSocket, where no other way gets through, or where TLS
//! ends before the node. Anything but a WebSocket gets the web app's page.
//!
//! Invariant: who comes in has a slot for as long as it stays, of a number of its own, so that peers never take all connections of the interface.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::http::header::UPGRADE;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Extension, Router};
use futures_util::{AsyncRead, AsyncWrite, Sink as _, Stream as _};

use super::rate::{Cost, RateLimiter};
use super::rest::Problem;
use super::web;
use super::ws::SubscriberLimits;
use crate::metrics::{Interface, Metrics, Rejection};
use crate::p2p::P2p;
use crate::p2p::transport::WEBSOCKET_MESSAGE_BYTES_MAX;
use crate::slots::{self, Slot, Slots};

/// The most bytes that are read at once.
const READ_BYTES: usize = 16 * 1_024;
/// The most bytes that are sent in one message.
const SENT_BYTES_MAX: usize = 64 * 1_024;
/// The most bytes that wait to be written to a client.
const WRITE_BYTES_MAX: usize = 4 * SENT_BYTES_MAX;

struct Shared {
    p2p: Option<P2p>,
    slots: Arc<Slots>,
    rate: Arc<RateLimiter>,
    metrics: Arc<Metrics>,
}

/// The route. Peers have half as many places as subscribers to events.
pub(super) fn router(
    p2p: Option<P2p>,
    limits: SubscriberLimits,
    rate: &Arc<RateLimiter>,
    metrics: &Arc<Metrics>,
) -> Router {
    let slots = Slots::new(limits.clients_max.div_ceil(2), limits.clients_per_network_max);
    let shared = Shared { p2p, slots, rate: Arc::clone(rate), metrics: Arc::clone(metrics) };
    Router::new().route("/", any(front)).with_state(Arc::new(shared))
}

async fn front(
    State(shared): State<Arc<Shared>>,
    from: Option<Extension<ConnectInfo<SocketAddr>>>,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    (method, uri, headers): (Method, Uri, HeaderMap),
) -> Response {
    let is_upgrade = headers.get(UPGRADE).is_some_and(|what| what.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let charged = |cost| from.as_ref().map_or(Ok(()), |Extension(ConnectInfo(from))| shared.rate.charge(*from, cost));
    match (socket, &from) {
        (Ok(socket), Some(Extension(ConnectInfo(from)))) => {
            enter(&shared, socket, *from).unwrap_or_else(axum::response::IntoResponse::into_response)
        }
        (Err(rejection), _) if is_upgrade => Problem::bad_request(rejection.body_text()).into_response(),
        _ => match charged(Cost::LIGHT) {
            Ok(()) => web::serve(method, uri, headers).await,
            Err(problem) => problem.into_response(),
        },
    }
}

fn enter(shared: &Shared, socket: WebSocketUpgrade, from: SocketAddr) -> Result<Response, Problem> {
    shared.rate.charge(from, Cost::READING)?;
    let Some(p2p) = &shared.p2p else { return Err(Problem::not_found("this node has no network".to_owned())) };
    let busy = |why: String| {
        shared.metrics.request_rejected(Interface::Http, Rejection::Busy);
        Problem::busy(format!("no place is left for another peer ({why}): try again later"))
    };
    let slot = shared.slots.take(slots::remote(from.ip())).map_err(|no_slot| busy(no_slot.to_string()))?;
    let entrance = p2p.entrance().clone();
    let ticket = entrance.ticket().ok_or_else(|| busy("others are saying who they are".to_owned()))?;
    let response = socket
        .read_buffer_size(READ_BYTES)
        .max_message_size(WEBSOCKET_MESSAGE_BYTES_MAX)
        .max_frame_size(WEBSOCKET_MESSAGE_BYTES_MAX)
        .write_buffer_size(SENT_BYTES_MAX)
        .max_write_buffer_size(WRITE_BYTES_MAX)
        .on_upgrade(async move |socket| entrance.hand_in(ticket, SocketBytes::new(socket, slot), from).await);
    Ok(response)
}

/// The bytes of a WebSocket's binary messages, one after the other.
struct SocketBytes {
    socket: WebSocket,
    unread: Bytes,
    _slot: Slot,
}

impl SocketBytes {
    const fn new(socket: WebSocket, slot: Slot) -> Self {
        Self { socket, unread: Bytes::new(), _slot: slot }
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

#[cfg(test)]
mod tests {
    use futures_util::{AsyncReadExt as _, AsyncWriteExt as _, SinkExt as _, StreamExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_tungstenite::tungstenite::Message as Sent;
    use tokio_tungstenite::{WebSocketStream, client_async};

    use super::*;

    /// A server that gives all bytes back, and a client of it.
    async fn echoed() -> WebSocketStream<TcpStream> {
        let give_back = |socket: WebSocketUpgrade| async {
            let slots = Slots::new(1, 1);
            socket.max_message_size(WEBSOCKET_MESSAGE_BYTES_MAX).on_upgrade(async move |socket| {
                let (mut from, mut to) = SocketBytes::new(socket, slots.take(None).unwrap()).split();
                let mut some = vec![0; 10_000];
                while let Ok(count @ 1..) = from.read(&mut some).await {
                    to.write_all(&some[..count]).await.unwrap();
                    to.flush().await.unwrap();
                }
                drop(to.close().await);
            })
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, Router::new().route("/", any(give_back))).into_future());
        let stream = TcpStream::connect(address).await.unwrap();
        client_async(format!("ws://{address}/"), stream).await.unwrap().0
    }

    #[tokio::test]
    async fn messages_are_a_stream_of_bytes() {
        let client = echoed().await;
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let (mut to, mut from) = client.split();
        let sending = async {
            let (mut rest, mut lengths) = (&bytes[..], [0, 1, 70_000, 9_999, 10_000, 200_000].into_iter().cycle());
            while !rest.is_empty() {
                let (part, next) = rest.split_at(rest.len().min(lengths.next().unwrap()));
                to.send(Sent::Binary(part.to_vec().into())).await.unwrap();
                to.send(Sent::Ping(Bytes::new())).await.unwrap();
                rest = next;
            }
        };
        let receiving = async {
            let mut back = Vec::new();
            while back.len() < bytes.len() {
                if let Sent::Binary(part) = from.next().await.unwrap().unwrap() {
                    assert!(part.len() <= SENT_BYTES_MAX);
                    back.extend_from_slice(&part);
                }
            }
            back
        };
        let ((), back) = tokio::join!(sending, receiving);
        assert!(back == bytes);
        to.close().await.unwrap();
    }

    #[tokio::test]
    async fn text_and_what_is_too_long_end_it() {
        let too_long = vec![0; WEBSOCKET_MESSAGE_BYTES_MAX + 1];
        for wrong in [Sent::Text("hello".into()), Sent::Binary(too_long.into())] {
            let mut client = echoed().await;
            client.send(Sent::Binary(vec![7].into())).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), Sent::Binary(vec![7].into()));
            // It may be told of the end while it sends.
            drop(client.send(wrong).await);
            while let Some(Ok(told)) = client.next().await {
                assert!(told.is_close(), "{told:?}");
            }
        }
    }
}
