//! What the chain knows about an address.

use serde::Serialize;
use utoipa::ToSchema;

use super::{CoinPlace, Money};

/// What an address holds in the chain. Transactions that wait are not counted.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AddressBalance {
    /// The address.
    pub(crate) address: String,
    /// The sum of its unspent coins.
    pub(crate) balance: Money,
    /// The part of it that comes from coinbases and cannot be spent in the next block yet.
    pub(crate) immature: Money,
    /// How many unspent coins it has.
    pub(crate) coins: usize,
    /// Whether there are more coins than were counted: then the sums are the least that it holds.
    pub(crate) is_partial: bool,
    /// The height up to which this is told.
    pub(crate) height: u32,
}

/// Unspent coins of an address, in the order of their places.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AddressCoins {
    /// The coins.
    pub(crate) coins: Vec<AddressCoin>,
    /// What to ask for as `after` to get those behind these; null where there are none.
    pub(crate) next: Option<String>,
}

/// An unspent coin.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AddressCoin {
    /// Where it is.
    pub(crate) coin: CoinPlace,
    /// How much money.
    pub(crate) amount: Money,
    /// The height of the block that made it.
    pub(crate) height: u32,
    /// Whether a coinbase made it.
    pub(crate) is_coinbase: bool,
    /// The first height of a block in which it can be spent.
    pub(crate) spendable_from: u32,
    /// Whether a transaction that waits in the mempool spends it.
    pub(crate) is_spent_in_mempool: bool,
}

/// What happened to an address, the latest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AddressHistory {
    /// The events.
    pub(crate) events: Vec<AddressHistoryEvent>,
    /// What to ask for as `before` to get what happened earlier; null where there is nothing.
    pub(crate) next: Option<String>,
}

/// What one transaction of the chain did to an address.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AddressHistoryEvent {
    /// The transaction.
    pub(crate) txid: String,
    /// The height of its block.
    pub(crate) height: u32,
    /// Its place in the block; 0 for the coinbase.
    pub(crate) place: u32,
    /// What it paid to the address.
    pub(crate) received: Money,
    /// What it spent from the address.
    pub(crate) spent: Money,
}
