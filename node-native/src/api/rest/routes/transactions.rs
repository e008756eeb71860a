//! Transactions by their id: those that wait, and, with the index of transactions, those of the chain.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use qbtc_core::codec;
use qbtc_core::commit::merkle::MerkleProof;
use qbtc_core::hash::Txid;

use super::{App, Binary, Problems, bytes};
use crate::api::rest::cache::Validity;
use crate::api::rest::params::{Segment, txid};
use crate::api::rest::problem::Problem;
use crate::api::rest::reader::{Api, ReadBlock, Snapshot};
use crate::api::rest::shapes::{MerkleProofDetails, Place, TransactionDetails, TransactionStatus};
use crate::store::TxPlace;

/// A transaction that was found, with what it takes to tell of it.
enum Found {
    /// It waits; this is all that there is to tell.
    Pending(Box<TransactionDetails>, Vec<u8>),
    /// It is in the chain.
    Confirmed(TxPlace),
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
    let (validity, details) = told(&api, &id, |snapshot, place| {
        let at = snapshot.place(&place.block)?;
        let ReadBlock { block, .. } = snapshot.block(&place.block)?;
        let spent = snapshot.spent(&at)?;
        Ok(snapshot.transaction(&block, spent.as_deref(), &at, place.place))
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
            Found::Pending(details, _) => Ok((Validity::Moment, details.status)),
            Found::Confirmed(place) => {
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
            Found::Pending(_, bytes) => Ok((Validity::Moment, bytes)),
            Found::Confirmed(place) => {
                let at = snapshot.place(&place.block)?;
                let name = format!("{id}-{}", place.block);
                let validity = Validity::of_content(&name, at.confirmations, snapshot.tip());
                Ok((validity, bytes_in_block(snapshot, &place)?))
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
            Found::Confirmed(place) => Ok((snapshot.tip(), proof_in_block(snapshot, id, &place)?)),
        })
        .await?;
    Ok(Validity::AtTip(tip).respond(&asked, Json(proof)))
}

/// What is told of a transaction, wherever it is.
async fn told(
    api: &Api,
    id: &str,
    confirmed: impl FnOnce(&Snapshot, &TxPlace) -> Result<TransactionDetails, Problem> + Send + 'static,
) -> Result<(Validity, TransactionDetails), Problem> {
    let id = txid(id)?;
    api.read(move |snapshot| match find(snapshot, &id)? {
        Found::Pending(details, _) => Ok((Validity::Moment, *details)),
        Found::Confirmed(place) => Ok((Validity::AtTip(snapshot.tip()), confirmed(snapshot, &place)?)),
    })
    .await
}

fn find(snapshot: &Snapshot, id: &Txid) -> Result<Found, Problem> {
    if let Some(pending) = pending(snapshot, id) {
        return Ok(pending);
    }
    if let Some(place) = snapshot.chain.transaction_place(id)? {
        return Ok(Found::Confirmed(place));
    }
    let problem = Problem::not_found(format!("transaction {id} is not known"));
    if snapshot.chain.indexes().txids {
        return Err(problem);
    }
    Err(Problem::not_found(format!("transaction {id} is not in the mempool, and this node does not index the chain's"))
        .with_mend("start the node with --txindex"))
}

fn pending(snapshot: &Snapshot, id: &Txid) -> Option<Found> {
    let (tx, spent, status) = {
        let live = snapshot.node.live();
        let entry = live.pool.entry(id)?;
        let status = TransactionStatus::Pending { received: entry.time().0, since_height: entry.height().0 };
        (std::sync::Arc::clone(entry.tx()), entry.spent().to_vec(), status)
    };
    let details = TransactionDetails::new(tx.transaction(), Some(&spent), status, snapshot.node.spec());
    Some(Found::Pending(Box::new(details), codec::encode(tx.transaction())))
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
