//! Where the light client begins: the addresses that the node tells of itself, those left out that this browser cannot reach, and the page's own.

use std::collections::BTreeMap;

use qbtc_core::net::browser::{Address, PeerId};

/// The most addresses that are taken from a node.
pub const ADDRESSES_MAX: usize = 32;

/// For each node one address: that of the host from which the page came, where there is one; otherwise one that is not of a machine's own loop
/// back to itself, unless the page came from there.
#[must_use]
pub fn reachable(dials: &[String], host: &str) -> Vec<String> {
    let host = host.trim_matches(['[', ']']);
    let is_here = matches!(host, "localhost" | "127.0.0.1" | "::1");
    let worth = |address: &str| match place(address) {
        Some(place) if place == host => 3,
        Some("127.0.0.1" | "::1") => i32::from(is_here) * 2,
        Some(_) => 1,
        None => 0,
    };
    let mut best: BTreeMap<&str, &str> = BTreeMap::new();
    for address in dials.iter().map(String::as_str) {
        // Those by WebSocket the page's policy forbids.
        let Some((_, node)) = address.rsplit_once("/p2p/").filter(|_| address.contains("/udp/")) else { continue };
        let known = best.get(node).map_or(0, |known| worth(known));
        if worth(address) > known {
            best.insert(node, address);
        }
    }
    best.into_values().take(ADDRESSES_MAX).map(str::to_owned).collect()
}

/// The host in a multiaddr: what stands after its first protocol.
fn place(address: &str) -> Option<&str> {
    address.split('/').nth(2).filter(|place| !place.is_empty())
}

/// The address by WebSocket of the node that served a page of this origin, such as `http://127.0.0.1:8080`: the node takes it at the page's own. None, of what is
/// neither HTTP nor HTTPS.
#[must_use]
pub fn at_origin(origin: &str, peer: PeerId) -> Option<Address> {
    let (scheme, authority) = origin.split_once("://")?;
    let (default, is_secure) = match scheme {
        "http" => (80, false),
        "https" => (443, true),
        _ => return None,
    };
    // The last colon of an IPv6 address stands within brackets.
    let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, default),
    };
    Some(Address::WebSocket { host: host.to_owned(), port, is_secure, peer })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId([7; 32]);

    fn dials(hosts: &[&str]) -> Vec<String> {
        hosts.iter().map(|host| format!("/ip4/{host}/udp/9/webrtc-direct/certhash/uE/p2p/12D3A")).collect()
    }

    #[test]
    fn the_address_of_the_page_comes_first() {
        let dials = dials(&["127.0.0.1", "192.0.2.7", "198.51.100.1"]);
        for (host, place) in [("192.0.2.7", 1), ("127.0.0.1", 0), ("localhost", 0), ("node.example", 1)] {
            assert_eq!(reachable(&dials, host), [dials[place].clone()], "{host}");
        }
    }

    #[test]
    fn what_the_page_may_not_dial_is_left_out() {
        let (mut dials, socket) = (dials(&["127.0.0.1"]), "/ip4/127.0.0.1/tcp/8/ws/p2p/12D3A".to_owned());
        dials.insert(0, socket);
        assert_eq!(reachable(&dials, "127.0.0.1"), dials[1..]);
    }

    #[test]
    fn a_loop_back_is_no_address_for_others() {
        assert_eq!(reachable(&dials(&["127.0.0.1"]), "192.0.2.7"), Vec::<String>::new());
        assert_eq!(reachable(&dials(&["127.0.0.1"]), "127.0.0.1").len(), 1);
    }

    #[test]
    fn the_page_s_own_address_is_one_by_websocket() {
        let expected = [
            ("http://127.0.0.1:8080", "/ip4/127.0.0.1/tcp/8080/ws/p2p/"),
            ("http://localhost:8080", "/dns/localhost/tcp/8080/ws/p2p/"),
            ("http://[2001:db8::1]", "/ip6/2001:db8::1/tcp/80/ws/p2p/"),
            ("http://[::1]:9", "/ip6/::1/tcp/9/ws/p2p/"),
            ("https://node.example", "/dns/node.example/tcp/443/tls/ws/p2p/"),
        ];
        for (origin, address) in expected {
            let found = at_origin(origin, PEER).unwrap();
            assert_eq!(found.to_string(), format!("{address}{PEER}"));
            assert_eq!(found.to_string().parse(), Ok(found), "it is the same as one that was told");
        }
        for strange in ["null", "file://", "chrome-extension://abc", "http://h:port"] {
            assert_eq!(at_origin(strange, PEER), None, "{strange}");
        }
    }

    #[test]
    fn each_node_has_one_and_there_are_not_too_many() {
        let strange = ["", "/", "/p2p/", "/ip4//udp/1/p2p/x", "no address"].map(str::to_owned);
        assert_eq!(reachable(&strange, "h"), Vec::<String>::new());
        let many: Vec<String> = (0..99).map(|node| format!("/ip4/192.0.2.1/udp/9/p2p/N{node}")).collect();
        assert_eq!(reachable(&many, "h").len(), ADDRESSES_MAX);
    }
}
