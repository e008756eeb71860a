//! Calls about transactions as bytes.

mod send;

use std::sync::Arc;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use qbtc_core::chain::ChainStore as _;
use qbtc_core::codec;
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::tx::Transaction;
use qbtc_core::utxo::Coin;
use serde::Serialize;

use super::args::Args;
use super::blockchain::{block_or_none, confirmations, not_available};
use super::context::{Context, block_not_found, is_in_chain};
use super::error::{Code, RpcError};
use super::method::{Category, Method, Size};
use super::param::{Kind, Param};
use super::protocol::Outcome;
use super::{Rpc, json};
use crate::json as shapes;
use crate::store::ChainView;

/// The calls of this category.
pub(super) fn methods() -> Vec<Method<Context>> {
    const GET: &[Param] = &[
        Param::required(&["txid"], Kind::Hex, "The transaction."),
        Param::optional(
            &["verbosity", "verbose"],
            Kind::Level,
            "0",
            "0 for its bytes in hex, 1 for JSON, 2 for JSON with its fee and the coins that it spends.",
        ),
        Param::optional(&["blockhash"], Kind::Hex, "", "The block to look in."),
    ];
    const DECODE: &[Param] = &[Param::required(&["hexstring"], Kind::Hex, "The transaction's bytes.")];
    let own = [
        Method::blocking("getrawtransaction", Category::RawTransactions, get)
            .about(
                "Shows a transaction: of the mempool, of the given block, or of any block if the node runs with --txindex.",
                GET_RESULT,
            )
            .takes(GET, "\"txid\" 1"),
        Method::blocking("decoderawtransaction", Category::RawTransactions, decode)
            .about("Shows what the bytes of a transaction hold. Nothing is checked.", TRANSACTION_RESULT)
            .takes(DECODE, "\"hexstring\"")
            .sized(Size::Transaction),
    ];
    own.into_iter().chain(send::methods()).collect()
}

const TRANSACTION_RESULT: &str = r#"{
  "txid": "hex",                (string) The id without witnesses
  "hash": "hex",                (string) The id with witnesses
  "version": n,                 (numeric) The format of the rest
  "size": n,                    (numeric) The size with witnesses, in bytes. Fees are for these bytes: there is no discount
  "locktime": n,                (numeric) The lowest height of a block that may hold it
  "expiryheight": n,            (numeric) The greatest height of a block that may hold it; 0 for none
  "vin": [                      (json array) The coins that it spends
    {
      "txid": "hex",            (string) The transaction that made it
      "vout": n                 (numeric) Its place among that transaction's outputs
    },...
  ],
  "vout": [                     (json array) The coins that it makes
    {
      "value": n,               (numeric) The amount in QBTC
      "n": n,                   (numeric) Its place
      "scriptPubKey": {         (json object) What it is locked to
        "address": "str",       (string, optional) Who can spend it
        "type": "str",          (string) "address", or "nulldata" for bytes that people read
        "hex": "hex"            (string) The address' 32 bytes, or the data
      }
    },...
  ],
  "witnesses": [                (json array) What unlocks the coins: one for each distinct address
    {
      "address": "str",         (string) The address
      "size": n,                (numeric) Its size, in bytes
      "hex": "hex"              (string) Its bytes
    },...
  ]
}"#;

const GET_RESULT: &str = r#""hex"                           (string) With verbosity 0: its bytes
{                               (json object) With verbosity 1: what decoderawtransaction shows, and
  "hex": "hex",                 (string) Its bytes
  "in_active_chain": bool,      (boolean, only with blockhash) Whether the block is in the chain
  "blockhash": "hex",           (string, optional) Its block
  "confirmations": n,           (numeric, optional) How many blocks confirm it
  "time": n,                    (numeric, optional) The block's time
  "blocktime": n,               (numeric, optional) The same
  "fee": n                      (numeric, with verbosity 2) What it leaves to the miner, in QBTC
}                               With verbosity 2, each entry of "vin" has "prevout": the coin's "generated", "height", "value"
                                and "scriptPubKey""#;

/// A transaction and where it was found.
#[derive(Serialize)]
struct Found {
    #[serde(skip_serializing_if = "Option::is_none")]
    in_active_chain: Option<bool>,
    #[serde(flatten)]
    transaction: shapes::Entry,
    #[serde(flatten)]
    block: Option<InBlock>,
}

/// Where in the chain a transaction is.
#[derive(Serialize)]
struct InBlock {
    blockhash: BlockHash,
    confirmations: i64,
    time: u32,
    blocktime: u32,
}

/// The bytes of a transaction, as they are found.
enum Raw {
    /// In the mempool or a block, with the coins that it spends if they are known.
    Transaction(Box<Transaction>, Option<Vec<Coin>>),
    /// The transaction that pays a miner.
    Coinbase(qbtc_core::block::Coinbase),
}

