//! Calls about what waits for a block.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use qbtc_core::hash::{Txid, Wtxid};
use qbtc_core::mempool::{Mempool, MempoolEntry};
use qbtc_core::units::{Amount, FeeRate};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::args::Args;
use super::context::Context;
use super::error::{Code, RpcError};
use super::method::{Category, Method};
use super::param::{Kind, Param};
use super::protocol::Outcome;
use super::{Rpc, json};
use crate::json::{Coins, SignedCoins};
use crate::node::Node;

/// The calls of this category.
pub(super) fn methods() -> Vec<Method<Context>> {
    const RAW: &[Param] = &[
        Param::optional(&["verbose"], Kind::Bool, "false", "true for an object of details, false for the ids alone."),
        Param::optional(
            &["mempool_sequence"],
            Kind::Bool,
            "false",
            "With verbose=false: adds a number that rises with each change of the mempool.",
        ),
    ];
    const ENTRY: &[Param] = &[Param::required(&["txid"], Kind::Hex, "The transaction; it must be in the mempool.")];
    vec![
        Method::blocking("getmempoolinfo", Category::Mempool, info).about("Tells what the mempool holds and asks.", INFO_RESULT),
        Method::blocking("getrawmempool", Category::Mempool, raw)
            .about(
                "Lists the transactions of the mempool in the order in which they came.",
                "[ \"txid\",... ]                      (json array) The ids\nOr, with verbose=true:\n{ \"txid\": {...},... }   \
                            (json object) What getmempoolentry shows of each\nOr, with mempool_sequence=true:\n{ \"txids\": \
                 [...], \"mempool_sequence\": n }    (json object) The ids and the number",
            )
            .takes(RAW, "true"),
        Method::blocking("getmempoolentry", Category::Mempool, entry)
            .about("Shows what the mempool knows of a transaction.", ENTRY_RESULT)
            .takes(ENTRY, "\"txid\""),
        Method::waiting("savemempool", Category::Mempool, |rpc, _| Box::pin(save(rpc)))
            .about(
                "Writes the mempool to the disk, as a clean stop does, so that it is there after a crash.",
                "{\n  \"transactions\": n    (numeric) How many it holds\n}",
            ),
    ]
}

const INFO_RESULT: &str = r#"{
  "loaded": bool,               (boolean) Whether the mempool of the last run is restored
  "size": n,                    (numeric) How many transactions wait
  "bytes": n,                   (numeric) Their size with witnesses, in bytes
  "usage": n,                   (numeric) About how much memory they take, in bytes
  "total_fee": n,               (numeric) Their fees, in QBTC
  "maxmempool": n,              (numeric) How much memory they may take, in bytes
  "mempoolminfee": n,           (numeric) The least fee rate now, in QBTC for 1,000 bytes
  "minrelaytxfee": n,           (numeric) The least fee rate at any time, in QBTC for 1,000 bytes
  "incrementalrelayfee": n,     (numeric) What a replacement pays more, in QBTC for 1,000 bytes
  "unbroadcastcount": n,        (numeric) How many were handed in here and may be known to nobody else yet
  "fullrbf": true               (boolean) Always: any transaction can be replaced by one that pays more
}"#;

const ENTRY_RESULT: &str = r#"{
  "vsize": n,                   (numeric) The size with witnesses, in bytes; there is no discount
  "time": n,                    (numeric) When it came, in seconds since 1970
  "height": n,                  (numeric) The height of the chain when it came
  "descendantcount": n,         (numeric) How many depend on it, itself included
  "descendantsize": n,          (numeric) Their size, in bytes
  "ancestorcount": n,           (numeric) On how many it depends, itself included
  "ancestorsize": n,            (numeric) Their size, in bytes
  "wtxid": "hex",               (string) The id with witnesses
  "fees": {                     (json object) In QBTC
    "base": n,                  (numeric) Its fee
    "modified": n,              (numeric) The same with what prioritisetransaction added, which counts for the node
    "ancestor": n,              (numeric) The modified fees of all that it depends on, itself included
    "descendant": n             (numeric) The modified fees of all that depend on it, itself included
  },
  "depends": [ "txid",... ],    (json array) Those that it spends from directly
  "spentby": [ "txid",... ],    (json array) Those that spend from it directly
  "bip125-replaceable": true,   (boolean) Always
  "unbroadcast": bool           (boolean) Whether it was handed in here and may be known to nobody else yet
}"#;

#[derive(Serialize)]
struct Info {
    loaded: bool,
    size: usize,
    bytes: u64,
    usage: u64,
    total_fee: Coins,
    maxmempool: u64,
    mempoolminfee: Coins,
    minrelaytxfee: Coins,
    incrementalrelayfee: Coins,
    unbroadcastcount: usize,
    fullrbf: bool,
}

