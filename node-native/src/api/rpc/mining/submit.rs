//! Blocks and headers that are handed in.

use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use qbtc_core::block::Block;
use qbtc_core::chain::{InsertError, Status};
use qbtc_core::header::Header;
use serde_json::Value;

use super::super::args::Args;
use super::super::context::Context;
use super::super::error::{Code, RpcError};
use super::super::method::{Category, Method, Size};
use super::super::param::{Kind, Param};
use super::super::protocol::Outcome;
use super::super::{Rpc, json, reasons};
use crate::metrics::BlockSource;
use crate::node::{BlockRefusal, HeaderRefusal, Submitted};

pub(super) fn methods() -> [Method<Context>; 2] {
    const BLOCK: &[Param] = &[
        Param::required(&["hexdata"], Kind::Hex, "The block's bytes."),
        Param::optional(&["dummy"], Kind::Object, "", "{ \"workid\": \"str\" }, as BIP 22 has it. Not looked at."),
    ];
    const HEADER: &[Param] = &[Param::required(&["hexdata"], Kind::Hex, "The 80 bytes of the header.")];
    [
        Method::waiting("submitblock", Category::Mining, |rpc, args| Box::pin(submit_block(rpc, args)))
            .about(
                "Takes a block. It is header, number of leaves (as Bitcoin writes numbers), coinbase, and the data of all of the \
                 template's\ntransactions, one after the other.",
                "null    (json null) It is in the chain\n\"str\"   (string) Why not, as BIP 22 has it: high-hash, \
                 bad-txnmrklroot, bad-prevblk, duplicate, inconclusive (it is stored; another chain has more work),...",
            )
            .takes(BLOCK, "\"hexdata\"")
            .sized(Size::Block),
        Method::waiting("submitheader", Category::Mining, |rpc, args| Box::pin(submit_header(rpc, args)))
            .about("Takes a header, whose block may come later.", "null    (json null) It is taken")
            .takes(HEADER, "\"hexdata\""),
    ]
}

/// The block of these hex digits, in a value that is known to be a string.
async fn decode(rpc: &Arc<Rpc<Context>>, text: Value) -> Result<Block, RpcError> {
    let limit = rpc.context.node.spec().consensus().limits.block_bytes as usize;
    let failed = |why: String| RpcError::new(Code::Deserialization, format!("Block decode failed: {why}"));
    let decoded = rpc.compute(move |_| {
        let text = text.as_str().unwrap_or_default();
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
        Block::from_bytes(&bytes, limit).map_err(|error| failed(error.to_string()))
    });
    decoded.await?
}

async fn submit_block(rpc: Arc<Rpc<Context>>, mut args: Args) -> Outcome {
    let block = decode(&rpc, args.take("hexdata")).await?;
    let id = block.id();
    match rpc.context.node.submit_block(block).await {
        Ok(Submitted::Connected) => {
            rpc.context.node.metrics().block_found(BlockSource::Rpc);
            json(&Value::Null)
        }
        Ok(Submitted::SideBranch) => json("inconclusive"),
        Ok(Submitted::Known) => json("duplicate"),
        Err(BlockRefusal::KnownInvalid { .. }) => {
            // Found invalid itself, or built on something that was.
            let is_known = rpc.context.node.headers().node(&id).is_some();
            json(if is_known { "duplicate-invalid" } else { "bad-prevblk" })
        }
        Err(refusal) => json(reason(refusal)?),
    }
}

/// Checks a block but for its work.
pub(super) async fn propose(rpc: &Arc<Rpc<Context>>, text: Value) -> Outcome {
    let block = decode(rpc, text).await?;
    let node = &rpc.context.node;
    let known = node.headers().node(&block.id()).map(qbtc_core::chain::HeaderNode::status);
    match known {
        Some(Status::Complete) => return json("duplicate"),
        Some(Status::Invalid) => return json("duplicate-invalid"),
        Some(Status::Incomplete) => return json("duplicate-inconclusive"),
        None => {}
    }
    if block.header.parent != node.chain().state().tip() {
        return json("inconclusive-not-best-prevblk");
    }
    match node.check_proposal(block).await {
        Ok(()) => json(&Value::Null),
        Err(refusal) => json(reason(refusal)?),
    }
}

/// The word for a refusal.
fn reason(refusal: BlockRefusal) -> Result<&'static str, RpcError> {
    match refusal {
        BlockRefusal::KnownInvalid { .. } => Ok("duplicate-invalid"),
        BlockRefusal::Header(error) => Ok(reasons::header_place(&error)),
        BlockRefusal::Block(error) => Ok(reasons::block(&error)),
        BlockRefusal::Fault(fault) => Err(fault.into()),
    }
}

async fn submit_header(rpc: Arc<Rpc<Context>>, args: Args) -> Outcome {
    let failed = || RpcError::new(Code::Deserialization, "Block header decode failed: expected 160 hex digits");
    let mut bytes = [0; Header::BYTES];
    hex::decode_to_slice(args.text("hexdata"), &mut bytes).map_err(|_| failed())?;
    let header = Header::from_bytes(&bytes);
    match rpc.context.node.submit_header(header).await {
        Ok(_) => json(&Value::Null),
        Err(HeaderRefusal::Header(InsertError::UnknownParent { parent, .. })) => {
            Err(RpcError::new(Code::Verify, format!("Must submit previous header ({parent}) first")))
        }
        Err(HeaderRefusal::Header(error)) => {
            Err(RpcError::new(Code::Verify, format!("{}: {error}", reasons::header_place(&error))))
        }
        Err(HeaderRefusal::Fault(fault)) => Err(fault.into()),
    }
}
