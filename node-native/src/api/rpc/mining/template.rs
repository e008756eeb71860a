//! getblocktemplate: what a miner works on (BIP 22), what tells it that this is out of date, and a look at a block before work goes
//! into it (BIP 23).
//!
//! Every template has a coinbase of its own (`coinbasetxn`), so that miners that vary nothing but the nonce do not do each other's
//! work. The commitments stand first among the transactions: to a miner they are one more transaction, whose id it hashes.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use qbtc_core::hash::{BlockHash, Txid, sha256d};
use qbtc_core::lock::Address;
use qbtc_core::mempool::{BlockTemplate, EXTRANONCE_BYTES, Extranonce, Payout};
use qbtc_core::units::Target;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::super::args::{Args, hash, type_name};
use super::super::context::Context;
use super::super::error::{Code, RpcError};
use super::super::method::{Category, Method, Size};
use super::super::param::{Kind, Param};
use super::super::protocol::Outcome;
use super::super::{Rpc, json};
use super::submit;
use crate::node::TemplateRevision;

pub(super) fn methods() -> [Method<Context>; 1] {
    const REQUEST: &[Param] = &[Param::required(
        &["template_request"],
        Kind::Object,
        "{ \"mode\": \"template\" or \"proposal\", \"rules\": [ \"segwit\",... ], \"capabilities\": [...], \"longpollid\": \
         \"str\", \"data\": \"hex\", \"address\": \"str\" }. rules must have \"segwit\": the leaf of a transaction is its txid, \
         not the hash of its data. longpollid waits until that template is out of date. data is the block of a proposal. \
         address is who is paid, in place of the node's --reward.",
    )];
    [Method::waiting("getblocktemplate", Category::Mining, |rpc, args| Box::pin(get(rpc, args)))
        .about(
            "Gives a block to work on, as BIP 22 and BIP 23 have it. submitblock takes it back.\n\
             With \"mode\": \"proposal\" it checks a block but for its work, and changes nothing: null, or the reason in a word.",
            RESULT,
        )
        .takes(REQUEST, "'{\"rules\": [\"segwit\"]}'")
        .sized(Size::Block)]
}

const RESULT: &str = r#"{
  "version": n,                 (numeric) The header's version
  "rules": [ "!segwit" ],       (json array) What a miner must know: leaves of the merkle tree are txids
  "vbavailable": {},            (json object) Nothing is voted on
  "vbrequired": 0,              (numeric) Bits of the version that must be set
  "capabilities": [ "proposal" ],
  "previousblockhash": "hex",   (string) The parent
  "transactions": [             (json array) What follows the coinbase, in this order; the first are the block's commitments
    {
      "data": "hex",            (string) The bytes to hand back
      "txid": "hex",            (string) The leaf
      "hash": "hex",            (string) The same
      "depends": [ n,... ],     (json array) Which before it must be in the block, counted from 1
      "fee": n,                 (numeric) The fee in quanta
      "sigops": 0,              (numeric) Not limited
      "weight": n               (numeric) Four times the size in bytes
    },...
  ],
  "coinbaseaux": {},            (json object) Nothing must be added to the coinbase
  "coinbasetxn": { ... },       (json object) The coinbase, as an entry of transactions; no two templates have the same
  "coinbasevalue": n,           (numeric) What it pays, in quanta
  "longpollid": "str",          (string) For the next call
  "workid": "str",              (string) For submitblock; not needed
  "target": "hex",              (string) What the hash may not exceed
  "mintime": n,                 (numeric) The least time of the header
  "mutable": [ "str",... ],     (json array) What may be changed: time up, version, and bytes added to the coinbase
  "noncerange": "00000000ffffffff",
  "sigoplimit": n,              (numeric) Not limited
  "sizelimit": n,               (numeric) The largest block, in bytes
  "weightlimit": n,             (numeric) Four times as much
  "curtime": n,                 (numeric) The time
  "bits": "hex",                (string) The target in compact form
  "height": n,                  (numeric) The height
  "expires": n                  (numeric) For how long this is worth working on, in seconds
}"#;

/// For how long a template is worth working on, in seconds.
const EXPIRES_S: u32 = 120;
/// How many units of weight a byte has: witnesses have no discount.
const WEIGHT: u64 = 4;

