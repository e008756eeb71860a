//! Transactions that are in no block yet: the wallet's own, which it hands to the node until they are mined or expire, and those of
//! others that wait in the node's pool and touch the wallet.

use std::collections::BTreeSet;

use qbtc_core::hash::Txid;
use qbtc_core::tx::Transaction;
use qbtc_core::wallet::account::AccountError;
use qbtc_core::wallet::derivation::AccountKey;
use qbtc_core::wallet::ledger::TxEffects;

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
    /// Transactions of others that have left the pool without being mined.
    pub gone: Vec<Txid>,
    /// How many wait in the pool, if they are too many to look through for payments to the wallet.
    pub too_many: Option<usize>,
}

/// Why pending transactions could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum PendingError {
    /// The node did not answer.
    #[error("{0}")]
    Source(#[from] ClientError),
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
    secret: Option<&AccountKey>,
) -> Result<PendingReport, PendingError> {
    let mut report = PendingReport::default();
    let waiting: BTreeSet<Txid> = source.waiting()?.into_iter().collect();
    let pending: Vec<Txid> = pending_of(state);
    state.own.retain(|transaction| pending.contains(&transaction.txid()));
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
    if state.seen.len() + unseen.len() > WalletState::SEEN_MAX {
        report.too_many = Some(waiting.len());
        return Ok(report);
    }
    for transaction in parents_first(source.transactions(&unseen)?) {
        let applied = state.account.add_pending(&TxEffects::of_transaction(&transaction.body), secret)?;
        report.arrived.extend(applied.touched);
    }
    state.seen.extend(unseen);
    Ok(report)
}

/// Takes in a transaction that the wallet has made, before it is handed to a node: whatever happens then, it is not forgotten.
///
/// # Errors
/// [`AccountError`], with the wallet as it was.
pub fn add_own(state: &mut WalletState, transaction: &Transaction, secret: &AccountKey) -> Result<(), AccountError> {
    state.account.add_pending(&TxEffects::of_transaction(&transaction.body), Some(secret))?;
    state.own.push(transaction.clone());
    let pending = pending_of(state);
    state.own.retain(|transaction| pending.contains(&transaction.txid()));
    Ok(())
}

/// Forgets a transaction that no node took.
pub fn forget(state: &mut WalletState, txid: &Txid) {
    state.account.drop_pending(txid);
    let pending = pending_of(state);
    state.own.retain(|transaction| pending.contains(&transaction.txid()));
}

fn pending_of(state: &WalletState) -> Vec<Txid> {
    state.ledger().history().filter(|entry| entry.block.is_none()).map(|entry| entry.txid).collect()
}

/// The same transactions, each behind those whose outputs it spends. At most [`WalletState::SEEN_MAX`] of them.
fn parents_first(mut transactions: Vec<Transaction>) -> Vec<Transaction> {
    let mut ordered = Vec::with_capacity(transactions.len());
    while !transactions.is_empty() {
        let left: BTreeSet<Txid> = transactions.iter().map(Transaction::txid).collect();
        let is_free =
            |transaction: &Transaction| !transaction.body.inputs.iter().any(|input| left.contains(&input.txid));
        let (free, bound): (Vec<_>, Vec<_>) = transactions.into_iter().partition(is_free);
        // Ids are hashes, so none can spend itself in a circle; a node that claims so gets its transactions in any order.
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
