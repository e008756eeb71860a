//! Transactions, where they are, and what shows it.

use qbtc_core::block::Coinbase;
use qbtc_core::codec;
use qbtc_core::commit::merkle::MerkleProof;
use qbtc_core::hash::{BlockHash, MerkleRoot, Txid};
use qbtc_core::lock::{Condition, Lock, Witness};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{Transaction, TxOut};
use qbtc_core::units::{Amount, BlockTime, FeeRate, Height};
use qbtc_core::utxo::Coin;
use serde::Serialize;
use utoipa::ToSchema;

use super::{CoinPlace, Money};

/// A transaction.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TransactionDetails {
    /// The id without witnesses.
    pub(crate) txid: String,
    /// The id with witnesses; null for a coinbase, which has none.
    pub(crate) wtxid: Option<String>,
    /// Whether it is the transaction that pays a block's miner.
    pub(crate) is_coinbase: bool,
    /// The size with witnesses, in bytes.
    pub(crate) size_bytes: usize,
    /// What it leaves to the miner; null if the coins that it spends are not known here.
    pub(crate) fee: Option<Money>,
    /// The fee for its size, in quanta for each 1,000 bytes.
    pub(crate) fee_rate: Option<u64>,
    /// The lowest height of a block that may hold it.
    pub(crate) lock_height: u32,
    /// The greatest height of a block that may hold it; null for none.
    pub(crate) expiry_height: Option<u32>,
    /// The coins that it spends; none for a coinbase.
    pub(crate) inputs: Vec<Input>,
    /// The coins that it makes.
    pub(crate) outputs: Vec<Output>,
    /// What shows that it may, one for each address that is spent from.
    pub(crate) witnesses: Vec<WitnessLine>,
    /// Where it is.
    pub(crate) status: TransactionStatus,
}

/// A coin that is spent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Input {
    /// The coin.
    pub(crate) coin: CoinPlace,
    /// Its amount; null if it is not known here.
    pub(crate) amount: Option<Money>,
    /// The address that it was locked to; null if it is not known here.
    pub(crate) address: Option<String>,
}

/// An output: money for an address, or bytes for people to read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Output {
    /// Its place, from 0.
    pub(crate) index: u32,
    /// How much money.
    pub(crate) amount: Money,
    /// Who can spend it; null for data.
    pub(crate) address: Option<String>,
    /// The data, in hex; null for money.
    pub(crate) data: Option<String>,
}

/// What unlocks the coins of one address.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct WitnessLine {
    /// The address.
    pub(crate) address: String,
    /// The conditions that it shows to hold, each in words.
    #[schema(example = json!(["key ML-DSA-87"]))]
    pub(crate) conditions: Vec<String>,
    /// Its size, in bytes.
    pub(crate) size_bytes: usize,
}

/// Where a transaction is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum TransactionStatus {
    /// It waits in the mempool.
    Pending {
        /// When this node got it.
        received: u32,
        /// The height of the next block when this node got it.
        since_height: u32,
    },
    /// It is in the chain.
    Confirmed {
        /// The id of the block.
        block: String,
        /// The block's height.
        height: u32,
        /// When the block's miner says that it was made.
        time: u32,
        /// Its place in the block; 0 for the coinbase.
        place: u32,
        /// How many blocks confirm it, its own included.
        confirmations: u32,
    },
    /// It is in a block beside the chain.
    Abandoned {
        /// The id of the block.
        block: String,
        /// Its place in the block; 0 for the coinbase.
        place: u32,
    },
}

/// Transactions of a block, in its order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TransactionPage {
    /// The transactions; the coinbase is the first of a block.
    pub(crate) transactions: Vec<TransactionDetails>,
    /// What to ask for as `from` to get those after these; null where there are none.
    pub(crate) next: Option<u32>,
}

/// Shows that a transaction is in a block.
///
/// Hash the transaction (its body's encoding, or the whole coinbase) twice with SHA-256, then hash it with each sibling in turn: to the
/// left of the sibling where the lowest bit of `index` is 0, to its right otherwise, dropping that bit each time. What comes out is the
/// merkle root of the header. A transaction whose hashed bytes are 64 long proves nothing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MerkleProofDetails {
    /// The transaction.
    pub(crate) txid: String,
    /// The id of the block.
    pub(crate) block: String,
    /// The block's height.
    pub(crate) height: u32,
    /// The block's header, in hex.
    pub(crate) header: String,
    /// The root that the proof leads to, as the header states it.
    pub(crate) merkle_root: String,
    /// The place among the tree's leaves: 0 is the coinbase, 1 the commitments, transactions follow.
    pub(crate) index: u32,
    /// The siblings on the way to the root, the lowest first: the bytes as they are hashed, in hex.
    pub(crate) branch: Vec<String>,
    /// Index and branch in the encoding that this project's light clients read, in hex.
    pub(crate) proof: String,
}

/// A transaction was handed in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BroadcastAnswer {
    /// Its id without witnesses.
    pub(crate) txid: String,
    /// Whether this node did not have it before.
    pub(crate) is_new: bool,
}

