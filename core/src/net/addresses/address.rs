//! An address of a node, and the group that it belongs to.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Where a node can be reached: a multiaddr in text that begins with an IP address or a name and a port of TCP or UDP, such as
/// `/ip4/192.0.2.1/udp/8333/quic-v1/p2p/12D3…`. Clones share the text.
///
/// What follows the port is not looked at here: printable ASCII, which the transport understands or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress(Arc<str>);

/// Why a text is no [`PeerAddress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerAddressError {
    /// Too long.
    #[error("address of {found} bytes: at most {} are allowed", PeerAddress::BYTES_MAX)]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// Something that is not printable ASCII, or is a space.
    #[error("address holds the byte {found:#04x}: expected printable ASCII")]
    Byte {
        /// Byte found.
        found: u8,
    },
    /// It does not begin with a host and a port.
    #[error("expected an address that begins like /ip4/192.0.2.1/tcp/8333, /ip6/…/udp/… or /dns/node.example/tcp/…")]
    Form,
}

/// Addresses that one hand is likely to hold: those of a group count as one where addresses compete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Group {
    /// A /16 of IPv4. IPv6 addresses that stand for one of IPv4 (mapped, 6to4, NAT64) are in its group.
    Ip4([u8; 2]),
    /// A /32 of IPv6.
    Ip6([u8; 4]),
    /// All names together: whoever has one name has as many as he likes.
    Name,
}

/// From where an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From everywhere, or so its numbers say. A name may mean anything, and is looked at again once it is resolved.
    Public,
    /// From within its own network only, or from nowhere.
    Private,
    /// From its own machine only.
    Loopback,
}

impl PeerAddress {
    /// The most bytes.
    pub const BYTES_MAX: usize = 256;
    /// The most bytes of a name in DNS.
    const NAME_BYTES_MAX: usize = 253;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host: an IP address, or a name.
    fn host(&self) -> Result<IpAddr, &str> {
        let (_, host, _, _) = parts(&self.0).expect("the text was parsed when the address was made");
        host.parse().map_err(|_| host)
    }

    /// The IP address, unless it has a name instead.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host().ok()
    }

    /// The IP address or the name.
    #[must_use]
    pub fn host_text(&self) -> String {
        self.host().map_or_else(ToString::to_string, |ip| ip.to_string())
    }

    /// The port, of TCP or UDP.
    #[must_use]
    pub fn port(&self) -> u16 {
        let (_, _, _, port) = parts(&self.0).expect("the text was parsed when the address was made");
        port
    }

    /// Its group.
    #[must_use]
    pub fn group(&self) -> Group {
        self.ip().map_or(Group::Name, Group::of)
    }

    /// From where it can be reached.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.ip().map_or(Reach::Public, Reach::of)
    }
}

/// Protocol of the host, host, protocol of the port, port. None, unless the text begins with them in their only form.
fn parts(text: &str) -> Option<(&str, &str, &str, u16)> {
    let mut parts = text.strip_prefix('/')?.split('/');
    let mut next = || parts.next().filter(|part| !part.is_empty());
    let (kind, host, carrier, port) = (next()?, next()?, next()?, next()?);
    let is_host = match kind {
        "ip4" => host.parse::<Ipv4Addr>().is_ok(),
        "ip6" => host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.to_string() == host),
        "dns" | "dns4" | "dns6" => is_name(host),
        _ => false,
    };
    let number: u16 = port.parse().ok()?;
    let is_port = matches!(carrier, "tcp" | "udp") && number > 0 && number.to_string() == port;
    (is_host && is_port).then_some((kind, host, carrier, number))
}

/// Whether this is a name of a machine, in small letters, and not an IP address.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= PeerAddress::NAME_BYTES_MAX && text.split('.').all(is_label) && text.parse::<IpAddr>().is_err()
}

impl FromStr for PeerAddress {
    type Err = PeerAddressError;

    fn from_str(text: &str) -> Result<Self, PeerAddressError> {
        if text.len() > Self::BYTES_MAX {
            return Err(PeerAddressError::TooLong { found: text.len() });
        }
        if let Some(found) = text.bytes().find(|byte| !byte.is_ascii_graphic()) {
            return Err(PeerAddressError::Byte { found });
        }
        if parts(text).is_none() {
            return Err(PeerAddressError::Form);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for PeerAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PeerAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = PeerAddress;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the address of a node")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PeerAddress, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl Group {
    /// The group of an IP address.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::of_4(ip),
            IpAddr::V6(ip) => embedded(ip).map_or_else(|| Self::of_6(ip), Self::of_4),
        }
    }

    fn of_4(ip: Ipv4Addr) -> Self {
        let [a, b, ..] = ip.octets();
        Self::Ip4([a, b])
    }

    fn of_6(ip: Ipv6Addr) -> Self {
        let [a, b, c, d, ..] = ip.octets();
        Self::Ip6([a, b, c, d])
    }

    /// The bytes that are hashed: no two groups have the same.
    pub(super) fn to_bytes(self) -> [u8; 5] {
        match self {
            Self::Ip4([a, b]) => [4, a, b, 0, 0],
            Self::Ip6([a, b, c, d]) => [6, a, b, c, d],
            Self::Name => [0; 5],
        }
    }
}

