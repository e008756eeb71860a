//! Forgetting old blocks.

use qbtc_core::hash::BlockHash;
use qbtc_core::units::Height;
use redb::ReadableTable;

use super::commit::number_of;
use super::tables::{BODIES, HEIGHTS, META, META_PRUNED, NUMBERS, WITNESSES};
use super::{Store, StoreError, blob};

impl Store {
    /// Removes the witnesses of the chain's blocks below one height, and their bodies below another (not above the first), of so many blocks at
    /// most, so that the chain is not kept waiting. Headers, undo data, filters with their proofs, history and coins stay. Returns whether
    /// there is more to do.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn prune(&self, witnesses_below: Height, bodies_below: Height, blocks_max: u32) -> Result<bool, StoreError> {
        self.gate.pass(|| {
            let view = self.view()?;
            let bodies_below = bodies_below.min(witnesses_below);
            let witnesses = next_step(view.pruned_below(), witnesses_below, blocks_max);
            let bodies = next_step(view.bodies_pruned_below(), bodies_below, blocks_max);
            if witnesses.is_empty() && bodies.is_empty() {
                return Ok(false);
            }
            let transaction = self.begin_write()?;
            {
                let heights = transaction.open_table(HEIGHTS)?;
                let numbers = transaction.open_table(NUMBERS)?;
                for (range, table) in [(&witnesses, WITNESSES), (&bodies, BODIES)] {
                    let mut table = transaction.open_table(table)?;
                    // The genesis block stays: it is part of the program anyway.
                    for height in range.clone().filter(|height| *height > 0) {
                        let missing = || StoreError::inconsistent(format!("no block at height {height}"));
                        let id = heights.get(height)?.ok_or_else(missing)?;
                        let number = number_of(&numbers, &BlockHash::from_bytes(*id.value()))?;
                        blob::remove(&mut table, number)?;
                    }
                }
                let pruned =
                    [bodies.end.max(bodies.start).to_le_bytes(), witnesses.end.max(witnesses.start).to_le_bytes()];
                transaction.open_table(META)?.insert(META_PRUNED, pruned.as_flattened())?;
            }
            transaction.commit()?;
            Ok(witnesses.end < witnesses_below.0 || bodies.end < bodies_below.0)
        })
    }
}

fn next_step(done: Height, wanted: Height, blocks_max: u32) -> std::ops::Range<u32> {
    done.0..wanted.0.clamp(done.0, done.0.saturating_add(blocks_max))
}