/// A fee rate as what 1,000 bytes cost.
pub(super) fn coins_per_1000_bytes(rate: FeeRate) -> Coins {
    Coins(rate.fee(FeeRate::BYTES).unwrap_or(Amount::MAX))
}

fn info(rpc: &Rpc<Context>, _: &Args) -> Outcome {
    let (live, now) = (rpc.context.node.live(), rpc.context.node.now());
    let (pool, policy) = (&live.pool, live.pool.policy());
    json(&Info {
        loaded: is_loaded(rpc),
        size: pool.len(),
        bytes: pool.size_bytes(),
        usage: pool.usage_bytes(),
        total_fee: Coins(Amount::checked_sum(pool.entries().map(MempoolEntry::fee)).unwrap_or(Amount::MAX)),
        maxmempool: policy.pool_bytes_max,
        mempoolminfee: coins_per_1000_bytes(pool.fee_rate_min(now)),
        minrelaytxfee: coins_per_1000_bytes(policy.relay_fee_rate_min),
        incrementalrelayfee: coins_per_1000_bytes(policy.incremental_fee_rate),
        unbroadcastcount: rpc.context.node.own().unheard(),
        fullrbf: true,
    })
}

#[derive(Serialize)]
struct Entry {
    vsize: u32,
    time: u32,
    height: u32,
    descendantcount: u32,
    descendantsize: u64,
    ancestorcount: u32,
    ancestorsize: u64,
    wtxid: Wtxid,
    fees: Fees,
    depends: Vec<Txid>,
    spentby: Vec<Txid>,
    #[serde(rename = "bip125-replaceable")]
    replaceable: bool,
    unbroadcast: bool,
}

#[derive(Serialize)]
struct Fees {
    base: Coins,
    modified: SignedCoins,
    ancestor: SignedCoins,
    descendant: SignedCoins,
}

impl Entry {
    fn new(node: &Node, pool: &Mempool, entry: &MempoolEntry) -> Self {
        let (ancestors, descendants) = (entry.ancestors(), entry.descendants());
        Self {
            vsize: entry.size_bytes(),
            time: entry.time().0,
            height: entry.height().0.saturating_sub(1),
            descendantcount: descendants.count,
            descendantsize: descendants.size_bytes,
            ancestorcount: ancestors.count,
            ancestorsize: ancestors.size_bytes,
            wtxid: entry.wtxid(),
            fees: Fees {
                base: Coins(entry.fee()),
                modified: SignedCoins(entry.modified_fee()),
                ancestor: SignedCoins(ancestors.modified_fees),
                descendant: SignedCoins(descendants.modified_fees),
            },
            depends: pool.parents(entry).map(MempoolEntry::txid).collect(),
            spentby: pool.children(entry).map(MempoolEntry::txid).collect(),
            replaceable: true,
            unbroadcast: node.own().is_unheard(&entry.txid()),
        }
    }
}

/// All entries under their ids, in the order in which they came.
struct Entries(Vec<(Txid, Entry)>);

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (txid, entry) in &self.0 {
            map.serialize_entry(txid, entry)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Sequenced {
    txids: Vec<Txid>,
    mempool_sequence: u64,
}

fn raw(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let (verbose, sequence) = (args.bool("verbose", false), args.bool("mempool_sequence", false));
    if verbose && sequence {
        return Err(RpcError::parameter("Verbose results cannot contain mempool sequence values."));
    }
    // What is shown is taken out first, so that the pool is not kept from moving on while it is written as text.
    let live = rpc.context.node.live();
    if verbose {
        let entries =
            live.pool.entries().map(|entry| (entry.txid(), Entry::new(&rpc.context.node, &live.pool, entry))).collect();
        drop(live);
        return json(&Entries(entries));
    }
    let (txids, revision) = (live.pool.entries().map(MempoolEntry::txid).collect(), live.pool.revision());
    drop(live);
    if sequence { json(&Sequenced { txids, mempool_sequence: revision }) } else { json::<Vec<Txid>>(&txids) }
}

fn entry(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let txid: Txid = args.hash("txid")?;
    let live = rpc.context.node.live();
    let missing = || RpcError::new(Code::InvalidAddressOrKey, "Transaction not in mempool");
    json(&Entry::new(&rpc.context.node, &live.pool, live.pool.entry(&txid).ok_or_else(missing)?))
}

/// Whether the mempool of the last run is restored. Until then it is not written over.
fn is_loaded(rpc: &Rpc<Context>) -> bool {
    rpc.context.is_mempool_loaded.load(Ordering::Relaxed)
}

#[derive(Serialize)]
struct Saved {
    transactions: usize,
}

async fn save(rpc: Arc<Rpc<Context>>) -> Outcome {
    if !is_loaded(&rpc) {
        return Err(RpcError::new(Code::Misc, "The mempool was not loaded yet"));
    }
    json(&Saved { transactions: rpc.context.node.save_mempool().await? })
}
