//! What a wallet asks a node, by JSON-RPC.
//!
//! The answers are taken apart here and no further: that they are true is checked by whoever asked.

use std::ops::Range;

use qbtc_core::codec;
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::header::Header;
use qbtc_core::tx::Transaction;
use qbtc_core::units::{FeeRate, Height};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Client, ClientError};
use crate::commitments_proof::CommitmentsProof;

/// A block's compact filter, as a node gives it.
#[derive(Clone, Debug)]
pub struct BlockFilter {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What shows that the block commits to it; a node that has pruned the block has none.
    pub proof: Option<CommitmentsProof>,
}

/// A node, or what stands for one in a test.
pub trait ChainSource {
    /// The height of its tip.
    ///
    /// # Errors
    /// [`ClientError`]; so for all calls.
    fn height(&self) -> Result<Height, ClientError>;

    /// The ids of main-chain blocks of these heights, in order.
    ///
    /// # Errors
    /// [`ClientError`].
    fn block_ids(&self, heights: Range<u32>) -> Result<Vec<BlockHash>, ClientError>;

    /// The headers of these blocks.
    ///
    /// # Errors
    /// [`ClientError`].
    fn headers(&self, ids: &[BlockHash]) -> Result<Vec<Header>, ClientError>;

    /// The compact filters of these blocks.
    ///
    /// # Errors
    /// [`ClientError`].
    fn filters(&self, ids: &[BlockHash]) -> Result<Vec<BlockFilter>, ClientError>;

    /// A block's bytes.
    ///
    /// # Errors
    /// [`ClientError`].
    fn block(&self, id: &BlockHash) -> Result<Vec<u8>, ClientError>;

    /// The transactions that wait in the node's pool.
    ///
    /// # Errors
    /// [`ClientError`].
    fn waiting(&self) -> Result<Vec<Txid>, ClientError>;

    /// Those of the waiting transactions that are still to be had.
    ///
    /// # Errors
    /// [`ClientError`].
    fn transactions(&self, ids: &[Txid]) -> Result<Vec<Transaction>, ClientError>;

    /// Hands a transaction to the node.
    ///
    /// # Errors
    /// [`ClientError::Rpc`], if the node refuses it.
    fn submit(&self, transaction: &Transaction) -> Result<(), ClientError>;
}

/// Bitcoin's error for a call about something that is not there.
pub const NOT_FOUND: i64 = -5;
/// Bitcoin's error for a transaction that is in a block already.
const ALREADY_IN_CHAIN: i64 = -27;
/// The longest transaction, in bytes: no chain's limit is above its largest block.
const TX_BYTES_MAX: usize = 64 << 20;

impl ChainSource for Client {
    fn height(&self) -> Result<Height, ClientError> {
        self.call("getblockcount", json!([])).map(Height)
    }

    fn block_ids(&self, heights: Range<u32>) -> Result<Vec<BlockHash>, ClientError> {
        self.batch("getblockhash", &heights.map(|height| json!([height])).collect::<Vec<_>>())
    }

    fn headers(&self, ids: &[BlockHash]) -> Result<Vec<Header>, ClientError> {
        let texts: Vec<String> = self.batch("getblockheader", &of_each(ids, |id| json!([id, false])))?;
        let header = |text: String| {
            let bytes = from_hex(self, "getblockheader", &text)?;
            let bytes = bytes.first_chunk().filter(|_| bytes.len() == Header::BYTES);
            bytes
                .map(Header::from_bytes)
                .ok_or_else(|| strange(self, "getblockheader", "a header of 80 bytes was expected"))
        };
        texts.into_iter().map(header).collect()
    }

