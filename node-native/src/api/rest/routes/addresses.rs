//! Addresses, from the index of addresses.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use qbtc_core::lock::Address;
use qbtc_core::tx::OutPoint;
use qbtc_core::units::{Amount, Height};
use qbtc_core::utxo::Coin;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{App, Problems};
use crate::api::rest::cache::Validity;
use crate::api::rest::params::{CoinCursor, HistoryCursor, Number, Query, Segment, address, limit};
use crate::api::rest::problem::Problem;
use crate::api::rest::reader::Snapshot;
use crate::api::rest::shapes::{AddressBalance, AddressCoin, AddressCoins, AddressHistory, AddressHistoryEvent, Money};
use crate::store::AddressEvent;

/// The most coins that a balance is counted from.
const BALANCE_COINS_MAX: usize = 10_000;
/// The longest page of coins or history.
const PAGE_MAX: u32 = 500;
const PAGE_DEFAULT: u32 = 50;

/// What an address holds in the chain.
#[utoipa::path(
    get, operation_id = "addressBalance", path = "/addresses/{address}", tag = "addresses",
    params(("address" = String, Path, description = "The address as text.")),
    responses((status = OK, description = "As asked.", body = AddressBalance), Problems)
)]
pub(crate) async fn balance(State(api): App, Segment(name): Segment, asked: HeaderMap) -> Result<Response, Problem> {
    let address = address(&name, api.node.spec())?;
    api.at_tip(&asked, move |snapshot| {
        check_index(snapshot)?;
        let coins = snapshot.chain.address_coins(&address, None, BALANCE_COINS_MAX + 1)?;
        Ok(Json(counted(snapshot, &address, &coins)?))
    })
    .await
}

/// Which coins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CoinsQuery {
    /// Only coins behind this one: `next` of the page before.
    #[param(value_type = Option<String>)]
    after: Option<CoinCursor>,
    /// The most coins; 50, unless told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<Number<1, PAGE_MAX>>,
}

/// The unspent coins of an address, in the order of their transactions' ids.
#[utoipa::path(
    get, operation_id = "addressCoins", path = "/addresses/{address}/coins", tag = "addresses",
    params(("address" = String, Path, description = "The address as text."), CoinsQuery),
    responses((status = OK, description = "As asked.", body = AddressCoins), Problems)
)]
pub(crate) async fn coins(
    State(api): App,
    Segment(name): Segment,
    Query(query): Query<CoinsQuery>,
) -> Result<Response, Problem> {
    let address = address(&name, api.node.spec())?;
    let count = limit(query.limit, PAGE_DEFAULT);
    let page = api
        .read(move |snapshot| {
            check_index(snapshot)?;
            let after = query.after.map(|CoinCursor(after)| after);
            let found = snapshot.chain.address_coins(&address, after, count)?;
            let next = found.last().filter(|_| found.len() == count);
            let next = next.map(|(place, _)| format!("{}:{}", place.txid, place.index));
            Ok(AddressCoins { coins: told(snapshot, &found), next })
        })
        .await?;
    // Whether a coin is spent in the mempool may change at any time.
    Ok(Validity::Moment.respond(&HeaderMap::new(), Json(page)))
}

/// Which part of the history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// Only what happened before this: `next` of the page before.
    #[param(value_type = Option<String>)]
    before: Option<HistoryCursor>,
    /// The most events; 50, unless told.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<Number<1, PAGE_MAX>>,
}

/// What happened to an address in the chain, the latest first.
#[utoipa::path(
    get, operation_id = "addressHistory", path = "/addresses/{address}/history", tag = "addresses",
    params(("address" = String, Path, description = "The address as text."), HistoryQuery),
    responses((status = OK, description = "As asked.", body = AddressHistory), Problems)
)]
pub(crate) async fn history(
    State(api): App,
    Segment(name): Segment,
    Query(query): Query<HistoryQuery>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    let address = address(&name, api.node.spec())?;
    let count = limit(query.limit, PAGE_DEFAULT);
    api.at_tip(&asked, move |snapshot| {
        check_index(snapshot)?;
        let before = query.before.map(|HistoryCursor(before)| before);
        let found = snapshot.chain.address_events(&address, before, count)?;
        let next = found.last().filter(|_| found.len() == count);
        let next = next.map(|event| format!("{}-{}", event.at.height, event.at.place));
        Ok(Json(AddressHistory { events: found.iter().map(event).collect::<Result<_, _>>()?, next }))
    })
    .await
}

fn check_index(snapshot: &Snapshot) -> Result<(), Problem> {
    if snapshot.chain.indexes().addresses { Ok(()) } else { Err(Problem::no_index("--addressindex")) }
}

/// The height of the next block, in which whatever is mature can be spent.
fn next_height(snapshot: &Snapshot) -> Height {
    snapshot.height().next().unwrap_or(snapshot.height())
}

fn spendable_from(snapshot: &Snapshot, coin: &Coin) -> Height {
    if coin.is_coinbase { snapshot.node.spec().consensus().matures_at(coin.height) } else { coin.height }
}

fn counted(snapshot: &Snapshot, address: &Address, coins: &[(OutPoint, Coin)]) -> Result<AddressBalance, Problem> {
    let is_partial = coins.len() > BALANCE_COINS_MAX;
    let coins = &coins[..coins.len().min(BALANCE_COINS_MAX)];
    let next = next_height(snapshot);
    let sum = |amounts: &mut dyn Iterator<Item = Amount>| {
        let sum = Amount::checked_sum(amounts);
        sum.map(Money::from).ok_or_else(|| Problem::fault(&"coins of an address exceed all money"))
    };
    let all = coins.iter().map(|(_, coin)| coin);
    Ok(AddressBalance {
        address: address.to_text(&snapshot.node.spec().network().address_prefix),
        balance: sum(&mut all.clone().map(|coin| coin.amount))?,
        immature: sum(&mut all.filter(|coin| spendable_from(snapshot, coin) > next).map(|coin| coin.amount))?,
        coins: coins.len(),
        is_partial,
        height: snapshot.height().0,
    })
}

fn told(snapshot: &Snapshot, coins: &[(OutPoint, Coin)]) -> Vec<AddressCoin> {
    let live = snapshot.node.live();
    let coin = |(place, coin): &(OutPoint, Coin)| AddressCoin {
        coin: (*place).into(),
        amount: coin.amount.into(),
        height: coin.height.0,
        is_coinbase: coin.is_coinbase,
        spendable_from: spendable_from(snapshot, coin).0,
        is_spent_in_mempool: live.pool.spender(place).is_some(),
    };
    coins.iter().map(coin).collect()
}

fn event(event: &AddressEvent) -> Result<AddressHistoryEvent, Problem> {
    let money = |quanta| Amount::from_quanta(quanta).map(Money::from).map_err(|error| Problem::fault(&error));
    Ok(AddressHistoryEvent {
        txid: event.txid.to_string(),
        height: event.at.height.0,
        place: event.at.place,
        received: money(event.received)?,
        spent: money(event.spent)?,
    })
}
