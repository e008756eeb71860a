//! Blocks as JSON.

use data_encoding::HEXLOWER;
use qbtc_core::hash::{BlockHash, FilterHash, HistoryRoot, Txid, UtxoRoot, WitnessRoot};
use qbtc_core::lock::{AddressPrefix, Witness};
use qbtc_core::{block, codec};
use serde::Serialize;

use super::{Header, Output, Transaction};

/// A block, with nothing but what is in it or follows from it.
#[derive(Clone, Debug, Serialize)]
pub struct Block {
    /// The id.
    pub hash: BlockHash,
    /// The height that its coinbase states.
    pub height: u32,
    /// The header.
    #[serde(flatten)]
    pub header: Header,
    /// The number of transactions, the coinbase included.
    #[serde(rename = "nTx")]
    pub transactions: usize,
    /// The size without witnesses, in bytes.
    pub strippedsize: usize,
    /// The size with witnesses, in bytes.
    pub size: usize,
    /// The second leaf of the merkle tree, behind the coinbase.
    pub commitments: Commitments,
    /// The coinbase and the transactions.
    pub tx: BlockTransactions,
}

/// What of a block's transactions is shown.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum BlockTransactions {
    /// Their ids, the coinbase's first.
    Ids(Vec<Txid>),
    /// All of them, the coinbase first.
    Whole(Vec<Entry>),
}

/// A transaction of a block.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Entry {
    /// The one that pays the miner.
    Coinbase(Coinbase),
    /// Another one.
    Transaction(Box<Transaction>),
}

/// The transaction that pays the miner.
#[derive(Clone, Debug, Serialize)]
pub struct Coinbase {
    /// The id.
    pub txid: Txid,
    /// The id once more: a coinbase has no witness.
    pub hash: Txid,
    /// The format of the rest.
    pub version: u8,
    /// The size in bytes.
    pub size: usize,
    /// The height of the block.
    pub height: u32,
    /// One input that is none, with the bytes that the miner chose.
    pub vin: [CoinbaseInput; 1],
    /// Who gets the subsidy and the fees.
    pub vout: Vec<Output>,
    /// Its bytes.
    pub hex: String,
}

/// The input of a coinbase.
#[derive(Clone, Debug, Serialize)]
pub struct CoinbaseInput {
    /// The bytes that the miner chose.
    pub coinbase: String,
}

/// What a block commits to beside its transactions.
#[derive(Clone, Debug, Serialize)]
pub struct Commitments {
    /// The id of the leaf.
    pub id: Txid,
    /// The root over the ids with witnesses.
    pub witnessroot: WitnessRoot,
    /// The hash of the compact filter.
    pub filterhash: FilterHash,
    /// The root of the history over all blocks up to the parent.
    pub historyroot: HistoryRoot,
    /// The root of the accumulator of coins; zero until a chain activates it.
    pub utxoroot: UtxoRoot,
}

/// No witnesses.
const NONE: Vec<Witness> = Vec::new();

impl Block {
    /// A block with the ids of its transactions.
    #[must_use]
    pub fn new(block: &block::Block) -> Self {
        let mut ids = block.leaves();
        ids.remove(1);
        let size = block.to_bytes().len();
        // Without witnesses, the empty list of them stays.
        let witnesses =
            block.transactions.iter().map(|tx| codec::encoded_len(&tx.witnesses) - codec::encoded_len(&NONE));
        Self {
            hash: block.id(),
            height: block.coinbase.height.0,
            header: Header::from(&block.header),
            transactions: ids.len(),
            strippedsize: size - witnesses.sum::<usize>(),
            size,
            commitments: Commitments::from(&block.commitments),
            tx: BlockTransactions::Ids(ids),
        }
    }

    /// With all of its transactions instead of their ids. `show` shows one that is not the coinbase.
    #[must_use]
    pub fn with_transactions(
        mut self,
        block: &block::Block,
        prefix: &AddressPrefix,
        show: impl FnMut(&qbtc_core::tx::Transaction) -> Transaction,
    ) -> Self {
        let others = block.transactions.iter().map(show).map(|shown| Entry::Transaction(Box::new(shown)));
        let coinbase = Entry::Coinbase(Coinbase::new(&block.coinbase, prefix));
        self.tx = BlockTransactions::Whole([coinbase].into_iter().chain(others).collect());
        self
    }
}

impl Coinbase {
    /// A coinbase.
    #[must_use]
    pub fn new(coinbase: &block::Coinbase, prefix: &AddressPrefix) -> Self {
        let (bytes, id) = (coinbase.to_bytes(), coinbase.id());
        Self {
            txid: id,
            hash: id,
            version: block::Coinbase::VERSION,
            size: bytes.len(),
            height: coinbase.height.0,
            vin: [CoinbaseInput { coinbase: HEXLOWER.encode(&coinbase.extra) }],
            vout: Output::all(&coinbase.outputs, prefix),
            hex: HEXLOWER.encode(&bytes),
        }
    }
}

impl From<&block::Commitments> for Commitments {
    fn from(commitments: &block::Commitments) -> Self {
        Self {
            id: commitments.id(),
            witnessroot: commitments.witness_root,
            filterhash: commitments.filter_hash,
            historyroot: commitments.history_root,
            utxoroot: commitments.utxo_root,
        }
    }
}

#[cfg(test)]
mod tests {
    use qbtc_core::spec::ChainSpec;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_block_shows_ids_or_whole_transactions() {
        let spec = ChainSpec::dev();
        let (genesis, prefix) = (spec.genesis(), &spec.network().address_prefix);
        let shown = Block::new(genesis);
        let value = serde_json::to_value(&shown).unwrap();
        assert_eq!(value["hash"], json!(genesis.id().to_string()));
        assert_eq!((&value["height"], &value["nTx"]), (&json!(0), &json!(1)));
        assert_eq!(value["tx"], json!([genesis.coinbase.id().to_string()]));
        assert_eq!(value["size"], json!(genesis.to_bytes().len()));
        let whole = shown.with_transactions(genesis, prefix, |tx| Transaction::new(tx, prefix));
        let value = serde_json::to_value(&whole).unwrap();
        assert_eq!(value["tx"][0]["vout"][0]["value"], json!(4_200_000.0));
        assert_eq!(value["tx"][0]["vin"][0]["coinbase"], json!(hex::encode(&genesis.coinbase.extra)));
    }
}
