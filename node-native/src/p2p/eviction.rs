//! Who makes room when all places for connections that others make are taken.
//!
//! In the manner of Bitcoin Core's `AttemptToEvictConnection`, simplified: peers that are hard to imitate are kept, each kind by something
//! else that an attacker would have to have (networks, short ways, transactions and blocks given first, long presence); of the rest, the network
//! with the most peers loses its youngest. Whoever holds one network only displaces himself. Unlike there, no places are kept for
//! Tor, I2P or peers of blocks only, which this network does not tell apart.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use qbtc_core::net::addresses::Group;
use qbtc_core::sync::PeerKey;

/// How many peers are kept for being of networks that a secret key chooses: nobody knows which.
const KEPT_BY_GROUP: usize = 4;
/// How many for answering a ping quickest, which cannot be feigned from afar.
const KEPT_BY_PING: usize = 8;
/// How many for having given a transaction last that was new here.
const KEPT_BY_TRANSACTION: usize = 4;
/// How many for having given a block last that was new here.
const KEPT_BY_BLOCK: usize = 4;

/// A peer that made its connection itself.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) key: PeerKey,
    pub(super) group: Group,
    pub(super) since: Instant,
    pub(super) ping_least: Option<Duration>,
    /// When it last gave a transaction that was new here.
    pub(super) last_transaction: Option<Instant>,
    /// When it last gave a block that was new here.
    pub(super) last_block: Option<Instant>,
}

/// Chooses who makes room; nobody, if all are worth keeping.
pub(super) fn choose(mut candidates: Vec<Candidate>, secret: &RandomState) -> Option<PeerKey> {
    keep(&mut candidates, KEPT_BY_GROUP, |peer| Some(secret.hash_one(peer.group)));
    keep(&mut candidates, KEPT_BY_PING, |peer| peer.ping_least.map(Reverse));
    keep(&mut candidates, KEPT_BY_TRANSACTION, |peer| peer.last_transaction);
    keep(&mut candidates, KEPT_BY_BLOCK, |peer| peer.last_block);
    let half = candidates.len() / 2;
    keep(&mut candidates, half, |peer| Some(Reverse(peer.since)));
    let mut counts: HashMap<Group, usize> = HashMap::new();
    for peer in &candidates {
        *counts.entry(peer.group).or_default() += 1;
    }
    candidates.iter().max_by_key(|peer| (counts[&peer.group], peer.since, peer.key)).map(|peer| peer.key)
}

/// Takes the best so many out of those that may have to go.
fn keep<T: Ord>(candidates: &mut Vec<Candidate>, count: usize, by: impl Fn(&Candidate) -> Option<T>) {
    candidates.sort_by_key(|peer| Reverse(by(peer)));
    let kept = candidates.iter().take(count).take_while(|peer| by(peer).is_some()).count();
    candidates.drain(..kept);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// A peer of this network that has been here for so long.
    fn peer(key: u64, network: u8, since: Instant) -> Candidate {
        let group = Group::of(Ipv4Addr::new(20, network, 0, 1).into());
        Candidate { key: PeerKey(key), group, since, ping_least: None, last_transaction: None, last_block: None }
    }

    #[test]
    fn one_network_displaces_itself() {
        let (start, secret) = (Instant::now(), RandomState::new());
        // Forty honest ones of forty networks, then eighty of one.
        let honest = (0..40).map(|key| peer(key, u8::try_from(key).unwrap(), start));
        let attackers = (40..120).map(|key| peer(key, 200, start + Duration::from_secs(key)));
        let all: Vec<Candidate> = honest.chain(attackers).collect();
        let chosen = choose(all.clone(), &secret).unwrap();
        assert!(chosen.0 >= 40, "{chosen:?}");
        // Also when they came first, and answer quickest, up to what is kept for that.
        let early: Vec<Candidate> = all
            .into_iter()
            .map(|mut peer| {
                if peer.key.0 >= 40 {
                    peer.since = start - Duration::from_secs(10);
                    peer.ping_least = Some(Duration::from_millis(1));
                }
                peer
            })
            .collect();
        let mut left = early;
        for _ in 0..20 {
            let chosen = choose(left.clone(), &secret).unwrap();
            left.retain(|peer| peer.key != chosen);
        }
        assert!(left.iter().filter(|peer| peer.key.0 < 40).count() >= 20, "half of the honest ones stay at least");
    }

    #[test]
    fn who_is_useful_stays() {
        let (start, secret) = (Instant::now(), RandomState::new());
        // All of one network, the last of whom are the youngest, and would go first.
        let mut all: Vec<Candidate> = (0..60).map(|key| peer(key, 1, start + Duration::from_secs(key))).collect();
        all[59].last_block = Some(start);
        all[58].last_transaction = Some(start);
        all[57].ping_least = Some(Duration::from_millis(3));
        let useful = [PeerKey(57), PeerKey(58), PeerKey(59)];
        for _ in 0..30 {
            let chosen = choose(all.clone(), &secret).unwrap();
            assert!(!useful.contains(&chosen));
            all.retain(|peer| peer.key != chosen);
        }
    }

    #[test]
    fn few_peers_are_all_kept() {
        let (start, secret) = (Instant::now(), RandomState::new());
        let few: Vec<Candidate> = (0..4).map(|key| peer(key, 1, start)).collect();
        assert_eq!(choose(few, &secret), None);
        assert_eq!(choose(Vec::new(), &secret), None);
    }
}
