//! Whose packet it is: the table of a listener's connections, and whether there may be another one. It knows no socket.
//!
//! Invariant: a packet changes nothing and allocates nothing unless its source is known or it is a verified request.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use str0m::crypto::CryptoProvider;

use super::credentials::{Credentials, Request};
use super::limits::{Limits, source_of};

/// How many connections are remembered that are gone.
const GONE_MAX: usize = 1_024;

/// Names a connection as long as it is in the table, and no other one later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlaceId(u64);

/// What to do with a packet.
#[derive(Debug)]
pub enum Verdict<'t, 'p, T> {
    /// It belongs to this connection.
    Deliver(&'t T),
    /// It asks for a connection, and there may be one more: call [`Router::open`].
    Open(Credentials<'p>),
    /// It is dropped.
    Drop(Dropped),
}

/// Why a packet is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It comes from nowhere known, and is no request.
    Junk,
    /// It is a request of one who does not know the password, or has no such name.
    Unverified,
    /// There are enough connections, or enough addresses for this one.
    Full,
    /// Its connection is gone. A browser asks for a while whether the node is still there; were it answered, it would think so.
    Gone,
}

/// The table. `T` is where a connection's packets go.
#[derive(Debug)]
pub struct Router<T> {
    limits: Limits,
    crypto: Arc<CryptoProvider>,
    places: HashMap<PlaceId, Place<T>>,
    by_address: HashMap<SocketAddr, PlaceId>,
    by_username: HashMap<Box<str>, PlaceId>,
    by_source: HashMap<IpAddr, usize>,
    handshakes: usize,
    next: u64,
    gone: Gone,
}

/// The names of the last connections that are gone. No browser uses one twice.
#[derive(Debug, Default)]
struct Gone {
    names: HashSet<Box<str>>,
    order: VecDeque<Box<str>>,
}

impl Gone {
    fn add(&mut self, name: Box<str>) {
        if self.order.len() == GONE_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
        if self.names.insert(name.clone()) {
            self.order.push_back(name);
        }
    }
}

#[derive(Debug)]
struct Place<T> {
    target: T,
    username: Box<str>,
    addresses: Vec<SocketAddr>,
    source: IpAddr,
    is_handshake: bool,
}

impl<T> Router<T> {
    /// An empty table.
    #[must_use]
    pub fn new(limits: Limits, crypto: Arc<CryptoProvider>) -> Self {
        Self {
            limits,
            crypto,
            places: HashMap::new(),
            by_address: HashMap::new(),
            by_username: HashMap::new(),
            by_source: HashMap::new(),
            handshakes: 0,
            next: 0,
            gone: Gone::default(),
        }
    }

    /// Whose packet it is.
    pub fn route<'p>(&mut self, from: SocketAddr, packet: &'p [u8]) -> Verdict<'_, 'p, T> {
        if let Some(id) = self.by_address.get(&from) {
            return Verdict::Deliver(&self.places[id].target);
        }
        let Some(request) = Request::read(packet) else { return Verdict::Drop(Dropped::Junk) };
        let credentials = *request.credentials();
        if self.gone.names.contains(credentials.username()) {
            return Verdict::Drop(Dropped::Gone);
        }
        let known = self.by_username.get(credentials.username()).copied();
        // What is refused anyway is refused before its integrity costs anything.
        let has_room = match known {
            Some(id) => self.places[&id].addresses.len() < self.limits.addresses_per_connection_max,
            None => self.has_room(from.ip()),
        };
        if !has_room {
            return Verdict::Drop(Dropped::Full);
        }
        if !request.is_verified(&self.crypto) {
            return Verdict::Drop(Dropped::Unverified);
        }
        let Some(id) = known else { return Verdict::Open(credentials) };
        self.by_address.insert(from, id);
        let place = self.places.get_mut(&id).expect("each name has a place");
        place.addresses.push(from);
        Verdict::Deliver(&place.target)
    }

    fn has_room(&self, ip: IpAddr) -> bool {
        let of_source = self.by_source.get(&source_of(ip)).copied().unwrap_or(0);
        self.places.len() < self.limits.connections_max
            && self.handshakes < self.limits.handshakes_max
            && of_source < self.limits.connections_per_source_max
    }

    /// Enters a connection for a request of which [`Router::route`] has said that it may be.
    pub fn open(&mut self, from: SocketAddr, username: &str, target: T) -> PlaceId {
        let id = PlaceId(self.next);
        self.next += 1;
        let source = source_of(from.ip());
        self.by_address.insert(from, id);
        self.by_username.insert(username.into(), id);
        *self.by_source.entry(source).or_default() += 1;
        self.handshakes += 1;
        let place = Place { target, username: username.into(), addresses: vec![from], source, is_handshake: true };
        self.places.insert(id, place);
        id
    }

    /// The peer has proved its id.
    pub fn authenticated(&mut self, id: PlaceId) {
        if let Some(place) = self.places.get_mut(&id)
            && place.is_handshake
        {
            place.is_handshake = false;
            self.handshakes -= 1;
        }
    }

