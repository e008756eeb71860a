//! What an earlier version has written, brought to the format of today.

use qbtc_core::commit::CommitmentsProof;
use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::body::StoredBody;
use super::tables::{BODIES, COMMITMENTS, FILTERS};
use super::{StoreError, blob};

/// Proves what blocks commit to that are or were in the chain. Those whose bodies are pruned stay without a proof.
pub(super) fn write_commitments(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let filters = transaction.open_table(FILTERS)?;
    let bodies = transaction.open_table(BODIES)?;
    let mut commitments = transaction.open_table(COMMITMENTS)?;
    let rows = filters.len()?;
    tracing::info!(rows, "bringing the database to the format of this version");
    for (row, done) in filters.iter()?.zip(1_u64..) {
        let (number, piece) = row?.0.value();
        if piece == 0
            && let Some(body) = blob::read(&bodies, number)?
        {
            commitments.insert(number, &proof(&body, number)?.to_bytes()[..])?;
        }
        if done % 100_000 == 0 {
            tracing::info!(done, of = rows, "bringing the database to the format of this version");
        }
    }
    Ok(())
}

fn proof(body: &[u8], number: u64) -> Result<CommitmentsProof, StoreError> {
    let body = StoredBody::parse(body)?;
    let (coinbase, commitments, txids) = body.leaves()?;
    let leaves: Vec<_> = [coinbase, commitments.id()].into_iter().chain(txids).collect();
    let damaged = |error| StoreError::inconsistent(format!("block number {number}: {error}"));
    CommitmentsProof::new(commitments, &leaves).map_err(damaged)
}
