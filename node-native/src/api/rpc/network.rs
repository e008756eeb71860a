//! Calls about peers.

mod bans;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use qbtc_core::net::{PROTOCOL_VERSION, Services};
use qbtc_core::sync::PeerKey;
use serde::Serialize;

use super::args::Args;
use super::context::Context;
use super::error::{Code, RpcError};
use super::mempool::coins_per_1000_bytes;
use super::method::{Category, Method};
use super::param::{Kind, Param};
use super::protocol::Outcome;
use super::{Rpc, json};
use crate::api::shortened;
use crate::json::Coins;
use crate::p2p::address::{AddressError, NodeAddress};
use crate::p2p::place::is_circuit_text;
use crate::p2p::transport::link::{Carrier, KeyExchange};
use crate::p2p::{P2p, PeerInfo, PeerName, Stopping, WantedInfo};

const PEER_INFO: &str = "[\n  {\n    \"id\": n,                  (numeric) The peer's number in this run of the node\n    \"peer_id\": \"str\",         \
     (string) Who it is\n    \"addr\": \"ip:port\",        (string) Where it is, or a multiaddr\n    \"multiaddr\": \"str\",       (string) \
     Where it is\n    \"addrbind\": \"str\",        (string, inbound only) Where it reached this node, as a multiaddr, unless it came by the HTTP interface\n    \"network\": \
     \"str\",         (string) ipv4, ipv6 or not_publicly_routable\n    \"services\": \"hex\",        (string, hex) What it does for others\n    \
     \"servicesnames\": [\"str\",...],  (json array) The same, as words\n    \"bytessent\": n,           (numeric) Bytes that went over \
     its streams\n    \"bytesrecv\": n,           (numeric) Bytes that came\n    \"conntime\": n,            (numeric) Since when it \
     is connected, in Unix time\n    \"timeoffset\": n,          (numeric) How far its clock was ahead when it said hello, in seconds\n    \
     \"pingtime\": n,            (numeric) How long the last ping took, in seconds\n    \"minping\": n,             (numeric) How long \
     the quickest took\n    \"version\": n,             (numeric) The version of the protocol that it speaks\n    \"subver\": \"str\",          \
     (string) What it runs\n    \"inbound\": b,             (boolean) Whether it made the connection\n    \"startingheight\": n,      \
     (numeric) Its height when it last said hello\n    \"minfeefilter\": n,        (numeric) The least fee rate that it wants to hear \
     of, in QBTC for 1,000 bytes\n    \"connection_type\": \"str\", (string) inbound, outbound-full-relay, or manual if it was \
     wanted\n    \"transport_protocol_type\": \"str\",  (string) tcp, quic, websocket, webrtc or circuit\n    \"identity\": \"str\",        \
     (string, hex) The hash of the ML-DSA key that it has shown, if it has\n    \"key_exchange\": \"str\",    \
     (string) How the keys were really agreed on\n    \"post_quantum\": b,        (boolean) Whether a quantum computer cannot read \
     it later\n    \"sealed\": b,              (boolean) Whether what it asks as a light client comes under keys of X25519 and ML-KEM-768 of its \
     own\n    \"seal\": \"hex\"             (string, hex, if it is sealed) Which keys these are: the light client shows the same\n  },...\n]";

