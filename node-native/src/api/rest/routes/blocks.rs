//! Blocks.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use qbtc_core::codec;
use qbtc_core::commit::mmr::BlockProof;
use qbtc_core::units::{Amount, Height};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{App, Binary, Problems, bytes};
use crate::api::rest::cache::Validity;
use crate::api::rest::params::{BlockRef, Number, Query, Segment, limit};
use crate::api::rest::problem::Problem;
use crate::api::rest::reader::{Api, ReadBlock, Snapshot};
use crate::api::rest::shapes::{
    BlockDetails, BlockHeader, BlockLine, BlockPage, Place, TransactionDetails, TransactionPage, TransactionStatus,
};

/// The most blocks of a list.
const LIST_MAX: u32 = 50;
const LIST_DEFAULT: u32 = 10;
/// The most transactions of a page.
const TRANSACTIONS_MAX: u32 = 100;
const TRANSACTIONS_DEFAULT: u32 = 25;

/// Which blocks of the chain.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only blocks below this height; from the tip, unless told.
    #[param(value_type = Option<u32>)]
    before: Option<Number<0, { u32::MAX }>>,
    /// The most blocks; 10, unless told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 50)]
    limit: Option<Number<1, LIST_MAX>>,
}

/// Blocks of the chain, the highest first.
#[utoipa::path(get, operation_id = "listBlocks", path = "/blocks", tag = "blocks", params(ListQuery), responses((status = OK, description = "As asked.", body = BlockPage), Problems))]
pub(crate) async fn list(
    State(api): App,
    Query(query): Query<ListQuery>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    api.at_tip(&asked, move |snapshot| {
        let top = snapshot.height().0;
        let end = query.before.map_or(u32::MAX, |Number(before)| before).min(top.saturating_add(1));
        let count = u32::try_from(limit(query.limit, LIST_DEFAULT)).unwrap_or(LIST_MAX).min(end);
        let start = end - count;
        let lines = (start..end).rev().map(|height| line(snapshot, Height(height)));
        Ok(Json(BlockPage { blocks: lines.collect::<Result<_, _>>()?, next: Some(start).filter(|next| *next > 0) }))
    })
    .await
}

fn line(snapshot: &Snapshot, height: Height) -> Result<BlockLine, Problem> {
    let id = snapshot.find(BlockRef::Height(height))?;
    let header = snapshot.header(&id)?;
    let extent = snapshot.chain.block_extent(&id)?;
    // The genesis block pays what was allotted, and takes no fees.
    let subsidy = snapshot.node.spec().consensus().subsidy(height);
    let fees = |paid: Amount| if height == Height::GENESIS { Amount::ZERO } else { paid.saturating_sub(subsidy) };
    Ok(BlockLine {
        id: header.id,
        height: header.height,
        time: header.time,
        difficulty: header.difficulty,
        size_bytes: extent.map(|extent| extent.size_bytes),
        transactions: extent.map(|extent| extent.transactions),
        fees: extent.and_then(|extent| extent.paid).map(|paid| fees(paid).into()),
    })
}

/// A block without its transactions.
///
/// The block is named by its height in the chain, or by its id, in the chain or beside it.
#[utoipa::path(
    get, operation_id = "block", path = "/blocks/{block}", tag = "blocks",
    params(("block" = String, Path, description = "A height, or an id of 64 hex digits.")),
    responses((status = OK, description = "As asked.", body = BlockDetails), Problems)
)]
pub(crate) async fn block(State(api): App, Segment(name): Segment, asked: HeaderMap) -> Result<Response, Problem> {
    let name = BlockRef::parse(&name)?;
    api.at_tip(&asked, move |snapshot| {
        let id = snapshot.find(name)?;
        let ReadBlock { block, size_bytes } = snapshot.block(&id)?;
        Ok(Json(BlockDetails::new(snapshot.header(&id)?, &block, size_bytes, snapshot.node.spec())))
    })
    .await
}

/// A block's header. Known also of blocks that are pruned, or not here yet.
#[utoipa::path(
    get, operation_id = "blockHeader", path = "/blocks/{block}/header", tag = "blocks",
    params(("block" = String, Path, description = "A height, or an id of 64 hex digits.")),
    responses((status = OK, description = "As asked.", body = BlockHeader), Problems)
)]
pub(crate) async fn header(State(api): App, Segment(name): Segment, asked: HeaderMap) -> Result<Response, Problem> {
    let name = BlockRef::parse(&name)?;
    api.at_tip(&asked, move |snapshot| Ok(Json(snapshot.header(&snapshot.find(name)?)?))).await
}

/// A block's bytes, as miners and peers exchange them.
#[utoipa::path(
    get, operation_id = "blockBytes", path = "/blocks/{block}/raw", tag = "blocks",
    params(("block" = String, Path, description = "A height, or an id of 64 hex digits.")),
    responses((status = OK, description = "The bytes.", content_type = "application/octet-stream", body = Binary), Problems)
)]
pub(crate) async fn raw(State(api): App, Segment(name): Segment, asked: HeaderMap) -> Result<Response, Problem> {
    content(&api, &name, &asked, "raw", |snapshot, at| snapshot.block_bytes(&at.block)).await
}