    /// The connection is gone.
    pub fn remove(&mut self, id: PlaceId) {
        let Some(place) = self.places.remove(&id) else { return };
        self.by_username.remove(&place.username);
        for address in &place.addresses {
            self.by_address.remove(address);
        }
        if let Some(count) = self.by_source.get_mut(&place.source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&place.source);
            }
        }
        self.handshakes -= usize::from(place.is_handshake);
        self.gone.add(place.username);
    }

    /// How many connections there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none, nor anything left of one but its name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let maps = [self.by_address.len(), self.by_username.len(), self.by_source.len()];
        self.places.is_empty() && maps == [0; 3] && self.handshakes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::certificate::crypto;
    use super::super::credentials;
    use super::*;

    fn request(name: u32) -> (String, Vec<u8>) {
        let server = format!("libp2p+webrtc+v2/password{name:020}");
        let username = format!("{server}:ABcd");
        let packet = signed(&username, &server);
        (username, packet)
    }

    fn signed(username: &str, password: &str) -> Vec<u8> {
        credentials::request(username, password, &crypto())
    }

    fn router(limits: Limits) -> Router<u32> {
        Router::new(limits, crypto())
    }

    fn address(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    /// Opens a connection if it may be.
    fn open(router: &mut Router<u32>, from: SocketAddr, name: u32) -> Result<PlaceId, Dropped> {
        let (username, packet) = request(name);
        match router.route(from, &packet) {
            Verdict::Open(credentials) => assert_eq!(credentials.username(), username),
            Verdict::Drop(why) => return Err(why),
            Verdict::Deliver(target) => panic!("{from} is known as {target}"),
        }
        Ok(router.open(from, &username, name))
    }

    fn target(router: &mut Router<u32>, from: SocketAddr, packet: &[u8]) -> Result<u32, Dropped> {
        match router.route(from, packet) {
            Verdict::Deliver(target) => Ok(*target),
            Verdict::Drop(why) => Err(why),
            Verdict::Open(credentials) => panic!("{credentials:?}"),
        }
    }

    #[test]
    fn by_address_and_by_name() {
        let mut router = router(Limits { addresses_per_connection_max: 2, ..Limits::default() });
        let one = open(&mut router, address(1, 1), 1).unwrap();
        open(&mut router, address(2, 1), 2).unwrap();
        assert_eq!(target(&mut router, address(1, 1), b"anything"), Ok(1));
        assert_eq!(target(&mut router, address(2, 1), &request(1).1), Ok(2), "a known source stays where it is");
        // Another interface of the same browser.
        assert_eq!(target(&mut router, address(3, 9), b"anything"), Err(Dropped::Junk));
        assert_eq!(target(&mut router, address(3, 9), &request(1).1), Ok(1));
        assert_eq!(target(&mut router, address(3, 9), b"anything"), Ok(1));
        assert_eq!(target(&mut router, address(4, 9), &request(1).1), Err(Dropped::Full));
        router.remove(one);
        assert_eq!(target(&mut router, address(3, 9), b"anything"), Err(Dropped::Junk));
        assert_eq!(target(&mut router, address(1, 1), b"anything"), Err(Dropped::Junk));
        assert_eq!(target(&mut router, address(2, 1), b"anything"), Ok(2));
        router.remove(one);
        assert_eq!(router.len(), 1);
    }

    #[test]
    fn what_is_gone_does_not_come_back() {
        let limits =
            Limits { connections_per_source_max: 2 * GONE_MAX, handshakes_max: 2 * GONE_MAX, ..Limits::default() };
        let mut router = router(limits);
        let id = open(&mut router, address(1, 1), 0).unwrap();
        router.remove(id);
        assert_eq!(open(&mut router, address(1, 1), 0), Err(Dropped::Gone));
        // Only so many are remembered.
        for name in 1..=u32::try_from(GONE_MAX).unwrap() {
            let id = open(&mut router, address(1, 1), name).unwrap();
            router.remove(id);
        }
        assert_eq!(open(&mut router, address(1, 1), 1), Err(Dropped::Gone));
        open(&mut router, address(1, 1), 0).unwrap();
        assert_eq!(router.gone.names.len(), GONE_MAX);
    }

    #[test]
    fn nobody_gets_in_with_a_wrong_password() {
        let mut router = router(Limits::default());
        open(&mut router, address(1, 1), 1).unwrap();
        let (username, _) = request(1);
        let forged = signed(&username, "not the password at all");
        assert_eq!(target(&mut router, address(2, 1), &forged), Err(Dropped::Unverified));
        let forged = signed(&request(2).0, "not the password at all");
        assert_eq!(target(&mut router, address(2, 1), &forged), Err(Dropped::Unverified));
        assert_eq!(target(&mut router, address(2, 1), b"anything"), Err(Dropped::Junk));
        assert_eq!(router.len(), 1);
    }

    #[test]
    fn limits_hold_and_what_goes_makes_room() {
        let limits =
            Limits { connections_max: 4, connections_per_source_max: 2, handshakes_max: 3, ..Limits::default() };
        let mut router = router(limits);
        let first = open(&mut router, address(1, 1), 1).unwrap();
        let second = open(&mut router, address(1, 2), 2).unwrap();
        assert_eq!(open(&mut router, address(1, 3), 3), Err(Dropped::Full), "two of one source");
        let third = open(&mut router, address(2, 1), 3).unwrap();
        assert_eq!(open(&mut router, address(2, 2), 4), Err(Dropped::Full), "three handshakes");
        router.authenticated(first);
        router.authenticated(first);
        let fourth = open(&mut router, address(2, 2), 4).unwrap();
        router.authenticated(second);
        router.authenticated(third);
        assert_eq!(open(&mut router, address(3, 1), 5), Err(Dropped::Full), "four connections");
        router.remove(first);
        let fifth = open(&mut router, address(3, 1), 5).unwrap();
        for id in [second, third, fourth, fifth] {
            router.remove(id);
        }
        assert!(router.is_empty());
    }
}