fn get(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let txid: Txid = args.hash("txid")?;
    let verbosity = args.level("verbosity", 0, 2)?;
    let wanted = block_or_none(args, "blockhash")?;
    let (raw, block, chain) = find(rpc, &txid, wanted, verbosity == 2)?;
    if verbosity == 0 {
        return json(&HEXLOWER.encode(&match raw {
            Raw::Transaction(transaction, _) => codec::encode(&*transaction),
            Raw::Coinbase(coinbase) => coinbase.to_bytes(),
        }));
    }
    let prefix = rpc.context.prefix();
    let transaction = match raw {
        Raw::Coinbase(coinbase) => shapes::Entry::Coinbase(shapes::Coinbase::new(&coinbase, prefix)),
        Raw::Transaction(transaction, spent) => {
            let shown = shapes::Transaction::new(&transaction, prefix).with_hex(&transaction);
            let shown = match spent {
                Some(spent) => shown.with_spent(&spent, prefix),
                None => shown,
            };
            shapes::Entry::Transaction(Box::new(shown))
        }
    };
    let block = block.map(|id| in_block(rpc, &chain, id)).transpose()?;
    let in_active_chain = wanted.and(block.as_ref()).map(|block| block.confirmations > 0);
    json(&Found { in_active_chain, transaction, block })
}

fn in_block(rpc: &Rpc<Context>, chain: &ChainView, id: BlockHash) -> Result<InBlock, RpcError> {
    let known = rpc.context.header(&id)?;
    let is_here = is_in_chain(chain, known.height(), &id)?;
    let (confirmations, time) = (if is_here { confirmations(chain, known.height()) } else { 0 }, known.header().time.0);
    Ok(InBlock { blockhash: id, confirmations, time, blocktime: time })
}

/// Looks in the given block, or in the mempool and then in the index of the chain that the mempool stands on: at both in one moment, or a
/// transaction that is mined meanwhile would be in neither.
fn find(
    rpc: &Rpc<Context>,
    txid: &Txid,
    wanted: Option<BlockHash>,
    with_coins: bool,
) -> Result<(Raw, Option<BlockHash>, Arc<ChainView>), RpcError> {
    let (chain, waiting) = {
        let live = rpc.context.node.live();
        let entry = live.pool.entry(txid).filter(|_| wanted.is_none());
        let waiting = entry.map(|entry| (Arc::clone(entry.tx()), with_coins.then(|| entry.spent().to_vec())));
        (Arc::clone(&live.chain), waiting)
    };
    if let Some((tx, spent)) = waiting {
        return Ok((Raw::Transaction(Box::new(tx.transaction().clone()), spent), None, chain));
    }
    if let Some(id) = wanted {
        let unknown = || RpcError::new(Code::InvalidAddressOrKey, "Block hash not found");
        rpc.context.header(&id).map_err(|_| unknown())?;
        let missing = || {
            let message = "No such transaction found in the provided block";
            RpcError::new(Code::InvalidAddressOrKey, message)
        };
        let raw = in_this_block(rpc, &chain, &id, txid, with_coins)?.ok_or_else(missing)?;
        return Ok((raw, Some(id), chain));
    }
    if let Some(place) = chain.transaction_place(txid)? {
        let missing = || not_available(rpc, &place.block);
        let raw = in_this_block(rpc, &chain, &place.block, txid, with_coins)?.ok_or_else(missing)?;
        return Ok((raw, Some(place.block), chain));
    }
    let mend = if chain.indexes().txids {
        "No such mempool or blockchain transaction."
    } else {
        "No such mempool transaction. Run the node with --txindex or provide a block hash to enable blockchain transaction \
         queries."
    };
    Err(RpcError::new(Code::InvalidAddressOrKey, mend))
}

fn in_this_block(
    rpc: &Rpc<Context>,
    chain: &ChainView,
    id: &BlockHash,
    txid: &Txid,
    with_coins: bool,
) -> Result<Option<Raw>, RpcError> {
    let block = chain.plain_block(id)?.ok_or_else(|| not_available(rpc, id))?;
    if block.coinbase.id() == *txid {
        return Ok(Some(Raw::Coinbase(block.coinbase)));
    }
    let Some(place) = block.transactions.iter().position(|transaction| transaction.txid() == *txid) else {
        return Ok(None);
    };
    let mut spent = None;
    if with_coins && is_in_chain(chain, block.coinbase.height, id)? {
        let before = block.transactions[..place].iter().map(|transaction| transaction.body.inputs.len()).sum();
        let count = block.transactions[place].body.inputs.len();
        spent = Some(chain.undo(id)?.0.into_iter().skip(before).take(count).collect());
    }
    let transaction = block.transactions.into_iter().nth(place).ok_or_else(block_not_found)?;
    Ok(Some(Raw::Transaction(Box::new(transaction), spent)))
}

fn decode(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let transaction = transaction(rpc, args.text("hexstring"))?;
    json(&shapes::Transaction::new(&transaction, rpc.context.prefix()))
}

/// The transaction of these hex digits.
fn transaction(rpc: &Rpc<Context>, text: &str) -> Result<Transaction, RpcError> {
    let failed = |why: String| RpcError::new(Code::Deserialization, format!("TX decode failed: {why}"));
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
    let limit = rpc.context.node.spec().consensus().limits.tx_bytes as usize;
    codec::decode(&bytes, limit).map_err(|error| failed(error.to_string()))
}
