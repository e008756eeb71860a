//! What is known of an address, and what that is worth.

use serde::{Deserialize, Serialize};

use super::address::{Group, PeerAddress};
use crate::net::Services;
use crate::units::BlockTime;

/// An address as nodes tell it each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressNews {
    /// Where the node is.
    pub address: PeerAddress,
    /// What it does for others.
    pub services: Services,
    /// When it was last known to be there.
    pub last_seen: BlockTime,
}

/// An address in the book. Times of what never was are zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where the node is.
    pub address: PeerAddress,
    /// What it does for others: its own words, or those of who told of it.
    pub services: Services,
    /// The group of who told of it first.
    pub source: Group,
    /// When it was last known to be there, by its own words or those of others.
    pub last_seen: BlockTime,
    /// When it was last dialled.
    pub last_try: BlockTime,
    /// When it was last connected to.
    pub last_success: BlockTime,
    /// When a failure was last counted.
    pub last_failure: BlockTime,
    /// How many dials have failed since it was last connected to.
    pub failures: u32,
    /// Whether it stands in the tried table.
    pub is_tried: bool,
}

pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// How far in the future a time may be.
pub(super) const FUTURE_MAX: i64 = 10 * MINUTE;
/// After which time an address that nobody has seen is not worth its place.
const UNSEEN_MAX: i64 = 30 * DAY;
/// How many failures an address may have that never worked.
const FAILURES_NEVER_MAX: u32 = 3;
/// How many it may have, if it has not worked for [`NOT_WORKING_MAX`].
const FAILURES_MAX: u32 = 10;
const NOT_WORKING_MAX: i64 = 7 * DAY;
/// How long after a dial the next one is unlikely.
const PAUSE: i64 = 10 * MINUTE;

/// What [`Entry::chance`] is at most.
pub(super) const CHANCE_MAX: u64 = 1 << 16;

impl Entry {
    pub(super) fn new(news: AddressNews, source: Group) -> Self {
        let never = BlockTime(0);
        Self {
            address: news.address,
            services: news.services,
            source,
            last_seen: news.last_seen,
            last_try: never,
            last_success: never,
            last_failure: never,
            failures: 0,
            is_tried: false,
        }
    }

    /// Whether it is not worth its place: too old, said to be of the future, or failing again and again.
    #[must_use]
    pub fn is_terrible(&self, now: BlockTime) -> bool {
        let ago = |time: BlockTime| now.seconds_since(time);
        if self.last_try != BlockTime(0) && (0..=MINUTE).contains(&ago(self.last_try)) {
            return false; // Its dial may be under way.
        }
        let never_worked = self.last_success == BlockTime(0) && self.failures >= FAILURES_NEVER_MAX;
        let works_no_more = ago(self.last_success) > NOT_WORKING_MAX && self.failures >= FAILURES_MAX;
        ago(self.last_seen) < -FUTURE_MAX || ago(self.last_seen) > UNSEEN_MAX || never_worked || works_no_more
    }

    /// How likely it is taken once it is drawn, in parts of [`CHANCE_MAX`]: a third less for each failure, up to eight, and a hundredth
    /// shortly after a dial.
    pub(super) fn chance(&self, now: BlockTime) -> u64 {
        let pause = if (0..PAUSE).contains(&now.seconds_since(self.last_try)) { 100 } else { 1 };
        (0..self.failures.min(8)).fold(CHANCE_MAX / pause, |chance, _| chance * 2 / 3)
    }

    /// What is told of it.
    #[must_use]
    pub fn news(&self) -> AddressNews {
        AddressNews { address: self.address.clone(), services: self.services, last_seen: self.last_seen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    const NOW: BlockTime = BlockTime(1_800_000_000);

    fn seen(seconds_ago: i64) -> Entry {
        let last_seen = BlockTime(u32::try_from(i64::from(NOW.0) - seconds_ago).unwrap());
        let address = "/ip4/1.2.3.4/tcp/1".parse().unwrap();
        Entry::new(AddressNews { address, services: Services::NODE, last_seen }, Group::Name)
    }

    #[test]
    fn what_is_terrible_is_known() {
        assert!(!seen(30 * DAY).is_terrible(NOW) && seen(30 * DAY + 1).is_terrible(NOW));
        assert!(!seen(-10 * MINUTE).is_terrible(NOW) && seen(-10 * MINUTE - 1).is_terrible(NOW));
        assert!(!Entry { failures: 2, ..seen(0) }.is_terrible(NOW));
        assert!(Entry { failures: 3, ..seen(0) }.is_terrible(NOW));
        let worked =
            |days: u32, failures| Entry { last_success: BlockTime(NOW.0 - days * 86_400), failures, ..seen(0) };
        assert!(!worked(8, 9).is_terrible(NOW) && !worked(7, 10).is_terrible(NOW) && worked(8, 10).is_terrible(NOW));
        assert!(!Entry { last_try: BlockTime(NOW.0 - 60), failures: 3, ..seen(0) }.is_terrible(NOW));
    }

    #[test]
    fn failures_and_haste_lower_the_chance() {
        assert_eq!(seen(0).chance(NOW), CHANCE_MAX);
        let failed = |failures| Entry { failures, ..seen(0) }.chance(NOW);
        assert!(failed(1) < CHANCE_MAX && failed(8) < failed(7) && failed(9) == failed(8) && failed(8) > 0);
        let dialled = |ago| Entry { last_try: BlockTime(NOW.0 - ago), ..seen(0) }.chance(NOW);
        assert_eq!((dialled(599), dialled(600)), (CHANCE_MAX / 100, CHANCE_MAX));
    }
}
