//! Connections that another part of the node has accepted, by WebSocket at the address of the HTTP interface. For the network they are as those of
//! `…/tcp/…/ws`.

use std::fmt;
use std::future::{Pending, Ready, ready};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{AsyncRead, AsyncWrite};
use libp2p::Multiaddr;
use libp2p::core::Transport;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use tokio::sync::mpsc;

/// The most connections that wait to be taken; the network takes them at once, unless it is gone.
const WAITING_MAX: usize = 16;

/// What carries bytes both ways.
pub trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// Where connections are handed in. Clones are the same.
#[derive(Clone)]
pub struct Door(mpsc::Sender<Caller>);

/// The other side of the door: a transport that neither listens nor dials.
pub struct Callers {
    waiting: mpsc::Receiver<Caller>,
    listener: ListenerId,
}

type Caller = (Box<dyn Bytes>, SocketAddr);

/// A door, and its other side.
#[must_use]
pub fn door() -> (Door, Callers) {
    let (sender, waiting) = mpsc::channel(WAITING_MAX);
    (Door(sender), Callers { waiting, listener: ListenerId::next() })
}

impl Door {
    /// Hands a connection in, and where it comes from. If the network is gone, it is closed.
    pub async fn hand_in(&self, bytes: impl Bytes + 'static, from: SocketAddr) {
        // It fails if nobody takes it any more; then it is dropped.
        drop(self.0.send((Box::new(bytes), from)).await);
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Door")
    }
}

impl Transport for Callers {
    type Output = Box<dyn Bytes>;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<Box<dyn Bytes>>>;
    type Dial = Pending<io::Result<Box<dyn Bytes>>>;

    fn listen_on(&mut self, _: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(&mut self, address: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        let Some((bytes, from)) = ready!(self.waiting.poll_recv(cx)) else { return Poll::Pending };
        Poll::Ready(TransportEvent::Incoming {
            listener_id: self.listener,
            upgrade: ready(Ok(bytes)),
            // Whoever has accepted it knows where; nothing here depends on it.
            local_addr: multiaddr((Ipv4Addr::UNSPECIFIED, 0).into()),
            send_back_addr: multiaddr(from),
        })
    }
}

fn multiaddr(socket: SocketAddr) -> Multiaddr {
    Multiaddr::from(socket.ip()).with(Protocol::Tcp(socket.port())).with(Protocol::Ws("/".into()))
}
