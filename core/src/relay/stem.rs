//! Dandelion++ (Fanti et al., 2018): which peer a transaction goes to while it is on the stem, and when it goes to everybody.
//!
//! Time is cut into epochs. In each, a node either passes on what comes along the stem, or gives it to everybody; and it has two peers to pass
//! it on to, chosen among those that it dialled. All that comes from one peer goes the same way, and so does all that starts here: whoever sees
//! many transactions of one origin learns no more than from one.
//!
//! Whoever passes a transaction on starts a timer. If it has not come back from everybody by then, somebody on the stem has dropped it, and it
//! goes to everybody from here: a liar on the stem delays a transaction and no more. The timers are long and random, so that who is first says
//! little.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::hash::Wtxid;
use crate::sync::{Moment, PeerKey};

/// How long an epoch lasts: from this, to twice this.
const EPOCH_MS: u64 = 300_000;
/// In one of so many epochs, what comes along the stem is given to everybody. Stems so have ten nodes on average.
const DIFFUSER_ONE_IN: u64 = 10;
/// How many peers there are to pass on to.
const DESTINATIONS: usize = 2;
/// How long a timer runs at least, and how much longer on average.
const EMBARGO_MS_MIN: u64 = 10_000;
const EMBARGO_MS_MEAN: u64 = 20_000;
/// No timer runs longer than this above the least.
const EMBARGO_MS_MAX: u64 = 180_000;
/// How long a transaction waits at most before it is passed on.
const JITTER_MS: u64 = 500;
/// The most transactions with timers: beyond, they go to everybody at once. Those that start here have as many places of their own, so that
/// nobody can take them by sending many.
const EMBARGOES_MAX: usize = 4_096;

/// Where transactions go.
#[derive(Clone, Debug)]
pub struct Stem {
    draws: Draws,
    epoch_ends: Moment,
    is_diffuser: bool,
    /// The peers that this node dialled.
    outbound: Vec<PeerKey>,
    /// Those of them to whom transactions go in this epoch.
    destinations: Vec<PeerKey>,
    routes: BTreeMap<Origin, PeerKey>,
    embargoes: BTreeMap<Wtxid, Moment>,
}

/// Where a transaction came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// It starts here.
    Here,
    /// A peer passed it on.
    Peer(PeerKey),
}

/// Where a transaction goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To one peer, after a while.
    Stem {
        /// The peer.
        to: PeerKey,
        /// How long it waits.
        delay_ms: u64,
    },
    /// To nobody until its timer ends, since none of those to whom it could go wants to hear of it; then to everybody.
    Wait,
    /// To everybody.
    Fluff,
}

impl Stem {
    /// Nobody is there yet. The key is random and secret.
    #[must_use]
    pub fn new(key: [u8; 16], now: Moment) -> Self {
        let mut stem = Self {
            draws: Draws { key, count: 0 },
            epoch_ends: now,
            is_diffuser: false,
            outbound: Vec::new(),
            destinations: Vec::new(),
            routes: BTreeMap::new(),
            embargoes: BTreeMap::new(),
        };
        stem.begin_epoch(now);
        stem
    }

    /// Notes that a peer is there that passes transactions on.
    pub fn peer_up(&mut self, peer: PeerKey, is_outbound: bool) {
        if is_outbound {
            self.outbound.push(peer);
            self.fill_destinations();
        }
    }

    /// Notes that a peer is gone. What went to it goes to others from now on.
    pub fn peer_down(&mut self, peer: PeerKey) {
        self.outbound.retain(|other| *other != peer);
        self.destinations.retain(|other| *other != peer);
        self.routes.retain(|origin, to| *origin != Origin::Peer(peer) && *to != peer);
        self.fill_destinations();
    }

