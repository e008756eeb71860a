//! Coins.

use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::tx::OutPoint;
use qbtc_core::utxo::CoinView as _;
use serde::Serialize;
use serde_json::Value;

use super::super::args::Args;
use super::super::context::Context;
use super::super::method::{Category, Method};
use super::super::param::{Kind, Param};
use super::super::protocol::Outcome;
use super::super::{Rpc, json};
use super::block::confirmations;
use crate::json::{Coins, Lock};

pub(super) fn methods() -> [Method<Context>; 1] {
    const OUTPUT: &[Param] = &[
        Param::required(&["txid"], Kind::Hex, "The transaction, or the coinbase."),
        Param::required(&["n"], Kind::Number, "The output's place, from 0."),
        Param::optional(
            &["include_mempool"],
            Kind::Bool,
            "true",
            "Whether the mempool counts: what it spends is gone, what it makes is there.",
        ),
    ];
    [Method::blocking("gettxout", Category::Blockchain, coin)
        .about("Shows a coin: an output that nobody has spent. null, if there is none.", RESULT)
        .takes(OUTPUT, "\"txid\" 1")]
}

const RESULT: &str = r#"{
  "bestblock": "hex",     (string) The last block of the chain at this moment
  "confirmations": n,     (numeric) How many blocks confirm it; 0 in the mempool
  "value": n,             (numeric) The amount in QBTC
  "scriptPubKey": {       (json object) What it is locked to
    "address": "str",     (string) The address
    "type": "address",    (string) The type
    "hex": "hex"          (string) The address' 32 bytes
  },
  "coinbase": bool        (boolean) Whether it is a coinbase's
}"#;

#[derive(Serialize)]
struct CoinReply {
    bestblock: BlockHash,
    confirmations: i64,
    value: Coins,
    #[serde(rename = "scriptPubKey")]
    lock: Lock,
    coinbase: bool,
}

fn coin(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let txid: Txid = args.hash("txid")?;
    let Some(index) = args.int_in("n", 0..=u32::MAX)? else { return json(&Value::Null) };
    let outpoint = OutPoint { txid, index };
    let node = &rpc.context.node;
    let (coin, chain) = if args.bool("include_mempool", true) {
        let live = node.live();
        (live.pool.view(&*live.chain).coin(&outpoint)?, std::sync::Arc::clone(&live.chain))
    } else {
        let chain = node.chain();
        (chain.coin(&outpoint)?, chain)
    };
    let Some(coin) = coin else { return json(&Value::Null) };
    json(&CoinReply {
        bestblock: chain.state().tip(),
        confirmations: confirmations(&chain, coin.height),
        value: Coins(coin.amount),
        lock: Lock::new(&coin.to_output().lock, rpc.context.prefix()),
        coinbase: coin.is_coinbase,
    })
}
