//! Connections that another part of the node has accepted, by WebSocket at the address of the HTTP interface. For the network they are as those of
//! `…/tcp/…/ws`.
//!
//! Many may come from one address, that of a proxy, which no limit by address holds back. So only so many are in their handshake at once, and the
//! other transports keep their places for callers.

use std::collections::HashMap;
use std::fmt;
use std::future::{Pending, Ready, ready};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{AsyncRead, AsyncWrite};
use libp2p::Multiaddr;
use libp2p::core::Transport;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// The most connections whose handshake is under way: a quarter of what the swarm has for all transports.
const HANDSHAKES_MAX: usize = 16;

/// What carries bytes both ways.
pub trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

/// Where connections are handed in. Clones are the same.
#[derive(Clone)]
pub struct Entrance {
    sender: mpsc::Sender<Caller>,
    handshakes: Arc<Semaphore>,
}

/// The right to hand one connection in.
#[derive(Debug)]
pub struct Ticket(#[expect(dead_code, reason = "it is given back when this is dropped")] OwnedSemaphorePermit);

/// A transport that neither listens nor dials: the other side of the entrance.
pub struct Callers {
    receiver: mpsc::Receiver<Caller>,
    listener: ListenerId,
    under_way: UnderWay,
}

/// The tickets of those whose handshake is under way, by where they come from. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Arc<Mutex<HashMap<Multiaddr, Ticket>>>);

/// A connection that gives its ticket back when it ends, if it has not before.
pub struct Called {
    pipe: Box<dyn Pipe>,
    from: Multiaddr,
    under_way: UnderWay,
}

struct Caller {
    pipe: Box<dyn Pipe>,
    from: SocketAddr,
    ticket: Ticket,
}

/// An entrance, and its other side.
#[must_use]
pub fn entrance() -> (Entrance, Callers) {
    // Whoever sends has a ticket, so that there is always room.
    let (sender, receiver) = mpsc::channel(HANDSHAKES_MAX);
    let entrance = Entrance { sender, handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)) };
    (entrance, Callers { receiver, listener: ListenerId::next(), under_way: UnderWay::default() })
}

impl Entrance {
    /// A ticket, unless too many handshakes are under way.
    #[must_use]
    pub fn ticket(&self) -> Option<Ticket> {
        Arc::clone(&self.handshakes).try_acquire_owned().ok().map(Ticket)
    }

    /// Hands a connection in, and where it comes from. If the network is gone, it is closed.
    pub async fn hand_in(&self, ticket: Ticket, pipe: impl Pipe + 'static, from: SocketAddr) {
        // It fails if nobody takes it any more; then it is dropped.
        drop(self.sender.send(Caller { pipe: Box::new(pipe), from, ticket }).await);
    }
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrance").field("handshakes", &self.handshakes).finish_non_exhaustive()
    }
}

impl Callers {
    pub(super) fn under_way(&self) -> UnderWay {
        self.under_way.clone()
    }
}

impl UnderWay {
    /// Whoever comes from there is through, or has gone.
    pub(super) fn end(&self, from: &Multiaddr) {
        self.0.lock().remove(from);
    }
}

impl Transport for Callers {
    type Output = Called;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<Called>>;
    type Dial = Pending<io::Result<Called>>;

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
        let Some(Caller { pipe, from, ticket }) = ready!(self.receiver.poll_recv(cx)) else { return Poll::Pending };
        let from = multiaddr(from);
        self.under_way.0.lock().insert(from.clone(), ticket);
        let called = Called { pipe, from: from.clone(), under_way: self.under_way.clone() };
        Poll::Ready(TransportEvent::Incoming {
            listener_id: self.listener,
            upgrade: ready(Ok(called)),
            // Only whoever has accepted it knows.
            local_addr: multiaddr((Ipv4Addr::UNSPECIFIED, 0).into()),
            send_back_addr: from,
        })
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        self.under_way.end(&self.from);
    }
}

impl AsyncRead for Called {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_read(cx, into)
    }
}

impl AsyncWrite for Called {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_close(cx)
    }
}

fn multiaddr(socket: SocketAddr) -> Multiaddr {
    Multiaddr::from(socket.ip().to_canonical()).with(Protocol::Tcp(socket.port())).with(Protocol::Ws("/".into()))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use libp2p::core::Endpoint;
    use libp2p::core::transport::{Boxed, MemoryTransport, PortUse};

    use super::*;
    use crate::p2p::identity::Identity;
    use crate::p2p::transport::link::Links;
    use crate::p2p::transport::tcp::with_noise;
    use crate::p2p::transport::{Ways, transport_with};

    /// The two ends of a connection in memory, the dialler's still to be secured.
    struct Memory {
        listening: Boxed<libp2p::core::transport::memory::Channel<Vec<u8>>>,
        at: Multiaddr,
    }

    impl Memory {
        async fn new() -> Self {
            let mut listening = MemoryTransport::default().boxed();
            listening.listen_on(ListenerId::next(), "/memory/0".parse().unwrap()).unwrap();
            let at = listening.select_next_some().await.into_new_address().unwrap();
            Self { listening, at }
        }

        async fn accept(&mut self) -> impl Pipe + 'static {
            let (upgrade, _) = self.listening.select_next_some().await.into_incoming().expect("a connection");
            upgrade.await.unwrap()
        }
    }

    const OPTIONS: DialOpts = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };

    fn from(port: usize) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap()).into()
    }

    /// Who says nothing keeps out only those who come by this entrance, and who is through keeps out nobody.
    #[tokio::test]
    async fn only_so_many_are_in_their_handshake() {
        let (entrance, callers) = entrance();
        let ways = Ways { callers: Some(callers), ..Ways::default() };
        let mut transport = transport_with(&Identity::random(), ways, &Links::default()).unwrap();
        let mut memory = Memory::new().await;
        let mut dialler = with_noise(MemoryTransport::default(), &Identity::random()).unwrap();
        let mut connected = Vec::new();
        for number in 0..2 * HANDSHAKES_MAX {
            let dial = dialler.dial(memory.at.clone(), OPTIONS).unwrap();
            let handing = async {
                let ticket = entrance.ticket().expect("there is room");
                entrance.hand_in(ticket, memory.accept().await, from(number)).await;
                transport.select_next_some().await.into_incoming().expect("a connection").0.await.unwrap()
            };
            let (dialled, come) = tokio::join!(dial, handing);
            connected.push((dialled.unwrap(), come));
        }
        assert_eq!(entrance.handshakes.available_permits(), HANDSHAKES_MAX);
        let mut silent = Vec::new();
        let mut plain = MemoryTransport::default();
        for number in 0..HANDSHAKES_MAX {
            let dial = plain.dial(memory.at.clone(), OPTIONS).unwrap();
            let ticket = entrance.ticket().expect("there is room");
            let (dialled, accepted) = tokio::join!(dial, memory.accept());
            entrance.hand_in(ticket, accepted, from(number)).await;
            let (upgrade, _) = transport.select_next_some().await.into_incoming().expect("a connection");
            silent.push((dialled.unwrap(), upgrade));
        }
        assert!(entrance.ticket().is_none());
        let (dialled, upgrade) = silent.pop().unwrap();
        drop(dialled);
        assert!(upgrade.await.is_err());
        assert!(entrance.ticket().is_some(), "who is gone leaves room");
        drop(silent);
        assert_eq!(entrance.handshakes.available_permits(), HANDSHAKES_MAX);
    }
}
