//! What clients and the node say to each other over a WebSocket: JSON, one object a message.

use qbtc_core::hash::{BlockHash, Txid, Wtxid};
use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use serde::{Deserialize, Serialize};

use crate::api::shortened;
use crate::node::BlockSummary;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Request {
    /// To be told.
    Subscribe(Topic),
    /// To be told no more.
    Unsubscribe(Topic),
}

/// What can be told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Topic {
    /// Each block that joins or leaves the chain.
    Blocks,
    /// Each transaction that comes into the mempool or leaves it.
    Transactions,
    /// Each transaction that pays to or spends from one of these.
    Addresses(Vec<String>),
}

/// What a client is told.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Message<'a> {
    /// What it is subscribed to now, and the tip from which on.
    Subscribed { blocks: bool, transactions: bool, addresses: usize, tip: BlockHash, height: u32 },
    /// What it asked for is not understood, and has changed nothing.
    Refused { message: &'a str },
    /// A block joined the chain.
    BlockConnected(BlockLine),
    /// A block left the chain.
    BlockDisconnected(BlockLine),
    /// A transaction came into the mempool. The fee is in quanta; null if it has left again.
    TransactionAdded { txid: Txid, wtxid: Wtxid, size_bytes: u32, fee: Option<u64> },
    /// A transaction left the mempool.
    TransactionRemoved { txid: Txid, reason: &'static str },
    /// A transaction pays to or spends from an address.
    Address {
        address: &'a str,
        txid: Txid,
        #[serde(flatten)]
        state: AddressState,
    },
    /// So many events were lost, because the client did not keep up. The last message before it is let go.
    Lagged { missed: u64 },
}

/// A block in a message.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BlockLine {
    id: BlockHash,
    height: u32,
    parent: BlockHash,
    time: u32,
    bits: String,
    size_bytes: u32,
    transactions: u32,
}

/// Where a transaction is that touches an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(super) enum AddressState {
    /// It came into the mempool.
    Pending,
    /// It left the mempool without having been mined.
    Removed,
    /// It is in a block of the chain.
    Confirmed { block: BlockHash, height: u32 },
    /// Its block left the chain.
    Disconnected { block: BlockHash, height: u32 },
}

impl From<&BlockSummary> for BlockLine {
    fn from(block: &BlockSummary) -> Self {
        Self {
            id: block.id,
            height: block.height.0,
            parent: block.header.parent,
            time: block.header.time.0,
            bits: block.header.bits.to_string(),
            size_bytes: block.size_bytes,
            transactions: block.transactions,
        }
    }
}

impl Message<'_> {
    /// The message as text.
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("messages are made of strings and numbers")
    }
}

/// Reads a client's message.
///
/// # Errors
/// A sentence for the client.
pub(super) fn parse(text: &str) -> Result<Request, String> {
    serde_json::from_str(text).map_err(|error| {
        format!(
            "{error}; expected {{\"subscribe\": \"blocks\"}}, {{\"subscribe\": \"transactions\"}}, \
             {{\"subscribe\": {{\"addresses\": [\"…\"]}}}}, or the same with \"unsubscribe\""
        )
    })
}

/// Reads the addresses of a message, at most so many.
///
/// # Errors
/// A sentence for the client.
pub(super) fn addresses(texts: &[String], most: usize, spec: &ChainSpec) -> Result<Vec<Address>, String> {
    if texts.len() > most {
        return Err(format!("{} addresses: at most {most} can be subscribed to", texts.len()));
    }
    let prefix = &spec.network().address_prefix;
    let address = |text: &String| {
        Address::from_text(text, prefix).map_err(|error| format!("address {:?}: {error}", shortened(text)))
    };
    texts.iter().map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_one_form() {
        assert_eq!(parse(r#"{"subscribe":"blocks"}"#), Ok(Request::Subscribe(Topic::Blocks)));
        assert_eq!(parse(r#"{"unsubscribe":"transactions"}"#), Ok(Request::Unsubscribe(Topic::Transactions)));
        let addresses = Topic::Addresses(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(parse(r#"{"subscribe":{"addresses":["a","b"]}}"#), Ok(Request::Subscribe(addresses)));
        for refused in [
            "",
            "[]",
            "{}",
            "subscribe",
            r#"{"subscribe":"everything"}"#,
            r#"{"subscribe":"blocks","unsubscribe":"blocks"}"#,
            r#"{"subscribe":{"addresses":"a"}}"#,
            r#"{"subscribe":{"addresses":[1]}}"#,
            r#"{"listen":"blocks"}"#,
        ] {
            let message = parse(refused).unwrap_err();
            assert!(message.contains("expected {\"subscribe\""), "{refused}: {message}");
        }
    }

    #[test]
    fn addresses_are_bounded_and_of_the_chain() {
        let spec = ChainSpec::dev();
        let mine = Address::from_bytes([1; 32]);
        let text = mine.to_text(&spec.network().address_prefix);
        assert_eq!(addresses(&[text.clone(), text.clone()], 2, &spec), Ok(vec![mine, mine]));
        assert!(addresses(&[text.clone(), text.clone()], 1, &spec).unwrap_err().contains("at most 1"));
        assert!(addresses(&[text.to_uppercase()], 1, &spec).is_ok());
        assert!(addresses(&["x".repeat(10_000)], 1, &spec).unwrap_err().len() < 300);
    }

    #[test]
    fn messages_name_their_event() {
        let txid = Txid::from_bytes([3; 32]);
        let state = AddressState::Confirmed { block: BlockHash::from_bytes([4; 32]), height: 9 };
        let text = Message::Address { address: "dbqs1…", txid, state }.to_text();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["event"], "address");
        assert_eq!(json["state"], "confirmed");
        assert_eq!(json["height"], 9);
        assert_eq!(Message::Lagged { missed: 5 }.to_text(), r#"{"event":"lagged","missed":5}"#);
    }
}
