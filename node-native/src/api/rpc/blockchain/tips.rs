//! The ends of all known chains.

use qbtc_core::chain::{HeaderNode, HeaderTree, Status};
use qbtc_core::hash::BlockHash;
use serde::Serialize;

use super::super::args::Args;
use super::super::context::Context;
use super::super::error::RpcError;
use super::super::method::{Category, Method};
use super::super::protocol::Outcome;
use super::super::{Rpc, json};
use crate::store::ChainView;

pub(super) fn methods() -> [Method<Context>; 1] {
    [Method::blocking("getchaintips", Category::Blockchain, tips)
        .about("Lists the ends of all known chains, the highest first: the active one, and those beside it.", RESULT)]
}

const RESULT: &str = r#"[
  {
    "height": n,         (numeric) The height
    "hash": "hex",       (string) The block
    "branchlen": n,      (numeric) How many blocks it lies above the active chain; 0 for the active tip
    "status": "str"      (string) One of:
                         "active"         the end of the chain
                         "valid-fork"     all its blocks were verified, and are not in the chain
                         "valid-headers"  all its blocks are there, not all were verified
                         "headers-only"   not all its blocks are there
                         "invalid"        it has a block that breaks a rule
  },...
]"#;

/// The most ends that are listed.
const TIPS_MAX: usize = 1_000;

#[derive(Serialize)]
struct Tip {
    height: u32,
    hash: BlockHash,
    branchlen: u32,
    status: &'static str,
}

fn tips(rpc: &Rpc<Context>, _: &Args) -> Outcome {
    let node = &rpc.context.node;
    let chain = node.chain();
    let active = chain.state().tip();
    let ends: Vec<(HeaderNode, u32)> = {
        let headers = node.headers();
        let branch = |end: &HeaderNode| branch_length(&headers, end, &active);
        let is_other = |end: &&HeaderNode| end.id() != active;
        headers.leaves().filter(is_other).map(|end| (end.clone(), branch(end))).collect()
    };
    let mut tips = vec![Tip { height: chain.state().height().0, hash: active, branchlen: 0, status: "active" }];
    for (end, branchlen) in ends {
        tips.push(Tip { height: end.height().0, hash: end.id(), branchlen, status: status(&chain, &end)? });
    }
    tips.sort_by_key(|tip| (std::cmp::Reverse(tip.height), tip.hash));
    tips.truncate(TIPS_MAX);
    json(&tips)
}

fn branch_length(headers: &HeaderTree, end: &HeaderNode, active: &BlockHash) -> u32 {
    headers.fork(&end.id(), active).map_or(0, |fork| end.height().above(fork.height()))
}

fn status(chain: &ChainView, end: &HeaderNode) -> Result<&'static str, RpcError> {
    Ok(match end.status() {
        Status::Invalid => "invalid",
        Status::Incomplete => "headers-only",
        // A block gets its filter when it enters the chain, and keeps it.
        Status::Complete if chain.filter_bytes(&end.id())?.is_some() => "valid-fork",
        Status::Complete => "valid-headers",
    })
}
