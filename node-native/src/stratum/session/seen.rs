//! The shares of a connection that were accepted lately, so that none counts twice.

use std::collections::{HashSet, VecDeque};

/// The hashes of the last [`SeenShares::REMEMBERED`] shares.
///
/// What is forgotten could be handed in again; but at the rate of shares that is aimed at, its job was forgotten long before.
#[derive(Debug, Default)]
pub(super) struct SeenShares {
    known: HashSet<u128>,
    order: VecDeque<u128>,
}

impl SeenShares {
    /// How many are remembered.
    pub(super) const REMEMBERED: usize = 1_024;

    /// Remembers a share by its hash. Says false if it was known.
    pub(super) fn insert(&mut self, hash: &[u8; 32]) -> bool {
        // The low half of a hash: work makes zeros at the other end.
        let mut low = [0; 16];
        low.copy_from_slice(&hash[..16]);
        let share = u128::from_le_bytes(low);
        if !self.known.insert(share) {
            return false;
        }
        self.order.push_back(share);
        if self.order.len() > Self::REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: usize) -> [u8; 32] {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&(number as u64).to_le_bytes());
        hash
    }

    #[test]
    fn the_last_shares_are_known_and_memory_is_bounded() {
        let mut seen = SeenShares::default();
        for number in 0..=SeenShares::REMEMBERED {
            assert!(seen.insert(&hash(number)));
            assert!(!seen.insert(&hash(number)));
        }
        assert_eq!((seen.known.len(), seen.order.len()), (SeenShares::REMEMBERED, SeenShares::REMEMBERED));
        assert!(!seen.insert(&hash(1)), "the oldest that is remembered");
        assert!(seen.insert(&hash(0)), "the first was forgotten");
        seen.clear();
        assert!(seen.insert(&hash(5)));
    }
}
