//! The node's answers, as far as the app reads them. What it does not read may change without harm.
#![allow(missing_docs, reason = "the fields are those that the node's own document describes, /api/v1/openapi.json")]

use qbtc_core::units::Amount;
use serde::Deserialize;

/// An amount of money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Money {
    pub quanta: u64,
}

impl Money {
    /// The amount; more than can be is shown as the most that can be.
    #[must_use]
    pub fn amount(self) -> Amount {
        Amount::from_quanta(self.quanta).unwrap_or(Amount::MAX)
    }
}

/// The chain as a whole.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Chain {
    pub name: String,
    pub chain_id: String,
    pub address_prefix: String,
    pub tip: Tip,
    pub header_height: u32,
    pub is_synced: bool,
    pub coins: u64,
    pub supply: Supply,
    pub spacing_s: u32,
    pub coinbase_maturity: u32,
    pub has_txindex: bool,
    pub has_addressindex: bool,
    pub pruned_below: u32,
}

/// The last block.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Tip {
    pub id: String,
    pub height: u32,
    pub time: u32,
    pub difficulty: f64,
    pub work: String,
    pub history_root: String,
}

/// How much money there can be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Supply {
    pub issued_at_most: Money,
    pub ever_at_most: Money,
    pub next_subsidy: Money,
}

/// A block in a list.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct BlockLine {
    pub id: String,
    pub height: u32,
    pub time: u32,
    pub difficulty: f64,
    pub size_bytes: Option<u64>,
    pub transactions: Option<u64>,
    pub fees: Option<Money>,
}

/// Blocks of the chain, the highest first.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct BlockPage {
    pub blocks: Vec<BlockLine>,
    pub next: Option<u32>,
}

/// A header, and where it stands.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct BlockHeader {
    pub id: String,
    pub height: u32,
    pub confirmations: Option<u32>,
    pub next: Option<String>,
    pub version: u32,
    pub parent: String,
    pub merkle_root: String,
    pub time: u32,
    pub bits: String,
    pub nonce: u32,
    pub difficulty: f64,
    pub work: String,
    pub hex: String,
}

/// A block without its transactions.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Block {
    pub header: BlockHeader,
    pub size_bytes: u64,
    pub transactions: u64,
    pub coinbase: Coinbase,
    pub commitments: Commitments,
}

/// The transaction that pays the miner.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Coinbase {
    pub txid: String,
    pub extra: String,
    pub outputs: Vec<Output>,
}

/// What a block commits to beside its transactions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Commitments {
    pub witness_root: String,
    pub filter_hash: String,
    pub history_root: String,
    pub utxo_root: String,
}

/// A transaction.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Transaction {
    pub txid: String,
    pub wtxid: Option<String>,
    pub is_coinbase: bool,
    pub size_bytes: u64,
    pub fee: Option<Money>,
    pub fee_rate: Option<u64>,
    pub lock_height: u32,
    pub expiry_height: Option<u32>,
    pub inputs: Vec<Input>,
    pub outputs: Vec<Output>,
    pub witnesses: Vec<Witness>,
    pub status: Status,
}

/// A coin as a place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CoinPlace {
    pub txid: String,
    pub index: u32,
}

/// A coin that is spent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Input {
    pub coin: CoinPlace,
    pub amount: Option<Money>,
    pub address: Option<String>,
}

/// An output.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Output {
    pub index: u32,
    pub amount: Money,
    pub address: Option<String>,
    pub data: Option<String>,
}

/// What unlocks the coins of one address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Witness {
    pub address: String,
    pub conditions: Vec<String>,
    pub size_bytes: u64,
}

/// Where a transaction is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Status {
    Pending { received: u32, since_height: u32 },
    Confirmed { block: String, height: u32, time: u32, place: u32, confirmations: u32 },
    Abandoned { block: String, place: u32 },
}

/// Transactions of a block.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TransactionPage {
    pub transactions: Vec<Transaction>,
    pub next: Option<u32>,
}

/// Shows that a transaction is in a block.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct MerkleProof {
    pub txid: String,
    pub block: String,
    pub height: u32,
    pub header: String,
    pub proof: String,
}

/// What an address holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Balance {
    pub address: String,
    pub balance: Money,
    pub immature: Money,
    pub coins: u64,
    pub is_partial: bool,
    pub height: u32,
}

