//! A socket on which connections of QUIC are taken.
//!
//! Whoever sends packets can claim any address. Once several handshakes are under way, an address must prove that it can be reached before
//! anything is kept for it, and beyond a number nothing is.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream};
use if_watch::IfEvent;
use if_watch::tokio::IfWatcher;
use libp2p::PeerId;
use libp2p::core::transport::{ListenerId, TransportEvent};
use quinn::{Endpoint, Incoming, ServerConfig, VarInt};
use socket2::{Domain, Protocol, Socket, Type};

use super::address::multiaddr;
use super::connection::{Connection, established};
use super::{QuicError, endpoint};

type Upgrade = BoxFuture<'static, Result<(PeerId, Connection), QuicError>>;
type Event = TransportEvent<Upgrade, QuicError>;

/// A socket on which connections are taken. A stream of what happens on it, which ends when it is closed.
pub(super) struct Listener {
    id: ListenerId,
    endpoint: Endpoint,
    address: SocketAddr,
    incoming: BoxFuture<'static, Option<Incoming>>,
    /// Tells this machine's addresses, if the socket listens on all of them.
    interfaces: Option<IfWatcher>,
    /// The one address that is not told yet.
    untold: Option<SocketAddr>,
    /// One for each handshake under way.
    handshakes: Arc<()>,
    state: State,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Closed, which is not told yet.
    Closing,
    Closed,
}

/// From so many handshakes under way on, an address must prove itself.
const HANDSHAKES_TRUSTED_MAX: usize = 8;
/// The most handshakes under way.
const HANDSHAKES_MAX: usize = 64;
/// The most bytes that are kept for a connection that is not looked at yet, and for all of them.
const INCOMING_BYTES_MAX: u64 = 16 << 10;
const INCOMING_BYTES_TOTAL_MAX: u64 = 1 << 20;

/// Bounds what is kept for connections that nobody has looked at.
pub(super) fn bound(server: &mut ServerConfig) {
    server
        .max_incoming(HANDSHAKES_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
}

impl Listener {
    pub(super) fn new(id: ListenerId, address: SocketAddr, server: ServerConfig) -> io::Result<Self> {
        let endpoint = endpoint(bind(address)?, Some(server))?;
        let address = endpoint.local_addr()?;
        let is_any = address.ip().is_unspecified();
        let interfaces = is_any.then(IfWatcher::new).transpose()?;
        let incoming = next_incoming(&endpoint);
        Ok(Self {
            id,
            endpoint,
            address,
            incoming,
            interfaces,
            untold: (!is_any).then_some(address),
            handshakes: Arc::new(()),
            state: State::Open,
            waker: None,
        })
    }

    pub(super) const fn id(&self) -> ListenerId {
        self.id
    }

    pub(super) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether an address can be reached from this socket.
    pub(super) fn can_dial(&self, to: SocketAddr) -> bool {
        let own = self.address.ip();
        self.state == State::Open
            && own.is_ipv4() == to.is_ipv4()
            && (own.is_unspecified() || own.is_loopback() == to.ip().is_loopback())
    }

    /// Takes no more connections, and ends those there are. Whether it was open.
    pub(super) fn close(&mut self) -> bool {
        if self.state != State::Open {
            return false;
        }
        self.endpoint.close(VarInt::from_u32(0), &[]);
        self.state = State::Closing;
        self.waker.take().into_iter().for_each(Waker::wake);
        true
    }

    /// What to do about somebody who wants to connect.
    fn take(&self, incoming: Incoming) -> Option<Event> {
        // One is the listener's own.
        let handshakes = Arc::strong_count(&self.handshakes) - 1;
        if handshakes >= HANDSHAKES_MAX {
            incoming.ignore();
            return None;
        }
        if handshakes >= HANDSHAKES_TRUSTED_MAX && incoming.may_retry() && !incoming.remote_address_validated() {
            // It fails only for those that cannot be asked to retry.
            let _ = incoming.retry();
            return None;
        }
        let local = SocketAddr::new(incoming.local_ip().unwrap_or_else(|| self.address.ip()), self.address.port());
        let send_back_addr = multiaddr(incoming.remote_address());
        let handshake = Arc::clone(&self.handshakes);
        let upgrade = async move {
            let outcome = established(incoming.accept()?).await;
            drop(handshake);
            outcome
        };
        let (listener_id, local_addr) = (self.id, multiaddr(local));
        Some(TransportEvent::Incoming { listener_id, upgrade: upgrade.boxed(), local_addr, send_back_addr })
    }

    fn poll_interfaces(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let Some(interfaces) = &mut self.interfaces else { return Poll::Pending };
        let listener_id = self.id;
        let is_ours = |ip: &IpAddr| ip.is_ipv4() == self.address.is_ipv4();
        let own = |ip| multiaddr(SocketAddr::new(ip, self.address.port()));
        while let Poll::Ready(event) = interfaces.poll_if_event(cx) {
            match event {
                Ok(IfEvent::Up(net)) if is_ours(&net.addr()) => {
                    return Poll::Ready(TransportEvent::NewAddress { listener_id, listen_addr: own(net.addr()) });
                }
                Ok(IfEvent::Down(net)) if is_ours(&net.addr()) => {
                    return Poll::Ready(TransportEvent::AddressExpired { listener_id, listen_addr: own(net.addr()) });
                }
                Ok(_) => {}
                Err(error) => {
                    self.interfaces = None;
                    return Poll::Ready(TransportEvent::ListenerError { listener_id, error: error.into() });
                }
            }
        }
        Poll::Pending
    }
}

impl Stream for Listener {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        match self.state {
            State::Open => {}
            State::Closing => {
                self.state = State::Closed;
                return Poll::Ready(Some(TransportEvent::ListenerClosed { listener_id: self.id, reason: Ok(()) }));
            }
            State::Closed => return Poll::Ready(None),
        }
        if let Some(address) = self.untold.take() {
            let listen_addr = multiaddr(address);
            return Poll::Ready(Some(TransportEvent::NewAddress { listener_id: self.id, listen_addr }));
        }
        if let Poll::Ready(event) = self.poll_interfaces(cx) {
            return Poll::Ready(Some(event));
        }
        while let Poll::Ready(incoming) = self.incoming.poll_unpin(cx) {
            let Some(incoming) = incoming else {
                self.close();
                cx.waker().wake_by_ref();
                return Poll::Pending;
            };
            self.incoming = next_incoming(&self.endpoint);
            if let Some(event) = self.take(incoming) {
                return Poll::Ready(Some(event));
            }
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn next_incoming(endpoint: &Endpoint) -> BoxFuture<'static, Option<Incoming>> {
    let endpoint = endpoint.clone();
    async move { endpoint.accept().await }.boxed()
}

/// A socket of one family, so that both can have the same port.
fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}
