//! prioritisetransaction: what a miner makes of a transaction, whatever it pays.

use std::collections::BTreeMap;
use std::sync::Arc;

use qbtc_core::hash::Txid;
use qbtc_core::mempool::MempoolEntry;
use serde::Serialize;

use super::super::args::Args;
use super::super::context::Context;
use super::super::error::RpcError;
use super::super::method::{Category, Method};
use super::super::param::{Kind, Param};
use super::super::protocol::Outcome;
use super::super::{Rpc, json};
use crate::node::PrioritiseError;

pub(super) fn methods() -> [Method<Context>; 2] {
    const PARAMS: &[Param] = &[
        Param::required(&["txid"], Kind::Hex, "The transaction; it may come later."),
        Param::optional(&["dummy"], Kind::Number, "0", "Nothing: it has its place in Bitcoin. Zero or null."),
        Param::required(
            &["fee_delta"],
            Kind::Number,
            "By how many quanta it is worth more than it pays, or less, on top of what was said before.",
        ),
    ];
    [
        Method::waiting("prioritisetransaction", Category::Mining, |rpc, args| Box::pin(prioritise(rpc, args)))
            .about(
                "Values a transaction otherwise than by its fee: it is taken, kept and mined as if it paid that. What is worth less than \
                 nothing is not mined. No money changes, and a block that holds the transaction ends it.",
                "true    (boolean) Always",
            )
            .takes(PARAMS, "\"txid\" 0 10000"),
        Method::blocking("getprioritisedtransactions", Category::Mining, prioritised).about(
            "Lists what prioritisetransaction changed.",
            r#"{
  "txid": {                   (json object) A transaction
    "fee_delta": n,           (numeric) By how many quanta it is worth more than it pays
    "in_mempool": true,       (boolean) Whether it is in the mempool
    "modified_fee": n         (numeric, optional) What it is worth, in quanta; if it is in the mempool
  },...
}"#,
        ),
    ]
}

async fn prioritise(rpc: Arc<Rpc<Context>>, args: Args) -> Outcome {
    let txid: Txid = args.hash("txid")?;
    if args.int("dummy")?.is_some_and(|dummy| dummy != 0) {
        let message = "Priority is no longer supported, dummy argument to prioritisetransaction must be 0.";
        return Err(RpcError::parameter(message));
    }
    let fee_delta = args.int("fee_delta")?.unwrap_or(0);
    match rpc.context.node.prioritise(txid, fee_delta).await {
        Ok(()) => json(&true),
        Err(PrioritiseError::Refused(error)) => Err(RpcError::parameter(error.to_string())),
        Err(PrioritiseError::Fault(fault)) => Err(fault.into()),
    }
}

#[derive(Serialize)]
struct Priority {
    fee_delta: i64,
    in_mempool: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_fee: Option<i128>,
}

fn prioritised(rpc: &Rpc<Context>, _: &Args) -> Outcome {
    let live = rpc.context.node.live();
    let priority = |(txid, fee_delta): (&Txid, i64)| {
        let modified_fee = live.pool.entry(txid).map(MempoolEntry::modified_fee);
        (*txid, Priority { fee_delta, in_mempool: modified_fee.is_some(), modified_fee })
    };
    let all: BTreeMap<Txid, Priority> = live.pool.priorities().map(priority).collect();
    drop(live);
    json(&all)
}
