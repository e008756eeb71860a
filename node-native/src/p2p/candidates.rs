//! Addresses at which this node may be reached, as far as strangers' words go. Pure: it is told what is said, and what time it is.
//!
//! Invariants: there are at most [`CANDIDATES_MAX`], of which each group has named at most [`OF_GROUP_MAX`]; a new one takes the place of the
//! oldest that has had its time, rather of one that nobody has confirmed, so that whoever names many keeps nothing out for good.

use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use qbtc_core::net::addresses::Group;

/// The most of them.
const CANDIDATES_MAX: usize = 64;
/// The most that one group has named.
const OF_GROUP_MAX: usize = 8;
/// How long each has its place for certain. libp2p's AutoNAT forgets none that it was given: at most 256 a day.
const TIME_MIN: Duration = Duration::from_secs(6 * 3_600);

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Candidates(Vec<Candidate>);

#[derive(Debug)]
struct Candidate {
    address: Multiaddr,
    by: Group,
    since: Instant,
    is_confirmed: bool,
}

/// What becomes of an address that was named.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// It is a candidate, perhaps in the place of one that was confirmed.
    Taken { instead_of: Option<Multiaddr> },
    /// There is no place for it.
    Refused,
}

impl Candidates {
    /// Somebody of this group says that this node is there.
    pub(super) fn named(&mut self, address: &Multiaddr, by: Group, now: Instant) -> Named {
        let mut instead_of = None;
        if self.0.iter().any(|known| known.address == *address) {
            return Named::Taken { instead_of };
        }
        let is_group_full = self.0.iter().filter(|known| known.by == by).count() >= OF_GROUP_MAX;
        if is_group_full || self.0.len() >= CANDIDATES_MAX {
            let may_go =
                |known: &Candidate| (!is_group_full || known.by == by) && now.duration_since(known.since) >= TIME_MIN;
            let index = |is_confirmed: bool| {
                self.0.iter().position(|known| known.is_confirmed == is_confirmed && may_go(known))
            };
            let Some(oldest) = index(false).or_else(|| index(true)) else { return Named::Refused };
            let gone = self.0.remove(oldest);
            instead_of = gone.is_confirmed.then_some(gone.address);
        }
        self.0.push(Candidate { address: address.clone(), by, since: now, is_confirmed: false });
        Named::Taken { instead_of }
    }

    /// Somebody has reached this node there.
    pub(super) fn confirmed(&mut self, address: &Multiaddr) {
        for known in self.0.iter_mut().filter(|known| known.address == *address) {
            known.is_confirmed = true;
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self, is_meant: impl Fn(&Multiaddr) -> bool) -> usize {
        self.0.iter().filter(|known| is_meant(&known.address)).count()
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

    const TAKEN: Named = Named::Taken { instead_of: None };

    #[test]
    fn whoever_names_many_keeps_nobody_out_for_good() {
        let (mut candidates, start) = (Candidates::default(), Instant::now());
        // One group can name so many.
        for number in 0..1_000 {
            let is_taken = candidates.named(&address(number), group(0), start) == TAKEN;
            assert_eq!(is_taken, number < OF_GROUP_MAX);
        }
        assert_eq!(candidates.named(&address(0), group(9), start), TAKEN, "it is one already");
        let others = CANDIDATES_MAX / OF_GROUP_MAX;
        for number in OF_GROUP_MAX..CANDIDATES_MAX {
            assert_eq!(candidates.named(&address(number), group(number / OF_GROUP_MAX), start), TAKEN);
        }
        assert_eq!(candidates.named(&address(2_000), group(others), start), Named::Refused, "all have had no time yet");
        let later = start + TIME_MIN;
        assert_eq!(candidates.named(&address(2_000), group(others), later), TAKEN);
        assert_eq!(candidates.named(&address(2_001), group(0), later), TAKEN, "in the place of one of its own");
        assert_eq!(candidates.0.len(), CANDIDATES_MAX);
        assert!(candidates.0.iter().filter(|known| known.by == group(0)).count() <= OF_GROUP_MAX);
    }

    #[test]
    fn a_line_with_a_new_address_each_day_is_looked_into_each_day() {
        let (mut candidates, start) = (Candidates::default(), Instant::now());
        let mut ended = Vec::new();
        for day in 0..400 {
            let now = start + Duration::from_secs(86_400) * u32::try_from(day).unwrap();
            match candidates.named(&address(day), group(0), now) {
                Named::Taken { instead_of } => ended.extend(instead_of),
                Named::Refused => panic!("day {day}"),
            }
            candidates.confirmed(&address(day));
        }
        // The oldest are told to nobody any more.
        assert_eq!(ended, (0..400 - OF_GROUP_MAX).map(address).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_confirmed_stays_longest() {
        let (mut candidates, start) = (Candidates::default(), Instant::now());
        for number in 0..OF_GROUP_MAX {
            candidates.named(&address(number), group(0), start);
        }
        candidates.confirmed(&address(0));
        for number in 1..OF_GROUP_MAX {
            assert_eq!(candidates.named(&address(100 + number), group(0), start + TIME_MIN), TAKEN);
        }
        let named = candidates.named(&address(200), group(0), start + TIME_MIN);
        assert_eq!(named, Named::Taken { instead_of: Some(address(0)) });
    }
}
