//! Changes to the coins.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::Coin;
use crate::tx::OutPoint;

/// What leads from one set of coins to another: coins spent and coins created, whole, so that it can be reversed.
///
/// Invariant: applied by removing the spent and then adding the created coins. An outpoint stands in both only if a
/// transaction left the chain at one height and entered it at another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoinDiff {
    created: HashMap<OutPoint, Coin>,
    spent: HashMap<OutPoint, Coin>,
}

/// Why changes do not fit together. Blocks that were checked never cause this: it shows a fault of the program or the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiffError {
    /// A coin would be spent that is not there, or is a different one.
    #[error("coin {}:{} to be spent is missing or different", outpoint.txid, outpoint.index)]
    Missing {
        /// Where the coin should be.
        outpoint: OutPoint,
    },
    /// A coin would be created where there is one.
    #[error("coin {}:{} to be created exists", outpoint.txid, outpoint.index)]
    Exists {
        /// Where the coin is.
        outpoint: OutPoint,
    },
}

impl CoinDiff {
    /// The coins that are created.
    #[must_use]
    pub const fn created(&self) -> &HashMap<OutPoint, Coin> {
        &self.created
    }

    /// The coins that are spent.
    #[must_use]
    pub const fn spent(&self) -> &HashMap<OutPoint, Coin> {
        &self.spent
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.created.is_empty() && self.spent.is_empty()
    }

    /// Room for so many coins of each kind.
    #[must_use]
    pub fn with_capacity(created: usize, spent: usize) -> Self {
        Self { created: HashMap::with_capacity(created), spent: HashMap::with_capacity(spent) }
    }

    /// Adds a coin.
    ///
    /// # Errors
    /// [`DiffError::Exists`], if these changes have created it already.
    pub fn create(&mut self, outpoint: OutPoint, coin: Coin) -> Result<(), DiffError> {
        if self.spent.get(&outpoint) == Some(&coin) {
            self.spent.remove(&outpoint);
            return Ok(());
        }
        match self.created.entry(outpoint) {
            Entry::Occupied(_) => Err(DiffError::Exists { outpoint }),
            Entry::Vacant(place) => {
                place.insert(coin);
                Ok(())
            }
        }
    }

    /// Takes a coin away. One that these changes created just disappears again.
    ///
    /// # Errors
    /// [`DiffError::Missing`], if these changes have spent it already or created a different one.
    pub fn spend(&mut self, outpoint: OutPoint, coin: Coin) -> Result<(), DiffError> {
        if let Some(created) = self.created.get(&outpoint) {
            if *created != coin {
                return Err(DiffError::Missing { outpoint });
            }
            self.created.remove(&outpoint);
            return Ok(());
        }
        match self.spent.entry(outpoint) {
            Entry::Occupied(_) => Err(DiffError::Missing { outpoint }),
            Entry::Vacant(place) => {
                place.insert(coin);
                Ok(())
            }
        }
    }

    /// The changes that lead back.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { created: self.spent, spent: self.created }
    }

    /// These changes followed by others.
    ///
    /// # Errors
    /// [`DiffError`], if the others do not start where these end.
    pub fn then(mut self, next: &Self) -> Result<Self, DiffError> {
        for (outpoint, coin) in &next.spent {
            self.spend(*outpoint, *coin)?;
        }
        for (outpoint, coin) in &next.created {
            self.create(*outpoint, *coin)?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryCoins;
    use super::*;
    use crate::hash::Txid;
    use crate::lock::Address;
    use crate::testing::test;
    use crate::units::{Amount, Height};

    fn outpoint(number: u8) -> OutPoint {
        OutPoint { txid: Txid::from_bytes([number; 32]), index: 0 }
    }

    fn coin(height: u32) -> Coin {
        let address = Address::from_bytes([1; 32]);
        Coin { amount: Amount::from_coins(1), address, height: Height(height), is_coinbase: false }
    }

    #[test]
    fn a_coin_made_and_spent_leaves_no_trace() {
        let mut diff = CoinDiff::default();
        diff.create(outpoint(1), coin(1)).unwrap();
        assert_eq!(diff.create(outpoint(1), coin(1)), Err(DiffError::Exists { outpoint: outpoint(1) }));
        assert_eq!(diff.spend(outpoint(1), coin(2)), Err(DiffError::Missing { outpoint: outpoint(1) }));
        diff.spend(outpoint(1), coin(1)).unwrap();
        assert!(diff.is_empty());
        diff.spend(outpoint(2), coin(1)).unwrap();
        assert_eq!(diff.spend(outpoint(2), coin(1)), Err(DiffError::Missing { outpoint: outpoint(2) }));
    }

    /// A transaction that leaves the chain at height 1 and comes back at height 2.
    #[test]
    fn a_coin_that_moves_to_another_height_is_replaced() {
        let mut coins = MemoryCoins::default();
        let mut made = CoinDiff::default();
        made.create(outpoint(1), coin(1)).unwrap();
        coins.apply(&made).unwrap();

        let mut made_later = CoinDiff::default();
        made_later.create(outpoint(1), coin(2)).unwrap();
        let moved = made.reversed().then(&made_later).unwrap();
        coins.apply(&moved).unwrap();
        assert_eq!(coins.iter().collect::<alloc::vec::Vec<_>>(), [(&outpoint(1), &coin(2))]);
        coins.apply(&moved.reversed()).unwrap();
        assert_eq!(coins.iter().collect::<alloc::vec::Vec<_>>(), [(&outpoint(1), &coin(1))]);
    }

    #[test]
    fn changes_from_elsewhere_are_refused_whole() {
        let mut coins = MemoryCoins::default();
        let mut diff = CoinDiff::default();
        diff.create(outpoint(1), coin(1)).unwrap();
        diff.spend(outpoint(2), coin(1)).unwrap();
        assert_eq!(coins.apply(&diff), Err(DiffError::Missing { outpoint: outpoint(2) }));
        assert!(coins.is_empty());
    }
}
