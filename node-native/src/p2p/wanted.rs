//! Nodes that the operator wants to be connected with: dialled again whenever they are not, ever more seldom while they do not answer.

use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

use super::address::NodeAddress;

/// The most of them.
pub(super) const WANTED_MAX: usize = 128;
/// When a node is dialled again after the first failure; twice as late after each further one.
const AGAIN_FIRST: Duration = Duration::from_secs(2);
/// When a node is dialled again at the latest.
const AGAIN_LAST: Duration = Duration::from_secs(300);
/// After how many failures the time does not grow any more.
const DOUBLINGS_MAX: u32 = 8;

/// The nodes, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Wanted(Vec<Node>);

/// One of them.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) address: NodeAddress,
    failures: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    /// To be dialled at this time.
    Due(Instant),
    Dialling(ConnectionId),
    Connected(PeerId),
}

impl Wanted {
    /// Adds a node. Whether it is new, and there is room.
    pub(super) fn add(&mut self, address: NodeAddress, now: Instant) -> bool {
        if self.0.len() >= WANTED_MAX || self.0.iter().any(|node| node.address == address) {
            return false;
        }
        self.0.push(Node { address, failures: 0, state: State::Due(now) });
        true
    }

    /// Removes a node. Whether it was there.
    pub(super) fn remove(&mut self, address: &NodeAddress) -> bool {
        let count = self.0.len();
        self.0.retain(|node| node.address != *address);
        self.0.len() < count
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.0.iter()
    }

    /// Whether a peer is one of them.
    pub(super) fn has(&self, peer: &PeerId) -> bool {
        self.0.iter().any(|node| node.peer() == Some(*peer))
    }

    /// Those that are to be dialled now.
    pub(super) fn due(&mut self, now: Instant) -> impl Iterator<Item = &mut Node> {
        self.0.iter_mut().filter(move |node| matches!(node.state, State::Due(at) if at <= now))
    }

    /// What is being dialled by this connection.
    pub(super) fn dialled_by(&self, connection: ConnectionId) -> Option<&NodeAddress> {
        self.0.iter().find(|node| node.is_dialling(connection)).map(|node| &node.address)
    }

    /// A dial succeeded. Whether it was of one of them.
    pub(super) fn connected(&mut self, connection: ConnectionId, peer: PeerId) -> bool {
        let node = self.0.iter_mut().find(|node| node.is_dialling(connection));
        node.map(|node| node.found(peer)).is_some()
    }

    /// A dial failed.
    pub(super) fn failed(&mut self, connection: ConnectionId, now: Instant) {
        for node in self.0.iter_mut().filter(|node| node.is_dialling(connection)) {
            node.fail(now);
        }
    }

    /// A peer has gone. If it had not even said hello, it is as if it had not been there.
    pub(super) fn gone(&mut self, peer: &PeerId, had_said_hello: bool, now: Instant) {
        for node in self.0.iter_mut().filter(|node| node.peer() == Some(*peer)) {
            if had_said_hello {
                node.failures = 0;
            }
            node.fail(now);
        }
    }
}

impl Node {
    /// The peer, while it is connected.
    pub(super) const fn peer(&self) -> Option<PeerId> {
        match self.state {
            State::Connected(peer) => Some(peer),
            State::Due(_) | State::Dialling(_) => None,
        }
    }

    /// It is being dialled.
    pub(super) const fn dialling(&mut self, connection: ConnectionId) {
        self.state = State::Dialling(connection);
    }

    /// It is connected.
    pub(super) const fn found(&mut self, peer: PeerId) {
        self.state = State::Connected(peer);
    }

    /// It could not be reached, or is gone.
    pub(super) fn fail(&mut self, now: Instant) {
        let later = AGAIN_FIRST.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX)).min(AGAIN_LAST);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Due(now + later);
    }

    fn is_dialling(&self, connection: ConnectionId) -> bool {
        matches!(self.state, State::Dialling(dialled) if dialled == connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_ever_longer_and_anew_after_a_meeting() {
        let (mut wanted, mut now) = (Wanted::default(), Instant::now());
        assert!(wanted.add("127.0.0.1:1".parse().unwrap(), now) && !wanted.add("127.0.0.1:1".parse().unwrap(), now));
        let mut waited = Vec::new();
        for number in 0..10 {
            let connection = ConnectionId::new_unchecked(number);
            assert_eq!(wanted.due(now).map(|node| node.dialling(connection)).count(), 1);
            assert_eq!(wanted.due(now).count(), 0, "it is being dialled");
            wanted.failed(ConnectionId::new_unchecked(99), now);
            wanted.failed(connection, now);
            let seconds = (0..).find(|seconds| wanted.due(now + Duration::from_secs(*seconds)).count() == 1).unwrap();
            now += Duration::from_secs(seconds);
            waited.push(seconds);
        }
        assert_eq!(waited, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        let (connection, peer) = (ConnectionId::new_unchecked(100), PeerId::random());
        wanted.due(now).for_each(|node| node.dialling(connection));
        assert!(wanted.connected(connection, peer) && !wanted.connected(connection, peer));
        assert_eq!(wanted.iter().next().unwrap().peer(), Some(peer));
        wanted.gone(&peer, true, now);
        assert_eq!(wanted.due(now + Duration::from_secs(2)).count(), 1);
        assert!(wanted.remove(&"127.0.0.1:1".parse().unwrap()) && !wanted.remove(&"127.0.0.1:1".parse().unwrap()));
    }

    #[test]
    fn there_are_not_too_many() {
        let (mut wanted, now) = (Wanted::default(), Instant::now());
        for port in 1..=WANTED_MAX {
            assert!(wanted.add(format!("127.0.0.1:{port}").parse().unwrap(), now));
        }
        assert!(!wanted.add("127.0.0.1:9999".parse().unwrap(), now));
    }
}
