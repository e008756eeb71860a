//! Calls about the chain: where it stands, its blocks and headers, and what its operator may do to it.

mod block;
mod coins;
mod proof;
mod tips;

pub(super) use block::confirmations;

use std::sync::Arc;

use qbtc_core::hash::BlockHash;
use qbtc_core::units::Height;
use serde::Serialize;
use serde_json::Value;

use super::args::{self, Args};
use super::context::{Context, block_not_found};
use super::error::{Code, RpcError};
use super::method::{Category, Method};
use super::param::{Kind, Param};
use super::protocol::Outcome;
use super::{Rpc, json};
use crate::json::difficulty;
use crate::node::InvalidateError;

/// The calls of this category.
pub(super) fn methods() -> Vec<Method<Context>> {
    const HEIGHT: &[Param] = &[Param::required(&["height"], Kind::Number, "The height.")];
    const BLOCK: &[Param] = &[Param::required(&["blockhash"], Kind::Hex, "The block.")];
    const PRUNE: &[Param] = &[Param::required(
        &["height"],
        Kind::Number,
        "The height up to which blocks may go, or a time in seconds since 1970.",
    )];
    let own = [
        Method::blocking("getblockchaininfo", Category::Blockchain, info)
            .about("Tells where the chain stands.", INFO_RESULT),
        Method::blocking("getblockcount", Category::Blockchain, |rpc: &Rpc<Context>, _| {
            json(&rpc.context.node.chain().state().height())
        })
        .about("Tells the height of the chain. The genesis block has height 0.", "n    (numeric) The height"),
        Method::blocking("getbestblockhash", Category::Blockchain, |rpc: &Rpc<Context>, _| {
            json(&rpc.context.node.chain().state().tip())
        })
        .about("Tells the last block of the chain.", "\"hex\"    (string) The block's id"),
        Method::blocking("getblockhash", Category::Blockchain, block_hash)
            .about("Tells the block of the chain at a height.", "\"hex\"    (string) The block's id")
            .takes(HEIGHT, "1000"),
        Method::blocking("getdifficulty", Category::Blockchain, |rpc: &Rpc<Context>, _| {
            let node = &rpc.context.node;
            let header = rpc.context.header(&node.chain().state().tip())?;
            json(&difficulty(header.header().bits))
        })
        .about(
            "Tells how many times harder the last block was than Bitcoin's easiest target allows.",
            "n    (numeric) The difficulty",
        ),
        Method::waiting("invalidateblock", Category::Blockchain, |rpc, args| Box::pin(invalidate(rpc, args)))
            .about(
                "Declares a block invalid for good, as if it broke a rule, with all blocks on top of it.\n\
                 The chain moves to the best one without it. reconsiderblock takes it back.",
                "null    (json null)",
            )
            .takes(BLOCK, "\"blockhash\""),
        Method::waiting("reconsiderblock", Category::Blockchain, |rpc, args| Box::pin(reconsider(rpc, args)))
            .about(
                "Takes back what invalidateblock did, for a block, those below and those on top of it.",
                "null    (json null)",
            )
            .takes(BLOCK, "\"blockhash\""),
        Method::waiting("pruneblockchain", Category::Blockchain, |rpc, args| Box::pin(prune(rpc, args)))
            .about(
                "Deletes blocks up to a height from the disk, as far as reorgs and the node's own needs allow.\n\
                 Coins, headers and filters stay.",
                "n    (numeric) The height of the last block that is gone",
            )
            .takes(PRUNE, "1000"),
    ];
    own.into_iter()
        .chain(block::methods())
        .chain(coins::methods())
        .chain(proof::methods())
        .chain(tips::methods())
        .collect()
}

const INFO_RESULT: &str = r#"{
  "chain": "str",                 (string) The chain's name: main, test, local, dev, or that of its own spec
  "chainid": "hex",               (string) The chain's id, which is its genesis block's
  "blocks": n,                    (numeric) The height of the chain
  "headers": n,                   (numeric) The height of the best header
  "bestblockhash": "hex",         (string) The last block
  "bits": "hex",                  (string) Its target in compact form
  "target": "hex",                (string) Its target
  "difficulty": n,                (numeric) Its difficulty
  "time": n,                      (numeric) When its miner says that it was made
  "mediantime": n,                (numeric) The median time of the last eleven blocks
  "verificationprogress": n,      (numeric) The share of known headers whose blocks are verified, 0 to 1
  "initialblockdownload": bool,   (boolean) Whether the node is still catching up
  "chainwork": "hex",             (string) The expected number of hashes in the whole chain
  "size_on_disk": n,              (numeric) The size of the store, in bytes
  "coins": n,                     (numeric) How many coins there are
  "pruned": bool,                 (boolean) Whether old blocks are gone
  "pruneheight": n,               (numeric, only if pruned) The height of the lowest block that is whole
  "warnings": ["str",...]         (json array) What the operator should know
}"#;

#[derive(Serialize)]
struct Info<'a> {
    chain: &'a str,
    chainid: String,
    blocks: u32,
    headers: u32,
    bestblockhash: BlockHash,
    bits: String,
    target: Option<String>,
    difficulty: f64,
    time: u32,
    mediantime: u32,
    verificationprogress: f64,
    initialblockdownload: bool,
    chainwork: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_on_disk: Option<u64>,
    coins: u64,
    pruned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pruneheight: Option<u32>,
    warnings: Vec<String>,
}