const NETWORK_INFO: &str = "{\n  \"version\": n,               (numeric) The program's version, two digits for each part\n  \"subversion\": \
     \"str\",          (string) The program and its version\n  \"protocolversion\": n,       (numeric) The version of the protocol\n  \
     \"localservices\": \"hex\",       (string, hex) What this node does for others\n  \"localservicesnames\": [\"str\",...],\n  \
     \"localrelay\": b,            (boolean) Whether there is a network to pass transactions on to\n  \"timeoffset\": 0,            \
     (numeric) Always: the clock is taken as it is\n  \"networkactive\": b,         (boolean) Whether the network is on\n  \
     \"connections\": n,           (numeric) Peers\n  \"connections_in\": n,        (numeric) Those that made the connection\n  \
     \"connections_out\": n,       (numeric) The others\n  \"networks\": [{...}],        (json array) ipv4 and ipv6, as Bitcoin Core \
     tells of them\n  \"relayfee\": n,              (numeric) The least fee rate, in QBTC for \
     1,000 bytes\n  \"incrementalfee\": n,        (numeric) What a replacement pays more, in QBTC for 1,000 bytes\n  \
     \"localaddresses\": [{\"address\", \"port\", \"score\"},...],  (json array) Where it listens\n  \"peer_id\": \"str\",             \
     (string) Who this node is\n  \"identity\": \"str\",            (string, hex) The hash of its ML-DSA key\n  \"multiaddrs\": [\"str\",...],  (json array) Where it listens or is reached, and how\n  \"reach\": {...},              (json object) Whether kademlia, autonat, upnp, relay and hole_punching are on, and the relays through which it is to be reached\n  \"warnings\": [\"str\",...]     (json array) What the operator should know\n}";

pub(super) fn methods() -> Vec<Method<Context>> {
    let told = [
        Method::waiting("getpeerinfo", Category::Network, |rpc, _| Box::pin(peer_info(rpc)))
            .about("Tells of each connected peer.", PEER_INFO),
        Method::waiting("getnetworkinfo", Category::Network, |rpc, _| Box::pin(network_info(rpc)))
            .about("Tells of the network as a whole.", NETWORK_INFO),
        Method::waiting("getconnectioncount", Category::Network, |rpc, _| Box::pin(connection_count(rpc)))
            .about("Counts the peers.", "n    (numeric) Peers"),
        Method::waiting("ping", Category::Network, |rpc, _| Box::pin(ping(rpc)))
            .about("Asks all peers for a sign of life. How long it took is in `getpeerinfo` a little later.", "null"),
    ];
    told.into_iter().chain(changing()).chain(bans::methods()).collect()
}

fn changing() -> [Method<Context>; 3] {
    const ADD: &[Param] = &[
        Param::required(&["node"], Kind::Text, "The node: IP:PORT for TCP, or a multiaddr."),
        Param::required(&["command"], Kind::Text, "add, remove, or onetry to dial it once."),
    ];
    const DISCONNECT: &[Param] = &[
        Param::optional(&["address"], Kind::Text, "nodeid", "The peer's address or peer id, as in getpeerinfo."),
        Param::optional(&["nodeid"], Kind::Number, "address", "The peer's number, as in getpeerinfo."),
    ];
    const ADDED: &[Param] = &[Param::optional(&["node"], Kind::Text, "all", "One node, as it was added.")];
    [
        Method::waiting("addnode", Category::Network, |rpc, args| Box::pin(add_node(rpc, args)))
            .about("Wants a node, which is then dialled whenever it is not connected, or wants it no more.", "null")
            .takes(ADD, "\"192.0.2.1:8333\" \"add\""),
        Method::waiting("disconnectnode", Category::Network, |rpc, args| Box::pin(disconnect(rpc, args)))
            .about("Parts with a peer. One that is wanted is dialled again.", "null")
            .takes(DISCONNECT, "\"192.0.2.1:8333\""),
        Method::waiting("getaddednodeinfo", Category::Network, |rpc, args| Box::pin(added_node_info(rpc, args)))
            .about(
                "Tells of the nodes that were added, on the command line or by `addnode`.",
                "[\n  {\n    \"addednode\": \"str\",      (string) As it was added, as a multiaddr\n    \"connected\": b,          (boolean) \
                 Whether it is connected\n    \"addresses\": [          (json array) Where, if it is\n      {\n        \"address\": \
                 \"str\",    (string) The multiaddr\n        \"connected\": \"str\"   (string) inbound or outbound\n      }\n    ]\n  \
                 },...\n]",
            )
            .takes(ADDED, "\"192.0.2.1:8333\""),
    ]
}

