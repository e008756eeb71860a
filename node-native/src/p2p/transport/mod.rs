//! How bytes reach a peer: each transport gives an authenticated peer id and streams.
//!
//! Between nodes: QUIC and TCP, both with TLS 1.3 and no key exchange but X25519MLKEM768. For browsers, which have no such links yet:
//! WebSocket and WebRTC. Through relays, with the same TLS from end to end. What carries a connection and how its keys were agreed on is kept in [`link::Links`].

mod counted;
pub mod entrance;
pub mod link;
mod quic;
mod tcp;
mod tls;
pub mod webrtc;
mod yamux;

pub(crate) use tcp::WEBSOCKET_MESSAGE_BYTES_MAX;
pub(super) use yamux::CONNECTION_BYTES_MAX;

use std::sync::Arc;

use futures_util::future::Either;
use hickory_resolver::system_conf;
use libp2p::PeerId;
use libp2p::core::Transport as _;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, OrTransport};
use libp2p::{dns, noise, relay};

use super::identity::Identity;
use counted::Counted;
use entrance::Callers;
use link::{Carrier, KeyExchange, Link, Links};
use quic::{Quic, QuicError};
use tcp::Secured;
use tls::{Tls, TlsError};
use webrtc::WebRtcTransport;

/// The transport that a swarm runs on.
pub type Transport = Boxed<(PeerId, StreamMuxerBox)>;

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Noise.
    #[error(transparent)]
    Noise(#[from] noise::Error),
    /// QUIC.
    #[error(transparent)]
    Quic(#[from] QuicError),
}

/// What a node has beside TCP, QUIC and WebSocket.
#[derive(Default)]
pub struct Ways {
    /// WebRTC.
    pub webrtc: Option<WebRtcTransport>,
    /// What comes in by the HTTP interface.
    pub callers: Option<Callers>,
    /// Relays. The behaviour of this transport must be in the swarm.
    pub circuits: Option<relay::client::Transport>,
}

/// The transports of a node, with names resolved as the system does. Must be called within a runtime.
///
/// # Errors
/// [`TransportError`].
pub fn transport(identity: &Identity, links: &Links) -> Result<Transport, TransportError> {
    transport_with(identity, Ways::default(), links)
}

/// The same, with other ways beside. Must be called within a runtime.
///
/// # Errors
/// [`TransportError`].
pub fn transport_with(identity: &Identity, ways: Ways, links: &Links) -> Result<Transport, TransportError> {
    let tls = Tls::new(identity)?;
    let (tcp, websocket) = (tcp::tcp(tls.clone()), tcp::websocket(identity)?);
    let mut all = either(quic(tls.clone())?, either(websocket, tcp));
    if let Some(callers) = ways.callers {
        all = either(tcp::called(callers, identity)?, all);
    }
    if let Some(browsers) = ways.webrtc {
        all = either(webrtc(browsers), all);
    }
    // First: the others would take the relay's address for the peer's.
    if let Some(circuits) = ways.circuits {
        all = either(tcp::circuits(circuits, tls), all);
    }
    Ok(recorded(resolved(all), links))
}

fn webrtc(browsers: WebRtcTransport) -> Boxed<Secured> {
    let link =
        |(peer, muxer), _| (peer, StreamMuxerBox::new(muxer), Link::new(Carrier::WebRtc, KeyExchange::EllipticCurve));
    browsers.map(link).boxed()
}

fn quic(tls: Tls) -> Result<Boxed<Secured>, QuicError> {
    // No other key exchange was offered, and TLS takes none that was not.
    let link = |(peer, connection): (_, quic::Connection), _| {
        let link = Link::new(Carrier::Quic, KeyExchange::X25519MlKem768).with_channel(connection.channel());
        (peer, StreamMuxerBox::new(connection), link)
    };
    Ok(Quic::new(tls)?.map(link).boxed())
}

/// The first of two transports that takes an address.
fn either(first: Boxed<Secured>, second: Boxed<Secured>) -> Boxed<Secured> {
    OrTransport::new(first, second).map(|secured, _| Either::into_inner(secured)).boxed()
}

/// Addresses may have names, which the system's servers resolve. Where there are none, names are not dialled.
fn resolved(inner: Boxed<Secured>) -> Boxed<Secured> {
    match system_conf::read_system_conf() {
        Ok((servers, options)) => dns::tokio::Transport::custom(inner, servers, options).boxed(),
        Err(error) => {
            tracing::warn!("names of peers are not resolved: {error}");
            inner
        }
    }
}

/// Counts what goes over a connection, and keeps what is known of it.
fn recorded(inner: Boxed<Secured>, links: &Links) -> Transport {
    let links = links.clone();
    let record = move |(peer, muxer, link): Secured, point| {
        let muxer = Counted::new(muxer, Arc::clone(&link.traffic));
        links.put(peer, point, link);
        (peer, StreamMuxerBox::new(muxer))
    };
    inner.map(record).boxed()
}

#[cfg(test)]
mod tests;
