//! Transactions by their id: those that wait, and, with the index of transactions, those of the chain.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use qbtc_core::codec;
use qbtc_core::commit::merkle::MerkleProof;
use qbtc_core::hash::Txid;
use qbtc_core::utxo::Coin;
use qbtc_core::verify::CheckedTx;

use super::{App, Binary, Problems, bytes};
use crate::api::rest::cache::Validity;
use crate::api::rest::params::{Segment, txid};
use crate::api::rest::problem::Problem;
use crate::api::rest::reader::{ReadBlock, Snapshot};
use crate::api::rest::shapes::{MerkleProofDetails, Place, TransactionDetails, TransactionStatus};
use crate::store::TxPlace;

/// A transaction that was found, with what it takes to tell of it.
enum Found {
    /// It waits, and spends these coins.
    Pending(Arc<CheckedTx>, Vec<Coin>, TransactionStatus),
    /// It is in the chain of this snapshot.
    Confirmed(Snapshot, TxPlace),
}

/// A transaction.
///
/// Transactions that wait are always found; those of the chain, if the node keeps the index (`--txindex`).
#[utoipa::path(
    get, operation_id = "transaction", path = "/transactions/{txid}", tag = "transactions",
    params(("txid" = String, Path, description = "The id without witnesses.")),
    responses((status = OK, description = "As asked.", body = TransactionDetails), Problems)
)]
pub(crate) async fn transaction(State(api): App, Segment(id): Segment, asked: HeaderMap) -> Result<Response, Problem> {
    let id = txid(&id)?;
    let (validity, details) = api
        .read(move |snapshot| match find(snapshot, &id)? {
            Found::Pending(tx, spent, status) => {
                let spec = snapshot.node.spec();
                Ok((Validity::Moment, TransactionDetails::new(tx.transaction(), Some(&spent), status, spec)))
            }
            Found::Confirmed(snapshot, place) => {
                let at = snapshot.place(&place.block)?;
                let ReadBlock { block, .. } = snapshot.block(&place.block)?;
                let spent = snapshot.spent(&at)?;
                let details = snapshot.transaction(&block, spent.as_deref(), &at, place.place);
                Ok((Validity::AtTip(snapshot.tip()), details))
            }
        })
        .await?;
    Ok(validity.respond(&asked, Json(details)))
}

/// Where a transaction is.
#[utoipa::path(
    get, operation_id = "transactionStatus", path = "/transactions/{txid}/status", tag = "transactions",
    params(("txid" = String, Path, description = "The id without witnesses.")),
    responses((status = OK, description = "As asked.", body = TransactionStatus), Problems)
)]
pub(crate) async fn status(State(api): App, Segment(id): Segment, asked: HeaderMap) -> Result<Response, Problem> {
    let id = txid(&id)?;
    let (validity, status) = api
        .read(move |snapshot| match find(snapshot, &id)? {
            Found::Pending(_, _, status) => Ok((Validity::Moment, status)),
            Found::Confirmed(snapshot, place) => {
                let status = TransactionStatus::in_block(&snapshot.place(&place.block)?, place.place);
                Ok((Validity::AtTip(snapshot.tip()), status))
            }
        })
        .await?;
    Ok(validity.respond(&asked, Json(status)))
}

/// A transaction's bytes, witnesses included.
#[utoipa::path(
    get, operation_id = "transactionBytes", path = "/transactions/{txid}/raw", tag = "transactions",
    params(("txid" = String, Path, description = "The id without witnesses.")),
    responses((status = OK, description = "The bytes.", content_type = "application/octet-stream", body = Binary), Problems)
)]
pub(crate) async fn raw(State(api): App, Segment(id): Segment, asked: HeaderMap) -> Result<Response, Problem> {
    let id = txid(&id)?;
    let (validity, content) = api
        .read(move |snapshot| match find(snapshot, &id)? {
            Found::Pending(tx, ..) => Ok((Validity::Moment, codec::encode(tx.transaction()))),
            Found::Confirmed(snapshot, place) => {
                let at = snapshot.place(&place.block)?;
                let name = format!("{id}-{}", place.block);
                let validity = Validity::of_content(&name, at.confirmations, snapshot.tip());
                Ok((validity, bytes_in_block(&snapshot, &place)?))
            }
        })
        .await?;
    Ok(validity.respond(&asked, bytes(content)))
}

