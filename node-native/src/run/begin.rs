//! What a node does first: it takes in files of blocks, then the mempool of the last run.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use qbtc_core::tx::Transaction;
use qbtc_core::units::BlockTime;

use crate::blocks_file::BlocksFileError;
use crate::import::{ImportError, import};
use crate::node::{Node, PrioritiseError, TxRefusal};
use crate::store::{Store, StoredMempool};

/// How often long work tells how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// What a node does first: it takes in files of blocks, then the mempool of the last run.
pub(super) async fn begin(node: Node, store: Store, files: Vec<PathBuf>, is_mempool_loaded: Arc<AtomicBool>) {
    if !files.is_empty() {
        node.set_loading(true);
        for file in files {
            if let Err(error) = load_blocks(&node, &file).await {
                tracing::error!(file = %file.display(), "{error}");
            }
        }
        node.set_loading(false);
    }
    restore_mempool(node, store).await;
    is_mempool_loaded.store(true, Ordering::Relaxed);
}

async fn load_blocks(node: &Node, path: &Path) -> Result<(), ImportError> {
    let failed = |error| BlocksFileError::Read { number: 0, error };
    let file = BufReader::new(File::open(path).map_err(failed)?);
    tracing::info!(file = %path.display(), "loading blocks");
    let (started, mut told) = (Instant::now(), Instant::now());
    let done = import(node, file, |done| {
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            tracing::info!(blocks = done.blocks, transactions = done.transactions, "loading blocks");
        }
    });
    let done = done.await?;
    let seconds = format!("{:.1}", started.elapsed().as_secs_f64());
    tracing::info!(blocks = done.blocks, transactions = done.transactions, seconds, "blocks loaded");
    Ok(())
}

/// Gives the mempool the transactions that it had in the last run.
async fn restore_mempool(node: Node, store: Store) {
    let loaded = tokio::task::spawn_blocking(move || store.load_mempool()).await;
    let StoredMempool { transactions, priorities, own } = match loaded {
        Ok(Ok(stored)) => stored,
        Ok(Err(error)) => {
            tracing::warn!("the mempool of the last run is lost: {error}");
            StoredMempool::default()
        }
        Err(_) => return,
    };
    // Before they are in the mempool, so that others hear of them again.
    node.own().restore(own);
    // They come first: some transactions are taken for their sake only.
    for (txid, fee_delta) in priorities {
        match node.prioritise(txid, fee_delta).await {
            Err(PrioritiseError::Fault(_)) => return,
            Ok(()) | Err(PrioritiseError::Refused(_)) => {}
        }
    }
    let count = transactions.len();
    let age_max_s = node.live().pool.policy().age_max_s;
    // From now on they wait anew; but what had waited too long already does not come back.
    let is_young = |arrived: &BlockTime| node.now().seconds_since(*arrived) <= i64::from(age_max_s);
    let young = transactions.into_iter().filter(|(arrived, _)| is_young(arrived)).map(|(_, transaction)| transaction);
    let Some(taken) = take_back(&node, young.collect()).await else { return };
    {
        let live = node.live();
        node.own().retain(|txid| live.pool.entry(txid).is_some());
    }
    node.mempool_restored().await;
    if count > 0 {
        tracing::info!(taken, of = count, "mempool of the last run restored");
    }
}

/// Gives the mempool its transactions back, and returns how many it takes; `None`, if the node stops. After a reorg, parents may have come after their
/// children: whoever misses a coin is tried again after the others, for as long as that helps.
async fn take_back(node: &Node, mut transactions: Vec<Transaction>) -> Option<usize> {
    let mut taken = 0;
    loop {
        let (before, mut orphans) = (taken, Vec::new());
        for transaction in transactions {
            match node.submit_transaction(transaction.clone()).await {
                Ok(_) => taken += 1,
                Err(TxRefusal::Fault(_)) => return None,
                Err(TxRefusal::Admit(error)) if error.missing_coin().is_some() => orphans.push(transaction),
                Err(error) => tracing::debug!("a transaction of the last run is not valid any more: {error}"),
            }
        }
        if orphans.is_empty() || taken == before {
            return Some(taken);
        }
        transactions = orphans;
    }
}

#[cfg(test)]
mod tests;
