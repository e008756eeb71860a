//! Where coins are looked up.

use core::convert::Infallible;

use hashbrown::HashMap;

use super::{Coin, CoinDiff, DiffError};
use crate::tx::OutPoint;

/// The coins at some tip.
pub trait CoinView {
    /// Why a look-up can fail: a fault of the store, never of the one who asks.
    type Error;

    /// The coin at an outpoint; `None` if it never was or is spent.
    ///
    /// # Errors
    /// A fault of the store.
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Self::Error>;
}

impl<V: CoinView + ?Sized> CoinView for &V {
    type Error = V::Error;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, V::Error> {
        (**self).coin(outpoint)
    }
}

/// A view with changes on top that are not stored yet.
#[derive(Clone, Copy, Debug)]
pub struct Overlay<'a, V> {
    /// What lies below.
    pub base: V,
    /// The changes.
    pub diff: &'a CoinDiff,
}

impl<V: CoinView> CoinView for Overlay<'_, V> {
    type Error = V::Error;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, V::Error> {
        if let Some(coin) = self.diff.created().get(outpoint) {
            return Ok(Some(*coin));
        }
        if self.diff.spent().contains_key(outpoint) {
            return Ok(None);
        }
        self.base.coin(outpoint)
    }
}

/// All coins, in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryCoins(HashMap<OutPoint, Coin>);

impl MemoryCoins {
    /// How many coins there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The coins, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&OutPoint, &Coin)> {
        self.0.iter()
    }

    /// Applies changes, all or none.
    ///
    /// # Errors
    /// [`DiffError`], if the changes do not start from these coins.
    pub fn apply(&mut self, diff: &CoinDiff) -> Result<(), DiffError> {
        for (outpoint, coin) in diff.spent() {
            if self.0.get(outpoint) != Some(coin) {
                return Err(DiffError::Missing { outpoint: *outpoint });
            }
        }
        for outpoint in diff.created().keys() {
            if self.0.contains_key(outpoint) && !diff.spent().contains_key(outpoint) {
                return Err(DiffError::Exists { outpoint: *outpoint });
            }
        }
        for outpoint in diff.spent().keys() {
            self.0.remove(outpoint);
        }
        self.0.extend(diff.created());
        Ok(())
    }
}

impl FromIterator<(OutPoint, Coin)> for MemoryCoins {
    fn from_iter<I: IntoIterator<Item = (OutPoint, Coin)>>(coins: I) -> Self {
        Self(coins.into_iter().collect())
    }
}

impl CoinView for MemoryCoins {
    type Error = Infallible;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Infallible> {
        Ok(self.0.get(outpoint).copied())
    }
}
