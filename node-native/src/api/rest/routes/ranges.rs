//! Many headers or filters at once, as bytes: what a light client or an explorer catches up with.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use qbtc_core::block::write_compact_size;
use qbtc_core::units::Height;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{App, Binary, Problems, bytes};
use crate::api::rest::params::{BlockRef, Number, Query};
use crate::api::rest::problem::Problem;
use crate::api::rest::reader::Snapshot;

/// The most headers of an answer: 160 kB.
const HEADERS_MAX: u32 = 2_000;
/// The most filters of an answer.
const FILTERS_MAX: u32 = 1_000;
/// Filters end early where they exceed this many bytes, the one that does so included.
const FILTER_BYTES_MAX: usize = 2 << 20;

/// Which headers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HeadersQuery {
    /// The height of the first.
    #[param(value_type = u32)]
    from: Number<0, { u32::MAX }>,
    /// The most; 2000, unless told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 2000)]
    limit: Option<Number<1, HEADERS_MAX>>,
}

/// Which filters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FiltersQuery {
    /// The height of the first.
    #[param(value_type = u32)]
    from: Number<0, { u32::MAX }>,
    /// The most; 1000, unless told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<Number<1, FILTERS_MAX>>,
}

/// Headers of the chain, one after the other: 80 bytes each, fewer than asked where the chain ends.
#[utoipa::path(
    get, operation_id = "headers", path = "/headers", tag = "ranges", params(HeadersQuery),
    responses((status = OK, description = "The bytes.", content_type = "application/octet-stream", body = Binary), Problems)
)]
pub(crate) async fn headers(
    State(api): App,
    Query(query): Query<HeadersQuery>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    let (from, count) = (query.from.0, query.limit.map_or(HEADERS_MAX, |Number(limit)| limit));
    api.at_tip(&asked, move |snapshot| {
        let mut content = Vec::new();
        for height in heights(snapshot, from, count)? {
            let id = snapshot.find(BlockRef::Height(height))?;
            content.extend(snapshot.raw_header(&id)?.to_bytes());
        }
        Ok(bytes(content))
    })
    .await
}

/// Compact filters of the chain's blocks, one after the other: the block's id (32 bytes, as they are hashed), the filter's length
/// (CompactSize), the filter. Fewer than asked where the chain ends, or where they exceed 2 MiB.
#[utoipa::path(
    get, operation_id = "filters", path = "/filters", tag = "ranges", params(FiltersQuery),
    responses((status = OK, description = "The bytes.", content_type = "application/octet-stream", body = Binary), Problems)
)]
pub(crate) async fn filters(
    State(api): App,
    Query(query): Query<FiltersQuery>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    let (from, count) = (query.from.0, query.limit.map_or(FILTERS_MAX, |Number(limit)| limit));
    api.at_tip(&asked, move |snapshot| {
        let mut content = Vec::new();
        for height in heights(snapshot, from, count)? {
            let id = snapshot.find(BlockRef::Height(height))?;
            let missing = || Problem::not_found(format!("the filter of block {id} is not here"));
            let filter = snapshot.chain.filter_bytes(&id)?.ok_or_else(missing)?;
            content.extend(id.as_bytes());
            write_compact_size(&mut content, filter.len() as u64);
            content.extend(filter);
            if content.len() > FILTER_BYTES_MAX {
                break;
            }
        }
        Ok(bytes(content))
    })
    .await
}

/// The heights of the chain in a range.
fn heights(snapshot: &Snapshot, from: u32, count: u32) -> Result<impl Iterator<Item = Height> + use<>, Problem> {
    let top = snapshot.height().0;
    if from > top {
        return Err(Problem::not_found(format!("from {from}: the chain ends at height {top}")));
    }
    Ok((from..=top).zip(0..count).map(|(height, _)| Height(height)))
}
