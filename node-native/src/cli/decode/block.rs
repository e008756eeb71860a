//! A block, taken apart.

use std::fmt;

use anyhow::anyhow;
use qbtc_core::block::{self, Block, Coinbase};
use qbtc_core::header::Header;
use qbtc_core::spec::ChainSpec;
use qbtc_core::verify::check_block;
use serde::Serialize;

use super::{header, tell, transaction};
use crate::json;

/// How many transactions are listed for people; JSON has them all.
const LISTED_MAX: usize = 20;

/// A block, and what is wrong with it.
#[derive(Serialize)]
pub(super) struct Decoded {
    #[serde(flatten)]
    json: json::Block,
    /// The rule that it breaks in isolation, if any.
    problem: Option<String>,
    #[serde(skip)]
    text: String,
}

impl Decoded {
    pub(super) fn from_bytes(bytes: &[u8], spec: &ChainSpec) -> anyhow::Result<Self> {
        let block = Block::from_bytes(bytes, bytes.len()).map_err(|error| explain(bytes, &error))?;
        let prefix = &spec.network().address_prefix;
        let json = json::Block::new(&block).with_transactions(&block, prefix, |tx| json::Transaction::new(tx, prefix));
        let text = text(&block, &json, spec);
        let is_genesis = block == *spec.genesis();
        let problem = check_block(block, spec).err().filter(|_| !is_genesis).map(|error| error.to_string());
        Ok(Self { json, problem, text })
    }
}

fn explain(bytes: &[u8], error: &block::BlockBytesError) -> anyhow::Error {
    match bytes.first_chunk::<{ Header::BYTES }>() {
        Some(_) if bytes.len() == Header::BYTES => anyhow!("this is a header alone: try `qbtc decode header`"),
        Some(header) => anyhow!("{error}; its header, if it is one, has the id {}", Header::from_bytes(header).id()),
        None => anyhow!("{error}"),
    }
}

fn text(block: &Block, json: &json::Block, spec: &ChainSpec) -> String {
    let Coinbase { chain_tag, height, extra, outputs, .. } = &block.coinbase;
    let is_ours = *chain_tag == Coinbase::chain_tag(&spec.chain_id());
    let chain = match (is_ours, height.0) {
        (true, _) => format!("{} (by its tag)", spec.name()),
        (false, 0) => "any: the first block of a chain".to_owned(),
        (false, _) => format!("another one than {}: its tag is {}", spec.name(), hex::encode(chain_tag)),
    };
    let mut lines = vec![
        header::text(&block.header),
        format!("height     {height}, as the coinbase states"),
        format!("chain      {chain}"),
        format!("size       {} bytes, {} without witnesses", json.size, json.strippedsize),
        format!("filter     {}", block.commitments.filter_hash),
        format!("history    {}", block.commitments.history_root),
        format!("coinbase   {}", block.coinbase.id()),
    ];
    if !extra.is_empty() {
        lines.push(format!("           says {}", printable(extra)));
    }
    lines.extend(outputs.iter().map(|output| format!("pays       {}", transaction::output_text(output, spec))));
    lines.push(format!("holds      {} transactions beside it", block.transactions.len()));
    let listed = block.transactions.iter().take(LISTED_MAX);
    lines.extend(listed.map(|transaction| format!("           {}", transaction.txid())));
    let more = block.transactions.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        lines.push(format!("           and {more} more; --json shows them all"));
    }
    lines.join("\n")
}

/// A miner's bytes: as text where they are one, else in hex. Nothing that a terminal would obey is passed on.
fn printable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => format!("{text:?}"),
        _ => hex::encode(bytes),
    }
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell(f, &self.text, "NOT VALID", self.problem.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_genesis_block_is_told_and_valid_on_its_chain_alone() {
        let bytes = ChainSpec::dev().genesis().to_bytes();
        let decoded = Decoded::from_bytes(&bytes, &ChainSpec::dev()).unwrap();
        let text = decoded.to_string();
        for part in [&ChainSpec::dev().chain_id().to_string(), "4200000 QBTC  to dbqs1", "0 transactions"] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert!(decoded.problem.is_none());
        assert!(Decoded::from_bytes(&bytes, &ChainSpec::main()).unwrap().problem.is_some());
        assert_eq!(serde_json::to_value(&decoded).unwrap()["height"], 0);
    }

    #[test]
    fn bad_bytes_are_explained() {
        let bytes = ChainSpec::dev().genesis().to_bytes();
        let refused = |bytes: &[u8]| Decoded::from_bytes(bytes, &ChainSpec::dev()).err().unwrap().to_string();
        assert!(refused(&bytes[..80]).contains("decode header"));
        assert!(refused(&bytes[..200]).contains("has the id"));
        assert!(refused(&bytes[..10]).contains("ends early"));
        assert!(refused(&[&bytes[..], &[0]].concat()).contains("1 bytes after"));
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(printable(b"hello"), "\"hello\"");
        assert_eq!(printable(b"\x1b[2J"), "1b5b324a");
        assert_eq!(printable(&[0xff]), "ff");
    }
}