/// A transaction would be taken.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TestAnswer {
    /// Its id without witnesses.
    pub(crate) txid: String,
    /// Its id with witnesses.
    pub(crate) wtxid: String,
    /// Its size with witnesses, in bytes.
    pub(crate) size_bytes: u32,
    /// What it leaves to the miner.
    pub(crate) fee: Money,
}

/// Where a block of which transactions are told stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) block: BlockHash,
    pub(crate) height: Height,
    pub(crate) time: BlockTime,
    pub(crate) confirmations: Option<u32>,
}

impl TransactionDetails {
    /// A transaction with the coins that it spends, in the order of its inputs, if they are known.
    pub(crate) fn new(tx: &Transaction, spent: Option<&[Coin]>, status: TransactionStatus, spec: &ChainSpec) -> Self {
        let size_bytes = codec::encoded_len(tx);
        let fee = spent.and_then(|spent| fee(spent, &tx.body.outputs));
        let rate = fee.and_then(|fee| FeeRate::reached_by(fee, size_bytes as u64));
        let coin = |place: usize| spent.and_then(|spent| spent.get(place));
        let inputs = tx.body.inputs.iter().enumerate().map(|(place, outpoint)| Input {
            coin: (*outpoint).into(),
            amount: coin(place).map(|coin| coin.amount.into()),
            address: coin(place).map(|coin| coin.address.to_text(&spec.network().address_prefix)),
        });
        Self {
            txid: tx.txid().to_string(),
            wtxid: Some(tx.wtxid().to_string()),
            is_coinbase: false,
            size_bytes,
            fee: fee.map(Money::from),
            fee_rate: rate.map(FeeRate::quanta_per_1000_bytes),
            lock_height: tx.body.lock_height.0,
            expiry_height: Some(tx.body.expiry_height.0).filter(|height| *height != 0),
            inputs: inputs.collect(),
            outputs: Output::list(&tx.body.outputs, spec),
            witnesses: tx.witnesses.iter().map(|witness| WitnessLine::new(witness, spec)).collect(),
            status,
        }
    }

    /// A coinbase.
    pub(crate) fn coinbase(coinbase: &Coinbase, status: TransactionStatus, spec: &ChainSpec) -> Self {
        Self {
            txid: coinbase.id().to_string(),
            wtxid: None,
            is_coinbase: true,
            size_bytes: coinbase.to_bytes().len(),
            fee: None,
            fee_rate: None,
            lock_height: 0,
            expiry_height: None,
            inputs: Vec::new(),
            outputs: Output::list(&coinbase.outputs, spec),
            witnesses: Vec::new(),
            status,
        }
    }
}

impl TransactionStatus {
    pub(crate) fn in_block(at: &Place, place: u32) -> Self {
        let block = at.block.to_string();
        match at.confirmations {
            Some(confirmations) => {
                Self::Confirmed { block, height: at.height.0, time: at.time.0, place, confirmations }
            }
            None => Self::Abandoned { block, place },
        }
    }
}

impl Output {
    pub(super) fn list(outputs: &[TxOut], spec: &ChainSpec) -> Vec<Self> {
        let prefix = &spec.network().address_prefix;
        let output = |(output, index): (&TxOut, u32)| Self {
            index,
            amount: output.amount.into(),
            address: output.lock.address().map(|address| address.to_text(prefix)),
            data: match &output.lock {
                Lock::Address(_) => None,
                Lock::Data(data) => Some(hex::encode(data)),
            },
        };
        outputs.iter().zip(0..).map(output).collect()
    }
}

impl WitnessLine {
    fn new(witness: &Witness, spec: &ChainSpec) -> Self {
        Self {
            address: witness.address().to_text(&spec.network().address_prefix),
            conditions: witness.conditions.iter().map(in_words).collect(),
            size_bytes: codec::encoded_len(witness),
        }
    }
}

impl MerkleProofDetails {
    pub(crate) fn new(txid: Txid, at: &Place, header: &[u8], root: MerkleRoot, proof: &MerkleProof) -> Self {
        Self {
            txid: txid.to_string(),
            block: at.block.to_string(),
            height: at.height.0,
            header: hex::encode(header),
            merkle_root: root.to_string(),
            index: proof.index(),
            branch: proof.branch().map(hex::encode).collect(),
            proof: hex::encode(codec::encode(proof)),
        }
    }
}

fn in_words(condition: &Condition) -> String {
    match condition {
        Condition::Key(key) => format!("key {}", key.scheme()),
        Condition::Threshold { required, keys } => format!("{required} of {} keys", keys.len()),
        Condition::Preimage(digest) => format!("preimage of {}", hex::encode(digest)),
        Condition::After(height) => format!("from height {height}"),
    }
}

/// What is left of the coins spent; `None` if that is less than nothing, which no valid transaction leaves.
fn fee(spent: &[Coin], outputs: &[TxOut]) -> Option<Amount> {
    let coming = Amount::checked_sum(spent.iter().map(|coin| coin.amount))?;
    coming.checked_sub(Amount::checked_sum(outputs.iter().map(|output| output.amount))?)
}
