//! Where an address leads: the socket that it begins with, and whether a relay stands between.

use std::net::{IpAddr, SocketAddr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// What `/ip4|ip6/…/tcp|udp/…` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    Tcp(SocketAddr),
    Udp(SocketAddr),
}

impl Socket {
    /// What comes first of the parts of an address; what follows is left.
    pub(super) fn first_of<'a>(parts: &mut impl Iterator<Item = Protocol<'a>>) -> Option<Self> {
        let ip = ip(&parts.next()?)?;
        match parts.next()? {
            Protocol::Tcp(port) => Some(Self::Tcp(SocketAddr::new(ip, port))),
            Protocol::Udp(port) => Some(Self::Udp(SocketAddr::new(ip, port))),
            _ => None,
        }
    }
}

/// The IP address and port that an address begins with, unless they are a relay's.
pub(super) fn socket(address: &Multiaddr) -> Option<SocketAddr> {
    match Socket::first_of(&mut address.iter()).filter(|_| !is_circuit(address))? {
        Socket::Tcp(socket) | Socket::Udp(socket) => Some(socket),
    }
}

/// The IP address that an address begins with.
pub(super) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    ip(&address.iter().next()?)
}

/// The same, unless a peer is reached through a relay, whose address it is then.
pub(super) fn host_of(address: &Multiaddr) -> Option<IpAddr> {
    ip_of(address).filter(|_| !is_circuit(address))
}

/// Whether an address leads through a relay.
pub(super) fn is_circuit(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// The same of an address in text.
pub(crate) fn is_circuit_text(address: &str) -> bool {
    address.contains("/p2p-circuit")
}

fn ip(part: &Protocol<'_>) -> Option<IpAddr> {
    match part {
        Protocol::Ip4(ip) => Some((*ip).into()),
        Protocol::Ip6(ip) => Some((*ip).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use libp2p::PeerId;

    use super::*;

    #[test]
    fn an_address_leads_somewhere() {
        let parse = |text: &str| text.parse::<Multiaddr>().unwrap();
        let at = |text: &str| (socket(&parse(text)).map(|at| at.to_string()), host_of(&parse(text)).is_some());
        assert_eq!(at("/ip4/192.0.2.1/tcp/1/ws"), (Some("192.0.2.1:1".into()), true));
        assert_eq!(at("/ip6/2001:db8::1/udp/1/quic-v1"), (Some("[2001:db8::1]:1".into()), true));
        assert_eq!(at("/ip4/192.0.2.1"), (None, true));
        assert_eq!(at("/dns/node.example/tcp/1"), (None, false));
        let circuit = format!("/ip4/192.0.2.1/tcp/1/p2p/{}/p2p-circuit", PeerId::random());
        assert_eq!(at(&circuit), (None, false));
        assert!(ip_of(&parse(&circuit)).is_some() && is_circuit(&parse(&circuit)) && is_circuit_text(&circuit));
        let udp = parse("/ip4/192.0.2.1/udp/1/quic-v1");
        let mut parts = udp.iter();
        assert_eq!(Socket::first_of(&mut parts), Some(Socket::Udp("192.0.2.1:1".parse().unwrap())));
        assert_eq!(parts.next(), Some(Protocol::QuicV1));
    }
}