/// The IPv4 address that one of IPv6 stands for: IPv4-mapped (RFC 4291), 6to4 (RFC 3056) or NAT64 (RFC 6052).
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let at = |index: usize| {
        let bytes = ip.octets();
        Ipv4Addr::new(bytes[index], bytes[index + 1], bytes[index + 2], bytes[index + 3])
    };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(at(12)),
        [0x2002, ..] => Some(at(2)),
        _ => None,
    }
}

impl Reach {
    /// From where an IP address can be reached.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::of_4(ip),
            IpAddr::V6(ip) => embedded(ip).map_or_else(|| Self::of_6(ip), Self::of_4),
        }
    }

    /// By the IANA registry of special addresses.
    fn of_4(ip: Ipv4Addr) -> Self {
        if ip.is_loopback() {
            return Self::Loopback;
        }
        let is_special = match ip.octets() {
            // This network; shared by carriers (RFC 6598); protocols (RFC 6890); benchmarks (RFC 2544); reserved and broadcast.
            [0, ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18 | 19, ..] | [240..=255, ..] => true,
            _ => ip.is_private() || ip.is_link_local() || ip.is_documentation() || ip.is_multicast(),
        };
        if is_special { Self::Private } else { Self::Public }
    }

    fn of_6(ip: Ipv6Addr) -> Self {
        if ip.is_loopback() {
            return Self::Loopback;
        }
        match ip.segments() {
            // Documentation (RFC 3849, RFC 9637); Teredo (RFC 4380) and ORCHID (RFC 7343) within 2001::/23.
            [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2001, 0..=0x1ff, ..] => Self::Private,
            // All that is given out: 2000::/3.
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Private,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use crate::testing::test;

    fn at(text: &str) -> PeerAddress {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_begins_with_host_and_port() {
        for (text, host, port) in [
            ("/ip4/192.0.2.1/tcp/8333", "192.0.2.1", 8333),
            ("/ip6/2001:db8::1/udp/1/quic-v1/p2p/12D3KooW", "2001:db8::1", 1),
            ("/dns/node.example/udp/65535/quic-v1", "node.example", 65535),
        ] {
            let address = at(text);
            assert_eq!((address.host_text().as_str(), address.port()), (host, port));
            assert_eq!(codec::decode::<PeerAddress>(&codec::encode(&address), 300), Ok(address));
        }
    }

    #[test]
    fn other_texts_are_none() {
        use PeerAddressError::{Byte, Form, TooLong};
        for text in [
            "",
            "/",
            "192.0.2.1:8333",
            "/ip4/192.0.2.1",
            "/ip4/192.0.2.1/tcp/0",
            "/ip4/192.0.2.1/tcp/08333",
            "/ip4/192.0.2.1/tcp/65536",
            "/ip4/192.0.2.01/tcp/1",
            "/ip4/192.0.2.1/sctp/1",
            "/ip6/2001:DB8::1/tcp/1",
            "/ip6/2001:db8:0:0::1/tcp/1",
            "/dns/Node.example/tcp/1",
            "/dns/192.0.2.1/tcp/1",
            "/dns/node..example/tcp/1",
            "/dns/-node.example/tcp/1",
            "/dnsaddr/node.example/tcp/1",
            "/unix/tcp/tcp/1",
        ] {
            assert_eq!(text.parse::<PeerAddress>(), Err(Form), "{text}");
        }
        assert_eq!("/dns/ä.example/tcp/1".parse::<PeerAddress>(), Err(Byte { found: 0xc3 }));
        assert_eq!("/ip4/192.0.2.1/tcp/1/ ".parse::<PeerAddress>(), Err(Byte { found: b' ' }));
        let whole = |length| alloc::format!("{:a<length$}", "/ip4/192.0.2.1/tcp/1/");
        assert_eq!(whole(256).parse::<PeerAddress>().map(|address| address.as_str().len()), Ok(256));
        assert_eq!(whole(257).parse::<PeerAddress>(), Err(TooLong { found: 257 }));
        let bytes = codec::encode(whole(257).as_str());
        assert!(codec::decode::<PeerAddress>(&bytes, 300).is_err());
    }

    #[test]
    fn groups_are_what_one_hand_is_likely_to_hold() {
        let group = |ip: &str| Group::of(ip.parse().unwrap());
        assert_eq!(group("198.51.100.7"), Group::Ip4([198, 51]));
        assert_eq!(group("2600:1234:5678::1"), Group::Ip6([0x26, 0, 0x12, 0x34]));
        for same in ["::ffff:198.51.100.7", "2002:c633:6407::1", "64:ff9b::198.51.100.7"] {
            assert_eq!(group(same), Group::Ip4([198, 51]), "{same}");
        }
        assert_eq!(at("/dns/a.example/tcp/1").group(), at("/dns/b.test/udp/2").group());
    }

    /// Cases of the IANA registries of special addresses, and their neighbours.
    #[test]
    fn what_cannot_be_reached_from_everywhere_is_known() {
        let reach = |ip: &str| Reach::of(ip.parse().unwrap());
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.0",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2600::1",
            "2001:200::1",
            "2002:101:101::1",
            "::ffff:1.1.1.1",
        ] {
            assert_eq!(reach(public), Reach::Public, "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "169.254.0.1",
            "172.16.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "2002:a00:1::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
        ] {
            assert_eq!(reach(private), Reach::Private, "{private}");
        }
        for loopback in ["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(reach(loopback), Reach::Loopback, "{loopback}");
        }
    }
}
