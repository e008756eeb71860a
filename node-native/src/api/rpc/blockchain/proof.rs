//! Proofs that transactions are in a block.

use data_encoding::HEXLOWER;
use qbtc_core::commit::{TxOutProof, TxOutProofError};
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::tx::OutPoint;
use qbtc_core::utxo::CoinView as _;
use serde_json::Value;

use super::super::args::{self, Args, type_name};
use super::super::context::{Context, block_not_found, is_in_chain};
use super::super::error::{Code, RpcError};
use super::super::method::{Category, Method, Size};
use super::super::param::{Kind, Param};
use super::super::protocol::Outcome;
use super::super::{Rpc, json};
use super::{block_or_none, not_available};
use crate::store::ChainView;

/// The most transactions of one proof.
const LEAVES_MAX: usize = TxOutProof::LEAVES_MAX;
/// How many outputs of a transaction are looked for among the coins, to find its block without an index.
const OUTPUTS_TRIED: u32 = 64;

pub(super) fn methods() -> [Method<Context>; 2] {
    const MAKE: &[Param] = &[
        Param::required(&["txids"], Kind::Array, "The transactions, at most 100, all of one block."),
        Param::optional(
            &["blockhash"],
            Kind::Hex,
            "",
            "The block. Without it the node must run with --txindex, or one of the first 64 outputs must be unspent.",
        ),
    ];
    const CHECK: &[Param] = &[Param::required(&["proof"], Kind::Hex, "What gettxoutproof answered.")];
    [
        Method::blocking("gettxoutproof", Category::Blockchain, make)
            .about(
                "Proves that transactions are in a block.\n\
                 The proof holds the header (80 bytes), then a list: of each transaction its kind (0 coinbase, 1 transaction), its \
                 bytes without witnesses,\nits place in the merkle tree and the siblings on the way to the root. verifytxoutproof \
                 checks it.",
                "\"hex\"    (string) The proof",
            )
            .takes(MAKE, "'[\"txid\"]' \"blockhash\""),
        Method::blocking("verifytxoutproof", Category::Blockchain, check)
            .about(
                "Checks a proof that transactions are in a block, and that the block is in the chain.",
                "[ \"hex\",... ]    (json array) The transactions that are proven; none, if the proof does not hold",
            )
            .takes(CHECK, "\"proof\"")
            .sized(Size::Block),
    ]
}

fn make(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let txids = txids(args)?;
    let chain = rpc.context.node.chain();
    let id = match block_or_none(args, "blockhash")? {
        Some(id) => id,
        None => block_of(&chain, &txids)?,
    };
    let known = rpc.context.header(&id)?;
    let block = chain.plain_block(&id)?.ok_or_else(|| not_available(rpc, &known.id()))?;
    let proof = TxOutProof::new(&block, &txids).map_err(|error| match error {
        TxOutProofError::Missing(_) => {
            let message = "Not all transactions found in specified or retrieved block";
            RpcError::new(Code::InvalidAddressOrKey, message)
        }
        other => RpcError::internal(other),
    })?;
    json(&HEXLOWER.encode(&proof.to_bytes()))
}

fn txids(args: &Args) -> Result<Vec<Txid>, RpcError> {
    let given = args.value("txids").as_array().map(Vec::as_slice).unwrap_or_default();
    if given.is_empty() {
        return Err(RpcError::parameter("Parameter 'txids' cannot be empty"));
    }
    if given.len() > LEAVES_MAX {
        let message = format!("Parameter 'txids' has {} entries: expected 1 to {LEAVES_MAX}", given.len());
        return Err(RpcError::parameter(message));
    }
    let mut txids = Vec::with_capacity(given.len());
    for each in given {
        let Value::String(text) = each else {
            let message = format!("JSON value of type {} is not of expected type string", type_name(each));
            return Err(RpcError::new(Code::Type, message));
        };
        let txid: Txid = args::hash("txid", text)?;
        if txids.contains(&txid) {
            return Err(RpcError::parameter(format!("Invalid parameter, duplicated txid: {txid}")));
        }
        txids.push(txid);
    }
    Ok(txids)
}

/// The block of one of these transactions.
fn block_of(chain: &ChainView, txids: &[Txid]) -> Result<BlockHash, RpcError> {
    for txid in txids {
        if let Some(place) = chain.transaction_place(txid)? {
            return Ok(place.block);
        }
        for index in 0..OUTPUTS_TRIED {
            if let Some(coin) = chain.coin(&OutPoint { txid: *txid, index })? {
                return chain.block_id(coin.height)?.ok_or_else(block_not_found);
            }
        }
    }
    let mend = "give its blockhash, or run the node with --txindex";
    Err(RpcError::new(Code::InvalidAddressOrKey, format!("Transaction not yet in block, or all spent: {mend}")))
}

fn check(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let bytes = args.bytes("proof", Code::Deserialization)?;
    let malformed = |error| RpcError::new(Code::Deserialization, format!("Proof decode failed: {error}"));
    let proof = TxOutProof::from_bytes(&bytes).map_err(malformed)?;
    let Ok(proven) = proof.proven() else { return json::<[Txid]>(&[]) };
    let id = proof.header().id();
    let chain = rpc.context.node.chain();
    let known = rpc.context.header(&id)?;
    if !is_in_chain(&chain, known.height(), &id)? {
        return Err(RpcError::new(Code::InvalidAddressOrKey, "Block not found in chain"));
    }
    json(&proven)
}
