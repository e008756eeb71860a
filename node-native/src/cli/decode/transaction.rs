//! A transaction, taken apart.

use std::fmt;

use anyhow::anyhow;
use qbtc_core::block::Block;
use qbtc_core::codec;
use qbtc_core::header::Header;
use qbtc_core::lock::{Condition, Lock, Witness};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, Height};
use qbtc_core::verify::check_transaction;
use serde::Serialize;

use super::tell;
use crate::json;

/// A transaction, and what is wrong with it.
#[derive(Serialize)]
pub(super) struct Decoded {
    #[serde(flatten)]
    json: json::Transaction,
    /// The rule that it breaks in isolation, if any.
    problem: Option<String>,
    #[serde(skip)]
    text: String,
}

impl Decoded {
    pub(super) fn from_bytes(bytes: &[u8], spec: &ChainSpec) -> anyhow::Result<Self> {
        let transaction: Transaction = codec::decode(bytes, bytes.len()).map_err(|error| explain(bytes, &error))?;
        let json = json::Transaction::new(&transaction, &spec.network().address_prefix);
        let problem = check_transaction(transaction.clone(), spec.consensus()).err().map(|error| error.to_string());
        let text = text(&transaction, &json, spec);
        Ok(Self { json, problem, text })
    }
}

/// Why bytes are no transaction, as near as can be told.
fn explain(bytes: &[u8], error: &codec::CodecError) -> anyhow::Error {
    if bytes.len() == Header::BYTES {
        return anyhow!("{error}; 80 bytes are what a header has: try `qbtc decode header`");
    }
    if Block::from_bytes(bytes, bytes.len()).is_ok() {
        return anyhow!("this is a block: try `qbtc decode block`");
    }
    match codec::decode_prefix::<TxBody>(bytes) {
        Ok((body, [])) => anyhow!("this is the body of transaction {} without its list of witnesses", body.txid()),
        Ok((body, rest)) => anyhow!(
            "{error}: the body of {} bytes is sound, with the txid {}; what is wrong lies in the witnesses behind it",
            bytes.len() - rest.len(),
            body.txid()
        ),
        Err(_) => anyhow!("{error}: what is wrong lies in the body, before the witnesses"),
    }
}

fn text(transaction: &Transaction, json: &json::Transaction, spec: &ChainSpec) -> String {
    let TxBody { inputs, outputs, lock_height, expiry_height, .. } = &transaction.body;
    let mut lines = vec![
        format!("txid       {}", json.txid),
        format!("wtxid      {}", json.hash),
        format!(
            "size       {} bytes, {} of them witnesses",
            json.size,
            json.size - codec::encoded_len(&transaction.body)
        ),
        format!("valid      {}", heights(*lock_height, *expiry_height)),
    ];
    lines.extend(inputs.iter().map(|input| format!("spends     {}:{}", input.txid, input.index)));
    lines.extend(outputs.iter().map(|output| format!("pays       {}", output_text(output, spec))));
    let total = Amount::checked_sum(outputs.iter().map(|output| output.amount));
    let total = total.map_or_else(|| "more than the largest amount".to_owned(), |total| format!("{total} QBTC"));
    lines.push(format!("pays out   {total} in all"));
    lines.extend(transaction.witnesses.iter().map(|witness| witness_text(witness, spec)));
    if transaction.witnesses.is_empty() {
        lines.push("unsigned   no witnesses".to_owned());
    }
    lines.join("\n")
}

fn heights(lock: Height, expiry: Height) -> String {
    match (lock, expiry) {
        (lock, Height::GENESIS) => format!("from block {lock} on"),
        (lock, expiry) => format!("from block {lock} up to {expiry}"),
    }
}

/// An output in a line.
pub(super) fn output_text(output: &TxOut, spec: &ChainSpec) -> String {
    match &output.lock {
        Lock::Address(address) => {
            format!("{:>20} QBTC  to {}", output.amount.to_string(), address.to_text(&spec.network().address_prefix))
        }
        Lock::Data(data) => format!("{:>20}       data {}", "", hex::encode(data)),
    }
}

/// A witness in a line: whose coins it unlocks, and by what.
fn witness_text(witness: &Witness, spec: &ChainSpec) -> String {
    let conditions: Vec<_> = witness.conditions.iter().map(condition_text).collect();
    let depth = match witness.path.depth() {
        0 => "the only alternative".to_owned(),
        depth => format!("one alternative of at most {}", 1_u32 << depth.min(8)),
    };
    let address = witness.address().to_text(&spec.network().address_prefix);
    let bytes = codec::encoded_len(witness);
    format!("unlocks    {address}\n           by {}; {depth}; {bytes} bytes", conditions.join(" and "))
}

fn condition_text(condition: &Condition) -> String {
    match condition {
        Condition::Key(key) => format!("a signature of {}", key.scheme()),
        Condition::Threshold { required, keys } => format!("signatures of {required} of {} keys", keys.len()),
        Condition::Preimage(digest) => format!("the preimage of {}", hex::encode(digest)),
        Condition::After(height) => format!("waiting until block {height}"),
    }
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell(f, &self.text, "NOT VALID", self.problem.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qbtc_core::hash::Txid;
    use qbtc_core::lock::Address;
    use qbtc_core::tx::OutPoint;

    fn transaction() -> Transaction {
        let body = TxBody {
            version: TxBody::VERSION,
            inputs: vec![OutPoint { txid: Txid::from_bytes([1; 32]), index: 3 }],
            outputs: vec![
                TxOut { amount: Amount::from_coins(2), lock: Lock::Address(Address::from_bytes([7; 32])) },
                TxOut { amount: Amount::ZERO, lock: Lock::Data(b"hello".as_slice().into()) },
            ],
            lock_height: Height(5),
            expiry_height: Height(365),
        };
        Transaction { body, witnesses: Vec::new() }
    }

    #[test]
    fn a_transaction_is_told_and_its_fault_with_it() {
        let mut newer = transaction();
        newer.body.version = 9;
        let decoded = Decoded::from_bytes(&codec::encode(&newer), &ChainSpec::dev()).unwrap();
        let text = decoded.to_string();
        let address = Address::from_bytes([7; 32]).to_text(&ChainSpec::dev().network().address_prefix);
        for part in [&address, "2 QBTC", "68656c6c6f", "from block 5 up to 365", "no witnesses", "NOT VALID"] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        let json = serde_json::to_value(&decoded).unwrap();
        assert_eq!(json["txid"], newer.txid().to_string());
        assert!(json["problem"].as_str().unwrap().contains("version"), "{json}");
        let sound = Decoded::from_bytes(&codec::encode(&transaction()), &ChainSpec::dev()).unwrap();
        assert_eq!(sound.problem, None);
    }

    #[test]
    fn bad_bytes_are_explained() {
        let refused = |bytes: &[u8]| Decoded::from_bytes(bytes, &ChainSpec::dev()).err().unwrap().to_string();
        let bytes = codec::encode(&transaction());
        assert!(refused(&[0; 80]).contains("decode header"));
        assert!(refused(&ChainSpec::dev().genesis().to_bytes()).contains("decode block"));
        assert!(refused(&codec::encode(&transaction().body)).contains("without its list of witnesses"));
        assert!(refused(&[&bytes[..], &[0]].concat()).contains("witnesses"));
        assert!(refused(&bytes[..20]).contains("in the body"));
        assert!(refused(&[]).contains("in the body"));
    }
}
