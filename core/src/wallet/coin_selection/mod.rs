//! Which coins to spend: those that cost least.
//!
//! One witness serves all coins of one address, so what a selection costs is the number of *addresses* it opens, about 7.2 kB each
//! with ML-DSA-87, and hardly the number of coins, 33 bytes each. Several simple strategies each propose a selection:
//!
//! - each of the most valuable addresses, if it suffices alone;
//! - whole addresses, the most valuable first;
//! - single coins, the largest first, which is what wallets commonly do and what none may be worse than;
//! - a branch-and-bound search for coins that need no change, within [`EXACT_TRIES_MAX`] steps.
//!
//! The cheapest wins. Its cost is the fee, and if there is change, what spending that will cost one day. Then each opened address
//! whose remaining coins cost almost nothing is emptied, so that none of them needs a witness of its own later.
//!
//! Deterministic: the same coins give the same selection. Every loop is bounded by the number of coins or by a constant.

mod exact;
mod pick;

use alloc::vec::Vec;

use crate::lock::Address;
use crate::tx::OutPoint;
use crate::units::{Amount, FeeRate};
use crate::wallet::size::TxShape;

use pick::{Pick, Pool};

/// The most steps of the search for coins without change.
pub const EXACT_TRIES_MAX: u32 = 20_000;

/// The most addresses that are tried alone, or tried to be closed or emptied: more do not fit into one transaction.
pub const ADDRESSES_TRIED_MAX: usize = 256;

/// An opened address is emptied if its remaining coins make its witness and inputs at most one part in so many larger.
pub const SWEEP_DIVISOR: u64 = 16;

/// A coin that can be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The output.
    pub outpoint: OutPoint,
    /// How much money.
    pub amount: Amount,
    /// Whether it must be spent, whatever it costs: the inputs of a transaction that is to be replaced.
    pub is_mandatory: bool,
}

/// The coins of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoinGroup {
    /// The address.
    pub address: Address,
    /// The length of the witness that unlocks them all.
    pub witness_bytes: u64,
    /// The coins.
    pub coins: Vec<Candidate>,
}

/// What a transaction must pay for its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeeRule {
    /// At least this rate.
    pub rate: FeeRate,
    /// And, for a replacement, at least the fee of what it replaces …
    pub replaced: Amount,
    /// … with this rate for its own size on top.
    pub increment: FeeRate,
}

/// What is to be selected.
#[derive(Clone, Debug)]
pub struct SelectionRequest<'a> {
    /// What the outputs pay together.
    pub target: Amount,
    /// The transaction with these outputs, without inputs, witnesses and change.
    pub base: TxShape,
    /// What the transaction must pay for its size.
    pub fee: FeeRule,
    /// What spending the change will cost one day. Change of no more than that is left to the miner: it is worth nothing.
    pub change_spend_fee: Amount,
    /// The least change: less is left to the miner, since nodes would not relay it.
    pub change_min: Amount,
    /// The largest transaction, in bytes.
    pub bytes_max: u64,
    /// The coins.
    pub groups: &'a [CoinGroup],
    /// Money that cannot be spent yet; only told in [`SelectionError::Insufficient`].
    pub immature: Amount,
    /// Money in pending transactions; only told in [`SelectionError::Insufficient`].
    pub pending: Amount,
}

/// The coins to spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The coins, those of an address together.
    pub coins: Vec<OutPoint>,
    /// What they are worth together.
    pub amount: Amount,
    /// What goes back; `None` if that is not worth an output.
    pub change: Option<Amount>,
    /// What the miner gets: the amount less target and change.
    pub fee: Amount,
    /// The size of the signed transaction, with its change, in bytes.
    pub size_bytes: u64,
}

/// Why no coins were selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// There is not enough money.
    #[error(
        "{} QBTC are missing: {needed} QBTC are needed, the fee included, and {available} QBTC can be spent \
         ({immature} QBTC are immature, {pending} QBTC are pending)",
        needed.saturating_sub(*available)
    )]
    Insufficient {
        /// The target and the fee of a transaction that spends all that is worth spending.
        needed: Amount,
        /// What all coins that are worth spending come to.
        available: Amount,
        /// What will be mature one day.
        immature: Amount,
        /// What pending transactions hold.
        pending: Amount,
    },
    /// There is enough, in more coins than one transaction holds.
    #[error(
        "a transaction of {found} bytes would be needed, and {limit} are allowed: pay in several, or gather coins first"
    )]
    TooLarge {
        /// The smallest size found, in bytes.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Amounts beyond all the money there can be.
    #[error("the amounts or the fee exceed the largest amount")]
    Overflow,
}