/// Unspent coins of an address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Coins {
    pub coins: Vec<Coin>,
    pub next: Option<String>,
}

/// An unspent coin.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Coin {
    pub coin: CoinPlace,
    pub amount: Money,
    pub height: u32,
    pub is_coinbase: bool,
    pub spendable_from: u32,
    pub is_spent_in_mempool: bool,
}

/// What happened to an address, the latest first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct History {
    pub events: Vec<HistoryEvent>,
    pub next: Option<String>,
}

/// What one transaction did to an address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct HistoryEvent {
    pub txid: String,
    pub height: u32,
    pub received: Money,
    pub spent: Money,
}

/// The mempool in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mempool {
    pub transactions: u64,
    pub size_bytes: u64,
    pub usage_bytes: u64,
    pub usage_limit_bytes: u64,
    pub fee_rate_min: u64,
    pub incremental_fee_rate: u64,
    pub dust_min: Money,
    pub next_height: u32,
}

/// What waits, by fee rate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Bands {
    pub bands: Vec<Band>,
}

/// Transactions of about the same fee rate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Band {
    pub from_rate: u64,
    pub to_rate: Option<u64>,
    pub transactions: u32,
    pub size_bytes: u64,
}

/// Waiting transactions, in the order of arrival.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct WaitingPage {
    pub transactions: Vec<Waiting>,
    pub next: Option<u64>,
}

/// A transaction that waits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Waiting {
    pub sequence: u64,
    pub txid: String,
    pub received: u32,
    pub size_bytes: u64,
    pub fee: Money,
    pub fee_rate: u64,
    pub descendants: Relatives,
}

/// A transaction with its relatives on one side.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Relatives {
    pub count: u32,
    pub fees: Money,
}

/// What to pay.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fees {
    pub fee_rate_min: u64,
    pub estimates: Vec<FeeEstimate>,
}

/// What to pay to be mined within so many blocks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FeeEstimate {
    pub blocks: u32,
    pub fee_rate: u64,
    pub basis: String,
}

/// How the node is connected.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Network {
    pub version: String,
    pub protocol_version: u32,
    pub is_on: bool,
    pub peers: u64,
    pub inbound: u64,
    pub outbound: u64,
    pub post_quantum: u64,
    pub transports: Vec<Counted>,
    pub key_exchanges: Vec<Counted>,
    pub programs: Vec<Counted>,
    pub peer_id: Option<String>,
    pub dials: Vec<String>,
}

/// How many peers are of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Counted {
    pub name: String,
    pub peers: u64,
}

/// Whether the node does its work.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Health {
    pub status: String,
    pub version: String,
    pub chain: String,
    pub height: u32,
    pub header_height: u32,
    pub tip_age_s: u64,
    pub peers: u64,
    pub uptime_s: u64,
    pub checks: Vec<Check>,
}

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Check {
    pub name: String,
    pub passes: bool,
    pub found: String,
}

/// A transaction was handed in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Submitted {
    pub txid: String,
}

/// Why a request was not answered as asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Problem {
    pub code: String,
    pub message: String,
    pub mend: Option<String>,
}

/// What the node pushes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Subscribed {
        height: u32,
    },
    BlockConnected {
        id: String,
        height: u32,
    },
    BlockDisconnected {
        id: String,
        height: u32,
    },
    TransactionAdded {
        txid: String,
        size_bytes: u64,
    },
    TransactionRemoved {
        txid: String,
        reason: String,
    },
    Lagged {
        missed: u64,
    },
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_are_not_known_do_no_harm() {
        let read = |text| serde_json::from_str::<Event>(text).unwrap();
        assert_eq!(read(r#"{"event":"lagged","missed":3}"#), Event::Lagged { missed: 3 });
        assert_eq!(read(r#"{"event":"new_kind","field":[1]}"#), Event::Other);
        let added = r#"{"event":"transaction_added","txid":"ab","wtxid":"cd","size_bytes":7,"fee":null}"#;
        assert_eq!(read(added), Event::TransactionAdded { txid: "ab".into(), size_bytes: 7 });
    }

    #[test]
    fn where_a_transaction_is_is_read() {
        let status: Status = serde_json::from_str(r#"{"state":"pending","received":1,"since_height":2}"#).unwrap();
        assert_eq!(status, Status::Pending { received: 1, since_height: 2 });
        assert!(serde_json::from_str::<Status>(r#"{"state":"lost"}"#).is_err());
    }
}
