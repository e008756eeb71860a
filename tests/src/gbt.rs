//! A miner over getblocktemplate of our own: what a program that knows nothing of this chain makes of a template (BIP 22, BIP 23).
//!
//! It shares no code with the node. Merkle root, header and block are put together here from the text of the template alone, as minerd
//! and cpuminer-opt do, so that a template which is wrong is found out.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The hex of a block that solves a template, with its header's hash as it is shown.
///
/// # Panics
/// If a miner could not read the template, or no nonce solves it.
#[must_use]
pub fn solve(template: &Value) -> (String, String) {
    let transactions = template["transactions"].as_array().expect("transactions are a list");
    let coinbase = bytes(&template["coinbasetxn"]["data"]);
    assert!(coinbase.len() >= 60, "minerd takes no shorter coinbase");
    let ids = transactions.iter().map(|transaction| reversed(bytes(&transaction["txid"])));
    let leaves: Vec<Vec<u8>> = [sha256d(&coinbase)].into_iter().chain(ids).collect();
    let header = header(template, &merkle_root(leaves));
    let target = bytes(&template["target"]);
    assert_eq!(target.len(), 32, "a target has 32 bytes");
    let (header, hash) = search(header, &target);

    let mut block = header.to_vec();
    block.extend(compact_size(1 + transactions.len()));
    block.extend(&coinbase);
    for transaction in transactions {
        block.extend(bytes(&transaction["data"]));
    }
    (hex::encode(block), hex::encode(hash))
}

fn header(template: &Value, merkle_root: &[u8]) -> [u8; 80] {
    let number = |name: &str| u32::try_from(template[name].as_u64().expect(name)).expect(name).to_le_bytes();
    let mut header = [0; 80];
    header[..4].copy_from_slice(&number("version"));
    header[4..36].copy_from_slice(&reversed(bytes(&template["previousblockhash"])));
    header[36..68].copy_from_slice(merkle_root);
    header[68..72].copy_from_slice(&number("curtime"));
    header[72..76].copy_from_slice(&reversed(bytes(&template["bits"])));
    header
}

/// The first nonce whose hash, as a number, is at most the target. Returns the hash as it is shown.
fn search(mut header: [u8; 80], target: &[u8]) -> ([u8; 80], Vec<u8>) {
    for nonce in 0..=u32::MAX {
        header[76..].copy_from_slice(&nonce.to_le_bytes());
        let hash = reversed(sha256d(&header));
        if hash.as_slice() <= target {
            return (header, hash);
        }
    }
    panic!("no nonce solves the template");
}

fn merkle_root(mut level: Vec<Vec<u8>>) -> Vec<u8> {
    while level.len() > 1 {
        if level.len() % 2 == 1 {
            level.extend(level.last().cloned());
        }
        level = level.chunks(2).map(|pair| sha256d(&pair.concat())).collect();
    }
    level.remove(0)
}

fn compact_size(number: usize) -> Vec<u8> {
    match number {
        0..=0xfc => vec![u8::try_from(number).expect("below 253")],
        0xfd..=0xffff => [&[0xfd][..], &u16::try_from(number).expect("below 65,536").to_le_bytes()].concat(),
        _ => [&[0xfe][..], &u32::try_from(number).expect("no block has so many").to_le_bytes()].concat(),
    }
}

fn bytes(text: &Value) -> Vec<u8> {
    hex::decode(text.as_str().expect("a text")).expect("hex digits")
}

fn reversed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.reverse();
    bytes
}

fn sha256d(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(Sha256::digest(bytes)).to_vec()
}
