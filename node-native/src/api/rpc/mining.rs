//! Calls of miners, as BIP 22 and 23 have them and as mining software uses them.

mod generate;
mod prioritise;
mod submit;
mod template;

use qbtc_core::units::{CompactBits, Height, Target, Work};
use serde::Serialize;

use super::args::Args;
use super::context::{Context, block_not_found};
use super::error::RpcError;
use super::method::{Category, Method};
use super::param::{Kind, Param};
use super::protocol::Outcome;
use super::{Rpc, json};
use crate::json::difficulty;

/// The calls of this category.
pub(super) fn methods() -> Vec<Method<Context>> {
    const HASHES: &[Param] = &[
        Param::optional(&["nblocks"], Kind::Number, "120", "Over how many blocks; -1 for 120."),
        Param::optional(&["height"], Kind::Number, "-1", "Up to which height; -1 for the tip."),
    ];
    let own = [
        Method::blocking("getmininginfo", Category::Mining, info)
            .about("Tells what a miner wants to know of the chain.", INFO_RESULT),
        Method::blocking("getnetworkhashps", Category::Mining, |rpc, args| json(&hash_rate(rpc, args)?))
            .about(
                "Estimates how many hashes a second all miners make together, from the times in the blocks.",
                "n    (numeric) Hashes a second",
            )
            .takes(HASHES, "120 1000"),
    ];
    own.into_iter()
        .chain(template::methods())
        .chain(submit::methods())
        .chain(prioritise::methods())
        .chain(generate::methods())
        .collect()
}

const INFO_RESULT: &str = r#"{
  "blocks": n,                (numeric) The height of the chain
  "bits": "hex",              (string) The last block's target in compact form
  "difficulty": n,            (numeric) The last block's difficulty
  "target": "hex",            (string) The last block's target
  "networkhashps": n,         (numeric) What getnetworkhashps tells
  "pooledtx": n,              (numeric) How many transactions wait
  "chain": "str",             (string) The chain's name
  "next": {                   (json object) The block to be mined
    "height": n,              (numeric) Its height
    "bits": "hex",            (string) Its target in compact form
    "difficulty": n,          (numeric) Its difficulty
    "target": "hex"           (string) Its target
  },
  "warnings": ["str",...]     (json array) What the operator should know
}"#;

/// What a miner wants to know of the chain.
#[derive(Serialize)]
struct Info<'a> {
    blocks: u32,
    #[serde(flatten)]
    tip: Goal,
    networkhashps: f64,
    pooledtx: usize,
    chain: &'a str,
    next: Next,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Next {
    height: u32,
    #[serde(flatten)]
    goal: Goal,
}

/// What a hash must reach, in its three forms.
#[derive(Serialize)]
struct Goal {
    bits: String,
    difficulty: f64,
    target: Option<String>,
}

impl From<CompactBits> for Goal {
    fn from(bits: CompactBits) -> Self {
        let target = Target::from_compact(bits).ok().map(|target| target.to_string());
        Self { bits: bits.to_string(), difficulty: difficulty(bits), target }
    }
}

fn info(rpc: &Rpc<Context>, _: &Args) -> Outcome {
    let node = &rpc.context.node;
    let networkhashps = hash_rate_of(rpc, NBLOCKS, None)?;
    let (tip, pooledtx) = {
        let live = node.live();
        (live.chain.state().tip(), live.pool.len())
    };
    let headers = node.headers();
    let known = headers.node(&tip).ok_or_else(block_not_found)?;
    let next_bits = headers.next_bits(&tip, node.spec()).map_err(RpcError::internal)?;
    json(&Info {
        blocks: known.height().0,
        tip: known.header().bits.into(),
        networkhashps,
        pooledtx,
        chain: node.spec().name(),
        next: Next { height: known.height().0.saturating_add(1), goal: next_bits.into() },
        warnings: node.warnings(),
    })
}

/// Over how many blocks the hash rate is estimated, unless a call says otherwise.
const NBLOCKS: u32 = 120;
/// The most blocks that it is estimated over: what a call may cost.
const NBLOCKS_MAX: u32 = 100_000;

fn hash_rate(rpc: &Rpc<Context>, args: &Args) -> Result<f64, RpcError> {
    let out_of_range = |name: &str, expected: &str| {
        let found = args.value(name);
        RpcError::parameter(format!("Invalid {name} {found}: expected {expected}"))
    };
    let nblocks = match args.int("nblocks")?.unwrap_or(i64::from(NBLOCKS)) {
        // In Bitcoin this is "since the last change of difficulty"; here it changes with each block.
        -1 => NBLOCKS,
        found => u32::try_from(found)
            .ok()
            .filter(|blocks| (1..=NBLOCKS_MAX).contains(blocks))
            .ok_or_else(|| out_of_range("nblocks", "1 to 100000, or -1"))?,
    };
    let tip = rpc.context.node.chain().state().height();
    let height = match args.int("height")?.unwrap_or(-1) {
        -1 => None,
        found => {
            let height = u32::try_from(found).ok().filter(|height| *height <= tip.0);
            Some(Height(height.ok_or_else(|| out_of_range("height", "a height of the chain, or -1"))?))
        }
    };
    hash_rate_of(rpc, nblocks, height)
}

/// The work of blocks over the time from the earliest to the latest of them, as Bitcoin Core reckons it.
fn hash_rate_of(rpc: &Rpc<Context>, nblocks: u32, height: Option<Height>) -> Result<f64, RpcError> {
    let node = &rpc.context.node;
    let tip = node.chain().state().tip();
    let headers = node.headers();
    let end = headers.node(&tip).ok_or_else(block_not_found)?;
    let end = height.and_then(|height| headers.ancestor(&tip, height)).unwrap_or(end);
    let start = Height(end.height().0.saturating_sub(nblocks));
    let ancestor = |height: u32| headers.ancestor(&end.id(), Height(height)).ok_or_else(block_not_found);
    let (mut earliest, mut latest) = (u32::MAX, 0);
    let mut block = end;
    loop {
        let time = block.header().time.0;
        (earliest, latest) = (earliest.min(time), latest.max(time));
        if block.height() == start {
            break;
        }
        block = ancestor(block.height().0 - 1)?;
    }
    let work = end.work().checked_sub(block.work()).unwrap_or(Work::ZERO);
    let seconds = f64::from(latest.saturating_sub(earliest));
    Ok(if seconds == 0.0 { 0.0 } else { as_float(work) / seconds })
}

/// A number of hashes for people to read.
fn as_float(work: Work) -> f64 {
    work.to_be_bytes().iter().fold(0.0, |sum, byte| sum * 256.0 + f64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_reads_as_a_number() {
        assert_eq!(as_float(Work::from(0)), 0.0);
        assert_eq!(as_float(Work::from(65_537)), 65_537.0);
        assert_eq!(as_float(Work::from_be_bytes(&[0xff; 32])), 2.0_f64.powi(256));
    }
}