/// Shows that a transaction is in a block.
#[utoipa::path(
    get, operation_id = "transactionProof", path = "/transactions/{txid}/proof", tag = "proofs",
    params(("txid" = String, Path, description = "The id without witnesses.")),
    responses((status = OK, description = "As asked.", body = MerkleProofDetails), Problems)
)]
pub(crate) async fn proof(State(api): App, Segment(id): Segment, asked: HeaderMap) -> Result<Response, Problem> {
    let id = txid(&id)?;
    let (tip, proof) = api
        .read(move |snapshot| match find(snapshot, &id)? {
            Found::Pending(..) => Err(Problem::not_found(format!("transaction {id} is in no block yet"))),
            Found::Confirmed(snapshot, place) => Ok((snapshot.tip(), proof_in_block(&snapshot, id, &place)?)),
        })
        .await?;
    Ok(Validity::AtTip(tip).respond(&asked, Json(proof)))
}

/// Finds a transaction, in the mempool or in the chain that it stands on. The two are looked at in one moment: a transaction that a
/// block has just taken out of the mempool is in the chain by then, and may not be in that of the snapshot.
fn find(snapshot: &Snapshot, id: &Txid) -> Result<Found, Problem> {
    let chain = {
        let live = snapshot.node.live();
        if let Some(entry) = live.pool.entry(id) {
            let status = TransactionStatus::Pending { received: entry.time().0, since_height: entry.height().0 };
            return Ok(Found::Pending(Arc::clone(entry.tx()), entry.spent().to_vec(), status));
        }
        Arc::clone(&live.chain)
    };
    let snapshot = Snapshot { node: snapshot.node.clone(), chain };
    if let Some(place) = snapshot.chain.transaction_place(id)? {
        return Ok(Found::Confirmed(snapshot, place));
    }
    if snapshot.chain.indexes().txids {
        return Err(Problem::not_found(format!("transaction {id} is not known")));
    }
    Err(Problem::not_found(format!("transaction {id} is not in the mempool, and this node does not index the chain's"))
        .with_mend("start the node with --txindex"))
}

fn bytes_in_block(snapshot: &Snapshot, place: &TxPlace) -> Result<Vec<u8>, Problem> {
    if place.place == 0 {
        return Ok(snapshot.block(&place.block)?.block.coinbase.to_bytes());
    }
    let bytes = snapshot.chain.transaction_bytes(&place.block, place.place)?;
    bytes.ok_or_else(|| Problem::pruned(format_args!("block {}", place.block)))
}

fn proof_in_block(snapshot: &Snapshot, id: Txid, place: &TxPlace) -> Result<MerkleProofDetails, Problem> {
    let at: Place = snapshot.place(&place.block)?;
    let ReadBlock { block, .. } = snapshot.block(&place.block)?;
    let leaves = block.leaves().into_iter().map(Txid::to_bytes).collect();
    // The commitments stand between the coinbase and the transactions.
    let leaf = if place.place == 0 { 0 } else { place.place.saturating_add(1) };
    let proof = MerkleProof::new(leaves, leaf).map_err(|error| Problem::fault(&error))?;
    Ok(MerkleProofDetails::new(id, &at, &block.header.to_bytes(), block.header.merkle_root, &proof))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::TestNode;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_transaction_that_is_mined_meanwhile_is_found() {
        let node = TestNode::with_blocks(13).await;
        let tx = node.payment(2);
        node.submit(&tx).await;
        let before = Snapshot { node: node.node.clone(), chain: node.node.chain() };
        assert!(matches!(find(&before, &tx.txid()), Ok(Found::Pending(..))));
        node.mine().await;
        let Ok(Found::Confirmed(after, place)) = find(&before, &tx.txid()) else { panic!("it is in the chain now") };
        assert_eq!((after.tip(), place.place), (place.block, 1));
    }
}
