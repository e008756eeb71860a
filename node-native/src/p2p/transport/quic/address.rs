//! Addresses of QUIC, as libp2p writes them.

use std::net::SocketAddr;

use libp2p::PeerId;
use libp2p::core::Multiaddr;
use libp2p::core::multiaddr::Protocol;

use crate::p2p::place::Socket;

/// The socket of `/ip4|ip6/…/udp/…/quic-v1[/p2p/…]`, and the peer, if the address names one. Nothing may follow.
pub(super) fn socket_address(address: &Multiaddr) -> Option<(SocketAddr, Option<PeerId>)> {
    let mut parts = address.iter();
    let (Socket::Udp(socket), Protocol::QuicV1) = (Socket::first_of(&mut parts)?, parts.next()?) else { return None };
    let peer = match parts.next() {
        None => None,
        Some(Protocol::P2p(peer)) => Some(peer),
        Some(_) => return None,
    };
    parts.next().is_none().then_some((socket, peer))
}

/// The address of a socket.
pub(super) fn multiaddr(socket: SocketAddr) -> Multiaddr {
    Multiaddr::from(socket.ip()).with(Protocol::Udp(socket.port())).with(Protocol::QuicV1)
}

/// Whether somebody can be there.
pub(super) const fn is_dialable(socket: &SocketAddr) -> bool {
    socket.port() != 0 && !socket.ip().is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_back() {
        for text in ["/ip4/127.0.0.1/udp/8333/quic-v1", "/ip6/::1/udp/0/quic-v1"] {
            let address: Multiaddr = text.parse().unwrap();
            let (socket, peer) = socket_address(&address).unwrap();
            assert_eq!((multiaddr(socket), peer), (address.clone(), None));
            let peer = PeerId::random();
            assert_eq!(socket_address(&address.with(Protocol::P2p(peer))), Some((socket, Some(peer))));
        }
    }

    #[test]
    fn others_are_not_taken() {
        let peer = PeerId::random();
        for text in [
            "/ip4/127.0.0.1/udp/8333",
            "/ip4/127.0.0.1/udp/8333/quic",
            "/ip4/127.0.0.1/tcp/8333",
            "/dns/node.example/udp/8333/quic-v1",
            "/ip4/127.0.0.1/udp/8333/quic-v1/webtransport",
            &format!("/ip4/127.0.0.1/udp/8333/quic-v1/p2p/{peer}/p2p-circuit"),
        ] {
            assert_eq!(socket_address(&text.parse().unwrap()), None, "{text}");
        }
        assert!(!is_dialable(&"127.0.0.1:0".parse().unwrap()) && !is_dialable(&"0.0.0.0:1".parse().unwrap()));
    }
}
