//! Blocks and headers.

use data_encoding::HEXLOWER;
use qbtc_core::block::Block;
use qbtc_core::chain::{ChainStore as _, HeaderNode};
use qbtc_core::hash::BlockHash;
use qbtc_core::units::Height;
use serde::Serialize;

use super::super::args::Args;
use super::super::context::{Context, block_not_found, is_in_chain};
use super::super::error::{Code, RpcError};
use super::super::method::{Category, Method};
use super::super::param::{Kind, Param};
use super::super::protocol::Outcome;
use super::super::{Rpc, json};
use super::not_available;
use crate::json::{self as shapes, Transaction};
use crate::store::ChainView;

pub(super) fn methods() -> [Method<Context>; 3] {
    const BLOCK: &[Param] = &[
        Param::required(&["blockhash"], Kind::Hex, "The block."),
        Param::optional(
            &["verbosity", "verbose"],
            Kind::Level,
            "1",
            "0 for its bytes in hex, 1 for JSON with the ids of its transactions, 2 with the transactions, 3 with the coins \
             that they spend.",
        ),
    ];
    const HEADER: &[Param] = &[
        Param::required(&["blockhash"], Kind::Hex, "The block."),
        Param::optional(&["verbose"], Kind::Bool, "true", "true for JSON, false for the 80 bytes in hex."),
    ];
    const FILTER: &[Param] = &[
        Param::required(&["blockhash"], Kind::Hex, "The block."),
        Param::optional(&["filtertype"], Kind::Text, "basic", "The type of the filter; there is only this one."),
    ];
    [
        Method::blocking("getblock", Category::Blockchain, block)
            .about("Shows a block.", BLOCK_RESULT)
            .takes(BLOCK, "\"blockhash\""),
        Method::blocking("getblockheader", Category::Blockchain, header)
            .about("Shows a header.", HEADER_RESULT)
            .takes(HEADER, "\"blockhash\""),
        Method::blocking("getblockfilter", Category::Blockchain, filter)
            .about(
                "Shows a block's compact filter (BIP 158, over the addresses that the block pays and spends from).\n\
                 There is no chain of filter headers: each block commits to the hash of its filter.",
                FILTER_RESULT,
            )
            .takes(FILTER, "\"blockhash\" \"basic\""),
    ]
}

const HEADER_RESULT: &str = r#"{
  "hash": "hex",                 (string) The block's id
  "confirmations": n,            (numeric) How many blocks confirm it, its own included; -1 if it is not in the chain
  "height": n,                   (numeric) Its height
  "version": n,                  (numeric) The version
  "versionHex": "hex",           (string) The version in hex
  "merkleroot": "hex",           (string) The root over coinbase, commitments and transactions
  "time": n,                     (numeric) When the miner says that it was made, in seconds since 1970
  "mediantime": n,               (numeric) The median time of this block and the ten before
  "nonce": n,                    (numeric) What the miner varied
  "bits": "hex",                 (string) The target in compact form
  "target": "hex",               (string) The target
  "difficulty": n,               (numeric) How many times harder than Bitcoin's easiest target
  "chainwork": "hex",            (string) The expected number of hashes in the chain up to here
  "previousblockhash": "hex",    (string, optional) The parent
  "nextblockhash": "hex"         (string, optional) The child in the chain
}
Or, with verbose=false: "hex"    (string) The 80 bytes"#;

const BLOCK_RESULT: &str = r#"{
  ...                            What getblockheader shows, and
  "nTx": n,                      (numeric) The number of transactions, the coinbase included
  "strippedsize": n,             (numeric) The size without witnesses, in bytes
  "size": n,                     (numeric) The size, in bytes
  "commitments": {               (json object) The second leaf of the merkle tree, between coinbase and transactions
    "id": "hex",                 (string) The leaf
    "witnessroot": "hex",        (string) The root over the ids with witnesses
    "filterhash": "hex",         (string) The hash of the compact filter
    "historyroot": "hex",        (string) The root of the history over all blocks up to the parent
    "utxoroot": "hex"            (string) The root of the coins; zero until a chain activates it
  },
  "tx": [ "hex",... ]            (json array) The ids, or the transactions as getrawtransaction shows them, the coinbase first
}
Or, with verbosity=0: "hex"      (string) The block's bytes"#;

const FILTER_RESULT: &str = r#"{
  "filter": "hex",    (string) The filter
  "hash": "hex",      (string) Its hash, as the block's commitments state it
  "proof": "hex"      (string, optional) The commitments, 128 bytes, then the encoded merkle proof that they are leaf 1 of the
                      block; not there if the block's body was pruned before nodes kept such proofs
}"#;

/// Where a block stands, beside what is in its header.
#[derive(Serialize)]
struct Place {
    hash: BlockHash,
    confirmations: i64,
    height: u32,
    mediantime: u32,
    chainwork: String,
    #[serde(rename = "nextblockhash", skip_serializing_if = "Option::is_none")]
    next: Option<BlockHash>,
}

