//! QUIC between nodes: a libp2p transport of our own on quinn.
//!
//! libp2p-quic makes its TLS configuration itself and hides it and its connections, so that neither the key exchange could be chosen with it
//! nor what was negotiated be known (docs/decisions/0008-links.md). On the wire both are the same: QUIC version 1, libp2p's certificates, one
//! bidirectional stream for each of libp2p's. What is not here: dialling as a listener, which punches holes, and moving to other addresses.

mod address;
mod connection;
mod listener;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{SelectAll, StreamExt as _};
use libp2p::PeerId;
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportError, TransportEvent};
use libp2p::core::{Endpoint as Role, Multiaddr, Transport};
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use quinn::{Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime, TransportConfig, VarInt};

use super::tcp::{HANDSHAKE_TIME_MAX, STREAMS_MAX};
use super::tls::{Tls, TlsError};
use address::{is_dialable, socket_address};
pub(super) use connection::Connection;
use connection::established;
use listener::Listener;

/// The transport of `/ip4/…/udp/…/quic-v1` and `/ip6/…/udp/…/quic-v1`.
pub(super) struct Quic {
    tls: Tls,
    server: ServerConfig,
    parameters: Arc<TransportConfig>,
    listeners: SelectAll<Listener>,
    /// Sockets to dial from, by whether they are of IPv6, where nothing listens.
    dialers: HashMap<bool, Endpoint>,
    waker: Option<Waker>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// The socket.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// The connection.
    #[error(transparent)]
    Connection(#[from] quinn::ConnectionError),
    /// The address.
    #[error(transparent)]
    Connect(#[from] quinn::ConnectError),
    /// Who is at the other end.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The TLS configuration.
    #[error(transparent)]
    Suite(#[from] NoInitialCipherSuite),
    /// The handshake took too long.
    #[error("no handshake within {HANDSHAKE_TIME_MAX:?}")]
    Slow,
    /// A hole is to be punched.
    #[error("this node cannot dial over QUIC as a listener")]
    AsListener,
}

/// A connection from which nothing comes for so long is dead.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);
/// How often a connection that is idle is kept alive.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// The most bytes that wait to be read of one stream.
const STREAM_BYTES_MAX: u32 = 1 << 20;
/// The most bytes that wait to be read of one connection, and the most that are on their way.
const CONNECTION_BYTES_MAX: u32 = 4 << 20;

impl Quic {
    /// Secured by this.
    ///
    /// # Errors
    /// [`QuicError::Suite`].
    pub(super) fn new(tls: Tls) -> Result<Self, QuicError> {
        let parameters = Arc::new(parameters());
        let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls.server())?));
        server.transport_config(Arc::clone(&parameters)).migration(false);
        listener::bound(&mut server);
        Ok(Self { tls, server, parameters, listeners: SelectAll::new(), dialers: HashMap::new(), waker: None })
    }

    /// The socket to dial an address from.
    fn endpoint(&mut self, address: SocketAddr, port_use: PortUse) -> io::Result<Endpoint> {
        let is_ipv6 = address.is_ipv6();
        if port_use == PortUse::New {
            return dialer(is_ipv6);
        }
        if let Some(listener) = self.listeners.iter().find(|listener| listener.can_dial(address)) {
            return Ok(listener.endpoint().clone());
        }
        if let Some(dialer) = self.dialers.get(&is_ipv6) {
            return Ok(dialer.clone());
        }
        let dialer = dialer(is_ipv6)?;
        self.dialers.insert(is_ipv6, dialer.clone());
        Ok(dialer)
    }
}

impl Transport for Quic {
    type Output = (PeerId, Connection);
    type Error = QuicError;
    type ListenerUpgrade = BoxFuture<'static, Result<Self::Output, QuicError>>;
    type Dial = BoxFuture<'static, Result<Self::Output, QuicError>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<QuicError>> {
        let Some((socket, _)) = socket_address(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let listener = Listener::new(id, socket, self.server.clone());
        self.listeners.push(listener.map_err(|error| TransportError::Other(error.into()))?);
        // From now on the listener's socket is dialled from. Connections keep the other one open.
        self.dialers.remove(&socket.is_ipv6());
        self.waker.take().into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let listener = self.listeners.iter_mut().find(|listener| listener.id() == id);
        listener.is_some_and(Listener::close)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<QuicError>> {
        let Some((socket, expected)) = socket_address(&address).filter(|(socket, _)| is_dialable(socket)) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        if options.role == Role::Listener {
            return Err(TransportError::Other(QuicError::AsListener));
        }
        let failed = |error: QuicError| TransportError::Other(error);
        let endpoint = self.endpoint(socket, options.port_use).map_err(|error| failed(error.into()))?;
        let crypto = QuicClientConfig::try_from(self.tls.client(expected)).map_err(|error| failed(error.into()))?;
        let mut config = quinn::ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::clone(&self.parameters));
        Ok(async move {
            // Names mean nothing here, and are not sent.
            let connecting = endpoint.connect_with(config, socket, "libp2p")?;
            established(connecting).await
        }
        .boxed())
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, QuicError>> {
        if let Poll::Ready(Some(event)) = self.listeners.poll_next_unpin(cx) {
            return Poll::Ready(event);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn parameters() -> TransportConfig {
    let mut parameters = TransportConfig::default();
    parameters
        .max_concurrent_bidi_streams(STREAMS_MAX.into())
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(STREAM_BYTES_MAX.into())
        .receive_window(CONNECTION_BYTES_MAX.into())
        .send_window(CONNECTION_BYTES_MAX.into())
        .max_idle_timeout(Some(IdleTimeout::try_from(IDLE_TIME_MAX).expect("half a minute is a QUIC timeout")))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .allow_spin(false);
    parameters
}

/// Speaks version 1 only, as the addresses say.
fn endpoint(socket: UdpSocket, server: Option<ServerConfig>) -> io::Result<Endpoint> {
    let mut config = EndpointConfig::default();
    config.supported_versions(vec![1]);
    Endpoint::new(config, server, socket, Arc::new(TokioRuntime))
}

/// A socket that nobody dials.
fn dialer(is_ipv6: bool) -> io::Result<Endpoint> {
    let any = if is_ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    endpoint(UdpSocket::bind(SocketAddr::new(any, 0))?, None)
}
