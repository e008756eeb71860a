//! The coins to choose from, and a choice among them whose size and fee are always known.

use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::Range;

use super::{CoinGroup, SWEEP_DIVISOR, SelectionError, SelectionRequest};
use crate::tx::OutPoint;
use crate::units::Amount;
use crate::wallet::size::{TxShape, address_output_bytes, input_bytes, varint_bytes};

/// The coins that are worth spending, those of a group side by side, the largest of a group first, the most valuable group first.
pub(super) struct Pool<'a> {
    request: &'a SelectionRequest<'a>,
    coins: Vec<Coin>,
    groups: Vec<Group>,
}

pub(super) struct Coin {
    outpoint: OutPoint,
    amount: Amount,
    pub(super) group: usize,
    input_bytes: u64,
    is_mandatory: bool,
    /// What it adds once its group is open, in thousandths of a quantum: amount less the rate's fee for the input.
    pub(super) value: i128,
}

struct Group {
    coins: Range<usize>,
    witness_bytes: u64,
    /// What the whole group adds, in thousandths of a quantum, its witness paid.
    value: i128,
}

/// A choice.
#[derive(Clone)]
pub(super) struct Pick<'a> {
    pool: &'a Pool<'a>,
    chosen: Vec<bool>,
    /// How many coins of each group are chosen.
    opened: Vec<usize>,
    amount: Amount,
    shape: TxShape,
}

/// What a choice leads to.
pub(super) struct Outcome {
    pub(super) change: Option<Amount>,
    pub(super) fee: Amount,
    pub(super) size_bytes: u64,
    /// The fee, and what spending the change will cost, in quanta.
    pub(super) cost: u128,
}

impl<'a> Pool<'a> {
    /// Leaves out coins and groups that cost more than they are worth, but for mandatory ones.
    pub(super) fn new(request: &'a SelectionRequest<'a>) -> Result<Self, SelectionError> {
        let rate = i128::from(request.fee.rate.quanta_per_1000_bytes());
        let all = request.groups.iter().flat_map(|group| &group.coins).map(|coin| coin.amount);
        Amount::checked_sum(all.chain([request.target])).ok_or(SelectionError::Overflow)?;
        let mut sorted: Vec<(i128, u64, Vec<Coin>)> =
            request.groups.iter().filter_map(|group| worth_spending(group, rate)).collect();
        // The order must not depend on the order in which a shell holds its coins.
        sorted.sort_by_key(|(value, _, coins)| (Reverse(*value), coins[0].outpoint));
        let (mut coins, mut groups) = (Vec::new(), Vec::new());
        for (value, witness_bytes, of_group) in sorted {
            let start = coins.len();
            coins.extend(of_group.into_iter().map(|coin| Coin { group: groups.len(), ..coin }));
            groups.push(Group { coins: start..coins.len(), witness_bytes, value });
        }
        Ok(Self { request, coins, groups })
    }

