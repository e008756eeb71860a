//! Transactions as JSON.

use data_encoding::HEXLOWER;
use qbtc_core::codec;
use qbtc_core::hash::{Txid, Wtxid};
use qbtc_core::lock::AddressPrefix;
use qbtc_core::tx;
use qbtc_core::units::Amount;
use qbtc_core::utxo::Coin;
use serde::Serialize;

use super::Coins;

/// A transaction.
#[derive(Clone, Debug, Serialize)]
pub struct Transaction {
    /// The id without witnesses.
    pub txid: Txid,
    /// The id with witnesses.
    pub hash: Wtxid,
    /// The format of the rest.
    pub version: u8,
    /// The size with witnesses, in bytes.
    pub size: usize,
    /// The lowest height of a block that may hold it.
    pub locktime: u32,
    /// The greatest height of a block that may hold it; 0 for none.
    pub expiryheight: u32,
    /// The coins that it spends.
    pub vin: Vec<Input>,
    /// The coins that it makes.
    pub vout: Vec<Output>,
    /// What unlocks the coins: one for each distinct address, in the order in which the inputs first name them.
    pub witnesses: Vec<Witness>,
    /// What it leaves to the miner, where the coins that it spends are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee: Option<Coins>,
    /// Its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

/// A coin that is spent.
#[derive(Clone, Debug, Serialize)]
pub struct Input {
    /// The transaction that made it.
    pub txid: Txid,
    /// Its place among that transaction's outputs.
    pub vout: u32,
    /// What it was, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prevout: Option<Spent>,
}

/// What a coin was before it was spent.
#[derive(Clone, Debug, Serialize)]
pub struct Spent {
    /// Whether a coinbase made it.
    pub generated: bool,
    /// The height of the block that made it.
    pub height: u32,
    /// Its amount.
    pub value: Coins,
    /// What it was locked to.
    #[serde(rename = "scriptPubKey")]
    pub lock: Lock,
}

/// A coin that is made.
#[derive(Clone, Debug, Serialize)]
pub struct Output {
    /// Its amount.
    pub value: Coins,
    /// Its place, from 0.
    pub n: u32,
    /// What it is locked to.
    #[serde(rename = "scriptPubKey")]
    pub lock: Lock,
}

/// What an output is locked to.
#[derive(Clone, Debug, Serialize)]
pub struct Lock {
    /// Who can spend it; nothing for data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `address`, or `nulldata` for bytes that people read.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The address' 32 bytes, or the data.
    pub hex: String,
}

/// What unlocks the coins of one address.
#[derive(Clone, Debug, Serialize)]
pub struct Witness {
    /// The address.
    pub address: String,
    /// Its size, in bytes.
    pub size: usize,
    /// Its bytes.
    pub hex: String,
}

impl Transaction {
    /// A transaction as such.
    #[must_use]
    pub fn new(transaction: &tx::Transaction, prefix: &AddressPrefix) -> Self {
        let tx::TxBody { version, inputs, outputs, lock_height, expiry_height } = &transaction.body;
        let input = |input: &tx::OutPoint| Input { txid: input.txid, vout: input.index, prevout: None };
        Self {
            txid: transaction.txid(),
            hash: transaction.wtxid(),
            version: *version,
            size: codec::encoded_len(transaction),
            locktime: lock_height.0,
            expiryheight: expiry_height.0,
            vin: inputs.iter().map(input).collect(),
            vout: Output::all(outputs, prefix),
            witnesses: transaction.witnesses.iter().map(|witness| Witness::new(witness, prefix)).collect(),
            fee: None,
            hex: None,
        }
    }

    /// With the coins that it spends, in the order of its inputs, and what they leave to the miner.
    #[must_use]
    pub fn with_spent(mut self, spent: &[Coin], prefix: &AddressPrefix) -> Self {
        let (inputs, outputs) = (spent.iter().map(|coin| coin.amount), self.vout.iter().map(|output| output.value.0));
        let sums = Amount::checked_sum(inputs).zip(Amount::checked_sum(outputs));
        self.fee = sums.and_then(|(inputs, outputs)| inputs.checked_sub(outputs)).map(Coins);
        for (input, coin) in self.vin.iter_mut().zip(spent) {
            input.prevout = Some(Spent::new(coin, prefix));
        }
        self
    }

