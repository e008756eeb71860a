//! The mempool, and what it says about fees.

use qbtc_core::mempool::{EstimateBasis, MempoolEntry, Package};
use serde::Serialize;
use utoipa::ToSchema;

use super::Money;

/// The mempool in numbers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MempoolSummary {
    /// How many transactions wait.
    pub(crate) transactions: usize,
    /// Their size with witnesses, in bytes.
    pub(crate) size_bytes: u64,
    /// About how much memory they take, in bytes.
    pub(crate) usage_bytes: u64,
    /// How much memory they may take, in bytes.
    pub(crate) usage_limit_bytes: u64,
    /// The least fee rate that is taken now, in quanta for each 1,000 bytes.
    pub(crate) fee_rate_min: u64,
    /// By how much the rate of a replacement must exceed what it replaces, in quanta for each 1,000 bytes.
    pub(crate) incremental_fee_rate: u64,
    /// The least amount of an output that is taken.
    pub(crate) dust_min: Money,
    /// The height of the next block, in which all of them are valid.
    pub(crate) next_height: u32,
}

/// Transactions of the mempool, in the order of arrival.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MempoolPage {
    /// The transactions.
    pub(crate) transactions: Vec<MempoolTx>,
    /// What to ask for as `after` to get those that came later; null where there are none yet.
    pub(crate) next: Option<u64>,
}

/// A transaction that waits.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MempoolTx {
    /// Its place in the order of arrival. Numbers are not given twice while the node runs.
    pub(crate) sequence: u64,
    /// Its id without witnesses.
    pub(crate) txid: String,
    /// Its id with witnesses.
    pub(crate) wtxid: String,
    /// When this node got it.
    pub(crate) received: u32,
    /// Its size with witnesses, in bytes.
    pub(crate) size_bytes: u32,
    /// What it leaves to the miner.
    pub(crate) fee: Money,
    /// The fee for its size, in quanta for each 1,000 bytes.
    pub(crate) fee_rate: u64,
    /// It and all that must be mined before it.
    pub(crate) ancestors: Relatives,
    /// It and all that can only be mined after it.
    pub(crate) descendants: Relatives,
}

/// A transaction with its relatives in the mempool on one side.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Relatives {
    /// How many transactions, itself included.
    pub(crate) count: u32,
    /// Their size with witnesses, in bytes.
    pub(crate) size_bytes: u64,
    /// What they leave to the miner together.
    pub(crate) fees: Money,
}

/// What waits, by fee rate.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MempoolBands {
    /// The bands, the cheapest first.
    pub(crate) bands: Vec<Band>,
}

/// Transactions of about the same fee rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Band {
    /// The lowest rate in the band, in quanta for each 1,000 bytes.
    pub(crate) from_rate: u64,
    /// The rate at which the next band begins; null for the last.
    pub(crate) to_rate: Option<u64>,
    /// How many transactions.
    pub(crate) transactions: u32,
    /// Their size with witnesses, in bytes.
    pub(crate) size_bytes: u64,
}

/// What to pay.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FeeEstimates {
    /// The least fee rate that is taken now, in quanta for each 1,000 bytes.
    pub(crate) fee_rate_min: u64,
    /// One for each wait.
    pub(crate) estimates: Vec<FeeEstimate>,
}

/// What to pay to be mined within so many blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FeeEstimate {
    /// Within how many blocks.
    pub(crate) blocks: u32,
    /// The rate to pay, in quanta for each 1,000 bytes.
    pub(crate) fee_rate: u64,
    /// Where the rate comes from: `floor` where blocks have room for all, `pool` or `recent_blocks`.
    pub(crate) basis: &'static str,
}

impl From<&MempoolEntry> for MempoolTx {
    fn from(entry: &MempoolEntry) -> Self {
        Self {
            sequence: entry.sequence().0,
            txid: entry.txid().to_string(),
            wtxid: entry.wtxid().to_string(),
            received: entry.time().0,
            size_bytes: entry.size_bytes(),
            fee: entry.fee().into(),
            fee_rate: entry.fee_rate().quanta_per_1000_bytes(),
            ancestors: entry.ancestors().into(),
            descendants: entry.descendants().into(),
        }
    }
}

impl From<&Package> for Relatives {
    fn from(package: &Package) -> Self {
        Self { count: package.count, size_bytes: package.size_bytes, fees: package.fees.into() }
    }
}

impl FeeEstimate {
    pub(crate) const fn new(blocks: u32, estimate: qbtc_core::mempool::FeeEstimate) -> Self {
        let basis = match estimate.basis {
            EstimateBasis::Floor => "floor",
            EstimateBasis::Pool => "pool",
            EstimateBasis::RecentBlocks => "recent_blocks",
        };
        Self { blocks, fee_rate: estimate.rate.quanta_per_1000_bytes(), basis }
    }
}

impl Band {
    /// Where bands begin, in quanta for each 1,000 bytes: about half as much again each time, so that each fits into a column of a chart.
    pub(crate) const RATES: [u64; 17] = [
        0, 1_000, 1_500, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 50_000, 75_000, 100_000, 200_000,
        500_000, 1_000_000,
    ];

    /// Bands without transactions.
    pub(crate) fn all() -> Vec<Self> {
        let ends = Self::RATES.iter().skip(1).map(|rate| Some(*rate)).chain([None]);
        let band =
            |(from_rate, to_rate): (&u64, _)| Self { from_rate: *from_rate, to_rate, transactions: 0, size_bytes: 0 };
        Self::RATES.iter().zip(ends).map(band).collect()
    }

    /// The place of the band that a rate falls into.
    pub(crate) fn place(rate: u64) -> usize {
        Self::RATES.partition_point(|from| *from <= rate) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rate_falls_into_its_band() {
        let bands = Band::all();
        for rate in [0, 1, 999, 1_000, 1_001, 1_499, 1_500, 999_999, 1_000_000, u64::MAX] {
            let band = &bands[Band::place(rate)];
            assert!(band.from_rate <= rate && band.to_rate.is_none_or(|to| rate < to), "{rate}: {band:?}");
        }
        assert!(bands.windows(2).all(|pair| pair[0].to_rate == Some(pair[1].from_rate)));
    }
}
