//! Addresses of nodes, as operators write them.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use libp2p::PeerId;
use libp2p::core::Multiaddr;
use libp2p::core::multiaddr::Protocol;
use libp2p::swarm::dial_opts::DialOpts;

use super::place::socket;

/// Where a node can be reached: a multiaddr such as `/dns/node.example/udp/8333/quic-v1`, or `IP:PORT` for TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress(pub(super) Multiaddr);

/// Where this node listens: a multiaddr, or `IP:PORT` for both TCP and QUIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress(pub(super) Vec<Multiaddr>);

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?}: expected {expected}")]
pub struct AddressError {
    found: String,
    expected: &'static str,
}

/// The most characters of an address.
const CHARACTERS_MAX: usize = 512;

impl NodeAddress {
    /// Whether it says which peer is meant.
    #[must_use]
    pub fn names_peer(&self) -> bool {
        self.peer().is_some()
    }

    /// The peer that it names, if it names one.
    pub(super) fn peer(&self) -> Option<PeerId> {
        match self.0.iter().last() {
            Some(Protocol::P2p(peer)) => Some(peer),
            _ => None,
        }
    }
}

impl NodeAddress {
    /// How it is dialled.
    pub(super) fn dial_options(&self) -> DialOpts {
        match self.peer() {
            Some(peer) => DialOpts::peer_id(peer).addresses(vec![self.0.clone()]).build(),
            None => DialOpts::unknown_peer_id().address(self.0.clone()).build(),
        }
    }
}

impl FromStr for NodeAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        const EXPECTED: &str = "IP:PORT, or a multiaddr such as /ip4/192.0.2.1/udp/8333/quic-v1/p2p/12D3…";
        let wrong = || AddressError { found: text.chars().take(CHARACTERS_MAX).collect(), expected: EXPECTED };
        if let Ok(socket) = text.parse() {
            return Ok(Self(tcp(socket)));
        }
        let address: Multiaddr = bounded(text).and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
        let is_way = |part: &Protocol<'_>| matches!(part, Protocol::Tcp(_) | Protocol::Udp(_) | Protocol::Dnsaddr(_));
        if address.iter().any(|part| is_way(&part)) { Ok(Self(address)) } else { Err(wrong()) }
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        const EXPECTED: &str =
            "IP:PORT such as 0.0.0.0:8333, a multiaddr such as /ip4/0.0.0.0/udp/8333/quic-v1, or off";
        let wrong = || AddressError { found: text.chars().take(CHARACTERS_MAX).collect(), expected: EXPECTED };
        if let Ok(socket) = text.parse() {
            return Ok(Self::at(socket));
        }
        let address: Multiaddr = bounded(text).and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
        if socket(&address).is_some() { Ok(Self(vec![address])) } else { Err(wrong()) }
    }
}

impl ListenAddress {
    /// TCP and QUIC on the same port.
    #[must_use]
    pub fn at(socket: SocketAddr) -> Self {
        let quic = Multiaddr::from(socket.ip()).with(Protocol::Udp(socket.port())).with(Protocol::QuicV1);
        Self(vec![tcp(socket), quic])
    }
}

impl ListenAddress {
    /// WebRTC, which browsers reach.
    #[must_use]
    pub fn webrtc(socket: SocketAddr) -> Self {
        Self(vec![Multiaddr::from(socket.ip()).with(Protocol::Udp(socket.port())).with(Protocol::WebRTCDirect)])
    }

    /// Whether browsers are to reach the node there by WebRTC.
    #[must_use]
    pub fn is_webrtc(&self) -> bool {
        self.0.iter().flatten().any(|part| part == Protocol::WebRTCDirect)
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn tcp(socket: SocketAddr) -> Multiaddr {
    Multiaddr::from(socket.ip()).with(Protocol::Tcp(socket.port()))
}

fn bounded(text: &str) -> Option<&str> {
    (text.len() <= CHARACTERS_MAX).then_some(text)
}

/// The peer whose id this text is.
pub(super) fn peer_id(text: &str) -> Option<PeerId> {
    bounded(text)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_named_in_two_ways() {
        let at = |text: &str| text.parse::<NodeAddress>().unwrap().to_string();
        assert_eq!(at("192.0.2.1:8333"), "/ip4/192.0.2.1/tcp/8333");
        assert_eq!(at("[::1]:8333"), "/ip6/::1/tcp/8333");
        let peer = PeerId::random();
        let whole: NodeAddress = format!("/dns/node.example/udp/1/quic-v1/p2p/{peer}").parse().unwrap();
        assert_eq!(
            (whole.peer(), at("/ip4/192.0.2.1/tcp/1").parse::<NodeAddress>().unwrap().peer()),
            (Some(peer), None)
        );
        for wrong in ["", "node.example", "node.example:1", "192.0.2.1", "/ip4/192.0.2.1", "/ip4/x/tcp/1", "off"] {
            let told = wrong.parse::<NodeAddress>().unwrap_err().to_string();
            assert!(told.contains("IP:PORT"), "{wrong}: {told}");
        }
        assert!(format!("/dns/{}/tcp/1", "x".repeat(600)).parse::<NodeAddress>().is_err());
    }

    #[test]
    fn a_socket_is_listened_on_in_both_ways() {
        let ListenAddress(both) = "127.0.0.1:0".parse().unwrap();
        assert_eq!(both.map_text(), ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"]);
        let ListenAddress(one) = "/ip6/::/tcp/8333/ws".parse().unwrap();
        assert_eq!(one.map_text(), ["/ip6/::/tcp/8333/ws"]);
        let webrtc: ListenAddress = "/ip4/0.0.0.0/udp/8333/webrtc-direct".parse().unwrap();
        assert!(webrtc.is_webrtc() && !ListenAddress(one).is_webrtc());
        let circuit = format!("/ip4/127.0.0.1/tcp/1/p2p/{}/p2p-circuit", PeerId::random());
        for wrong in ["127.0.0.1", "/dns/node.example/tcp/1", "/ip4/127.0.0.1", "none", &circuit] {
            assert!(wrong.parse::<ListenAddress>().unwrap_err().to_string().contains("off"), "{wrong}");
        }
    }

    trait MapText {
        fn map_text(&self) -> Vec<String>;
    }

    impl MapText for Vec<Multiaddr> {
        fn map_text(&self) -> Vec<String> {
            self.iter().map(ToString::to_string).collect()
        }
    }
}
