//! How the network of a chain is found: the part of its spec that changes no rule.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::hash::BlockHash;
use crate::lock::AddressPrefix;
use crate::units::{Height, Work};

/// How the network is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// What addresses begin with, before the `1`.
    pub address_prefix: AddressPrefix,
    /// Ports that nodes listen on unless told otherwise.
    pub ports: Ports,
    /// Names whose DNS records tell nodes.
    #[serde(default, deserialize_with = "codec::bounded::<_, _, { Network::ENTRIES_MAX }>")]
    pub dns_seeds: Vec<String>,
    /// Addresses of nodes (multiaddr) that are always there.
    #[serde(default, deserialize_with = "codec::bounded::<_, _, { Network::ENTRIES_MAX }>")]
    pub bootstrap_peers: Vec<String>,
    /// The work of the best chain when the spec was written, or less: headers of a chain without it are not held. 64 hex digits.
    #[serde(default)]
    pub minimum_work: Work,
    /// Blocks known to be in the best chain: no fork from below them is followed.
    #[serde(default, deserialize_with = "codec::bounded::<_, _, { Network::ENTRIES_MAX }>")]
    pub checkpoints: Vec<Checkpoint>,
}

/// A block known to be in the best chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Its height.
    pub height: Height,
    /// Its id.
    pub id: BlockHash,
}

/// Ports, from 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    /// Peers: QUIC and WebRTC over UDP, TCP.
    pub p2p: u16,
    /// JSON-RPC.
    pub rpc: u16,
    /// HTTP: REST, web app, metrics.
    pub http: u16,
}

impl Network {
    /// The most entries of any list.
    pub const ENTRIES_MAX: usize = 1_024;
}
