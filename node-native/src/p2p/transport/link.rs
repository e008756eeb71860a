//! What carries a connection, and how its keys were agreed on: to be shown to the operator as what really happened.
//!
//! A transport knows this when it hands a connection over, the swarm tells of the connection a little later; [`Links`] keeps it in between.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use parking_lot::Mutex;

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Carrier {
    /// TCP, with TLS 1.3.
    Tcp,
    /// QUIC, which has TLS 1.3 inside.
    Quic,
    /// WebSocket, with Noise.
    WebSocket,
    /// WebRTC, as browsers have it.
    WebRtc,
    /// A relay that passes bytes on, with TLS 1.3 from end to end.
    Circuit,
}

/// How the keys of a connection were agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyExchange {
    /// ML-KEM-768 and X25519 together: whoever records the connection needs to break both.
    X25519MlKem768,
    /// X25519 alone: a quantum computer can read later what is recorded now.
    X25519,
    /// Some elliptic curve that the two ends chose.
    EllipticCurve,
}

/// Bytes that went over the streams of a connection.
#[derive(Debug, Default)]
pub struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
}

/// What is known of a connection.
#[derive(Clone, Debug)]
pub struct Link {
    /// What carries it.
    pub carrier: Carrier,
    /// How its keys were agreed on.
    pub key_exchange: KeyExchange,
    /// What went over it.
    pub traffic: Arc<Traffic>,
    /// What only its two ends have in common, if it is TLS (RFC 5705).
    pub channel: Option<Channel>,
}

/// What only the two ends of a connection have in common.
pub type Channel = [u8; 32];

/// Under which label it is made.
pub(super) const CHANNEL_LABEL: &[u8] = b"EXPORTER-qbtc-identity";

/// Links that were made and not asked for yet. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Links(Arc<Mutex<VecDeque<(PeerId, ConnectedPoint, Link)>>>);

impl Carrier {
    /// One word, for labels and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
            Self::WebSocket => "websocket",
            Self::WebRtc => "webrtc",
            Self::Circuit => "circuit",
        }
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl KeyExchange {
    /// Whether a quantum computer cannot read later what is recorded now.
    #[must_use]
    pub const fn is_post_quantum(self) -> bool {
        match self {
            Self::X25519MlKem768 => true,
            Self::X25519 | Self::EllipticCurve => false,
        }
    }
}

impl fmt::Display for KeyExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X25519MlKem768 => qbtc_core::net::seal::KEY_EXCHANGE,
            Self::X25519 => "X25519 (classical)",
            Self::EllipticCurve => "ECDHE (classical)",
        })
    }
}

impl Traffic {
    /// Bytes that came.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes that went.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(in crate::p2p) fn add_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(in crate::p2p) fn add_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Link {
    /// A new connection of this kind.
    #[must_use]
    pub fn new(carrier: Carrier, key_exchange: KeyExchange) -> Self {
        Self { carrier, key_exchange, traffic: Arc::default(), channel: None }
    }

    /// The same, with what its two ends have in common.
    #[must_use]
    pub fn with_channel(self, channel: Option<Channel>) -> Self {
        Self { channel, ..self }
    }
}

impl Links {
    /// The most links that wait. A connection that the swarm refuses is never asked for; the oldest make room.
    const WAITING_MAX: usize = 512;

    pub(super) fn put(&self, peer: PeerId, point: ConnectedPoint, link: Link) {
        let mut waiting = self.0.lock();
        if waiting.len() == Self::WAITING_MAX {
            waiting.pop_front();
        }
        waiting.push_back((peer, point, link));
    }

    /// What is known of a connection that was just made.
    #[must_use]
    pub fn take(&self, peer: &PeerId, point: &ConnectedPoint) -> Option<Link> {
        let mut waiting = self.0.lock();
        let place = waiting.iter().position(|(who, which, _)| who == peer && which == point)?;
        waiting.remove(place).map(|(_, _, link)| link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(port: usize) -> ConnectedPoint {
        let send_back_addr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
        ConnectedPoint::Listener { local_addr: "/ip4/127.0.0.1/tcp/1".parse().unwrap(), send_back_addr }
    }

    #[test]
    fn a_link_is_taken_once_by_who_made_it() {
        let (links, peer) = (Links::default(), PeerId::random());
        links.put(peer, point(2), Link::new(Carrier::Quic, KeyExchange::X25519MlKem768));
        assert!(links.take(&PeerId::random(), &point(2)).is_none());
        assert!(links.take(&peer, &point(3)).is_none());
        assert_eq!(links.take(&peer, &point(2)).unwrap().carrier, Carrier::Quic);
        assert!(links.take(&peer, &point(2)).is_none());
    }

    #[test]
    fn links_that_nobody_takes_make_room() {
        let (links, peer) = (Links::default(), PeerId::random());
        for port in 0..=Links::WAITING_MAX {
            links.put(peer, point(port), Link::new(Carrier::Tcp, KeyExchange::X25519MlKem768));
        }
        assert!(links.take(&peer, &point(0)).is_none());
        assert!(links.take(&peer, &point(1)).is_some() && links.take(&peer, &point(Links::WAITING_MAX)).is_some());
    }
}
