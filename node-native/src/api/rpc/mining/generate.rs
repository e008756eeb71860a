//! generatetoaddress: blocks at once, on chains that are made for it.

use std::sync::Arc;

use qbtc_core::hash::{BlockHash, sha256d};
use qbtc_core::header::Header;
use qbtc_core::mempool::{BlockTemplate, EXTRANONCE_BYTES, Payout, Solution};
use qbtc_core::pow::Difficulty;
use qbtc_core::units::Target;
use qbtc_core::verify::CheckedBlock;

use super::super::args::Args;
use super::super::context::Context;
use super::super::error::{Code, RpcError};
use super::super::method::{Category, Method};
use super::super::param::{Kind, Param};
use super::super::protocol::Outcome;
use super::super::{Rpc, json};
use crate::node::Submitted;

/// The most blocks of one call.
const BLOCKS_MAX: u32 = 10_000;
/// How many hashes are tried for one block, unless a call says otherwise: hundreds of times what the dev chain asks for.
const TRIES: u32 = 100_000_000;

pub(super) fn methods() -> [Method<Context>; 1] {
    const PARAMS: &[Param] = &[
        Param::required(&["nblocks"], Kind::Number, "How many blocks, at most 10000."),
        Param::required(&["address"], Kind::Text, "Who is paid."),
        Param::optional(&["maxtries"], Kind::Number, "100000000", "How many hashes to try for each block."),
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
    let mut mined: Vec<BlockHash> = Vec::new();
    for _ in 0..nblocks {
        let payout = payout.clone();
        let Some(block) = rpc.compute(move |rpc| mine(rpc, &payout, tries)).await?? else { break };
        let id = block.id();
        match node.submit_checked(block).await {
            Ok(Submitted::Connected) => mined.push(id),
            // Another block came first; this one is beside the chain.
            Ok(Submitted::SideBranch | Submitted::Known) => {}
            Err(refusal) => return Err(RpcError::internal(format!("ProcessNewBlock, block not accepted: {refusal}"))),
        }
    }
    json(&mined)
}

/// A block with its work, if one is found in so many tries.
fn mine(rpc: &Rpc<Context>, payout: &Payout, tries: u32) -> Result<Option<CheckedBlock>, RpcError> {
    let node = &rpc.context.node;
    let template = node.template(payout).map_err(|error| RpcError::parameter(error.to_string()))?;
    let mut extranonce = [0; EXTRANONCE_BYTES];
    extranonce[EXTRANONCE_BYTES - 8..].copy_from_slice(&node.extranonce().to_be_bytes());
    let time = node.now().max(template.time_min());
    let start = Solution { version: template.context().version, time, nonce: 0, extranonce };
    let Some(solution) = search(rpc, &template, start, tries)? else { return Ok(None) };
    template.checked_block(&solution, node.spec()).map(Some).map_err(RpcError::internal)
}

fn search(
    rpc: &Rpc<Context>,
    template: &BlockTemplate,
    start: Solution,
    tries: u32,
) -> Result<Option<Solution>, RpcError> {
    /// How many hashes are tried between looks at whether the node stops.
    const STRIDE: u32 = 1 << 16;
    let target = Target::from_compact(template.context().bits).map_err(RpcError::internal)?;
    let mut bytes = template.header(&start).to_bytes();
    for nonce in 0..tries {
        if nonce % STRIDE == 0 && rpc.stopping().is_cancelled() {
            return Err(RpcError::new(Code::NotConnected, "Shutting down"));
        }
        bytes[Header::BYTES - 4..].copy_from_slice(&nonce.to_le_bytes());
        if target.is_met_by(&sha256d(&bytes)) {
            return Ok(Some(Solution { nonce, ..start }));
        }
    }
    Ok(None)
}
