//! What peers have used up of what they may send and be told, for a while after they are gone: whoever comes again goes on from there.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::allowance::{Allowance, Budget};
use super::answers::TOLD;
use super::inbound::line_of;

/// The most peers whose use is remembered. The oldest are forgotten.
const KEPT_MAX: usize = 2_048;
/// After which time nothing is left to remember: by then every budget is full again, but for what is deep in debt.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// What one peer has left.
#[derive(Clone, Debug)]
pub(super) struct Left {
    /// Of what it may send.
    pub(super) allowance: Allowance,
    /// Of what it may be told.
    pub(super) told: Budget,
}

impl Left {
    /// Of a peer that has used nothing yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { allowance: Allowance::new(now), told: Budget::new(TOLD, now) }
    }
}

/// What those have left that are gone, by the line that they came over, the newest last. Peers of this machine begin anew: what stands between
/// this node and others may be one of them.
#[derive(Debug)]
pub(super) struct Spent<T>(VecDeque<(IpAddr, Instant, T)>);

impl<T> Default for Spent<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Spent<T> {
    /// Keeps what a peer has left that was at this address.
    pub(super) fn keep(&mut self, ip: IpAddr, left: T, now: Instant) {
        let Some(line) = line_of(ip) else { return };
        if self.0.len() >= KEPT_MAX {
            self.0.pop_front();
        }
        self.0.push_back((line, now, left));
    }

    /// What the one had that left last from this address: the next one from there goes on with it.
    pub(super) fn take(&mut self, ip: Option<IpAddr>, now: Instant) -> Option<T> {
        while self.0.front().is_some_and(|(_, since, _)| now.saturating_duration_since(*since) > KEPT_FOR) {
            self.0.pop_front();
        }
        let line = ip.and_then(line_of);
        let place = self.0.iter().rposition(|(known, ..)| Some(*known) == line);
        place.and_then(|place| self.0.remove(place)).map(|(_, _, left)| left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p2p::allowance::Kind;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn left(spent: &mut Spent<Left>, from: Option<IpAddr>, now: Instant) -> Left {
        spent.take(from, now).unwrap_or_else(|| Left::new(now))
    }

    /// How many messages the next peer from there may send at once.
    fn room(spent: &mut Spent<Left>, from: &str, now: Instant) -> usize {
        let mut left = left(spent, ip(from), now);
        let taken = (0..10_000).take_while(|_| left.allowance.admit(Kind::Hello, 1, now)).count();
        spent.keep(ip(from).unwrap(), left, now);
        taken
    }

    #[test]
    fn whoever_comes_again_has_what_was_left() {
        let (mut spent, now) = (Spent::default(), Instant::now());
        let fresh = room(&mut spent, "192.0.2.1", now);
        assert_eq!((fresh > 0, room(&mut spent, "192.0.2.1", now)), (true, 0));
        assert_eq!(room(&mut spent, "::ffff:192.0.2.1", now), 0, "another way to write it");
        assert_eq!(room(&mut spent, "192.0.2.2", now), fresh, "who sits elsewhere has his own");
        assert_eq!(room(&mut spent, "2001:db8::1", now), fresh);
        assert_eq!(room(&mut spent, "2001:db8::ffff", now), 0, "one line has many addresses");
        assert!(room(&mut spent, "192.0.2.1", now + Duration::from_secs(30)) > 0, "it comes back with time");
        for _ in 0..2 {
            assert_eq!(room(&mut spent, "127.0.0.1", now), fresh, "this machine may stand for many");
        }
    }

    #[test]
    fn two_at_once_have_two_and_no_more() {
        let (mut spent, now) = (Spent::default(), Instant::now());
        let mut both = [0, 1].map(|_| left(&mut spent, ip("192.0.2.1"), now));
        for one in &mut both {
            while one.allowance.admit(Kind::Hello, 1, now) {}
        }
        both.into_iter().for_each(|one| spent.keep(ip("192.0.2.1").unwrap(), one, now));
        for _ in 0..2 {
            assert!(!left(&mut spent, ip("192.0.2.1"), now).allowance.admit(Kind::Hello, 1, now));
        }
        assert!(left(&mut spent, ip("192.0.2.1"), now).allowance.admit(Kind::Hello, 1, now));
    }

    #[test]
    fn so_many_are_kept_for_so_long() {
        let (mut spent, now) = (Spent::default(), Instant::now());
        for number in 0..=u32::try_from(KEPT_MAX).unwrap() {
            spent.keep(IpAddr::from((0xc000_0000 + number).to_be_bytes()), Left::new(now), now);
        }
        assert_eq!(spent.0.len(), KEPT_MAX);
        assert!(spent.take(None, now + KEPT_FOR + Duration::from_secs(1)).is_none());
        assert_eq!(spent.0.len(), 0);
    }
}
