//! Transactions that are in no block yet: the wallet's own, which it hands to the node until they are mined or expire, and those of
//! others that wait in the node's pool and touch the wallet.

use std::collections::BTreeSet;

use qbtc_core::codec;
use qbtc_core::hash::Txid;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::Transaction;
use qbtc_core::wallet::account::AccountError;
use qbtc_core::wallet::derivation::AccountKey;
use qbtc_core::wallet::ledger::{LedgerError, TxEffects};
use qbtc_core::wallet::waiting::OwnCoins;

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
    state.settle_own(secret);
    // Parents first: a node takes no payment of coins that it has not heard of.
    let pending: Vec<Txid> = state.ledger().pending().map(|entry| entry.txid).collect();
    for txid in pending.iter().filter(|txid| !waiting.contains(txid)) {
        match state.outbox().get(txid).cloned() {
            Some(transaction) => match source.submit(&transaction) {
                Ok(()) => report.sent_again.push(*txid),
                Err(ClientError::Rpc { message, .. }) => report.refused.push((*txid, message)),
                Err(error) => return Err(error.into()),
            },
            // What was paid with its money waits for both.
            None if !state.outbox().is_apart(state.account(), txid, &[]) => {}
            None => {
                state.change(|account| account.drop_pending(txid));
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
    let (mut coins, next) = (OwnCoins::of(state.account()), state.account().next_height());
    for (txid, transaction) in parents_first(arriving) {
        if !coins.are_left_or_rightly_spent(&transaction, next, spec) {
            report.unproven.push(txid);
            continue;
        }
        match state.change(|account| account.add_pending(&TxEffects::of_transaction(&transaction.body), secret)) {
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