    fn filters(&self, ids: &[BlockHash]) -> Result<Vec<BlockFilter>, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            filter: String,
            #[serde(default)]
            proof: Option<String>,
        }
        const METHOD: &str = "getblockfilter";
        let answers: Vec<Answer> = self.batch(METHOD, &of_each(ids, |id| json!([id])))?;
        let proof = |text: &String| {
            let proof = CommitmentsProof::from_bytes(&from_hex(self, METHOD, text)?);
            proof.map_err(|error| strange(self, METHOD, &error.to_string()))
        };
        let filter = |answer: &Answer| {
            let bytes = from_hex(self, METHOD, &answer.filter)?;
            Ok(BlockFilter { bytes, proof: answer.proof.as_ref().map(proof).transpose()? })
        };
        answers.iter().map(filter).collect()
    }

    fn block(&self, id: &BlockHash) -> Result<Vec<u8>, ClientError> {
        let text: String = self.call("getblock", json!([id, 0]))?;
        from_hex(self, "getblock", &text)
    }

    fn waiting(&self) -> Result<Vec<Txid>, ClientError> {
        self.call("getrawmempool", json!([]))
    }

    fn transactions(&self, ids: &[Txid]) -> Result<Vec<Transaction>, ClientError> {
        // One by one: a transaction that was mined in between would fail a whole batch.
        let mut transactions = Vec::new();
        for id in ids {
            match self.call::<String>("getrawtransaction", json!([id])) {
                Ok(text) => {
                    let bytes = from_hex(self, "getrawtransaction", &text)?;
                    let transaction = codec::decode(&bytes, TX_BYTES_MAX);
                    transactions
                        .push(transaction.map_err(|error| strange(self, "getrawtransaction", &error.to_string()))?);
                }
                Err(ClientError::Rpc { code: NOT_FOUND, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(transactions)
    }

    fn submit(&self, transaction: &Transaction) -> Result<(), ClientError> {
        let text = hex::encode(codec::encode(transaction));
        match self.call::<Value>("sendrawtransaction", json!([text])) {
            Ok(_) | Err(ClientError::Rpc { code: ALREADY_IN_CHAIN, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether a node has looked at a transaction and does not want it. Other errors leave open whether it has taken it.
#[must_use]
pub fn is_refusal(error: &ClientError) -> bool {
    /// Bitcoin's errors for a value that is not possible, bytes that do not decode, a transaction that lacks what it builds on, and one
    /// that breaks a rule.
    const REFUSED: [i64; 4] = [-8, -22, -25, -26];
    matches!(error, ClientError::Rpc { code, .. } if REFUSED.contains(code))
}

/// What nodes say about fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeAdvice {
    /// The rate.
    pub rate: FeeRate,
    /// Whether it is an estimate; otherwise the node has seen too little, and it is the least that it relays.
    pub is_estimate: bool,
}

/// Asks at which rate a transaction is mined within so many blocks, and never advises less than the node relays.
///
/// # Errors
/// [`ClientError`].
pub fn fee_advice(node: &Client, within_blocks: u32) -> Result<FeeAdvice, ClientError> {
    #[derive(Deserialize)]
    struct Estimate {
        feerate: Option<f64>,
    }
    #[derive(Deserialize)]
    struct Pool {
        mempoolminfee: f64,
    }
    let estimate: Estimate = node.call("estimatesmartfee", json!([within_blocks]))?;
    let pool: Pool = node.call("getmempoolinfo", json!([]))?;
    let least = rate_of_coins(pool.mempoolminfee);
    let estimate = estimate.feerate.map(rate_of_coins);
    Ok(FeeAdvice { rate: estimate.unwrap_or(least).max(least), is_estimate: estimate.is_some() })
}

/// The fees of all that would leave the pool with a transaction, its own not counted, in quanta.
///
/// # Errors
/// [`ClientError`]; with [`NOT_FOUND`], if the transaction does not wait in the pool.
pub fn dependent_fees(node: &Client, txid: &Txid) -> Result<u64, ClientError> {
    #[derive(Deserialize)]
    struct Entry {
        fees: Fees,
    }
    #[derive(Deserialize)]
    struct Fees {
        base: f64,
        descendant: f64,
    }
    let Entry { fees } = node.call("getmempoolentry", json!([txid]))?;
    Ok(quanta_of_coins(fees.descendant).saturating_sub(quanta_of_coins(fees.base)))
}

/// A rate in coins for each 1,000 bytes, as Bitcoin's calls give it, rounded up to whole quanta.
fn rate_of_coins(coins: f64) -> FeeRate {
    FeeRate::from_quanta_per_1000_bytes(quanta_of_coins(coins))
}

/// Advice about fees may pass through a float, which holds every sum below 90 million coins exactly; amounts of coins never do.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, and advice may")]
fn quanta_of_coins(coins: f64) -> u64 {
    (coins * 100_000_000.0).round() as u64
}

fn of_each<T>(ids: &[T], params: impl Fn(&T) -> Value) -> Vec<Value> {
    ids.iter().map(params).collect()
}

fn from_hex(node: &Client, method: &str, text: &str) -> Result<Vec<u8>, ClientError> {
    hex::decode(text).map_err(|error| strange(node, method, &error.to_string()))
}

fn strange(node: &Client, method: &str, what: &str) -> ClientError {
    ClientError::Answer { url: node.url().to_owned(), method: method.to_owned(), what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins_become_quanta() {
        assert_eq!(quanta_of_coins(0.00001), 1_000);
        assert_eq!(quanta_of_coins(0.00001234), 1_234);
        assert_eq!(quanta_of_coins(20_999_999.999_999_99), 2_099_999_999_999_999);
        assert_eq!(quanta_of_coins(-1.0), 0);
        assert_eq!(quanta_of_coins(f64::NAN), 0);
        assert_eq!(quanta_of_coins(f64::INFINITY), u64::MAX);
    }
}
