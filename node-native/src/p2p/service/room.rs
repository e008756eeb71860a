//! Who has room here: newcomers when all places are taken, messages of those that send too many, peers that do not take what they are sent.

use std::time::{Duration, Instant};

use libp2p::{PeerId, identify};
use qbtc_core::net::addresses::Group;

use super::Service;
use super::commands::remote_address;
use super::meeting::Refusal;
use crate::p2p::allowance::Kind;
use crate::p2p::eviction::{Candidate, choose};
use crate::p2p::peers::Peer;
use crate::p2p::place::ip_of;

/// How long gossip may find no room with a peer.
const SLOW_TIME_MAX: Duration = Duration::from_secs(10);
/// After so long without, it is as if there had always been room.
const SLOW_FORGOTTEN: Duration = Duration::from_secs(3);

impl Service {
    /// A peer has connected by itself. If there is no place for it, one makes room that is not worth keeping, or the newcomer has to go.
    pub(super) fn make_room(&mut self, newcomer: &PeerId) {
        let inbound = || self.peers.iter().filter(|peer| !peer.is_outbound() && !peer.is_leaving);
        if inbound().count() <= self.connections.inbound as usize {
            return;
        }
        let others = inbound().filter(|peer| peer.id != *newcomer && !self.wanted.has(&peer.id));
        let candidates = others.map(|peer| Candidate {
            key: peer.key,
            group: group_of(peer),
            since: peer.since,
            ping_least: peer.ping_least,
            last_transaction: peer.last_transaction,
            last_block: peer.last_block,
        });
        let chosen = choose(candidates.collect(), &self.secret).and_then(|key| self.peers.by_key(key));
        match chosen {
            Some(id) => self.refuse(&id, &Refusal::Evicted),
            None => self.refuse(newcomer, &Refusal::Full),
        }
    }

    /// Whether a peer's message is looked at; whoever sends far too many is parted with.
    pub(super) fn admits(&mut self, id: &PeerId, kind: Kind, bytes: usize) -> bool {
        let Some(peer) = self.peers.by_id(id).filter(|peer| !peer.is_leaving) else { return false };
        let is_taken = peer.left.allowance.admit(kind, bytes, Instant::now());
        if !is_taken {
            self.turn_down(id, kind);
        }
        is_taken
    }

    /// A peer's message is not looked at.
    pub(super) fn turn_down(&mut self, id: &PeerId, kind: Kind) {
        let Some(peer) = self.peers.by_id(id).filter(|peer| !peer.is_leaving) else { return };
        let may_stay = peer.left.allowance.drop_one(Instant::now());
        if peer.left.allowance.dropped() == 1 {
            tracing::debug!(%id, kind = kind.name(), "a peer sends too much, of which some is dropped");
        }
        self.node.metrics().message_dropped(kind.name());
        if !may_stay {
            self.refuse(id, &Refusal::TooMuch { kind: kind.name() });
        }
    }

    /// What a peer says of itself beside its hello is not used; that it says so all the time is.
    pub(super) fn identified(&mut self, event: &identify::Event) {
        if let identify::Event::Received { peer_id, .. } = event {
            self.admits(peer_id, Kind::Identify, 0);
            // It also says where it sees this node, which comes next.
            if let Some(peer) = self.peers.by_id(peer_id) {
                let group = group_of(peer);
                self.swarm.behaviour_mut().reach.listen_to(group);
            }
        }
    }

    /// Gossip for a peer has found no room for the last second or so. What waits for it is held in memory, so it may not last.
    pub(super) fn is_slow(&mut self, id: &PeerId) {
        let now = Instant::now();
        let Some(peer) = self.peers.by_id(id) else { return };
        let is_anew = peer.slow_at.is_none_or(|at| now.duration_since(at) > SLOW_FORGOTTEN);
        peer.slow_at = Some(now);
        let since = if is_anew { now } else { peer.slow_since.unwrap_or(now) };
        peer.slow_since = Some(since);
        if now.duration_since(since) > SLOW_TIME_MAX {
            self.refuse(id, &Refusal::Slow);
        }
    }
}

/// The group of the address from which a peer is connected; of those that come through a relay, the relay's.
pub(super) fn group_of(peer: &Peer) -> Group {
    ip_of(&remote_address(peer)).map_or(Group::Name, Group::of)
}
