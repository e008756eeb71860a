//! The transactions that were handed in here and wait for a block: others are to hear of them until they are mined, also after a restart.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use qbtc_core::hash::Txid;

/// The most that are looked after; beyond, they are spread once.
pub(crate) const OWN_MAX: usize = 10_000;

/// Own transactions of the mempool, and of each who hears of it.
#[derive(Debug, Default)]
pub(crate) struct Own(Mutex<BTreeMap<Txid, Hearing>>);

/// Who hears of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    /// Nobody but the stem.
    Secret,
    /// Whoever asks; it was given to everybody when nobody was there.
    Offered,
    /// Everybody.
    Known,
}

impl Own {
    /// Looks after a transaction. One that is looked after already stays as it is.
    pub(crate) fn add(&self, txid: Txid) {
        let mut own = self.0.lock();
        if own.len() < OWN_MAX {
            own.entry(txid).or_insert(Hearing::Secret);
        }
    }

    /// Notes that others know it, if it is one of them.
    pub(crate) fn set_known(&self, txid: &Txid) {
        if let Some(hearing) = self.0.lock().get_mut(txid) {
            *hearing = Hearing::Known;
        }
    }

    /// Notes that it was given to everybody when nobody was there, if it is one of them.
    pub(crate) fn set_offered(&self, txid: &Txid) {
        if let Some(hearing @ Hearing::Secret) = self.0.lock().get_mut(txid) {
            *hearing = Hearing::Offered;
        }
    }

    pub(crate) fn remove(&self, txid: &Txid) {
        self.0.lock().remove(txid);
    }

    pub(crate) fn has(&self, txid: &Txid) -> bool {
        self.0.lock().contains_key(txid)
    }

    /// Whether it is one of them, and nobody else may know it.
    pub(crate) fn is_unheard(&self, txid: &Txid) -> bool {
        self.0.lock().get(txid).is_some_and(|hearing| *hearing != Hearing::Known)
    }

    /// Whether it is one of them, and on the stem: whoever shows that he has it then is where it began.
    pub(crate) fn is_secret(&self, txid: &Txid) -> bool {
        self.0.lock().get(txid) == Some(&Hearing::Secret)
    }

    /// How many nobody else may know.
    pub(crate) fn unheard(&self) -> usize {
        self.0.lock().values().filter(|hearing| **hearing != Hearing::Known).count()
    }

    /// All of them, and of each whether it is known to others.
    pub(crate) fn all(&self) -> BTreeMap<Txid, bool> {
        self.0.lock().iter().map(|(txid, hearing)| (*txid, *hearing == Hearing::Known)).collect()
    }

    /// Looks after those of the last run as well.
    pub(crate) fn restore(&self, last: BTreeMap<Txid, bool>) {
        let mut own = self.0.lock();
        for (txid, is_known) in last {
            if own.len() < OWN_MAX {
                own.entry(txid).or_insert(if is_known { Hearing::Known } else { Hearing::Secret });
            }
        }
    }

    /// Leaves those that do not wait any more.
    pub(crate) fn retain(&self, is_waiting: impl Fn(&Txid) -> bool) {
        self.0.lock().retain(|txid, _| is_waiting(txid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn txid(number: usize) -> Txid {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Txid::from_bytes(bytes)
    }

    #[test]
    fn they_are_unheard_until_somebody_knows_them() {
        let own = Own::default();
        own.add(txid(1));
        own.add(txid(2));
        own.set_known(&txid(1));
        own.set_known(&txid(3));
        assert_eq!((own.unheard(), own.has(&txid(3))), (1, false));
        assert!(own.is_unheard(&txid(2)) && !own.is_unheard(&txid(1)) && !own.is_unheard(&txid(3)));
        // What is handed in again is as known as before.
        own.add(txid(1));
        assert!(!own.is_unheard(&txid(1)));
        own.set_offered(&txid(1));
        assert!(own.is_secret(&txid(2)) && !own.is_secret(&txid(1)) && !own.is_secret(&txid(3)));
        own.set_offered(&txid(2));
        assert!(own.is_unheard(&txid(2)) && !own.is_secret(&txid(2)));
        own.remove(&txid(2));
        assert_eq!(own.all(), BTreeMap::from([(txid(1), true)]));
    }

    #[test]
    fn they_are_bounded_and_come_back() {
        let own = Own::default();
        own.add(txid(0));
        own.restore((0..=OWN_MAX).map(|number| (txid(number), true)).collect());
        own.add(txid(OWN_MAX + 1));
        assert_eq!((own.all().len(), own.unheard()), (OWN_MAX, 1));
        own.retain(|other| *other != txid(0));
        assert_eq!((own.all().len(), own.unheard()), (OWN_MAX - 1, 0));
    }
}
