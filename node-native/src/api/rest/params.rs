//! What clients send in paths and queries, read strictly: one form for each value, and whatever else is told with what was expected.

use std::fmt;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::OutPoint;
use qbtc_core::units::Height;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};

use super::problem::Problem;
use crate::api::shortened;
use crate::store::AddressCursor;

/// The query, with unknown and repeated names refused by the type's `deny_unknown_fields`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

/// The one variable part of the path, decoded.
#[derive(Clone, Debug)]
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(text)| Self(text))
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

/// A whole number from `LEAST` to `MOST`, in decimal digits without leading zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number<const LEAST: u32, const MOST: u32>(pub(crate) u32);

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Number<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = format_args!("a number from {LEAST} to {MOST}");
        read(deserializer, expected, |text| decimal(text).filter(|number| (LEAST..=MOST).contains(number)).map(Self))
    }
}

/// A page's length, with what it is unless told.
pub(crate) fn limit<const MOST: u32>(asked: Option<Number<1, MOST>>, default: u32) -> usize {
    asked.map_or(default, |Number(limit)| limit) as usize
}

/// A block, by its id or its height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockRef {
    /// By its id, in the chain or beside it.
    Id(BlockHash),
    /// By its height in the chain.
    Height(Height),
}

impl BlockRef {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let id = text.parse().ok().filter(|_| is_lower_case(text)).map(Self::Id);
        let height = || decimal(text).map(|height| Self::Height(Height(height)));
        id.or_else(height)
            .ok_or_else(|| Problem::parameter("block", text, "a height, or an id of 64 lower-case hex digits"))
    }
}

impl fmt::Display for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "block {id}"),
            Self::Height(height) => write!(f, "block at height {height}"),
        }
    }
}

/// A transaction's id.
pub(crate) fn txid(text: &str) -> Result<Txid, Problem> {
    let txid = text.parse().ok().filter(|_| is_lower_case(text));
    txid.ok_or_else(|| Problem::parameter("txid", text, "64 lower-case hex digits"))
}

/// An address of this chain.
pub(crate) fn address(text: &str, spec: &ChainSpec) -> Result<Address, Problem> {
    Address::from_text(text, &spec.network().address_prefix)
        .map_err(|error| Problem::bad_request(format!("address {:?}: {error}", shortened(text))))
}

/// A coin as a place in a list: the transaction and the output, `txid:index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CoinCursor(pub(crate) OutPoint);

impl<'de> Deserialize<'de> for CoinCursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer, "txid:index", |text| {
            let (txid, index) = text.split_once(':')?;
            let txid = txid.parse().ok().filter(|_| is_lower_case(txid))?;
            Some(Self(OutPoint { txid, index: decimal(index)? }))
        })
    }
}

/// A transaction as a place in an address' history: `height-place`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HistoryCursor(pub(crate) AddressCursor);

impl<'de> Deserialize<'de> for HistoryCursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer, "height-place", |text| {
            let (height, place) = text.split_once('-')?;
            Some(Self(AddressCursor { height: Height(decimal(height)?), place: decimal(place)? }))
        })
    }
}

/// A number of the 64 bits that order arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SequenceCursor(pub(crate) u64);

impl<'de> Deserialize<'de> for SequenceCursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer, "a sequence number", |text| text.parse().ok().filter(|_| is_decimal(text)).map(Self))
    }
}

/// Reads a text, or tells what was expected in its place.
fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: impl fmt::Display,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    let unexpected = || de::Error::custom(format_args!("found {:?}, expected {expected}", shortened(&text)));
    parse(&text).ok_or_else(unexpected)
}

fn decimal(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| is_decimal(text))
}

/// Digits alone, without leading zeros: no sign, as Rust's own parser would take.
fn is_decimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

/// Each id has one path, so that caches keep one copy.
fn is_lower_case(text: &str) -> bool {
    !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Page {
        limit: Option<Number<1, 100>>,
        after: Option<CoinCursor>,
        before: Option<HistoryCursor>,
        sequence: Option<SequenceCursor>,
    }

    fn query(text: &str) -> Result<Page, String> {
        let uri: Uri = format!("/x?{text}").parse().unwrap();
        let page = axum::extract::Query::<Page>::try_from_uri(&uri);
        page.map(|page| page.0).map_err(|rejection| rejection.body_text())
    }

    #[test]
    fn numbers_have_one_form_and_a_range() {
        assert_eq!(query("limit=100").unwrap().limit, Some(Number(100)));
        assert_eq!(query("").unwrap().limit, None);
        for refused in ["limit=0", "limit=101", "limit=+5", "limit=05", "limit=5%20", "limit=", "limit=99999999999"] {
            let message = query(refused).unwrap_err();
            assert!(message.contains("expected a number from 1 to 100"), "{message}");
        }
        assert!(query("limit=1&limit=2").unwrap_err().contains("duplicate"));
        assert!(query("limits=1").unwrap_err().contains("unknown field"));
    }

    #[test]
    fn cursors_have_one_form() {
        let txid = Txid::from_bytes([7; 32]);
        assert_eq!(query(&format!("after={txid}:3")).unwrap().after, Some(CoinCursor(OutPoint { txid, index: 3 })));
        for refused in ["7:3", ":", &format!("{txid}"), &format!("{txid}:-1"), &format!("{txid}:4294967296")] {
            assert!(query(&format!("after={refused}")).unwrap_err().contains("expected txid:index"), "{refused}");
        }
        let at = AddressCursor { height: Height(5), place: 0 };
        assert_eq!(query("before=5-0").unwrap().before, Some(HistoryCursor(at)));
        assert!(query("before=5").unwrap_err().contains("expected height-place"));
        assert_eq!(query("sequence=18446744073709551615").unwrap().sequence, Some(SequenceCursor(u64::MAX)));
        assert!(query("sequence=-1").unwrap_err().contains("expected a sequence number"));
    }

    #[test]
    fn blocks_are_named_by_height_or_id() {
        let id = BlockHash::from_bytes([0xab; 32]);
        assert_eq!(BlockRef::parse(&id.to_string()), Ok(BlockRef::Id(id)));
        assert_eq!(BlockRef::parse("0"), Ok(BlockRef::Height(Height(0))));
        assert_eq!(BlockRef::parse("4294967295"), Ok(BlockRef::Height(Height(u32::MAX))));
        for refused in ["", "-1", "+1", "01", "4294967296", "tip", &id.to_string().to_uppercase(), &"0".repeat(63)] {
            let problem = BlockRef::parse(refused).unwrap_err();
            assert!(problem.message().contains("expected a height"), "{refused}: {}", problem.message());
        }
    }

    #[test]
    fn addresses_are_those_of_the_chain() {
        let (dev, main) = (ChainSpec::dev(), ChainSpec::main());
        let mine = Address::from_bytes([1; 32]);
        assert_eq!(address(&mine.to_text(&dev.network().address_prefix), &dev), Ok(mine));
        let other = address(&mine.to_text(&main.network().address_prefix), &dev).unwrap_err();
        assert!(other.message().contains("another network"), "{}", other.message());
        assert!(txid("xyz").is_err());
    }
}
