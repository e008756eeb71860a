//! Which witnesses have been verified already.

use hashbrown::HashMap;

use crate::hash::Wtxid;
use crate::units::Height;

/// Remembers transactions whose witnesses have passed, so that a block costs no signature that the mempool has verified.
///
/// A wtxid fixes the body, so the coins that are spent, so what is signed: once the witnesses have passed they pass in every
/// block from the height on at which the last of their conditions ([`crate::lock::Condition::After`]) and schemes holds. That
/// height is what is remembered. A cache belongs to one [`crate::spec::ChainSpec`] and must not be shared between chains.
///
/// Holds at most twice its capacity; old entries leave a generation at a time.
#[derive(Clone, Debug)]
pub struct VerifiedCache {
    young: HashMap<Wtxid, Height>,
    old: HashMap<Wtxid, Height>,
    capacity: usize,
}

impl VerifiedCache {
    /// A cache that always keeps the last `capacity` transactions, at about 100 bytes each.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), capacity: capacity.max(1) }
    }

    /// Remembers that a transaction's witnesses have passed and hold from this height on.
    pub fn insert(&mut self, wtxid: Wtxid, holds_from: Height) {
        if self.young.len() >= self.capacity {
            self.old = core::mem::take(&mut self.young);
        }
        self.young.insert(wtxid, holds_from);
    }

    /// Whether the transaction's witnesses are known to hold in a block of this height.
    #[must_use]
    pub fn holds_at(&self, wtxid: &Wtxid, height: Height) -> bool {
        let known = self.young.get(wtxid).or_else(|| self.old.get(wtxid));
        known.is_some_and(|from| *from <= height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn wtxid(number: u8) -> Wtxid {
        Wtxid::from_bytes([number; 32])
    }

    #[test]
    fn the_last_entries_are_kept_and_memory_is_bounded() {
        let mut cache = VerifiedCache::new(10);
        for number in 0..100 {
            cache.insert(wtxid(number), Height(5));
            assert!(cache.young.len() + cache.old.len() <= 20);
        }
        assert!((90..100).all(|number| cache.holds_at(&wtxid(number), Height(5))));
        assert!(!cache.holds_at(&wtxid(0), Height(5)));
    }

    #[test]
    fn heights_are_respected() {
        let mut cache = VerifiedCache::new(1);
        cache.insert(wtxid(1), Height(5));
        assert!(cache.holds_at(&wtxid(1), Height(5)));
        assert!(!cache.holds_at(&wtxid(1), Height(4)));
    }
}
