//! The rules of a transaction in context: its coins, its heights, and what unlocks them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::VerifiedCache;
use super::transaction::CheckedTx;
use super::witness::{WitnessError, check_witness, signature_jobs};
use crate::crypto::SignatureJob;
use crate::hash::ChainId;
use crate::lock::Address;
use crate::spec::ChainSpec;
use crate::tx::{OutPoint, TxBody, TxOut, sighash};
use crate::units::{Amount, Height};
use crate::utxo::{Coin, CoinView};

/// A transaction that keeps every rule in a block of a given height, but for its signatures, which [`ResolvedTx::jobs`] lists.
#[derive(Clone, Debug)]
pub struct ResolvedTx {
    tx: Arc<CheckedTx>,
    spent: Vec<Coin>,
    fee: Amount,
    witnesses: Witnesses,
}

/// What is left to do about a transaction's witnesses.
#[derive(Clone, Debug)]
enum Witnesses {
    /// They passed before.
    Known,
    /// Their signatures over this message must be verified; then they hold from this height on.
    Unverified { message: [u8; 32], holds_from: Height },
}

/// Why a transaction is not valid in its context.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpendError {
    /// The block is too low for it.
    #[error("transaction is locked until height {lock}, not valid at {height}")]
    Locked {
        /// The lock height.
        lock: Height,
        /// The block's height.
        height: Height,
    },
    /// The block is too high for it.
    #[error("transaction expired at height {expiry}, not valid at {height}")]
    Expired {
        /// The expiry height.
        expiry: Height,
        /// The block's height.
        height: Height,
    },
    /// A coin does not exist, or is spent.
    #[error("coin {}:{} does not exist or is spent", outpoint.txid, outpoint.index)]
    MissingCoin {
        /// The coin.
        outpoint: OutPoint,
    },
    /// A coin of a coinbase is too young.
    #[error("coin {}:{} of a coinbase matures at height {matures}, not at {height}", outpoint.txid, outpoint.index)]
    Immature {
        /// The coin.
        outpoint: OutPoint,
        /// The first height at which it can be spent.
        matures: Height,
        /// The block's height.
        height: Height,
    },
    /// The coins spent exceed all the money there can be: only a broken store can cause this.
    #[error("coins spent exceed the {limit} QBTC that can exist")]
    AmountSum {
        /// Amount allowed.
        limit: Amount,
    },
    /// It creates more money than it spends.
    #[error("outputs of {outputs} QBTC exceed inputs of {inputs} QBTC")]
    Overspent {
        /// Sum of the coins spent.
        inputs: Amount,
        /// Sum of the coins created.
        outputs: Amount,
    },
    /// Not one witness for each distinct address.
    #[error("transaction with {found} witnesses: expected {expected}, one for each distinct address")]
    WitnessCount {
        /// Witnesses found.
        found: usize,
        /// Distinct addresses that are spent from.
        expected: usize,
    },
    /// A witness.
    #[error("witness {index}: {error}")]
    Witness {
        /// The witness' place.
        index: usize,
        /// What is wrong.
        error: WitnessError,
    },
}

/// Why a transaction or block was not resolved: it is not valid, or the coins could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError<E, V> {
    /// A rule is broken: the fault of whoever made it.
    #[error(transparent)]
    Invalid(E),
    /// The coins could not be read: our own fault, which says nothing about validity.
    #[error("coins could not be read")]
    View(V),
}

impl ResolvedTx {
    /// The transaction.
    #[must_use]
    pub const fn tx(&self) -> &Arc<CheckedTx> {
        &self.tx
    }

    /// The coins it spends, in the order of its inputs.
    #[must_use]
    pub fn spent(&self) -> &[Coin] {
        &self.spent
    }

    /// What it leaves to the miner.
    #[must_use]
    pub const fn fee(&self) -> Amount {
        self.fee
    }

    /// The signatures that are still to be verified.
    #[must_use]
    pub fn jobs(&self) -> Vec<SignatureJob<'_>> {
        match self.witnesses {
            Witnesses::Known => Vec::new(),
            Witnesses::Unverified { message, .. } => {
                self.tx.transaction().witnesses.iter().flat_map(|witness| signature_jobs(witness, message)).collect()
            }
        }
    }

    /// From which height on its witnesses hold if its signatures pass; `None` if they are known to hold.
    #[must_use]
    pub const fn holds_from(&self) -> Option<Height> {
        match self.witnesses {
            Witnesses::Known => None,
            Witnesses::Unverified { holds_from, .. } => Some(holds_from),
        }
    }

    /// Remembers that the transaction's signatures, which the caller has run, have passed.
    pub fn remember(&self, cache: &mut VerifiedCache) {
        if let Some(holds_from) = self.holds_from() {
            cache.insert(self.tx.wtxid(), holds_from);
        }
    }
}

