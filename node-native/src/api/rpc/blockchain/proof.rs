//! Proofs that transactions are in a block.
//!
//! A proof is encoded as header ‖ list of leaves, each the leaf itself (a coinbase, or a transaction without its witnesses) with its
//! merkle proof. A leaf is shown whole and not by its id alone, so that nobody passes off an inner node of the tree as a transaction.

use data_encoding::HEXLOWER;
use qbtc_core::block::{Block, Coinbase};
use qbtc_core::codec;
use qbtc_core::commit::merkle::MerkleProof;
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::header::Header;
use qbtc_core::tx::{OutPoint, TxBody};
use qbtc_core::utxo::CoinView as _;
use serde::{Deserialize, Serialize};
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
const LEAVES_MAX: usize = 100;
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
            .sized(Size::Transaction),
    ]
}

/// A proof as it is encoded.
#[derive(Debug, Serialize, Deserialize)]
struct TxOutProof {
    header: Header,
    #[serde(deserialize_with = "codec::bounded::<_, _, LEAVES_MAX>")]
    leaves: Vec<Leaf>,
}

/// Something that is proven to be in the block.
#[derive(Debug, Serialize, Deserialize)]
enum Leaf {
    Coinbase {
        #[serde(
            serialize_with = "codec::bytes::serialize",
            deserialize_with = "codec::bytes::deserialize::<_, COINBASE_BYTES_MAX>"
        )]
        bytes: Box<[u8]>,
        proof: MerkleProof,
    },
    Transaction {
        body: TxBody,
        proof: MerkleProof,
    },
}

/// No chain allows a larger block, so no coinbase is longer.
const COINBASE_BYTES_MAX: usize = 64 << 20;

impl TxOutProof {
    fn new(block: &Block, txids: &[Txid]) -> Result<Self, RpcError> {
        let leaves = block.leaves();
        let nodes: Vec<_> = leaves.iter().map(|leaf| leaf.to_bytes()).collect();
        let missing = || {
            let message = "Not all transactions found in specified or retrieved block";
            RpcError::new(Code::InvalidAddressOrKey, message)
        };
        let prove = |txid: &Txid| {
            let place = leaves.iter().position(|leaf| leaf == txid).filter(|place| *place != 1).ok_or_else(missing)?;
            let index = u32::try_from(place).map_err(RpcError::internal)?;
            let proof = MerkleProof::new(nodes.clone(), index).map_err(RpcError::internal)?;
            Ok(match place.checked_sub(2).and_then(|place| block.transactions.get(place)) {
                Some(transaction) => Leaf::Transaction { body: transaction.body.clone(), proof },
                None => Leaf::Coinbase { bytes: block.coinbase.to_bytes().into(), proof },
            })
        };
        Ok(Self { header: block.header, leaves: txids.iter().map(prove).collect::<Result<_, RpcError>>()? })
    }

    /// The transactions that are proven; `None`, if one is not.
    fn proven(&self) -> Option<Vec<Txid>> {
        self.leaves.iter().map(|leaf| leaf.proven(&self.header)).collect()
    }
}

impl Leaf {
    fn proven(&self, header: &Header) -> Option<Txid> {
        match self {
            Self::Coinbase { bytes, proof } => {
                let coinbase = Coinbase::from_bytes(bytes).ok()?;
                proof.check_coinbase(&coinbase, header.merkle_root).ok()?;
                Some(coinbase.id())
            }
            Self::Transaction { body, proof } => {
                proof.check_transaction(body, header.merkle_root).ok()?;
                Some(body.txid())
            }
        }
    }
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
    json(&HEXLOWER.encode(&codec::encode(&TxOutProof::new(&block, &txids)?)))
}

fn txids(args: &Args) -> Result<Vec<Txid>, RpcError> {
    let given = args.value("txids").as_array().map(Vec::as_slice).unwrap_or_default();
    if !(1..=LEAVES_MAX).contains(&given.len()) {
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
    let proof: TxOutProof = codec::decode(&bytes, bytes.len()).map_err(malformed)?;
    let Some(proven) = proof.proven() else { return json::<[Txid]>(&[]) };
    let id = proof.header.id();
    let chain = rpc.context.node.chain();
    let known = rpc.context.header(&id)?;
    if !is_in_chain(&chain, known.height(), &id)? {
        return Err(RpcError::new(Code::InvalidAddressOrKey, "Block not found in chain"));
    }
    json(&proven)
}

#[cfg(test)]
mod tests {
    use qbtc_core::spec::ChainSpec;

    use super::*;

    #[test]
    fn a_proof_survives_its_encoding_and_no_change() {
        let spec = ChainSpec::dev();
        let genesis = spec.genesis();
        let coinbase = genesis.coinbase.id();
        let proof = TxOutProof::new(genesis, &[coinbase]).unwrap();
        let bytes = codec::encode(&proof);
        let decoded: TxOutProof = codec::decode(&bytes, bytes.len()).unwrap();
        assert_eq!(decoded.proven(), Some(vec![coinbase]));
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let proven = codec::decode::<TxOutProof>(&changed, changed.len())
                .ok()
                .and_then(|proof| (proof.header == genesis.header).then(|| proof.proven()).flatten());
            assert_eq!(proven, None, "byte {place} changed");
        }
    }

    #[test]
    fn the_commitments_and_unknown_transactions_cannot_be_proven() {
        let spec = ChainSpec::dev();
        for txid in [spec.genesis().commitments.id(), Txid::ZERO] {
            let refused = TxOutProof::new(spec.genesis(), &[txid]).unwrap_err();
            assert_eq!(refused.code, Code::InvalidAddressOrKey);
        }
    }
}
