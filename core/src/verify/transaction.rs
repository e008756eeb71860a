//! The rules of a transaction in isolation: what can be known of it without any chain.

use alloc::vec::Vec;

use crate::block::NODE_PREIMAGE_BYTES;
use crate::codec;
use crate::hash::{Txid, Wtxid};
use crate::lock::{Address, Lock, Witness};
use crate::spec::Consensus;
use crate::tx::{OutPoint, Transaction, TxBody, TxOut};
use crate::units::{Amount, Height};

/// A transaction that keeps the rules in isolation, with its ids and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedTx {
    transaction: Transaction,
    txid: Txid,
    wtxid: Wtxid,
    size_bytes: u32,
    /// What each witness unlocks.
    unlocks: Vec<Address>,
}

/// Why a transaction is not valid, whatever the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxError {
    /// An unknown version.
    #[error("transaction of version {found}: expected {}", TxBody::VERSION)]
    Version {
        /// Version found.
        found: u8,
    },
    /// Too large.
    #[error("transaction of {found} bytes exceeds the limit of {limit}")]
    Size {
        /// Bytes found.
        found: u32,
        /// Bytes allowed.
        limit: u32,
    },
    /// Its body could pass for an inner node of a merkle tree.
    #[error("transaction with a body of exactly {NODE_PREIMAGE_BYTES} bytes")]
    MerkleNodeSize,
    /// It spends nothing.
    #[error("transaction without inputs")]
    NoInputs,
    /// It creates nothing.
    #[error("transaction without outputs")]
    NoOutputs,
    /// It spends a coin twice.
    #[error("coin {}:{} is spent twice", outpoint.txid, outpoint.index)]
    DuplicateInput {
        /// The coin.
        outpoint: OutPoint,
    },
    /// An output's amount exceeds all the money there can be.
    #[error("output {index} of {found} QBTC exceeds the {limit} QBTC that can exist")]
    Amount {
        /// The output's place.
        index: u32,
        /// Amount found.
        found: Amount,
        /// Amount allowed.
        limit: Amount,
    },
    /// The outputs together exceed all the money there can be.
    #[error("outputs exceed the {limit} QBTC that can exist")]
    AmountSum {
        /// Amount allowed.
        limit: Amount,
    },
    /// Too much data in an output.
    #[error("output {index} with {found} bytes of data exceeds the limit of {limit}")]
    Data {
        /// The output's place.
        index: u32,
        /// Bytes found.
        found: u32,
        /// Bytes allowed.
        limit: u32,
    },
    /// Money on an output that nobody can spend.
    #[error("output {index} puts {found} QBTC on data, which nobody could spend")]
    DataAmount {
        /// The output's place.
        index: u32,
        /// Amount found.
        found: Amount,
    },
    /// No height lies between lock and expiry.
    #[error("transaction expires at height {expiry}, before it unlocks at {lock}")]
    NeverValid {
        /// The lock height.
        lock: Height,
        /// The expiry height.
        expiry: Height,
    },
}

impl CheckedTx {
    /// The transaction.
    #[must_use]
    pub const fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// What the transaction does.
    #[must_use]
    pub const fn body(&self) -> &TxBody {
        &self.transaction.body
    }

    /// The id without witnesses.
    #[must_use]
    pub const fn txid(&self) -> Txid {
        self.txid
    }

    /// The id with witnesses.
    #[must_use]
    pub const fn wtxid(&self) -> Wtxid {
        self.wtxid
    }

    /// The size with witnesses, in bytes.
    #[must_use]
    pub const fn size_bytes(&self) -> u32 {
        self.size_bytes
    }

    /// The witnesses, each with the address that it unlocks, if its proofs hold.
    pub(super) fn witnesses(&self) -> impl Iterator<Item = (&Witness, Address)> {
        self.transaction.witnesses.iter().zip(self.unlocks.iter().copied())
    }
}

/// Checks a transaction in isolation.
///
/// # Errors
/// [`TxError`], the first rule that it breaks.
pub fn check_transaction(transaction: Transaction, rules: &Consensus) -> Result<CheckedTx, TxError> {
    check_body(&transaction.body, rules)?;
    // Rule: the encoded transaction, witnesses included, is within the size limit.
    let size_bytes = u32::try_from(codec::encoded_len(&transaction)).unwrap_or(u32::MAX);
    if size_bytes > rules.limits.tx_bytes {
        return Err(TxError::Size { found: size_bytes, limit: rules.limits.tx_bytes });
    }
    let txid = transaction.txid();
    let (wtxid, unlocks) = transaction.wtxid_and_addresses(&txid);
    Ok(CheckedTx { transaction, txid, wtxid, size_bytes, unlocks })
}

fn check_body(body: &TxBody, rules: &Consensus) -> Result<(), TxError> {
    // Rule: the version is known.
    if body.version != TxBody::VERSION {
        return Err(TxError::Version { found: body.version });
    }
    // Rule: no leaf of the merkle tree has a preimage of 64 bytes (CVE-2017-12842).
    if codec::encoded_len(body) == NODE_PREIMAGE_BYTES {
        return Err(TxError::MerkleNodeSize);
    }
    // Rule: expiry, where there is one, is not below the lock.
    if body.expiry_height != Height::GENESIS && body.expiry_height < body.lock_height {
        return Err(TxError::NeverValid { lock: body.lock_height, expiry: body.expiry_height });
    }
    check_inputs(&body.inputs)?;
    check_outputs(&body.outputs, rules)
}

fn check_inputs(inputs: &[OutPoint]) -> Result<(), TxError> {
    // Rule: there is an input.
    if inputs.is_empty() {
        return Err(TxError::NoInputs);
    }
    // Rule: no input stands twice.
    let mut sorted: Vec<_> = inputs.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(TxError::DuplicateInput { outpoint: *pair[0] }),
        None => Ok(()),
    }
}

/// The rules of outputs, a coinbase's included.
pub(crate) fn check_outputs(outputs: &[TxOut], rules: &Consensus) -> Result<(), TxError> {
    // Rule: there is an output.
    if outputs.is_empty() {
        return Err(TxError::NoOutputs);
    }
    let limit = rules.supply_max;
    let mut sum = Amount::ZERO;
    for (output, index) in outputs.iter().zip(0..) {
        // Rule: each amount, and their sum, is at most the money that can exist.
        if output.amount > limit {
            return Err(TxError::Amount { index, found: output.amount, limit });
        }
        sum = sum.checked_add(output.amount).filter(|sum| *sum <= limit).ok_or(TxError::AmountSum { limit })?;
        if let Lock::Data(data) = &output.lock {
            check_data(data, output.amount, index, rules)?;
        }
    }
    Ok(())
}

fn check_data(data: &[u8], amount: Amount, index: u32, rules: &Consensus) -> Result<(), TxError> {
    // Rule: data is within the limit of the chain.
    let (found, limit) = (u32::try_from(data.len()).unwrap_or(u32::MAX), rules.limits.data_bytes);
    if found > limit {
        return Err(TxError::Data { index, found, limit });
    }
    // Rule: data carries no money.
    if amount != Amount::ZERO {
        return Err(TxError::DataAmount { index, found: amount });
    }
    Ok(())
}