impl FeeRule {
    /// A rate, for a transaction that replaces none.
    #[must_use]
    pub const fn of_rate(rate: FeeRate) -> Self {
        Self { rate, replaced: Amount::ZERO, increment: FeeRate::ZERO }
    }

    /// The least fee for a size; `None` above [`Amount::MAX`].
    #[must_use]
    pub fn fee(&self, size_bytes: u64) -> Option<Amount> {
        let replacing = self.replaced.checked_add(self.increment.fee(size_bytes)?)?;
        self.rate.fee(size_bytes).map(|fee| fee.max(replacing))
    }
}

/// Selects the coins that pay the target at the least cost.
///
/// # Errors
/// [`SelectionError`]: what is short, or too large.
pub fn select(request: &SelectionRequest<'_>) -> Result<Selection, SelectionError> {
    let pool = Pool::new(request)?;
    let alone = (0..pool.group_count().min(ADDRESSES_TRIED_MAX)).filter_map(|group| pool.fill(pool.coins_of(group)));
    let whole = pool.fill(pool.by_group()).map(trimmed);
    let mut best: Option<Proposal<'_>> = None;
    let mut smallest_refused: Option<u64> = None;
    for pick in alone.chain(whole).chain(pool.fill(pool.by_amount())).chain(exact::search(&pool)) {
        match Proposal::of(pick) {
            Ok(proposal) if best.as_ref().is_none_or(|best| proposal.rank() < best.rank()) => best = Some(proposal),
            Ok(_) => {}
            Err(size) => smallest_refused = Some(smallest_refused.map_or(size, |least| least.min(size))),
        }
    }
    match (best, smallest_refused) {
        (Some(best), _) => Ok(best.swept().into_selection()),
        (None, Some(found)) => Err(SelectionError::TooLarge { found, limit: request.bytes_max }),
        (None, None) => Err(pool.insufficient()),
    }
}

/// Selects every coin that is worth spending, for a payment of all there is. The rest of the amount is [`Selection::change`], and
/// is there unless nothing is left.
///
/// # Errors
/// [`SelectionError`]: what is short, or too large.
pub fn select_all(request: &SelectionRequest<'_>) -> Result<Selection, SelectionError> {
    let pool = Pool::new(request)?;
    let mut pick = pool.start();
    for coin in pool.by_group() {
        pick.add(coin);
    }
    match Proposal::of(pick) {
        Ok(proposal) => Ok(proposal.into_selection()),
        Err(0) => Err(pool.insufficient()),
        Err(found) => Err(SelectionError::TooLarge { found, limit: request.bytes_max }),
    }
}

/// Closes addresses, the least valuable first, that are not needed after all.
fn trimmed(mut pick: Pick<'_>) -> Pick<'_> {
    for group in pick.open_groups_by_rising_value().into_iter().take(ADDRESSES_TRIED_MAX) {
        let closed = pick.without_group(group);
        if closed.outcome().is_some() {
            pick = closed;
        }
    }
    pick
}

/// A pick that covers the target and fits into a transaction.
struct Proposal<'a> {
    pick: Pick<'a>,
    outcome: pick::Outcome,
}

impl<'a> Proposal<'a> {
    /// The size that is too large is the error; 0 if the pick does not even cover the target.
    fn of(pick: Pick<'a>) -> Result<Self, u64> {
        let outcome = pick.outcome().ok_or(0_u64)?;
        if outcome.size_bytes > pick.bytes_max() { Err(outcome.size_bytes) } else { Ok(Self { pick, outcome }) }
    }

    /// Cheaper first, then smaller.
    fn rank(&self) -> (u128, u64) {
        (self.outcome.cost, self.outcome.size_bytes)
    }

    /// With each opened address emptied whose other coins cost almost nothing.
    fn swept(mut self) -> Self {
        if self.outcome.change.is_none() {
            return self;
        }
        for group in self.pick.open_groups_by_rising_value().into_iter().take(ADDRESSES_TRIED_MAX) {
            let Some(swept) = self.pick.with_rest_of(group) else { continue };
            if let Ok(proposal) = Self::of(swept)
                && proposal.outcome.change.is_some()
            {
                self = proposal;
            }
        }
        self
    }

    fn into_selection(self) -> Selection {
        let pick::Outcome { change, fee, size_bytes, .. } = self.outcome;
        Selection { coins: self.pick.outpoints(), amount: self.pick.amount(), change, fee, size_bytes }
    }
}

#[cfg(test)]
mod tests;
