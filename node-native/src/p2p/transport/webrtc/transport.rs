//! WebRTC-direct as a transport of libp2p: listeners, their addresses, and the connections that come in.

use std::collections::{HashMap, VecDeque};
use std::future::{Future, Ready};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::identity::Keypair;
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::{PeerId, noise};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::certificate::{Certificate, crypto};
use super::error::ConnectionError;
use super::handshake::authenticate;
use super::limits::{Budget, Counters, Limits};
use super::listener::{Common, Incoming, Listener, ListenerEvent};
use super::muxer::Muxer;
use super::socket::Socket;
use crate::p2p::place;

/// What a listener may tell before it is heard.
const EVENTS_MAX: usize = 64;

/// Why a listener or a connection came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum WebRtcError {
    /// The socket.
    #[error("UDP socket: {0}")]
    Io(#[from] io::Error),
    /// The peer has not proved its id.
    #[error("Noise handshake: {0}")]
    Noise(#[from] noise::Error),
    /// The connection has ended before that.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// The transport. Its tasks need a tokio runtime, and end with it.
pub struct WebRtcTransport {
    common: Common,
    listeners: HashMap<ListenerId, Listening>,
    /// Listeners that were removed, of which nobody has been told yet.
    removed: VecDeque<ListenerId>,
    waker: Option<Waker>,
}

struct Listening {
    events: mpsc::Receiver<ListenerEvent>,
    port: u16,
    _cancel: DropGuard,
}

impl WebRtcTransport {
    /// A transport without listeners.
    #[must_use]
    pub fn new(identity: Keypair, certificate: Certificate, limits: Limits) -> Self {
        let common = Common {
            identity,
            certificate: Arc::new(certificate),
            crypto: crypto(),
            queued: Budget::new(limits.queue_bytes_max),
            unread: Budget::new(limits.unread_bytes_max),
            limits,
            counters: Arc::default(),
            tasks: TaskTracker::new(),
        };
        Self { common, listeners: HashMap::new(), removed: VecDeque::new(), waker: None }
    }

    /// What has come in and was turned away, so far.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.common.counters)
    }

    /// The tasks of all listeners and connections.
    #[must_use]
    pub fn tasks(&self) -> TaskTracker {
        self.common.tasks.clone()
    }

    fn listening_address(&self, ip: IpAddr, port: u16) -> Multiaddr {
        address(SocketAddr::new(ip, port)).with(self.common.certificate.certhash())
    }

    fn event(&self, id: ListenerId, port: u16, event: ListenerEvent) -> TransportEvent<Upgrade, WebRtcError> {
        match event {
            ListenerEvent::Up(ip) => {
                TransportEvent::NewAddress { listener_id: id, listen_addr: self.listening_address(ip, port) }
            }
            ListenerEvent::Down(ip) => {
                TransportEvent::AddressExpired { listener_id: id, listen_addr: self.listening_address(ip, port) }
            }
            ListenerEvent::Failed(error) => {
                TransportEvent::ListenerError { listener_id: id, error: WebRtcError::Io(error) }
            }
            ListenerEvent::Incoming(incoming) => TransportEvent::Incoming {
                listener_id: id,
                local_addr: self.listening_address(incoming.local.ip(), port),
                send_back_addr: address(incoming.remote),
                upgrade: self.upgrade(incoming),
            },
        }
    }

    fn upgrade(&self, incoming: Incoming) -> Upgrade {
        let (identity, counters) = (self.common.identity.clone(), Arc::clone(&self.common.counters));
        let Incoming { shared, prologue, place, .. } = incoming;
        // Whoever drops this, before or while it runs, closes the connection.
        let muxer = Muxer::new(Arc::clone(&shared));
        // The time for it is the connection's: when that is over, the channel is gone.
        Box::pin(async move {
            let peer = authenticate(&muxer, &identity, prologue).await?;
            shared.set_authenticated();
            place.authenticated();
            Counters::add(&counters.accepted);
            Ok((peer, muxer))
        })
    }
}

type Upgrade = Pin<Box<dyn Future<Output = Result<(PeerId, Muxer), WebRtcError>> + Send>>;

impl Transport for WebRtcTransport {
    type Output = (PeerId, Muxer);
    type Error = WebRtcError;
    type ListenerUpgrade = Upgrade;
    type Dial = Ready<Result<Self::Output, Self::Error>>;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<WebRtcError>> {
        let Some(target) = socket_address(&addr) else { return Err(TransportError::MultiaddrNotSupported(addr)) };
        let socket = Socket::bind(target).map_err(|error| TransportError::Other(error.into()))?;
        let port = socket.local().port();
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let cancel = CancellationToken::new();
        let listener = Listener::new(self.common.clone(), socket, sender, cancel.clone());
        self.common.tasks.spawn(listener.run());
        self.listeners.insert(id, Listening { events, port, _cancel: cancel.drop_guard() });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let is_removed = self.listeners.remove(&id).is_some();
        if is_removed {
            self.removed.push_back(id);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
        is_removed
    }

    /// A node reaches other nodes over QUIC and TCP.
    fn dial(&mut self, addr: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<WebRtcError>> {
        Err(TransportError::MultiaddrNotSupported(addr))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Upgrade, WebRtcError>> {
        if let Some(listener_id) = self.removed.pop_front() {
            return Poll::Ready(TransportEvent::ListenerClosed { listener_id, reason: Ok(()) });
        }
        let mut found = None;
        for (id, listening) in &mut self.listeners {
            if let Poll::Ready(event) = listening.events.poll_recv(cx) {
                found = Some((*id, listening.port, event));
                break;
            }
        }
        match found {
            Some((id, port, Some(event))) => Poll::Ready(self.event(id, port, event)),
            Some((listener_id, _, None)) => {
                self.listeners.remove(&listener_id);
                Poll::Ready(TransportEvent::ListenerClosed { listener_id, reason: Ok(()) })
            }
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The address without the certificate's hash.
fn address(socket: SocketAddr) -> Multiaddr {
    Multiaddr::from(socket.ip()).with(Protocol::Udp(socket.port())).with(Protocol::WebRTCDirect)
}

/// What `/ip4|ip6/…/udp/…/webrtc-direct` names. A hash in it is no address to listen on: nobody can choose it.
fn socket_address(addr: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = addr.iter();
    let (place::Socket::Udp(socket), Protocol::WebRTCDirect) = (place::Socket::first_of(&mut parts)?, parts.next()?)
    else {
        return None;
    };
    parts.next().is_none().then_some(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_to_listen_on() {
        let parse = |text: &str| socket_address(&text.parse().unwrap()).map(|socket| socket.to_string());
        assert_eq!(parse("/ip4/0.0.0.0/udp/0/webrtc-direct").as_deref(), Some("0.0.0.0:0"));
        assert_eq!(parse("/ip6/::1/udp/9/webrtc-direct").as_deref(), Some("[::1]:9"));
        let hash = Certificate::generate().unwrap().certhash();
        for text in [
            "/ip4/0.0.0.0/udp/1".into(),
            "/ip4/0.0.0.0/tcp/1".into(),
            "/ip4/0.0.0.0/udp/1/quic-v1".into(),
            "/ip4/0.0.0.0/udp/1/webrtc".into(),
            "/dns/example.org/udp/1/webrtc-direct".into(),
            format!("/ip4/0.0.0.0/udp/1/webrtc-direct{}", Multiaddr::empty().with(hash)),
        ] {
            assert_eq!(parse(&text), None, "{text}");
        }
    }
}