    /// With its bytes.
    #[must_use]
    pub fn with_hex(mut self, transaction: &tx::Transaction) -> Self {
        self.hex = Some(HEXLOWER.encode(&codec::encode(transaction)));
        self
    }
}

impl Spent {
    fn new(coin: &Coin, prefix: &AddressPrefix) -> Self {
        let lock = Lock::new(&coin.to_output().lock, prefix);
        Self { generated: coin.is_coinbase, height: coin.height.0, value: Coins(coin.amount), lock }
    }
}

impl Output {
    pub(super) fn all(outputs: &[tx::TxOut], prefix: &AddressPrefix) -> Vec<Self> {
        let numbered = outputs.iter().zip(0..);
        let output = |(output, n): (&tx::TxOut, u32)| Self {
            value: Coins(output.amount),
            n,
            lock: Lock::new(&output.lock, prefix),
        };
        numbered.map(output).collect()
    }
}

impl Lock {
    /// What an output is locked to.
    #[must_use]
    pub fn new(lock: &qbtc_core::lock::Lock, prefix: &AddressPrefix) -> Self {
        match lock {
            qbtc_core::lock::Lock::Address(address) => Self {
                address: Some(address.to_text(prefix)),
                kind: "address",
                hex: HEXLOWER.encode(address.as_bytes()),
            },
            qbtc_core::lock::Lock::Data(data) => Self { address: None, kind: "nulldata", hex: HEXLOWER.encode(data) },
        }
    }
}

impl Witness {
    fn new(witness: &qbtc_core::lock::Witness, prefix: &AddressPrefix) -> Self {
        let bytes = codec::encode(witness);
        Self { address: witness.address().to_text(prefix), size: bytes.len(), hex: HEXLOWER.encode(&bytes) }
    }
}

#[cfg(test)]
mod tests {
    use qbtc_core::lock::{Address, Lock};
    use qbtc_core::spec::ChainSpec;
    use qbtc_core::units::Height;
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_those_of_bitcoin_with_our_own_beside_them() {
        let spec = ChainSpec::dev();
        let prefix = &spec.network().address_prefix;
        let (address, spent) = (Address::from_bytes([7; 32]), Txid::from_bytes([1; 32]));
        let amount = Amount::from_quanta(150_000_000).unwrap();
        let transaction = tx::Transaction {
            body: tx::TxBody {
                version: 1,
                inputs: vec![tx::OutPoint { txid: spent, index: 3 }],
                outputs: vec![
                    tx::TxOut { amount, lock: Lock::Address(address) },
                    tx::TxOut { amount: Amount::ZERO, lock: Lock::Data((*b"hi").into()) },
                ],
                lock_height: Height(5),
                expiry_height: Height(9),
            },
            witnesses: Vec::new(),
        };
        let coin = Coin { amount: Amount::from_coins(2), address, height: Height(4), is_coinbase: true };
        let shown = Transaction::new(&transaction, prefix).with_spent(&[coin], prefix).with_hex(&transaction);
        let lock = json!({"address": address.to_text(prefix), "type": "address", "hex": "07".repeat(32)});
        let expected = json!({
            "txid": transaction.txid().to_string(),
            "hash": transaction.wtxid().to_string(),
            "version": 1,
            "size": codec::encode(&transaction).len(),
            "locktime": 5,
            "expiryheight": 9,
            "vin": [{
                "txid": spent.to_string(),
                "vout": 3,
                "prevout": {"generated": true, "height": 4, "value": 2.0, "scriptPubKey": lock},
            }],
            "vout": [
                {"value": 1.5, "n": 0, "scriptPubKey": lock},
                {"value": 0.0, "n": 1, "scriptPubKey": {"type": "nulldata", "hex": "6869"}},
            ],
            "witnesses": [],
            "fee": 0.5,
            "hex": hex::encode(codec::encode(&transaction)),
        });
        let text = serde_json::to_string(&shown).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
        assert!(text.contains(r#""value":1.50000000"#), "{text}");
    }
}
