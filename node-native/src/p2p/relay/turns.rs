//! When this node's own transactions are given to everybody again: from time to time until they are mined.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use qbtc_core::hash::Txid;
use qbtc_core::sync::Moment;

use crate::node::OWN_MAX;

/// How long to wait before the first time, which is longer than a transaction may be on the stem; each time twice as long, up to the greatest.
const FIRST_MS: u64 = 240_000;
const LONGEST_MS: u64 = 2 * 60 * 60 * 1_000;

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
    wait_ms: u64,
}

impl Turns {
    pub(super) fn add(&mut self, txid: Txid, now: Moment) {
        self.remove(&txid);
        if self.waiting.len() < OWN_MAX {
            self.wait(txid, now, FIRST_MS);
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
                self.wait(*txid, now, (2 * turn.wait_ms).min(LONGEST_MS));
            }
        }
        due
    }

    fn wait(&mut self, txid: Txid, now: Moment, wait_ms: u64) {
        let at = now.plus(wait_ms);
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
        let mut times = Vec::new();
        for _ in 0..9 {
            let at = turns.deadline().unwrap();
            assert_eq!(turns.due(at), [txid]);
            times.push(at.0);
        }
        let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps[..3], [2 * FIRST_MS, 4 * FIRST_MS, 8 * FIRST_MS]);
        assert_eq!(gaps[7], LONGEST_MS);
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
    fn many_wait_and_each_comes_at_its_time() {
        let txid = |number: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            Txid::from_bytes(bytes)
        };
        let (mut turns, count) = (Turns::default(), OWN_MAX as u64);
        for number in 0..=count {
            turns.add(txid(number), Moment(count - number));
        }
        assert!(turns.has(&txid(count - 1)) && !turns.has(&txid(count)), "there is no room for more");
        // One that is spread anew begins anew.
        turns.add(txid(0), Moment(0));
        assert_eq!((turns.waiting.len(), turns.by_time.len()), (OWN_MAX, OWN_MAX));
        assert_eq!(turns.due(Moment(FIRST_MS)), [txid(0)]);
        for number in (1..count).rev() {
            let at = turns.deadline().unwrap();
            assert_eq!((at, turns.due(at)), (Moment(FIRST_MS + count - number), vec![txid(number)]));
        }
        for number in 0..count {
            turns.remove(&txid(number));
        }
        assert_eq!((turns.deadline(), turns.waiting.len()), (None, 0));
    }
}