#[derive(Serialize)]
struct HeaderReply {
    #[serde(flatten)]
    place: Place,
    #[serde(flatten)]
    header: shapes::Header,
}

#[derive(Serialize)]
struct BlockReply {
    #[serde(flatten)]
    place: Place,
    #[serde(flatten)]
    header: shapes::Header,
    #[serde(rename = "nTx")]
    transactions: usize,
    strippedsize: usize,
    size: usize,
    commitments: shapes::Commitments,
    tx: shapes::BlockTransactions,
}

impl Place {
    fn of(rpc: &Rpc<Context>, chain: &ChainView, node: &HeaderNode) -> Result<Self, RpcError> {
        let (hash, height) = (node.id(), node.height());
        let is_here = is_in_chain(chain, height, &hash)?;
        let above = Height(height.0.saturating_add(1));
        Ok(Self {
            hash,
            confirmations: if is_here { confirmations(chain, height) } else { -1 },
            height: height.0,
            mediantime: rpc.context.node.headers().median_time(&hash).unwrap_or_default().0,
            chainwork: node.work().to_string(),
            next: if is_here { chain.block_id(above)? } else { None },
        })
    }
}

/// How many blocks confirm what is in the chain at a height.
pub(in super::super) fn confirmations(chain: &ChainView, height: Height) -> i64 {
    i64::from(chain.state().height().0) - i64::from(height.0) + 1
}

fn header(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let id = args.hash("blockhash")?;
    let node = rpc.context.header(&id)?;
    if !args.bool("verbose", true) {
        return json(&HEXLOWER.encode(&node.header().to_bytes()));
    }
    let chain = rpc.context.node.chain();
    json(&HeaderReply { place: Place::of(rpc, &chain, &node)?, header: node.header().into() })
}

fn block(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let id = args.hash("blockhash")?;
    let verbosity = args.level("verbosity", 1, 3)?;
    let node = rpc.context.header(&id)?;
    let chain = rpc.context.node.chain();
    let bytes = chain.block_bytes(&id)?.ok_or_else(|| not_available(rpc, &id))?;
    if verbosity == 0 {
        return json(&HEXLOWER.encode(&bytes));
    }
    let block = Block::from_bytes(&bytes, bytes.len()).map_err(RpcError::internal)?;
    let shown = shapes::Block::new(&block);
    let shown = if verbosity == 1 { shown } else { with_transactions(rpc, &chain, shown, &block, verbosity)? };
    let shapes::Block { header, transactions, strippedsize, size, commitments, tx, .. } = shown;
    let place = Place::of(rpc, &chain, &node)?;
    json(&BlockReply { place, header, transactions, strippedsize, size, commitments, tx })
}

/// The block with whole transactions: with fees, if it was ever in the chain, and from verbosity 3 on with the coins that they spend.
fn with_transactions(
    rpc: &Rpc<Context>,
    chain: &ChainView,
    shown: shapes::Block,
    block: &Block,
    verbosity: u32,
) -> Result<shapes::Block, RpcError> {
    let prefix = rpc.context.prefix();
    // Only blocks of the chain have undo data, and the genesis block spends nothing.
    let has_undo = !block.transactions.is_empty() && is_in_chain(chain, block.coinbase.height, &shown.hash)?;
    let spent = if has_undo { chain.undo(&shown.hash)?.0 } else { Vec::new() };
    let mut rest = &spent[..];
    Ok(shown.with_transactions(block, prefix, |transaction| {
        let shown = Transaction::new(transaction, prefix).with_hex(transaction);
        let Some((coins, after)) = rest.split_at_checked(transaction.body.inputs.len()) else { return shown };
        rest = after;
        let mut shown = shown.with_spent(coins, prefix);
        if verbosity < 3 {
            shown.vin.iter_mut().for_each(|input| input.prevout = None);
        }
        shown
    }))
}

#[derive(Serialize)]
struct FilterReply {
    filter: String,
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
}

fn filter(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let id: BlockHash = args.hash("blockhash")?;
    let kind = args.text_or_none("filtertype").unwrap_or("basic");
    if kind != "basic" {
        return Err(RpcError::new(
            Code::InvalidAddressOrKey,
            format!("Unknown filtertype {kind:?}: expected \"basic\""),
        ));
    }
    if rpc.context.node.headers().node(&id).is_none() {
        return Err(block_not_found());
    }
    let missing = || {
        let message = "Filter not found. Block was not connected to active chain.";
        RpcError::new(Code::InvalidAddressOrKey, message)
    };
    let chain = rpc.context.node.chain();
    let bytes = chain.filter_bytes(&id)?.ok_or_else(missing)?;
    let filter = qbtc_core::commit::filter::Filter::from_bytes(&bytes, bytes.len()).map_err(RpcError::internal)?;
    let proof = chain.commitments_proof(&id)?.map(|proof| HEXLOWER.encode(&proof.to_bytes()));
    json(&FilterReply { hash: filter.hash().to_string(), filter: HEXLOWER.encode(&bytes), proof })
}