pub(super) fn p2p(rpc: &Rpc<Context>) -> Result<&P2p, RpcError> {
    let disabled = || RpcError::new(Code::P2pDisabled, "Error: Peer-to-peer functionality missing or disabled");
    rpc.context.p2p.as_ref().ok_or_else(disabled)
}

impl From<Stopping> for RpcError {
    fn from(_: Stopping) -> Self {
        Self::new(Code::NotConnected, "Shutting down")
    }
}

#[derive(Serialize)]
struct Peer {
    id: u64,
    peer_id: String,
    addr: String,
    multiaddr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    addrbind: Option<String>,
    network: &'static str,
    services: String,
    servicesnames: Vec<&'static str>,
    bytessent: u64,
    bytesrecv: u64,
    conntime: u64,
    timeoffset: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pingtime: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minping: Option<f64>,
    version: u32,
    subver: String,
    inbound: bool,
    startingheight: u32,
    minfeefilter: Coins,
    connection_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport_protocol_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_exchange: Option<String>,
    post_quantum: bool,
    sealed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
}

impl Peer {
    /// `None` for one that has not said hello.
    fn new(peer: PeerInfo) -> Option<Self> {
        let hello = peer.hello?;
        Some(Self {
            id: peer.key.0,
            peer_id: peer.id,
            addr: peer.socket.map_or_else(|| peer.address.clone(), |socket| socket.to_string()),
            network: match peer.socket.map(|socket| socket.ip()) {
                Some(ip) if ip.is_loopback() || ip.is_unspecified() => "not_publicly_routable",
                Some(ip) if ip.is_ipv6() => "ipv6",
                Some(_) => "ipv4",
                None => "not_publicly_routable",
            },
            multiaddr: peer.address,
            addrbind: peer.reached,
            services: format!("{:016x}", hello.services.0),
            servicesnames: names(hello.services),
            bytessent: peer.sent,
            bytesrecv: peer.received,
            conntime: unix_time(peer.since),
            timeoffset: peer.time_offset,
            pingtime: peer.ping.as_ref().map(Duration::as_secs_f64),
            minping: peer.ping_least.as_ref().map(Duration::as_secs_f64),
            version: hello.version,
            subver: hello.user_agent.as_str().to_owned(),
            inbound: !peer.is_outbound,
            startingheight: hello.height.0,
            minfeefilter: coins_per_1000_bytes(hello.fee_rate_min),
            connection_type: match (peer.is_outbound, peer.is_wanted) {
                (false, _) => "inbound",
                (true, true) => "manual",
                (true, false) => "outbound-full-relay",
            },
            transport_protocol_type: peer.carrier.map(Carrier::name),
            identity: peer.identity.map(|key| key.to_string()),
            key_exchange: peer.key_exchange.map(|exchange| exchange.to_string()),
            post_quantum: peer.key_exchange.is_some_and(KeyExchange::is_post_quantum),
            sealed: peer.seal.is_some(),
            seal: peer.seal.map(|seal| seal.to_string()),
        })
    }
}

fn unix_time(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn names(services: Services) -> Vec<&'static str> {
    let all = [
        (Services::NODE, "NODE"),
        (Services::LIGHT, "LIGHT"),
        (Services::ALL_BODIES, "ALL_BODIES"),
        (Services::ALL_WITNESSES, "ALL_WITNESSES"),
    ];
    all.into_iter().filter(|(service, _)| services.has(*service)).map(|(_, name)| name).collect()
}

async fn peer_info(rpc: Arc<Rpc<Context>>) -> Outcome {
    let peers = p2p(&rpc)?.peers().await?;
    json(&peers.into_iter().filter_map(Peer::new).collect::<Vec<_>>())
}

async fn connection_count(rpc: Arc<Rpc<Context>>) -> Outcome {
    json(&p2p(&rpc)?.peers().await?.len())
}

