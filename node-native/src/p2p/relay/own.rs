//! This node's own transactions, which are given to everybody again from time to time until they are mined.

use std::collections::BTreeMap;

use qbtc_core::hash::Txid;
use qbtc_core::sync::Moment;

/// The most that are looked after; beyond, they are spread once.
const OWN_MAX: usize = 10_000;
/// How long to wait before the first time, which is longer than a transaction may be on the stem; each time twice as long, up to the greatest.
const FIRST_MS: u64 = 240_000;
const LONGEST_MS: u64 = 2 * 60 * 60 * 1_000;

/// Own transactions, and when each is due.
#[derive(Debug, Default)]
pub(super) struct Own {
    waiting: BTreeMap<Txid, Turn>,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    at: Moment,
    wait_ms: u64,
}

impl Own {
    pub(super) fn add(&mut self, txid: Txid, now: Moment) {
        if self.waiting.len() < OWN_MAX {
            self.waiting.insert(txid, Turn { at: now.plus(FIRST_MS), wait_ms: FIRST_MS });
        }
    }

    pub(super) fn has(&self, txid: &Txid) -> bool {
        self.waiting.contains_key(txid)
    }

    pub(super) fn remove(&mut self, txid: &Txid) {
        self.waiting.remove(txid);
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        self.waiting.values().map(|turn| turn.at).min()
    }

    /// Those whose time has come. They come again later.
    pub(super) fn due(&mut self, now: Moment) -> Vec<Txid> {
        let mut due = Vec::new();
        for (txid, turn) in self.waiting.iter_mut().filter(|(_, turn)| turn.at <= now) {
            due.push(*txid);
            turn.wait_ms = (2 * turn.wait_ms).min(LONGEST_MS);
            turn.at = now.plus(turn.wait_ms);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_again_ever_more_rarely() {
        let (txid, mut own) = (Txid::from_bytes([1; 32]), Own::default());
        own.add(txid, Moment(0));
        assert_eq!(own.due(Moment(FIRST_MS - 1)), []);
        let mut times = Vec::new();
        for _ in 0..9 {
            let at = own.deadline().unwrap();
            assert_eq!(own.due(at), [txid]);
            times.push(at.0);
        }
        let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps[..3], [2 * FIRST_MS, 4 * FIRST_MS, 8 * FIRST_MS]);
        assert_eq!(gaps[7], LONGEST_MS);
        own.remove(&txid);
        assert_eq!(own.deadline(), None);
    }
}
