//! Where an account learns of the chain: the node's HTTP interface, in the questions that following the chain consists of.
//!
//! All answers are a node's word until [`crate::wallet::chain`] has checked them.

use qbtc_core::codec;
use qbtc_core::tx::Transaction;
use qbtc_core::units::Height;

use super::fetch::{self, FetchError};
use crate::node::{Chain, Fees, Submitted, path};
use crate::wallet::chain::BATCH_BLOCKS;

/// The most bytes of filters that a node gives at once, with room for the last.
const FILTERS_BYTES_MAX: usize = 8 << 20;
/// The most bytes of a block, on any chain.
const BLOCK_BYTES_MAX: usize = 64 << 20;
/// The most bytes of a transaction that is relayed.
const TX_BYTES_MAX: usize = 1 << 20;

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

/// What to pay.
pub(crate) async fn fees() -> Result<Fees, FetchError> {
    fetch::json(path::FEES).await
}

/// Hands a transaction to the network.
pub(crate) async fn submit(transaction: &Transaction) -> Result<Submitted, FetchError> {
    fetch::post(path::SUBMIT, &codec::encode(transaction)).await
}
