//! What the light client says, as plain objects. The layer above gives them their types.

use alloc::boxed::Box;
use alloc::string::ToString as _;

use qbtc_core::codec;
use qbtc_core::lock::AddressPrefix;
use qbtc_core::net::seal::KEY_EXCHANGE;
use qbtc_core::sync::light::{
    EclipseSign, Event, FoundBlock, Level, Outcome, Phase, Proven, QueryError, Status, TipInfo,
};
use qbtc_core::wallet::ledger::{Ledger, OwnedCoin, TxEntry};
use wasm_bindgen::JsValue;

use crate::client::{NodeInfo, Notice, Watch};
use crate::failure::Failure;
use crate::npm::body::shown_body;
use crate::npm::value::{Object, list};
use crate::npm::{shown_expiry, shown_mark};
use crate::transport::Health;

/// Something that whoever uses the client is told.
pub(super) fn shown_notice(notice: Notice) -> Object {
    let object = |kind: &str| Object::new().text("type", kind);
    match notice {
        Notice::Event(Event::Status(status)) => shown_status(status).text("type", "status"),
        Notice::Event(Event::Tip { tip, fork }) => {
            shown_tip(&tip).text("type", "tip").maybe("fork", fork.as_ref().map(shown_mark))
        }
        Notice::Event(Event::RolledBack { to }) => object("rolled-back").maybe("to", to.as_ref().map(shown_mark)),
        Notice::Event(Event::Scanned { to, found }) => {
            let bytes = |found: Box<FoundBlock>| js_sys::Uint8Array::from(&found.block.to_bytes()[..]);
            shown_mark(&to).text("type", "scanned").maybe("block", found.map(bytes))
        }
        // Outcomes are given to whoever has asked, not told as events.
        Notice::Event(Event::Answered { .. }) => object("answered"),
        Notice::StateRefused(error) => object("state-refused").text("message", &error.to_string()),
        Notice::StoreFailed(message) => object("store-failed").text("message", &message),
        Notice::NodeFailed { address, error } => {
            object("node-failed").text("address", &address.to_string()).text("message", &error)
        }
    }
}

/// The tip.
pub(super) fn shown_tip(tip: &TipInfo) -> Object {
    shown_mark(&tip.mark).set("time", tip.header.time.0).text("work", &tip.work.to_string())
}

/// What the client is doing.
pub(super) fn shown_status(status: Status) -> Object {
    let phase = match status.phase {
        Phase::Connecting => "connecting",
        Phase::Proving => "proving",
        Phase::SyncingHeaders => "syncing-headers",
        Phase::Scanning => "scanning",
        Phase::Live => "live",
    };
    let eclipse = status.warnings.eclipse.map(|sign| match sign {
        EclipseSign::FewPeers => "few-peers",
        EclipseSign::OneGroup => "one-group",
        EclipseSign::LessWork => "less-work",
    });
    Object::new()
        .text("phase", phase)
        .set("peers", u32::try_from(status.peers).unwrap_or(u32::MAX))
        .maybe("eclipse", eclipse)
        .set("stale", status.warnings.is_stale)
        .maybe("withheld", status.warnings.withheld.map(|height| height.0))
}

/// A node.
pub(super) fn shown_node(node: &NodeInfo) -> Object {
    Object::new()
        .text("address", &node.address.to_string())
        .text("userAgent", &node.user_agent)
        .maybe("pingMs", node.ping_ms)
        .set("suspect", node.health != Health::Open)
        .text("keyExchange", KEY_EXCHANGE)
        .text("seal", &node.seal.to_string())
}

/// How much is watched money, and up to where that was looked through.
pub(super) fn shown_balance(watch: &Watch, tip: &TipInfo) -> Object {
    let balance = watch.balance();
    let value = Object::new()
        .amount("confirmed", balance.confirmed)
        .amount("pending", balance.pending)
        .amount("immature", balance.immature);
    filtered(watch, tip).set("value", value)
}

/// What was shown by filters: up to where, and how deep that lies.
fn filtered(watch: &Watch, tip: &TipInfo) -> Object {
    let height = watch.mark().map(|mark| mark.height);
    Object::new()
        .text("level", "filter")
        .set("height", height.map_or(0, |height| height.0))
        .set("confirmations", height.map_or(0, |height| tip.mark.height.above(height) + 1))
        .set("from", watch.birthday().0)
        .maybe("block", watch.mark().map(|mark| mark.id.to_string()))
}

