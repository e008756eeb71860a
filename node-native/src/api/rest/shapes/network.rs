//! How the node is connected, in numbers.

use serde::Serialize;
use utoipa::ToSchema;

/// How the node is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct NetworkSummary {
    /// The program's version.
    pub(crate) version: &'static str,
    /// The version of the protocol between nodes.
    pub(crate) protocol_version: u32,
    /// Whether there is a network; a node can be run without.
    pub(crate) is_on: bool,
    /// Connected peers.
    pub(crate) peers: usize,
    /// Those that made the connection.
    pub(crate) inbound: usize,
    /// Those that this node connected to.
    pub(crate) outbound: usize,
    /// Those whose connection a quantum computer cannot read later.
    pub(crate) post_quantum: usize,
    /// Peers by transport.
    pub(crate) transports: Vec<Counted>,
    /// Peers by how the keys were really agreed on.
    pub(crate) key_exchanges: Vec<Counted>,
    /// Peers by the program that they say they run.
    pub(crate) programs: Vec<Counted>,
    /// Its peer id; none without a network. At the address of this interface, a page that it serves reaches the node under this id by WebSocket.
    pub(crate) peer_id: Option<String>,
    /// Where browsers reach this node directly, as multiaddrs; a wildcard stands for the host by which this was asked.
    pub(crate) dials: Vec<String>,
}

/// How many peers are of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Counted {
    /// The kind.
    pub(crate) name: String,
    /// How many.
    pub(crate) peers: usize,
}

impl NetworkSummary {
    /// Of a node without a network.
    pub(crate) const fn off(protocol_version: u32) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            protocol_version,
            is_on: false,
            peers: 0,
            inbound: 0,
            outbound: 0,
            post_quantum: 0,
            transports: Vec::new(),
            key_exchanges: Vec::new(),
            programs: Vec::new(),
            peer_id: None,
            dials: Vec::new(),
        }
    }
}