/// A block's compact filter: which addresses it touches (as in BIP 158, keyed with the first 16 bytes of the parent's id).
#[utoipa::path(
    get, operation_id = "blockFilter", path = "/blocks/{block}/filter", tag = "blocks",
    params(("block" = String, Path, description = "A height, or an id of 64 hex digits.")),
    responses((status = OK, description = "The bytes.", content_type = "application/octet-stream", body = Binary), Problems)
)]
pub(crate) async fn filter(State(api): App, Segment(name): Segment, asked: HeaderMap) -> Result<Response, Problem> {
    content(&api, &name, &asked, "filter", |snapshot, at| {
        let filter = snapshot.chain.filter_bytes(&at.block)?;
        filter.ok_or_else(|| Problem::not_found(format!("block {} was never in the chain and has no filter", at.block)))
    })
    .await
}

/// Bytes that a block holds in itself. By id they may be kept for good once they are settled; a height may get another block.
async fn content(
    api: &Api,
    name: &str,
    asked: &HeaderMap,
    kind: &'static str,
    read: impl FnOnce(&Snapshot, &Place) -> Result<Vec<u8>, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let name = BlockRef::parse(name)?;
    let (tip, at, content) = api
        .read(move |snapshot| {
            let at = snapshot.place(&snapshot.find(name)?)?;
            Ok((snapshot.tip(), at, read(snapshot, &at)?))
        })
        .await?;
    let validity = match name {
        BlockRef::Id(id) => Validity::of_content(&format_args!("{id}-{kind}"), at.confirmations, tip),
        BlockRef::Height(_) => Validity::AtTip(tip),
    };
    Ok(validity.respond(asked, bytes(content)))
}

/// Shows that a block is part of the history that a later tip commits to: the encoded proof, below 6 kB.
///
/// It leads to the root over all blocks up to the tip, `tip.history_root` of `/chain`; the answer is of the tip that its `ETag` names.
#[utoipa::path(
    get, operation_id = "blockHistoryProof", path = "/blocks/{block}/history-proof", tag = "proofs",
    params(("block" = String, Path, description = "A height, or an id of 64 hex digits.")),
    responses((status = OK, description = "The bytes.", content_type = "application/octet-stream", body = Binary), Problems)
)]
pub(crate) async fn history_proof(
    State(api): App,
    Segment(name): Segment,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    let name = BlockRef::parse(&name)?;
    api.at_tip(&asked, move |snapshot| {
        let at = snapshot.place(&snapshot.find(name)?)?;
        if at.confirmations.is_none() {
            return Err(Problem::not_found(format!("block {} is not in the chain", at.block)));
        }
        let header = snapshot.raw_header(&at.block)?;
        let blocks = snapshot.chain.state().history().blocks();
        let proof = BlockProof::new(header, at.height, blocks, |position| snapshot.chain.history_node(position))?;
        Ok(bytes(codec::encode(&proof)))
    })
    .await
}

/// Which transactions of a block.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TransactionsQuery {
    /// The place of the first; 0, the coinbase's, unless told.
    #[param(value_type = Option<u32>)]
    from: Option<Number<0, { u32::MAX }>>,
    /// The most transactions; 25, unless told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<Number<1, TRANSACTIONS_MAX>>,
}

/// A block's transactions, in its order, with the coins that they spend.
#[utoipa::path(
    get, operation_id = "blockTransactions", path = "/blocks/{block}/transactions", tag = "blocks",
    params(("block" = String, Path, description = "A height, or an id of 64 hex digits."), TransactionsQuery),
    responses((status = OK, description = "As asked.", body = TransactionPage), Problems)
)]
pub(crate) async fn transactions(
    State(api): App,
    Segment(name): Segment,
    Query(query): Query<TransactionsQuery>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    let name = BlockRef::parse(&name)?;
    let from = query.from.map_or(0, |Number(from)| from);
    let count = limit(query.limit, TRANSACTIONS_DEFAULT);
    api.at_tip(&asked, move |snapshot| {
        let at = snapshot.place(&snapshot.find(name)?)?;
        let ReadBlock { block, .. } = snapshot.block(&at.block)?;
        let spent = snapshot.spent(&at)?;
        let end = 1 + u32::try_from(block.transactions.len()).unwrap_or(u32::MAX - 1);
        let told = (from..end).take(count);
        let transactions = told.map(|place| snapshot.transaction(&block, spent.as_deref(), &at, place)).collect();
        let next = u32::try_from(count).ok().and_then(|count| from.checked_add(count));
        Ok(Json(TransactionPage { transactions, next: next.filter(|next| *next < end) }))
    })
    .await
}

impl Snapshot {
    /// A transaction of a block by its place, below the number of its transactions; 0 is the coinbase. `spent` are the coins that the
    /// block spends.
    pub(super) fn transaction(
        &self,
        block: &qbtc_core::block::Block,
        spent: Option<&[qbtc_core::utxo::Coin]>,
        at: &Place,
        place: u32,
    ) -> TransactionDetails {
        let (status, spec) = (TransactionStatus::in_block(at, place), self.node.spec());
        let before = (place as usize).checked_sub(1).map(|before| block.transactions.split_at(before));
        let Some((before, [tx, ..])) = before else {
            return TransactionDetails::coinbase(&block.coinbase, status, spec);
        };
        let start = before.iter().map(|tx| tx.body.inputs.len()).sum::<usize>();
        let own = spent.and_then(|spent| spent.get(start..start + tx.body.inputs.len()));
        TransactionDetails::new(tx, own, status, spec)
    }
}
