//! With what an extension begins: no node serves it, so the user says which chain, and which nodes to ask first.

use qbtc_core::net::browser::Address;
use qbtc_core::spec::ChainSpec;
use serde::{Deserialize, Serialize};

use crate::light::ADDRESSES_MAX;

/// The chains among which one chooses.
pub const CHAINS: [&str; 4] = ["main", "test", "local", "dev"];

/// The chain, and the nodes that are asked first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The chain's name.
    pub chain: String,
    /// Where browsers reach nodes over WebRTC.
    pub nodes: Vec<String>,
}

/// What is wrong with what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BeginFault {
    /// A chain whose rules the app does not know.
    Chain,
    /// A line that is no address.
    Address {
        /// Which line, counted from 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// An address that this browser cannot use here: only WebRTC goes to nodes without names.
    NotWebRtc {
        /// Which line, counted from 1.
        line: usize,
    },
    /// Too many lines.
    Many,
    /// No line, for a chain of which no node is known by itself.
    NoNode,
}

impl Begin {
    /// Reads what was typed: a chain, and a node's address on each line.
    ///
    /// # Errors
    /// [`BeginFault`].
    pub fn typed(chain: &str, lines: &str) -> Result<Self, BeginFault> {
        let spec = ChainSpec::by_name(chain).ok_or(BeginFault::Chain)?;
        let mut nodes: Vec<String> = Vec::new();
        for (line, text) in (1..).zip(lines.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            if nodes.len() >= ADDRESSES_MAX {
                return Err(BeginFault::Many);
            }
            match text.trim().parse() {
                Ok(address @ Address::WebRtc { .. }) => nodes.push(address.to_string()),
                Ok(Address::WebSocket { .. }) => return Err(BeginFault::NotWebRtc { line }),
                Err(error) => return Err(BeginFault::Address { line, why: error.to_string() }),
            }
        }
        let begin = Self { chain: chain.to_owned(), nodes };
        if begin.all_nodes(&spec).is_empty() { Err(BeginFault::NoNode) } else { Ok(begin) }
    }

    /// Reads what was kept; `None`, if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut begin: Self = serde_json::from_str(text).ok()?;
        begin.nodes.truncate(ADDRESSES_MAX);
        ChainSpec::by_name(&begin.chain).map(|_| begin)
    }

    /// What is kept.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("strings are JSON")
    }

    /// All nodes to begin with: those that were typed, and those of the chain that are always there.
    #[must_use]
    pub fn all_nodes(&self, spec: &ChainSpec) -> Vec<String> {
        let is_webrtc = |text: &&String| matches!(text.parse(), Ok(Address::WebRtc { .. }));
        let always = spec.network().bootstrap_peers.iter().filter(is_webrtc);
        self.nodes.iter().chain(always).take(ADDRESSES_MAX).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g";
    const ID: &str = "12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5";

    fn address(host: &str) -> String {
        format!("/ip4/{host}/udp/8334/webrtc-direct/certhash/{HASH}/p2p/{ID}")
    }

    #[test]
    fn what_is_typed_is_kept() {
        let begin = Begin::typed("dev", &format!("\n  {}  \n\n", address("127.0.0.1"))).unwrap();
        assert_eq!(begin, Begin { chain: "dev".to_owned(), nodes: vec![address("127.0.0.1")] });
        assert_eq!(Begin::parse(&begin.to_text()), Some(begin.clone()));
        assert_eq!(begin.all_nodes(&ChainSpec::dev()), begin.nodes);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert_eq!(Begin::typed("none", ""), Err(BeginFault::Chain));
        assert_eq!(Begin::typed("dev", "  \n"), Err(BeginFault::NoNode));
        let second = format!("{}\nnonsense", address("127.0.0.1"));
        assert!(matches!(Begin::typed("dev", &second), Err(BeginFault::Address { line: 2, .. })));
        let socket = format!("/ip4/127.0.0.1/tcp/8334/ws/p2p/{ID}");
        assert_eq!(Begin::typed("dev", &socket), Err(BeginFault::NotWebRtc { line: 1 }));
        let many: String = (0..=ADDRESSES_MAX).map(|_| address("127.0.0.1") + "\n").collect();
        assert_eq!(Begin::typed("dev", &many), Err(BeginFault::Many));
    }

    #[test]
    fn damage_is_none() {
        for text in ["", "{}", "[]", r#"{"chain":"x","nodes":[]}"#] {
            assert_eq!(Begin::parse(text), None, "{text}");
        }
        let flood = serde_json::json!({ "chain": "dev", "nodes": vec!["x"; 5_000] }).to_string();
        assert_eq!(Begin::parse(&flood).unwrap().nodes.len(), ADDRESSES_MAX);
    }

    #[test]
    fn every_chain_of_the_list_is_one() {
        assert!(CHAINS.iter().all(|name| ChainSpec::by_name(name).is_some()));
    }
}
