//! generatetoaddress: blocks at once, on chains that are made for it.

use std::sync::Arc;

use qbtc_core::mempool::Payout;
use qbtc_core::pow::Difficulty;

use super::super::args::Args;
use super::super::context::Context;
use super::super::error::{Code, RpcError};
use super::super::method::{Category, Method};
use super::super::param::{Kind, Param};
use super::super::protocol::Outcome;
use super::super::{Rpc, json};
use crate::miner::{self, GenerateError};
use crate::node::{BlockRefusal, Fault};

/// The most blocks of one call.
const BLOCKS_MAX: u32 = 10_000;
/// How many hashes are tried for one block, unless a call says otherwise: hundreds of times what the dev chain asks for.
const TRIES: u32 = 100_000_000;

pub(super) fn methods() -> [Method<Context>; 1] {
    const PARAMS: &[Param] = &[
        Param::required(&["nblocks"], Kind::Number, "How many blocks, at most 10000."),
        Param::required(&["address"], Kind::Text, "Who is paid."),
        Param::optional(&["maxtries"], Kind::Number, "100000000", "How many hashes to try for each block, on average."),
    ];
    [Method::waiting("generatetoaddress", Category::Mining, |rpc, args| Box::pin(generate(rpc, args)))
        .about(
            "Mines blocks at once, on one thread of the node. Only on chains of constant difficulty, such as dev, where that takes no \
             time.",
            "[ \"hex\",... ]    (json array) The blocks",
        )
        .takes(PARAMS, "11 \"address\"")]
}

async fn generate(rpc: Arc<Rpc<Context>>, args: Args) -> Outcome {
    let node = rpc.context.node.clone();
    if node.spec().consensus().difficulty != Difficulty::Fixed {
        let message = format!(
            "generatetoaddress is for chains of constant difficulty, and {} is none: mine with `qbtc node --mine`, \
             getblocktemplate or Stratum",
            node.spec().name()
        );
        return Err(RpcError::new(Code::Forbidden, message));
    }
    let nblocks = args.int_in("nblocks", 0..=BLOCKS_MAX)?.unwrap_or(0);
    let tries = args.int_in("maxtries", 0..=u32::MAX)?.unwrap_or(TRIES);
    let payout = Payout::to(rpc.context.address(args.text("address"))?);
    // Blocks vary in what they take: all together they have the tries of all.
    let ids = miner::generate(&node, &payout, nblocks, u64::from(tries) * u64::from(nblocks)).await;
    json(&ids.map_err(refused)?)
}

fn refused(error: GenerateError) -> RpcError {
    match error {
        GenerateError::Template(error) => RpcError::parameter(error.to_string()),
        GenerateError::Refused(BlockRefusal::Fault(Fault::Stopping)) => {
            RpcError::new(Code::NotConnected, "Shutting down")
        }
        GenerateError::Refused(refusal) => {
            RpcError::internal(format!("ProcessNewBlock, block not accepted: {refusal}"))
        }
    }
}
