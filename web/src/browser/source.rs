//! Where the wallet's questions go: to the light client, which asks several nodes, or, while that has none, to the node that serves the page, by its
//! HTTP interface.
//!
//! All that comes over HTTP is a node's word until [`crate::wallet::chain`] has checked it. What to pay, and that a payment was taken, are words of nodes
//! either way.

use qbtc_core::codec;
use qbtc_core::tx::Transaction;
use qbtc_core::units::Height;

use super::fetch::{self, FetchError};
use super::light::Light;
use crate::light::{Answer, Ask};
use crate::node::{Chain, FeeEstimate, Fees, Submitted, path};
use crate::wallet::chain::BATCH_BLOCKS;

/// The most bytes of filters that a node gives at once, with room for the last.
const FILTERS_BYTES_MAX: usize = 8 << 20;
/// The most bytes of a block, on any chain.
const BLOCK_BYTES_MAX: usize = 64 << 20;
/// The most bytes of a transaction that is relayed.
const TX_BYTES_MAX: usize = 1 << 20;

/// What came of handing in a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    /// A node has it.
    Taken,
    /// No node said so.
    Unsure(String),
    /// Whoever was asked has looked at it and does not want it: why.
    Refused(String),
}

/// The chain as the node sees it.
pub(crate) async fn chain() -> Result<Chain, FetchError> {
    fetch::json(path::CHAIN).await
}

/// Headers from a height on, as bytes; none where the chain ends below it.
pub(crate) async fn headers(from: Height, count: u32) -> Result<Vec<u8>, FetchError> {
    let limit = count.min(BATCH_BLOCKS + 1);
    match fetch::bytes(&path::headers(from.0, limit), 80 * limit as usize).await {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        answered => answered,
    }
}

/// Filters from a height on, as bytes.
pub(crate) async fn filters(from: Height, count: u32) -> Result<Vec<u8>, FetchError> {
    fetch::bytes(&path::filters(from.0, count), FILTERS_BYTES_MAX).await
}

/// A block, as bytes.
pub(crate) async fn block(id: &str) -> Result<Vec<u8>, FetchError> {
    fetch::bytes(&path::block_part(id, "raw"), BLOCK_BYTES_MAX).await
}

/// A transaction that waits; `None`, if it is not there any more or is not what it says.
pub(crate) async fn waiting(txid: &str) -> Result<Option<Transaction>, FetchError> {
    match fetch::bytes(&path::transaction_part(txid, "raw"), TX_BYTES_MAX).await {
        Ok(bytes) => {
            let transaction: Option<Transaction> = codec::decode(&bytes, TX_BYTES_MAX).ok();
            Ok(transaction.filter(|transaction| transaction.txid().to_string() == txid))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What to pay to be mined within so many blocks.
pub(crate) async fn fees(light: Light, waits: &[u32]) -> Result<Fees, FetchError> {
    if light.has_nodes()
        && let Some(Answer::Fees(rates, _)) = light.ask(&Ask::Fees(waits.to_vec())).await
    {
        let estimate = |(blocks, rate): (&u32, &qbtc_core::units::FeeRate)| FeeEstimate {
            blocks: *blocks,
            fee_rate: rate.quanta_per_1000_bytes(),
            basis: String::new(),
        };
        return Ok(Fees { fee_rate_min: 0, estimates: waits.iter().zip(&rates).map(estimate).collect() });
    }
    fetch::json(path::FEES).await
}

/// Hands a transaction to the network.
pub(crate) async fn submit(light: Light, transaction: &Transaction) -> Handed {
    if light.has_nodes() {
        return match light.ask(&Ask::Submit(Box::new(transaction.clone()))).await {
            Some(Answer::Submitted(_)) => Handed::Taken,
            Some(Answer::Refused(why)) => Handed::Refused(why),
            Some(Answer::Failed(why)) => Handed::Unsure(why),
            _ => Handed::Unsure(crate::text::NODE_UNREACHABLE.to_owned()),
        };
    }
    match fetch::post::<Submitted>(path::SUBMIT, &codec::encode(transaction)).await {
        Ok(_) => Handed::Taken,
        Err(error) if error.is_refusal() => Handed::Refused(error.sentence()),
        Err(error) => Handed::Unsure(error.sentence()),
    }
}
