//! The chain as a whole.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::{App, Problems};
use crate::api::rest::cache::Validity;
use crate::api::rest::problem::Problem;
use crate::api::rest::shapes::{ChainSummary, Supply, Tip};

/// The chain, and how far this node has got with it.
#[utoipa::path(get, operation_id = "chain", path = "/chain", tag = "chain", responses((status = OK, description = "As asked.", body = ChainSummary), Problems))]
pub(crate) async fn chain(State(api): App) -> Result<Response, Problem> {
    let summary = api.read(|snapshot| {
        let (spec, chain) = (snapshot.node.spec(), &snapshot.chain);
        let rules = spec.consensus();
        let header = snapshot.header(&snapshot.tip())?;
        let (header_height, next_bits) = {
            let headers = snapshot.node.headers();
            let next_bits = headers.next_bits(&snapshot.tip(), spec).map_err(|error| Problem::fault(&error))?;
            (headers.best().height().0, next_bits)
        };
        let indexes = chain.indexes();
        Ok(ChainSummary {
            name: spec.name().to_owned(),
            chain_id: spec.chain_id().to_string(),
            address_prefix: spec.network().address_prefix.to_string(),
            tip: Tip::new(chain, &header, snapshot.median_time().0),
            header_height,
            is_synced: snapshot.node.is_synced(),
            next_bits: next_bits.to_string(),
            coins: chain.coin_count(),
            supply: Supply::at(spec, snapshot.height()),
            limits: rules.into(),
            spacing_s: rules.spacing_s,
            coinbase_maturity: rules.coinbase_maturity,
            has_txindex: indexes.txids,
            has_addressindex: indexes.addresses,
            pruned_below: chain.pruned_below().0,
        })
    });
    Ok(Validity::Moment.respond(&HeaderMap::new(), Json(summary.await?)))
}
