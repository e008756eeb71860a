//! Proofs: what a block holds, where it stands, and how much work lies on top.

use qbtc_core::commit::flyclient::{ProvenChain, Sampling, verify};
use qbtc_core::commit::mmr::{BlockProof, ProvenBlock};
use qbtc_core::commit::{CommitmentsProof, TxOutProof};
use qbtc_core::hash::HistoryRoot;
use qbtc_core::header::Header;
use wasm_bindgen::prelude::*;

use super::chain::Chain;
use super::value::{self, Object, exactly, list};
use crate::failure::Failure;

/// The longest proof of transactions that is read, in bytes: one for each of a hundred of the largest size.
const TX_OUT_PROOF_BYTES_MAX: usize = 64 << 20;

/// Checks that transactions are in a block.
#[wasm_bindgen(js_name = verifyTxOutProof)]
pub fn verify_tx_out_proof(bytes: &[u8]) -> Result<JsValue, Failure> {
    let proof = read_tx_out_proof(bytes)?;
    let txids = proof.proven()?;
    let object = Object::new().set("header", shown_header(proof.header()));
    Ok(object.set("txids", list(txids.iter().map(ToString::to_string))).into())
}

/// Checks what a block commits to.
#[wasm_bindgen(js_name = verifyCommitmentsProof)]
pub fn verify_commitments_proof(header: &[u8], proof: &[u8]) -> Result<JsValue, Failure> {
    let header = Header::from_bytes(&exactly(header, "header")?);
    let proof = CommitmentsProof::from_bytes(proof)?;
    let commitments = proof.check(header.merkle_root)?;
    Ok(Object::new()
        .set("header", shown_header(&header))
        .text("witnessRoot", &commitments.witness_root.to_string())
        .text("filterHash", &commitments.filter_hash.to_string())
        .text("historyRoot", &commitments.history_root.to_string())
        .into())
}

/// Checks that a block is part of a history.
#[wasm_bindgen(js_name = verifyBlockProof)]
pub fn verify_block_proof(bytes: &[u8], history_root: &str, blocks: &JsValue) -> Result<JsValue, Failure> {
    let blocks = value::u32(blocks, "blocks")?;
    let proven = BlockProof::decode(bytes)?.check(history_root.parse()?, blocks)?;
    Ok(shown_block(&proven).into())
}

/// Checks a receipt: a proof of the work of a whole chain that anybody can check at any time.
#[wasm_bindgen(js_name = verifyReceipt)]
pub fn verify_receipt(chain: &Chain, bytes: &[u8]) -> Result<JsValue, Failure> {
    Ok(shown_chain(&receipt(chain, bytes)?).into())
}

/// Checks a proof of the work of a whole chain, made for a seed of the asker's.
#[wasm_bindgen(js_name = verifyHistoryProof)]
pub fn verify_history_proof(chain: &Chain, bytes: &[u8], seed: &[u8], tip: &str) -> Result<JsValue, Failure> {
    let sampling = Sampling::live(exactly(seed, "seed")?, tip.parse()?);
    Ok(shown_chain(&verify(bytes, &sampling, &chain.spec().header_rules())?).into())
}

/// Checks all at once: that a transaction is in a block, the block in a history, and the history's work.
#[wasm_bindgen(js_name = verifyPayment)]
pub fn verify_payment(
    chain: &Chain,
    txid: &str,
    receipt_bytes: &[u8],
    block_proof: &[u8],
    tx_out_proof: &[u8],
) -> Result<JsValue, Failure> {
    let txid = txid.parse()?;
    let chain = receipt(chain, receipt_bytes)?;
    let block = BlockProof::decode(block_proof)?.check(chain.peaks.root(), chain.peaks.blocks())?;
    let proof = read_tx_out_proof(tx_out_proof)?;
    let (found, expected) = (proof.header().id(), block.id);
    if found != expected {
        let message =
            format!("the transaction is proven to be in block {found}, the block in the history is {expected}");
        return Err(Failure::new("proof-other-block", message).found(found).expected(expected));
    }
    if !proof.proven()?.contains(&txid) {
        return Err(Failure::new("proof-other-transaction", format!("the proof is not one of transaction {txid}")));
    }
    Ok(Object::new()
        .set("block", shown_block(&block))
        .set("tip", shown_chain(&chain))
        .set("height", block.height.0)
        .set("confirmations", chain.height.above(block.height) + 1)
        .into())
}

fn receipt(chain: &Chain, bytes: &[u8]) -> Result<ProvenChain, Failure> {
    Ok(verify(bytes, &Sampling::receipt(), &chain.spec().header_rules())?)
}

fn read_tx_out_proof(bytes: &[u8]) -> Result<TxOutProof, Failure> {
    let (found, limit) = (bytes.len(), TX_OUT_PROOF_BYTES_MAX);
    if found > limit {
        let message = format!("proof of {found} bytes exceeds the limit of {limit}");
        return Err(Failure::new("bytes-too-long", message).found(found).expected(limit));
    }
    Ok(TxOutProof::from_bytes(bytes)?)
}

fn shown_header(header: &Header) -> Object {
    Object::new()
        .text("id", &header.id().to_string())
        .text("parent", &header.parent.to_string())
        .text("merkleRoot", &header.merkle_root.to_string())
        .set("time", header.time.0)
        .set("bits", header.bits.0)
        .bytes("bytes", &header.to_bytes())
}

fn shown_block(block: &ProvenBlock) -> Object {
    let object = Object::new().set("header", shown_header(&block.header)).set("height", block.height.0);
    object.set("workBefore", js_work(&block.work_before.to_be_bytes()))
}

fn shown_chain(chain: &ProvenChain) -> Object {
    let root: HistoryRoot = chain.peaks.root();
    Object::new()
        .set("header", shown_header(&chain.tip))
        .set("height", chain.height.0)
        .set("work", js_work(&chain.work.to_be_bytes()))
        .text("historyRoot", &root.to_string())
        .set("blocks", chain.peaks.blocks())
}

/// A bigint of 32 bytes.
fn js_work(bytes: &[u8; 32]) -> JsValue {
    let text = JsValue::from_str(&format!("0x{}", hex::encode(bytes)));
    js_sys::BigInt::new(&text).map_or(JsValue::UNDEFINED, Into::into)
}
