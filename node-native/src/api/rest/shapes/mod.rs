//! What the REST interface answers with: plain data with its own shapes, described to clients by the OpenAPI document.
//!
//! Amounts are whole quanta and, beside them, decimal QBTC as text; hashes are hex as everywhere else; times are seconds since 1970;
//! fee rates are quanta for each 1,000 bytes. What is made here comes out of checked data; nothing here reads or decides anything.

mod address;
mod block;
mod chain;
mod mempool;
mod transaction;

pub(crate) use address::{AddressBalance, AddressCoin, AddressCoins, AddressHistory, AddressHistoryEvent};
pub(crate) use block::{BlockDetails, BlockHeader, BlockLine, BlockPage, Standing};
pub(crate) use chain::{ChainSummary, Supply, Tip};
pub(crate) use mempool::{Band, FeeEstimate, FeeEstimates, MempoolBands, MempoolPage, MempoolSummary, MempoolTx};
pub(crate) use transaction::{
    BroadcastAnswer, MerkleProofDetails, Place, TestAnswer, TransactionDetails, TransactionPage, TransactionStatus,
};

use qbtc_core::tx::OutPoint;
use qbtc_core::units::{Amount, CompactBits};
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

/// The exponent and mantissa of Bitcoin's easiest target, by which difficulty is measured.
const UNIT_EXPONENT: u32 = 0x1d;
const UNIT_MANTISSA: u32 = 0xffff;

/// How many times more work a block of these bits takes than one of Bitcoin's easiest target. For people to read: nothing is decided
/// by it.
pub(crate) fn difficulty(bits: CompactBits) -> f64 {
    let (exponent, mantissa) = (bits.0 >> 24, bits.0 & 0x007f_ffff);
    let steps = i32::try_from(exponent).unwrap_or(i32::MAX) - i32::try_from(UNIT_EXPONENT).unwrap_or(0);
    f64::from(UNIT_MANTISSA) / f64::from(mantissa.max(1)) / 256f64.powi(steps)
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

    /// Bitcoin's blocks 0, 32256 and 100000, as every explorer shows them.
    #[test]
    fn difficulty_is_that_of_bitcoin() {
        for (bits, expected) in
            [(0x1d00_ffff, 1.0), (0x1d00_d86a, 1.182_899_534_312_841), (0x1b04_864c, 14_484.162_361_225_399)]
        {
            let found = difficulty(CompactBits(bits));
            assert!((found / expected - 1.0).abs() < 1e-12, "{bits:08x}: {found}");
        }
    }
}
