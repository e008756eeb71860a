//! A miner over getblocktemplate of our own: what a program that knows nothing of this chain makes of a template (BIP 22, BIP 23).
//!
//! It shares no code with the node. Merkle root, header and block are put together here from the text of the template alone, as minerd
//! and cpuminer-opt do, so that a template which is wrong is found out.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A block that a miner puts together from a template. Any part can be spoilt.
#[derive(Clone, Debug)]
pub struct Work {
    /// The header's version.
    pub version: u32,
    /// The parent's hash, in the order in which it is hashed.
    pub parent: Vec<u8>,
    /// The header's time.
    pub time: u32,
    /// The header's bits.
    pub bits: u32,
    /// What the hash may not exceed, as a number of 32 bytes, the greatest first.
    pub target: Vec<u8>,
    /// The coinbase.
    pub coinbase: Vec<u8>,
    /// What follows it: data and id of each, the id in the order in which it is hashed.
    pub transactions: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Work {
    /// Reads a template.
    ///
    /// # Panics
    /// If a miner could not read it.
    #[must_use]
    pub fn new(template: &Value) -> Self {
        let number = |name: &str| u32::try_from(template[name].as_u64().expect(name)).expect(name);
        let transactions = template["transactions"].as_array().expect("transactions are a list");
        let coinbase = bytes(&template["coinbasetxn"]["data"]);
        assert!(coinbase.len() >= 60, "minerd takes no shorter coinbase");
        let target = bytes(&template["target"]);
        assert_eq!(target.len(), 32, "a target has 32 bytes");
        Self {
            version: number("version"),
            parent: reversed(bytes(&template["previousblockhash"])),
            time: number("curtime"),
            bits: u32::from_str_radix(template["bits"].as_str().expect("a text"), 16).expect("hex digits"),
            target,
            coinbase,
            transactions: transactions
                .iter()
                .map(|each| (bytes(&each["data"]), reversed(bytes(&each["txid"]))))
                .collect(),
        }
    }

    /// Adds bytes to the coinbase, as `coinbase/append` lets a miner do.
    ///
    /// # Panics
    /// If more bytes than 255 are there then.
    pub fn append(&mut self, added: &[u8]) {
        let end = 42 + usize::from(self.coinbase[41]);
        self.coinbase[41] += u8::try_from(added.len()).expect("a few bytes");
        self.coinbase.splice(end..end, added.iter().copied());
    }

    /// The header with this nonce.
    #[must_use]
    pub fn header(&self, nonce: u32) -> Vec<u8> {
        let ids = self.transactions.iter().map(|(_, id)| id.clone());
        let root = merkle_root([sha256d(&self.coinbase)].into_iter().chain(ids).collect());
        let numbers = [self.time, self.bits, nonce].map(u32::to_le_bytes).concat();
        [&self.version.to_le_bytes()[..], &self.parent, &root, &numbers].concat()
    }

    /// The header's hash, as it is shown.
    #[must_use]
    pub fn hash(&self, nonce: u32) -> String {
        hex::encode(hash(&self.header(nonce)))
    }

    /// The first nonce whose hash is at most the target, or the first whose is not.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn nonce(&self, reaches: bool) -> u32 {
        let mut header = self.header(0);
        let found = (0..=u32::MAX).find(|nonce| {
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            (hash(&header) <= self.target) == reaches
        });
        found.expect("some nonce does")
    }

    /// The hex of the block with this nonce.
    #[must_use]
    pub fn block(&self, nonce: u32) -> String {
        let mut block = self.header(nonce);
        block.extend(compact_size(1 + self.transactions.len()));
        block.extend(&self.coinbase);
        self.transactions.iter().for_each(|(data, _)| block.extend(data));
        hex::encode(block)
    }

    /// The hex of the block with a nonce that solves it.
    #[must_use]
    pub fn solved(&self) -> String {
        self.block(self.nonce(true))
    }
}

/// The hex of a block that solves a template, with its header's hash as it is shown.
///
/// # Panics
/// If a miner could not read the template, or no nonce solves it.
#[must_use]
pub fn solve(template: &Value) -> (String, String) {
    let work = Work::new(template);
    let nonce = work.nonce(true);
    (work.block(nonce), work.hash(nonce))
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

/// A header's hash, as it is shown.
fn hash(header: &[u8]) -> Vec<u8> {
    reversed(sha256d(header))
}

fn sha256d(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(Sha256::digest(bytes)).to_vec()
}
