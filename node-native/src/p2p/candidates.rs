//! Addresses at which this node may be reached, as far as strangers' words go. Pure: it is told what is said, and what time it is.
//!
//! Invariants: at most [`NAMED_MAX`] are named and not confirmed, of which each group has named at most [`OF_GROUP_MAX`]; a new one takes the
//! place of the oldest that has had its time, so that whoever names many keeps nothing out for good. At most [`CONFIRMED_MAX`] are confirmed,
//! and only one that is confirmed too ends the oldest of them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use qbtc_core::net::addresses::Group;

/// The most that are named and not confirmed.
const NAMED_MAX: usize = 64;
/// The most of them that one group has named.
const OF_GROUP_MAX: usize = 8;
/// How long each has its place for certain. libp2p's AutoNAT forgets none that it was given: at most 256 a day.
const TIME_MIN: Duration = Duration::from_secs(6 * 3_600);
/// The most that are confirmed: a line with a new address each day has so many that may still be its own.
const CONFIRMED_MAX: usize = 8;

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    named: Vec<Candidate>,
    confirmed: VecDeque<Multiaddr>,
}

#[derive(Debug)]
struct Candidate {
    address: Multiaddr,
    by: Group,
    since: Instant,
}

impl Candidates {
    /// Somebody of this group says that this node is there. Whether that is looked into.
    pub(super) fn named(&mut self, address: &Multiaddr, by: Group, now: Instant) -> bool {
        if self.confirmed.contains(address) || self.named.iter().any(|known| known.address == *address) {
            return true;
        }
        let is_group_full = self.named.iter().filter(|known| known.by == by).count() >= OF_GROUP_MAX;
        if is_group_full || self.named.len() >= NAMED_MAX {
            let may_go =
                |known: &Candidate| (!is_group_full || known.by == by) && now.duration_since(known.since) >= TIME_MIN;
            let Some(oldest) = self.named.iter().position(may_go) else { return false };
            self.named.remove(oldest);
        }
        self.named.push(Candidate { address: address.clone(), by, since: now });
        true
    }

    /// Somebody has reached this node there. Returns the address at which it is taken to be no more, since others have been confirmed after it.
    pub(super) fn confirmed(&mut self, address: &Multiaddr) -> Option<Multiaddr> {
        // What the operator or the router says is confirmed too, and not held here.
        let index = self.named.iter().position(|known| known.address == *address)?;
        self.confirmed.push_back(self.named.remove(index).address);
        if self.confirmed.len() > CONFIRMED_MAX { self.confirmed.pop_front() } else { None }
    }

    #[cfg(test)]
    pub(super) fn count(&self, is_meant: impl Fn(&Multiaddr) -> bool) -> usize {
        self.named.iter().filter(|known| is_meant(&known.address)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: usize) -> Multiaddr {
        format!("/ip4/8.8.8.8/tcp/{number}").parse().unwrap()
    }

    fn group(number: usize) -> Group {
        Group::Ip4([8, u8::try_from(number).unwrap()])
    }

    #[test]
    fn whoever_names_many_keeps_nobody_out_for_good() {
        let (mut candidates, start) = (Candidates::default(), Instant::now());
        // One group can name so many.
        for number in 0..1_000 {
            assert_eq!(candidates.named(&address(number), group(0), start), number < OF_GROUP_MAX);
        }
        assert!(candidates.named(&address(0), group(9), start), "it is one already");
        let others = NAMED_MAX / OF_GROUP_MAX;
        for number in OF_GROUP_MAX..NAMED_MAX {
            assert!(candidates.named(&address(number), group(number / OF_GROUP_MAX), start));
        }
        assert!(!candidates.named(&address(2_000), group(others), start), "all have had no time yet");
        let later = start + TIME_MIN;
        assert!(candidates.named(&address(2_000), group(others), later));
        assert!(candidates.named(&address(2_001), group(0), later), "in the place of one of its own");
        assert_eq!(candidates.named.len(), NAMED_MAX);
        assert!(candidates.named.iter().filter(|known| known.by == group(0)).count() <= OF_GROUP_MAX);
    }

    #[test]
    fn a_line_with_a_new_address_each_day_is_looked_into_each_day() {
        let (mut candidates, start) = (Candidates::default(), Instant::now());
        let mut ended = Vec::new();
        for day in 0..400 {
            let now = start + Duration::from_secs(86_400) * u32::try_from(day).unwrap();
            assert!(candidates.named(&address(day), group(0), now), "day {day}");
            ended.extend(candidates.confirmed(&address(day)));
        }
        // The oldest are told to nobody any more.
        assert_eq!(ended, (0..400 - CONFIRMED_MAX).map(address).collect::<Vec<_>>());
    }

    #[test]
    fn no_name_takes_away_what_was_confirmed() {
        let (mut candidates, start) = (Candidates::default(), Instant::now());
        candidates.named(&address(0), group(0), start);
        assert_eq!(candidates.confirmed(&address(0)), None);
        for number in 1..=4 * NAMED_MAX {
            let now = start + TIME_MIN * u32::try_from(number).unwrap();
            assert!(candidates.named(&address(number), group(number % 9), now));
        }
        assert!(candidates.named(&address(0), group(1), start), "it is one still");
        assert_eq!((candidates.confirmed.len(), candidates.count(|known| *known == address(0))), (1, 0));
        assert_eq!(candidates.confirmed(&address(60_000)), None, "the operator's own");
        assert_eq!(candidates.confirmed.len(), 1);
    }
}
