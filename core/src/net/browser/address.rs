//! Where a browser can reach a node, as text: a multiaddr of WebRTC-direct or of WebSocket that names the node's id.
//!
//! Only what a browser can use is understood, with every part in the one form that nodes print. An address without an id is none: whoever
//! answers there could be anybody.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding as _};

/// SHA-256, 32 bytes: a multihash's head.
const SHA2_256_HEAD: [u8; 2] = [0x12, 32];
/// An Ed25519 key as libp2p's protobuf has it: its kind, and 32 bytes.
const ED25519_HEAD: [u8; 4] = [0x08, 1, 0x12, 32];
/// A multihash that is what it hashes.
const IDENTITY_HEAD: [u8; 2] = [0, 36];
/// Multibase: base64url without padding.
const BASE64_URL: char = 'u';
/// The longest name in DNS.
const NAME_BYTES_MAX: usize = 253;

/// The SHA-256 of a node's certificate, by which a browser knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertHash(pub [u8; 32]);

/// The id of a peer: its Ed25519 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub [u8; 32]);

/// Where a browser can reach a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// `/ip4/192.0.2.1/udp/8334/webrtc-direct/certhash/uEi…/p2p/12D3…`
    WebRtc {
        /// Where.
        ip: IpAddr,
        /// The port of UDP.
        port: u16,
        /// The node's certificate.
        certhash: CertHash,
        /// The node.
        peer: PeerId,
    },
    /// `/ip4/192.0.2.1/tcp/8334/ws/p2p/12D3…`, or `/dns/node.example/tcp/443/tls/ws/p2p/12D3…`
    WebSocket {
        /// An IP address or a name, as it stands in a URL.
        host: String,
        /// The port of TCP.
        port: u16,
        /// Whether TLS is below it: the only way from a page that came by HTTPS.
        is_secure: bool,
        /// The node.
        peer: PeerId,
    },
}

/// Why a text is no [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Too long.
    #[error("address of {found} bytes: at most {} are allowed", Address::BYTES_MAX)]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// It is of a kind that browsers cannot use.
    #[error(
        "expected /ip4/ADDRESS/udp/PORT/webrtc-direct/certhash/HASH/p2p/ID or /ip4/ADDRESS/tcp/PORT/ws/p2p/ID; the part {part:?} does not fit"
    )]
    Form {
        /// Where it stops to be one.
        part: String,
    },
    /// The host is none.
    #[error("{found:?} is no {expected}")]
    Host {
        /// What was found.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The port is none.
    #[error("{found:?} is no port: expected a number from 1 to 65535")]
    Port {
        /// What was found.
        found: String,
    },
    /// The certificate's hash is none.
    #[error("{found:?} is no hash of a certificate: expected uEi and 43 more characters (SHA-256 in base64url)")]
    CertHash {
        /// What was found.
        found: String,
    },
    /// The id is none, or is missing.
    #[error(transparent)]
    PeerId(#[from] PeerIdError),
}

/// A text is no [`PeerId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no id of a node: expected 12D3Koo… (an Ed25519 key in base58)")]
pub struct PeerIdError {
    /// What was found.
    pub found: String,
}

impl CertHash {
    /// The bytes of its multihash.
    #[must_use]
    pub fn to_multihash(&self) -> Vec<u8> {
        [&SHA2_256_HEAD[..], &self.0].concat()
    }

    /// As a session description names it.
    #[must_use]
    pub fn to_fingerprint(&self) -> String {
        let mut text = String::from("sha-256 ");
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 {
                text.push(':');
            }
            text.push_str(&alloc::format!("{byte:02X}"));
        }
        text
    }

    /// The hash of a session description's fingerprint, without its `a=fingerprint:`. None if it is no SHA-256.
    #[must_use]
    pub fn from_fingerprint(text: &str) -> Option<Self> {
        let (kind, digits) = text.split_once(' ')?;
        let mut bytes = [0; 32];
        let mut digits = digits.trim_end().split(':');
        for byte in &mut bytes {
            let digits = digits.next().filter(|digits| digits.len() == 2)?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        (kind.eq_ignore_ascii_case("sha-256") && digits.next().is_none()).then_some(Self(bytes))
    }
}

impl fmt::Display for CertHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BASE64_URL}{}", Base64UrlUnpadded::encode_string(&self.to_multihash()))
    }
}

impl FromStr for CertHash {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError::CertHash { found: shown(text) };
        let mut bytes = [0; 34];
        let body = text.strip_prefix(BASE64_URL).ok_or_else(wrong)?;
        let decoded = Base64UrlUnpadded::decode(body, &mut bytes).map_err(|_| wrong())?;
        let hash = decoded.strip_prefix(&SHA2_256_HEAD).and_then(|hash| hash.try_into().ok());
        hash.map(Self).ok_or_else(wrong)
    }
}