/// Checks a transaction as part of a block of this height on top of these coins.
///
/// # Errors
/// [`ResolveError::Invalid`] with the first rule that it breaks; [`ResolveError::View`], if the coins cannot be read.
pub fn resolve_transaction<V: CoinView>(
    tx: &Arc<CheckedTx>,
    height: Height,
    coins: &V,
    cache: &VerifiedCache,
    spec: &ChainSpec,
) -> Result<ResolvedTx, ResolveError<SpendError, V::Error>> {
    let body = tx.body();
    check_heights(body, height).map_err(ResolveError::Invalid)?;
    let mut spent = Vec::with_capacity(body.inputs.len());
    for outpoint in &body.inputs {
        let coin = coins.coin(outpoint).map_err(ResolveError::View)?;
        spent.push(check_coin(coin, *outpoint, height, spec).map_err(ResolveError::Invalid)?);
    }
    let fee = check_amounts(body, &spent, spec.consensus().supply_max).map_err(ResolveError::Invalid)?;
    let witnesses = if cache.holds_at(&tx.wtxid(), height) {
        Witnesses::Known
    } else {
        check_witnesses(tx, &spent, height, spec).map_err(ResolveError::Invalid)?
    };
    Ok(ResolvedTx { tx: Arc::clone(tx), spent, fee, witnesses })
}

fn check_heights(body: &TxBody, height: Height) -> Result<(), SpendError> {
    // Rule: lock_height ≤ h.
    if body.lock_height > height {
        return Err(SpendError::Locked { lock: body.lock_height, height });
    }
    // Rule: expiry_height = 0 or h ≤ expiry_height.
    if body.expiry_height != Height::GENESIS && height > body.expiry_height {
        return Err(SpendError::Expired { expiry: body.expiry_height, height });
    }
    Ok(())
}

fn check_coin(coin: Option<Coin>, outpoint: OutPoint, height: Height, spec: &ChainSpec) -> Result<Coin, SpendError> {
    // Rule: each input exists and is unspent.
    let coin = coin.ok_or(SpendError::MissingCoin { outpoint })?;
    // Rule: a coinbase's coin is spent only `coinbase_maturity` blocks above it.
    if coin.is_coinbase {
        let matures = spec.consensus().matures_at(coin.height);
        if height < matures {
            return Err(SpendError::Immature { outpoint, matures, height });
        }
    }
    Ok(coin)
}

fn check_amounts(body: &TxBody, spent: &[Coin], limit: Amount) -> Result<Amount, SpendError> {
    let sum = |amounts: &mut dyn Iterator<Item = Amount>| Amount::checked_sum(amounts).filter(|sum| *sum <= limit);
    let inputs = sum(&mut spent.iter().map(|coin| coin.amount)).ok_or(SpendError::AmountSum { limit })?;
    let outputs = sum(&mut body.outputs.iter().map(|output| output.amount)).ok_or(SpendError::AmountSum { limit })?;
    // Rule: inputs ≥ outputs; what is left is the fee.
    inputs.checked_sub(outputs).ok_or(SpendError::Overspent { inputs, outputs })
}

fn check_witnesses(tx: &CheckedTx, spent: &[Coin], height: Height, spec: &ChainSpec) -> Result<Witnesses, SpendError> {
    // Rule: one witness for each distinct address that is spent from, in the order in which the inputs first name them.
    let addresses = distinct_addresses(spent);
    let found = tx.transaction().witnesses.len();
    if found != addresses.len() {
        return Err(SpendError::WitnessCount { found, expected: addresses.len() });
    }
    let mut holds_from = Height::GENESIS;
    for (index, ((witness, unlocks), address)) in tx.witnesses().zip(addresses).enumerate() {
        let checked = check_witness(witness, unlocks, address, height, spec.consensus());
        holds_from = holds_from.max(checked.map_err(|error| SpendError::Witness { index, error })?);
    }
    let message = message(&spec.chain_id(), tx, spent);
    Ok(Witnesses::Unverified { message, holds_from })
}

fn message(chain: &ChainId, tx: &CheckedTx, spent: &[Coin]) -> [u8; 32] {
    let outputs: Vec<TxOut> = spent.iter().map(Coin::to_output).collect();
    sighash(chain, &tx.txid(), &outputs)
}

/// The addresses of coins, each once, in the order of their first coin.
fn distinct_addresses(coins: &[Coin]) -> Vec<Address> {
    let mut seen = hashbrown::HashSet::with_capacity(coins.len());
    coins.iter().map(|coin| coin.address).filter(|address| seen.insert(*address)).collect()
}
