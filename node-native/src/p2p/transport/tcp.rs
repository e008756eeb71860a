//! TCP between nodes, with [`Tls`] and yamux; and WebSocket for browsers, with Noise and yamux.

use std::time::Duration;

use libp2p::core::Transport;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::{PeerId, noise, tcp, websocket};

use super::link::{Carrier, KeyExchange, Link};
use super::tls::Tls;
use super::yamux::Yamux;
use crate::p2p::identity::Identity;

/// A connection, who is at its other end, and what carries it.
pub(super) type Secured = (PeerId, StreamMuxerBox, Link);

/// How long it may take from the first byte to streams.
pub(super) const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// The most streams that a peer may have open on a connection.
pub(super) const STREAMS_MAX: u32 = 64;
/// The most bytes of one message of WebSocket; yamux writes 16 KiB at a time.
const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 1 << 18;

/// The transport of `/ip4/…/tcp/…` and `/ip6/…/tcp/…`.
pub(super) fn tcp(tls: Tls) -> Boxed<Secured> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true));
    let secured = tcp.upgrade(Version::V1).authenticate(tls).multiplex(Yamux).timeout(HANDSHAKE_TIME_MAX);
    // The handshake was refused unless it ended with this very key exchange.
    let link = |(peer, muxer), _| (peer, muxer, Link::new(Carrier::Tcp, KeyExchange::X25519MlKem768));
    secured.boxed().map(link).boxed()
}

/// The transport of `/ip4/…/tcp/…/ws` and `/ip6/…/tcp/…/ws`.
///
/// # Errors
/// If the identity cannot sign.
pub(super) fn websocket(identity: &Identity) -> Result<Boxed<Secured>, noise::Error> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true));
    let mut websocket = websocket::Config::new(tcp);
    websocket.set_max_data_size(WEBSOCKET_MESSAGE_BYTES_MAX).set_max_redirects(0);
    let noise = noise::Config::new(identity.keypair())?;
    let secured = websocket.upgrade(Version::V1).authenticate(noise).multiplex(Yamux).timeout(HANDSHAKE_TIME_MAX);
    let link = |(peer, muxer), _| (peer, muxer, Link::new(Carrier::WebSocket, KeyExchange::X25519));
    Ok(secured.boxed().map(link).boxed())
}
