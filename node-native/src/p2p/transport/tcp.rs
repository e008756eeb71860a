//! TCP between nodes, with [`Tls`] and yamux; the same through relays; and WebSocket for browsers, with Noise and yamux.

use std::io;
use std::time::Duration;

use ::yamux::Mode;
use futures_rustls::TlsStream;
use futures_util::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::upgrade::{InboundConnectionUpgrade as _, OutboundConnectionUpgrade as _, Version};
use libp2p::core::{ConnectedPoint, Endpoint, Transport};
use libp2p::{PeerId, noise, relay, tcp, websocket};
use multistream_select::{dialer_select_proto, listener_select_proto};

use super::entrance::Callers;
use super::link::{CHANNEL_LABEL, Carrier, Channel, KeyExchange, Link};
use super::tls::{self, Tls};
use super::yamux::{self, Muxer, Yamux};
use crate::p2p::identity::Identity;

/// A connection, who is at its other end, and what carries it.
pub(super) type Secured = (PeerId, StreamMuxerBox, Link);

/// How long it may take from the first byte to streams.
pub(super) const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// The most streams that a peer may have open on a connection.
pub(super) const STREAMS_MAX: u32 = 64;
/// The most bytes of one message of WebSocket; yamux writes 16 KiB at a time.
pub(crate) const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 1 << 18;

/// The transport of `/ip4/…/tcp/…` and `/ip6/…/tcp/…`.
pub(super) fn tcp(tls: Tls) -> Boxed<Secured> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true));
    let secured = tcp.and_then(move |socket, point| secure(socket, tls.clone(), Carrier::Tcp, point));
    TransportTimeout::new(secured, HANDSHAKE_TIME_MAX).boxed()
}

/// The transport of `…/p2p/RELAY/p2p-circuit/p2p/PEER`: a stream that a relay passes on, secured from end to end as TCP is.
pub(super) fn circuits(relayed: relay::client::Transport, tls: Tls) -> Boxed<Secured> {
    let secured = relayed.and_then(move |stream, point| secure(stream, tls.clone(), Carrier::Circuit, point));
    TransportTimeout::new(secured, HANDSHAKE_TIME_MAX).boxed()
}

/// Agrees on TLS and on yamux, as libp2p's own transports do; but what the two ends of TLS have in common is kept.
async fn secure<C>(socket: C, tls: Tls, carrier: Carrier, point: ConnectedPoint) -> io::Result<Secured>
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let is_dialer = matches!(point, ConnectedPoint::Dialer { role_override: Endpoint::Dialer, .. });
    let tls_name = [tls::NAME];
    let (peer, stream) = if is_dialer {
        let (name, socket) = dialer_select_proto(socket, tls_name, Version::V1).await.map_err(io::Error::other)?;
        tls.upgrade_outbound(socket, name).await
    } else {
        let (name, socket) = listener_select_proto(socket, tls_name).await.map_err(io::Error::other)?;
        tls.upgrade_inbound(socket, name).await
    }
    .map_err(io::Error::other)?;
    let mut channel = Channel::default();
    let exported = match &stream {
        TlsStream::Client(stream) => stream.get_ref().1.export_keying_material(&mut channel, CHANNEL_LABEL, None),
        TlsStream::Server(stream) => stream.get_ref().1.export_keying_material(&mut channel, CHANNEL_LABEL, None),
    };
    exported.map_err(io::Error::other)?;
    let muxer = if is_dialer {
        let (_, stream) = dialer_select_proto(stream, [yamux::NAME], Version::V1).await.map_err(io::Error::other)?;
        Muxer::new(stream, Mode::Client)
    } else {
        let (_, stream) = listener_select_proto(stream, [yamux::NAME]).await.map_err(io::Error::other)?;
        Muxer::new(stream, Mode::Server)
    };
    // The handshake was refused unless it ended with this very key exchange.
    let link = Link::new(carrier, KeyExchange::X25519MlKem768).with_channel(Some(channel));
    Ok((peer, StreamMuxerBox::new(muxer), link))
}

/// The transport of `/ip4/…/tcp/…/ws` and `/ip6/…/tcp/…/ws`.
///
/// # Errors
/// If the identity cannot sign.
pub(super) fn websocket(identity: &Identity) -> Result<Boxed<Secured>, noise::Error> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true));
    let mut websocket = websocket::Config::new(tcp);
    websocket.set_max_data_size(WEBSOCKET_MESSAGE_BYTES_MAX).set_max_redirects(0);
    with_noise(websocket, identity)
}

/// The same for those that the HTTP interface has accepted.
///
/// # Errors
/// If the identity cannot sign.
pub(super) fn called(callers: Callers, identity: &Identity) -> Result<Boxed<Secured>, noise::Error> {
    let under_way = callers.under_way();
    let come_in = move |secured, point: ConnectedPoint| {
        under_way.end(point.get_remote_address());
        secured
    };
    Ok(with_noise(callers, identity)?.map(come_in).boxed())
}

/// Secures each WebSocket.
pub(super) fn with_noise<T>(sockets: T, identity: &Identity) -> Result<Boxed<Secured>, noise::Error>
where
    T: Transport<Error: Send + Sync + 'static, Dial: Send, ListenerUpgrade: Send> + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let noise = noise::Config::new(identity.keypair())?;
    let secured = sockets.upgrade(Version::V1).authenticate(noise).multiplex(Yamux).timeout(HANDSHAKE_TIME_MAX);
    let link = |(peer, muxer), _| (peer, muxer, Link::new(Carrier::WebSocket, KeyExchange::X25519));
    Ok(secured.boxed().map(link).boxed())
}
