//! What the REST interface answers with: plain data with its own shapes, described to clients by the OpenAPI document.
//!
//! Amounts are whole quanta and, beside them, decimal QBTC as text; hashes are hex as everywhere else; times are seconds since 1970;
//! fee rates are quanta for each 1,000 bytes. What is made here comes out of checked data; nothing here reads or decides anything.

mod address;
mod block;
mod chain;
mod mempool;
mod network;
mod transaction;

pub(crate) use address::{AddressBalance, AddressCoin, AddressCoins, AddressHistory, AddressHistoryEvent};
pub(crate) use block::{BlockDetails, BlockHeader, BlockLine, BlockPage, Standing};
pub(crate) use chain::{ChainSummary, Supply, Tip};
pub(crate) use mempool::{Band, FeeEstimate, FeeEstimates, MempoolBands, MempoolPage, MempoolSummary, MempoolTx};
pub(crate) use network::{Counted, NetworkSummary};
pub(crate) use transaction::{
    BroadcastAnswer, MerkleProofDetails, Place, TestAnswer, TransactionDetails, TransactionPage, TransactionStatus,
};

use qbtc_core::tx::OutPoint;
use qbtc_core::units::Amount;
use serde::Serialize;
use utoipa::ToSchema;

/// An amount of money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Money {
    /// In quanta, of which 100,000,000 are one QBTC.
    #[schema(example = 1_250_000_000)]
    quanta: u64,
    /// In QBTC, as an exact decimal number.
    #[schema(example = "12.5")]
    qbtc: String,
}

impl From<Amount> for Money {
    fn from(amount: Amount) -> Self {
        Self { quanta: amount.quanta(), qbtc: amount.to_string() }
    }
}

/// A place in a transaction's outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CoinPlace {
    /// The id of the transaction.
    txid: String,
    /// The output's place in it, from 0.
    index: u32,
}

impl From<OutPoint> for CoinPlace {
    fn from(outpoint: OutPoint) -> Self {
        Self { txid: outpoint.txid.to_string(), index: outpoint.index }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_exact() {
        let money = Money::from(Amount::from_quanta(2_099_999_999_999_999).unwrap());
        assert_eq!(money.qbtc, "20999999.99999999");
        assert_eq!(serde_json::to_value(&money).unwrap()["quanta"], 2_099_999_999_999_999u64);
    }
}
