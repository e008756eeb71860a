//! Transactions that are in no block yet: the wallet's own, which it hands to the node until they are mined or expire, and those of
//! others that wait in the node's pool and touch the wallet.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use qbtc_core::codec;
use qbtc_core::crypto::verify_serial;
use qbtc_core::hash::Txid;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody};
use qbtc_core::units::Height;
use qbtc_core::utxo::{Coin, CoinView};
use qbtc_core::verify::{VerifiedCache, check_transaction, resolve_transaction};
use qbtc_core::wallet::account::{AccountError, Applied};
use qbtc_core::wallet::derivation::AccountKey;
use qbtc_core::wallet::ledger::{LedgerError, OwnedCoin, TxEffects};

use super::source::ChainSource;
use super::state::WalletState;
use crate::client::ClientError;

/// What happened to transactions that are in no block.
#[derive(Debug, Default)]
pub struct PendingReport {
    /// Transactions of others, seen for the first time, that touch the wallet.
    pub arrived: Vec<Txid>,
    /// Own ones that were handed to the node again.
    pub sent_again: Vec<Txid>,
    /// Own ones that the node does not want, and why. They stay until they expire: the reason may pass.
    pub refused: Vec<(Txid, String)>,
    /// Waiting ones that spend the wallet's coins and do not show that they may: not signed, or along with coins of others, which the
    /// wallet does not know. They show once they are mined.
    pub unproven: Vec<Txid>,
    /// Transactions of others that have left the pool without being mined.
    pub gone: Vec<Txid>,
    /// How many wait in the pool, if they are too many to look through for payments to the wallet, or too many of them are.
    pub too_many: Option<usize>,
}

/// The most bytes of waiting transactions that are looked through: what a node must not make a wallet exceed.
const POOL_BYTES_MAX: usize = 64 << 20;