    pub(super) fn request(&self) -> &SelectionRequest<'a> {
        self.request
    }

    pub(super) fn coins(&self) -> &[Coin] {
        &self.coins
    }

    /// What opening a group costs, in thousandths of a quantum.
    pub(super) fn witness_cost(&self, group: usize) -> i128 {
        i128::from(self.request.fee.rate.quanta_per_1000_bytes()) * i128::from(self.groups[group].witness_bytes)
    }

    pub(super) fn group_count(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn coins_of(&self, group: usize) -> Range<usize> {
        self.groups[group].coins.clone()
    }

    pub(super) fn by_group(&self) -> Range<usize> {
        0..self.coins.len()
    }

    pub(super) fn by_amount(&self) -> Vec<usize> {
        let mut order: Vec<_> = self.by_group().collect();
        order.sort_by_key(|at| (Reverse(self.coins[*at].amount), self.coins[*at].outpoint));
        order
    }

    /// The mandatory coins.
    pub(super) fn start(&'a self) -> Pick<'a> {
        let mut pick = Pick {
            pool: self,
            chosen: vec![false; self.coins.len()],
            opened: vec![0; self.groups.len()],
            amount: Amount::ZERO,
            shape: self.request.base,
        };
        for (at, _) in self.coins.iter().enumerate().filter(|(_, coin)| coin.is_mandatory) {
            pick.add(at);
        }
        pick
    }

    /// The mandatory coins, and then these, until they cover the target.
    pub(super) fn fill(&'a self, order: impl IntoIterator<Item = usize>) -> Option<Pick<'a>> {
        let mut pick = self.start();
        let mut order = order.into_iter();
        while !pick.covers() {
            pick.add(order.next()?);
        }
        Some(pick)
    }

    /// What is short if everything is spent.
    pub(super) fn insufficient(&self) -> SelectionError {
        let mut all = self.start();
        self.by_group().for_each(|at| all.add(at));
        let &SelectionRequest { target, immature, pending, .. } = self.request;
        let fee = self.request.fee.fee(all.shape.bytes());
        match fee.and_then(|fee| target.checked_add(fee)) {
            Some(needed) => SelectionError::Insufficient { needed, available: all.amount, immature, pending },
            None => SelectionError::Overflow,
        }
    }
}

/// A group's value, witness and coins, the largest first, without what costs more than it is worth; `None` if nothing is left.
fn worth_spending(group: &CoinGroup, rate: i128) -> Option<(i128, u64, Vec<Coin>)> {
    let mut coins: Vec<_> = group
        .coins
        .iter()
        .map(|coin| {
            let input_bytes = input_bytes(&coin.outpoint);
            let value = i128::from(coin.amount.quanta()) * 1_000 - rate * i128::from(input_bytes);
            let (outpoint, amount, is_mandatory) = (coin.outpoint, coin.amount, coin.is_mandatory);
            Coin { outpoint, amount, group: 0, input_bytes, is_mandatory, value }
        })
        .filter(|coin| coin.value > 0 || coin.is_mandatory)
        .collect();
    coins.sort_by_key(|coin| (Reverse(coin.amount), coin.outpoint));
    // A group that a mandatory coin opens has its witness paid already: its other coins are worth spending by themselves.
    let is_open = coins.iter().any(|coin| coin.is_mandatory);
    let witness = if is_open { 0 } else { rate * i128::from(group.witness_bytes) };
    let value = coins.iter().map(|coin| coin.value).sum::<i128>() - witness;
    (value > 0 || is_open).then_some((value, group.witness_bytes, coins))
}

impl Pick<'_> {
    /// Adds a coin, unless it is chosen already.
    pub(super) fn add(&mut self, at: usize) {
        if core::mem::replace(&mut self.chosen[at], true) {
            return;
        }
        let coin = &self.pool.coins[at];
        self.amount = self.amount.checked_add(coin.amount).expect("the sum of all coins is an amount");
        self.shape = self.shape.with_input(coin.input_bytes);
        if self.opened[coin.group] == 0 {
            self.shape = self.shape.with_witness(self.pool.groups[coin.group].witness_bytes);
        }
        self.opened[coin.group] += 1;
    }

    /// Leaves a coin out again, unless it is not chosen or mandatory.
    pub(super) fn remove(&mut self, at: usize) {
        let coin = &self.pool.coins[at];
        if !self.chosen[at] || coin.is_mandatory {
            return;
        }
        self.chosen[at] = false;
        self.amount = self.amount.checked_sub(coin.amount).expect("the coin is part of the sum");
        self.shape = self.shape.without_input(coin.input_bytes);
        self.opened[coin.group] -= 1;
        if self.opened[coin.group] == 0 {
            self.shape = self.shape.without_witness(self.pool.groups[coin.group].witness_bytes);
        }
    }

    pub(super) fn has(&self, at: usize) -> bool {
        self.chosen[at]
    }

    pub(super) fn is_open(&self, group: usize) -> bool {
        self.opened[group] > 0
    }

    pub(super) const fn amount(&self) -> Amount {
        self.amount
    }

    pub(super) const fn bytes_max(&self) -> u64 {
        self.pool.request.bytes_max
    }

    pub(super) fn outpoints(&self) -> Vec<OutPoint> {
        let coins = self.pool.coins.iter().zip(&self.chosen);
        coins.filter(|(_, chosen)| **chosen).map(|(coin, _)| coin.outpoint).collect()
    }

    /// Whether the coins pay target and fee.
    pub(super) fn covers(&self) -> bool {
        self.excess().is_some()
    }

    /// What is left of the coins once target and fee of a transaction without change are paid. A transaction spends something.
    fn excess(&self) -> Option<Amount> {
        if self.amount == Amount::ZERO {
            return None;
        }
        let fee = self.pool.request.fee.fee(self.shape.bytes())?;
        self.amount.checked_sub(self.pool.request.target)?.checked_sub(fee)
    }

    /// Change, fee and cost; `None` if the coins do not cover the target.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.excess()?;
        let left = self.amount.checked_sub(self.pool.request.target)?;
        let SelectionRequest { change_spend_fee: spend_fee, change_min, .. } = *self.pool.request;
        let outcome = |change: Option<Amount>, size_bytes: u64| {
            let fee = left.saturating_sub(change.unwrap_or(Amount::ZERO));
            let later = if change.is_some() { spend_fee.quanta() } else { 0 };
            let cost = u128::from(fee.quanta()) + u128::from(later);
            Outcome { change, fee, size_bytes, cost }
        };
        match self.change(left).filter(|(change, _)| *change > spend_fee && *change >= change_min) {
            Some((change, size_bytes)) => Some(outcome(Some(change), size_bytes)),
            None => Some(outcome(None, self.shape.bytes())),
        }
    }

    /// The greatest change that leaves the fee of a transaction with that change, and the size of that transaction.
    ///
    /// The larger the change, the longer its own encoding, by which the fee grows. So the lengths are tried, shortest first: at the
    /// first in which the change fits, the fee is enough.
    fn change(&self, left: Amount) -> Option<(Amount, u64)> {
        (0..9).find_map(|shift| {
            let longest_amount = (1_u64 << (7 * (shift + 1))) - 1;
            let fee = self.pool.request.fee.fee(self.with_change(longest_amount).bytes())?;
            let change = left.checked_sub(fee)?;
            let fits = varint_bytes(change.quanta()) <= shift + 1;
            fits.then(|| (change, self.with_change(change.quanta()).bytes()))
        })
    }

    const fn with_change(&self, quanta: u64) -> TxShape {
        self.shape.with_output(address_output_bytes(quanta))
    }

    pub(super) fn open_groups_by_rising_value(&self) -> Vec<usize> {
        let mut open: Vec<_> = (0..self.pool.group_count()).filter(|group| self.is_open(*group)).collect();
        open.sort_by_key(|group| (self.pool.groups[*group].value, *group));
        open
    }

    /// Without what is not mandatory of a group.
    pub(super) fn without_group(&self, group: usize) -> Self {
        let mut pick = self.clone();
        self.pool.coins_of(group).for_each(|at| pick.remove(at));
        pick
    }

    /// With the coins of an open group that are not chosen yet; `None` if there are none, or they cost more than almost nothing.
    pub(super) fn with_rest_of(&self, group: usize) -> Option<Self> {
        let (mut rest_bytes, mut chosen_bytes) = (0, self.pool.groups[group].witness_bytes);
        for at in self.pool.coins_of(group) {
            let sum = if self.chosen[at] { &mut chosen_bytes } else { &mut rest_bytes };
            *sum += self.pool.coins[at].input_bytes;
        }
        if rest_bytes == 0 || rest_bytes > chosen_bytes / SWEEP_DIVISOR {
            return None;
        }
        let mut pick = self.clone();
        self.pool.coins_of(group).for_each(|at| pick.add(at));
        Some(pick)
    }
}
