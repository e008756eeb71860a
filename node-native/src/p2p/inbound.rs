//! How many connections others may make from one place, so that whoever holds one machine or one network cannot take all that there are.

use std::collections::HashMap;
use std::net::IpAddr;

use libp2p::swarm::ConnectionId;
use qbtc_core::net::addresses::Group;

/// How many connections others may make from one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboundMax {
    /// From one IP address; of IPv6, from one /64, which is what one customer has at least.
    pub per_address: usize,
    /// From one /16 of IPv4, or one /32 of IPv6.
    pub per_group: usize,
    /// Whether this machine counts too. A proxy on it may stand for anybody.
    pub counts_loopback: bool,
}

impl Default for InboundMax {
    /// A household has several machines; a fifth of all places for a network is enough.
    fn default() -> Self {
        Self { per_address: 6, per_group: 24, counts_loopback: false }
    }
}

/// Connections that others make or have made, by their places.
#[derive(Debug)]
pub(super) struct Inbound {
    max: InboundMax,
    places: HashMap<ConnectionId, Place>,
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    address: IpAddr,
    group: Group,
}

impl Place {
    fn of(ip: IpAddr) -> Self {
        Self { address: line(ip), group: Group::of(ip) }
    }
}

/// The line that an address stands for: itself, or of IPv6 the first 64 bits, of which whoever has one has them all.
fn line(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::from((u128::from(ip) >> 64 << 64).to_be_bytes()),
        ip => ip,
    }
}

/// The same, unless it is this machine's own.
pub(super) fn line_of(ip: IpAddr) -> Option<IpAddr> {
    Some(ip).filter(|ip| !ip.to_canonical().is_loopback()).map(line)
}

impl Inbound {
    pub(super) fn new(max: InboundMax) -> Self {
        Self { max, places: HashMap::new() }
    }

    /// Counts a connection that is coming in, if there is a place for it.
    pub(super) fn begin(&mut self, connection: ConnectionId, ip: IpAddr) -> bool {
        if ip.to_canonical().is_loopback() && !self.max.counts_loopback {
            return true;
        }
        let place = Place::of(ip);
        let count = |is_same: &dyn Fn(&Place) -> bool| self.places.values().filter(|other| is_same(other)).count();
        let has_room = count(&|other| other.address == place.address) < self.max.per_address
            && count(&|other| other.group == place.group) < self.max.per_group;
        if has_room {
            self.places.insert(connection, place);
        }
        has_room
    }

    /// A connection has come to nothing, or has ended.
    pub(super) fn end(&mut self, connection: ConnectionId) {
        self.places.remove(&connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    #[test]
    fn an_address_and_a_network_have_so_many_places() {
        let mut inbound = Inbound::new(InboundMax { per_address: 2, per_group: 3, counts_loopback: false });
        let mut number = 0;
        let mut begin = |inbound: &mut Inbound, ip: &str| {
            number += 1;
            inbound.begin(id(number), ip.parse().unwrap())
        };
        assert!(begin(&mut inbound, "192.0.2.1") && begin(&mut inbound, "::ffff:192.0.2.1"));
        assert!(!begin(&mut inbound, "192.0.2.1"), "the address is full");
        assert!(begin(&mut inbound, "192.0.3.1"));
        assert!(!begin(&mut inbound, "192.0.4.1"), "the network is full");
        assert!(begin(&mut inbound, "192.1.0.1"), "this is another one");
        inbound.end(id(3));
        assert!(!begin(&mut inbound, "192.0.4.1"), "what was refused has no place to give back");
        inbound.end(id(1));
        assert!(begin(&mut inbound, "192.0.4.1"));
        for ip in ["2001:db8:0:1::1", "2001:db8:0:1::2"] {
            assert!(begin(&mut inbound, ip));
        }
        assert!(!begin(&mut inbound, "2001:db8:0:1::3") && begin(&mut inbound, "2001:db8:0:2::1"));
        assert!(!begin(&mut inbound, "2001:db8:ffff::1") && begin(&mut inbound, "2001:db9::1"));
    }

    #[test]
    fn this_machine_counts_if_it_is_told_to() {
        let mut free = Inbound::new(InboundMax::default());
        let mut counted = Inbound::new(InboundMax { counts_loopback: true, ..InboundMax::default() });
        for number in 0..100 {
            assert!(free.begin(id(number), "127.0.0.1".parse().unwrap()));
            let has_room = number < InboundMax::default().per_address;
            assert_eq!(counted.begin(id(number), "127.0.0.1".parse().unwrap()), has_room);
        }
    }
}