/// Why pending transactions could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum PendingError {
    /// The node did not answer.
    #[error("{0}")]
    Source(#[from] ClientError),
    /// Another transaction than asked for.
    #[error("the node gives transaction {found} for {expected}")]
    OtherTransaction {
        /// The transaction given.
        found: Txid,
        /// The transaction asked for.
        expected: Txid,
    },
    /// What was found does not fit the wallet.
    #[error(transparent)]
    Account(#[from] AccountError),
}

/// Compares the wallet's pending transactions with the node's pool. Call it when the wallet has just been synchronised.
///
/// # Errors
/// [`PendingError`]; what was found until then stays.
pub fn follow_pending(
    state: &mut WalletState,
    source: &impl ChainSource,
    spec: &ChainSpec,
    secret: Option<&AccountKey>,
) -> Result<PendingReport, PendingError> {
    let mut report = PendingReport::default();
    let waiting: BTreeSet<Txid> = source.waiting()?.into_iter().collect();
    add_own_again(state, secret)?;
    let pending: Vec<Txid> = pending_of(state);
    for txid in pending.iter().filter(|txid| !waiting.contains(txid)) {
        match state.own(txid).cloned() {
            Some(transaction) => match source.submit(&transaction) {
                Ok(()) => report.sent_again.push(*txid),
                Err(ClientError::Rpc { message, .. }) => report.refused.push((*txid, message)),
                Err(error) => return Err(error.into()),
            },
            None => {
                state.account.drop_pending(txid);
                report.gone.push(*txid);
            }
        }
    }
    state.seen.retain(|txid| waiting.contains(txid));
    let known: BTreeSet<Txid> = state.seen.iter().copied().chain(pending).collect();
    let unseen: Vec<Txid> = waiting.iter().filter(|txid| !known.contains(txid)).copied().collect();
    let is_too_many = state.seen.len() + unseen.len() > WalletState::SEEN_MAX;
    let arriving = if is_too_many { None } else { fetch(source, &unseen)? };
    let Some(arriving) = arriving else {
        report.too_many = Some(waiting.len());
        return Ok(report);
    };
    let (mut coins, next) = (OwnCoins::of(state), state.height().next().unwrap_or_default());
    for (txid, transaction) in parents_first(arriving) {
        if !coins.are_left_or_rightly_spent(&transaction, next, spec) {
            report.unproven.push(txid);
            continue;
        }
        match add(state, &transaction.body, secret) {
            Ok(applied) => report.arrived.extend(applied.touched),
            // A wallet that is paid by so many goes on without those that are left: it sees them once they are mined.
            Err(AccountError::Ledger(LedgerError::TooManyPending)) => report.too_many = Some(waiting.len()),
            Err(error) => return Err(error.into()),
        }
        let entry = state.ledger().entry(&txid);
        entry.iter().flat_map(|entry| &entry.received).for_each(|coin| coins.insert(coin));
        state.seen.push(txid);
    }
    Ok(report)
}

/// Those of these transactions that still wait; `None`, if they are too long to be kept.
fn fetch(source: &impl ChainSource, txids: &[Txid]) -> Result<Option<Vec<(Txid, Transaction)>>, PendingError> {
    let (mut fetched, mut bytes) = (Vec::new(), 0);
    for expected in txids {
        for transaction in source.transactions(&[*expected])? {
            let found = transaction.txid();
            if found != *expected {
                return Err(PendingError::OtherTransaction { found, expected: *expected });
            }
            bytes += codec::encoded_len(&transaction);
            if bytes > POOL_BYTES_MAX {
                return Ok(None);
            }
            fetched.push((found, transaction));
        }
    }
    Ok(Some(fetched))
}

/// The wallet's coins, mined and pending, spent by what waits or not.
struct OwnCoins(BTreeMap<OutPoint, Coin>);

impl OwnCoins {
    fn of(state: &WalletState) -> Self {
        let mut coins = Self(BTreeMap::new());
        state.ledger().coins().for_each(|coin| coins.insert(coin));
        let pending = state.ledger().history().take_while(|entry| entry.block.is_none());
        pending.flat_map(|entry| &entry.received).for_each(|coin| coins.insert(coin));
        coins
    }

    fn insert(&mut self, coin: &OwnedCoin) {
        let OwnedCoin { outpoint, amount, address, is_coinbase, .. } = *coin;
        let height = coin.height.unwrap_or(Height::GENESIS);
        self.0.insert(outpoint, Coin { amount, address, height, is_coinbase });
    }

    /// Whether a transaction leaves these coins alone, or shows by valid signatures that it may spend them in a block of this height.
    /// Without that, a node could make the wallet believe that its money is on its way to somebody.
    fn are_left_or_rightly_spent(&self, transaction: &Transaction, height: Height, spec: &ChainSpec) -> bool {
        if !transaction.body.inputs.iter().any(|input| self.0.contains_key(input)) {
            return true;
        }
        let Ok(checked) = check_transaction(transaction.clone(), spec.consensus()) else { return false };
        let resolved = resolve_transaction(&Arc::new(checked), height, self, &VerifiedCache::new(0), spec);
        resolved.is_ok_and(|resolved| verify_serial(&resolved.jobs()).is_ok())
    }
}

impl CoinView for OwnCoins {
    type Error = Infallible;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Infallible> {
        Ok(self.0.get(outpoint).copied())
    }
}

fn add(state: &mut WalletState, body: &TxBody, secret: Option<&AccountKey>) -> Result<Applied, AccountError> {
    state.account.add_pending(&TxEffects::of_transaction(body), secret)
}

/// Takes in a transaction that the wallet has made, before it is handed to a node: whatever happens then, it is not forgotten.
///
/// # Errors
/// [`AccountError`], with the wallet as it was.
pub fn add_own(
    state: &mut WalletState,
    transaction: &Transaction,
    secret: Option<&AccountKey>,
) -> Result<(), AccountError> {
    add(state, &transaction.body, secret)?;
    if state.own(&transaction.txid()).is_none() {
        state.own.push(transaction.clone());
    }
    let pending = pending_of(state);
    state.own.retain(|transaction| pending.contains(&transaction.txid()));
    Ok(())
}

/// Takes in again what the wallet had sent before it looked through the chain anew: what it can still pay with the coins that it has
/// found, and has not expired. Forgets of its own transactions those that are mined or can no longer be.
fn add_own_again(state: &mut WalletState, secret: Option<&AccountKey>) -> Result<(), AccountError> {
    for transaction in std::mem::take(&mut state.own) {
        let TxBody { inputs, expiry_height, .. } = &transaction.body;
        let is_expired = *expiry_height != Height::GENESIS && *expiry_height <= state.height();
        let ledger = state.ledger();
        // Every coin that no pending transaction spends, however young.
        let free = ledger.spendable(Height(u32::MAX), 0).into_iter().chain(ledger.pending_coins());
        let free: BTreeSet<OutPoint> = free.map(|coin| coin.outpoint).collect();
        let is_pending = ledger.entry(&transaction.txid()).map(|entry| entry.block.is_none());
        let can_be_paid = || !is_expired && inputs.iter().all(|input| free.contains(input));
        if is_pending.unwrap_or_else(can_be_paid) {
            add(state, &transaction.body, secret)?;
            state.own.push(transaction);
        }
    }
    Ok(())
}

/// What is in no block, parents first: a node takes no payment of coins that it has not heard of.
fn pending_of(state: &WalletState) -> Vec<Txid> {
    let mut pending: Vec<_> =
        state.ledger().history().filter(|entry| entry.block.is_none()).map(|entry| entry.txid).collect();
    pending.reverse();
    pending
}

/// The same transactions, each behind those whose outputs it spends. At most [`WalletState::SEEN_MAX`] of them.
fn parents_first(mut transactions: Vec<(Txid, Transaction)>) -> Vec<(Txid, Transaction)> {
    let mut ordered = Vec::with_capacity(transactions.len());
    while !transactions.is_empty() {
        let left: BTreeSet<Txid> = transactions.iter().map(|(txid, _)| *txid).collect();
        let is_free = |(_, transaction): &(Txid, Transaction)| {
            !transaction.body.inputs.iter().any(|input| left.contains(&input.txid))
        };
        let (free, bound): (Vec<_>, Vec<_>) = transactions.into_iter().partition(is_free);
        // Ids are hashes, and were checked, so none can spend itself in a circle; and this ends even if it could.
        if free.is_empty() {
            ordered.extend(bound);
            break;
        }
        ordered.extend(free);
        transactions = bound;
    }
    ordered
}

#[cfg(test)]
mod tests;
