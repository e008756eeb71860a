//! Transactions: plain data and its ids.
//!
//! Whether a transaction is valid is decided in [`crate::verify`].

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::codec;
use crate::hash::{ChainId, Txid, Wtxid, tagged, tagged_hasher};
use crate::lock::{Address, Lock, Witness};
use crate::units::{Amount, Height};

/// A transaction: what it does, and what shows that it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// What the transaction does.
    pub body: TxBody,
    /// One for each distinct address that is spent from, in the order in which the inputs first name them.
    #[serde(deserialize_with = "codec::bounded::<_, _, { TxBody::INPUTS_MAX }>")]
    pub witnesses: Vec<Witness>,
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxBody {
    /// The format of the rest; [`TxBody::VERSION`].
    pub version: u8,
    /// The coins that are spent.
    #[serde(deserialize_with = "codec::bounded::<_, _, { TxBody::INPUTS_MAX }>")]
    pub inputs: Vec<OutPoint>,
    /// The coins that are made.
    #[serde(deserialize_with = "codec::bounded::<_, _, { TxBody::OUTPUTS_MAX }>")]
    pub outputs: Vec<TxOut>,
    /// The lowest height of a block that may hold this transaction.
    pub lock_height: Height,
    /// The greatest height of a block that may hold this transaction; 0 for none.
    pub expiry_height: Height,
}

/// Names an output of an earlier transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutPoint {
    /// The transaction, or the coinbase.
    pub txid: Txid,
    /// The output's place in it, from 0.
    pub index: u32,
}

/// An output.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TxOut {
    /// How much money.
    pub amount: Amount,
    /// What it is locked to.
    pub lock: Lock,
}

impl Transaction {
    /// The id without witnesses.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.body.txid()
    }

    /// The id with witnesses.
    #[must_use]
    pub fn wtxid(&self) -> Wtxid {
        self.wtxid_and_addresses(&self.txid()).0
    }

    /// The id with witnesses, and the address that each of these unlocks, for a transaction whose txid is known already.
    pub(crate) fn wtxid_and_addresses(&self, txid: &Txid) -> (Wtxid, Vec<Address>) {
        let mut hash = tagged_hasher("qbtc/wtxid").chain_update(txid.as_bytes());
        let mut addresses = Vec::with_capacity(self.witnesses.len());
        for witness in &self.witnesses {
            let (address, witness_hash) = witness.address_and_hash();
            hash.update(witness_hash);
            addresses.push(address);
        }
        (Wtxid::from_bytes(hash.finalize().into()), addresses)
    }
}

impl TxBody {
    /// The only version so far.
    pub const VERSION: u8 = 1;
    /// More inputs than any chain's limits leave room for in a block: sizes are the rule, this only bounds what is decoded.
    pub const INPUTS_MAX: usize = 1 << 21;
    /// More outputs than any chain's limits leave room for in a block.
    pub const OUTPUTS_MAX: usize = 1 << 25;
    /// The fewest bytes of an encoded input: a txid and an index.
    pub const INPUT_BYTES_MIN: usize = 33;
    /// The fewest bytes of an encoded output: an amount, and no data.
    pub const OUTPUT_BYTES_MIN: usize = 3;

    /// The id of the transaction.
    #[must_use]
    pub fn txid(&self) -> Txid {
        Txid::from_bytes(codec::sha256d(self))
    }

    /// The 32 bytes that each key of each witness signs, with an empty FIPS 204 context.
    ///
    /// The tag keeps this apart from all else that is signed; the chain id stops replay on another chain; the spent outputs,
    /// in the order of the inputs, stop anybody from lying to a signer about the fee.
    #[must_use]
    pub fn sighash(&self, chain: &ChainId, spent: &[TxOut]) -> [u8; 32] {
        sighash(chain, &self.txid(), spent)
    }
}

/// [`TxBody::sighash`], where the id is known already.
#[must_use]
pub fn sighash(chain: &ChainId, txid: &Txid, spent: &[TxOut]) -> [u8; 32] {
    let spent = tagged("qbtc/spent", &[&codec::encode(spent)]);
    tagged("qbtc/sighash", &[chain.as_bytes(), txid.as_bytes(), &spent])
}