#[derive(Serialize)]
struct Template<'a> {
    version: u32,
    rules: [&'static str; 1],
    vbavailable: Map<String, Value>,
    vbrequired: u32,
    capabilities: [&'static str; 1],
    previousblockhash: BlockHash,
    transactions: &'a RawValue,
    coinbaseaux: Map<String, Value>,
    coinbasetxn: Part,
    coinbasevalue: u64,
    longpollid: String,
    workid: String,
    target: String,
    mintime: u32,
    mutable: [&'static str; 3],
    noncerange: &'static str,
    sigoplimit: u32,
    sizelimit: u32,
    weightlimit: u64,
    curtime: u32,
    bits: String,
    height: u32,
    expires: u32,
}

/// A transaction as miners see it.
#[derive(Serialize)]
struct Part {
    data: String,
    txid: Txid,
    hash: Txid,
    depends: Vec<u32>,
    fee: i64,
    sigops: u32,
    weight: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    required: Option<bool>,
}

impl Part {
    fn new(bytes: &[u8], txid: Txid, depends: Vec<u32>, fee: i64) -> Self {
        let weight = bytes.len() as u64 * WEIGHT;
        Self { data: HEXLOWER.encode(bytes), txid, hash: txid, depends, fee, sigops: 0, weight, required: None }
    }
}

async fn get(rpc: Arc<Rpc<Context>>, mut args: Args) -> Outcome {
    let Value::Object(mut request) = args.take("template_request") else { return Err(missing_data()) };
    match text(&request, "mode")?.unwrap_or("template") {
        "template" => {}
        "proposal" => {
            let block = request.remove("data").filter(Value::is_string).ok_or_else(missing_data)?;
            return submit::propose(&rpc, block).await;
        }
        _ => return Err(RpcError::parameter("Invalid mode: expected \"template\" or \"proposal\"")),
    }
    if !names_segwit(&request)? {
        let message = "getblocktemplate must be called with the segwit rule set (call with {\"rules\": [\"segwit\"]}): the leaf of \
                       a transaction is its txid, not the hash of its data";
        return Err(RpcError::parameter(message));
    }
    if !rpc.context.node.is_synced() {
        return Err(RpcError::new(Code::InInitialDownload, "qBTC is in initial sync and waiting for blocks..."));
    }
    let payout = Payout::to(payee(&rpc, &request)?);
    if let Some(text) = text(&request, "longpollid")? {
        wait(&rpc, known(text)?).await?;
    }
    rpc.compute(move |rpc| template(rpc, &payout)).await?
}

fn missing_data() -> RpcError {
    RpcError::new(Code::Type, "Missing data String key for proposal")
}

/// A member that must be a string, if it is there.
fn text<'a>(request: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, RpcError> {
    match request.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => {
            let found = type_name(other);
            Err(RpcError::new(Code::Type, format!("{name}: JSON value of type {found} is not of expected type string")))
        }
    }
}

fn names_segwit(request: &Map<String, Value>) -> Result<bool, RpcError> {
    match request.get("rules") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Array(rules)) => Ok(rules.iter().any(|rule| rule == "segwit" || rule == "!segwit")),
        Some(other) => {
            let found = type_name(other);
            Err(RpcError::new(Code::Type, format!("rules: JSON value of type {found} is not of expected type array")))
        }
    }
}

fn payee(rpc: &Rpc<Context>, request: &Map<String, Value>) -> Result<Address, RpcError> {
    if let Some(address) = text(request, "address")? {
        return rpc.context.address(address);
    }
    rpc.context.reward.ok_or_else(|| {
        let message =
            "No address to pay: start the node with --reward ADDRESS, or give \"address\" in the template request";
        RpcError::parameter(message)
    })
}

/// What a template was made of, as its longpollid says.
fn known(text: &str) -> Result<TemplateRevision, RpcError> {
    let malformed = || RpcError::parameter("longpollid is not one that this node gave: leave it out");
    let (tip, pool) = text.split_at_checked(64).ok_or_else(malformed)?;
    Ok(TemplateRevision { tip: hash("longpollid", tip)?, pool: pool.parse().map_err(|_| malformed())? })
}

fn long_poll_id(revision: &TemplateRevision) -> String {
    format!("{}{}", revision.tip, revision.pool)
}

