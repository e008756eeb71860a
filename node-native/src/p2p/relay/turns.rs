//! When this node's own transactions are given to everybody again: from time to time until they are mined.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use qbtc_core::hash::Txid;
use qbtc_core::sync::Moment;

use crate::node::OWN_MAX;

/// How long to wait before the first time, which is longer than a transaction may be on the stem; each time twice as long, up to the greatest.
/// Up to half as much is added by chance.
const FIRST_MS: u64 = 240_000;
const LONGEST_MS: u64 = 2 * HOUR_MS;
/// How long what others have passed on waits: from this, to three times this. They all have it, and whoever gives it to everybody again is the one
/// with whom it began; so it is rare, and its time says nothing.
const PASSED_ON_MS: u64 = 12 * HOUR_MS;
const HOUR_MS: u64 = 60 * 60 * 1_000;

/// Own transactions, and when each is due.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: BTreeMap<Txid, Turn>,
    /// The same, by the time at which they are due.
    by_time: BTreeSet<(Moment, Txid)>,
    /// Those of them that wait for somebody who could hear of them.
    unheard: BTreeSet<Txid>,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    at: Moment,
    /// How long it waits the next time; `None`, if others have passed it on.
    wait_ms: Option<u64>,
}

impl Turns {
    pub(super) fn add(&mut self, txid: Txid, now: Moment) {
        self.remove(&txid);
        if self.waiting.len() < OWN_MAX {
            self.wait(txid, now, Some(FIRST_MS));
        }
    }

    /// Others have passed one of them on.
    pub(super) fn set_passed_on(&mut self, txid: &Txid, now: Moment) {
        if self.waiting.get(txid).is_some_and(|turn| turn.wait_ms.is_some()) {
            self.remove(txid);
            self.wait(*txid, now, None);
        }
    }

    pub(super) fn has(&self, txid: &Txid) -> bool {
        self.waiting.contains_key(txid)
    }

    pub(super) fn remove(&mut self, txid: &Txid) {
        if let Some(turn) = self.waiting.remove(txid) {
            self.by_time.remove(&(turn.at, *txid));
            self.unheard.remove(txid);
        }
    }

    /// Has one of them wait for a peer.
    pub(super) fn set_unheard(&mut self, txid: &Txid) {
        if self.waiting.contains_key(txid) {
            self.unheard.insert(*txid);
        }
    }

    /// It waits for no peer any more.
    pub(super) fn set_heard(&mut self, txid: &Txid) {
        self.unheard.remove(txid);
    }

    /// Those that wait for a peer. There is one now.
    pub(super) fn take_unheard(&mut self) -> BTreeSet<Txid> {
        mem::take(&mut self.unheard)
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Those whose time has come. They come again later.
    pub(super) fn due(&mut self, now: Moment) -> Vec<Txid> {
        let due: Vec<Txid> = self.by_time.iter().take_while(|(at, _)| *at <= now).map(|(_, txid)| *txid).collect();
        for txid in &due {
            if let Some(turn) = self.waiting.get(txid).copied() {
                self.remove(txid);
                self.wait(*txid, now, turn.wait_ms.map(|wait_ms| (2 * wait_ms).min(LONGEST_MS)));
            }
        }
        due
    }

    fn wait(&mut self, txid: Txid, now: Moment, wait_ms: Option<u64>) {
        let (least, chance) = wait_ms.map_or((PASSED_ON_MS, 2 * PASSED_ON_MS), |wait_ms| (wait_ms, wait_ms / 2));
        // Without randomness nothing is lost but that one may foresee it.
        let at = now.plus(least + getrandom::u64().unwrap_or(0) % chance);
        self.waiting.insert(txid, Turn { at, wait_ms });
        self.by_time.insert((at, txid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_again_ever_more_rarely() {
        let (txid, mut turns) = (Txid::from_bytes([1; 32]), Turns::default());
        turns.add(txid, Moment(0));
        assert_eq!(turns.due(Moment(FIRST_MS - 1)), []);
        let mut last = Moment(0);
        for expected in [1, 2, 4, 8, 16, 30, 30].map(|times| times * FIRST_MS) {
            let at = turns.deadline().unwrap();
            assert_eq!(turns.due(at), [txid]);
            let waited = at.since(last);
            assert!((expected..expected + expected / 2).contains(&waited), "{waited} of {expected}");
            last = at;
        }
        turns.remove(&txid);
        assert_eq!(turns.deadline(), None);
    }

    #[test]
    fn who_waits_for_a_peer_is_told_once() {
        let (txid, other, mut turns) = (Txid::from_bytes([1; 32]), Txid::from_bytes([2; 32]), Turns::default());
        turns.add(txid, Moment(0));
        turns.set_unheard(&txid);
        turns.set_unheard(&other);
        assert_eq!(turns.take_unheard(), BTreeSet::from([txid]), "the other is not looked after");
        assert!(turns.take_unheard().is_empty());
        turns.set_unheard(&txid);
        turns.remove(&txid);
        assert!(turns.take_unheard().is_empty());
    }

    #[test]
    fn what_others_pass_on_comes_again_at_a_time_that_says_nothing() {
        let mut times = BTreeSet::new();
        for number in 0..20 {
            let (txid, mut turns) = (Txid::from_bytes([number; 32]), Turns::default());
            turns.add(txid, Moment(0));
            turns.set_passed_on(&txid, Moment(1_000));
            let at = turns.deadline().unwrap();
            // It is heard of from everybody, again and again.
            turns.set_passed_on(&txid, Moment(2_000));
            assert_eq!(turns.deadline(), Some(at));
            assert_eq!(turns.due(at), [txid]);
            for waited in [at.since(Moment(1_000)), turns.deadline().unwrap().since(at)] {
                assert!((PASSED_ON_MS..3 * PASSED_ON_MS).contains(&waited), "{waited}");
                times.insert(waited);
            }
        }
        assert!(times.len() > 30, "{times:?}");
        let mut turns = Turns::default();
        turns.set_passed_on(&Txid::from_bytes([1; 32]), Moment(0));
        assert_eq!(turns.deadline(), None, "it is none of them");
    }

    #[test]
    fn many_wait_and_each_comes_at_its_time() {
        let txid = |number: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            Txid::from_bytes(bytes)
        };
        let (mut turns, count) = (Turns::default(), OWN_MAX as u64);
        for number in 0..=count {
            turns.add(txid(number), Moment(10 * FIRST_MS * number));
        }
        assert!(turns.has(&txid(count - 1)) && !turns.has(&txid(count)), "there is no room for more");
        // One that is spread anew begins anew.
        turns.add(txid(0), Moment(0));
        assert_eq!((turns.waiting.len(), turns.by_time.len()), (OWN_MAX, OWN_MAX));
        for number in 0..count {
            let at = turns.deadline().unwrap();
            assert_eq!(turns.due(at), [txid(number)]);
            turns.remove(&txid(number));
        }
        assert_eq!((turns.deadline(), turns.waiting.len()), (None, 0));
    }
}