async fn ping(rpc: Arc<Rpc<Context>>) -> Outcome {
    p2p(&rpc)?.ping().await?;
    json(&())
}

#[derive(Serialize)]
struct NetworkInfo {
    version: u32,
    subversion: String,
    protocolversion: u32,
    localservices: String,
    localservicesnames: Vec<&'static str>,
    localrelay: bool,
    timeoffset: i64,
    networkactive: bool,
    connections: usize,
    connections_in: usize,
    connections_out: usize,
    networks: [Network; 2],
    relayfee: Coins,
    incrementalfee: Coins,
    localaddresses: Vec<LocalAddress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_id: Option<String>,
    identity: Option<String>,
    multiaddrs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reach: Option<Reach>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Network {
    name: &'static str,
    limited: bool,
    reachable: bool,
    proxy: &'static str,
    proxy_randomize_credentials: bool,
}

impl Network {
    const fn new(name: &'static str, is_on: bool) -> Self {
        Self { name, limited: !is_on, reachable: is_on, proxy: "", proxy_randomize_credentials: false }
    }
}

#[derive(Serialize)]
struct Reach {
    kademlia: bool,
    autonat: bool,
    upnp: bool,
    relay: bool,
    hole_punching: bool,
    relays: Vec<String>,
}

impl Reach {
    fn new(p2p: &P2p) -> Self {
        let reach = p2p.reach();
        Self {
            kademlia: p2p.asks_kademlia(),
            autonat: reach.autonat,
            upnp: reach.upnp,
            relay: reach.relay,
            hole_punching: reach.hole_punching,
            relays: reach.relays.iter().map(ToString::to_string).collect(),
        }
    }
}

#[derive(Serialize)]
struct LocalAddress {
    address: String,
    port: u16,
    score: u32,
}

impl LocalAddress {
    /// The IP address and port of `/ip4|ip6/IP/tcp|udp/PORT/…`.
    fn new(multiaddr: &str) -> Option<Self> {
        if is_circuit_text(multiaddr) {
            // That address is a relay's.
            return None;
        }
        let mut parts = multiaddr.split('/').skip(2);
        let (address, port) = (parts.next()?.to_owned(), parts.nth(1)?.parse().ok()?);
        Some(Self { address, port, score: 1 })
    }
}

async fn network_info(rpc: Arc<Rpc<Context>>) -> Outcome {
    let p2p = rpc.context.p2p.as_ref();
    let mut peers = match p2p {
        Some(p2p) => p2p.peers().await?,
        None => Vec::new(),
    };
    // Those that getpeerinfo lists.
    peers.retain(|peer| peer.hello.is_some());
    let own = crate::p2p::hello(&rpc.context.node);
    let services = if p2p.is_some() { own.services } else { Services::default() };
    let connections_out = peers.iter().filter(|peer| peer.is_outbound).count();
    let (relayfee, incrementalfee) = {
        let live = rpc.context.node.live();
        let policy = live.pool.policy();
        (coins_per_1000_bytes(policy.relay_fee_rate_min), coins_per_1000_bytes(policy.incremental_fee_rate))
    };
    let multiaddrs = p2p.map(P2p::addresses).unwrap_or_default();
    json(&NetworkInfo {
        version: program_version(),
        subversion: format!("/{}/", own.user_agent.as_str().replace('/', ":")),
        protocolversion: PROTOCOL_VERSION,
        localservices: format!("{:016x}", services.0),
        localservicesnames: names(services),
        localrelay: p2p.is_some(),
        timeoffset: 0,
        networkactive: p2p.is_some(),
        connections: peers.len(),
        connections_in: peers.len() - connections_out,
        connections_out,
        networks: ["ipv4", "ipv6"].map(|name| Network::new(name, p2p.is_some())),
        relayfee,
        incrementalfee,
        localaddresses: multiaddrs.iter().filter_map(|address| LocalAddress::new(address)).collect(),
        peer_id: p2p.map(|p2p| p2p.peer_id().to_owned()),
        identity: p2p.map(|p2p| p2p.identity().to_string()),
        multiaddrs,
        reach: p2p.map(Reach::new),
        warnings: rpc.context.node.warnings(),
    })
}

/// Two digits for each part, as Bitcoin Core has it.
fn program_version() -> u32 {
    let part = |text: &str| text.parse().unwrap_or(0);
    let (major, minor) = (part(env!("CARGO_PKG_VERSION_MAJOR")), part(env!("CARGO_PKG_VERSION_MINOR")));
    10_000 * major + 100 * minor + part(env!("CARGO_PKG_VERSION_PATCH"))
}

async fn add_node(rpc: Arc<Rpc<Context>>, args: Args) -> Outcome {
    let p2p = p2p(&rpc)?;
    let command = args.text("command");
    if !["add", "remove", "onetry"].contains(&command) {
        return Err(RpcError::parameter(format!("command {}: expected add, remove or onetry", shortened(command))));
    }
    let address = address(args.text("node"))?;
    match command {
        "onetry" => p2p.dial(address).await?,
        "add" if !p2p.add(address.clone()).await? => {
            let is_known = p2p.wanted().await?.iter().any(|node| node.address == address);
            let known = RpcError::new(Code::NodeAlreadyAdded, "Error: Node already added");
            let full = RpcError::new(Code::Misc, "Error: as many nodes are added as can be; remove one");
            return Err(if is_known { known } else { full });
        }
        "remove" if !p2p.remove(address).await? => {
            let message = "Error: Node could not be removed. It has not been added previously.";
            return Err(RpcError::new(Code::NodeNotAdded, message));
        }
        _ => {}
    }
    json(&())
}

fn address(text: &str) -> Result<NodeAddress, RpcError> {
    text.parse().map_err(|error: AddressError| RpcError::parameter(format!("node {error}")))
}

async fn disconnect(rpc: Arc<Rpc<Context>>, args: Args) -> Outcome {
    let p2p = p2p(&rpc)?;
    let address = args.text_or_none("address").filter(|address| !address.is_empty());
    let peer = match (address, args.int("nodeid")?) {
        (Some(address), None) => PeerName::Text(address.to_owned()),
        // No peer has a negative number.
        (None, Some(number)) => PeerName::Key(PeerKey(u64::try_from(number).unwrap_or(0))),
        _ => return Err(RpcError::parameter("Only one of address and nodeid should be provided.")),
    };
    if !p2p.disconnect(peer).await? {
        return Err(RpcError::new(Code::NodeNotConnected, "Node not found in connected nodes"));
    }
    json(&())
}

#[derive(Serialize)]
struct Added {
    addednode: String,
    connected: bool,
    addresses: Vec<AddedAddress>,
}

#[derive(Serialize)]
struct AddedAddress {
    address: String,
    connected: &'static str,
}

impl From<WantedInfo> for Added {
    fn from(node: WantedInfo) -> Self {
        let addresses = node.connected.into_iter().map(|(address, is_outbound)| AddedAddress {
            address,
            connected: if is_outbound { "outbound" } else { "inbound" },
        });
        let addresses: Vec<_> = addresses.collect();
        Self { addednode: node.address.to_string(), connected: !addresses.is_empty(), addresses }
    }
}

async fn added_node_info(rpc: Arc<Rpc<Context>>, args: Args) -> Outcome {
    let mut wanted = p2p(&rpc)?.wanted().await?;
    if let Some(text) = args.text_or_none("node") {
        let address = address(text)?;
        wanted.retain(|node| node.address == address);
        if wanted.is_empty() {
            return Err(RpcError::new(Code::NodeNotAdded, "Error: Node has not been added."));
        }
    }
    json(&wanted.into_iter().map(Added::from).collect::<Vec<_>>())
}
