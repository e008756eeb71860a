//! The chain as a whole.

use qbtc_core::spec::{ChainSpec, Consensus};
use qbtc_core::units::{Amount, Height};
use serde::Serialize;
use utoipa::ToSchema;

use super::{BlockHeader, Money};
use crate::store::ChainView;

/// The chain, and how far this node has got with it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ChainSummary {
    /// The chain's name.
    #[schema(example = "main")]
    pub(crate) name: String,
    /// The chain's id: the id of its genesis block.
    pub(crate) chain_id: String,
    /// What addresses begin with.
    #[schema(example = "bqs")]
    pub(crate) address_prefix: String,
    /// The last block.
    pub(crate) tip: Tip,
    /// The height of the best header that is known.
    pub(crate) header_height: u32,
    /// Whether this node has caught up with the network.
    pub(crate) is_synced: bool,
    /// The bits that the next block must state.
    #[schema(example = "1d00ffff")]
    pub(crate) next_bits: String,
    /// How many coins are unspent.
    pub(crate) coins: u64,
    /// How much money there can be.
    pub(crate) supply: Supply,
    /// The largest sizes that the rules allow.
    pub(crate) limits: Limits,
    /// The time between blocks that the difficulty aims at, in seconds.
    pub(crate) spacing_s: u32,
    /// How many blocks above a coinbase its coins can be spent first.
    pub(crate) coinbase_maturity: u32,
    /// Whether transactions of the chain can be asked by their id (`--txindex`).
    pub(crate) has_txindex: bool,
    /// Whether addresses can be asked (`--addressindex`).
    pub(crate) has_addressindex: bool,
    /// The lowest height from which on blocks are whole on this node.
    pub(crate) pruned_below: u32,
}

/// The last block.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Tip {
    /// Its id.
    pub(crate) id: String,
    /// Its height.
    pub(crate) height: u32,
    /// When its miner says that it was made.
    pub(crate) time: u32,
    /// The median time of it and the ten blocks before, which the next block's must exceed.
    pub(crate) median_time: u32,
    /// How many times more work it took than a block of difficulty 1.
    pub(crate) difficulty: f64,
    /// The work of all blocks up to it: an expected number of hashes, in hex.
    pub(crate) work: String,
    /// The root of the history over all blocks up to it.
    pub(crate) history_root: String,
}

/// How much money there can be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Supply {
    /// What blocks up to the tip were allowed to make. Miners may have taken less.
    pub(crate) issued_at_most: Money,
    /// What can ever be.
    pub(crate) ever_at_most: Money,
    /// What the next block may make beside its fees.
    pub(crate) next_subsidy: Money,
}

/// The largest sizes that the rules allow, in bytes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Limits {
    /// Of a block with its witnesses.
    pub(crate) block_bytes: u32,
    /// Of a transaction with its witnesses.
    pub(crate) tx_bytes: u32,
    /// Of the data in one output.
    pub(crate) data_bytes: u32,
}

impl Tip {
    pub(crate) fn new(chain: &ChainView, header: &BlockHeader, median_time: u32) -> Self {
        let state = chain.state();
        Self {
            id: header.id.clone(),
            height: header.height,
            time: header.time,
            median_time,
            difficulty: header.difficulty,
            work: state.work().to_string(),
            history_root: state.history_root().to_string(),
        }
    }
}

impl Supply {
    pub(crate) fn at(spec: &ChainSpec, tip: Height) -> Self {
        let rules = spec.consensus();
        Self {
            issued_at_most: issued(rules, tip).into(),
            ever_at_most: rules.supply_max.into(),
            next_subsidy: tip.next().map_or(Amount::ZERO, |next| rules.subsidy(next)).into(),
        }
    }
}

impl From<&Consensus> for Limits {
    fn from(rules: &Consensus) -> Self {
        let qbtc_core::spec::Limits { block_bytes, tx_bytes, data_bytes } = rules.limits;
        Self { block_bytes, tx_bytes, data_bytes }
    }
}

/// The allocations and all subsidies up to a height, era by era.
fn issued(rules: &Consensus, tip: Height) -> Amount {
    let mut quanta: u64 = rules.genesis.allocations.iter().map(|allocation| allocation.amount.quanta()).sum();
    // The genesis block pays no subsidy.
    let mut first = 1u64;
    let (era, end) = (u64::from(rules.subsidy.halving_blocks), u64::from(tip.0) + 1);
    while first < end {
        let next = ((first / era + 1) * era).min(end);
        let subsidy = rules.subsidy(Height(u32::try_from(first).unwrap_or(u32::MAX))).quanta();
        if subsidy == 0 {
            break;
        }
        quanta += subsidy * (next - first);
        first = next;
    }
    Amount::from_quanta(quanta).expect("the spec holds allocations and subsidies below the most that can exist")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_issued_is_the_sum_of_all_subsidies() {
        let spec = ChainSpec::dev();
        let rules = spec.consensus();
        let allocated: u64 = rules.genesis.allocations.iter().map(|allocation| allocation.amount.quanta()).sum();
        let one_by_one =
            |tip: u32| allocated + (1..=tip).map(|height| rules.subsidy(Height(height)).quanta()).sum::<u64>();
        let era = rules.subsidy.halving_blocks;
        for tip in [0, 1, 2, 150, era - 1, era, era + 1, 2 * era + 7] {
            assert_eq!(issued(rules, Height(tip)).quanta(), one_by_one(tip), "{tip}");
        }
        assert!(issued(rules, Height(u32::MAX)) <= rules.supply_max);
    }
}