fn info(rpc: &Rpc<Context>, _: &Args) -> Outcome {
    let node = &rpc.context.node;
    let chain = node.chain();
    let state = chain.state();
    let (header, best, median) = {
        let headers = node.headers();
        let tip = headers.node(&state.tip()).cloned().ok_or_else(block_not_found)?;
        (tip, headers.best().height(), headers.median_time(&state.tip()).unwrap_or_default())
    };
    let shown = crate::json::Header::from(header.header());
    let pruned = Some(chain.pruned_below()).filter(|height| *height > Height::GENESIS);
    json(&Info {
        chain: node.spec().name(),
        chainid: node.spec().chain_id().to_string(),
        blocks: state.height().0,
        headers: best.0,
        bestblockhash: state.tip(),
        bits: shown.bits,
        target: shown.target,
        difficulty: shown.difficulty,
        time: shown.time,
        mediantime: median.0,
        verificationprogress: f64::from(state.height().0 + 1) / f64::from(best.0.max(state.height().0) + 1),
        initialblockdownload: !node.is_synced(),
        chainwork: state.work().to_string(),
        size_on_disk: rpc.context.database_bytes(),
        coins: chain.coin_count(),
        pruned: pruned.is_some(),
        pruneheight: pruned.map(|height| height.0),
        warnings: node.warnings(),
    })
}

fn block_hash(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let chain = rpc.context.node.chain();
    let out_of_range = || {
        let tip = chain.state().height();
        RpcError::parameter(format!("Block height out of range: the chain has heights 0 to {tip}"))
    };
    let height = args.int("height")?.unwrap_or(-1);
    let height = Height(u32::try_from(height).map_err(|_| out_of_range())?);
    json(&chain.block_id(height)?.ok_or_else(out_of_range)?)
}

async fn invalidate(rpc: Arc<Rpc<Context>>, args: Args) -> Outcome {
    let id = args.hash("blockhash")?;
    rpc.context.node.invalidate(id).await.map_err(refused)?;
    json(&Value::Null)
}

async fn reconsider(rpc: Arc<Rpc<Context>>, args: Args) -> Outcome {
    let id = args.hash("blockhash")?;
    rpc.context.node.reconsider(id).await.map_err(refused)?;
    json(&Value::Null)
}

fn refused(error: InvalidateError) -> RpcError {
    use qbtc_core::chain::TreeError;
    match error {
        InvalidateError::Tree(TreeError::Unknown { .. }) => block_not_found(),
        InvalidateError::Tree(error @ TreeError::Root { .. }) => RpcError::parameter(error.to_string()),
        error @ InvalidateError::Pruned { .. } => RpcError::new(Code::Misc, error.to_string()),
        InvalidateError::Fault(fault) => fault.into(),
    }
}

/// The lowest number that is taken for a time and not for a height, as Bitcoin Core has it.
const TIME_MIN: i64 = 1_000_000_000;

async fn prune(rpc: Arc<Rpc<Context>>, args: Args) -> Outcome {
    let node = &rpc.context.node;
    let tip = node.chain().state().height();
    let asked = args.int("height")?.unwrap_or(-1);
    let height = if asked > TIME_MIN {
        rpc.compute(move |rpc| height_before(rpc, asked)).await??
    } else {
        u32::try_from(asked).map_err(|_| RpcError::parameter("Negative block height."))?
    };
    if height > tip.0 {
        let message = format!("Blockchain is shorter than the attempted prune height: {height}, the chain has {tip}.");
        return Err(RpcError::parameter(message));
    }
    let below = node.prune(Height(height.saturating_add(1))).await?;
    json(&below.0.saturating_sub(1))
}

/// The height of the last block whose time lies before this one.
fn height_before(rpc: &Rpc<Context>, time: i64) -> Result<u32, RpcError> {
    let chain = rpc.context.node.chain();
    let tip = chain.state().tip();
    let headers = rpc.context.node.headers();
    // Median times rise, times of single blocks need not.
    let is_before = |height: u32| {
        let block = headers.ancestor(&tip, Height(height));
        block.and_then(|block| headers.median_time(&block.id())).is_some_and(|median| i64::from(median.0) < time)
    };
    let (mut before, mut after) = (0, chain.state().height().0.saturating_add(1));
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if is_before(middle) { before = middle } else { after = middle }
    }
    if !is_before(before) {
        return Err(RpcError::parameter("Could not find block with at least the specified timestamp."));
    }
    Ok(before)
}

/// A block that may be named by its id, in a parameter that may be left out.
pub(super) fn block_or_none(args: &Args, name: &str) -> Result<Option<BlockHash>, RpcError> {
    args.text_or_none(name).map(|text| args::hash(name, text)).transpose()
}

/// That a block is known by its header only, or gone.
pub(super) fn not_available(rpc: &Rpc<Context>, id: &BlockHash) -> RpcError {
    let is_stored = rpc.context.node.headers().node(id).is_some_and(qbtc_core::chain::HeaderNode::has_body);
    let why = if is_stored { "pruned data" } else { "not fully downloaded" };
    RpcError::new(Code::Misc, format!("Block not available ({why})"))
}