impl PeerId {
    /// The bytes of its multihash: what libp2p hands around.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&IDENTITY_HEAD[..], &self.to_protobuf()].concat()
    }

    pub(super) fn to_protobuf(self) -> Vec<u8> {
        [&ED25519_HEAD[..], &self.0].concat()
    }

    pub(super) fn from_protobuf(bytes: &[u8]) -> Option<Self> {
        bytes.strip_prefix(&ED25519_HEAD)?.try_into().ok().map(Self)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.to_bytes()).into_string())
    }
}

impl FromStr for PeerId {
    type Err = PeerIdError;

    fn from_str(text: &str) -> Result<Self, PeerIdError> {
        let mut bytes = [0; 38];
        let length = bs58::decode(text).onto(&mut bytes[..]).unwrap_or(0);
        let peer = bytes[..length].strip_prefix(&IDENTITY_HEAD).and_then(Self::from_protobuf);
        peer.ok_or_else(|| PeerIdError { found: shown(text) })
    }
}

impl Address {
    /// The most bytes of an address.
    pub const BYTES_MAX: usize = 512;

    /// The node that is to be there.
    #[must_use]
    pub const fn peer(&self) -> PeerId {
        match self {
            Self::WebRtc { peer, .. } | Self::WebSocket { peer, .. } => *peer,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > Self::BYTES_MAX {
            return Err(AddressError::TooLong { found: text.len() });
        }
        let mut parts = Parts(text.strip_prefix('/').unwrap_or(text).split('/'));
        let host = parts.host()?;
        match parts.next() {
            "udp" => {
                let (Host::Ip(ip), port) = (host, parts.port()?) else {
                    return Err(AddressError::Form { part: "dns".into() });
                };
                parts.expect("webrtc-direct")?;
                parts.expect("certhash")?;
                let certhash = parts.next().parse()?;
                Ok(Self::WebRtc { ip, port, certhash, peer: parts.peer()? })
            }
            "tcp" => {
                let port = parts.port()?;
                let is_secure = match parts.next() {
                    "ws" => false,
                    "wss" => true,
                    "tls" => parts.expect("ws").map(|()| true)?,
                    other => return Err(AddressError::Form { part: shown(other) }),
                };
                Ok(Self::WebSocket { host: host.in_url(), port, is_secure, peer: parts.peer()? })
            }
            other => Err(AddressError::Form { part: shown(other) }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WebRtc { ip, port, certhash, peer } => {
                let kind = if ip.is_ipv4() { "ip4" } else { "ip6" };
                write!(f, "/{kind}/{ip}/udp/{port}/webrtc-direct/certhash/{certhash}/p2p/{peer}")
            }
            Self::WebSocket { host, port, is_secure, peer } => {
                let (kind, host) = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
                    Some(host) => ("ip6", host),
                    None if host.parse::<Ipv4Addr>().is_ok() => ("ip4", &host[..]),
                    None => ("dns", &host[..]),
                };
                let carrier = if *is_secure { "tls/ws" } else { "ws" };
                write!(f, "/{kind}/{host}/tcp/{port}/{carrier}/p2p/{peer}")
            }
        }
    }
}

enum Host {
    Ip(IpAddr),
    Name(String),
}

impl Host {
    fn in_url(self) -> String {
        match self {
            Self::Ip(IpAddr::V6(ip)) => alloc::format!("[{ip}]"),
            Self::Ip(ip @ IpAddr::V4(_)) => ip.to_string(),
            Self::Name(name) => name,
        }
    }
}

/// The parts of an address, one after the other. Behind the last one there are empty ones.
struct Parts<'a>(core::str::Split<'a, char>);

impl<'a> Parts<'a> {
    fn next(&mut self) -> &'a str {
        self.0.next().unwrap_or("")
    }

    fn expect(&mut self, expected: &str) -> Result<(), AddressError> {
        let part = self.next();
        if part == expected { Ok(()) } else { Err(AddressError::Form { part: shown(part) }) }
    }

    fn host(&mut self) -> Result<Host, AddressError> {
        let (kind, text) = (self.next(), self.next());
        let wrong = |expected| AddressError::Host { found: shown(text), expected };
        match kind {
            "ip4" => text.parse::<Ipv4Addr>().map(|ip| Host::Ip(ip.into())).map_err(|_| wrong("IPv4 address")),
            "ip6" => text.parse::<Ipv6Addr>().map(|ip| Host::Ip(ip.into())).map_err(|_| wrong("IPv6 address")),
            "dns" | "dns4" | "dns6" if is_name(text) => Ok(Host::Name(text.to_string())),
            "dns" | "dns4" | "dns6" => Err(wrong("name of a host")),
            _ => Err(AddressError::Form { part: shown(kind) }),
        }
    }

    fn port(&mut self) -> Result<u16, AddressError> {
        let text = self.next();
        let port = text.parse().ok().filter(|port: &u16| *port > 0 && port.to_string() == text);
        port.ok_or_else(|| AddressError::Port { found: shown(text) })
    }

    /// The id, and the end.
    fn peer(&mut self) -> Result<PeerId, AddressError> {
        self.expect("p2p")?;
        let peer = self.next().parse()?;
        self.0.next().map_or(Ok(peer), |part| Err(AddressError::Form { part: shown(part) }))
    }
}

fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= NAME_BYTES_MAX && text.split('.').all(is_label)
}

/// As much of a stranger's text as an error shows.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::testing::test;

    // The id is of libp2p's test fixtures, the hash of its WebRTC specification's example.
    const ID: &str = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5";
    const HASH: &str = "uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g";

    fn webrtc() -> String {
        format!("/ip4/127.0.0.1/udp/8334/webrtc-direct/certhash/{HASH}/p2p/{ID}")
    }

    #[test]
    fn addresses_come_back() {
        for text in [
            webrtc(),
            webrtc().replace("/ip4/127.0.0.1", "/ip6/2001:db8::1"),
            format!("/ip4/192.0.2.1/tcp/8334/ws/p2p/{ID}"),
            format!("/ip6/::1/tcp/8334/ws/p2p/{ID}"),
            format!("/dns/node.example/tcp/443/tls/ws/p2p/{ID}"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let short = format!("/dns4/node.example/tcp/443/wss/p2p/{ID}").parse::<Address>().unwrap();
        assert_eq!(short, format!("/dns/node.example/tcp/443/tls/ws/p2p/{ID}").parse().unwrap());
        let Address::WebSocket { host, .. } = format!("/ip6/::1/tcp/1/ws/p2p/{ID}").parse().unwrap() else { panic!() };
        assert_eq!(host, "[::1]");
    }

    #[test]
    fn ids_are_as_others_have_them() {
        // From libp2p's specification of peer ids: the Ed25519 test key and its id.
        let key = "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e";
        let peer = PeerId(hex::decode(key).unwrap().try_into().unwrap());
        assert_eq!(peer.to_string().parse(), Ok(peer));
        assert!(peer.to_string().starts_with("12D3KooW"));
        for wrong in ["", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", &ID[1..], &format!("{ID}1"), "0OIl"] {
            assert!(wrong.parse::<PeerId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn fingerprints_are_of_the_same_hash() {
        let hash: CertHash = HASH.parse().unwrap();
        let fingerprint = hash.to_fingerprint();
        assert!(fingerprint.starts_with("sha-256 C3:AB:8F:F1:") && fingerprint.len() == 8 + 32 * 3 - 1);
        assert_eq!(CertHash::from_fingerprint(&fingerprint), Some(hash));
        assert_eq!(CertHash::from_fingerprint(&format!("{}\r", fingerprint.to_lowercase())), Some(hash));
        for wrong in ["", "sha-256 ", "sha-1 AA:BB", &fingerprint[..100], &format!("{fingerprint}:00")] {
            assert_eq!(CertHash::from_fingerprint(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn errors_name_what_does_not_fit() {
        let error = |text: &str| text.parse::<Address>().unwrap_err().to_string();
        let good = webrtc();
        assert!(error("").contains("expected /ip4/"));
        assert!(error(&good.replace("127.0.0.1", "127.0.0")).contains("\"127.0.0\" is no IPv4 address"));
        assert!(error(&good.replace("8334", "0")).contains("\"0\" is no port"));
        assert!(error(&good.replace("8334", "08334")).contains("is no port"));
        assert!(error(&good.replace("webrtc-direct", "quic-v1")).contains("\"quic-v1\" does not fit"));
        assert!(error(&good.replace("uEi", "uEx")).contains("is no hash"));
        assert!(error(&good.replace(HASH, &HASH[..20])).contains("is no hash"));
        assert!(error(&good.replace(ID, "")).contains("is no id"));
        assert!(error(good.split("/p2p").next().unwrap()).contains("\"\" does not fit"));
        assert!(error(&format!("{good}/p2p-circuit")).contains("\"p2p-circuit\""));
        assert!(error(&good.replace("/ip4/127.0.0.1", "/dns/node.example")).contains("does not fit"));
        assert!(error(&format!("/dns/-x/tcp/1/ws/p2p/{ID}")).contains("name of a host"));
        assert!(error(&"/ip4".repeat(200)).contains("at most 512"));
    }
}
