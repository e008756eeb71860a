//! The mempool, and what to pay.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use qbtc_core::mempool::{MempoolEntry, Sequence};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{App, Problems, json};
use crate::api::rest::cache::Validity;
use crate::api::rest::params::{Number, Query, SequenceCursor, limit};
use crate::api::rest::problem::Problem;
use crate::api::rest::reader::Snapshot;
use crate::api::rest::shapes::{Band, FeeEstimate, FeeEstimates, MempoolBands, MempoolPage, MempoolSummary, MempoolTx};

/// The longest page of transactions.
const PAGE_MAX: u32 = 500;
const PAGE_DEFAULT: u32 = 50;
/// The waits that estimates are made for, in blocks.
const WAITS: [u32; 8] = [1, 2, 3, 6, 12, 25, 50, 100];

/// The mempool in numbers.
#[utoipa::path(get, operation_id = "mempool", path = "/mempool", tag = "mempool", responses((status = OK, description = "As asked.", body = MempoolSummary), Problems))]
pub(crate) async fn summary(State(api): App) -> Response {
    let now = api.node.now();
    let summary = {
        let live = api.node.live();
        let (pool, policy) = (&live.pool, live.pool.policy());
        MempoolSummary {
            transactions: pool.len(),
            size_bytes: pool.size_bytes(),
            usage_bytes: pool.usage_bytes(),
            usage_limit_bytes: policy.pool_bytes_max,
            fee_rate_min: pool.fee_rate_min(now).quanta_per_1000_bytes(),
            incremental_fee_rate: policy.incremental_fee_rate.quanta_per_1000_bytes(),
            dust_min: policy.dust_min().into(),
            next_height: pool.height().0,
        }
    };
    Validity::Moment.respond(&HeaderMap::new(), Json(summary))
}

/// Which transactions of the mempool.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Only those that came after this one: `next` of the page before.
    #[param(value_type = Option<u64>)]
    after: Option<SequenceCursor>,
    /// The most transactions; 50, unless told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<Number<1, PAGE_MAX>>,
}

/// The transactions that wait, in the order of arrival.
#[utoipa::path(
    get, operation_id = "mempoolTransactions", path = "/mempool/transactions", tag = "mempool", params(PageQuery),
    responses((status = OK, description = "As asked.", body = MempoolPage), Problems)
)]
pub(crate) async fn transactions(State(api): App, Query(query): Query<PageQuery>) -> Result<Response, Problem> {
    let after = Sequence(query.after.map_or(0, |SequenceCursor(after)| after));
    let count = limit(query.limit, PAGE_DEFAULT);
    let page = api.read(move |snapshot| {
        let transactions: Vec<MempoolTx> = {
            let live = snapshot.node.live();
            live.pool.entries_after(after).take(count).map(MempoolTx::from).collect()
        };
        let next = transactions.last().filter(|_| transactions.len() == count).map(|last| last.sequence);
        Ok(MempoolPage { transactions, next })
    });
    Ok(Validity::Moment.respond(&HeaderMap::new(), Json(page.await?)))
}

/// What waits, by fee rate. Told anew every two seconds.
#[utoipa::path(get, operation_id = "mempoolBands", path = "/mempool/bands", tag = "mempool", responses((status = OK, description = "As asked.", body = MempoolBands), Problems))]
pub(crate) async fn bands(State(api): App) -> Result<Response, Problem> {
    let bands = api.every_now_and_then("bands", |node| {
        let live = node.live();
        Ok(MempoolBands { bands: sorted(live.pool.entries()) })
    });
    Ok(Validity::Moment.respond(&HeaderMap::new(), json(&bands.await?)))
}

/// What to pay to be mined within so many blocks. Told anew every two seconds.
#[utoipa::path(get, operation_id = "fees", path = "/fees", tag = "mempool", responses((status = OK, description = "As asked.", body = FeeEstimates), Problems))]
pub(crate) async fn fees(State(api): App) -> Result<Response, Problem> {
    let read = |snapshot: &Snapshot| {
        let node = &snapshot.node;
        let estimate = |blocks| FeeEstimate::new(blocks, node.recent_fee_estimate(blocks));
        let fee_rate_min = node.live().pool.fee_rate_min(node.now()).quanta_per_1000_bytes();
        Ok(FeeEstimates { fee_rate_min, estimates: WAITS.into_iter().map(estimate).collect() })
    };
    Ok(Validity::Moment.respond(&HeaderMap::new(), Json(api.read(read).await?)))
}

fn sorted<'a>(entries: impl Iterator<Item = &'a MempoolEntry>) -> Vec<Band> {
    let mut bands = Band::all();
    for entry in entries {
        let band = &mut bands[Band::place(entry.fee_rate().quanta_per_1000_bytes())];
        band.transactions += 1;
        band.size_bytes += u64::from(entry.size_bytes());
    }
    bands
}
