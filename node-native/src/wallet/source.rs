//! What a wallet asks a node, by JSON-RPC.
//!
//! The answers are taken apart here and no further: that they are true is checked by whoever asked.

use std::ops::Range;

use qbtc_core::codec;
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::header::Header;
use qbtc_core::tx::Transaction;
use qbtc_core::units::{Amount, AmountError, FeeRate, Height};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::{Client, ClientError};
use qbtc_core::commit::CommitmentsProof;

/// A block's compact filter, as a node gives it.
#[derive(Clone, Debug)]
pub struct BlockFilter {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What shows that the block commits to it; a node has none where it pruned the block before nodes kept proofs.
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
        // The wallet has a guard of its own against fees that are too high, and its owner may have raised it.
        match self.call::<Value>("sendrawtransaction", json!([text, 0])) {
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

/// Asks at which rate a transaction is mined within so many blocks, and never advises less than the node relays.
///
/// # Errors
/// [`ClientError`].
pub fn fee_advice(node: &Client, within_blocks: u32) -> Result<FeeRate, ClientError> {
    #[derive(Deserialize)]
    struct Estimate {
        feerate: Box<RawValue>,
    }
    #[derive(Deserialize)]
    struct Pool {
        mempoolminfee: Box<RawValue>,
    }
    let estimate: Estimate = node.call("estimatesmartfee", json!([within_blocks]))?;
    let pool: Pool = node.call("getmempoolinfo", json!([]))?;
    let rate =
        |method, coins: &RawValue| Ok(FeeRate::from_quanta_per_1000_bytes(amount_of(node, method, coins)?.quanta()));
    let least = rate("getmempoolinfo", &pool.mempoolminfee)?;
    Ok(rate("estimatesmartfee", &estimate.feerate)?.max(least))
}

/// The fees of all that would leave the pool with a transaction, its own not counted. What the node's operator has valued otherwise counts as he
/// values it; none, if that is below nothing.
///
/// # Errors
/// [`ClientError`]; with [`NOT_FOUND`], if the transaction does not wait in the pool.
pub fn dependent_fees(node: &Client, txid: &Txid) -> Result<Amount, ClientError> {
    #[derive(Deserialize)]
    struct Entry {
        fees: Fees,
    }
    #[derive(Deserialize)]
    struct Fees {
        modified: Box<RawValue>,
        descendant: Box<RawValue>,
    }
    const METHOD: &str = "getmempoolentry";
    let Entry { fees } = node.call(METHOD, json!([txid]))?;
    let quanta = |coins: &RawValue| -> Result<i128, ClientError> {
        let (sign, digits) = coins.get().strip_prefix('-').map_or((1, coins.get()), |digits| (-1, digits));
        let amount: Amount = digits.parse().map_err(|error: AmountError| strange(node, METHOD, &error.to_string()))?;
        Ok(sign * i128::from(amount.quanta()))
    };
    let others = quanta(&fees.descendant)? - quanta(&fees.modified)?;
    Ok(Amount::from_quanta(u64::try_from(others.max(0)).unwrap_or(u64::MAX)).unwrap_or(Amount::MAX))
}

/// An amount as Bitcoin's calls give it, a number of coins: read from its digits, since a float does not hold every amount.
fn amount_of(node: &Client, method: &str, coins: &RawValue) -> Result<Amount, ClientError> {
    coins.get().parse().map_err(|error: AmountError| strange(node, method, &error.to_string()))
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
    use crate::client::Login;

    #[test]
    fn amounts_are_read_to_the_last_quantum() {
        let login = Login::Cookie("/nowhere".into());
        let node = Client::new("127.0.0.1:1", &login, None).unwrap();
        let amount = |text: &str| amount_of(&node, "m", &RawValue::from_string(text.to_owned()).unwrap());
        for (text, quanta) in [("0.00001000", 1_000), ("20999999.99999999", 2_099_999_999_999_999), ("0", 0)] {
            assert_eq!(amount(text).unwrap().quanta(), quanta);
        }
        // No float holds this one.
        assert_eq!(amount("92233720368.54775807").unwrap(), Amount::MAX);
        for strange in ["-1", "1e-5", "\"1\"", "0.000000001", "92233720368.54775808", "null"] {
            assert!(matches!(amount(strange), Err(ClientError::Answer { .. })), "{strange}");
        }
    }

    #[test]
    fn only_a_node_that_has_looked_at_a_payment_has_refused_it() {
        let rpc = |code| ClientError::Rpc { method: "sendrawtransaction".to_owned(), code, message: String::new() };
        assert!([-8, -22, -25, -26].into_iter().all(|code| is_refusal(&rpc(code))));
        assert!(![-9, -10, -20, -32_603].into_iter().any(|code| is_refusal(&rpc(code))));
        assert!(!is_refusal(&ClientError::Url(String::new())));
    }
}