/// Waits until the template of this revision is out of date: at once when the tip moves, after a while when the mempool has changed.
async fn wait(rpc: &Rpc<Context>, known: TemplateRevision) -> Result<(), RpcError> {
    let node = &rpc.context.node;
    let polls = rpc.context.long_poll;
    let mut tip = node.tip();
    let began = Instant::now();
    let end = began + polls.most;
    let mut look = (began + polls.mempool_after).min(end);
    loop {
        if tip.borrow_and_update().id != known.tip {
            return Ok(());
        }
        tokio::select! {
            () = rpc.stopping().cancelled() => return Err(RpcError::new(Code::NotConnected, "Shutting down")),
            moved = tip.changed() => moved.map_err(|_| RpcError::new(Code::NotConnected, "Shutting down"))?,
            () = tokio::time::sleep_until(look) => {
                if look >= end || node.template_revision() != known {
                    return Ok(());
                }
                look = (look + polls.mempool_every.max(Duration::from_millis(10))).min(end);
            }
        }
    }
}

/// A number that no other template has, where the extranonce stands.
fn extranonce(rpc: &Rpc<Context>) -> Extranonce {
    let mut extranonce = [0; EXTRANONCE_BYTES];
    extranonce[EXTRANONCE_BYTES - 8..].copy_from_slice(&rpc.context.node.extranonce().to_be_bytes());
    extranonce
}

fn template(rpc: &Rpc<Context>, payout: &Payout) -> Outcome {
    let node = &rpc.context.node;
    // Taken before, so that whatever changes meanwhile ends the next long poll at once.
    let revision = node.template_revision();
    let template = node.template(payout).map_err(|error| RpcError::parameter(error.to_string()))?;
    let context = template.context();
    let limit = node.spec().consensus().limits.block_bytes;
    let coinbase = template.coinbase_parts().with(&extranonce(rpc));
    let txid = Txid::from_bytes(sha256d(&coinbase));
    let fees = signed(template.fees().quanta());
    let transactions = transactions(rpc, &template)?;
    let target = Target::from_compact(context.bits).map_err(RpcError::internal)?;
    json(&Template {
        version: context.version,
        rules: ["!segwit"],
        vbavailable: Map::new(),
        vbrequired: 0,
        capabilities: ["proposal"],
        previousblockhash: context.parent,
        transactions: &transactions,
        coinbaseaux: Map::new(),
        coinbasetxn: Part { required: Some(true), ..Part::new(&coinbase, txid, Vec::new(), -fees) },
        coinbasevalue: template.value().quanta(),
        longpollid: long_poll_id(&revision),
        workid: long_poll_id(&revision),
        target: target.to_string(),
        mintime: template.time_min().0,
        mutable: ["time/increment", "version/force", "coinbase/append"],
        noncerange: "00000000ffffffff",
        sigoplimit: limit,
        sizelimit: limit,
        weightlimit: u64::from(limit) * WEIGHT,
        curtime: node.now().max(template.time_min()).0,
        bits: context.bits.to_string(),
        height: context.height.0,
        expires: EXPIRES_S,
    })
}

/// An amount as a signed number of quanta; amounts end below 2^63.
fn signed(quanta: u64) -> i64 {
    i64::try_from(quanta).unwrap_or(i64::MAX)
}

/// The commitments and the transactions as JSON. Writing megabytes of hex takes longer than all the rest, and what the transactions
/// are is the same for every miner until the mempool changes; only the commitments depend on who is paid.
fn transactions(rpc: &Rpc<Context>, template: &BlockTemplate) -> Result<Box<RawValue>, RpcError> {
    let commitments = template.commitments();
    let first = Part::new(&commitments.to_bytes(), commitments.id(), Vec::new(), 0);
    let first = serde_json::to_string(&first).map_err(RpcError::internal)?;
    // The witness root commits to the transactions, their witnesses and their order.
    let root = commitments.witness_root;
    let mut cache = rpc.context.template_transactions.lock().unwrap_or_else(PoisonError::into_inner);
    let rest = match &*cache {
        Some((known, text)) if *known == root => Arc::clone(text),
        _ => {
            let text: Arc<str> = others(template)?.into();
            *cache = Some((root, Arc::clone(&text)));
            text
        }
    };
    drop(cache);
    RawValue::from_string(format!("[{first}{rest}]")).map_err(RpcError::internal)
}

/// The transactions, each after a comma.
fn others(template: &BlockTemplate) -> Result<String, RpcError> {
    let mut text = String::new();
    for transaction in template.transactions() {
        // Counted from 1, and the commitments stand first.
        let depends = transaction.depends().iter().map(|place| place + 2).collect();
        let fee = signed(transaction.fee().quanta());
        let part = Part::new(&transaction.to_bytes(), transaction.txid(), depends, fee);
        text.push(',');
        text += &serde_json::to_string(&part).map_err(RpcError::internal)?;
    }
    Ok(text)
}