    /// Where a transaction goes that is valid and that everybody does not know yet. `wants` says whether a peer would take it: one that would
    /// not, as it may say to learn what starts here, is passed over.
    pub fn route(&mut self, wtxid: &Wtxid, origin: Origin, now: Moment, wants: impl Fn(PeerKey) -> bool) -> Route {
        if self.epoch_ends <= now {
            self.begin_epoch(now);
        }
        // What comes a second time has gone in a circle.
        let is_known = self.embargoes.contains_key(wtxid);
        // What starts here goes along the stem in any case.
        let is_given_to_all = self.is_diffuser && origin != Origin::Here;
        let embargoes_max = if origin == Origin::Here { 2 * EMBARGOES_MAX } else { EMBARGOES_MAX };
        let is_alone = self.outbound.iter().all(|to| Origin::Peer(*to) == origin);
        if is_known || is_given_to_all || is_alone || self.embargoes.len() >= embargoes_max {
            self.embargoes.remove(wtxid);
            return Route::Fluff;
        }
        let to = self.destination(origin, wants);
        let delay_ms = self.draws.below(JITTER_MS);
        self.embargoes.insert(*wtxid, now.plus(delay_ms).plus(self.draws.embargo_ms()));
        to.map_or(Route::Wait, |to| Route::Stem { to, delay_ms })
    }

    /// Notes that everybody knows a transaction.
    pub fn seen(&mut self, wtxid: &Wtxid) {
        self.embargoes.remove(wtxid);
    }

    /// Those that did not come back in time: they go to everybody now.
    pub fn due(&mut self, now: Moment) -> Vec<Wtxid> {
        let due: Vec<Wtxid> = self.embargoes.iter().filter(|(_, at)| **at <= now).map(|(wtxid, _)| *wtxid).collect();
        for wtxid in &due {
            self.embargoes.remove(wtxid);
        }
        due
    }

    /// When to look for those that are due.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.embargoes.values().copied().min()
    }

    /// To whom goes what comes from there: always the same in one epoch, and never back. What that one does not want goes to the first that
    /// does, of the other destinations before all others.
    fn destination(&mut self, origin: Origin, wants: impl Fn(PeerKey) -> bool) -> Option<PeerKey> {
        let is_other = |to: &PeerKey| Origin::Peer(*to) != origin;
        let chosen = self.routes.get(&origin).copied().or_else(|| {
            let others: Vec<PeerKey> = self.destinations.iter().copied().filter(is_other).collect();
            let to = *others.get(self.draws.place(others.len())?)?;
            self.routes.insert(origin, to);
            Some(to)
        });
        let all = chosen.iter().chain(&self.destinations).chain(&self.outbound);
        all.copied().filter(is_other).find(|to| wants(*to))
    }

    fn begin_epoch(&mut self, now: Moment) {
        self.epoch_ends = now.plus(EPOCH_MS + self.draws.below(EPOCH_MS));
        self.is_diffuser = self.draws.below(DIFFUSER_ONE_IN) == 0;
        self.destinations.clear();
        self.routes.clear();
        self.fill_destinations();
    }

    fn fill_destinations(&mut self) {
        while self.destinations.len() < DESTINATIONS {
            let free: Vec<PeerKey> =
                self.outbound.iter().copied().filter(|peer| !self.destinations.contains(peer)).collect();
            let Some(chosen) = self.draws.place(free.len()).and_then(|place| free.get(place)) else { return };
            self.destinations.push(*chosen);
        }
    }
}

/// Random numbers from a secret: SipHash of a counter.
#[derive(Clone)]
struct Draws {
    key: [u8; 16],
    count: u64,
}

impl core::fmt::Debug for Draws {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Draws").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Draws {
    fn next(&mut self) -> u64 {
        self.count += 1;
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_u64(self.count);
        hasher.finish()
    }

