//! Handing in a transaction.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::response::Response;
use qbtc_core::codec;
use qbtc_core::mempool::{AdmitError, Policy};
use qbtc_core::tx::Transaction;

use super::{App, Binary, Problems};
use crate::api::rest::cache::Validity;
use crate::api::rest::problem::Problem;
use crate::api::rest::shapes::{BroadcastAnswer, TestAnswer};
use crate::node::TxRefusal;

/// The largest body: the largest transaction that is relayed, twice over, since it may come as hex.
pub(crate) const BODY_BYTES_MAX: usize = 2 * Policy::TX_BYTES_MAX as usize;

/// Hands in a transaction, for the mempool and the miners.
///
/// Handing in the same transaction again is answered alike, with `is_new` false.
#[utoipa::path(
    post, operation_id = "broadcast", path = "/transactions", tag = "transactions",
    request_body(content(
        (Binary = "application/octet-stream"),
        (String = "text/plain"),
    ), description = "The transaction's bytes, or the same as hex."),
    responses((status = OK, description = "As asked.", body = BroadcastAnswer), Problems)
)]
pub(crate) async fn broadcast(State(api): App, Handed(tx): Handed) -> Result<Response, Problem> {
    let txid = tx.txid();
    let is_new = match api.node.spread_transaction(tx).await {
        Ok(_) => true,
        Err(TxRefusal::Admit(AdmitError::Known { .. })) => false,
        Err(refusal) => return Err(problem(refusal)),
    };
    let answer = BroadcastAnswer { txid: txid.to_string(), is_new };
    Ok(Validity::Moment.respond(&axum::http::HeaderMap::new(), Json(answer).into_response()))
}

/// Says whether a transaction would be taken, and changes nothing.
#[utoipa::path(
    post, operation_id = "testTransaction", path = "/transactions/test", tag = "transactions",
    request_body(content(
        (Binary = "application/octet-stream"),
        (String = "text/plain"),
    ), description = "The transaction's bytes, or the same as hex."),
    responses((status = OK, description = "As asked.", body = TestAnswer), Problems)
)]
pub(crate) async fn test(State(api): App, Handed(tx): Handed) -> Result<Response, Problem> {
    let tested = api.node.test_transaction(tx).await.map_err(problem)?;
    let answer = TestAnswer {
        txid: tested.txid.to_string(),
        wtxid: tested.wtxid.to_string(),
        size_bytes: tested.size_bytes,
        fee: tested.fee.into(),
    };
    Ok(Validity::Moment.respond(&axum::http::HeaderMap::new(), Json(answer)))
}

/// A transaction in a body, as bytes or as hex.
pub(crate) struct Handed(Transaction);

impl<S: Send + Sync> FromRequest<S> for Handed {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(ToOwned::to_owned);
        let essence = kind.as_deref().and_then(|kind| kind.split(';').next()).map(str::trim);
        let is_hex = match essence {
            Some(kind) if kind.eq_ignore_ascii_case("application/octet-stream") => false,
            Some(kind) if kind.eq_ignore_ascii_case("text/plain") => true,
            found => return Err(Problem::media_type(found, "application/octet-stream (bytes) or text/plain (hex)")),
        };
        let body = Bytes::from_request(request, state).await.map_err(|rejection| unread(&rejection))?;
        let bytes = if is_hex { from_hex(&body)? } else { body.to_vec() };
        let tx = codec::decode(&bytes, BODY_BYTES_MAX).map_err(|error| Problem::bad_request(error.to_string()))?;
        Ok(Self(tx))
    }
}

fn unread(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        axum::http::StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(BODY_BYTES_MAX),
        _ => Problem::bad_request(rejection.body_text()),
    }
}

fn from_hex(body: &[u8]) -> Result<Vec<u8>, Problem> {
    hex::decode(body.trim_ascii()).map_err(|error| Problem::bad_request(format!("the body is no hex: {error}")))
}

fn problem(refusal: TxRefusal) -> Problem {
    match refusal {
        TxRefusal::Check(error) => Problem::refused(error),
        TxRefusal::Admit(error) => Problem::refused(error),
        TxRefusal::Fault(fault) => Problem::fault(&fault),
    }
}
