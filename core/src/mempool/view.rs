//! The coins at the tip together with those of the pool.

use super::graph::Graph;
use crate::tx::OutPoint;
use crate::units::Height;
use crate::utxo::{Coin, CoinView};

/// The coins at the tip with the pool's transactions applied: what is still there to spend.
#[derive(Clone, Copy, Debug)]
pub struct MempoolView<'a, V> {
    base: V,
    graph: &'a Graph,
    height: Height,
    hides_spent: bool,
}

impl<'a, V> MempoolView<'a, V> {
    /// What nobody in the pool spends yet.
    pub(super) const fn unspent(graph: &'a Graph, base: V, height: Height) -> Self {
        Self { base, graph, height, hides_spent: true }
    }

    /// What a new transaction may spend, if it replaces those that spend it now.
    pub(super) const fn replaceable(graph: &'a Graph, base: V, height: Height) -> Self {
        Self { base, graph, height, hides_spent: false }
    }

    /// The coin that a transaction in the pool makes, as if the next block held it.
    fn unconfirmed(&self, outpoint: &OutPoint) -> Option<Coin> {
        let entry = self.graph.entry(self.graph.by_txid(&outpoint.txid)?);
        let output = entry.tx().body().outputs.get(usize::try_from(outpoint.index).ok()?)?;
        Coin::of_output(output, self.height, false)
    }
}

impl<V: CoinView> CoinView for MempoolView<'_, V> {
    type Error = V::Error;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, V::Error> {
        if self.hides_spent && self.graph.spender(outpoint).is_some() {
            return Ok(None);
        }
        match self.unconfirmed(outpoint) {
            Some(coin) => Ok(Some(coin)),
            None => self.base.coin(outpoint),
        }
    }
}