/// The coins that no mined transaction spends.
pub(super) fn shown_coins(watch: &Watch, tip: &TipInfo, prefix: &AddressPrefix) -> JsValue {
    let spendable = watch.ledger().spendable(watch.next_height(), watch.maturity());
    list(watch.ledger().coins().map(|coin| {
        let value = shown_coin(coin, prefix)
            .set("spendable", spendable.iter().any(|other| other.outpoint == coin.outpoint))
            .set("coinbase", coin.is_coinbase);
        filtered(watch, tip)
            .set("value", value)
            .set("confirmations", coin.height.map_or(0, |height| tip.mark.height.above(height) + 1))
            .set("height", coin.height.map_or(0, |height| height.0))
    }))
}

fn shown_coin(coin: &OwnedCoin, prefix: &AddressPrefix) -> Object {
    Object::new()
        .text("txid", &coin.outpoint.txid.to_string())
        .set("index", coin.outpoint.index)
        .amount("amount", coin.amount)
        .text("address", &coin.address.to_text(prefix))
}

/// A line of the history.
pub(super) fn shown_entry(entry: &TxEntry, watch: &Watch, tip: &TipInfo) -> Object {
    let value = Object::new()
        .text("txid", &entry.txid.to_string())
        .text("state", if entry.block.is_some() { "confirmed" } else { "pending" })
        .amount("received", entry.received_amount())
        .amount("spent", entry.spent_amount())
        .set("fee", entry.fee().map_or(JsValue::NULL, |fee| fee.quanta().into()))
        .set("coinbase", entry.is_coinbase)
        .set("expiryHeight", shown_expiry(entry.expiry_height))
        .set("block", entry.block.as_ref().map_or(JsValue::NULL, |mark| shown_mark(mark).into()));
    let confirmations = entry.block.map_or(0, |block| tip.mark.height.above(block.height) + 1);
    let shown = filtered(watch, tip).set("value", value).set("confirmations", confirmations);
    match entry.block {
        Some(block) => shown.set("height", block.height.0),
        // Nothing in the chain shows what waits.
        None => shown.text("level", "none").set("height", 0),
    }
}

/// The lines of the history of these transactions.
pub(super) fn shown_entries<'a>(
    ledger: &'a Ledger,
    txids: &'a [qbtc_core::hash::Txid],
    watch: &'a Watch,
    tip: &'a TipInfo,
) -> JsValue {
    list(ledger.history().filter(|entry| txids.contains(&entry.txid)).map(|entry| shown_entry(entry, watch, tip)))
}

fn shown_proven<T>(kind: &str, proven: &Proven<T>) -> Object {
    let level = match proven.level {
        Level::Header => "header",
        Level::Filter => "filter",
        Level::Validated => "validated",
    };
    Object::new()
        .text("type", kind)
        .text("level", level)
        .set("height", proven.block.height.0)
        .text("block", &proven.block.id.to_string())
        .set("confirmations", proven.confirmations)
        .bytes("proof", &proven.proof.to_bytes())
}

/// What came of a query.
pub(super) fn shown_outcome(outcome: Outcome, prefix: &AddressPrefix) -> Result<Object, Failure> {
    let count = |nodes: usize| u32::try_from(nodes).unwrap_or(u32::MAX);
    Ok(match outcome {
        Outcome::Transaction(proven) => {
            let body = shown_body(&proven.value, prefix);
            shown_proven("transaction", &proven).bytes("value", &codec::encode(&proven.value)).set("body", body)
        }
        Outcome::Header(proven) => shown_proven("header", &proven).bytes("value", &proven.value.to_bytes()),
        Outcome::Block(proven) => shown_proven("block", &proven).bytes("value", &proven.value.to_bytes()),
        Outcome::Waiting(body) => Object::new()
            .text("type", "waiting")
            .bytes("value", &codec::encode(&*body))
            .set("body", shown_body(&body, prefix)),
        Outcome::Submitted { txid, nodes, refusals } => Object::new()
            .text("type", "submitted")
            .text("txid", &txid.to_string())
            .set("nodes", count(nodes))
            .set("refusals", list(refusals)),
        Outcome::Fees { rates, nodes } => Object::new()
            .text("type", "fees")
            .set("rates", list(rates.iter().map(|rate| rate.quanta_per_1000_bytes())))
            .set("nodes", count(nodes)),
        Outcome::Failed(error) => return Err(error.into()),
    })
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let code = match &error {
            QueryError::TooMany => "query-too-many",
            QueryError::NotFound { .. } => "query-not-found",
            QueryError::Refused { .. } => "query-refused",
            QueryError::Unsure { .. } => "query-unsure",
            QueryError::TooManyTimes { .. } => "query-too-many-times",
            QueryError::AboveTip { .. } => "query-above-tip",
            QueryError::TimedOut => "query-timeout",
        };
        let failure = Self::new(code, error.to_string());
        match error {
            QueryError::AboveTip { height, tip } => failure.found(height).expected(tip),
            QueryError::TooManyTimes { found } => failure.found(found).expected(qbtc_core::net::LIGHT_FEES_MAX),
            _ => failure,
        }
    }
}
