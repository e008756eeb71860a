//! A transaction in the pool, with what the pool knows of it.

use alloc::sync::Arc;

use crate::hash::{Txid, Wtxid};
use crate::units::{Amount, BlockTime, FeeRate, Height};
use crate::utxo::Coin;
use crate::verify::{CheckedTx, ResolvedTx};

/// The order in which transactions came into a pool. Never given twice, so it names an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// The sums over a transaction and its relatives in the pool on one side, the transaction included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// How many transactions.
    pub count: u32,
    /// Their size with witnesses, in bytes.
    pub size_bytes: u64,
    /// What they leave to the miner.
    pub fees: Amount,
    /// The same with what the node's operator added or took off ([`Mempool::prioritise`](super::Mempool::prioritise)), in quanta.
    /// Wide enough that no sum over a pool overflows.
    pub modified_fees: i128,
}

/// A transaction in the pool: valid in the next block, together with its ancestors in the pool.
#[derive(Clone, Debug)]
pub struct MempoolEntry {
    resolved: ResolvedTx,
    arrival: Arrival,
    fee_rate: FeeRate,
    pub(super) fee_delta: i64,
    pub(super) ancestors: Package,
    pub(super) descendants: Package,
}

/// When and where a transaction came into the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) sequence: Sequence,
    pub(super) height: Height,
    pub(super) time: BlockTime,
}

impl Package {
    /// One transaction alone, with what is added to its fee.
    pub(super) fn of(tx: &ResolvedTx, fee_delta: i64) -> Self {
        let fees = tx.fee();
        let modified_fees = i128::from(fees.quanta()) + i128::from(fee_delta);
        Self { count: 1, size_bytes: tx.tx().size_bytes().into(), fees, modified_fees }
    }

    /// With another package beside it.
    #[must_use]
    pub(super) fn plus(self, other: Self) -> Self {
        let fees = self.fees.checked_add(other.fees);
        Self {
            count: self.count + other.count,
            size_bytes: self.size_bytes + other.size_bytes,
            fees: fees.expect("fees of transactions without conflict are different money, all of which exists"),
            modified_fees: self.modified_fees + other.modified_fees,
        }
    }

    /// Without a package that is part of it.
    #[must_use]
    pub(super) fn minus(self, part: Self) -> Self {
        Self {
            count: self.count - part.count,
            size_bytes: self.size_bytes - part.size_bytes,
            fees: self.fees.checked_sub(part.fees).expect("a part has at most the fees of the whole"),
            modified_fees: self.modified_fees - part.modified_fees,
        }
    }

    /// With a transaction of it valued otherwise.
    #[must_use]
    pub(super) fn revalued(self, change: i128) -> Self {
        Self { modified_fees: self.modified_fees + change, ..self }
    }

    /// What the package pays for its size.
    #[must_use]
    pub fn fee_rate(&self) -> FeeRate {
        FeeRate::reached_by(self.fees, self.size_bytes).unwrap_or_default()
    }

    /// What it counts for: the rate of its modified fees, which decides what is taken, kept and mined. Zero, if they are negative.
    #[must_use]
    pub fn modified_fee_rate(&self) -> FeeRate {
        FeeRate::reached_by(shown(self.modified_fees), self.size_bytes).unwrap_or_default()
    }
}

/// Modified fees as an amount: what is negative or beyond all amounts is brought to the nearest.
pub(super) fn shown(modified_fees: i128) -> Amount {
    let quanta = u64::try_from(modified_fees.max(0)).unwrap_or(u64::MAX);
    Amount::from_quanta(quanta).unwrap_or(Amount::MAX)
}

impl MempoolEntry {
    pub(super) fn new(resolved: ResolvedTx, fee_delta: i64, arrival: Arrival, ancestors: Package) -> Self {
        let own = Package::of(&resolved, fee_delta);
        Self {
            fee_rate: own.fee_rate(),
            resolved,
            arrival,
            fee_delta,
            ancestors: ancestors.plus(own),
            descendants: own,
        }
    }

    /// The transaction.
    #[must_use]
    pub const fn tx(&self) -> &Arc<CheckedTx> {
        self.resolved.tx()
    }

    /// The id without witnesses.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.tx().txid()
    }

    /// The id with witnesses.
    #[must_use]
    pub fn wtxid(&self) -> Wtxid {
        self.tx().wtxid()
    }

    /// The coins it spends, in the order of its inputs.
    #[must_use]
    pub fn spent(&self) -> &[Coin] {
        self.resolved.spent()
    }

    /// What it leaves to the miner.
    #[must_use]
    pub const fn fee(&self) -> Amount {
        self.resolved.fee()
    }

    /// The size with witnesses, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u32 {
        self.tx().size_bytes()
    }

    /// What it pays for its size.
    #[must_use]
    pub const fn fee_rate(&self) -> FeeRate {
        self.fee_rate
    }

    /// What it leaves to the miner, with what the node's operator added or took off, in quanta.
    #[must_use]
    pub fn modified_fee(&self) -> i128 {
        self.own().modified_fees
    }

    /// Its place in the order of arrival.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.arrival.sequence
    }

    /// The height of the next block when it came.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.arrival.height
    }

    /// When it came, by the clock of whoever drives the pool.
    #[must_use]
    pub const fn time(&self) -> BlockTime {
        self.arrival.time
    }

    /// The transaction with all that must be mined before it.
    #[must_use]
    pub const fn ancestors(&self) -> &Package {
        &self.ancestors
    }

    /// The transaction with all that can only be mined after it.
    #[must_use]
    pub const fn descendants(&self) -> &Package {
        &self.descendants
    }

    pub(super) const fn resolved(&self) -> &ResolvedTx {
        &self.resolved
    }

    pub(super) const fn arrival(&self) -> Arrival {
        self.arrival
    }

    pub(super) fn own(&self) -> Package {
        Package::of(&self.resolved, self.fee_delta)
    }

    /// How little would be lost by giving it up with its descendants: its own rate or theirs together, whichever is higher, so
    /// that a child that pays for its parent protects it and a cheap child does not harm it.
    pub(super) fn keep_rate(&self) -> FeeRate {
        self.own().modified_fee_rate().max(self.descendants.modified_fee_rate())
    }

    /// About how much memory the entry takes, in bytes.
    pub(super) fn usage_bytes(&self) -> u64 {
        usage_bytes(self.tx())
    }
}

/// About how much memory a transaction takes in the pool, in bytes: its encoding, and what Rust's structures and the pool's
/// indices add to it on a 64-bit machine. Fixed numbers, so that every target evicts alike.
pub(super) fn usage_bytes(tx: &CheckedTx) -> u64 {
    const ENTRY_BYTES: u64 = 1_000;
    const INPUT_BYTES: u64 = 180;
    const OUTPUT_BYTES: u64 = 32;
    const WITNESS_BYTES: u64 = 200;
    let (body, witnesses) = (tx.body(), tx.transaction().witnesses.len());
    u64::from(tx.size_bytes())
        + ENTRY_BYTES
        + INPUT_BYTES * body.inputs.len() as u64
        + OUTPUT_BYTES * body.outputs.len() as u64
        + WITNESS_BYTES * witnesses as u64
}