    /// A number below a limit, which is above zero. The limits here are so small that a remainder is as good as any.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn place(&mut self, count: usize) -> Option<usize> {
        let limit = u64::try_from(count).ok().filter(|limit| *limit > 0)?;
        usize::try_from(self.below(limit)).ok()
    }

    /// The least and, on top, a time whose chance halves at each step of the mean's half-life: as for a decaying atom, what has passed says
    /// nothing about what remains.
    fn embargo_ms(&mut self) -> u64 {
        // ln 2 in thousandths, so that the mean comes out right.
        let half_life = EMBARGO_MS_MEAN * 693 / 1_000;
        let halvings = u64::from(self.next().leading_zeros());
        let within = self.below(half_life);
        EMBARGO_MS_MIN + (halvings * half_life + within).min(EMBARGO_MS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    const NOW: Moment = Moment(1_000);

    fn id(number: u16) -> Wtxid {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_le_bytes());
        Wtxid::from_bytes(bytes)
    }

    fn stem(seed: u8, outbound: u64) -> Stem {
        let mut stem = Stem::new([seed; 16], NOW);
        for peer in 1..=outbound {
            stem.peer_up(PeerKey(peer), true);
        }
        for peer in 101..=110 {
            stem.peer_up(PeerKey(peer), false);
        }
        stem.begin_epoch(NOW);
        stem
    }

    fn to(route: Route) -> Option<u64> {
        match route {
            Route::Stem { to, delay_ms } => {
                assert!(delay_ms < JITTER_MS);
                Some(to.0)
            }
            Route::Wait | Route::Fluff => None,
        }
    }

    #[test]
    fn what_starts_here_goes_one_way_to_a_peer_that_was_dialled() {
        for seed in 0..100 {
            let mut stem = stem(seed, 8);
            let first =
                to(stem.route(&id(0), Origin::Here, NOW, |_| true)).expect("along the stem, even of a diffuser");
            assert!((1..=8).contains(&first));
            for number in 1..50 {
                assert_eq!(to(stem.route(&id(number), Origin::Here, NOW, |_| true)), Some(first));
            }
        }
    }

    #[test]
    fn all_of_one_peer_goes_the_same_way_and_never_back() {
        let mut used = alloc::collections::BTreeSet::new();
        for seed in 0..100 {
            let mut stem = stem(seed, 8);
            for peer in [1, 2, 3, 101, 102] {
                let origin = Origin::Peer(PeerKey(peer));
                let routes: Vec<_> = (0..5).map(|number| to(stem.route(&id(number), origin, NOW, |_| true))).collect();
                // The same transactions from the next peer have gone in a circle.
                stem = Stem { embargoes: BTreeMap::new(), ..stem };
                assert!(routes.iter().all(|route| *route == routes[0] && *route != Some(peer)));
                used.extend(routes[0]);
            }
            assert!(stem.destinations.len() == 2);
        }
        assert_eq!(used.len(), 8, "over many epochs, every one of them");
    }

    #[test]
    fn what_is_passed_on_waits_a_while_that_nobody_foresees() {
        let mut stem = stem(1, 8);
        let mut delays: Vec<u64> = (0..1_000)
            .map(|number| match stem.route(&id(number), Origin::Here, NOW, |_| true) {
                Route::Stem { delay_ms, .. } => delay_ms,
                Route::Wait | Route::Fluff => panic!("what starts here goes along the stem"),
            })
            .collect();
        let repeated = delays.windows(2).filter(|two| two[0] == two[1]).count();
        assert!(repeated < 20, "{repeated}");
        delays.sort_unstable();
        // Evenly from none to the longest: within five standard deviations at each quarter.
        for (place, expected) in [(250, 125), (500, 250), (750, 375)] {
            assert!(delays[place].abs_diff(expected) < 40, "{} of {JITTER_MS} ms", delays[place]);
        }
        let earliest = stem.deadline().expect("timers run");
        assert!(earliest >= NOW.plus(EMBARGO_MS_MIN), "a timer runs from when it is passed on");
    }

    #[test]
    fn one_in_ten_gives_to_everybody() {
        let from_peer = |seed| to(stem(seed, 8).route(&id(0), Origin::Peer(PeerKey(101)), NOW, |_| true));
        let diffusers = (0..=255).filter(|seed| from_peer(*seed).is_none()).count();
        assert!((13..=40).contains(&diffusers), "{diffusers} of 256");
    }

    #[test]
    fn a_circle_ends_with_everybody() {
        let mut stem = stem(1, 8);
        assert!(to(stem.route(&id(0), Origin::Here, NOW, |_| true)).is_some());
        assert_eq!(stem.route(&id(0), Origin::Peer(PeerKey(101)), NOW, |_| true), Route::Fluff);
        assert_eq!(stem.deadline(), None);
    }

    #[test]
    fn alone_a_node_gives_to_everybody() {
        let mut stem = stem(1, 0);
        assert_eq!(stem.route(&id(0), Origin::Here, NOW, |_| true), Route::Fluff);
        stem.peer_up(PeerKey(1), true);
        assert_eq!(stem.route(&id(1), Origin::Peer(PeerKey(1)), NOW, |_| true), Route::Fluff, "never back");
        assert_eq!(to(stem.route(&id(2), Origin::Here, NOW, |_| true)), Some(1));
        stem.peer_down(PeerKey(1));
        assert_eq!(stem.route(&id(3), Origin::Here, NOW, |_| true), Route::Fluff);
    }

    #[test]
    fn what_does_not_come_back_goes_to_everybody_in_time() {
        let mut stem = stem(1, 8);
        for number in 0..1_000 {
            stem.route(&id(number), Origin::Here, NOW, |_| true);
        }
        stem.seen(&id(7));
        assert_eq!(stem.due(NOW.plus(EMBARGO_MS_MIN - 1)), []);
        let mut waits = 0;
        let mut last = NOW;
        while let Some(next) = stem.deadline() {
            assert!(next > last || next >= NOW.plus(EMBARGO_MS_MIN));
            last = next;
            let due = stem.due(next);
            assert!(!due.is_empty() && !due.contains(&id(7)));
            waits += due.len() as u64 * next.since(NOW);
        }
        assert!(last <= NOW.plus(EMBARGO_MS_MIN + EMBARGO_MS_MAX + JITTER_MS));
        let mean = waits / 999;
        let expected = EMBARGO_MS_MIN + EMBARGO_MS_MEAN + JITTER_MS / 2;
        assert!(mean.abs_diff(expected) < 3_000, "{mean} ms on average: expected about {expected}");
    }

    #[test]
    fn who_does_not_want_to_hear_of_it_is_passed_over_and_makes_nothing_public() {
        let mut stem = stem(1, 8);
        let usual = to(stem.route(&id(0), Origin::Here, NOW, |_| true)).unwrap();
        let instead = to(stem.route(&id(1), Origin::Here, NOW, |peer| peer.0 != usual)).unwrap();
        assert!(instead != usual && stem.destinations.contains(&PeerKey(instead)));
        assert_eq!(to(stem.route(&id(2), Origin::Here, NOW, |_| true)), Some(usual), "the way stays the same");
        let both: Vec<_> = stem.destinations.clone();
        let third = to(stem.route(&id(3), Origin::Here, NOW, |peer| !both.contains(&peer))).unwrap();
        assert!((1..=8).contains(&third) && !both.contains(&PeerKey(third)));
        assert_eq!(stem.route(&id(4), Origin::Here, NOW, |_| false), Route::Wait);
        assert!(stem.due(NOW.plus(1_000_000)).contains(&id(4)), "it goes to everybody in time");
    }

    #[test]
    fn epochs_end() {
        let mut stem = stem(1, 8);
        let mut now = NOW;
        let mut routes = alloc::collections::BTreeSet::new();
        for number in 0..200 {
            now = now.plus(2 * EPOCH_MS);
            routes.extend(to(stem.route(&id(number), Origin::Here, now, |_| true)));
        }
        assert_eq!(routes.len(), 8);
    }

    #[test]
    fn timers_are_bounded() {
        let mut stem = stem(1, 8);
        for number in 0..5_000 {
            stem.route(&id(number), Origin::Peer(PeerKey(101)), NOW, |_| true);
        }
        assert_eq!(stem.embargoes.len(), EMBARGOES_MAX);
        assert!(to(stem.route(&id(6_000), Origin::Here, NOW, |_| true)).is_some(), "what starts here has its own room");
        for number in 6_001..u16::MAX {
            stem.route(&id(number), Origin::Here, NOW, |_| true);
        }
        assert_eq!(stem.embargoes.len(), 2 * EMBARGOES_MAX);
    }
}
